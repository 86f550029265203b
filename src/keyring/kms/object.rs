//! Data keys of objects in Amazon S3: nothing beside them names the key that wrapped them.

use super::client::PROVIDER_ID;
use super::{KmsDiscoveryKeyring, KmsKeyring, data_key, wrap_failed};
use crate::context::EncryptionContext;
use crate::error::{Error, KmsError, UnwrapFailure};
use crate::events;
use crate::message::EncryptedDataKey;
use crate::secret::DataKey;

impl KmsKeyring {
    /// A fresh data key of `len` bytes, and its wrapped form.
    pub(crate) async fn generate_object_key(
        &self,
        len: usize,
        context: &EncryptionContext,
    ) -> Result<(DataKey, Vec<u8>), Error> {
        let timer = events::start();
        let made = self.kms.generate_data_key(&self.id, len, context).await;
        let name = self.name(made.as_ref().ok().map(|(_, edk)| edk));
        events::generated(&timer, PROVIDER_ID.as_bytes(), &name, &made);
        let (data_key, edk) = made.map_err(|error| self.wrap_failed_for_object(error))?;
        Ok((data_key, edk.ciphertext().to_vec()))
    }

    /// Wraps a data key.
    pub(crate) async fn wrap_object_key(
        &self,
        data_key: &DataKey,
        context: &EncryptionContext,
    ) -> Result<Vec<u8>, Error> {
        let timer = events::start();
        let wrapped = self.kms.encrypt(&self.id, data_key, context).await;
        let name = self.name(wrapped.as_ref().ok());
        events::wrapped(&timer, PROVIDER_ID.as_bytes(), &name, &wrapped);
        let edk = wrapped.map_err(|error| self.wrap_failed_for_object(error))?;
        Ok(edk.ciphertext().to_vec())
    }

    /// Unwraps with the keyring's own key, and with no other.
    pub(crate) async fn unwrap_object_key(
        &self,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<DataKey, UnwrapFailure> {
        let timer = events::start();
        let opened = self.kms.decrypt_object_key(Some(&self.id), ciphertext, context).await;
        let (key, opened) = match opened {
            Ok((arn, opened)) => (arn.to_string(), data_key(Ok(opened))),
            Err(error) => (self.id.to_string(), Err(error.into())),
        };
        events::unwrapped(&timer, PROVIDER_ID.as_bytes(), key.as_bytes(), 1, &opened);
        opened
    }

    /// The kind of keyring, and its key.
    pub(crate) fn describe_for_objects(&self) -> String {
        format!("{} `{}`", self.describe(), self.id)
    }

    fn wrap_failed_for_object(&self, error: KmsError) -> Error {
        wrap_failed(&self.describe_for_objects(), error)
    }

    /// The key's ARN, once AWS KMS has told it; before, what the keyring was given.
    fn name(&self, wrapped: Option<&EncryptedDataKey>) -> Vec<u8> {
        wrapped
            .map_or_else(|| self.id.to_string().into_bytes(), |edk| edk.provider_info().to_owned())
    }
}

impl KmsDiscoveryKeyring {
    /// Unwraps with whatever key wrapped, if that is one that the keyring may use. Which one it is, only the
    /// answer tells.
    pub(crate) async fn unwrap_object_key(
        &self,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<DataKey, UnwrapFailure> {
        let timer = events::start();
        let opened = self.kms.decrypt_object_key(None, ciphertext, context).await;
        let (key, opened) = match opened {
            Ok((arn, _)) if !self.is_own(&arn) => {
                let why = format!("it was wrapped with `{arn}`, which is none that it may use");
                (arn.to_string(), Err(UnwrapFailure::Unable(why)))
            }
            Ok((arn, opened)) => (arn.to_string(), data_key(Ok(opened))),
            Err(error) => (String::new(), Err(error.into())),
        };
        events::unwrapped(&timer, PROVIDER_ID.as_bytes(), key.as_bytes(), 1, &opened);
        opened
    }

    /// The kind of keyring.
    pub(crate) fn describe_for_objects(&self) -> String {
        self.describe().to_owned()
    }
}
