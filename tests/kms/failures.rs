//! What users read when AWS KMS does not do what it was asked for.

use std::error::Error as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use waxseal::kms::{KmsFailure, KmsKeyring};
use waxseal::testing::{Fault, KeySpec, NewKey, Operation};
use waxseal::{Error, PolicyError, RequiredContextManager};

use super::{IRELAND, VIRGINIA, encrypt, failure, one_key, opens, wrap_error};

#[tokio::test]
async fn a_missing_permission_is_named() {
    let (kms, arn, keyring) = one_key();
    let message = encrypt(&keyring).await;
    kms.deny(&arn, Operation::Decrypt).unwrap();
    let expected = KmsFailure::AccessDenied { action: "kms:Decrypt".to_owned() };
    assert_eq!(failure(&keyring, &message).await, expected);
    let text = waxseal::decrypt(&message, &keyring).await.unwrap_err().to_string();
    for word in [&*arn, "`kms:Decrypt`", "key policy", "AWS says", "not authorized"] {
        assert!(text.contains(word), "{word} is not in: {text}");
    }
    kms.deny(&arn, Operation::GenerateDataKey).unwrap();
    let error = wrap_error(&keyring).await;
    let expected = KmsFailure::AccessDenied { action: "kms:GenerateDataKey".to_owned() };
    assert_eq!((error.failure(), error.key()), (&expected, &*arn));
    assert!(error.source().is_some(), "the error of the SDK is behind it");
}

#[tokio::test]
async fn the_state_of_the_key_is_told() {
    let (kms, arn, keyring) = one_key();
    let message = encrypt(&keyring).await;
    kms.disable(&arn).unwrap();
    assert_eq!(failure(&keyring, &message).await, KmsFailure::Disabled);
    assert_eq!(wrap_error(&keyring).await.failure(), &KmsFailure::Disabled);
    kms.schedule_deletion(&arn).unwrap();
    assert_eq!(failure(&keyring, &message).await, KmsFailure::PendingDeletion);
    assert_eq!(wrap_error(&keyring).await.failure(), &KmsFailure::PendingDeletion);
    kms.enable(&arn).unwrap();
    opens(&keyring, &message).await;
    kms.delete(&arn).unwrap();
    assert_eq!(failure(&keyring, &message).await, KmsFailure::NotFound);
    assert_eq!(wrap_error(&keyring).await.failure(), &KmsFailure::NotFound);
}

#[tokio::test]
async fn the_wrong_region_is_told() {
    let (kms, arn, keyring) = one_key();
    let message = encrypt(&keyring).await;
    let elsewhere = KmsKeyring::new(kms.client(VIRGINIA), &arn).unwrap();
    let expected = KmsFailure::WrongRegion { key: IRELAND.into(), client: VIRGINIA.into() };
    assert_eq!(failure(&elsewhere, &message).await, expected);
    let error = wrap_error(&elsewhere).await;
    assert_eq!(error.failure(), &expected);
    assert!(error.to_string().contains("use a client for eu-west-1"), "{error}");
}

#[tokio::test]
async fn a_key_of_another_kind_is_told() {
    let (kms, _, _) = one_key();
    let rsa = kms.create_key(IRELAND, KeySpec::Rsa2048).unwrap();
    let keyring = KmsKeyring::new(kms.client(IRELAND), &rsa).unwrap();
    assert_eq!(wrap_error(&keyring).await.failure(), &KmsFailure::KeyUsage);
}

#[tokio::test]
async fn a_context_mismatch_is_told() {
    let (kms, arn, keyring) = one_key();
    let message = encrypt(&keyring).await;
    // Another context than the one that was wrapped with: as if the header had been changed.
    let mut changed = message.to_vec();
    let at = changed.windows(2).position(|pair| pair == b"42").unwrap();
    changed[at] = b'5';
    assert_eq!(failure(&keyring, &changed).await, KmsFailure::ContextMismatch);
    // The same words for a ciphertext that was changed: AWS does not tell the two apart.
    let ciphertext = message.header().encrypted_data_keys()[0].ciphertext();
    let at = message.windows(ciphertext.len()).position(|w| w == ciphertext).unwrap();
    let mut changed = message.to_vec();
    changed[at + ciphertext.len() - 1] ^= 1;
    assert_eq!(failure(&keyring, &changed).await, KmsFailure::ContextMismatch);
    assert_eq!(kms.calls().last().unwrap().key.as_ref(), Some(&arn));
}

/// As with keys that are here: it is the context that is refused, and not that there is no key.
#[tokio::test]
async fn a_pair_that_is_not_stored_and_differs_is_a_matter_of_policy() {
    let (kms, arn, keyring) = one_key();
    let same = KmsKeyring::new(kms.client(IRELAND), &arn).unwrap();
    let manager = RequiredContextManager::new(same, ["tenant"]).unwrap();
    let encrypt = waxseal::encrypt(b"x", &manager);
    let message = encrypt.context([("tenant", "42")]).await.unwrap();
    assert!(waxseal::decrypt(&message, &keyring).require([("tenant", "42")]).await.is_ok());
    let error = waxseal::decrypt(&message, &keyring).require([("tenant", "43")]).await.unwrap_err();
    let Error::Policy(PolicyError::ContextNotAuthenticated { keys, .. }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(keys, ["tenant"]);
}

#[tokio::test]
async fn the_key_of_another_ciphertext_is_told() {
    let (kms, arn, keyring) = one_key();
    let other = kms.create_key(IRELAND, KeySpec::Symmetric).unwrap();
    let message = encrypt(&KmsKeyring::new(kms.client(IRELAND), &other).unwrap()).await;
    // Both have the same length, so one can take the place of the other.
    let at = message.windows(other.len()).position(|w| w == other.as_bytes()).unwrap();
    let mut changed = message.to_vec();
    changed[at..at + arn.len()].copy_from_slice(arn.as_bytes());
    assert_eq!(failure(&keyring, &changed).await, KmsFailure::IncorrectKey);
}

#[tokio::test]
async fn throttling_is_tried_again_and_then_told() {
    let (kms, _, keyring) = one_key();
    let message = encrypt(&keyring).await;
    kms.clear_calls();
    kms.inject(Fault::throttled().times(2));
    opens(&keyring, &message).await;
    assert_eq!(kms.count(Operation::Decrypt), 3);
    kms.inject(Fault::throttled().always());
    assert_eq!(failure(&keyring, &message).await, KmsFailure::Throttled);
    assert_eq!(wrap_error(&keyring).await.failure(), &KmsFailure::Throttled);
}

#[tokio::test]
async fn what_the_network_does_is_told() {
    let (kms, _, keyring) = one_key();
    let message = encrypt(&keyring).await;
    for (fault, expected) in [
        (Fault::timed_out(), "it timed out"),
        (Fault::connection_reset(), "there is no connection (the connection was reset)"),
        (Fault::internal(), "the service is not available"),
        (Fault::key_unavailable(), "the service is not available"),
    ] {
        kms.inject(fault.clone().times(1));
        opens(&keyring, &message).await;
        kms.inject(fault.always());
        let told =
            [failure(&keyring, &message).await.to_string(), wrap_error(&keyring).await.to_string()];
        assert!(told.iter().all(|told| told.contains(expected)), "{told:?}");
        kms.clear_faults();
    }
}

/// As proxies answer, and gateways that know nothing of AWS KMS.
#[tokio::test]
async fn a_status_without_a_code_is_told() {
    let (_, arn, keyring) = one_key();
    let message = encrypt(&keyring).await;
    for (status, expected) in [
        (500, KmsFailure::Unavailable),
        (503, KmsFailure::Unavailable),
        (499, KmsFailure::Other("HTTP status 499".into())),
        (300, KmsFailure::Other("HTTP status 300".into())),
        (200, KmsFailure::WrongAnswer("it cannot be read".into())),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let answered = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut request, mut part) = (Vec::new(), [0; 4096]);
            // The body is JSON, and comes last.
            while !request.ends_with(b"}") {
                let len = stream.read(&mut part).unwrap();
                assert_ne!(len, 0);
                request.extend_from_slice(&part[..len]);
            }
            write!(stream, "HTTP/1.1 {status} x\r\nContent-Length: 5\r\n\r\nsorry").unwrap();
        });
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(IRELAND))
            .credentials_provider(Credentials::new("AKIAFAKEKMS", "none", None, None, "test"))
            .endpoint_url(endpoint)
            .retry_config(RetryConfig::disabled());
        let keyring = KmsKeyring::new(Client::from_conf(config.build()), &arn).unwrap();
        assert_eq!(failure(&keyring, &message).await, expected);
        answered.join().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_answer_times_out() {
    let (kms, arn, keyring) = one_key();
    let message = encrypt(&keyring).await;
    let limits = TimeoutConfig::builder().operation_timeout(Duration::from_secs(5)).build();
    let config = kms.config(IRELAND).timeout_config(limits);
    let config = config.sleep_impl(aws_sdk_kms::config::SharedAsyncSleep::new(TokioSleep));
    let patient = KmsKeyring::new(Client::from_conf(config.build()), &arn).unwrap();
    kms.inject(Fault::stalled().always());
    assert_eq!(failure(&patient, &message).await, KmsFailure::TimedOut);
}

#[derive(Debug)]
struct TokioSleep;

impl aws_sdk_kms::config::AsyncSleep for TokioSleep {
    fn sleep(&self, duration: Duration) -> aws_sdk_kms::config::Sleep {
        aws_sdk_kms::config::Sleep::new(tokio::time::sleep(duration))
    }
}

#[tokio::test]
async fn missing_credentials_are_told() {
    let (kms, arn, _) = one_key();
    let mut config = kms.config(IRELAND);
    let none = aws_sdk_kms::config::SharedCredentialsProvider::new(NoCredentials);
    config.set_credentials_provider(Some(none));
    let keyring = KmsKeyring::new(Client::from_conf(config.build()), &arn).unwrap();
    assert_eq!(wrap_error(&keyring).await.failure(), &KmsFailure::Credentials);
    for code in ["UnrecognizedClientException", "ExpiredTokenException"] {
        kms.inject(Fault::refused(code, "The security token is invalid."));
        let keyring = KmsKeyring::new(kms.client(IRELAND), &arn).unwrap();
        assert_eq!(wrap_error(&keyring).await.failure(), &KmsFailure::Credentials);
    }
}

#[derive(Debug)]
struct NoCredentials;

impl aws_sdk_kms::config::ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(
        &'a self,
    ) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        use aws_credential_types::provider::error::CredentialsError;
        use aws_credential_types::provider::future::ProvideCredentials;
        ProvideCredentials::ready(Err(CredentialsError::not_loaded("there are none")))
    }
}

#[tokio::test]
async fn what_is_new_is_passed_on() {
    let (kms, _, keyring) = one_key();
    kms.inject(Fault::refused("XksProxyException", "the proxy is on holiday\x1b[2J"));
    let error = wrap_error(&keyring).await;
    assert_eq!(error.failure(), &KmsFailure::Other("XksProxyException".to_owned()));
    assert!(error.to_string().contains("the proxy is on holiday\\u{1b}"), "{error}");
    let key = NewKey::new(KeySpec::Symmetric).id("0234abcd-12ab-34cd-56ef-1234567890ab");
    let arn = kms.create_key(IRELAND, key).unwrap();
    kms.inject(Fault::refused("KMSInvalidStateException", "arn is pending import."));
    let keyring = KmsKeyring::new(kms.client(IRELAND), &arn).unwrap();
    assert_eq!(wrap_error(&keyring).await.failure(), &KmsFailure::InvalidState);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_leaks_nothing() {
    let (kms, _, keyring) = one_key();
    let secret = [0xa5; 32];
    kms.next_data_key(&secret);
    let message = encrypt(&keyring).await;
    kms.next_data_key(&secret);
    kms.inject(Fault::truncated().on(Operation::GenerateDataKey));
    let wrapping = waxseal::encrypt(b"", &keyring).await.unwrap_err();
    kms.inject(Fault::truncated().on(Operation::Decrypt));
    let opening = waxseal::decrypt(&message, &keyring).await.unwrap_err();
    for error in [wrapping, opening] {
        let mut told = format!("{error:?} {error}");
        let mut source = error.source();
        while let Some(error) = source {
            told += &format!("{error:?} {error}");
            source = error.source();
        }
        assert!(told.contains("cannot be read"), "{told}");
        // Base64 of the secret, and its bytes as `Debug` writes them.
        assert!(!told.contains("paWlpaWl") && !told.contains("165, 165"), "{told}");
    }
}
