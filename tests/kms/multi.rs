//! Several keys, in several regions.

use waxseal::kms::{KmsClientSupplier, KmsFailure, KmsKeyring, RegionalKmsClients, no_client};
use waxseal::testing::{FakeKms, KeySpec, Operation};
use waxseal::{ApiMisuse, Error, UnwrapFailure};

use super::{IRELAND, VIRGINIA, attempts, encrypt, opens, operations, replicated, wrap_error};

/// Keys in two regions, and a keyring of both.
fn two_regions() -> (FakeKms, [String; 2], waxseal::MultiKeyring) {
    let kms = FakeKms::new();
    let arns = [IRELAND, VIRGINIA].map(|r| kms.create_key(r, KeySpec::Symmetric).unwrap());
    let clients = RegionalKmsClients::like(kms.client(IRELAND));
    let [first, second] = arns.clone();
    let keyring = KmsKeyring::multi(&clients).generator(first).child(second).build().unwrap();
    (kms, arns, keyring)
}

#[tokio::test]
async fn each_key_is_asked_in_its_region() {
    let (kms, arns, keyring) = two_regions();
    let message = encrypt(&keyring).await;
    let called: Vec<_> =
        kms.calls().into_iter().map(|call| (call.operation, call.region, call.key)).collect();
    let [first, second] = arns;
    let expected = [
        (Operation::GenerateDataKey, IRELAND.to_owned(), Some(first)),
        (Operation::Encrypt, VIRGINIA.to_owned(), Some(second)),
    ];
    assert_eq!(called, expected);
    assert_eq!(message.header().encrypted_data_keys().len(), 2);
    kms.clear_calls();
    opens(&keyring, &message).await;
    assert_eq!(operations(&kms), [Operation::Decrypt]);
}

#[tokio::test]
async fn one_region_of_two_is_enough_to_decrypt() {
    let (kms, arns, keyring) = two_regions();
    let message = encrypt(&keyring).await;
    for (down, up) in [(IRELAND, VIRGINIA), (VIRGINIA, IRELAND)] {
        kms.take_down(down);
        opens(&keyring, &message).await;
        assert_eq!(kms.calls().last().unwrap().region, up);
        kms.bring_up(down);
    }
    // To encrypt, all are needed: a message that one of them could not open would break a promise.
    kms.take_down(VIRGINIA);
    let error = wrap_error(&keyring).await;
    assert!(matches!(error.failure(), KmsFailure::Unreachable(_)), "{error}");
    assert_eq!(error.key(), arns[1]);
    kms.take_down(IRELAND);
    let failed = attempts(&keyring, &message).await;
    assert_eq!(failed.len(), 2);
    for (attempt, arn) in failed.iter().zip(&arns) {
        let UnwrapFailure::Kms(error) = &attempt.failure else { panic!("{attempt:?}") };
        assert!(matches!(error.failure(), KmsFailure::Unreachable(_)), "{error}");
        assert_eq!(error.key(), arn);
    }
}

#[tokio::test]
async fn without_generator_it_decrypts() {
    let (kms, [first, second], keyring) = two_regions();
    let message = encrypt(&keyring).await;
    let clients = RegionalKmsClients::like(kms.client(VIRGINIA));
    let children = KmsKeyring::multi(&clients).child(second).child(first).build().unwrap();
    opens(&children, &message).await;
    assert!(matches!(waxseal::encrypt(b"", &children).await, Err(Error::ApiMisuse(_))));
}

#[tokio::test]
async fn grant_tokens_go_to_all() {
    let (kms, [first, second], _) = two_regions();
    let tokens = [kms.create_grant(&first).unwrap(), kms.create_grant(&second).unwrap()];
    kms.deny(&first, Operation::GenerateDataKey).unwrap();
    kms.deny(&second, Operation::Encrypt).unwrap();
    let clients = RegionalKmsClients::like(kms.client(IRELAND));
    let keyring = KmsKeyring::multi(&clients)
        .generator(&first)
        .child(&second)
        .grant_tokens(tokens.clone())
        .build()
        .unwrap();
    encrypt(&keyring).await;
    assert!(kms.calls().iter().all(|call| call.grant_tokens == tokens));
}

#[test]
fn only_arns_are_taken() {
    let kms = FakeKms::new();
    let clients = |region: &str| Ok(kms.client(region));
    for multi in [KmsKeyring::multi(&clients), KmsKeyring::mrk_aware_multi(&clients)] {
        let built = multi.generator("alias/x").build();
        assert!(matches!(built, Err(Error::ApiMisuse(ApiMisuse::Kms(_)))));
    }
    let built = KmsKeyring::multi(&clients).child("1234abcd-12ab-34cd-56ef-1234567890ab").build();
    assert!(matches!(built, Err(Error::ApiMisuse(ApiMisuse::Kms(_)))));
    let built = KmsKeyring::multi(&clients).build();
    assert!(matches!(built, Err(Error::ApiMisuse(ApiMisuse::Kms(_)))));
}

#[test]
fn a_supplier_can_refuse_a_region() {
    let (kms, [first, second], _) = two_regions();
    let clients = |region: &str| match region {
        IRELAND => Ok(kms.client(region)),
        other => Err(no_client(other, "tests stay in Ireland")),
    };
    let built = KmsKeyring::multi(&clients).generator(first).child(second).build();
    let error = built.unwrap_err().to_string();
    assert!(error.contains(VIRGINIA) && error.contains("tests stay in Ireland"), "{error}");
}

#[test]
fn regional_clients_differ_in_nothing_else() {
    let kms = FakeKms::new();
    let mut config = kms.config(IRELAND);
    config.set_endpoint_url(Some("http://localhost:1".to_owned()));
    let clients = RegionalKmsClients::like(aws_sdk_kms::Client::from_conf(config.build()));
    for region in [IRELAND, VIRGINIA, VIRGINIA] {
        let client = clients.client(region).unwrap();
        assert_eq!(client.config().region().unwrap().as_ref(), region);
        assert_eq!(client.config().retry_config(), kms.config(IRELAND).build().retry_config());
    }
}

#[tokio::test]
async fn replicas_stand_in_for_each_other() {
    let kms = FakeKms::new();
    let [primary, replica] = replicated(&kms);
    let single = kms.create_key(IRELAND, KeySpec::Symmetric).unwrap();
    let clients = RegionalKmsClients::like(kms.client(IRELAND));
    let writer = KmsKeyring::mrk_aware_multi(&clients).generator(&single).child(&primary);
    let message = encrypt(&writer.build().unwrap()).await;
    let reader = KmsKeyring::mrk_aware_multi(&clients).child(&replica).build().unwrap();
    opens(&reader, &message).await;
    let strict = KmsKeyring::multi(&clients).child(&replica).build().unwrap();
    assert!(attempts(&strict, &message).await.is_empty());
}

#[test]
fn two_replicas_of_one_key_are_refused() {
    let kms = FakeKms::new();
    let [primary, replica] = replicated(&kms);
    let other = replicated(&kms);
    let clients = RegionalKmsClients::like(kms.client(IRELAND));
    let multi = KmsKeyring::mrk_aware_multi(&clients)
        .generator(&primary)
        .child(&other[0])
        .child(&replica)
        .child(&other[1]);
    let error = multi.build().unwrap_err().to_string();
    for arn in [&primary, &replica, &other[0], &other[1]] {
        assert!(error.contains(arn), "{error}");
    }
    // Who is not MRK-aware takes each for itself.
    assert!(KmsKeyring::multi(&clients).generator(&primary).child(&replica).build().is_ok());
}

#[test]
fn what_is_not_replicated_can_be_there_twice() {
    let (kms, [first, second], _) = two_regions();
    let clients = RegionalKmsClients::like(kms.client(IRELAND));
    let multi = || KmsKeyring::mrk_aware_multi(&clients);
    assert!(multi().generator(&first).child(&second).child(&first).build().is_ok());
    let ([one, _], [other, _]) = (replicated(&kms), replicated(&kms));
    assert!(multi().generator(&one).child(&first).child(&other).child(&first).build().is_ok());
    // An alias is no multi-Region key, whatever its name.
    let alias = "arn:aws:kms:eu-west-1:111122223333:alias/mrk-1";
    assert!(multi().generator(alias).child(alias).build().is_ok());
    // Nor is it of use to have exactly the same one twice.
    assert!(multi().generator(&one).child(&one).build().is_err());
}
