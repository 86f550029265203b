//! Key pairs on elliptic curves whose private half AWS KMS keeps.

use aws_sdk_kms::Client;
use aws_sdk_kms::types::KeyUsageType;

use super::arn::KeyId;
use super::client::Kms;
use super::wrap_failed;
use crate::crypto::{CryptoError, EcdhPublicKey};
use crate::error::{ApiMisuse, Attempt, Error, KeyringError, UnwrapFailure};
use crate::events;
use crate::keyring::ecdh::{self, KMS_PROVIDER_ID, Parties};
use crate::keyring::{EcPublicKey, Keyring};
use crate::materials::{BoxFuture, EncryptionMaterials, UnwrapRequest, UnwrappedDataKey};
use crate::message::EncryptedDataKey;
use crate::secret::DataKey;

/// Wraps data keys with what an AWS KMS key pair and another party's public key agree on (ECDH).
///
/// The other party may have its private key in AWS KMS, too, or use a
/// [`RawEcdhKeyring`](crate::RawEcdhKeyring). Whose keys these are is the key agreement schema; there is a
/// constructor for each. It asks for `kms:DeriveSharedSecret`, and for `kms:GetPublicKey` if it is to
/// [fetch](Self::fetch_public_key) the public key.
///
/// ```no_run
/// use waxseal::EcPublicKey;
/// use waxseal::kms::KmsEcdhKeyring;
///
/// # async fn example(client: aws_sdk_kms::Client, peer: &str) -> Result<(), waxseal::Error> {
/// let arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
/// let own = KmsEcdhKeyring::fetch_public_key(&client, arn, &[]).await?;
/// let peer = EcPublicKey::from_pem(peer)?;
/// let keyring =
///     KmsEcdhKeyring::kms_private_key_to_static_public_key(client, arn, own, peer)?;
/// let message = waxseal::encrypt(b"hello", &keyring).await?;
/// # Ok(())
/// # }
/// ```
///
/// Spec: aws-kms-ecdh-keyring, key-agreement-schemas.
#[derive(Debug)]
pub struct KmsEcdhKeyring {
    kms: Kms,
    id: KeyId,
    own: EcPublicKey,
    /// `None` is discovery.
    peer: Option<EcPublicKey>,
}

impl KmsEcdhKeyring {
    /// Takes one's own key in AWS KMS with its public key, and the other party's public key:
    /// `KmsPrivateKeyToStaticPublicKey`.
    ///
    /// It encrypts for the other party, and decrypts what either of the two encrypted for the other.
    /// Nothing checks here that `own` is the public key of `key`: if it is not, nobody can decrypt.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if `key` is no ARN, alias or id of an AWS KMS key, or the keys are on two curves.
    pub fn kms_private_key_to_static_public_key(
        client: Client,
        key: &str,
        own: EcPublicKey,
        peer: EcPublicKey,
    ) -> Result<Self, Error> {
        if own.curve() != peer.curve() {
            let (own, peer) = (own.curve(), peer.curve());
            let why = format!("the key in AWS KMS is on {own}, but the public key on {peer}");
            return Err(ApiMisuse::Key(why).into());
        }
        Ok(Self { peer: Some(peer), ..Self::kms_public_key_discovery(client, key, own)? })
    }

    /// Takes one's own key in AWS KMS with its public key: `KmsPublicKeyDiscovery`.
    ///
    /// It only decrypts, whoever the sender was.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if `key` is no ARN, alias or id of an AWS KMS key.
    pub fn kms_public_key_discovery(
        client: Client,
        key: &str,
        own: EcPublicKey,
    ) -> Result<Self, Error> {
        Ok(Self { kms: Kms::new(client), id: KeyId::new(key)?, own, peer: None })
    }

    /// Asks AWS KMS for the public key of `key`.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if `key` is no ARN, alias or id of an AWS KMS key; [`Error::Keyring`] if the public
    /// key cannot be had, or is not for key agreement on P-256, P-384 or P-521.
    pub async fn fetch_public_key(
        client: &Client,
        key: &str,
        grant_tokens: &[&str],
    ) -> Result<EcPublicKey, Error> {
        let kms = Kms::with_tokens(client, grant_tokens);
        let der = kms.public_key(&KeyId::new(key)?, &KeyUsageType::KeyAgreement).await;
        let der = der.map_err(|error| wrap_failed(DESCRIPTION, error))?;
        EcPublicKey::from_der(&der)
    }

    /// Sends these with every call.
    #[must_use]
    pub fn grant_tokens<T: Into<String>>(mut self, tokens: impl IntoIterator<Item = T>) -> Self {
        self.kms.grant_tokens = tokens.into_iter().map(Into::into).collect();
        self
    }

    async fn wrap_key(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        let Self { kms, id, own, peer } = self;
        let Some(peer) = peer else {
            let reason = "its schema, KmsPublicKeyDiscovery, only decrypts";
            return Err(KeyringError::wrap(format!("the {DESCRIPTION}"), reason).into());
        };
        let context = materials.context().encode()?;
        let secret = kms.derive_shared_secret(id, &peer.0).await;
        let secret = secret.map_err(|error| wrap_failed(DESCRIPTION, error))?;
        let parties = Parties { recipient: peer.0.compressed(), sender: own.0.compressed() };
        let data_key = materials.data_key_or_generate()?;
        let edk = ecdh::wrap(KMS_PROVIDER_ID, &secret, own.curve(), &parties, &context, data_key)?;
        materials.push_encrypted_data_key(edk)
    }

    /// Spec: aws-kms-ecdh-keyring, "OnDecrypt".
    fn is_own(&self, edk: &EncryptedDataKey) -> bool {
        let own = self.own.0.compressed();
        Parties::of(edk).is_some_and(|parties| match &self.peer {
            None => parties.recipient == own,
            Some(peer) => {
                let peer = peer.0.compressed();
                parties == Parties { recipient: own, sender: peer }
                    || parties == Parties { recipient: peer, sender: own }
            }
        })
    }

    async fn open(
        &self,
        edk: &EncryptedDataKey,
        request: &UnwrapRequest<'_>,
    ) -> Result<DataKey, UnwrapFailure> {
        let Self { kms, id, own, peer } = self;
        let context = request.context().encode()?;
        let parties = Parties::of(edk).ok_or(UnwrapFailure::Malformed("it names no two keys"))?;
        let secret = match peer {
            Some(peer) => kms.derive_shared_secret(id, &peer.0).await?,
            None => {
                let sender = EcdhPublicKey::from_sec1(own.curve(), parties.sender);
                let invalid = "the sender's public key is not valid";
                let sender = sender.map_err(|CryptoError| UnwrapFailure::Malformed(invalid))?;
                kms.derive_shared_secret(id, &sender).await?
            }
        };
        ecdh::unwrap(&secret, own.curve(), &parties, &context, edk.ciphertext())
    }

    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
    ) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        let mut attempts = Vec::new();
        let keys = request.encrypted_data_keys().iter().enumerate();
        for (index, edk) in keys.filter(|(_, edk)| self.is_own(edk)) {
            let timer = events::start();
            let opened = self.open(edk, request).await;
            let opened = opened.and_then(|key| request.unwrapped(key, index));
            let attempt = attempts.len().saturating_add(1);
            let key = self.id.to_string();
            events::unwrapped(&timer, edk.provider_id(), key.as_bytes(), attempt, &opened);
            match opened {
                Ok(unwrapped) => return Ok(unwrapped),
                Err(failure) => attempts.push(Attempt::new(DESCRIPTION, index, failure)),
            }
        }
        Err(attempts)
    }
}

impl Keyring for KmsEcdhKeyring {
    fn wrap<'a>(
        &'a self,
        materials: &'a mut EncryptionMaterials,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let timer = events::start();
            let fresh = materials.data_key().is_none();
            let wrapped = self.wrap_key(materials).await;
            let key = self.id.to_string();
            match fresh {
                true => events::generated(&timer, KMS_PROVIDER_ID, key.as_bytes(), &wrapped),
                false => events::wrapped(&timer, KMS_PROVIDER_ID, key.as_bytes(), &wrapped),
            }
            wrapped
        })
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<UnwrappedDataKey, Vec<Attempt>>> {
        Box::pin(self.unwrap_key(request))
    }
}

const DESCRIPTION: &str = "AWS KMS ECDH keyring";
