//! RSA key pairs whose private half AWS KMS keeps.

use aws_sdk_kms::Client;
use aws_sdk_kms::types::{EncryptionAlgorithmSpec, KeyUsageType};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::arn::{KeyId, KmsArn};
use super::client::{Decrypt, Kms};
use super::{each_own, settle, wrap_failed};
use crate::context::EncryptionContext;
use crate::crypto::{self, Hash, Hasher, RsaPadding};
use crate::error::{ApiMisuse, Attempt, ContextError, Error, KeyringError, UnwrapFailure};
use crate::events;
use crate::keyring::{Keyring, RsaPublicKey};
use crate::materials::{BoxFuture, EncryptionMaterials, UnwrapRequest, UnwrappedDataKey};
use crate::message::EncryptedDataKey;
use crate::secret::DataKey;
use crate::suite::AlgorithmSuite;

/// Wraps data keys here, with a public key; AWS KMS unwraps them with the private key, which never
/// leaves it. Encrypting makes no call.
///
/// Only suites without signature: anyone has the public key, so a signature would promise what it
/// cannot hold.
///
/// It asks for `kms:Decrypt` to decrypt, and for `kms:GetPublicKey` if it is to
/// [fetch](Self::fetch_public_key) the public key.
///
/// ```no_run
/// use waxseal::kms::KmsRsaKeyring;
/// use waxseal::{AlgorithmSuite, RsaPadding};
///
/// # async fn example(client: aws_sdk_kms::Client) -> Result<(), waxseal::Error> {
/// let arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
/// let public = KmsRsaKeyring::fetch_public_key(&client, arn, &[]).await?;
/// let keyring = KmsRsaKeyring::new(client, arn, RsaPadding::OaepSha256)?.public_key(public);
/// let message = waxseal::encrypt(b"hello", &keyring)
///     .suite(AlgorithmSuite::Aes256GcmHkdfSha512CommitKey)
///     .await?;
/// assert_eq!(waxseal::decrypt(&message, &keyring).await?.plaintext(), b"hello");
/// # Ok(())
/// # }
/// ```
///
/// Spec: aws-kms-rsa-keyring.
#[derive(Debug)]
pub struct KmsRsaKeyring {
    arn: KmsArn,
    padding: RsaPadding,
    algorithm: EncryptionAlgorithmSpec,
    public: Option<RsaPublicKey>,
    kms: Option<Kms>,
}

impl KmsRsaKeyring {
    /// Can only decrypt, until it is given a [`public_key`](Self::public_key).
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if `key` is not the ARN of a key, or the padding is not OAEP with SHA-1 or
    /// SHA-256.
    pub fn new(client: Client, key: &str, padding: RsaPadding) -> Result<Self, Error> {
        Ok(Self { kms: Some(Kms::new(client)), ..Self::unarmed(key, padding)? })
    }

    /// Can only encrypt, and needs no AWS KMS for it. Nothing checks here that the public key is that of
    /// `key`: if it is not, nobody can decrypt.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if `key` is not the ARN of a key, or the padding is not OAEP with SHA-1 or
    /// SHA-256.
    pub fn public(key: &str, padding: RsaPadding, public: RsaPublicKey) -> Result<Self, Error> {
        Ok(Self { public: Some(public), ..Self::unarmed(key, padding)? })
    }

    /// Asks AWS KMS for the public key of `key`.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if `key` is no ARN, alias or id of an AWS KMS key; [`Error::Keyring`] if the public
    /// key cannot be had, or is not one to encrypt with RSA.
    pub async fn fetch_public_key(
        client: &Client,
        key: &str,
        grant_tokens: &[&str],
    ) -> Result<RsaPublicKey, Error> {
        let kms = Kms::with_tokens(client, grant_tokens);
        let der = kms.public_key(&KeyId::new(key)?, &KeyUsageType::EncryptDecrypt).await;
        let der = der.map_err(|error| wrap_failed(DESCRIPTION, error))?;
        let public = crypto::RsaPublicKey::from_spki_der(&der).map_err(|_| {
            ApiMisuse::Key("the key in AWS KMS has no RSA public key that can be used".into())
        })?;
        Ok(RsaPublicKey(public))
    }

    fn unarmed(key: &str, padding: RsaPadding) -> Result<Self, Error> {
        let algorithm = match padding {
            RsaPadding::OaepSha1 => EncryptionAlgorithmSpec::RsaesOaepSha1,
            RsaPadding::OaepSha256 => EncryptionAlgorithmSpec::RsaesOaepSha256,
            RsaPadding::Pkcs1 | RsaPadding::OaepSha384 | RsaPadding::OaepSha512 => {
                let why = "AWS KMS decrypts RSA only with OAEP and SHA-1 or SHA-256";
                return Err(ApiMisuse::Kms(why.into()).into());
            }
        };
        let arn: KmsArn = key.parse()?;
        if arn.is_alias() {
            let why =
                format!("`{arn}` is an alias: an AWS KMS RSA keyring needs the ARN of the key");
            return Err(ApiMisuse::Kms(why).into());
        }
        Ok(Self { arn, padding, algorithm, public: None, kms: None })
    }

    /// Encrypts with this public key. Nothing checks here that it is that of the key: if it is not,
    /// nobody can decrypt.
    #[must_use]
    pub fn public_key(mut self, public: RsaPublicKey) -> Self {
        self.public = Some(public);
        self
    }

    /// Sends these with every call.
    #[must_use]
    pub fn grant_tokens<T: Into<String>>(mut self, tokens: impl IntoIterator<Item = T>) -> Self {
        if let Some(kms) = &mut self.kms {
            kms.grant_tokens = tokens.into_iter().map(Into::into).collect();
        }
        self
    }

    fn wrap_key(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        let failed = |reason: &str| KeyringError::wrap(DESCRIPTION, reason);
        if materials.suite().signs() {
            return Err(failed(SIGNED).into());
        }
        let Some(RsaPublicKey(public)) = &self.public else {
            return Err(failed("it has no public key, which encrypting needs").into());
        };
        let digest = digest(materials.context())?;
        let data_key = materials.data_key_or_generate()?;
        let content = Zeroizing::new([digest.as_ref(), data_key.expose()].concat());
        let ciphertext = public
            .encrypt(self.padding, &content)
            .map_err(|_| failed("the backend could not encrypt to the public key"))?;
        let arn = self.arn.to_string();
        materials.push_encrypted_data_key(EncryptedDataKey::new(PROVIDER_ID, arn, ciphertext))
    }

    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
    ) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        let matches = |found: &KmsArn| found.matches(&self.arn);
        let own = each_own(request, DESCRIPTION, PROVIDER_ID, matches)?;
        let mut attempts = Vec::new();
        for (index, edk, _) in own {
            let timer = events::start();
            let opened = self.open(edk, request).await;
            match settle(request, timer, (index, edk, &self.arn), &attempts, opened) {
                Ok(unwrapped) => return Ok(unwrapped),
                Err(failure) => attempts.push(Attempt::new(DESCRIPTION, index, failure)),
            }
        }
        Err(attempts)
    }

    async fn open(
        &self,
        edk: &EncryptedDataKey,
        request: &UnwrapRequest<'_>,
    ) -> Result<DataKey, UnwrapFailure> {
        if AlgorithmSuite::signs(request.suite()) {
            return Err(UnwrapFailure::Unable(SIGNED.to_owned()));
        }
        let Some(kms) = &self.kms else {
            return Err(UnwrapFailure::NoPrivateKey);
        };
        let how = Decrypt::Rsa(self.algorithm.clone());
        let content = kms.decrypt(&self.arn, edk.ciphertext(), how).await?;
        let (found, data_key) = content
            .split_at_checked(DIGEST_LEN)
            .ok_or(UnwrapFailure::Malformed("its content is too short"))?;
        if !bool::from(found.ct_eq(digest(request.context())?.as_ref())) {
            return Err(UnwrapFailure::Unauthentic);
        }
        DataKey::try_from(data_key)
            .map_err(|_| UnwrapFailure::Malformed("its content is not as long as a data key"))
    }
}

impl Keyring for KmsRsaKeyring {
    fn wrap<'a>(
        &'a self,
        materials: &'a mut EncryptionMaterials,
    ) -> BoxFuture<'a, Result<(), Error>> {
        let timer = events::start();
        let fresh = materials.data_key().is_none();
        let wrapped = self.wrap_key(materials);
        let (provider, key) = (PROVIDER_ID.as_bytes(), self.arn.to_string().into_bytes());
        match fresh {
            true => events::generated(&timer, provider, &key, &wrapped),
            false => events::wrapped(&timer, provider, &key, &wrapped),
        }
        Box::pin(std::future::ready(wrapped))
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<UnwrappedDataKey, Vec<Attempt>>> {
        Box::pin(self.unwrap_key(request))
    }
}

/// RSA does not bind the context, so its digest is wrapped with the data key.
fn digest(context: &EncryptionContext) -> Result<impl AsRef<[u8]> + use<>, ContextError> {
    let mut hasher = Hasher::new(Hash::Sha384);
    hasher.update(&context.encode()?);
    Ok(hasher.finish())
}

const DESCRIPTION: &str = "AWS KMS RSA keyring";
const PROVIDER_ID: &str = "aws-kms-rsa";
/// SHA-384.
const DIGEST_LEN: usize = 48;
const SIGNED: &str = "it takes no suite with a signature, as anyone has its public key: choose \
                      `AlgorithmSuite::Aes256GcmHkdfSha512CommitKey`";
