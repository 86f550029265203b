//! Data keys of objects, wrapped anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::operation::head_object::HeadObjectInput;
use aws_sdk_s3::operation::head_object::builders::HeadObjectInputBuilder;
use waxseal::kms::{KmsDiscoveryKeyring, KmsKeyring};
use waxseal::s3::{
    AesKeyring, Client, ContentSuite, Fit, InstructionFiles, MetadataLocation, MultiKeyring,
    Outcome, Policy, RsaKeyring, S3Failure, S3Keyring, UnwrapRequest, WrapRequest, Wrapped,
    WrappedDataKey, WrappingAlgorithm,
};
use waxseal::testing::{FakeKms, Fault as KmsFault, KeySpec, Operation as KmsOperation};
use waxseal::{
    AesKey, ApiMisuse, BoxFuture, CommitmentPolicy, DataKey, Error, KeyringError, ObjectError,
    PolicyError, RsaPrivateKey, Stage, UnwrapFailure,
};

use super::client::{bytes, get, put};
use super::keys::{Keys, aes, client};
use super::server::{BUCKET, Fault, Operation, World};

#[tokio::test]
async fn an_object_is_rewrapped_from_each_kind_of_key_to_each() {
    let (world, old, new) = (World::new(), Keys::new(), Keys::new());
    for from in old.all() {
        for to in new.all() {
            let s3 = client(&world, from);
            s3.put_object(put("k").body(bytes(100).into())).await.unwrap();
            let before = Stored::of(&world, "k").await;
            world.faults().clear();

            let rewrapped = s3.rewrap(head("k"), to).await.unwrap();
            assert_eq!(rewrapped.outcome(), Outcome::Rewrapped);
            assert!(rewrapped.is_verified());
            assert_eq!(rewrapped.from().keyring(), from.describe());
            assert_eq!(rewrapped.to().keyring(), to.describe());
            assert_eq!(rewrapped.location(), MetadataLocation::Object);
            assert_eq!(world.faults().operations(), ONE_COPY);

            let after = Stored::of(&world, "k").await;
            assert_eq!(rewrapped.e_tag(), Some(&*after.e_tag));
            assert!(after.content == before.content);
            for key in ["x-amz-c", "x-amz-d", "x-amz-i"] {
                assert_eq!(after.metadata[key], before.metadata[key]);
            }
            assert_ne!(after.metadata["x-amz-3"], before.metadata["x-amz-3"]);
            opens(&client(&world, to), "k", 100).await;
            opens_no_more(&s3, "k").await;
        }
    }
}

#[tokio::test]
async fn what_is_stored_beside_the_key_is_that_of_the_new_key() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aws);
    s3.put_object(put("k").body(bytes(5).into())).context([("tenant", "42")]).await.unwrap();
    let described = described_aes("2026");
    let request = s3.rewrap(head("k"), &described).context([("tenant", "42")]);
    let rewrapped = request.new_context::<&str, &str>([]).await.unwrap();
    assert_eq!(rewrapped.from().algorithm(), WrappingAlgorithm::KmsContext);
    assert_eq!(rewrapped.to().algorithm(), WrappingAlgorithm::AesGcm);
    let stored = Stored::of(&world, "k").await;
    assert_eq!(stored.metadata["x-amz-w"], "02");
    assert_eq!(stored.metadata["x-amz-m"], r#"{"year":"2026"}"#);
    assert!(!stored.metadata.contains_key("x-amz-t"));

    // And back, with other pairs.
    let s3 = client(&world, &described);
    let request = s3.rewrap(head("k"), &keys.aws).new_context([("tenant", "43")]);
    request.await.unwrap();
    let stored = Stored::of(&world, "k").await;
    assert_eq!(stored.metadata["x-amz-t"], r#"{"aws:x-amz-cek-alg":"115","tenant":"43"}"#);
    assert!(!stored.metadata.contains_key("x-amz-m"));
    let s3 = client(&world, &keys.aws);
    let got = s3.get_object(get("k")).context([("tenant", "43")]).await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), bytes(5));
    assert!(s3.get_object(get("k")).context([("tenant", "42")]).await.is_err());
}

#[tokio::test]
async fn a_context_that_raw_keys_cannot_authenticate_is_not_dropped_silently() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aws);
    s3.put_object(put("k").body(bytes(5).into())).context([("tenant", "42")]).await.unwrap();
    let before = Stored::of(&world, "k").await;
    let refused = s3.rewrap(head("k"), &keys.aes).context([("tenant", "42")]).await;
    assert!(matches!(refused, Err(Error::ApiMisuse(ApiMisuse::Setting { .. }))), "{refused:?}");
    assert_eq!(Stored::of(&world, "k").await, before);
}

#[tokio::test]
async fn objects_of_the_second_format_stay_what_they_are() {
    let (world, keys, new) = (World::new(), Keys::new(), aes());
    let policy = Policy::default().commitment(CommitmentPolicy::ForbidEncryptAllowDecrypt);
    for from in keys.all() {
        let s3 = client(&world, from).policy(policy.clone());
        let in_file = s3.clone().instruction_files(InstructionFiles::Always);
        s3.put_object(put("a").body(bytes(33).into())).await.unwrap();
        in_file.put_object(put("b").body(bytes(33).into())).await.unwrap();
        for key in ["a", "b"] {
            let before = Stored::of(&world, key).await;
            s3.rewrap(head(key), &new).await.unwrap();
            let after = Stored::of(&world, key).await;
            assert!(after.content == before.content);
            assert_eq!(after.metadata.get("x-amz-iv"), before.metadata.get("x-amz-iv"));
            let s3 = client(&world, &new).policy(policy.clone());
            let found = s3.head_object(head(key)).await.unwrap();
            let suite = found.content_metadata().unwrap().suite();
            assert_eq!(suite, ContentSuite::Aes256GcmIv12Tag16NoKdf);
            opens(&s3, key, 33).await;
        }
        opens_no_more(&s3, "a").await;
        opens_no_more(&s3, "b").await;
    }
}

#[tokio::test]
async fn what_the_policy_forbids_to_read_is_not_rewrapped() {
    let (world, keys) = (World::new(), Keys::new());
    let policy = Policy::default().commitment(CommitmentPolicy::ForbidEncryptAllowDecrypt);
    let s3 = client(&world, &keys.aes);
    s3.clone().policy(policy).put_object(put("k").body(bytes(5).into())).await.unwrap();
    let refused = s3.rewrap(head("k"), &keys.aws).await;
    assert!(matches!(refused, Err(Error::Policy(PolicyError::Commitment { .. }))), "{refused:?}");
    assert!(keys.kms.calls().is_empty());
}

#[tokio::test]
async fn what_would_not_notice_a_wrong_key_is_refused_under_every_policy() {
    let (world, keys) = (World::new(), Keys::new());
    let policy = Policy::default()
        .commitment(CommitmentPolicy::RequireEncryptAllowDecrypt)
        .legacy_wrapping_algorithms(true)
        .legacy_unauthenticated_modes(true);
    for (cipher, wrapping, iv, tag_len) in [
        ("AES/CBC/PKCS5Padding", "AES/GCM", "AAAAAAAAAAAAAAAAAAAAAA==", None),
        ("AES/GCM/NoPadding", "AES", "AAAAAAAAAAAAAAAA", Some("128")),
        ("AES/GCM/NoPadding", "RSA", "AAAAAAAAAAAAAAAA", Some("128")),
    ] {
        let mut put = world.sdk().put_object().bucket(BUCKET).key("k").body(bytes(32).into());
        for (key, value) in [
            ("x-amz-key-v2", "a2V5"),
            ("x-amz-iv", iv),
            ("x-amz-cek-alg", cipher),
            ("x-amz-wrap-alg", wrapping),
            ("x-amz-matdesc", "{}"),
        ] {
            put = put.metadata(key, value);
        }
        let put = tag_len.into_iter().fold(put, |put, len| put.metadata("x-amz-tag-len", len));
        put.send().await.unwrap();
        for from in [&keys.aes, &keys.rsa] {
            for policy in [Policy::default(), policy.clone()] {
                let s3 = client(&world, from).policy(policy);
                let refused = s3.rewrap(head("k"), &keys.aws).await;
                let Err(Error::Object(ObjectError::NotRewrappable { .. })) = refused else {
                    panic!("{wrapping}: {refused:?}")
                };
            }
        }
    }
    assert!(keys.kms.calls().is_empty());
}

#[tokio::test]
async fn rewrapping_again_finds_it_done() {
    let (world, old, new) = (World::new(), Keys::new(), Keys::new());
    for to in new.all() {
        let s3 = client(&world, &old.aws);
        s3.put_object(put("k").body(bytes(5).into())).await.unwrap();
        s3.rewrap(head("k"), to).await.unwrap();
        let before = Stored::of(&world, "k").await;
        world.faults().clear();
        let again = s3.rewrap(head("k"), to).await.unwrap();
        assert_eq!(again.outcome(), Outcome::AlreadyDone);
        assert!(again.is_verified() && again.e_tag().is_none());
        assert_eq!(again.to().keyring(), to.describe());
        assert_eq!(world.faults().operations(), [Operation::HeadObject]);
        assert_eq!(Stored::of(&world, "k").await, before);
    }
}

#[tokio::test]
async fn a_legacy_wrapping_by_the_same_key_is_not_done() {
    let (world, kms) = (World::new(), FakeKms::new());
    let arn = kms.create_key(IRELAND, KeySpec::Symmetric).unwrap();
    let keyring: Arc<dyn S3Keyring> = Arc::new(KmsKeyring::new(kms.client(IRELAND), &arn).unwrap());
    // As the first clients wrapped: any context, and no content cipher in it.
    let data_key = kms.client(IRELAND).generate_data_key().key_id(&arn).number_of_bytes(32);
    let data_key = data_key.encryption_context("tenant", "42").send().await.unwrap();
    let wrapped = data_key.ciphertext_blob.unwrap().into_inner();
    let put = world.sdk().put_object().bucket(BUCKET).key("k").body(bytes(32).into());
    let put = put
        .metadata("x-amz-key-v2", base64(&wrapped))
        .metadata("x-amz-iv", "AAAAAAAAAAAAAAAA")
        .metadata("x-amz-cek-alg", "AES/GCM/NoPadding")
        .metadata("x-amz-tag-len", "128")
        .metadata("x-amz-wrap-alg", "kms")
        .metadata("x-amz-matdesc", r#"{"tenant":"42"}"#);
    put.send().await.unwrap();
    let allowed = Policy::default()
        .commitment(CommitmentPolicy::ForbidEncryptAllowDecrypt)
        .legacy_wrapping_algorithms(true);
    let s3 = client(&world, &keyring).policy(allowed);
    let rewrapped = s3.rewrap(head("k"), &keyring).await.unwrap();
    assert_eq!(rewrapped.outcome(), Outcome::Rewrapped);
    assert_eq!(rewrapped.from().algorithm(), WrappingAlgorithm::Kms);
    let stored = Stored::of(&world, "k").await;
    assert_eq!(stored.metadata["x-amz-wrap-alg"], "kms+context");
    let again = s3.rewrap(head("k"), &keyring).await.unwrap();
    assert_eq!(again.outcome(), Outcome::AlreadyDone);
}

#[tokio::test]
async fn a_public_key_alone_is_not_verified_and_the_result_says_so() {
    let (world, keys) = (World::new(), Keys::new());
    let private = RsaPrivateKey::generate(2048).unwrap();
    let public = RsaKeyring::public(private.public_key().unwrap()).unwrap();
    let public = public.description([("key", "partner")]);
    let private: Arc<dyn S3Keyring> = Arc::new(RsaKeyring::private(private).unwrap());
    let s3 = client(&world, &keys.aes);
    s3.put_object(put("k").body(bytes(5).into())).await.unwrap();
    let rewrapped = s3.rewrap(head("k"), &public).await.unwrap();
    assert_eq!((rewrapped.outcome(), rewrapped.is_verified()), (Outcome::Rewrapped, false));
    opens(&client(&world, &private), "k", 5).await;
    // Nobody here can open it any more; the description tells that it is done.
    let again = s3.rewrap(head("k"), &public).await.unwrap();
    assert_eq!((again.outcome(), again.is_verified()), (Outcome::AlreadyDone, false));
    // Of another one it tells nothing.
    let other = RsaPrivateKey::generate(2048).unwrap().public_key().unwrap();
    let other = RsaKeyring::public(other).unwrap().description([("key", "other")]);
    let refused = s3.rewrap(head("k"), &other).await;
    assert!(matches!(refused, Err(Error::Keyring(_))), "{refused:?}");
}

#[tokio::test]
async fn the_same_description_of_another_public_key_is_not_taken_for_done() {
    let (world, old) = (World::new(), RsaPrivateKey::generate(2048).unwrap());
    let described = |keyring: RsaKeyring| keyring.description([("key", "rsa")]);
    let old = RsaKeyring::key_pair(old.public_key().unwrap(), old).unwrap();
    let old: Arc<dyn S3Keyring> = Arc::new(described(old));
    let new = RsaPrivateKey::generate(2048).unwrap().public_key().unwrap();
    let new = described(RsaKeyring::public(new).unwrap());
    let s3 = client(&world, &old);
    s3.put_object(put("k").body(bytes(5).into())).await.unwrap();
    let rewrapped = s3.rewrap(head("k"), &new).await.unwrap();
    assert_eq!(rewrapped.outcome(), Outcome::Rewrapped);
}

#[tokio::test]
async fn an_instruction_file_is_replaced_and_the_object_left_alone() {
    let (world, old, new) = (World::new(), Keys::new(), Keys::new());
    for from in old.all() {
        for to in new.all() {
            let s3 = client(&world, from).instruction_files(InstructionFiles::Always);
            s3.put_object(put("k").body(bytes(40).into())).await.unwrap();
            let (before, file) = (Stored::of(&world, "k").await, world.stored(FILE));
            world.faults().clear();
            let rewrapped = s3.rewrap(head("k"), to).await.unwrap();
            assert_eq!(rewrapped.outcome(), Outcome::Rewrapped);
            assert_eq!(rewrapped.location(), MetadataLocation::InstructionFile);
            let expected = [
                Operation::HeadObject,
                Operation::GetObject,
                Operation::PutObject,
                Operation::GetObject,
            ];
            assert_eq!(world.faults().operations(), expected);
            let sent = &world.faults().seen()[2];
            assert_eq!(sent.path, "/bucket/k.instruction");
            assert!(sent.header("if-match").is_some());
            assert_eq!(sent.header("x-amz-meta-x-amz-crypto-instr-file"), Some(""));
            assert_eq!(Stored::of(&world, "k").await, before);
            assert_ne!(world.stored(FILE), file);
            assert_eq!(world.keys(), ["k", FILE]);
            opens(&client(&world, to), "k", 40).await;
            opens_no_more(&s3, "k").await;
            let again = s3.rewrap(head("k"), to).await.unwrap();
            assert_eq!(again.outcome(), Outcome::AlreadyDone);
        }
    }
}

#[tokio::test]
async fn with_another_suffix_both_keys_open() {
    let (world, keys, partner) = (World::new(), Keys::new(), Keys::new());
    let s3 = client(&world, &keys.aws).instruction_files(InstructionFiles::Always);
    s3.put_object(put("k").body(bytes(40).into())).await.unwrap();
    let file = world.stored(FILE);
    let share = || s3.rewrap(head("k"), &partner.rsa).instruction_file_suffix(".partner");
    assert_eq!(share().await.unwrap().outcome(), Outcome::Rewrapped);
    assert_eq!(world.keys(), ["k", FILE, "k.partner"]);
    assert_eq!(world.stored(FILE), file);
    opens(&s3, "k", 40).await;
    let theirs = client(&world, &partner.rsa);
    let got = theirs.get_object(get("k")).instruction_file_suffix(".partner").await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), bytes(40));
    opens_no_more(&theirs, "k").await;

    let shared = world.stored("k.partner");
    assert_eq!(share().await.unwrap().outcome(), Outcome::AlreadyDone);
    assert_eq!(world.stored("k.partner"), shared);
    // After the object was replaced, what was shared is of no use, and is replaced, too.
    s3.put_object(put("k").body(bytes(41).into())).await.unwrap();
    assert_eq!(share().await.unwrap().outcome(), Outcome::Rewrapped);
    let got = theirs.get_object(get("k")).instruction_file_suffix(".partner").await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), bytes(41));
}

#[tokio::test]
async fn a_suffix_hits_no_other_object() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aes);
    let always = s3.clone().instruction_files(InstructionFiles::Always);
    always.put_object(put("k").body(bytes(40).into())).await.unwrap();
    s3.put_object(put("in-metadata").body(bytes(40).into())).await.unwrap();
    world.put("k.txt", b"the user's own").await;
    let own = world.stored("k");
    world.faults().clear();
    let with = |key: &str, suffix: &str| {
        s3.rewrap(head(key), &keys.aws).instruction_file_suffix(suffix).into_future()
    };
    let refused = with("k", ".txt").await;
    assert!(matches!(refused, Err(Error::Object(ObjectError::InstructionFile { .. }))));
    for (key, suffix) in [("k", ""), ("in-metadata", ".partner")] {
        let refused = with(key, suffix).await;
        assert!(matches!(refused, Err(Error::ApiMisuse(ApiMisuse::Setting { .. }))));
    }
    assert_eq!(writes(&world), 0);
    assert_eq!(world.stored("k.txt"), b"the user's own");
    assert_eq!(world.stored("k"), own);
}

/// What any of several opens, or what discovery does, is not rewrapped by that.
#[tokio::test]
async fn only_what_wraps_alone_is_a_new_keyring() {
    let (world, keys, new) = (World::new(), Keys::new(), Keys::new());
    let s3 = client(&world, &keys.aws);
    s3.put_object(put("k").body(bytes(5).into())).await.unwrap();
    world.faults().clear();
    let both = MultiKeyring::new(Arc::clone(&new.aes)).also(Arc::clone(&keys.aws));
    let refused = s3.rewrap(head("k"), both).await;
    assert!(matches!(refused, Err(Error::ApiMisuse(ApiMisuse::Setting { .. }))), "{refused:?}");
    let discovery = KmsDiscoveryKeyring::new(keys.kms.client("eu-west-1"));
    let refused = s3.rewrap(head("k"), MultiKeyring::new(discovery)).await;
    assert!(matches!(refused, Err(Error::Keyring(_))), "{refused:?}");
    assert_eq!(writes(&world), 0);
    let alone = MultiKeyring::new(Arc::clone(&new.aes));
    assert_eq!(s3.rewrap(head("k"), alone).await.unwrap().outcome(), Outcome::Rewrapped);
}

#[tokio::test]
async fn enforced_rotation_refuses_what_the_old_keyring_still_opens() {
    let (world, keys, new) = (World::new(), Keys::new(), Keys::new());
    for in_file in [InstructionFiles::Read, InstructionFiles::Always] {
        let both = MultiKeyring::new(Arc::clone(&keys.aes)).also(Arc::clone(&new.aws));
        let both: Arc<dyn S3Keyring> = Arc::new(both);
        let s3 = client(&world, &both).instruction_files(in_file);
        s3.put_object(put("k").body(bytes(5).into())).await.unwrap();
        let before = Stored::of(&world, "k").await;
        world.faults().clear();
        let refused = s3.rewrap(head("k"), &new.aws).enforce_rotation().await;
        let Err(Error::Policy(PolicyError::Rotation { keyring })) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(keyring, both.describe());
        assert_eq!(writes(&world), 0);
        assert_eq!(Stored::of(&world, "k").await, before);

        let old = client(&world, &keys.aes);
        let done = old.rewrap(head("k"), &new.aws).enforce_rotation().await.unwrap();
        assert_eq!(done.outcome(), Outcome::Rewrapped);
        // What was done without it is not let through either.
        let again = s3.rewrap(head("k"), &new.aws).enforce_rotation().await;
        assert!(matches!(again, Err(Error::Policy(PolicyError::Rotation { .. }))), "{again:?}");
    }
}

#[tokio::test]
async fn between_keys_of_aws_kms_rotation_is_certain_only_if_it_answers() {
    let (world, kms) = (World::new(), FakeKms::new());
    let [old, new] = [(); 2].map(|()| kms.create_key(IRELAND, KeySpec::Symmetric).unwrap());
    let keyring = |arn: &str| -> Arc<dyn S3Keyring> {
        Arc::new(KmsKeyring::new(kms.client(IRELAND), arn).unwrap())
    };
    let s3 = client(&world, &keyring(&old));
    let to = keyring(&new);
    s3.put_object(put("k").body(bytes(5).into())).await.unwrap();
    let before = Stored::of(&world, "k").await;
    // The old key is asked twice: for the data key, and whether it opens what the new one wrapped.
    let unsure: Arc<dyn S3Keyring> = Arc::new(DeniedTheSecondTime::new(keyring(&old)));
    let s3_unsure = client(&world, &unsure);
    let refused = s3_unsure.rewrap(head("k"), &to).enforce_rotation().await;
    assert!(matches!(refused, Err(Error::Keyring(KeyringError::Object { .. }))), "{refused:?}");
    assert_eq!(Stored::of(&world, "k").await, before);

    let done = s3.rewrap(head("k"), &to).enforce_rotation().await.unwrap();
    assert_eq!(done.outcome(), Outcome::Rewrapped);
    opens(&client(&world, &to), "k", 5).await;
}

#[tokio::test]
async fn a_wrong_old_key_changes_nothing() {
    let (world, keys, strangers) = (World::new(), Keys::new(), Keys::new());
    for in_file in [InstructionFiles::Read, InstructionFiles::Always] {
        for from in keys.all() {
            let s3 = client(&world, from).instruction_files(in_file);
            s3.put_object(put("k").body(bytes(5).into())).await.unwrap();
            let before = Stored::of(&world, "k").await;
            for stranger in strangers.all() {
                world.faults().clear();
                let refused = client(&world, stranger).rewrap(head("k"), aes()).await;
                assert!(matches!(refused, Err(Error::Keyring(_))), "{refused:?}");
                assert_eq!(writes(&world), 0);
            }
            assert_eq!(Stored::of(&world, "k").await, before);
            opens(&s3, "k", 5).await;
        }
    }
}

#[tokio::test]
async fn a_data_key_that_the_object_does_not_commit_to_is_not_wrapped() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aes);
    for key in ["a", "b"] {
        s3.put_object(put(key).body(bytes(5).into())).await.unwrap();
    }
    // The wrapped data key of one with the content of the other.
    let [a, b] = [Stored::of(&world, "a").await, Stored::of(&world, "b").await];
    let mut mixed = a.metadata.clone();
    mixed.insert("x-amz-3".to_owned(), b.metadata["x-amz-3"].clone());
    let put = world.sdk().put_object().bucket(BUCKET).key("k").set_metadata(Some(mixed));
    put.body(a.content.into()).send().await.unwrap();
    for to in [&keys.aws, &keys.aes] {
        world.faults().clear();
        let refused = s3.rewrap(head("k"), to).await;
        assert!(matches!(refused, Err(Error::Unauthentic(Stage::Commitment))), "{refused:?}");
        assert_eq!(writes(&world), 0);
    }
}

#[tokio::test]
async fn what_the_new_key_cannot_unwrap_is_not_written() {
    let (world, keys) = (World::new(), Keys::new());
    for commitment in [
        CommitmentPolicy::RequireEncryptRequireDecrypt,
        CommitmentPolicy::ForbidEncryptAllowDecrypt,
    ] {
        let s3 = client(&world, &keys.aes).policy(Policy::default().commitment(commitment));
        s3.put_object(put("k").body(bytes(5).into())).await.unwrap();
        let before = Stored::of(&world, "k").await;
        world.faults().clear();
        // Without a commitment, only comparing tells that it is another data key.
        for fault in [KmsFault::flipped_plaintext(), KmsFault::internal().always()] {
            keys.kms.inject(fault.on(KmsOperation::Decrypt));
            let refused = s3.rewrap(head("k"), &keys.aws).await;
            assert!(matches!(refused, Err(Error::Keyring(_))), "{refused:?}");
            keys.kms.clear_faults();
        }
        assert_eq!(writes(&world), 0);
        assert_eq!(Stored::of(&world, "k").await, before);
        opens(&s3, "k", 5).await;
    }
}

#[tokio::test]
async fn another_writer_wins_whether_before_or_after() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aes);
    s3.put_object(put("k").body(bytes(5).into())).await.unwrap();
    let other = s3.clone();
    world.faults().before(Operation::CopyObject, 1, move || async move {
        other.put_object(put("k").body(bytes(77).into())).await.unwrap();
    });
    let refused = s3.rewrap(head("k"), &keys.aws).await;
    assert_eq!(failure(refused), S3Failure::PreconditionFailed);
    opens(&s3, "k", 77).await;

    // Between the copy and the look at it: the second HEAD.
    let before = Stored::of(&world, "k").await;
    let other = s3.clone();
    world.faults().before(Operation::HeadObject, 2, move || async move {
        other.put_object(put("k").body(bytes(78).into())).await.unwrap();
    });
    let refused = s3.rewrap(head("k"), &keys.aws).await;
    let Err(Error::Object(ObjectError::NotAsWritten { before: told, now })) = refused else {
        panic!("{refused:?}")
    };
    assert!(told.contains(&before.metadata["x-amz-3"]), "{told}");
    let after = Stored::of(&world, "k").await;
    assert!(now.contains(&after.metadata["x-amz-3"]), "{now}");
    opens(&s3, "k", 78).await;
}

#[tokio::test]
async fn another_writer_of_the_instruction_file_wins_too() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aes).instruction_files(InstructionFiles::Always);
    s3.put_object(put("k").body(bytes(5).into())).await.unwrap();
    let other = s3.clone();
    // The first is the one that rewraps; those of the hook come after it.
    world.faults().before(Operation::PutObject, 1, move || async move {
        other.put_object(put("k").body(bytes(77).into())).await.unwrap();
    });
    let refused = s3.rewrap(head("k"), &keys.aws).await;
    assert_eq!(failure(refused), S3Failure::PreconditionFailed);
    opens(&s3, "k", 77).await;

    world.faults().before(Operation::PutObject, 1, {
        let sdk = world.sdk();
        move || async move {
            let put = sdk.put_object().bucket(BUCKET).key("k.partner");
            put.body(b"theirs".to_vec().into()).send().await.unwrap();
        }
    });
    let refused = s3.rewrap(head("k"), &keys.aws).instruction_file_suffix(".partner").await;
    assert_eq!(failure(refused), S3Failure::PreconditionFailed);
    assert_eq!(world.stored("k.partner"), b"theirs");
}

/// Not every client marks its files, and without the mark one would be taken for an object.
#[tokio::test]
async fn a_second_instruction_file_is_marked_whether_the_first_one_is_or_not() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aes).instruction_files(InstructionFiles::Always);
    s3.put_object(put("k").body(bytes(5).into())).await.unwrap();
    let text = world.stored("k.instruction");
    world.put("k.instruction", &text).await;
    assert!(!world.metadata("k.instruction").await.contains_key("x-amz-crypto-instr-file"));
    s3.rewrap(head("k"), &keys.aws).instruction_file_suffix(".partner").await.unwrap();
    assert!(world.metadata("k.partner").await.contains_key("x-amz-crypto-instr-file"));
}

#[tokio::test]
async fn an_answer_that_is_lost_is_no_failure() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = Client::new(world.impatient(), Arc::clone(&keys.aes));
    s3.put_object(put("k").body(bytes(5).into())).await.unwrap();
    world.faults().next(Operation::CopyObject, 1, Fault::LoseAnswer);
    let rewrapped = s3.rewrap(head("k"), &keys.aws).await.unwrap();
    assert_eq!(rewrapped.outcome(), Outcome::Rewrapped);
    opens(&client(&world, &keys.aws), "k", 5).await;
    // But a request that did nothing is one.
    world.faults().next(Operation::CopyObject, 1, Fault::HangUp);
    let s3 = s3.with_keyring(Arc::clone(&keys.aws));
    let failed = s3.rewrap(head("k"), &keys.aes).await;
    assert!(matches!(failure(failed), S3Failure::Unreachable(_)));
    opens(&s3, "k", 5).await;
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let (world, keys) = (World::new(), Keys::new());
    for in_file in [InstructionFiles::Read, InstructionFiles::Always] {
        let s3 = client(&world, &keys.aes).instruction_files(in_file);
        s3.put_object(put("k").body(bytes(5).into())).await.unwrap();
        world.faults().clear();
        let would = s3.rewrap(head("k"), &keys.aws).dry_run().await.unwrap();
        assert_eq!(would.outcome(), Outcome::WouldRewrap);
        assert!(would.is_verified() && would.e_tag().is_none());
        assert_eq!(writes(&world), 0);
        opens(&s3, "k", 5).await;
    }
    let s3 = client(&world, &keys.aes);
    let long = put("long").body(bytes(5).into()).metadata("own", "v".repeat(1750));
    s3.put_object(long).await.unwrap();
    let pairs = [("long", "v".repeat(300))];
    let refused = s3.rewrap(head("long"), &keys.aws).new_context(pairs).dry_run().await;
    assert!(matches!(refused, Err(Error::Object(ObjectError::MetadataTooLong { .. }))));
}

#[tokio::test]
async fn headers_and_metadata_of_the_users_own_are_kept() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aes);
    let key = "a b/c+d%e?&=#é";
    for above in [u64::MAX, 0] {
        let input = put(key)
            .body(bytes(5).into())
            .content_type("text/x")
            .content_encoding("br")
            .content_language("de")
            .content_disposition("attachment")
            .cache_control("no-store")
            .metadata("own", "value")
            .metadata("x-amz-unencrypted", "the user's own, too");
        s3.put_object(input).await.unwrap();
        let get = || async { s3.unencrypted().head_object().bucket(BUCKET).key(key).send().await };
        let before = get().await.unwrap();
        let request = s3.rewrap(head(key), &keys.aws).multipart_copy_above(above);
        assert_eq!(request.await.unwrap().outcome(), Outcome::Rewrapped);
        let after = get().await.unwrap();
        assert_eq!(after.content_type, before.content_type);
        assert_eq!(after.content_encoding, before.content_encoding);
        assert_eq!(after.content_language, before.content_language);
        assert_eq!(after.content_disposition, before.content_disposition);
        assert_eq!(after.cache_control, before.cache_control);
        let own = after.metadata.unwrap();
        assert_eq!(own["own"], "value");
        assert_eq!(own["x-amz-unencrypted"], "the user's own, too");
        opens(&client(&world, &keys.aws), key, 5).await;
    }
    assert_eq!(world.faults().count(Operation::CopyObject), 1);
    assert_eq!(world.faults().count(Operation::UploadPartCopy), 1);
}

#[tokio::test]
async fn a_length_that_another_client_stated_is_kept() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aes);
    s3.put_object(put("k").body(bytes(5).into())).await.unwrap();
    let mut before = Stored::of(&world, "k").await;
    before.metadata.insert("x-amz-unencrypted-content-length".to_owned(), "5".to_owned());
    let put = world.sdk().put_object().bucket(BUCKET).key("k");
    let put = put.set_metadata(Some(before.metadata)).body(before.content.into());
    put.send().await.unwrap();
    s3.rewrap(head("k"), &keys.aws).await.unwrap();
    let after = Stored::of(&world, "k").await;
    assert_eq!(after.metadata["x-amz-unencrypted-content-length"], "5");
    opens(&client(&world, &keys.aws), "k", 5).await;
}

#[tokio::test]
async fn a_long_object_is_copied_in_parts() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aes);
    let len = 11 << 20;
    s3.put_object(put("k").body(bytes(len).into())).await.unwrap();
    let before = Stored::of(&world, "k").await;
    world.faults().clear();
    let rewrap = || s3.rewrap(head("k"), &keys.aws).multipart_copy_above(5 << 20);
    assert_eq!(rewrap().await.unwrap().outcome(), Outcome::Rewrapped);
    assert_eq!(world.faults().count(Operation::CopyObject), 0);
    let copies: Vec<_> = world.faults().seen();
    let copies: Vec<_> =
        copies.iter().filter(|seen| seen.operation == Operation::UploadPartCopy).collect();
    assert_eq!(copies.len(), 3);
    assert!(copies.iter().all(|copy| copy.header("x-amz-copy-source-if-match").is_some()));
    let completes = world.faults().seen();
    let mut completes =
        completes.iter().filter(|seen| seen.operation == Operation::CompleteMultipartUpload);
    assert_eq!(completes.next().unwrap().header("if-match"), Some(&*before.e_tag));
    assert!(Stored::of(&world, "k").await.content == before.content);
    opens(&client(&world, &keys.aws), "k", len).await;
    opens_no_more(&s3, "k").await;
}

#[tokio::test]
async fn a_copy_in_parts_that_fails_leaves_the_object_and_no_upload() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aes);
    s3.put_object(put("k").body(bytes(11 << 20).into())).await.unwrap();
    let before = Stored::of(&world, "k").await;
    let rewrap = || s3.rewrap(head("k"), &keys.aws).multipart_copy_above(5 << 20).into_future();

    world.faults().next(Operation::UploadPartCopy, 1, Fault::Refuse(403, "AccessDenied"));
    let failed = failure(rewrap().await);
    assert_eq!(failed, S3Failure::AccessDenied { action: "s3:PutObject".to_owned() });
    assert_eq!(world.faults().count(Operation::AbortMultipartUpload), 1);
    assert_eq!(Stored::of(&world, "k").await, before);

    // Before any part is copied, and after all are.
    for operation in [Operation::CreateMultipartUpload, Operation::CompleteMultipartUpload] {
        s3.put_object(put("k").body(bytes(11 << 20).into())).await.unwrap();
        let other = s3.clone();
        world.faults().before(operation, 1, move || async move {
            other.put_object(put("k").body(bytes(77).into())).await.unwrap();
        });
        assert_eq!(failure(rewrap().await), S3Failure::PreconditionFailed);
        opens(&s3, "k", 77).await;
    }
    assert_eq!(world.faults().count(Operation::AbortMultipartUpload), 3);
}

#[tokio::test]
async fn only_whole_current_objects_are_rewrapped() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aes).instruction_files(InstructionFiles::Always);
    s3.put_object(put("k").body(bytes(5).into())).await.unwrap();
    client(&world, &keys.aes).put_object(put("m").body(bytes(5).into())).await.unwrap();
    world.put("plain", b"hello").await;
    for input in [
        head("k").range("bytes=0-1"),
        head("k").part_number(1),
        head("m").version_id("null"),
        head("m").response_content_type("text/html"),
        HeadObjectInput::builder().bucket(BUCKET),
    ] {
        let refused = s3.rewrap(input, &keys.aws).await;
        // The embedded S3 has no versions, and may say so first.
        assert!(matches!(refused, Err(Error::ApiMisuse(_) | Error::S3(_))), "{refused:?}");
    }
    let refused = s3.rewrap(head(FILE), &keys.aws).await;
    assert!(matches!(refused, Err(Error::Object(ObjectError::NotRewrappable { .. }))));
    let refused = s3.rewrap(head("plain"), &keys.aws).await;
    assert!(matches!(refused, Err(Error::Object(ObjectError::NotEncrypted { .. }))));
    assert_eq!(failure(s3.rewrap(head("none"), &keys.aws).await), S3Failure::NoSuchKey);
    assert_eq!(world.get("plain").await, b"hello");
}

/// What S3 has of an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    content: Vec<u8>,
    pub(crate) metadata: HashMap<String, String>,
    e_tag: String,
}

impl Stored {
    pub(crate) async fn of(world: &World, key: &str) -> Self {
        let got = world.sdk().get_object().bucket(BUCKET).key(key).send().await.unwrap();
        Self {
            metadata: got.metadata.clone().unwrap_or_default(),
            e_tag: got.e_tag.clone().unwrap(),
            content: got.body.collect().await.unwrap().to_vec(),
        }
    }
}

/// A keyring whose service fails after the first use.
#[derive(Debug)]
struct DeniedTheSecondTime {
    keyring: Arc<dyn S3Keyring>,
    used: AtomicBool,
}

impl DeniedTheSecondTime {
    fn new(keyring: Arc<dyn S3Keyring>) -> Self {
        Self { keyring, used: false.into() }
    }
}

impl S3Keyring for DeniedTheSecondTime {
    fn wrap<'a>(&'a self, request: &'a WrapRequest<'a>) -> BoxFuture<'a, Result<Wrapped, Error>> {
        self.keyring.wrap(request)
    }

    fn fit(&self, wrapped: &WrappedDataKey) -> Fit {
        self.keyring.fit(wrapped)
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<DataKey, UnwrapFailure>> {
        if self.used.swap(true, Ordering::SeqCst) {
            let failure = UnwrapFailure::Other("the service is gone".into());
            return Box::pin(std::future::ready(Err(failure)));
        }
        self.keyring.unwrap(request)
    }

    fn describe(&self) -> String {
        self.keyring.describe()
    }
}

fn described_aes(year: &str) -> Arc<dyn S3Keyring> {
    let keyring = AesKeyring::new(AesKey::generate_256().unwrap()).unwrap();
    Arc::new(keyring.description([("year", year)]))
}

pub(crate) async fn opens(s3: &Client, key: &str, len: usize) {
    let got = s3.get_object(get(key)).await.unwrap();
    assert!(got.body.collect().await.unwrap().to_vec() == bytes(len), "{key}");
}

pub(crate) async fn opens_no_more(s3: &Client, key: &str) {
    let got = s3.get_object(get(key)).await;
    assert!(matches!(got, Err(Error::Keyring(_))), "{key}: {got:?}");
}

fn failure<T: std::fmt::Debug>(result: Result<T, Error>) -> S3Failure {
    match result {
        Err(Error::S3(error)) => error.failure().clone(),
        other => panic!("{other:?}"),
    }
}

/// How many requests came that change something.
fn writes(world: &World) -> usize {
    let reads = [Operation::HeadObject, Operation::GetObject, Operation::ListObjectsV2];
    world.faults().operations().iter().filter(|operation| !reads.contains(operation)).count()
}

fn head(key: &str) -> HeadObjectInputBuilder {
    HeadObjectInput::builder().bucket(BUCKET).key(key)
}

fn base64(bytes: &[u8]) -> String {
    use base64ct::Encoding as _;
    base64ct::Base64::encode_string(bytes)
}

const FILE: &str = "k.instruction";
const IRELAND: &str = "eu-west-1";
const ONE_COPY: [Operation; 3] =
    [Operation::HeadObject, Operation::CopyObject, Operation::HeadObject];
