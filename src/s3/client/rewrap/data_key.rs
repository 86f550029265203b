//! The data key of an object: opened with the old keyring, wrapped with the new one, and all doubts about both.

use super::settings::Settings;
use crate::context::EncryptionContext;
use crate::error::{
    ApiMisuse, Attempt, Error, KeyringError, ObjectError, PolicyError, UnwrapFailure,
};
use crate::s3::keyring::{Fit, S3Keyring, WrappedDataKey, unwrap_data_key, wrap_data_key};
use crate::s3::metadata::ContentMetadata;
use crate::s3::open::content_key;
use crate::s3::policy::Policy;
use crate::secret::DataKey;

/// The old keyring, the new one, and what is allowed.
#[derive(Clone, Copy)]
pub(super) struct Keyrings<'a> {
    pub(super) old: &'a dyn S3Keyring,
    pub(super) new: &'a dyn S3Keyring,
    pub(super) policy: &'a Policy,
    pub(super) settings: &'a Settings,
}

/// Who opens an object.
pub(super) enum OpenedBy {
    /// The old keyring, or both.
    Old(DataKey),
    /// The new one: there is nothing to do. `verified` as in [`Rewrapped`](super::Rewrapped).
    New { verified: bool },
}

impl Keyrings<'_> {
    /// Refuses what must not be rewrapped, or not be read.
    ///
    /// A wrong key that nobody notices would be wrapped for good, in place of the right one. And what one of several new
    /// keyrings opens, or one that never wraps, would count as done.
    pub(super) fn check(&self, metadata: &ContentMetadata) -> Result<(), Error> {
        if !self.new.wraps() {
            let why = "it only unwraps: name the key to wrap with";
            return Err(KeyringError::wrap(self.new.describe(), why).into());
        }
        if count(self.new) > 1 {
            let why = "any of several would count as the new one: give the one that wraps alone";
            return Err(ApiMisuse::Setting { what: "the new keyring", why }.into());
        }
        let why = if !metadata.suite().authenticates() {
            "its content is encrypted with AES-CBC, which does not authenticate it"
        } else if !metadata.wrapping_algorithm().authenticates() {
            "its data key is wrapped with an algorithm that does not notice a wrong key"
        } else {
            self.policy.check_decrypt(metadata)?;
            return Ok(());
        };
        Err(ObjectError::NotRewrappable { why }.into())
    }

    /// Finds out who opens an object whose wrapped data key is to be replaced.
    pub(super) async fn open(&self, metadata: &ContentMetadata) -> Result<OpenedBy, Error> {
        let fit = self.new.fit(metadata.wrapped_data_key());
        // The same key with a legacy algorithm is no reason to leave it at that.
        let may_be_new = fit != Fit::No && !metadata.wrapping_algorithm().is_legacy();
        let not_new = if may_be_new {
            match self.open_with(self.new, metadata, self.settings.new_context()).await {
                Ok(_) => return Ok(OpenedBy::New { verified: true }),
                Err(error @ Error::Unauthentic(_)) => return Err(error),
                Err(error) => Some(error),
            }
        } else {
            None
        };
        match (self.open_old(metadata).await, not_new) {
            (Ok(data_key), _) => Ok(OpenedBy::Old(data_key)),
            // A public key cannot open anything. The old key does not any more, and the new one is named.
            (Err(_), Some(error)) if fit == Fit::Described && has_no_private_key(&error) => {
                Ok(OpenedBy::New { verified: false })
            }
            (Err(error), not_new) => Err(with_attempts(not_new, error)),
        }
    }

    /// Opens with the old keyring, and checks the commitment.
    pub(super) async fn open_old(&self, metadata: &ContentMetadata) -> Result<DataKey, Error> {
        self.open_with(self.old, metadata, &self.settings.context).await
    }

    /// Whether the new keyring opens this, to the same data key.
    pub(super) async fn opens_new(&self, metadata: &ContentMetadata, data_key: &DataKey) -> bool {
        let context = self.settings.new_context();
        let opened = self.open_with(self.new, metadata, context).await;
        opened.is_ok_and(|opened| opened == *data_key)
    }

    /// Wraps the data key with the new keyring.
    pub(super) async fn wrap(
        &self,
        metadata: &ContentMetadata,
        data_key: &DataKey,
    ) -> Result<WrappedDataKey, Error> {
        let (suite, context) = (metadata.suite(), self.settings.new_context());
        let (wrapped, _) = wrap_data_key(self.new, suite, context, Some(data_key)).await?;
        Ok(wrapped)
    }

    /// Unwraps what was wrapped anew, and compares. `false` if the new keyring has only a public key.
    pub(super) async fn verify(
        &self,
        metadata: &ContentMetadata,
        data_key: &DataKey,
    ) -> Result<bool, Error> {
        match self.open_with(self.new, metadata, self.settings.new_context()).await {
            Ok(opened) if opened == *data_key => Ok(true),
            Ok(_) | Err(Error::Unauthentic(_)) => {
                let why = "what it wrapped opens to another data key";
                Err(KeyringError::wrap(self.new.describe(), why).into())
            }
            Err(error) if has_no_private_key(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// If asked for, makes sure that the old keyring does not open what the new one wrapped.
    pub(super) async fn enforce_rotation(&self, metadata: &ContentMetadata) -> Result<(), Error> {
        if !self.settings.enforce_rotation {
            return Ok(());
        }
        match self.open_with(self.old, metadata, self.settings.new_context()).await {
            Ok(_) => {
                let keyring = self.old.describe();
                Err(PolicyError::Rotation { keyring }.into())
            }
            // Where a service did not answer, nobody knows: that is an error, too.
            Err(error)
                if attempts(&error).is_some_and(|all| all.iter().all(Attempt::is_certain)) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn open_with(
        &self,
        keyring: &dyn S3Keyring,
        metadata: &ContentMetadata,
        context: &EncryptionContext,
    ) -> Result<DataKey, Error> {
        let data_key = unwrap_data_key(keyring, self.policy, metadata, context).await?;
        content_key(metadata, &data_key)?;
        Ok(data_key)
    }
}

/// Of how many keyrings one consists.
fn count(keyring: &dyn S3Keyring) -> usize {
    let members = keyring.members();
    if members.is_empty() { 1 } else { members.into_iter().map(count).sum() }
}

fn has_no_private_key(error: &Error) -> bool {
    attempts(error).is_some_and(|attempts| {
        attempts.iter().all(|attempt| matches!(attempt.failure, UnwrapFailure::NoPrivateKey))
    })
}

fn attempts(error: &Error) -> Option<&[Attempt]> {
    match error {
        Error::Keyring(KeyringError::Object { attempts, .. }) if !attempts.is_empty() => {
            Some(attempts)
        }
        _ => None,
    }
}

/// The old keyring's error, with what the new one tried before.
fn with_attempts(new: Option<Error>, old: Error) -> Error {
    match (new, old) {
        (
            Some(Error::Keyring(KeyringError::Object { attempts: mut all, .. })),
            Error::Keyring(KeyringError::Object { attempts, asks_for }),
        ) => {
            all.extend(attempts);
            KeyringError::Object { attempts: all, asks_for }.into()
        }
        (_, old) => old,
    }
}
