//! Messages that somebody made to do harm: to the bill, to the terminal, to logs.

use std::error::Error as StdError;
use std::fmt::Debug;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::Credentials;
use waxseal::kms::{
    DiscoveryFilter, KmsArn, KmsDiscoveryKeyring, KmsEcdhKeyring, KmsFailure, KmsKeyring,
    KmsRsaKeyring, RegionalKmsClients,
};
use waxseal::testing::{FakeKms, Fault, KeySpec, Operation};
use waxseal::{
    AesKey, Attempt, EncryptedDataKey, EncryptionMaterials, Error, Keyring, KeyringError,
    LocalKeyring, MultiKeyring, Policy, PolicyError, RawAesKeyring, RsaPadding, UnwrapFailure,
    UnwrapRequest, UnwrappedDataKey,
};

use super::{IRELAND, VIRGINIA, attempts, encrypt, one_key, wrap_error};

/// Writes whatever it is told to as encrypted data keys.
#[derive(Debug)]
struct Forger(Vec<EncryptedDataKey>);

impl LocalKeyring for Forger {
    fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        materials.data_key_or_generate()?;
        self.0.iter().try_for_each(|edk| materials.push_encrypted_data_key(edk.clone()))
    }

    fn unwrap_now(&self, _: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        Err(Vec::new())
    }
}

/// A message whose encrypted data keys name these keys of AWS KMS.
fn forged<A: AsRef<[u8]>>(arns: impl IntoIterator<Item = A>) -> Vec<u8> {
    let edk = |arn: A| EncryptedDataKey::new("aws-kms", arn.as_ref(), [7; 184]);
    let forger = Forger(arns.into_iter().map(edk).collect());
    let policy = Policy::default().max_encrypted_data_keys(u16::MAX);
    waxseal::encrypt(b"x", &forger).policy(policy).now().unwrap().into_bytes()
}

fn key_of(partition: &str, region: &str, account: &str) -> String {
    format!("arn:{partition}:kms:{region}:{account}:key/1234abcd-12ab-34cd-56ef-1234567890ab")
}

#[tokio::test]
async fn the_number_of_calls_has_a_limit() {
    let kms = FakeKms::new();
    let arn = |i: u32| key_of("aws", IRELAND, &format!("{i:012}"));
    let discovery = KmsDiscoveryKeyring::new(kms.client(IRELAND));
    let refused = waxseal::decrypt(&forged((0..101).map(arn)), &discovery).await;
    assert!(
        matches!(refused, Err(Error::Policy(PolicyError::TooManyEncryptedDataKeys { .. }))),
        "{refused:?}"
    );
    assert!(kms.calls().is_empty());
    let message = forged((0..100).map(arn));
    assert_eq!(attempts(&discovery, &message).await.len(), 100);
    assert_eq!(kms.calls().len(), 100, "one for each, and none twice");
    kms.clear_calls();
    let filter = DiscoveryFilter::new("aws", ["000000000042"]).unwrap();
    assert_eq!(attempts(&discovery.filter(filter), &message).await.len(), 1);
    assert_eq!(kms.calls()[0].key_id, Some(arn(42)));
    assert_eq!(kms.calls().len(), 1);
}

#[tokio::test]
async fn digits_of_other_scripts_and_longer_names_pass_no_filter() {
    let kms = FakeKms::new();
    let filter = DiscoveryFilter::new("aws", ["111122223333"]).unwrap();
    for mrk_aware in [false, true] {
        let discovery = match mrk_aware {
            true => KmsDiscoveryKeyring::mrk_aware(kms.client(IRELAND)).unwrap(),
            false => KmsDiscoveryKeyring::new(kms.client(IRELAND)),
        };
        let discovery = discovery.filter(filter.clone());
        for (partition, account) in [
            ("aws", "\u{ff11}11122223333"),
            ("aws", "\u{661}11122223333"),
            ("aws", "111122223333 "),
            ("aws", "111122223333\0"),
            ("aws", "%31111122223333"),
            ("AWS", "111122223333"),
            ("aws\n", "111122223333"),
            ("aws-cn", "111122223333"),
        ] {
            let arn = key_of(partition, IRELAND, account);
            assert!(attempts(&discovery, &forged([&arn])).await.is_empty(), "{arn:?}");
        }
    }
    assert!(kms.calls().is_empty());
}

/// What a message names reaches errors where AWS KMS is asked for it: escaped and cut.
#[tokio::test]
async fn names_from_a_message_are_escaped_and_cut() {
    let kms = FakeKms::new();
    let discovery = KmsDiscoveryKeyring::new(kms.client(IRELAND));
    let long = "x".repeat(65_000);
    for odd in ["\x1b[2Jgone", "new\nline", "a\0b", "\u{202e}backwards", "\u{9b}2J", &long] {
        for arn in [
            key_of("aws", odd, "111122223333"),
            key_of("aws", IRELAND, odd),
            key_of(odd, VIRGINIA, "111122223333"),
            format!("arn:aws:kms:{IRELAND}:111122223333:key/{odd}"),
            format!("arn:aws:kms:{VIRGINIA}:111122223333:key/{odd}"),
            format!("arn:aws:kms:{odd}"),
            odd.to_owned(),
        ] {
            // Twenty of them, so that the sentence would be long if nothing cut it.
            let message = forged(vec![&arn; if odd == long { 10 } else { 20 }]);
            let error = waxseal::decrypt(&message, &discovery).await.unwrap_err();
            let told = error.to_string();
            assert!(told.len() < 16_000, "{} bytes for {:.50}", told.len(), arn.escape_debug());
            let is_odd = |c: char| c.is_control() || c == '\u{202e}';
            assert!(!told.contains(is_odd), "{told:?}");
        }
    }
}

/// The same for what comes back from what may not be AWS KMS.
#[tokio::test]
async fn words_from_an_answer_are_escaped_and_cut() {
    let (kms, _, keyring) = one_key();
    let message = encrypt(&keyring).await;
    let odd = format!("\x1b[2J\n{}", "x".repeat(100_000));
    for fault in [
        Fault::wrong_key_id(&odd),
        Fault::refused("Odd\u{202e}Exception", &odd),
        Fault::refused(&"X".repeat(5000), "said"),
    ] {
        kms.inject(fault.clone());
        let wrapping = wrap_error(&keyring).await.to_string();
        kms.inject(fault);
        let opening = waxseal::decrypt(&message, &keyring).await.unwrap_err().to_string();
        for told in [wrapping, opening] {
            assert!(told.len() < 2000, "{} bytes", told.len());
            let is_odd = |c: char| c.is_control() || c == '\u{202e}';
            assert!(!told.contains(is_odd), "{told:?}");
        }
    }
}

/// The region that a message names never chooses where to call.
#[tokio::test]
async fn a_message_cannot_choose_the_endpoint() {
    let kms = FakeKms::new();
    let clients = RegionalKmsClients::like(kms.client(IRELAND));
    let both = KmsDiscoveryKeyring::multi(&clients).regions([IRELAND, VIRGINIA]).build().unwrap();
    let message = forged([key_of("aws", "evil.example", "1"), key_of("aws", "a/../b?c#d", "1")]);
    let failed = attempts(&both, &message).await;
    assert_eq!(failed.len(), 4);
    for Attempt { failure, .. } in &failed {
        let UnwrapFailure::Kms(error) = failure else { panic!("{failure:?}") };
        assert!(matches!(error.failure(), KmsFailure::WrongRegion { .. }), "{error}");
    }
    let called: Vec<_> = kms.calls().into_iter().map(|c| (c.operation, c.region)).collect();
    let expected = [IRELAND, IRELAND, VIRGINIA, VIRGINIA];
    assert_eq!(called, expected.map(|region| (Operation::Decrypt, region.to_owned())));
}

#[tokio::test]
async fn a_key_of_another_kind_opens_nothing() {
    let kms = FakeKms::new();
    let rsa = kms.create_key(IRELAND, KeySpec::Rsa2048).unwrap();
    let discovery = KmsDiscoveryKeyring::new(kms.client(IRELAND));
    let failed = attempts(&discovery, &forged([rsa])).await;
    assert!(matches!(failed[..], [Attempt { failure: UnwrapFailure::Kms(_), .. }]), "{failed:?}");
}

/// Everything that a `Debug` gives, of a value or of an error and what is behind it.
fn told(value: &dyn Debug) -> String {
    format!("{value:?} {value:#?}")
}

fn told_error(error: &(dyn StdError + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| (*error).source());
    chain.map(|error| format!("{error} {}", told(&error))).collect()
}

/// A data key of 32 times 0xa5, a grant token and credentials.
fn assert_no_secret(told: &str) {
    let squeezed: String = told.chars().filter(|c| !c.is_whitespace()).collect();
    for secret in
        ["paWlpaWl", "a5a5a5", "165,165", r"\xa5\xa5", "the-grant-token", "the-secret-access-key"]
    {
        assert!(!squeezed.to_lowercase().contains(&secret.to_lowercase()), "{secret}: {told}");
    }
}

#[tokio::test]
async fn keyrings_print_no_secret() {
    let kms = FakeKms::new();
    let credentials = Credentials::new("AKIA", "the-secret-access-key", None, None, "tests");
    let config = kms.config(IRELAND).credentials_provider(credentials).build();
    let client = Client::from_conf(config);
    let token = ["the-grant-token"];
    let arn = kms.create_key(IRELAND, KeySpec::Symmetric).unwrap();
    let rsa = kms.create_key(IRELAND, KeySpec::Rsa2048).unwrap();
    let curve = kms.create_key(IRELAND, KeySpec::EccP256).unwrap();
    let public = KmsRsaKeyring::fetch_public_key(&client, &rsa, &[]).await.unwrap();
    let own = KmsEcdhKeyring::fetch_public_key(&client, &curve, &[]).await.unwrap();
    let clients = RegionalKmsClients::like(client.clone());
    let multi = KmsKeyring::multi(&clients).generator(&arn).child(&arn).grant_tokens(token);
    let regions = KmsDiscoveryKeyring::multi(&clients).regions([IRELAND]).grant_tokens(token);
    let filter = DiscoveryFilter::new("aws", ["111122223333"]).unwrap();
    for printed in [
        told(&multi),
        told(&regions),
        told(&multi.build().unwrap()),
        told(&regions.build().unwrap()),
        told(&clients),
        told(&filter),
        told(&arn.parse::<KmsArn>().unwrap()),
        told(&KmsKeyring::new(client.clone(), &arn).unwrap().grant_tokens(token)),
        told(&KmsDiscoveryKeyring::new(client.clone()).filter(filter).grant_tokens(token)),
        told(
            &KmsRsaKeyring::new(client.clone(), &rsa, RsaPadding::OaepSha256)
                .unwrap()
                .public_key(public)
                .grant_tokens(token),
        ),
        told(
            &KmsEcdhKeyring::kms_public_key_discovery(client, &curve, own)
                .unwrap()
                .grant_tokens(token),
        ),
    ] {
        assert_no_secret(&printed);
        assert!((10..10_000).contains(&printed.len()), "{} bytes", printed.len());
    }
    // The search finds what it looks for.
    let found = std::panic::catch_unwind(|| assert_no_secret(&told(&[0xa5_u8; 32])));
    assert!(found.is_err());
}

/// Whatever goes wrong with a call that carries a data key.
#[tokio::test]
async fn errors_hold_no_secret() {
    let (kms, arn, keyring) = one_key();
    let token = kms.create_grant(&arn).unwrap();
    let keyring = keyring.grant_tokens([token.clone()]);
    let assert_no_secret = |told: &str| {
        assert_no_secret(told);
        assert!(!told.contains(&token), "{told}");
    };
    let client = kms.client(IRELAND);
    let raw = || RawAesKeyring::new("tests", "a", AesKey::from([7; 32])).unwrap();
    let child = MultiKeyring::generator(raw()).child(keyring.clone());
    let discovery = KmsDiscoveryKeyring::new(client).grant_tokens([token.clone()]);
    let secret = [0xa5; 32];
    kms.next_data_key(&secret);
    let message = encrypt(&keyring).await;
    let other = arn.replace("key/", "key/0");
    for fault in [
        Fault::truncated(),
        Fault::wrong_key_id(other),
        Fault::without("KeyId"),
        Fault::without("CiphertextBlob"),
        Fault::without("Plaintext"),
        Fault::plaintext_len(31),
        Fault::plaintext_len(33),
        Fault::plaintext_len(5000),
        Fault::flipped_plaintext(),
        Fault::refused("AccessDeniedException", "no"),
        Fault::refused("Odd", "no"),
        Fault::connection_reset(),
        Fault::timed_out(),
    ] {
        kms.inject(fault.always());
        kms.next_data_key(&secret);
        let mut failures = 0;
        if let Err(error) = waxseal::encrypt(b"", &keyring).await {
            failures += 1;
            assert_no_secret(&told_error(&error));
        }
        let keyrings: [&dyn Keyring; 2] = [&keyring, &discovery];
        for keyring in keyrings {
            if let Err(error) = waxseal::decrypt(&message, keyring).await {
                failures += 1;
                assert_no_secret(&told_error(&error));
                let Error::Keyring(KeyringError::NoDataKey { attempts, .. }) = &error else {
                    continue;
                };
                for attempt in attempts {
                    assert_no_secret(&told_error(&attempt.failure));
                }
            }
        }
        if let Err(error) = waxseal::encrypt(b"", &child).await {
            assert_no_secret(&told_error(&error));
        }
        assert!(failures > 0, "nothing fails");
        kms.clear_faults();
    }
}
