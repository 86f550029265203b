//! Data keys of objects, wrapped by AWS KMS.

use std::future;

use super::unwrap::CIPHER_KEY;
use crate::context::EncryptionContext;
use crate::error::{Error, KeyringError, UnwrapFailure};
use crate::keyring::kms::{KmsDiscoveryKeyring, KmsKeyring};
use crate::materials::BoxFuture;
use crate::s3::keyring::raw::not_known;
use crate::s3::keyring::{
    Fit, S3Keyring, UnwrapRequest, WrapRequest, Wrapped, WrappedDataKey, WrappingAlgorithm,
};
use crate::s3::suite::{ContentSuite, DATA_KEY_LEN};
use crate::secret::DataKey;

/// Nothing in an object names the key, so the keyring's own is asked for, in the form in which it was given: an
/// alias does.
///
/// Spec: s3-encryption/materials/s3-kms-keyring.
impl S3Keyring for KmsKeyring {
    fn wrap<'a>(&'a self, request: &'a WrapRequest<'a>) -> BoxFuture<'a, Result<Wrapped, Error>> {
        Box::pin(async move {
            let context = bound(request.suite(), request.context());
            let (ciphertext, data_key) = match request.data_key() {
                Some(data_key) => (self.wrap_object_key(data_key, &context).await?, None),
                None => {
                    let (data_key, ciphertext) =
                        self.generate_object_key(DATA_KEY_LEN, &context).await?;
                    (ciphertext, Some(data_key))
                }
            };
            let key = WrappedDataKey::new(WrappingAlgorithm::KmsContext, ciphertext);
            Ok(Wrapped::new(key.with_context(context), data_key))
        })
    }

    fn fit(&self, wrapped: &WrappedDataKey) -> Fit {
        fit(wrapped)
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<DataKey, UnwrapFailure>> {
        Box::pin(async move {
            let wrapped = request.wrapped();
            if fit(wrapped) == Fit::No {
                return Err(not_known(wrapped));
            }
            self.unwrap_object_key(wrapped.ciphertext(), wrapped.context()).await
        })
    }

    fn describe(&self) -> String {
        self.describe_for_objects()
    }
}

/// Nothing in an object names the key, so AWS KMS is asked to unwrap with whichever wrapped, and the filter is
/// asked about the key that it then names. Without a filter, anyone's key will do: who can write objects can
/// have theirs opened, and the owner of the key sees who opened it.
///
/// Spec: s3-encryption/materials/s3-kms-keyring.
impl S3Keyring for KmsDiscoveryKeyring {
    fn wrap<'a>(&'a self, _: &'a WrapRequest<'a>) -> BoxFuture<'a, Result<Wrapped, Error>> {
        let reason = "discovery only decrypts: name the key to encrypt with in a `KmsKeyring`";
        let error = KeyringError::wrap(S3Keyring::describe(self), reason);
        Box::pin(future::ready(Err(error.into())))
    }

    fn wraps(&self) -> bool {
        false
    }

    fn fit(&self, wrapped: &WrappedDataKey) -> Fit {
        fit(wrapped)
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<DataKey, UnwrapFailure>> {
        Box::pin(async move {
            let wrapped = request.wrapped();
            if fit(wrapped) == Fit::No {
                return Err(not_known(wrapped));
            }
            self.unwrap_object_key(wrapped.ciphertext(), wrapped.context()).await
        })
    }

    fn describe(&self) -> String {
        self.describe_for_objects()
    }
}

fn fit(wrapped: &WrappedDataKey) -> Fit {
    if wrapped.algorithm().is_kms() { Fit::Maybe } else { Fit::No }
}

/// The caller's pairs, and the one that binds the content cipher.
fn bound(suite: ContentSuite, context: &EncryptionContext) -> EncryptionContext {
    let mut context = context.clone();
    context.insert(CIPHER_KEY, suite.cipher_name());
    context
}
