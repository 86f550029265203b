//! Key pairs on elliptic curves whose private half AWS KMS keeps.

use waxseal::kms::{KmsEcdhKeyring, KmsFailure};
use waxseal::testing::{FakeKms, Fault, KeySpec, Operation};
use waxseal::{
    Attempt, EcPrivateKey, EcPublicKey, EcdhCurve, Error, KeyringError, RawEcdhKeyring,
    UnwrapFailure, check_keyring,
};

use super::{IRELAND, attempts, encrypt, failure, opens, operations, wrap_error};

const CURVES: [(KeySpec, EcdhCurve); 3] = [
    (KeySpec::EccP256, EcdhCurve::P256),
    (KeySpec::EccP384, EcdhCurve::P384),
    (KeySpec::EccP521, EcdhCurve::P521),
];

/// A key in AWS KMS and its public half.
async fn key_pair(kms: &FakeKms, spec: KeySpec) -> (String, EcPublicKey) {
    let arn = kms.create_key(IRELAND, spec).unwrap();
    let client = kms.client(IRELAND);
    let public = KmsEcdhKeyring::fetch_public_key(&client, &arn, &[]).await.unwrap();
    kms.clear_calls();
    (arn, public)
}

fn copy(key: &EcPublicKey) -> EcPublicKey {
    EcPublicKey::from_pem(&key.to_pem().unwrap()).unwrap()
}

#[tokio::test]
async fn two_parties_with_keys_in_aws_kms_understand_each_other() {
    let kms = FakeKms::new();
    for (spec, _) in CURVES {
        let (alice, alices) = key_pair(&kms, spec).await;
        let (bob, bobs) = key_pair(&kms, spec).await;
        let party = |arn: &str, own: &EcPublicKey, peer: &EcPublicKey| {
            KmsEcdhKeyring::kms_private_key_to_static_public_key(
                kms.client(IRELAND),
                arn,
                copy(own),
                copy(peer),
            )
            .unwrap()
        };
        let (alice, bob_keyring) = (party(&alice, &alices, &bobs), party(&bob, &bobs, &alices));
        let message = encrypt(&alice).await;
        let edk = &message.header().encrypted_data_keys()[0];
        assert_eq!(edk.provider_id(), b"aws-kms-ecdh");
        opens(&bob_keyring, &message).await;
        opens(&alice, &message).await;
        assert_eq!(operations(&kms), [Operation::DeriveSharedSecret; 3]);
        let client = kms.client(IRELAND);
        let discovery = KmsEcdhKeyring::kms_public_key_discovery(client, &bob, bobs).unwrap();
        opens(&discovery, &message).await;
        let refused = waxseal::encrypt(b"", &discovery).await;
        assert!(matches!(refused, Err(Error::Keyring(KeyringError::Wrap { .. }))));
        kms.clear_calls();
    }
}

#[tokio::test]
async fn it_does_what_every_keyring_must() {
    let kms = FakeKms::new();
    let (arn, own) = key_pair(&kms, KeySpec::EccP384).await;
    let peer = EcPrivateKey::generate(EcdhCurve::P384).unwrap().public_key().unwrap();
    let client = kms.client(IRELAND);
    let keyring =
        KmsEcdhKeyring::kms_private_key_to_static_public_key(client, &arn, own, peer).unwrap();
    check_keyring(&keyring, true).await.unwrap();
}

#[tokio::test]
async fn a_raw_key_can_be_the_other_party() {
    let kms = FakeKms::new();
    for (spec, curve) in CURVES {
        let (arn, own) = key_pair(&kms, spec).await;
        let private = EcPrivateKey::generate(curve).unwrap();
        let peer = private.public_key().unwrap();
        let client = kms.client(IRELAND);
        let ours =
            KmsEcdhKeyring::kms_private_key_to_static_public_key(client, &arn, copy(&own), peer)
                .unwrap();
        let anonymous = RawEcdhKeyring::ephemeral_private_key_to_static_public_key(copy(&own));
        let theirs =
            RawEcdhKeyring::raw_private_key_to_static_public_key(private, copy(&own)).unwrap();
        opens(&theirs, &encrypt(&ours).await).await;
        opens(&ours, &encrypt(&theirs).await).await;
        // From somebody unknown: only discovery takes it.
        let message = encrypt(&anonymous).await;
        assert!(attempts(&ours, &message).await.is_empty());
        let client = kms.client(IRELAND);
        opens(&KmsEcdhKeyring::kms_public_key_discovery(client, &arn, own).unwrap(), &message)
            .await;
    }
}

#[tokio::test]
async fn messages_of_others_make_no_call() {
    let kms = FakeKms::new();
    let (arn, own) = key_pair(&kms, KeySpec::EccP256).await;
    let stranger = EcPrivateKey::generate(EcdhCurve::P256).unwrap().public_key().unwrap();
    let message =
        encrypt(&RawEcdhKeyring::ephemeral_private_key_to_static_public_key(stranger)).await;
    let client = kms.client(IRELAND);
    let discovery = KmsEcdhKeyring::kms_public_key_discovery(client, &arn, own).unwrap();
    assert!(attempts(&discovery, &message).await.is_empty());
    assert!(kms.calls().is_empty());
}

#[tokio::test]
async fn answers_and_failures_are_told() {
    let kms = FakeKms::new();
    let (arn, own) = key_pair(&kms, KeySpec::EccP256).await;
    let peer = EcPrivateKey::generate(EcdhCurve::P256).unwrap().public_key().unwrap();
    let client = kms.client(IRELAND);
    let keyring =
        KmsEcdhKeyring::kms_private_key_to_static_public_key(client, &arn, own, peer).unwrap();
    let message = encrypt(&keyring).await;
    let other = kms.create_key(IRELAND, KeySpec::EccP256).unwrap();
    for fault in [
        Fault::wrong_key_id(other),
        Fault::without("KeyId"),
        Fault::without("SharedSecret"),
        Fault::plaintext_len(31),
    ] {
        kms.inject(fault.clone());
        let found = failure(&keyring, &message).await;
        assert!(matches!(found, KmsFailure::WrongAnswer(_)), "{found:?} after {fault:?}");
        kms.inject(fault);
        assert!(matches!(wrap_error(&keyring).await.failure(), KmsFailure::WrongAnswer(_)));
    }
    kms.inject(Fault::flipped_plaintext());
    let failed = attempts(&keyring, &message).await;
    assert!(matches!(failed[..], [Attempt { failure: UnwrapFailure::Unauthentic, .. }]));
    kms.deny(&arn, Operation::DeriveSharedSecret).unwrap();
    let expected = KmsFailure::AccessDenied { action: "kms:DeriveSharedSecret".to_owned() };
    assert_eq!(failure(&keyring, &message).await, expected);
}

#[tokio::test]
async fn grant_tokens_go_with_every_call() {
    let kms = FakeKms::new();
    let arn = kms.create_key(IRELAND, KeySpec::EccP256).unwrap();
    let token = kms.create_grant(&arn).unwrap();
    let client = kms.client(IRELAND);
    let own = KmsEcdhKeyring::fetch_public_key(&client, &arn, &[&token]).await.unwrap();
    let peer = EcPrivateKey::generate(EcdhCurve::P256).unwrap().public_key().unwrap();
    let keyring =
        KmsEcdhKeyring::kms_private_key_to_static_public_key(client, &arn, own, peer).unwrap();
    let keyring = keyring.grant_tokens([token.clone()]);
    opens(&keyring, &encrypt(&keyring).await).await;
    assert_eq!(kms.calls().len(), 3);
    assert!(kms.calls().iter().all(|call| call.grant_tokens == [token.clone()]));
}

#[tokio::test]
async fn keys_for_something_else_are_refused() {
    let kms = FakeKms::new();
    let client = kms.client(IRELAND);
    for spec in [KeySpec::Rsa2048, KeySpec::Symmetric] {
        let arn = kms.create_key(IRELAND, spec).unwrap();
        let fetched = KmsEcdhKeyring::fetch_public_key(&client, &arn, &[]).await;
        assert!(matches!(fetched, Err(Error::Keyring(KeyringError::Kms { .. }))));
    }
    let (arn, own) = key_pair(&kms, KeySpec::EccP256).await;
    let peer = EcPrivateKey::generate(EcdhCurve::P384).unwrap().public_key().unwrap();
    let refused = KmsEcdhKeyring::kms_private_key_to_static_public_key(client, &arn, own, peer);
    assert!(matches!(refused, Err(Error::ApiMisuse(_))));
}
