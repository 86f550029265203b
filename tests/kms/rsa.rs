//! RSA key pairs whose private half AWS KMS keeps.

use std::sync::Mutex;

use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::EncryptionAlgorithmSpec;
use sha2::{Digest, Sha384};
use waxseal::kms::{KmsFailure, KmsRsaKeyring};
use waxseal::testing::{FakeKms, Fault, KeySpec, NewKey, Operation};
use waxseal::{
    AesKey, AlgorithmSuite, ApiMisuse, Attempt, BoxFuture, CommitmentPolicy, Encrypted,
    EncryptedDataKey, EncryptionMaterials, Error, Keyring, KeyringError, MultiKeyring, Policy,
    RawAesKeyring, RsaPadding, RsaPrivateKey, RsaPublicKey, UnwrapFailure, UnwrapRequest,
    UnwrappedDataKey,
};

use super::{IRELAND, PLAINTEXT, attempts, failure, opens, operations};

const PADDINGS: [RsaPadding; 2] = [RsaPadding::OaepSha1, RsaPadding::OaepSha256];
const SUITE: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;

/// An AWS KMS with an RSA key, its ARN and its public half.
fn key_pair() -> (FakeKms, String, String) {
    let kms = FakeKms::new();
    let private = RsaPrivateKey::generate(2048).unwrap();
    let key = NewKey::new(KeySpec::Rsa2048).pem(private.to_pem().unwrap().expose());
    let arn = kms.create_key(IRELAND, key).unwrap();
    (kms, arn, private.public_key().unwrap().to_pem().unwrap())
}

fn public(pem: &str) -> RsaPublicKey {
    RsaPublicKey::from_pem(pem).unwrap()
}

async fn encrypt(keyring: &KmsRsaKeyring) -> Encrypted {
    waxseal::encrypt(PLAINTEXT, keyring).context([("tenant", "42")]).suite(SUITE).await.unwrap()
}

#[tokio::test]
async fn only_decrypting_makes_a_call() {
    let (kms, arn, pem) = key_pair();
    for padding in PADDINGS {
        kms.clear_calls();
        let writer = KmsRsaKeyring::public(&arn, padding, public(&pem)).unwrap();
        let message = encrypt(&writer).await;
        let [edk] = message.header().encrypted_data_keys() else { panic!("one key") };
        assert_eq!((edk.provider_id(), edk.provider_info()), (&b"aws-kms-rsa"[..], arn.as_bytes()));
        assert!(kms.calls().is_empty());
        let reader = KmsRsaKeyring::new(kms.client(IRELAND), &arn, padding).unwrap();
        opens(&reader, &message).await;
        assert_eq!(operations(&kms), [Operation::Decrypt]);
        assert!(kms.calls()[0].encryption_context.is_empty(), "AWS KMS refuses one with RSA");
        // One that does not decrypt says so.
        let failed = attempts(&writer, &message).await;
        assert!(matches!(failed[..], [Attempt { failure: UnwrapFailure::NoPrivateKey, .. }]));
        let refused = waxseal::encrypt(PLAINTEXT, &reader).suite(SUITE).await;
        assert!(matches!(refused, Err(Error::Keyring(KeyringError::Wrap { .. }))));
    }
}

#[tokio::test]
async fn the_public_key_can_be_fetched() {
    let (kms, arn, _) = key_pair();
    let token = kms.create_grant(&arn).unwrap();
    let client = kms.client(IRELAND);
    let public = KmsRsaKeyring::fetch_public_key(&client, &arn, &[&token]).await.unwrap();
    assert_eq!(kms.calls()[0].grant_tokens, std::slice::from_ref(&token));
    let keyring = KmsRsaKeyring::new(client, &arn, RsaPadding::OaepSha256)
        .unwrap()
        .public_key(public)
        .grant_tokens([token.clone()]);
    opens(&keyring, &encrypt(&keyring).await).await;
    assert_eq!(operations(&kms), [Operation::GetPublicKey, Operation::Decrypt]);
    assert_eq!(kms.calls()[1].grant_tokens, [token]);
}

#[tokio::test]
async fn only_rsa_keys_give_rsa_public_keys() {
    let kms = FakeKms::new();
    let symmetric = kms.create_key(IRELAND, KeySpec::Symmetric).unwrap();
    let fetched = KmsRsaKeyring::fetch_public_key(&kms.client(IRELAND), &symmetric, &[]).await;
    let Err(Error::Keyring(KeyringError::Kms { failure, .. })) = fetched else { panic!() };
    assert_eq!(failure.failure(), &KmsFailure::KeyUsage);
    let curve = kms.create_key(IRELAND, KeySpec::EccP256).unwrap();
    let fetched = KmsRsaKeyring::fetch_public_key(&kms.client(IRELAND), &curve, &[]).await;
    let Err(Error::Keyring(KeyringError::Kms { failure, .. })) = fetched else { panic!() };
    assert_eq!(failure.failure(), &KmsFailure::KeyUsage);
}

#[tokio::test]
async fn signed_suites_are_refused_both_ways() {
    let (kms, arn, pem) = key_pair();
    let client = kms.client(IRELAND);
    let keyring = KmsRsaKeyring::new(client, &arn, PADDINGS[1]).unwrap().public_key(public(&pem));
    let refused = waxseal::encrypt(PLAINTEXT, &keyring).await;
    let Err(Error::Keyring(KeyringError::Wrap { reason, .. })) = refused else { panic!() };
    assert!(reason.contains("signature") && reason.contains("CommitKey"), "{reason}");
    let message = encrypt(&keyring).await;
    let context = message.context();
    let signed = AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384;
    let offered = message.header().encrypted_data_keys();
    let failed = keyring.unwrap(&UnwrapRequest::new(signed, context, offered)).await.unwrap_err();
    assert!(matches!(failed[..], [Attempt { failure: UnwrapFailure::Unable(_), .. }]));
    assert!(kms.calls().is_empty());
}

#[tokio::test]
async fn the_context_is_bound() {
    let (kms, arn, pem) = key_pair();
    let client = kms.client(IRELAND);
    let keyring = KmsRsaKeyring::new(client, &arn, PADDINGS[1]).unwrap().public_key(public(&pem));
    let message = encrypt(&keyring).await;
    let offered = message.header().encrypted_data_keys();
    for pairs in [vec![], vec![("tenant", "43")], vec![("tenant", "42"), ("more", "1")]] {
        let context = pairs.into_iter().collect();
        let request = UnwrapRequest::new(SUITE, &context, offered);
        let failed = keyring.unwrap(&request).await.unwrap_err();
        assert!(matches!(failed[..], [Attempt { failure: UnwrapFailure::Unauthentic, .. }]));
    }
    let request = UnwrapRequest::new(SUITE, message.context(), offered);
    assert_eq!(keyring.unwrap(&request).await.unwrap().index(), 0);
}

#[tokio::test]
async fn answers_are_checked() {
    let (kms, arn, pem) = key_pair();
    let other = kms.create_key(IRELAND, KeySpec::Rsa2048).unwrap();
    let client = kms.client(IRELAND);
    let keyring = KmsRsaKeyring::new(client, &arn, PADDINGS[1]).unwrap().public_key(public(&pem));
    let message = encrypt(&keyring).await;
    kms.inject(Fault::wrong_key_id(other));
    assert!(matches!(failure(&keyring, &message).await, KmsFailure::WrongAnswer(_)));
    for len in [0, 47, 48, 63, 64, 79] {
        kms.inject(Fault::plaintext_len(len));
        assert_eq!(attempts(&keyring, &message).await.len(), 1, "{len}");
    }
    kms.inject(Fault::flipped_plaintext());
    assert_eq!(attempts(&keyring, &message).await.len(), 1);
    opens(&keyring, &message).await;
}

#[tokio::test]
async fn another_padding_does_not_open_it() {
    let (kms, arn, pem) = key_pair();
    let writer = KmsRsaKeyring::public(&arn, PADDINGS[0], public(&pem)).unwrap();
    let reader = KmsRsaKeyring::new(kms.client(IRELAND), &arn, PADDINGS[1]).unwrap();
    let message = encrypt(&writer).await;
    assert_eq!(failure(&reader, &message).await, KmsFailure::ContextMismatch);
}

#[tokio::test]
async fn a_replica_opens_what_is_for_the_primary() {
    let kms = FakeKms::new();
    let primary = kms.create_key(IRELAND, NewKey::new(KeySpec::Rsa2048).multi_region()).unwrap();
    let replica = kms.replicate(&primary, super::VIRGINIA).unwrap();
    let client = kms.client(IRELAND);
    let public = KmsRsaKeyring::fetch_public_key(&client, &primary, &[]).await.unwrap();
    let writer = KmsRsaKeyring::public(&primary, PADDINGS[1], public).unwrap();
    let reader = KmsRsaKeyring::new(kms.client(super::VIRGINIA), &replica, PADDINGS[1]).unwrap();
    opens(&reader, &encrypt(&writer).await).await;
}

#[tokio::test]
async fn what_names_no_key_fails_before_any_call() {
    let (kms, arn, pem) = key_pair();
    let writer = KmsRsaKeyring::public(&arn, PADDINGS[1], public(&pem)).unwrap();
    let message = encrypt(&writer).await;
    let reader = KmsRsaKeyring::new(kms.client(IRELAND), &arn, PADDINGS[1]).unwrap();
    let good = message.header().encrypted_data_keys()[0].clone();
    let bad = EncryptedDataKey::new("aws-kms-rsa", "not an ARN", [0; 256]);
    let offered = [good, bad];
    let request = UnwrapRequest::new(SUITE, message.context(), &offered);
    let failed = reader.unwrap(&request).await.unwrap_err();
    assert!(matches!(failed[..], [Attempt { failure: UnwrapFailure::Malformed(_), .. }]));
    assert!(kms.calls().is_empty());
}

#[test]
fn what_could_never_decrypt_is_refused() {
    let (kms, arn, pem) = key_pair();
    for padding in [RsaPadding::Pkcs1, RsaPadding::OaepSha384, RsaPadding::OaepSha512] {
        let refused = KmsRsaKeyring::public(&arn, padding, public(&pem));
        assert!(matches!(refused, Err(Error::ApiMisuse(ApiMisuse::Kms(_)))));
    }
    let id = arn.rsplit('/').next().unwrap();
    for name in ["alias/x", id, &arn.replace(":key/", ":alias/"), ""] {
        let refused = KmsRsaKeyring::public(name, PADDINGS[1], public(&pem));
        assert!(matches!(refused, Err(Error::ApiMisuse(ApiMisuse::Kms(_)))), "{name}");
        let refused = KmsRsaKeyring::new(kms.client(IRELAND), name, PADDINGS[1]);
        assert!(matches!(refused, Err(Error::ApiMisuse(ApiMisuse::Kms(_)))), "{name}");
    }
}

/// Gives away what another keyring made.
#[derive(Debug)]
struct Leak(KmsRsaKeyring, Mutex<Vec<u8>>);

impl Keyring for Leak {
    fn wrap<'a>(
        &'a self,
        materials: &'a mut EncryptionMaterials,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.0.wrap(materials).await?;
            *self.1.lock().unwrap() = materials.data_key().unwrap().expose().to_vec();
            Ok(())
        })
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<UnwrappedDataKey, Vec<Attempt>>> {
        self.0.unwrap(request)
    }
}

#[tokio::test]
async fn an_rsa_data_key_is_wrapped_as_the_specification_says() {
    let (kms, arn, pem) = key_pair();
    for (padding, algorithm) in PADDINGS
        .into_iter()
        .zip([EncryptionAlgorithmSpec::RsaesOaepSha1, EncryptionAlgorithmSpec::RsaesOaepSha256])
    {
        for (suite, len) in [(SUITE, 32), (AlgorithmSuite::Aes128GcmIv12Tag16HkdfSha256, 16)] {
            let keyring = KmsRsaKeyring::public(&arn, padding, public(&pem)).unwrap();
            let leak = Leak(keyring, Mutex::default());
            let policy = match suite.commits() {
                true => Policy::default(),
                false => Policy::default().commitment(CommitmentPolicy::ForbidEncryptAllowDecrypt),
            };
            let message = waxseal::encrypt(PLAINTEXT, &leak)
                .context([("tenant", "42"), ("a", "")])
                .suite(suite)
                .policy(policy)
                .await
                .unwrap();
            let ciphertext = message.header().encrypted_data_keys()[0].ciphertext();
            let opened = kms
                .client(IRELAND)
                .decrypt()
                .key_id(&arn)
                .encryption_algorithm(algorithm.clone())
                .ciphertext_blob(Blob::new(ciphertext))
                .send()
                .await
                .unwrap();
            let opened = opened.plaintext().unwrap().as_ref();
            let (digest, data_key) = opened.split_at(48);
            // Two pairs, sorted, each key and value behind its length.
            let context = b"\0\x02\0\x01a\0\0\0\x06tenant\0\x0242";
            assert_eq!(digest, &Sha384::digest(context)[..]);
            assert_eq!((data_key, data_key.len()), (&leak.1.lock().unwrap()[..], len));
        }
    }
}

#[tokio::test]
async fn rsa_wraps_the_data_key_that_is_there() {
    let (kms, arn, pem) = key_pair();
    let raw = RawAesKeyring::new("tests", "a", AesKey::from([7; 32])).unwrap();
    let rsa = KmsRsaKeyring::public(&arn, PADDINGS[1], public(&pem)).unwrap();
    let both = MultiKeyring::generator(raw).child(rsa);
    let message = waxseal::encrypt(PLAINTEXT, &both).context([("tenant", "42")]).suite(SUITE);
    let message = message.await.unwrap();
    let reader = KmsRsaKeyring::new(kms.client(IRELAND), &arn, PADDINGS[1]).unwrap();
    opens(&reader, &message).await;
    let raw = RawAesKeyring::new("tests", "a", AesKey::from([7; 32])).unwrap();
    opens(&raw, &message).await;
}

#[tokio::test]
async fn rsa_keys_of_others_are_not_asked_for() {
    let (kms, arn, pem) = key_pair();
    let message = encrypt(&KmsRsaKeyring::public(&arn, PADDINGS[1], public(&pem)).unwrap()).await;
    let other = kms.create_key(IRELAND, KeySpec::Rsa2048).unwrap();
    let other = KmsRsaKeyring::new(kms.client(IRELAND), &other, PADDINGS[1]).unwrap();
    assert!(attempts(&other, &message).await.is_empty());
    // The same id in another region is another key, unless it is a multi-Region key.
    let there = arn.replace(IRELAND, super::VIRGINIA);
    let there = KmsRsaKeyring::new(kms.client(super::VIRGINIA), &there, PADDINGS[1]).unwrap();
    assert!(attempts(&there, &message).await.is_empty());
    assert!(kms.calls().is_empty());
}

#[tokio::test]
async fn rsa_tries_its_own_in_order() {
    let (kms, arn, pem) = key_pair();
    let client = kms.client(IRELAND);
    let keyring = KmsRsaKeyring::new(client, &arn, PADDINGS[1]).unwrap().public_key(public(&pem));
    let message = encrypt(&keyring).await;
    let elsewhere = waxseal::encrypt(b"", &keyring).suite(SUITE).await.unwrap();
    let good = message.header().encrypted_data_keys()[0].clone();
    // Of another context.
    let bound = elsewhere.header().encrypted_data_keys()[0].clone();
    let damaged = EncryptedDataKey::new("aws-kms-rsa", arn.as_bytes(), [1; 256]);
    let offered = [damaged.clone(), bound.clone(), good.clone(), good];
    let request = UnwrapRequest::new(SUITE, message.context(), &offered);
    assert_eq!(keyring.unwrap(&request).await.unwrap().index(), 2);
    assert_eq!(kms.calls().len(), 3);
    let offered = [damaged, bound];
    let failed = keyring.unwrap(&UnwrapRequest::new(SUITE, message.context(), &offered)).await;
    let failed = failed.unwrap_err();
    let [Attempt { index: 0, failure: UnwrapFailure::Kms(_), .. }, second] = &failed[..] else {
        panic!("{failed:?}");
    };
    assert!(matches!(second, Attempt { index: 1, failure: UnwrapFailure::Unauthentic, .. }));
}
