//! Key pairs on elliptic curves whose private half AWS KMS keeps.

use waxseal::kms::{KmsEcdhKeyring, KmsFailure};
use waxseal::testing::{FakeKms, Fault, KeySpec, Operation};
use waxseal::{
    ApiMisuse, Attempt, EcPrivateKey, EcPublicKey, EcdhCurve, EncryptedDataKey, EncryptionContext,
    Error, Keyring, KeyringError, RawEcdhKeyring, UnwrapFailure, UnwrapRequest, check_keyring,
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

#[tokio::test]
async fn an_ecdh_context_that_cannot_be_encoded_makes_no_call() {
    let kms = FakeKms::new();
    let (arn, own) = key_pair(&kms, KeySpec::EccP256).await;
    let peer = EcPrivateKey::generate(EcdhCurve::P256).unwrap().public_key().unwrap();
    let client = kms.client(IRELAND);
    let keyring =
        KmsEcdhKeyring::kms_private_key_to_static_public_key(client, &arn, own, peer).unwrap();
    let message = encrypt(&keyring).await;
    kms.clear_calls();
    let long = EncryptionContext::from([("k", &*"v".repeat(65_536))]);
    let refused = waxseal::encrypt(b"", &keyring).context(long.clone()).await;
    assert!(matches!(refused, Err(Error::ApiMisuse(ApiMisuse::Context(_)))), "{refused:?}");
    let offered = message.header().encrypted_data_keys();
    let request = UnwrapRequest::new(message.header().suite(), &long, offered);
    let failed = keyring.unwrap(&request).await.unwrap_err();
    assert!(matches!(failed[..], [Attempt { failure: UnwrapFailure::Other(_), .. }]));
    assert!(kms.calls().is_empty());
}

#[tokio::test]
async fn kms_ecdh_tries_its_own_in_order() {
    let kms = FakeKms::new();
    let (arn, own) = key_pair(&kms, KeySpec::EccP256).await;
    let anyone = RawEcdhKeyring::ephemeral_private_key_to_static_public_key(copy(&own));
    let message = encrypt(&anyone).await;
    let good = message.header().encrypted_data_keys()[0].clone();
    let with =
        |ciphertext: &[u8]| EncryptedDataKey::new("raw-ecdh", good.provider_info(), ciphertext);
    let mut changed = good.ciphertext().to_vec();
    changed[70] ^= 1;
    let client = kms.client(IRELAND);
    let keyring = KmsEcdhKeyring::kms_public_key_discovery(client, &arn, own).unwrap();
    let unwrap = async |offered: &[EncryptedDataKey]| {
        let request = UnwrapRequest::new(message.header().suite(), message.context(), offered);
        keyring.unwrap(&request).await.map(|unwrapped| unwrapped.index())
    };
    let offered = [with(b"short"), with(&changed), good.clone(), good.clone(), good.clone()];
    kms.inject(Fault::refused("AccessDeniedException", "no").on(Operation::DeriveSharedSecret));
    assert_eq!(unwrap(&offered).await.unwrap(), 2);
    assert_eq!(kms.calls().len(), 3, "no more than needed");
    let failed = unwrap(&offered[..2]).await.unwrap_err();
    let [Attempt { index: 0, failure: UnwrapFailure::Malformed(_), .. }, second] = &failed[..]
    else {
        panic!("{failed:?}");
    };
    assert!(matches!(second, Attempt { index: 1, failure: UnwrapFailure::Unauthentic, .. }));
    // One that is for its key under another provider id is not its own.
    let foreign = EncryptedDataKey::new("aws-kms", good.provider_info(), good.ciphertext());
    assert!(unwrap(&[foreign]).await.unwrap_err().is_empty());
}

#[tokio::test]
async fn a_sender_that_is_no_point_makes_no_call() {
    let kms = FakeKms::new();
    let (arn, own) = key_pair(&kms, KeySpec::EccP256).await;
    let anyone = RawEcdhKeyring::ephemeral_private_key_to_static_public_key(copy(&own));
    let message = encrypt(&anyone).await;
    let good = message.header().encrypted_data_keys()[0].clone();
    // Version, length and 33 bytes of the recipient's key.
    let recipient = &good.provider_info()[..1 + 4 + 33];
    let client = kms.client(IRELAND);
    let keyring = KmsEcdhKeyring::kms_public_key_discovery(client, &arn, own).unwrap();
    for sender in [&[][..], &[0], &[0; 33], &[[2].as_slice(), &[0xff; 32]].concat(), &[7; 65_000]] {
        let len = u32::try_from(sender.len()).unwrap().to_be_bytes();
        let info = [recipient, &len, sender].concat();
        let offered = [EncryptedDataKey::new("aws-kms-ecdh", info, good.ciphertext())];
        let request = UnwrapRequest::new(message.header().suite(), message.context(), &offered);
        let failed = keyring.unwrap(&request).await.unwrap_err();
        assert!(matches!(failed[..], [Attempt { failure: UnwrapFailure::Malformed(_), .. }]));
    }
    assert!(kms.calls().is_empty());
}

#[tokio::test]
async fn a_public_key_that_cannot_be_had_is_told() {
    let kms = FakeKms::new();
    let arn = kms.create_key(IRELAND, KeySpec::EccP256).unwrap();
    let other = kms.create_key(IRELAND, KeySpec::EccP256).unwrap();
    let client = kms.client(IRELAND);
    for fault in [
        Fault::refused("AccessDeniedException", "no"),
        Fault::wrong_key_id(other),
        Fault::without("KeyId"),
        Fault::without("KeyUsage"),
        Fault::truncated(),
    ] {
        kms.inject(fault.clone());
        let fetched = KmsEcdhKeyring::fetch_public_key(&client, &arn, &[]).await;
        let Err(Error::Keyring(KeyringError::Kms { .. })) = fetched else {
            panic!("{fetched:?} after {fault:?}");
        };
    }
    kms.inject(Fault::without("PublicKey"));
    let fetched = KmsEcdhKeyring::fetch_public_key(&client, &arn, &[]).await;
    assert!(matches!(fetched, Err(Error::ApiMisuse(_))), "{fetched:?}");
}
