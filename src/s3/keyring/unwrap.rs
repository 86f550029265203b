//! The way to the data key of an object, and what is checked on it.

use crate::context::EncryptionContext;
use crate::error::{ApiMisuse, Attempt, Error, KeyringError, PolicyError, UnwrapFailure};
use crate::s3::keyring::raw::not_known;
use crate::s3::keyring::{
    Fit, S3Keyring, UnwrapRequest, WrapRequest, WrappedDataKey, WrappingAlgorithm,
};
use crate::s3::metadata::ContentMetadata;
use crate::s3::policy::Policy;
use crate::s3::suite::{ContentSuite, DATA_KEY_LEN};
use crate::secret::DataKey;

/// Unwraps the data key of an object, if the policy allows how the object is encrypted, and if the caller's
/// encryption context is the one that AWS KMS authenticates.
///
/// The data key has not decrypted anything yet: that it is the right one, only the content tells.
///
/// ```
/// # use waxseal::s3::{AesKeyring, Metadata, Policy, unwrap_data_key};
/// # use waxseal::{AesKey, EncryptionContext, Error};
/// # async fn example(metadata: Vec<(String, String)>) -> Result<(), Error> {
/// let keyring = AesKeyring::new(AesKey::generate_256()?)?;
/// if let Metadata::Complete(metadata) = Metadata::read(metadata)? {
///     let context = EncryptionContext::new();
///     let data_key = unwrap_data_key(&keyring, &Policy::default(), &metadata, &context).await?;
///     assert_eq!(data_key.len(), 32);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Policy`] before anything is unwrapped, [`Error::Keyring`] if no keyring unwraps it,
/// [`Error::ApiMisuse`] if the context has a key that the client keeps for itself.
///
/// Spec: s3-encryption/decryption.
pub async fn unwrap_data_key(
    keyring: &dyn S3Keyring,
    policy: &Policy,
    metadata: &ContentMetadata,
    context: &EncryptionContext,
) -> Result<DataKey, Error> {
    policy.check_decrypt(metadata)?;
    refuse_reserved(context)?;
    let (suite, wrapped) = (metadata.suite(), metadata.wrapped_data_key());
    let failure = if keyring.fit(wrapped) == Fit::No {
        not_known(wrapped)
    } else {
        check_context(suite, wrapped, context)?;
        match keyring.unwrap(&UnwrapRequest::new(suite, wrapped, context)).await {
            Ok(data_key) if data_key.len() == DATA_KEY_LEN => return Ok(data_key),
            Ok(data_key) => {
                UnwrapFailure::WrongLen { expected: DATA_KEY_LEN, found: data_key.len() }
            }
            Err(failure) => failure,
        }
    };
    let attempts = match failure {
        UnwrapFailure::Several(attempts) => attempts,
        failure => vec![Attempt::new(keyring.describe(), 0, failure)],
    };
    Err(KeyringError::Object { attempts, asks_for: wrapped.asks_for() }.into())
}

/// Has a keyring wrap `data_key`, or a fresh one; gives the data key if it was made.
pub(crate) async fn wrap_data_key(
    keyring: &dyn S3Keyring,
    suite: ContentSuite,
    context: &EncryptionContext,
    data_key: Option<&DataKey>,
) -> Result<(WrappedDataKey, Option<DataKey>), Error> {
    refuse_reserved(context)?;
    if !suite.authenticates() {
        return Err(ApiMisuse::Setting { what: "suite", why: "AES-CBC is only read" }.into());
    }
    let request = WrapRequest::new(suite, context);
    let request = match data_key {
        Some(data_key) => request.with_data_key(data_key),
        None => request,
    };
    let wrapped = keyring.wrap(&request).await?;
    let fault = |why| Err(KeyringError::wrap(keyring.describe(), why).into());
    if wrapped.key.algorithm().is_legacy() {
        return fault("it wrapped with an algorithm that is only read");
    }
    if check_cipher(suite, &wrapped.key).is_err() {
        return fault(
            "its encryption context does not name the content cipher, so that it could not be unwrapped",
        );
    }
    match (data_key, wrapped.data_key) {
        (Some(_), Some(_)) => fault("it made a data key where there was one"),
        (Some(_), None) => Ok((wrapped.key, None)),
        (None, Some(made)) if made.len() == DATA_KEY_LEN => Ok((wrapped.key, Some(made))),
        (None, _) => fault("it made no data key of 32 bytes"),
    }
}

/// Compares the caller's pairs with those that AWS KMS will authenticate. All of them have to be there and no
/// others: what is stored, anyone could have written who may write the object's metadata.
fn check_context(
    suite: ContentSuite,
    wrapped: &WrappedDataKey,
    context: &EncryptionContext,
) -> Result<(), PolicyError> {
    // Nothing is authenticated by a raw key, so that no pair of the caller's is in there.
    let stored = match wrapped.algorithm() {
        WrappingAlgorithm::KmsContext => {
            check_cipher(suite, wrapped)?;
            wrapped.callers_context()
        }
        // The first algorithm of AWS KMS, where the context was the client's. This one is of its successor,
        // which binds the content cipher and compares the context: somebody wrote over its name.
        WrappingAlgorithm::Kms if wrapped.context().get(CIPHER_KEY).is_some() => {
            return Err(PolicyError::ContextUnexpected { key: CIPHER_KEY.to_owned() });
        }
        _ => EncryptionContext::new(),
    };
    for (key, value) in context.iter() {
        match stored.get(key) {
            None => return Err(PolicyError::ContextMissing { key: key.to_owned() }),
            Some(found) if found != value => {
                return Err(PolicyError::ContextMismatch { key: key.to_owned() });
            }
            Some(_) => {}
        }
    }
    match stored.iter().find(|(key, _)| context.get(key).is_none()) {
        Some((key, _)) => Err(PolicyError::ContextUnexpected { key: key.to_owned() }),
        None => Ok(()),
    }
}

/// That the context of AWS KMS, where it is authenticated, names the cipher of the content.
fn check_cipher(suite: ContentSuite, wrapped: &WrappedDataKey) -> Result<(), PolicyError> {
    let key = CIPHER_KEY.to_owned();
    match wrapped.context().get(CIPHER_KEY) {
        _ if wrapped.algorithm() != WrappingAlgorithm::KmsContext => Ok(()),
        None => Err(PolicyError::ContextMissing { key }),
        Some(name) if name != suite.cipher_name() => Err(PolicyError::ContextMismatch { key }),
        Some(_) => Ok(()),
    }
}

impl WrappedDataKey {
    /// The stored encryption context without what the client adds.
    pub(crate) fn callers_context(&self) -> EncryptionContext {
        match self.algorithm() {
            WrappingAlgorithm::KmsContext => {
                let (_, callers) = self.context().partition(|key| RESERVED.contains(&key));
                callers
            }
            _ => EncryptionContext::new(),
        }
    }
}

fn refuse_reserved(context: &EncryptionContext) -> Result<(), Error> {
    match RESERVED.into_iter().find(|key| context.get(key).is_some()) {
        Some(key) => {
            let (what, key) = ("encryption context", key.to_owned());
            Err(ApiMisuse::ReservedObjectKey { what, key }.into())
        }
        None => Ok(()),
    }
}

/// The pair that binds the content cipher.
pub(super) const CIPHER_KEY: &str = "aws:x-amz-cek-alg";
/// What clients add to the encryption context.
const RESERVED: [&str; 2] = [CIPHER_KEY, "kms_cmk_id"];
