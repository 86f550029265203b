//! Any key that a message names.

use waxseal::kms::{DiscoveryFilter, KmsDiscoveryKeyring, KmsFailure, KmsKeyring};
use waxseal::testing::{FakeKms, Fault, KeySpec, NewKey, Operation};
use waxseal::{
    AesKey, ApiMisuse, Attempt, EncryptedDataKey, Error, Keyring, KeyringError, MultiKeyring,
    RawAesKeyring, UnwrapFailure, UnwrapRequest,
};

use super::{IRELAND, VIRGINIA, attempts, encrypt, failure, one_key, opens, replicated};

#[tokio::test]
async fn it_finds_the_key_of_the_message() {
    let (kms, arn, keyring) = one_key();
    let message = encrypt(&keyring).await;
    kms.clear_calls();
    opens(&KmsDiscoveryKeyring::new(kms.client(IRELAND)), &message).await;
    let [call] = &kms.calls()[..] else { panic!("one call was expected") };
    assert_eq!((call.operation, call.key_id.as_ref()), (Operation::Decrypt, Some(&arn)));
}

#[tokio::test]
async fn it_never_encrypts() {
    let kms = FakeKms::new();
    let client = kms.client(IRELAND);
    for keyring in
        [KmsDiscoveryKeyring::new(client.clone()), KmsDiscoveryKeyring::mrk_aware(client).unwrap()]
    {
        let refused = waxseal::encrypt(b"", &keyring).await;
        assert!(matches!(refused, Err(Error::Keyring(KeyringError::Wrap { .. }))), "{refused:?}");
    }
    assert!(kms.calls().is_empty());
}

#[tokio::test]
async fn a_filter_keeps_others_out() {
    let (kms, _, keyring) = one_key();
    let message = encrypt(&keyring).await;
    kms.clear_calls();
    let discovery = KmsDiscoveryKeyring::new(kms.client(IRELAND));
    for (partition, accounts) in [
        ("aws", &["444455556666"][..]),
        ("aws-cn", &["111122223333"]),
        ("aws", &["11112222333", "1111222233333"]),
    ] {
        let filter = DiscoveryFilter::new(partition, accounts.iter().copied()).unwrap();
        let filtered = discovery.clone().filter(filter);
        assert!(attempts(&filtered, &message).await.is_empty());
    }
    assert!(kms.calls().is_empty());
    let filter = DiscoveryFilter::new("aws", ["444455556666", "111122223333"]).unwrap();
    opens(&discovery.filter(filter), &message).await;
}

#[test]
fn a_filter_of_nothing_is_refused() {
    for (partition, accounts) in [("", &["1"][..]), ("aws", &[]), ("aws", &["1", ""])] {
        let refused = DiscoveryFilter::new(partition, accounts.iter().copied());
        assert!(matches!(refused, Err(Error::ApiMisuse(ApiMisuse::Kms(_)))));
    }
}

#[tokio::test]
async fn the_region_is_the_clients() {
    let (kms, _, keyring) = one_key();
    let message = encrypt(&keyring).await;
    let elsewhere = KmsDiscoveryKeyring::new(kms.client(VIRGINIA));
    let expected = KmsFailure::WrongRegion { key: IRELAND.to_owned(), client: VIRGINIA.to_owned() };
    assert_eq!(failure(&elsewhere, &message).await, expected);
    // An MRK-aware one knows that it is of no use to ask.
    kms.clear_calls();
    let elsewhere = KmsDiscoveryKeyring::mrk_aware(kms.client(VIRGINIA)).unwrap();
    assert!(attempts(&elsewhere, &message).await.is_empty());
    assert!(kms.calls().is_empty());
    opens(&KmsDiscoveryKeyring::mrk_aware(kms.client(IRELAND)).unwrap(), &message).await;
}

#[tokio::test]
async fn the_replica_of_the_own_region_is_asked() {
    let kms = FakeKms::new();
    let [primary, replica] = replicated(&kms);
    let message = encrypt(&KmsKeyring::new(kms.client(IRELAND), &primary).unwrap()).await;
    kms.clear_calls();
    opens(&KmsDiscoveryKeyring::mrk_aware(kms.client(VIRGINIA)).unwrap(), &message).await;
    let [call] = &kms.calls()[..] else { panic!("one call was expected") };
    assert_eq!((&*call.region, call.key_id.as_deref()), (VIRGINIA, Some(&*replica)));
    // The filter is about the key of the message.
    kms.clear_calls();
    let filter = DiscoveryFilter::new("aws", ["444455556666"]).unwrap();
    let filtered = KmsDiscoveryKeyring::mrk_aware(kms.client(VIRGINIA)).unwrap().filter(filter);
    assert!(attempts(&filtered, &message).await.is_empty());
    assert!(kms.calls().is_empty());
}

#[test]
fn a_client_without_region_cannot_be_mrk_aware() {
    let mut config = FakeKms::new().config(IRELAND);
    config.set_region(None);
    let client = aws_sdk_kms::Client::from_conf(config.build());
    let refused = KmsDiscoveryKeyring::mrk_aware(client);
    assert!(matches!(refused, Err(Error::ApiMisuse(ApiMisuse::Kms(_)))));
}

#[tokio::test]
async fn regions_are_asked_in_order() {
    let kms = FakeKms::new();
    let there = kms.create_key(VIRGINIA, KeySpec::Symmetric).unwrap();
    let message = encrypt(&KmsKeyring::new(kms.client(VIRGINIA), &there).unwrap()).await;
    let clients = |region: &str| Ok(kms.client(region));
    let both = KmsDiscoveryKeyring::multi(&clients).regions([IRELAND, VIRGINIA, IRELAND]);
    kms.clear_calls();
    opens(&both.build().unwrap(), &message).await;
    let asked: Vec<_> = kms.calls().into_iter().map(|call| call.region).collect();
    assert_eq!(asked, [IRELAND, VIRGINIA]);
    // MRK-aware ones ask only where the key can be.
    let both = KmsDiscoveryKeyring::mrk_aware_multi(&clients).regions([IRELAND, VIRGINIA]);
    kms.clear_calls();
    opens(&both.build().unwrap(), &message).await;
    assert_eq!(kms.calls().len(), 1);
}

#[tokio::test]
async fn several_regions_share_filter_and_grant_tokens() {
    let kms = FakeKms::new();
    let arn = kms.create_key(IRELAND, KeySpec::Symmetric).unwrap();
    let token = kms.create_grant(&arn).unwrap();
    let foreign =
        kms.create_key(IRELAND, NewKey::new(KeySpec::Symmetric).account("444455556666")).unwrap();
    let clients = |region: &str| Ok(kms.client(region));
    let keyring = KmsDiscoveryKeyring::multi(&clients)
        .regions([IRELAND])
        .filter(DiscoveryFilter::new("aws", ["111122223333"]).unwrap())
        .grant_tokens([token.clone()])
        .build()
        .unwrap();
    let message = encrypt(&KmsKeyring::new(kms.client(IRELAND), &foreign).unwrap()).await;
    kms.clear_calls();
    assert!(attempts(&keyring, &message).await.is_empty());
    assert!(kms.calls().is_empty());
    let message = encrypt(&KmsKeyring::new(kms.client(IRELAND), &arn).unwrap()).await;
    kms.deny(&arn, Operation::Decrypt).unwrap();
    opens(&keyring, &message).await;
    assert_eq!(kms.calls().last().unwrap().grant_tokens, [token]);
}

#[test]
fn discovery_needs_regions() {
    let kms = FakeKms::new();
    let clients = |region: &str| Ok(kms.client(region));
    for regions in [&[][..], &["", IRELAND]] {
        let built = KmsDiscoveryKeyring::multi(&clients).regions(regions.iter().copied()).build();
        assert!(matches!(built, Err(Error::ApiMisuse(ApiMisuse::Kms(_)))));
    }
}

#[tokio::test]
async fn every_attempt_is_told() {
    let (kms, arn, keyring) = one_key();
    let message = encrypt(&keyring).await;
    kms.disable(&arn).unwrap();
    let clients = |region: &str| Ok(kms.client(region));
    let both = KmsDiscoveryKeyring::multi(&clients).regions([VIRGINIA, IRELAND]).build().unwrap();
    let error = waxseal::decrypt(&message, &both).await.unwrap_err().to_string();
    let attempt = format!("AWS KMS Decrypt with key `{arn}` failed");
    assert_eq!(error.matches(&attempt).count(), 2, "{error}");
    let attempts = attempts(&both, &message).await;
    let failures: Vec<_> = attempts
        .iter()
        .map(|attempt| match attempt {
            Attempt { index: 0, failure: UnwrapFailure::Kms(error), .. } => error.failure().clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    let wrong = KmsFailure::WrongRegion { key: IRELAND.to_owned(), client: VIRGINIA.to_owned() };
    assert_eq!(failures, [wrong, KmsFailure::Disabled]);
}

/// Errors tell which keyring it was, and its `Debug` where it asks.
#[tokio::test]
async fn each_keyring_has_its_name() {
    let (kms, arn, keyring) = one_key();
    let message = encrypt(&keyring).await;
    kms.disable(&arn).unwrap();
    let client = || kms.client(IRELAND);
    let all: [(&str, Box<dyn Keyring>); 4] = [
        ("AWS KMS keyring", Box::new(KmsKeyring::new(client(), &arn).unwrap())),
        ("AWS KMS MRK keyring", Box::new(KmsKeyring::mrk_aware(client(), &arn).unwrap())),
        ("AWS KMS discovery keyring", Box::new(KmsDiscoveryKeyring::new(client()))),
        (
            "AWS KMS MRK discovery keyring",
            Box::new(KmsDiscoveryKeyring::mrk_aware(client()).unwrap()),
        ),
    ];
    for (name, keyring) in all {
        let attempts = attempts(&*keyring, &message).await;
        let [Attempt { keyring: told, .. }] = &attempts[..] else { panic!("{attempts:?}") };
        assert_eq!(told, name);
        assert!(format!("{keyring:?}").contains(IRELAND), "{keyring:?}");
    }
}

#[tokio::test]
async fn discovery_fails_before_any_call_if_one_names_no_key() {
    let (kms, arn, keyring) = one_key();
    let message = encrypt(&keyring).await;
    let good = message.header().encrypted_data_keys()[0].clone();
    kms.clear_calls();
    let alias = arn.replace(":key/", ":alias/");
    for info in [&b"\xff"[..], b"", alias.as_bytes()] {
        let bad = EncryptedDataKey::new("aws-kms", info, [0; 32]);
        let offered = [good.clone(), bad];
        let request = UnwrapRequest::new(message.header().suite(), message.context(), &offered);
        for keyring in discoveries(&kms, IRELAND) {
            let failed = keyring.unwrap(&request).await.unwrap_err();
            let [Attempt { index: 1, failure: UnwrapFailure::Malformed(_), .. }] = &failed[..]
            else {
                panic!("{failed:?}");
            };
        }
    }
    assert!(kms.calls().is_empty());
    let foreign = EncryptedDataKey::new("aws-kms-rsa", b"\xff", [0; 32]);
    let offered = [foreign, good];
    let request = UnwrapRequest::new(message.header().suite(), message.context(), &offered);
    for keyring in discoveries(&kms, IRELAND) {
        assert_eq!(keyring.unwrap(&request).await.unwrap().index(), 1);
    }
}

/// Both kinds.
fn discoveries(kms: &FakeKms, region: &str) -> [KmsDiscoveryKeyring; 2] {
    let client = kms.client(region);
    [KmsDiscoveryKeyring::new(client.clone()), KmsDiscoveryKeyring::mrk_aware(client).unwrap()]
}

#[tokio::test]
async fn discovery_goes_on_after_a_wrong_answer() {
    let kms = FakeKms::new();
    let [primary, replica] = replicated(&kms);
    let message = encrypt(&KmsKeyring::new(kms.client(VIRGINIA), &replica).unwrap()).await;
    let good = message.header().encrypted_data_keys()[0].clone();
    let offered = [good.clone(), good.clone(), good];
    let request = UnwrapRequest::new(message.header().suite(), message.context(), &offered);
    // The MRK-aware one in Ireland asks for the primary, so the key of the message is a wrong answer.
    let [plain, _] = discoveries(&kms, VIRGINIA);
    let [_, mrk_aware] = discoveries(&kms, IRELAND);
    for (keyring, wrong) in [(plain, &primary), (mrk_aware, &replica)] {
        for fault in [
            Fault::wrong_key_id(wrong),
            Fault::without("KeyId"),
            Fault::plaintext_len(16),
            Fault::plaintext_len(31),
        ] {
            kms.clear_calls();
            kms.inject(fault.clone());
            let opened = keyring.unwrap(&request).await.unwrap();
            assert_eq!((opened.index(), kms.calls().len()), (1, 2), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn several_regions_only_decrypt() {
    let kms = FakeKms::new();
    let clients = |region: &str| Ok(kms.client(region));
    for multi in
        [KmsDiscoveryKeyring::multi(&clients), KmsDiscoveryKeyring::mrk_aware_multi(&clients)]
    {
        let both = multi.regions([IRELAND, VIRGINIA]).build().unwrap();
        let refused = waxseal::encrypt(b"", &both).await;
        assert!(matches!(refused, Err(Error::ApiMisuse(_))), "{refused:?}");
        // As the child of one that has a generator, it would promise what it cannot hold.
        let raw = RawAesKeyring::new("tests", "a", AesKey::from([7; 32])).unwrap();
        let refused = waxseal::encrypt(b"", &MultiKeyring::generator(raw).child(both)).await;
        assert!(matches!(refused, Err(Error::Keyring(KeyringError::Wrap { .. }))), "{refused:?}");
    }
    assert!(kms.calls().is_empty());
}
