use super::super::*;
use crate::context::EncryptionContext;
use crate::error::{ApiMisuse, KeyringError, PolicyError};
use crate::keyring::kms::{DiscoveryFilter, KmsDiscoveryKeyring, KmsKeyring};
use crate::policy::CommitmentPolicy;
use crate::s3::metadata::{ContentMetadata, MetadataLocation};
use crate::s3::policy::Policy;
use crate::s3::suite::ContentSuite;
use crate::testing::{FakeKms, Fault, KeySpec, Operation};

const REGION: &str = "eu-west-1";
const V3: ContentSuite = ContentSuite::Aes256GcmHkdfSha512CommitKey;
const V2: ContentSuite = ContentSuite::Aes256GcmIv12Tag16NoKdf;
const CIPHER_KEY: &str = "aws:x-amz-cek-alg";

struct Setup {
    kms: FakeKms,
    arn: String,
    keyring: KmsKeyring,
}

fn setup() -> Setup {
    let kms = FakeKms::new();
    let arn = kms.create_key(REGION, KeySpec::Symmetric).unwrap();
    let keyring = KmsKeyring::new(kms.client(REGION), &arn).unwrap();
    Setup { kms, arn, keyring }
}

fn policy() -> Policy {
    Policy::default()
        .commitment(CommitmentPolicy::RequireEncryptAllowDecrypt)
        .legacy_wrapping_algorithms(true)
}

async fn wrap(
    keyring: &dyn S3Keyring,
    suite: ContentSuite,
    context: &EncryptionContext,
) -> (WrappedDataKey, DataKey) {
    let (key, made) = wrap_data_key(keyring, suite, context, None).await.unwrap();
    (key, made.unwrap())
}

async fn unwrap(
    keyring: &dyn S3Keyring,
    suite: ContentSuite,
    wrapped: &WrappedDataKey,
    context: &EncryptionContext,
) -> Result<DataKey, Error> {
    let iv = vec![0; suite.iv_len()];
    let metadata = ContentMetadata::new(suite, wrapped.clone(), iv, None, MetadataLocation::Object);
    unwrap_data_key(keyring, &policy(), &metadata, context).await
}

fn named(algorithm: WrappingAlgorithm, wrapped: &WrappedDataKey) -> WrappedDataKey {
    WrappedDataKey::new(algorithm, wrapped.ciphertext()).with_context(wrapped.context().clone())
}

/// Which key of which keyring, as errors name it.
#[test]
fn each_keyring_has_its_name() {
    let Setup { kms, arn, keyring } = setup();
    let name = |keyring: &dyn S3Keyring| keyring.describe();
    assert_eq!(name(&keyring), format!("AWS KMS keyring `{arn}`"));
    let mrk = KmsKeyring::mrk_aware(kms.client(REGION), &arn).unwrap();
    assert_eq!(name(&mrk), format!("AWS KMS MRK keyring `{arn}`"));
    let discovery = KmsDiscoveryKeyring::new(kms.client(REGION));
    assert_eq!(name(&discovery), "AWS KMS discovery keyring");
}

#[tokio::test]
async fn the_content_cipher_is_bound_into_the_context() {
    let Setup { kms, arn, keyring } = setup();
    let context = EncryptionContext::from([("tenant", "42")]);
    for (suite, name) in [(V2, "AES/GCM/NoPadding"), (V3, "115")] {
        kms.clear_calls();
        let (key, made) = wrap(&keyring, suite, &context).await;
        assert_eq!(key.algorithm(), WrappingAlgorithm::KmsContext);
        let stored = EncryptionContext::from([("tenant", "42"), (CIPHER_KEY, name)]);
        assert_eq!(*key.context(), stored);
        assert_eq!(unwrap(&keyring, suite, &key, &context).await.unwrap(), made);
        let calls = kms.calls();
        assert_eq!(
            [calls[0].operation, calls[1].operation],
            [Operation::GenerateDataKey, Operation::Decrypt]
        );
        for call in calls {
            assert_eq!(call.key_id.as_deref(), Some(arn.as_str()));
            assert_eq!(EncryptionContext::from_iter(call.encryption_context), stored);
        }
    }
}

#[tokio::test]
async fn a_data_key_that_is_there_is_encrypted() {
    let Setup { kms, arn: _, keyring } = setup();
    let (context, data_key) = (EncryptionContext::new(), DataKey::try_from(&[7; 32][..]).unwrap());
    let (key, made) = wrap_data_key(&keyring, V3, &context, Some(&data_key)).await.unwrap();
    assert!(made.is_none());
    assert_eq!((kms.count(Operation::Encrypt), kms.count(Operation::GenerateDataKey)), (1, 0));
    assert_eq!(unwrap(&keyring, V3, &key, &context).await.unwrap(), data_key);
}

#[tokio::test]
async fn the_context_has_to_be_given_whole_and_without_more() {
    let Setup { kms, arn: _, keyring } = setup();
    let context = EncryptionContext::from([("a", "1"), ("b", "2")]);
    let (key, _) = wrap(&keyring, V3, &context).await;
    let given = |pairs: &[(&str, &str)]| EncryptionContext::from_iter(pairs.iter().copied());
    let with = async |pairs: &[(&str, &str)]| match unwrap(&keyring, V3, &key, &given(pairs)).await
    {
        Err(Error::Policy(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(with(&[]).await, PolicyError::ContextUnexpected { key } if key == "a"));
    assert!(
        matches!(with(&[("a", "1")]).await, PolicyError::ContextUnexpected { key } if key == "b")
    );
    assert!(
        matches!(with(&[("a", "1"), ("b", "3")]).await, PolicyError::ContextMismatch { key } if key == "b")
    );
    let more = [("a", "1"), ("b", "2"), ("c", "3")];
    assert!(matches!(with(&more).await, PolicyError::ContextMissing { key } if key == "c"));
    assert_eq!(kms.count(Operation::Decrypt), 0);
}

#[tokio::test]
async fn the_caller_may_not_give_what_the_client_adds() {
    let Setup { kms: _, arn: _, keyring } = setup();
    let (key, _) = wrap(&keyring, V3, &EncryptionContext::new()).await;
    for reserved in [CIPHER_KEY, "kms_cmk_id"] {
        let context = EncryptionContext::from([(reserved, "115")]);
        let wrapping = wrap_data_key(&keyring, V3, &context, None).await.unwrap_err();
        let unwrapping = unwrap(&keyring, V3, &key, &context).await.unwrap_err();
        for error in [wrapping, unwrapping] {
            assert!(
                matches!(&error, Error::ApiMisuse(ApiMisuse::ReservedObjectKey { key, .. }) if key == reserved),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn a_stored_context_of_another_cipher_or_none_is_refused_without_a_call() {
    let Setup { kms, arn: _, keyring } = setup();
    let context = EncryptionContext::new();
    let (key, _) = wrap(&keyring, V3, &context).await;
    let error = unwrap(&keyring, V2, &key, &context).await.unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::ContextMismatch { .. })), "{error}");
    let bare = WrappedDataKey::new(WrappingAlgorithm::KmsContext, key.ciphertext());
    let error = unwrap(&keyring, V3, &bare, &context).await.unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::ContextMissing { .. })), "{error}");
    assert_eq!(kms.count(Operation::Decrypt), 0);
}

/// Whoever may write metadata could spare themselves the comparison of contexts.
#[tokio::test]
async fn the_name_of_the_first_algorithm_does_not_get_around_the_context() {
    let Setup { kms, arn: _, keyring } = setup();
    let context = EncryptionContext::from([("a", "1")]);
    let (key, _) = wrap(&keyring, V2, &context).await;
    let downgraded = named(WrappingAlgorithm::Kms, &key);
    for context in [context, EncryptionContext::new()] {
        let error = unwrap(&keyring, V2, &downgraded, &context).await.unwrap_err();
        assert!(matches!(error, Error::Policy(PolicyError::ContextUnexpected { .. })), "{error}");
    }
    assert_eq!(kms.count(Operation::Decrypt), 0);
}

#[tokio::test]
async fn what_the_first_algorithm_wrapped_is_unwrapped_with_its_stored_context() {
    let Setup { kms, arn, keyring } = setup();
    let answer = kms
        .client(REGION)
        .encrypt()
        .key_id(&arn)
        .encryption_context("kms_cmk_id", &arn)
        .plaintext(aws_sdk_kms::primitives::Blob::new([7; 32]))
        .send()
        .await
        .unwrap();
    let ciphertext = answer.ciphertext_blob.unwrap().into_inner();
    let wrapped = WrappedDataKey::new(WrappingAlgorithm::Kms, ciphertext)
        .with_context(EncryptionContext::from([("kms_cmk_id", arn)]));
    let none = EncryptionContext::new();
    assert_eq!(unwrap(&keyring, V2, &wrapped, &none).await.unwrap().expose(), [7; 32]);
    // It cannot promise anything about a context of the caller's.
    let context = EncryptionContext::from([("a", "1")]);
    let error = unwrap(&keyring, V2, &wrapped, &context).await.unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::ContextMissing { key }) if key == "a"));
}

#[tokio::test]
async fn an_alias_unwraps_too() {
    let Setup { kms, arn, keyring } = setup();
    kms.create_alias(REGION, "alias/objects", &arn).unwrap();
    let alias = KmsKeyring::new(kms.client(REGION), "alias/objects").unwrap();
    let context = EncryptionContext::new();
    let (key, made) = wrap(&alias, V3, &context).await;
    assert_eq!(unwrap(&alias, V3, &key, &context).await.unwrap(), made);
    assert_eq!(unwrap(&keyring, V3, &key, &context).await.unwrap(), made);
}

#[tokio::test]
async fn another_key_does_not_unwrap() {
    let Setup { kms, arn: _, keyring } = setup();
    let other = kms.create_key(REGION, KeySpec::Symmetric).unwrap();
    let other = KmsKeyring::new(kms.client(REGION), &other).unwrap();
    let context = EncryptionContext::new();
    let (key, _) = wrap(&keyring, V3, &context).await;
    let error = unwrap(&other, V3, &key, &context).await.unwrap_err();
    let Error::Keyring(KeyringError::Object { attempts, .. }) = error else { panic!("{error:?}") };
    assert!(matches!(attempts[0].failure, UnwrapFailure::Kms(_)));
}

#[tokio::test]
async fn an_answer_about_another_key_is_refused() {
    let Setup { kms, arn: _, keyring } = setup();
    let other = kms.create_key(REGION, KeySpec::Symmetric).unwrap();
    let context = EncryptionContext::new();
    let (key, _) = wrap(&keyring, V3, &context).await;
    kms.inject(Fault::wrong_key_id(other));
    let error = unwrap(&keyring, V3, &key, &context).await.unwrap_err().to_string();
    assert!(error.contains("it is about the key"), "{error}");
}

#[tokio::test]
async fn discovery_unwraps_with_keys_that_the_filter_allows() {
    let Setup { kms, arn: _, keyring } = setup();
    let context = EncryptionContext::new();
    let (key, made) = wrap(&keyring, V3, &context).await;
    let discovery = || KmsDiscoveryKeyring::new(kms.client(REGION));
    let filter = |account| DiscoveryFilter::new("aws", [account]).unwrap();
    let own = discovery().filter(filter("111122223333"));
    for keyring in [discovery(), own] {
        assert_eq!(unwrap(&keyring, V3, &key, &context).await.unwrap(), made);
    }
    assert!(kms.calls().last().unwrap().key_id.is_none());
    let stranger = discovery().filter(filter("444455556666"));
    let error = unwrap(&stranger, V3, &key, &context).await.unwrap_err().to_string();
    assert!(error.contains("none that it may use"), "{error}");
    let error = wrap_data_key(&stranger, V3, &context, None).await.unwrap_err();
    assert!(matches!(error, Error::Keyring(KeyringError::Wrap { .. })), "{error}");
}

#[tokio::test]
async fn a_data_key_of_another_length_is_refused() {
    let Setup { kms, arn: _, keyring } = setup();
    let context = EncryptionContext::new();
    let (key, _) = wrap(&keyring, V3, &context).await;
    kms.inject(Fault::plaintext_len(16));
    let error = unwrap(&keyring, V3, &key, &context).await.unwrap_err();
    let Error::Keyring(KeyringError::Object { attempts, .. }) = error else { panic!("{error:?}") };
    assert!(matches!(attempts[0].failure, UnwrapFailure::WrongLen { expected: 32, found: 16 }));
}
