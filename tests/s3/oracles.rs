//! What an attacker must not learn from how a legacy object fails: whether it was the padding, the key or the content.

use std::collections::BTreeSet;

use waxseal::s3::{Client, Policy};
use waxseal::{CommitmentPolicy, Error, KeyringError, PolicyError, Stage, UnwrapFailure};

use super::client::get;
use super::keys::client;
use super::server::World;
use super::stored::{
    Stored, everything, flipped, keyring_of, opened, plaintext_of, to_base64, told, unbase64,
};

/// Objects with a data key that nothing authenticates, in metadata and in instruction files.
const UNAUTHENTICATED_KEYS: [&str; 6] = [
    "s3-rsa-2048-a-1-ruby-v1",
    "s3-rsa-2048-a-instr-ruby-v1",
    "s3-synth-v1-rsa-cbc-0",
    "s3-aes-128-a-1-ruby-v1",
    "s3-aes-128-a-instr-ruby-v1",
    "s3-synth-v1-aes-cbc-0",
];

#[tokio::test]
async fn whatever_is_wrong_with_cbc_is_told_in_the_same_words() {
    let (world, id) = (World::new(), "s3-kmslegacy-0-go-v1-cbc");
    let s3 = client(&world, &keyring_of(id).0).policy(everything());
    let object = Stored::of_vector(id);
    object.store(&world, "k").await;
    assert_eq!(opened(&s3, "k").await.unwrap(), plaintext_of(id));
    let other = Stored::of_vector("s3-kmslegacy-1-go-v1-cbc");
    let of_other = |key| other.value(key);
    let (len, iv) = (object.body.len(), object.value("x-amz-iv"));
    let bad = [
        (
            "another data key",
            object
                .with("x-amz-key-v2", of_other("x-amz-key-v2"))
                .with("x-amz-matdesc", of_other("x-amz-matdesc")),
        ),
        ("the last byte", object.body(|body| body[len - 1] ^= 1)),
        ("the first byte of the last block", object.body(|body| body[len - 16] ^= 1)),
        ("padding of more than a block", object.body(|body| body[len - 17] ^= 0x80)),
        ("padding of no byte", object.body(|body| body[len - 17] ^= 0x10)),
        ("another byte of the padding", object.body(|body| body[len - 18] ^= 1)),
        ("a byte is missing", object.body(|body| body.truncate(len - 1))),
        ("a block is missing", object.body(|body| body.truncate(len - 16))),
        ("half of it", object.body(|body| body.truncate(len / 2 / 16 * 16))),
        ("15 bytes", object.body(|body| body.truncate(15))),
        ("one byte", object.body(|body| body.truncate(1))),
        ("nothing", object.body(Vec::clear)),
        ("a byte too much", object.body(|body| body.push(0))),
        ("a block too much", object.body(|body| body.extend([0; 16]))),
        (
            "one block under another IV",
            object.with("x-amz-iv", &flipped(iv, -1)).body(|body| body.truncate(16)),
        ),
    ];
    let (mut by_get, mut by_range, mut by_stream) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (what, object) in bad {
        object.store(&world, "k").await;
        let error = opened(&s3, "k").await.expect_err(what);
        assert!(matches!(error, Error::Unauthentic(Stage::Body)), "{what}: {error:?}");
        by_get.insert(told(&error));
        // An empty object has no ranges, which anybody can see.
        let range = s3.get_object(get("k").range("bytes=0-0")).verified_range().await;
        by_range.insert(told(&range.expect_err(what)));
        let streamed = s3.get_object(get("k")).release_unauthenticated().await.expect(what);
        by_stream.insert(format!("{:?}", streamed.body.collect().await.expect_err(what)));
        let error = s3.download(get("k"), &mut Vec::new()).await.expect_err(what);
        by_get.insert(told(&error));
    }
    assert_eq!(
        (by_get.len(), by_range.len(), by_stream.len()),
        (1, 1, 1),
        "{by_get:?} {by_stream:?}"
    );
    assert_eq!(by_get, by_range);
}

#[tokio::test]
async fn a_bad_wrapping_without_authentication_fails_as_altered_content_does() {
    let world = World::new();
    for id in UNAUTHENTICATED_KEYS {
        let s3 = client(&world, &keyring_of(id).0).policy(everything());
        let (object, plaintext) = (Stored::of_vector(id), plaintext_of(id));
        object.store(&world, "k").await;
        assert!(opened(&s3, "k").await.unwrap() == plaintext, "{id}");
        let altered = object.body(|body| body.truncate(body.len() - 1));
        altered.store(&world, "k").await;
        let altered = told(&opened(&s3, "k").await.unwrap_err());

        let wrapped = object.value("x-amz-key");
        let len = unbase64(wrapped).len();
        let cut = |by: usize| to_base64(&unbase64(wrapped)[..len - by]);
        let mut bad: Vec<_> = [0, 1, 17, -17, -16, -1].map(|at| flipped(wrapped, at)).into();
        // RSA takes no other length, and ECB whole blocks; both are told apart from 48 bytes up by the format.
        bad.extend([1, 16].map(cut));
        bad.push(to_base64(&vec![0; len]));
        bad.push(to_base64(&vec![255; len]));
        let (mut errors, mut opened_to_something) = (BTreeSet::new(), 0);
        for wrapped in &bad {
            object.change("x-amz-key", wrapped).store(&world, "k").await;
            match opened(&s3, "k").await {
                Err(error) => drop(errors.insert(told(&error))),
                // By chance, bytes under another key end as padding does: once in 256 times.
                Ok(bytes) => {
                    assert!(bytes != plaintext || bytes.is_empty(), "{id}");
                    opened_to_something += 1;
                }
            }
        }
        assert_eq!(errors, BTreeSet::from([altered]), "{id}");
        assert!(opened_to_something < bad.len() / 2, "{id}");
    }
}

#[tokio::test]
async fn a_well_padded_wrong_data_key_fails_like_a_badly_padded_one() {
    // Both are wrapped by the same RSA key, so that the first one's data key unwraps well in the second.
    let (world, id, other) = (World::new(), "s3-rsa-2048-a-1-ruby-v1", "s3-synth-v1-rsa-cbc-0");
    let s3 = client(&world, &keyring_of(id).0).policy(everything());
    let object = Stored::of_vector(id).body(|body| body.truncate(body.len() - 1));
    let mut told_of = BTreeSet::new();
    for wrapped in [
        Stored::of_vector(other).value("x-amz-key").to_owned(),
        flipped(object.value("x-amz-key"), -1),
        object.value("x-amz-key").to_owned(),
    ] {
        object.change("x-amz-key", &wrapped).store(&world, "k").await;
        told_of.insert(told(&opened(&s3, "k").await.unwrap_err()));
    }
    assert_eq!(told_of.len(), 1, "{told_of:?}");
}

#[tokio::test]
async fn authentic_content_shows_nothing_of_a_wrapping_that_was_downgraded() {
    let world = World::new();
    for (id, legacy) in [
        ("s3-rsa-2048-a-0-ruby-v2", "RSA"),
        ("s3-rsa-2048-a-instr-ruby-v2", "RSA"),
        ("s3-aes-128-a-0-ruby-v2", "AES"),
        ("s3-aes-192-a-instr-ruby-v2", "AES"),
    ] {
        let s3 = client(&world, &keyring_of(id).0).policy(everything());
        let object = Stored::of_vector(id);
        object.store(&world, "k").await;
        assert!(opened(&s3, "k").await.unwrap() == plaintext_of(id), "{id}");
        let altered = object.body(|body| body[0] ^= 1);
        altered.store(&world, "k").await;
        let altered = told(&opened(&s3, "k").await.unwrap_err());
        let downgraded = object.change("x-amz-wrap-alg", legacy);
        let wrapped = object.value("x-amz-key-v2");
        for wrapped in [wrapped.to_owned(), flipped(wrapped, 0), flipped(wrapped, -1)] {
            downgraded.change("x-amz-key-v2", &wrapped).store(&world, "k").await;
            let error = opened(&s3, "k").await.unwrap_err();
            assert!(matches!(error, Error::Unauthentic(Stage::Body)), "{id}: {error:?}");
            assert_eq!(told(&error), altered, "{id}");
        }
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_oaep_is_told_in_the_same_words() {
    let world = World::new();
    let bound_otherwise = Stored::of_vector("s3-synth-v3-rsa-0").value("x-amz-3").to_owned();
    let of_pkcs1 = Stored::of_vector("s3-synth-v1-rsa-cbc-0").value("x-amz-key").to_owned();
    for (id, key) in [
        ("s3-rsa-2048-a-0-ruby-v2", "x-amz-key-v2"),
        ("s3-rsa-2048-a-instr-ruby-v2", "x-amz-key-v2"),
        ("s3-synth-v2-rsaoaep256-gcm-0", "x-amz-key-v2"),
        ("s3-synth-v3-rsa-0", "x-amz-3"),
        ("s3-synth-v3-rsa-instr-0", "x-amz-3"),
    ] {
        let s3 = client(&world, &keyring_of(id).0).policy(everything());
        let object = Stored::of_vector(id);
        let wrapped = object.value(key).to_owned();
        let mut bad: Vec<_> = [0, 1, 20, 100, -20, -1].map(|at| flipped(&wrapped, at)).into();
        bad.extend([0_usize, 1, 128, 255, 257].map(|len| to_base64(&vec![1; len.max(1)])));
        bad.push(to_base64(&[0; 256]));
        bad.push(to_base64(&[255; 256]));
        bad.push(of_pkcs1.clone());
        if key == "x-amz-key-v2" {
            // It opens, but was made for another cipher.
            bad.push(bound_otherwise.clone());
        }
        let mut errors = BTreeSet::new();
        for wrapped in bad {
            object.change(key, &wrapped).store(&world, "k").await;
            let error = opened(&s3, "k").await.unwrap_err();
            let Error::Keyring(KeyringError::Object { attempts, .. }) = &error else {
                panic!("{id}: {error:?}")
            };
            assert!(matches!(attempts[0].failure, UnwrapFailure::Unauthentic), "{id}: {error:?}");
            errors.insert(told(&error));
        }
        assert_eq!(errors.len(), 1, "{id}: {errors:?}");
    }
}

#[tokio::test]
async fn each_legacy_object_needs_each_switch_that_it_needs() {
    let world = World::new();
    // What has to be switched on: for the wrapping, for the content.
    for (id, needs) in [
        ("s3-kmslegacy-0-go-v1-gcm", (true, false)),
        ("s3-kmslegacy-ruby-v1", (true, true)),
        ("s3-kmslegacy-instr-ruby-v1", (true, true)),
        ("s3-kmslegacy-0-go-v1-cbc", (true, true)),
        ("s3-synth-v2-kms-cbc", (true, true)),
        ("s3-synth-v2-aeswrap-gcm-0", (true, false)),
        ("s3-synth-v2-aeswrap-cbc-0", (true, true)),
        ("s3-synth-v2-rsaoaep256-gcm-0", (true, false)),
        ("s3-synth-v2-rsaoaep256-cbc-0", (true, true)),
        ("s3-aes-128-a-1-ruby-v1", (true, true)),
        ("s3-aes-256-a-0-ruby-v1", (true, true)),
        ("s3-rsa-2048-a-0-ruby-v1", (true, true)),
        ("s3-rsa-2048-a-instr-ruby-v1", (true, true)),
        ("s3-kms-1-1-ruby-v2", (false, false)),
    ] {
        let (keyring, kms) = keyring_of(id);
        Stored::of_vector(id).store(&world, "k").await;
        for commitment in CommitmentPolicy::ALL {
            for switches in [(false, false), (true, false), (false, true), (true, true)] {
                let policy = Policy::default()
                    .commitment(commitment)
                    .legacy_wrapping_algorithms(switches.0)
                    .legacy_unauthenticated_modes(switches.1);
                let s3 = client(&world, &keyring).policy(policy);
                let context = super::stored::context_of(id);
                let context = if id.contains("kmslegacy") { Default::default() } else { context };
                kms.clear_calls();
                let got = s3.get_object(get("k")).context(context).await;
                let allowed = switches.0 >= needs.0
                    && switches.1 >= needs.1
                    && commitment != CommitmentPolicy::RequireEncryptRequireDecrypt;
                if allowed {
                    let bytes = got.unwrap().body.collect().await.unwrap().to_vec();
                    assert!(bytes == plaintext_of(id), "{id}");
                    continue;
                }
                let error = got.unwrap_err();
                let refused = matches!(
                    error,
                    Error::Policy(
                        PolicyError::Commitment { .. }
                            | PolicyError::LegacyContent { .. }
                            | PolicyError::LegacyWrapping { .. }
                    )
                );
                assert!(refused, "{id} {switches:?}: {error:?}");
                assert!(kms.calls().is_empty(), "{id}");
            }
        }
    }
}

#[tokio::test]
async fn no_range_of_cbc_is_given_without_all_of_it() {
    let (world, id) = (World::new(), "s3-kmslegacy-0-go-v1-cbc");
    let s3: Client = client(&world, &keyring_of(id).0).policy(everything());
    Stored::of_vector(id).store(&world, "k").await;
    let got = s3.get_object(get("k").range("bytes=0-15")).unauthenticated_range().await;
    let refused = matches!(got, Err(Error::Policy(PolicyError::RangeOfLegacyContent { .. })));
    assert!(refused, "{got:?}");
    let got = s3.get_object(get("k").range("bytes=16-31")).verified_range().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), plaintext_of(id)[16..32]);
}
