//! One key, known by name.

use aws_sdk_kms::Client;

use super::arn::{KeyId, KmsArn};
use super::client::{Decrypt, Kms, PROVIDER_ID};
use super::{data_key, each_own, settle, wrap_failed};
use crate::error::{Attempt, Error, UnwrapFailure};
use crate::events;
use crate::keyring::Keyring;
use crate::materials::{BoxFuture, EncryptionMaterials, UnwrapRequest, UnwrappedDataKey};
use crate::message::EncryptedDataKey;

/// Makes, wraps and unwraps data keys with one AWS KMS key.
///
/// Give it the ARN of a key. An alias or a key id alone can only encrypt: a message names the key by its
/// ARN, and what does not match is not sent to AWS KMS.
///
/// It asks for `kms:GenerateDataKey` to encrypt (`kms:Encrypt` as a child of a
/// [`MultiKeyring`](crate::MultiKeyring)) and `kms:Decrypt` to decrypt.
///
/// ```no_run
/// use waxseal::kms::KmsKeyring;
///
/// # async fn example(client: aws_sdk_kms::Client) -> Result<(), waxseal::Error> {
/// let arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
/// let keyring = KmsKeyring::new(client, arn)?;
/// let message = waxseal::encrypt(b"hello", &keyring).context([("tenant", "42")]).await?;
/// let opened = waxseal::decrypt(&message, &keyring).require([("tenant", "42")]).await?;
/// assert_eq!(opened.plaintext(), b"hello");
/// # Ok(())
/// # }
/// ```
///
/// Spec: aws-kms-keyring, aws-kms-mrk-keyring.
#[derive(Debug, Clone)]
pub struct KmsKeyring {
    pub(super) kms: Kms,
    pub(super) id: KeyId,
    mrk_aware: bool,
}

impl KmsKeyring {
    /// Takes the client of the key's region. Decrypts only what this key wrapped.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if `key` is no ARN, alias or id of an AWS KMS key.
    pub fn new(client: Client, key: &str) -> Result<Self, Error> {
        Ok(Self { kms: Kms::new(client), id: KeyId::new(key)?, mrk_aware: false })
    }

    /// The same for a multi-Region key: decrypts what any of its replicas wrapped, with this one.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if `key` is no ARN, alias or id of an AWS KMS key.
    pub fn mrk_aware(client: Client, key: &str) -> Result<Self, Error> {
        Ok(Self { mrk_aware: true, ..Self::new(client, key)? })
    }

    /// Sends these with every call.
    #[must_use]
    pub fn grant_tokens<T: Into<String>>(mut self, tokens: impl IntoIterator<Item = T>) -> Self {
        self.kms.grant_tokens = tokens.into_iter().map(Into::into).collect();
        self
    }

    pub(super) fn describe(&self) -> &'static str {
        if self.mrk_aware { "AWS KMS MRK keyring" } else { "AWS KMS keyring" }
    }

    async fn wrap_key(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        let Self { kms, id, mrk_aware: _ } = self;
        let timer = events::start();
        let edk = match materials.data_key() {
            None => {
                let len = materials.suite().data_key_len();
                let made = kms.generate_data_key(id, len, materials.context()).await;
                let name = name(id, made.as_ref().ok().map(|(_, edk)| edk));
                events::generated(&timer, PROVIDER_ID.as_bytes(), &name, &made);
                let (data_key, edk) = made.map_err(|error| wrap_failed(self.describe(), error))?;
                materials.set_data_key(data_key)?;
                edk
            }
            Some(data_key) => {
                let wrapped = kms.encrypt(id, data_key, materials.context()).await;
                let name = name(id, wrapped.as_ref().ok());
                events::wrapped(&timer, PROVIDER_ID.as_bytes(), &name, &wrapped);
                wrapped.map_err(|error| wrap_failed(self.describe(), error))?
            }
        };
        materials.push_encrypted_data_key(edk)
    }

    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
    ) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        let Self { kms, id, mrk_aware } = self;
        let matches = |found: &KmsArn| {
            id.key_arn().is_some_and(|own| found == own || (*mrk_aware && found.matches(own)))
        };
        let own = each_own(request, self.describe(), PROVIDER_ID, matches)?;
        let Some(key) = id.key_arn() else {
            return Err(self.only_encrypts(request));
        };
        let mut attempts = Vec::new();
        for (index, edk, _) in own {
            let timer = events::start();
            let how = Decrypt::Symmetric(request.context());
            let opened = data_key(kms.decrypt(key, edk.ciphertext(), how).await);
            match settle(request, timer, (index, edk, key), &attempts, opened) {
                Ok(unwrapped) => return Ok(unwrapped),
                Err(failure) => attempts.push(Attempt::new(self.describe(), index, failure)),
            }
        }
        Err(attempts)
    }

    /// Somebody who decrypts with an alias should learn why nothing matches.
    fn only_encrypts(&self, request: &UnwrapRequest<'_>) -> Vec<Attempt> {
        let why =
            format!("`{}` is not the ARN of a key, so it can only encrypt: give the ARN", self.id);
        let keys = request.encrypted_data_keys().iter();
        let first = keys.enumerate().find(|(_, edk)| edk.provider_id() == PROVIDER_ID.as_bytes());
        let attempt = |(index, _)| Attempt::new(self.describe(), index, UnwrapFailure::Unable(why));
        first.map(attempt).into_iter().collect()
    }
}

impl Keyring for KmsKeyring {
    fn wrap<'a>(
        &'a self,
        materials: &'a mut EncryptionMaterials,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.wrap_key(materials))
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<UnwrappedDataKey, Vec<Attempt>>> {
        Box::pin(self.unwrap_key(request))
    }
}

/// The key's ARN, once AWS KMS has told it; before, what the keyring was given.
fn name(id: &KeyId, wrapped: Option<&EncryptedDataKey>) -> Vec<u8> {
    wrapped.map_or_else(|| id.to_string().into_bytes(), |edk| edk.provider_info().to_owned())
}
