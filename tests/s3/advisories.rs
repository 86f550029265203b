//! What was wrong in other clients and was published: each as a test that it is not so here.
//!
//! `oracles.rs` has those about legacy algorithms.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use aws_sdk_s3::operation::head_object::HeadObjectInput;
use aws_sdk_s3::primitives::ByteStream;
use waxseal::s3::{
    Client, ContentSuite, Fit, InstructionFiles, Policy, S3Keyring, UnwrapRequest, WrapRequest,
    Wrapped, WrappedDataKey, WrappingAlgorithm, prepare,
};
use waxseal::{
    ApiMisuse, BoxFuture, CommitmentPolicy, DataKey, EncryptionContext, Error, KeyringError,
    ObjectError, PolicyError, Stage, UnwrapFailure,
};

use super::client::{bytes, get, open, put, streamed};
use super::keys::{Keys, aes, client};
use super::server::{BUCKET, Fault, Operation, World};
use super::stored::{
    Stored, everything, flipped, opened, policies, refused_by_every_way, to_base64, told,
};

/// What says which content and which key it is, and so must be with the object itself.
const CONTENT: [&str; 3] = ["x-amz-c", "x-amz-d", "x-amz-i"];
const OF_V3: [&str; 7] =
    ["x-amz-c", "x-amz-3", "x-amz-d", "x-amz-i", "x-amz-w", "x-amz-m", "x-amz-t"];

// CVE-2025-14763 and its siblings: whoever writes instruction files chooses what an object decrypts to.

#[tokio::test]
async fn a_commitment_in_an_instruction_file_is_refused_under_every_policy() {
    let (world, keys) = (World::new(), Keys::new());
    for keyring in keys.all() {
        let s3 = client(&world, keyring).instruction_files(InstructionFiles::Always);
        s3.put_object(put("k").body(bytes(40).into())).await.unwrap();
        let object = Stored::at(&world, "k").await;
        let mut changed = Vec::new();
        let (mut all_doubled, mut all_moved) = (object.clone(), object.clone());
        for key in CONTENT {
            changed.push(object.with_in_file(key, object.value(key)));
            changed.push(object.with_in_file(key, object.value(key)).without(key));
            changed.push(object.with_in_file(key, ""));
            all_doubled = all_doubled.with_in_file(key, object.value(key));
            all_moved = all_moved.with_in_file(key, object.value(key)).without(key);
        }
        changed.extend([all_doubled, all_moved]);
        keys.kms.clear_calls();
        for object in changed {
            object.store(&world, "k").await;
            for policy in policies() {
                let s3 = s3.clone().policy(policy);
                for error in refused_by_every_way(&s3, "k", &[]).await {
                    assert!(matches!(error, Error::Object(_)), "{object:?}: {error:?}");
                }
                let head = s3.head_object(head("k")).await;
                assert!(matches!(head, Err(Error::Object(_))), "{head:?}");
            }
        }
        assert!(keys.kms.calls().is_empty(), "no key is used for what is refused anyway");
        object.store(&world, "k").await;
        assert_eq!(opened(&s3, "k").await.unwrap(), bytes(40));
    }
}

#[tokio::test]
async fn the_data_key_of_another_object_opens_nothing() {
    let (world, keys) = (World::new(), Keys::new());
    for keyring in keys.all() {
        let s3 = client(&world, keyring).instruction_files(InstructionFiles::Always);
        s3.put_object(put("k").body(bytes(40).into())).await.unwrap();
        s3.put_object(put("other").body(bytes(50).into())).await.unwrap();
        let file = world.stored("other.instruction");
        world.put("k.instruction", &file).await;
        for policy in policies() {
            for error in refused_by_every_way(&s3.clone().policy(policy), "k", &[]).await {
                assert!(matches!(error, Error::Unauthentic(Stage::Commitment)), "{error:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_commitment_is_checked_before_any_byte_is_decrypted_ranges_included() {
    let (world, keys) = (World::new(), Keys::new());
    for keyring in keys.all() {
        let s3 = client(&world, keyring);
        s3.put_object(put("k").body(bytes(40).into())).await.unwrap();
        let object = Stored::at(&world, "k").await;
        for (key, at) in [("x-amz-d", 0), ("x-amz-d", 13), ("x-amz-d", -1), ("x-amz-i", 5)] {
            object.with(key, &flipped(object.value(key), at)).store(&world, "k").await;
            for error in refused_by_every_way(&s3, "k", &[]).await {
                assert!(matches!(error, Error::Unauthentic(Stage::Commitment)), "{error:?}");
            }
        }
        for len in [0, 27, 29] {
            object.with("x-amz-d", &to_base64(&vec![0; len])).store(&world, "k").await;
            for error in refused_by_every_way(&s3, "k", &[]).await {
                assert!(matches!(error, Error::Object(_)), "{error:?}");
            }
        }
    }
}

// CVE-2026-6550: what a custom keyring answers is checked where it is used.

/// Gives what it is told to give, and unwraps to what it is told to.
#[derive(Debug)]
struct Liar {
    wraps_with: WrappingAlgorithm,
    context: EncryptionContext,
    made_len: Option<usize>,
    unwraps_to: usize,
}

impl S3Keyring for Liar {
    fn wrap<'a>(&'a self, _: &'a WrapRequest<'a>) -> BoxFuture<'a, Result<Wrapped, Error>> {
        let key = WrappedDataKey::new(self.wraps_with, [7; 48]).with_context(self.context.clone());
        let made = self.made_len.map(data_key);
        Box::pin(async { Ok(Wrapped::new(key, made)) })
    }

    fn fit(&self, _: &WrappedDataKey) -> Fit {
        Fit::Maybe
    }

    fn unwrap<'a>(
        &'a self,
        _: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<DataKey, UnwrapFailure>> {
        Box::pin(async { Ok(data_key(self.unwraps_to)) })
    }

    fn describe(&self) -> String {
        "liar".to_owned()
    }
}

fn liar(wraps_with: WrappingAlgorithm, made_len: Option<usize>, unwraps_to: usize) -> Liar {
    Liar { wraps_with, context: EncryptionContext::new(), made_len, unwraps_to }
}

fn data_key(len: usize) -> DataKey {
    DataKey::try_from(&vec![7; len][..]).unwrap()
}

#[tokio::test]
async fn a_custom_keyring_can_neither_weaken_the_wrapping_nor_the_content() {
    use WrappingAlgorithm::{AesEcb, AesGcm, AesWrap, Kms, KmsContext, RsaOaepSha256, RsaPkcs1};
    let world = World::new();
    let legacy =
        [AesEcb, AesWrap, Kms, RsaOaepSha256, RsaPkcs1].map(|with| liar(with, Some(32), 32));
    let lengths = [None, Some(16), Some(24)].map(|len| liar(AesGcm, len, 32));
    // Nobody could open what does not bind the content cipher.
    let other_cipher = EncryptionContext::from_iter([("aws:x-amz-cek-alg", "AES/GCM/NoPadding")]);
    let unbound = [EncryptionContext::new(), other_cipher]
        .map(|context| Liar { context, ..liar(KmsContext, Some(32), 32) });
    for liar in legacy.into_iter().chain(lengths).chain(unbound) {
        let said = format!("{liar:?}");
        let s3 = Client::new(world.sdk(), liar);
        for policy in [Policy::default(), everything().commitment(CommitmentPolicy::default())] {
            let s3 = s3.clone().policy(policy);
            let put_it = s3.put_object(put("k").body(bytes(5).into())).await;
            assert!(matches!(put_it, Err(Error::Keyring(_))), "{said}: {put_it:?}");
            let upload = s3.upload(put("k"), &b"hello"[..]).await;
            assert!(matches!(upload, Err(Error::Keyring(_))), "{said}: {upload:?}");
        }
    }
    assert_eq!(world.keys(), [""; 0]);
    assert!(world.faults().seen().is_empty());

    // Honest once, it commits, and what it says later is compared with that.
    let honest = || liar(AesGcm, Some(32), 32);
    Client::new(world.sdk(), honest()).put_object(put("k").body(bytes(5).into())).await.unwrap();
    assert_eq!(Stored::at(&world, "k").await.value("x-amz-c"), "115");
    assert_eq!(open(&Client::new(world.sdk(), honest()), "k").await, bytes(5));
    for len in [16, 24] {
        let s3 = Client::new(world.sdk(), liar(AesGcm, None, len));
        for error in refused_by_every_way(&s3, "k", &[]).await {
            assert!(matches!(error, Error::Keyring(KeyringError::Object { .. })), "{error:?}");
        }
    }
    let object = Stored::at(&world, "k").await;
    object.with("x-amz-d", &flipped(object.value("x-amz-d"), 0)).store(&world, "k").await;
    for error in refused_by_every_way(&Client::new(world.sdk(), honest()), "k", &[]).await {
        assert!(matches!(error, Error::Unauthentic(Stage::Commitment)), "{error:?}");
    }
}

// Headers of version 3 added to an object of version 2, so that it passes for one that commits.

#[tokio::test]
async fn an_object_of_version_2_does_not_pass_for_one_that_commits() {
    let (world, keys) = (World::new(), Keys::new());
    for keyring in keys.all() {
        let s3 = client(&world, keyring);
        s3.put_object(put("v3").body(bytes(40).into())).await.unwrap();
        let v3 = Stored::at(&world, "v3").await;
        let writer = s3.clone().policy(everything());
        writer.put_object(put("k").body(bytes(40).into())).await.unwrap();
        let object = Stored::at(&world, "k").await;
        let mut spoofed = vec![object.with("x-amz-c", "115").with("x-amz-w", "12")];
        for key in OF_V3 {
            let value = v3.metadata.get(key).map_or("{}", String::as_str);
            spoofed.push(object.with(key, value));
            spoofed.push(object.with(key, ""));
        }
        spoofed.push(
            v3.metadata.iter().fold(object.clone(), |all, (key, value)| all.with(key, value)),
        );
        keys.kms.clear_calls();
        for object in spoofed {
            object.store(&world, "k").await;
            for policy in policies() {
                for error in refused_by_every_way(&s3.clone().policy(policy), "k", &[]).await {
                    let mixed = matches!(error, Error::Object(ObjectError::MixedFormats { .. }));
                    assert!(mixed, "{object:?}: {error:?}");
                }
            }
        }
        assert!(keys.kms.calls().is_empty());
        object.store(&world, "k").await;
        assert_eq!(opened(&writer, "k").await.unwrap(), bytes(40));
        let refused = opened(&s3, "k").await;
        assert!(matches!(refused, Err(Error::Policy(PolicyError::Commitment { .. }))));
    }
}

#[tokio::test]
async fn an_object_that_commits_does_not_pass_for_one_of_version_2_or_1() {
    let (world, keys) = (World::new(), Keys::new());
    for keyring in keys.all() {
        let s3 = client(&world, keyring);
        let writer = s3.clone().policy(everything());
        writer.put_object(put("v2").body(bytes(40).into())).await.unwrap();
        let v2 = Stored::at(&world, "v2").await;
        s3.put_object(put("k").body(bytes(40).into())).await.unwrap();
        let object = Stored::at(&world, "k").await;
        let mut changed: Vec<_> =
            v2.metadata.iter().map(|(key, value)| object.with(key, value)).collect();
        changed.push(object.with("x-amz-key", object.value("x-amz-3")));
        changed.push(
            v2.metadata.iter().fold(object.clone(), |all, (key, value)| all.with(key, value)),
        );
        for object in changed {
            object.store(&world, "k").await;
            for policy in policies() {
                let error = opened(&s3.clone().policy(policy), "k").await.unwrap_err();
                let mixed = matches!(error, Error::Object(ObjectError::MixedFormats { .. }));
                assert!(mixed, "{object:?}: {error:?}");
            }
        }
    }
}

// The wrapping algorithm written over with an older one.

#[tokio::test]
async fn version_3_knows_three_ways_to_wrap_and_no_older_one() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aws);
    let context = [("tenant", "42")];
    s3.put_object(put("k").body(bytes(40).into())).context(context).await.unwrap();
    let object = Stored::at(&world, "k").await;
    keys.kms.clear_calls();
    for name in
        WrappingAlgorithm::ALL.map(WrappingAlgorithm::name).into_iter().chain(["", "0", "012"])
    {
        let changed = object.with("x-amz-w", name);
        let copied = changed.with("x-amz-m", object.value("x-amz-t"));
        for object in [changed, copied.clone(), copied.without("x-amz-t")] {
            object.store(&world, "k").await;
            for policy in policies() {
                let s3 = s3.clone().policy(policy);
                for given in [&context[..], &[], &[("tenant", "43")]] {
                    let error = s3.get_object(get("k")).context(given.to_vec()).await.unwrap_err();
                    let named = matches!(
                        error,
                        Error::Object(ObjectError::Metadata { key: "x-amz-w", .. })
                    );
                    assert!(named, "{name}: {error:?}");
                }
            }
        }
    }
    assert!(keys.kms.calls().is_empty());
}

#[tokio::test]
async fn the_name_of_the_first_algorithm_of_aws_kms_does_not_get_around_the_context() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aws).policy(everything());
    let context = [("tenant", "42")];
    s3.put_object(put("k").body(bytes(40).into())).context(context).await.unwrap();
    let object = Stored::at(&world, "k").await;
    let downgraded = object.with("x-amz-wrap-alg", "kms");
    let unmarked = downgraded.with("x-amz-matdesc", r#"{"tenant":"42"}"#);
    for object in [downgraded, unmarked.clone()] {
        object.store(&world, "k").await;
        keys.kms.clear_calls();
        // It cannot keep to a context that a caller wants, so that it must not look as if it did.
        for given in [&context[..], &[("tenant", "43")]] {
            for error in refused_by_every_way(&s3, "k", given).await {
                assert!(matches!(error, Error::Policy(_)), "{error:?}");
            }
        }
        assert!(keys.kms.calls().is_empty());
        assert!(opened(&s3, "k").await.is_err());
        let without = s3.clone().policy(everything().legacy_wrapping_algorithms(false));
        for error in refused_by_every_way(&without, "k", &context).await {
            assert!(
                matches!(error, Error::Policy(PolicyError::LegacyWrapping { .. })),
                "{error:?}"
            );
        }
    }
    // AWS KMS authenticated the cipher's name, and does not open without it.
    unmarked.store(&world, "k").await;
    let error = opened(&s3, "k").await.unwrap_err();
    assert!(matches!(error, Error::Keyring(KeyringError::Object { .. })), "{error:?}");
}

#[tokio::test]
async fn a_context_that_was_left_out_or_changed_opens_nothing() {
    let (world, keys) = (World::new(), Keys::new());
    let right = [("tenant", "42")];
    for (commitment, key) in [
        (CommitmentPolicy::RequireEncryptRequireDecrypt, "x-amz-t"),
        (CommitmentPolicy::ForbidEncryptAllowDecrypt, "x-amz-matdesc"),
    ] {
        let s3 = client(&world, &keys.aws).policy(everything().commitment(commitment));
        s3.put_object(put("k").body(bytes(40).into())).context(right).await.unwrap();
        let object = Stored::at(&world, "k").await;
        for given in
            [&[][..], &[("tenant", "43")], &[("tenant", "42"), ("x", "")], &[("Tenant", "42")]]
        {
            for error in refused_by_every_way(&s3, "k", given).await {
                assert!(matches!(error, Error::Policy(_)), "{given:?}: {error:?}");
            }
        }
        // Stored otherwise, it is either not the caller's or not the one that AWS KMS authenticated.
        let stored = object.value(key);
        for changed in [
            stored.replace("42", "43"),
            stored.replace("tenant", "Tenant"),
            stored.replace(r#""tenant":"42""#, r#""tenant":"42","more":"1""#),
            "{}".to_owned(),
        ] {
            assert_ne!(changed, stored);
            object.with(key, &changed).store(&world, "k").await;
            for error in refused_by_every_way(&s3, "k", &right).await {
                assert!(matches!(error, Error::Policy(_)), "{changed}: {error:?}");
            }
        }
        // Changed in both places, AWS KMS refuses.
        object.with(key, &stored.replace("42", "43")).store(&world, "k").await;
        for error in refused_by_every_way(&s3, "k", &[("tenant", "43")]).await {
            assert!(matches!(error, Error::Keyring(KeyringError::Object { .. })), "{error:?}");
        }
        object.store(&world, "k").await;
        assert!(s3.get_object(get("k")).context(right).await.is_ok());
    }
}

// CVE-2020-8912: the content cipher written over with one that does not authenticate.

#[tokio::test]
async fn the_content_cipher_cannot_be_written_over() {
    let (world, keys) = (World::new(), Keys::new());
    for keyring in keys.all() {
        let s3 = client(&world, keyring).policy(everything());
        s3.put_object(put("k").body(bytes(48).into())).await.unwrap();
        let object = Stored::at(&world, "k").await;
        let cbc = object
            .with("x-amz-cek-alg", "AES/CBC/PKCS5Padding")
            .with("x-amz-iv", &to_base64(&[1; 16]))
            .without("x-amz-tag-len");
        let context =
            cbc.value("x-amz-matdesc").replace("AES/GCM/NoPadding", "AES/CBC/PKCS5Padding");
        for object in [cbc.with("x-amz-matdesc", &context), cbc] {
            object.store(&world, "k").await;
            let error = opened(&s3, "k").await.unwrap_err();
            assert!(matches!(error, Error::Keyring(_) | Error::Policy(_)), "{error:?}");
        }
        for name in
            ["AES/CTR/NoPadding", "AES/CBC/NoPadding", "AES/GCM", "115", "", "aes/gcm/nopadding"]
        {
            object.with("x-amz-cek-alg", name).store(&world, "k").await;
            let error = opened(&s3, "k").await.unwrap_err();
            assert!(matches!(error, Error::Object(_)), "{name}: {error:?}");
        }
    }
}

#[tokio::test]
async fn nothing_legacy_is_written_whatever_is_switched_on() {
    let (world, keys) = (World::new(), Keys::new());
    for keyring in keys.all() {
        for policy in policies() {
            let s3 = client(&world, keyring).policy(policy.clone());
            s3.put_object(put("k").body(bytes(40).into())).await.unwrap();
            let head = s3.clone().head_object(head("k")).await.unwrap();
            let metadata = head.content_metadata().unwrap();
            assert!(metadata.suite().authenticates() && !metadata.wrapping_algorithm().is_legacy());
            world.faults().clear();
            let cbc = s3.policy(policy.suite(ContentSuite::Aes256CbcIv16NoKdf));
            let refused = cbc.put_object(put("k").body(bytes(40).into())).await;
            assert!(
                matches!(refused, Err(Error::ApiMisuse(ApiMisuse::Setting { .. }))),
                "{refused:?}"
            );
            let refused = cbc.upload(put("k"), &b"hello"[..]).await;
            assert!(
                matches!(refused, Err(Error::ApiMisuse(ApiMisuse::Setting { .. }))),
                "{refused:?}"
            );
            assert!(world.faults().seen().is_empty());
        }
    }
}

// CVE-2020-8897: a key that was not named decrypts nothing, even where the credentials could use it.

#[tokio::test]
async fn a_key_of_aws_kms_that_was_not_named_is_not_used() {
    let (world, keys) = (World::new(), Keys::new());
    client(&world, &keys.aws).put_object(put("k").body(bytes(5).into())).await.unwrap();
    let region = "eu-west-1";
    let arn = keys.kms.create_key(region, waxseal::testing::KeySpec::Symmetric).unwrap();
    let other = waxseal::kms::KmsKeyring::new(keys.kms.client(region), &arn).unwrap();
    let s3 = Client::new(world.sdk(), other);
    for error in refused_by_every_way(&s3, "k", &[]).await {
        assert!(matches!(error, Error::Keyring(KeyringError::Object { .. })), "{error:?}");
    }
}

// amazon-s3-encryption-client-java#513: a body that is sent again must not be encrypted again under the same key.

#[tokio::test]
async fn a_body_that_is_sent_again_is_the_same_ciphertext() {
    let (world, keyring) = (Arc::new(World::new()), aes());
    let s3 = client(&world, &keyring);
    let first = Arc::new(Mutex::new(Vec::new()));
    // The first attempt is stored, but nobody hears of it.
    world.faults().next(Operation::PutObject, 1, Fault::LoseAnswer);
    let (there, seen) = (Arc::clone(&world), Arc::clone(&first));
    world.faults().before(Operation::PutObject, 2, move || async move {
        *seen.lock().unwrap() = there.stored("k");
    });
    s3.put_object(put("k").body(bytes(10_000).into())).await.unwrap();
    assert_eq!(world.faults().count(Operation::PutObject), 2);
    assert_eq!(first.lock().unwrap().len(), 10_016);
    assert!(*first.lock().unwrap() == world.stored("k"));
}

#[tokio::test]
async fn a_body_from_a_stream_or_file_is_never_sent_twice() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes(1000)).unwrap();
    for fault in [Fault::Refuse(503, "SlowDown"), Fault::HangUp, Fault::LoseAnswer] {
        for body in [streamed(bytes(1000)), ByteStream::from_path(file.path()).await.unwrap()] {
            world.faults().clear();
            world.faults().next(Operation::PutObject, 1, fault);
            let result = s3.put_object(put("k").body(body).content_length(1000)).await;
            // What was stored without an answer is found there.
            match fault {
                Fault::LoseAnswer => assert!(result.is_ok(), "{result:?}"),
                _ => assert!(matches!(result, Err(Error::S3(_))), "{result:?}"),
            }
            assert_eq!(world.faults().count(Operation::PutObject), 1, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn no_two_objects_share_key_iv_or_message_id() {
    let (world, keys) = (World::new(), Keys::new());
    for keyring in keys.all() {
        for policy in [Policy::default(), everything()] {
            let s3 = client(&world, keyring).policy(policy.clone());
            let mut seen = BTreeSet::new();
            let mut count = 0;
            for times in 0..8 {
                let body = bytes(64);
                match times % 2 {
                    0 => drop(s3.put_object(put("k").body(body.into())).await.unwrap()),
                    _ => drop(s3.upload(put("k"), &body[..]).await.unwrap()),
                }
                let object = Stored::at(&world, "k").await;
                for key in ["x-amz-3", "x-amz-d", "x-amz-i", "x-amz-key-v2", "x-amz-iv"] {
                    if let Some(value) = object.metadata.get(key) {
                        seen.insert(value.clone());
                        count += 1;
                    }
                }
                seen.insert(to_base64(&object.body));
                count += 1;
                let prepared = prepare(keyring).policy(policy.clone()).await.unwrap();
                seen.insert(to_base64(prepared.content_metadata().iv()));
                seen.insert(to_base64(prepared.content_metadata().encrypted_data_key()));
                count += 2;
            }
            assert_eq!(seen.len(), count);
        }
    }
}

// aws-encryption-sdk-net#71 and others: plaintext is not passed through.

#[tokio::test]
async fn an_object_that_is_not_encrypted_is_never_given() {
    let (world, keys) = (World::new(), Keys::new());
    let strip = |object: &Stored| Stored { metadata: Default::default(), ..object.clone() };
    let s3 = client(&world, &keys.aes);
    s3.put_object(put("k").body(bytes(40).into())).await.unwrap();
    let encrypted = Stored::at(&world, "k").await;
    let plain = strip(&encrypted).body(|body| *body = b"trust me".to_vec());
    let objects = [
        plain.clone(),
        plain.with("own", "value"),
        plain.with("x-amz-unencrypted-content-length", "8"),
        plain.with("x-amz-crypto-instr-file", ""),
        plain.body(Vec::clear),
        strip(&encrypted),
    ];
    let empty_file = Stored { instruction_file: Some(Default::default()), ..plain.clone() };
    for object in objects.into_iter().chain([empty_file]) {
        object.store(&world, "k").await;
        for policy in policies() {
            for when in [InstructionFiles::Never, InstructionFiles::Read] {
                let s3 = s3.clone().policy(policy.clone()).instruction_files(when);
                for error in refused_by_every_way(&s3, "k", &[]).await {
                    // An empty one has no range, whatever else it is.
                    let no_range = matches!(error, Error::ApiMisuse(ApiMisuse::Range { .. }));
                    let refused = matches!(error, Error::Object(_)) || no_range;
                    assert!(refused, "{object:?}: {error:?}");
                    assert!(!told(&error).contains("trust me"));
                }
                let head = s3.head_object(head("k")).await;
                assert!(matches!(head, Err(Error::Object(_))), "{head:?}");
            }
        }
    }
}

fn head(key: &str) -> aws_sdk_s3::operation::head_object::builders::HeadObjectInputBuilder {
    HeadObjectInput::builder().bucket(BUCKET).key(key)
}
