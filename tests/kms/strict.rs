//! One key, known by name.

use std::sync::Mutex;
use std::time::Duration;

use waxseal::kms::{KmsEcdhKeyring, KmsFailure, KmsKeyring};
use waxseal::testing::{FakeKms, Fault, KeySpec, NewKey, Operation};
use waxseal::{
    AesKey, ApiMisuse, Attempt, BoxFuture, CachingManager, EcPrivateKey, EcdhCurve,
    EncryptedDataKey, EncryptionContext, EncryptionMaterials, Error, Keyring, MaterialsCache,
    MultiKeyring, RawAesKeyring, UnwrapFailure, UnwrapRequest, UnwrappedDataKey, check_keyring,
};

use super::{
    IRELAND, VIRGINIA, attempts, encrypt, failure, one_key, opens, operations, replicated,
    wrap_error,
};

#[tokio::test]
async fn a_message_makes_one_call_each_way() {
    let (kms, arn, keyring) = one_key();
    let message = encrypt(&keyring).await;
    let [edk] = message.header().encrypted_data_keys() else { panic!("one key was expected") };
    assert_eq!(edk.provider_id(), b"aws-kms");
    assert_eq!(edk.provider_info(), arn.as_bytes());
    opens(&keyring, &message).await;
    assert_eq!(operations(&kms), [Operation::GenerateDataKey, Operation::Decrypt]);
    for call in kms.calls() {
        assert_eq!(call.key_id.as_deref(), Some(&*arn));
        assert_eq!(call.region, IRELAND);
        let sent: EncryptionContext = call.encryption_context.into_iter().collect();
        assert_eq!(&sent, message.context());
        assert_eq!(sent.len(), 2, "tenant and public key");
        let this = concat!("lib/waxseal/", env!("CARGO_PKG_VERSION"));
        assert!(call.user_agent.contains(this), "{}", call.user_agent);
    }
}

#[tokio::test]
async fn it_does_what_every_keyring_must() {
    let (_, _, keyring) = one_key();
    check_keyring(&keyring, true).await.unwrap();
    let kms = FakeKms::new();
    let [primary, _] = replicated(&kms);
    let keyring = KmsKeyring::mrk_aware(kms.client(IRELAND), &primary).unwrap();
    check_keyring(&keyring, true).await.unwrap();
}

#[tokio::test]
async fn a_child_encrypts_the_data_key_of_another() {
    let (kms, arn, keyring) = one_key();
    let raw = RawAesKeyring::new("tests", "a", AesKey::from([7; 32])).unwrap();
    let both = MultiKeyring::generator(raw).child(keyring.clone());
    let message = encrypt(&both).await;
    assert_eq!(operations(&kms), [Operation::Encrypt]);
    assert_eq!(message.header().encrypted_data_keys()[1].provider_info(), arn.as_bytes());
    opens(&keyring, &message).await;
    opens(&both, &message).await;
    assert_eq!(
        operations(&kms),
        [Operation::Encrypt, Operation::Decrypt],
        "the raw key needs none"
    );
}

#[tokio::test]
async fn grant_tokens_go_with_every_call() {
    let (kms, arn, keyring) = one_key();
    let token = kms.create_grant(&arn).unwrap();
    for operation in [Operation::GenerateDataKey, Operation::Encrypt, Operation::Decrypt] {
        kms.deny(&arn, operation).unwrap();
    }
    let granted = keyring.clone().grant_tokens([token.clone()]);
    let message = encrypt(&granted).await;
    opens(&granted, &message).await;
    let raw = RawAesKeyring::new("tests", "a", AesKey::from([7; 32])).unwrap();
    encrypt(&MultiKeyring::generator(raw).child(granted)).await;
    assert!(kms.calls().iter().all(|call| call.grant_tokens == [token.clone()]));
    assert_eq!(kms.calls().len(), 3);
    let unknown = keyring.grant_tokens(["no such token"]);
    assert_eq!(failure(&unknown, &message).await, KmsFailure::GrantToken);
    assert_eq!(wrap_error(&unknown).await.failure(), &KmsFailure::GrantToken);
}

#[tokio::test]
async fn an_alias_or_id_only_encrypts() {
    let (kms, arn, keyring) = one_key();
    let alias_arn = kms.create_alias(IRELAND, "alias/x", &arn).unwrap();
    let id = arn.rsplit('/').next().unwrap();
    for name in ["alias/x", &alias_arn, id] {
        let named = KmsKeyring::new(kms.client(IRELAND), name).unwrap();
        let message = encrypt(&named).await;
        // The message names the key, not the alias, which may be given to another key some day.
        assert_eq!(message.header().encrypted_data_keys()[0].provider_info(), arn.as_bytes());
        opens(&keyring, &message).await;
        kms.clear_calls();
        let failed = attempts(&named, &message).await;
        let [Attempt { failure: UnwrapFailure::Unable(why), .. }] = &failed[..] else {
            panic!("{failed:?}");
        };
        assert!(why.contains(name) && why.contains("ARN"), "{why}");
        assert!(kms.calls().is_empty());
    }
}

#[test]
fn what_names_no_key_is_refused() {
    let client = FakeKms::new().client(IRELAND);
    for name in ["", "key/1234", "arn:aws:s3:::bucket", "arn:aws:kms:eu-west-1:1:key", "a b"] {
        let refused = KmsKeyring::new(client.clone(), name);
        assert!(matches!(refused, Err(Error::ApiMisuse(ApiMisuse::Kms(_)))), "{name}");
    }
}

#[tokio::test]
async fn keys_of_others_are_not_asked_for() {
    let (kms, _, keyring) = one_key();
    let other = kms.create_key(IRELAND, KeySpec::Symmetric).unwrap();
    let other = KmsKeyring::new(kms.client(IRELAND), &other).unwrap();
    let message = encrypt(&other).await;
    kms.clear_calls();
    assert!(attempts(&keyring, &message).await.is_empty());
    assert!(kms.calls().is_empty());
}

#[tokio::test]
async fn a_replica_opens_what_the_primary_wrapped() {
    let kms = FakeKms::new();
    let [primary, replica] = replicated(&kms);
    let at = |region, arn: &str| KmsKeyring::mrk_aware(kms.client(region), arn).unwrap();
    let (here, there) = (at(IRELAND, &primary), at(VIRGINIA, &replica));
    let message = encrypt(&here).await;
    assert_eq!(message.header().encrypted_data_keys()[0].provider_info(), primary.as_bytes());
    kms.clear_calls();
    opens(&there, &message).await;
    let [call] = &kms.calls()[..] else { panic!("one call was expected") };
    assert_eq!((&*call.region, call.key_id.as_deref()), (VIRGINIA, Some(&*replica)));
    // Without that, replicas are strangers.
    kms.clear_calls();
    let strict = KmsKeyring::new(kms.client(VIRGINIA), &replica).unwrap();
    assert!(attempts(&strict, &message).await.is_empty());
    assert!(kms.calls().is_empty());
}

#[tokio::test]
async fn only_multi_region_keys_have_replicas() {
    let kms = FakeKms::new();
    let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
    let make = |region| {
        let key = NewKey::new(KeySpec::Symmetric).id(id).material(&[7; 32]);
        FakeKms::new().create_key(region, key).unwrap()
    };
    let here = make(IRELAND);
    kms.create_key(IRELAND, NewKey::new(KeySpec::Symmetric).id(id)).unwrap();
    let message = encrypt(&KmsKeyring::mrk_aware(kms.client(IRELAND), &here).unwrap()).await;
    kms.clear_calls();
    let there = KmsKeyring::mrk_aware(kms.client(VIRGINIA), &make(VIRGINIA)).unwrap();
    assert!(attempts(&there, &message).await.is_empty());
    assert!(kms.calls().is_empty());
}

/// Asks a keyring for one of these encrypted data keys, as a message would.
async fn unwrap(keyring: &KmsKeyring, offered: &[EncryptedDataKey]) -> Result<usize, Vec<Attempt>> {
    let context = EncryptionContext::new();
    let suite = waxseal::AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
    let request = UnwrapRequest::new(suite, &context, offered);
    Ok(keyring.unwrap(&request).await?.index())
}

#[tokio::test]
async fn what_names_no_key_fails_before_any_call() {
    let (kms, arn, keyring) = one_key();
    let message = waxseal::encrypt(b"", &keyring)
        .suite(waxseal::AlgorithmSuite::Aes256GcmHkdfSha512CommitKey)
        .await
        .unwrap();
    let good = message.header().encrypted_data_keys()[0].clone();
    kms.clear_calls();
    let alias = arn.replace(":key/", ":alias/");
    for info in [&b"\xff"[..], b"", b"arn:aws:kms", alias.as_bytes()] {
        let bad = EncryptedDataKey::new("aws-kms", info, [0; 32]);
        let failed = unwrap(&keyring, &[good.clone(), bad]).await.unwrap_err();
        let [Attempt { index: 1, failure: UnwrapFailure::Malformed(_), .. }] = &failed[..] else {
            panic!("{failed:?}");
        };
    }
    assert!(kms.calls().is_empty());
    // What other providers write there is their business.
    let foreign = EncryptedDataKey::new("aws-kms-rsa", b"\xff", [0; 32]);
    assert_eq!(unwrap(&keyring, &[foreign, good]).await.unwrap(), 1);
}

#[tokio::test]
async fn the_next_one_is_tried_when_one_fails() {
    let (kms, arn, keyring) = one_key();
    let message = waxseal::encrypt(b"", &keyring)
        .suite(waxseal::AlgorithmSuite::Aes256GcmHkdfSha512CommitKey)
        .await
        .unwrap();
    let good = message.header().encrypted_data_keys()[0].clone();
    let mut changed = good.ciphertext().to_vec();
    changed[40] ^= 1;
    let bad = EncryptedDataKey::new("aws-kms", arn.as_bytes(), changed);
    assert_eq!(unwrap(&keyring, &[bad.clone(), good.clone()]).await.unwrap(), 1);
    // A wrong answer is a failure like any other.
    kms.inject(Fault::plaintext_len(16).on(Operation::Decrypt));
    assert_eq!(unwrap(&keyring, &[good.clone(), good.clone()]).await.unwrap(), 1);
    let failed = unwrap(&keyring, &[bad.clone(), bad]).await.unwrap_err();
    assert_eq!(failed.iter().map(|attempt| attempt.index).collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test]
async fn wrong_answers_are_refused() {
    let (kms, arn, keyring) = one_key();
    let other = kms.create_key(IRELAND, KeySpec::Symmetric).unwrap();
    let message = encrypt(&keyring).await;
    let alias = arn.replace(":key/", ":alias/");
    for fault in [
        Fault::wrong_key_id(&other),
        Fault::wrong_key_id("alias/x"),
        Fault::wrong_key_id(alias),
        Fault::without("KeyId"),
        Fault::truncated(),
    ] {
        kms.inject(fault.clone());
        let failure = failure(&keyring, &message).await;
        assert!(matches!(failure, KmsFailure::WrongAnswer(_)), "{failure:?} after {fault:?}");
        kms.inject(fault);
        let error = wrap_error(&keyring).await;
        assert!(matches!(error.failure(), KmsFailure::WrongAnswer(_)), "{error}");
        assert!(error.to_string().contains(&arn), "{error}");
    }
    for fault in [Fault::plaintext_len(31), Fault::plaintext_len(16), Fault::without("Plaintext")] {
        kms.inject(fault.clone());
        let attempts = attempts(&keyring, &message).await;
        assert_eq!(attempts.len(), 1, "{fault:?}");
        kms.inject(fault);
        assert!(matches!(wrap_error(&keyring).await.failure(), KmsFailure::WrongAnswer(_)));
    }
    kms.inject(Fault::without("CiphertextBlob"));
    assert!(matches!(wrap_error(&keyring).await.failure(), KmsFailure::WrongAnswer(_)));
    // A data key that is simply not the one of the message is found by the message itself.
    kms.inject(Fault::flipped_plaintext());
    let opened = waxseal::decrypt(&message, &keyring).await;
    assert!(matches!(opened, Err(Error::Unauthentic(_))), "{opened:?}");
    opens(&keyring, &message).await;
}

#[tokio::test]
async fn wrong_answers_to_a_child_are_refused() {
    let (kms, _, keyring) = one_key();
    let other = kms.create_key(IRELAND, KeySpec::Symmetric).unwrap();
    let raw = RawAesKeyring::new("tests", "a", AesKey::from([7; 32])).unwrap();
    let both = MultiKeyring::generator(raw).child(keyring);
    for fault in
        [Fault::wrong_key_id(other), Fault::without("KeyId"), Fault::without("CiphertextBlob")]
    {
        kms.inject(fault);
        let error = wrap_error(&both).await;
        assert_eq!(error.operation(), "Encrypt");
        assert!(matches!(error.failure(), KmsFailure::WrongAnswer(_)), "{error}");
    }
}

#[tokio::test]
async fn old_messages_open_after_a_rotation() {
    let (kms, arn, keyring) = one_key();
    let message = encrypt(&keyring).await;
    kms.rotate(&arn).unwrap();
    opens(&keyring, &message).await;
    let message = encrypt(&keyring).await;
    opens(&keyring, &message).await;
}

/// Has another keyring wrap and looks at what it leaves.
#[derive(Debug)]
struct Watch<K> {
    keyring: K,
    with_data_key: bool,
    left: Mutex<Vec<(bool, usize)>>,
}

impl<K: Keyring> Keyring for Watch<K> {
    fn wrap<'a>(
        &'a self,
        materials: &'a mut EncryptionMaterials,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            if self.with_data_key {
                materials.data_key_or_generate()?;
            }
            let result = self.keyring.wrap(materials).await;
            let left = (materials.data_key().is_some(), materials.encrypted_data_keys().len());
            self.left.lock().unwrap().push(left);
            result
        })
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<UnwrappedDataKey, Vec<Attempt>>> {
        self.keyring.unwrap(request)
    }
}

#[tokio::test]
async fn what_fails_leaves_the_materials_alone() {
    let (kms, arn, symmetric) = one_key();
    let curve = kms.create_key(IRELAND, KeySpec::EccP256).unwrap();
    let client = kms.client(IRELAND);
    let own = KmsEcdhKeyring::fetch_public_key(&client, &curve, &[]).await.unwrap();
    let peer = EcPrivateKey::generate(EcdhCurve::P256).unwrap().public_key().unwrap();
    let ecdh =
        KmsEcdhKeyring::kms_private_key_to_static_public_key(client, &curve, own, peer).unwrap();
    let mrk_aware = KmsKeyring::mrk_aware(kms.client(IRELAND), &arn).unwrap();
    let keyrings: [Box<dyn Keyring>; 3] =
        [Box::new(symmetric), Box::new(mrk_aware), Box::new(ecdh)];
    for keyring in keyrings {
        let mut watch = Watch { keyring, with_data_key: false, left: Mutex::default() };
        for with_data_key in [false, true] {
            watch.with_data_key = with_data_key;
            for fault in [
                Fault::refused("AccessDeniedException", "no"),
                Fault::truncated(),
                Fault::wrong_key_id("arn:aws:kms:eu-west-1:1:key/other"),
                Fault::without("KeyId"),
            ] {
                kms.inject(fault.clone());
                wrap_error(&watch).await;
                let left = watch.left.lock().unwrap().pop();
                assert_eq!(left, Some((with_data_key, 0)), "{:?} after {fault:?}", watch.keyring);
            }
        }
    }
}

#[tokio::test]
async fn what_opens_ends_the_search() {
    let (kms, _, keyring) = one_key();
    let message = waxseal::encrypt(b"", &keyring)
        .suite(waxseal::AlgorithmSuite::Aes256GcmHkdfSha512CommitKey)
        .await
        .unwrap();
    let good = message.header().encrypted_data_keys()[0].clone();
    kms.clear_calls();
    assert_eq!(unwrap(&keyring, &[good.clone(), good.clone(), good]).await.unwrap(), 0);
    assert_eq!(kms.calls().len(), 1);
}

/// Their encrypted data keys differ in nothing but the ciphertext.
#[tokio::test]
async fn a_cache_tells_messages_of_one_key_apart() {
    let (kms, _, keyring) = one_key();
    let suite = waxseal::AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
    let cache = MaterialsCache::new(10).unwrap();
    let manager = CachingManager::new(keyring.clone(), &cache, Duration::from_secs(60)).unwrap();
    for _ in 0..3 {
        let message = waxseal::encrypt(b"x", &keyring).suite(suite).await.unwrap();
        for _ in 0..2 {
            assert_eq!(waxseal::decrypt(&message, &manager).await.unwrap().plaintext(), b"x");
        }
    }
    assert_eq!((kms.count(Operation::Decrypt), cache.stats().hits), (3, 3));
}
