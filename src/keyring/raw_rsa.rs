//! Data keys wrapped by an RSA key pair of the user's own.

use crate::crypto::{self, PemError, RsaPadding};
use crate::error::{ApiMisuse, Attempt, Error, KeyringError, UnwrapFailure};
use crate::keyring::{KeyName, LocalKeyring};
use crate::materials::{EncryptionMaterials, UnwrapRequest, UnwrappedDataKey};
use crate::message::EncryptedDataKey;
use crate::secret::{DataKey, SecretText};

/// An RSA public key of 2,048 to 8,192 bits.
///
/// ```
/// use waxseal::{RsaPrivateKey, RsaPublicKey};
///
/// let private = RsaPrivateKey::generate(2048)?;
/// let pem = private.public_key()?.to_pem()?;
/// assert!(RsaPublicKey::from_pem(&pem).is_ok());
/// # Ok::<(), waxseal::Error>(())
/// ```
#[derive(Debug)]
pub struct RsaPublicKey(pub(crate) crypto::RsaPublicKey);

impl RsaPublicKey {
    /// Reads PEM: SPKI (`PUBLIC KEY`) or PKCS#1 (`RSA PUBLIC KEY`).
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if it is something else, with what it is.
    pub fn from_pem(text: &str) -> Result<Self, Error> {
        crypto::rsa_public_key_from_pem(text).map(Self).map_err(unusable)
    }

    /// Writes PEM: SPKI (`PUBLIC KEY`).
    ///
    /// # Errors
    /// [`Error::Backend`] if the backend cannot encode it.
    pub fn to_pem(&self) -> Result<String, Error> {
        crypto::rsa_public_key_to_pem(&self.0).map_err(|_| Error::Backend("encode the key"))
    }
}

/// An RSA private key of 2,048 to 8,192 bits.
///
/// ```
/// use waxseal::RsaPrivateKey;
///
/// let key = RsaPrivateKey::generate(2048)?;
/// assert!(RsaPrivateKey::from_pem(key.to_pem()?.expose()).is_ok());
/// # Ok::<(), waxseal::Error>(())
/// ```
#[derive(Debug)]
pub struct RsaPrivateKey(pub(crate) crypto::RsaPrivateKey);

impl RsaPrivateKey {
    /// A fresh key of 2,048, 3,072 or 4,096 bits.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] for another size; [`Error::Backend`] if the backend cannot make one.
    pub fn generate(bits: u32) -> Result<Self, Error> {
        if !matches!(bits, 2048 | 3072 | 4096) {
            let why = format!("an RSA key is made with 2048, 3072 or 4096 bits, not {bits}");
            return Err(ApiMisuse::Key(why).into());
        }
        crypto::RsaPrivateKey::generate(bits)
            .map(Self)
            .map_err(|_| Error::Backend("make an RSA key"))
    }

    /// Reads PEM: PKCS#8 (`PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`), not encrypted.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if it is something else, with what it is.
    pub fn from_pem(text: &str) -> Result<Self, Error> {
        crypto::rsa_private_key_from_pem(text).map(Self).map_err(unusable)
    }

    /// Writes PEM: PKCS#8 (`PRIVATE KEY`). Whoever calls this answers for every copy.
    ///
    /// # Errors
    /// [`Error::Backend`] if the backend cannot encode it.
    pub fn to_pem(&self) -> Result<SecretText, Error> {
        crypto::rsa_private_key_to_pem(&self.0)
            .map(SecretText::new)
            .map_err(|_| Error::Backend("encode the key"))
    }

    /// Its public key.
    ///
    /// # Errors
    /// [`Error::Backend`] if the backend cannot make it.
    pub fn public_key(&self) -> Result<RsaPublicKey, Error> {
        self.0.public_key().map(RsaPublicKey).map_err(|_| Error::Backend("make the public key"))
    }

    /// Refuses a public key that is not this one's: what a stranger's encrypts would be lost, and nobody would
    /// know before it is needed.
    pub(crate) fn check_pair(&self, public: &RsaPublicKey) -> Result<(), Error> {
        let failed = |_| Error::Backend("encode the key");
        let own = self.public_key()?.0.to_spki_der().map_err(failed)?;
        if public.0.to_spki_der().map_err(failed)? != own {
            let why = "the public key does not belong to the private key";
            return Err(ApiMisuse::Key(why.to_owned()).into());
        }
        Ok(())
    }
}

/// Wraps data keys with RSA: anyone with the public key encrypts, only the private key opens.
///
/// Unlike AES-GCM, RSA does not bind the wrapped key to the encryption context; the message does.
/// Prefer OAEP; PKCS#1 v1.5 is there for messages that exist.
///
/// ```
/// use waxseal::{RawRsaKeyring, RsaPadding, RsaPrivateKey};
///
/// let private = RsaPrivateKey::generate(2048)?;
/// let public = private.public_key()?;
/// let writer = RawRsaKeyring::public("backup", "2026", RsaPadding::OaepSha256, public)?;
/// let reader = RawRsaKeyring::private("backup", "2026", RsaPadding::OaepSha256, private)?;
///
/// let message = waxseal::encrypt(b"hello", &writer).now()?;
/// assert_eq!(waxseal::decrypt(&message, &reader).now()?.plaintext(), b"hello");
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: raw-rsa-keyring.
#[derive(Debug)]
pub struct RawRsaKeyring {
    key_name: KeyName,
    padding: RsaPadding,
    public: Option<RsaPublicKey>,
    private: Option<RsaPrivateKey>,
}

impl RawRsaKeyring {
    /// Can only encrypt.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if the namespace starts with `aws-kms`, or a name is too long.
    pub fn public(
        namespace: impl Into<String>,
        name: impl Into<String>,
        padding: RsaPadding,
        key: RsaPublicKey,
    ) -> Result<Self, Error> {
        let key_name = KeyName::new(namespace, name)?;
        Ok(Self { key_name, padding, public: Some(key), private: None })
    }

    /// Can only decrypt: a public key is never derived from the private one.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if the namespace starts with `aws-kms`, or a name is too long.
    pub fn private(
        namespace: impl Into<String>,
        name: impl Into<String>,
        padding: RsaPadding,
        key: RsaPrivateKey,
    ) -> Result<Self, Error> {
        let key_name = KeyName::new(namespace, name)?;
        Ok(Self { key_name, padding, public: None, private: Some(key) })
    }

    /// Can do both.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if the namespace starts with `aws-kms`, a name is too long, or the two keys are
    /// not a pair.
    pub fn key_pair(
        namespace: impl Into<String>,
        name: impl Into<String>,
        padding: RsaPadding,
        public: RsaPublicKey,
        private: RsaPrivateKey,
    ) -> Result<Self, Error> {
        let key_name = KeyName::new(namespace, name)?;
        private.check_pair(&public)?;
        Ok(Self { key_name, padding, public: Some(public), private: Some(private) })
    }

    fn wrap(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        let failed = |reason: &str| {
            KeyringError::wrap(self.key_name.describe("raw RSA").to_string(), reason)
        };
        let Some(RsaPublicKey(public)) = &self.public else {
            return Err(failed("it has no public key, which encrypting needs").into());
        };
        let data_key = materials.data_key_or_generate()?;
        let ciphertext = public
            .encrypt(self.padding, data_key.expose())
            .map_err(|_| failed("the backend could not encrypt to the public key"))?;
        let KeyName { namespace, name } = &self.key_name;
        materials.push_encrypted_data_key(EncryptedDataKey::new(
            namespace.as_bytes(),
            name.as_bytes(),
            ciphertext,
        ))
    }

    fn is_own(&self, edk: &EncryptedDataKey) -> bool {
        let KeyName { namespace, name } = &self.key_name;
        edk.provider_id() == namespace.as_bytes() && edk.provider_info() == name.as_bytes()
    }

    fn open(&self, edk: &EncryptedDataKey, len: usize) -> Result<DataKey, UnwrapFailure> {
        let Some(RsaPrivateKey(private)) = &self.private else {
            return Err(UnwrapFailure::NoPrivateKey);
        };
        // One answer for bad padding and for content of the wrong length, so that neither tells anything
        // about the other; the length matters all the more as one backend answers bad PKCS#1 v1.5 padding
        // with junk of a random length.
        private
            .decrypt(self.padding, edk.ciphertext())
            .ok()
            .filter(|key| key.len() == len)
            .and_then(|key| DataKey::try_from(&key[..]).ok())
            .ok_or(UnwrapFailure::Unauthentic)
    }
}

impl LocalKeyring for RawRsaKeyring {
    fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        self.key_name.wrap_telling(materials, |materials| self.wrap(materials))
    }

    fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        let len = request.suite().data_key_len();
        request.first_opened(
            self.key_name.describe("raw RSA"),
            |edk| self.is_own(edk),
            |edk| self.open(edk, len),
        )
    }
}

fn unusable(error: PemError) -> Error {
    ApiMisuse::Key(error.to_string()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_keys_are_read_as_they_were_written() {
        let private = RsaPrivateKey::generate(2048).unwrap();
        let text = private.public_key().unwrap().to_pem().unwrap();
        let again = RsaPublicKey::from_pem(&text).unwrap();
        assert_eq!(again.to_pem().unwrap(), text);
        assert!(RawRsaKeyring::key_pair("n", "k", RsaPadding::OaepSha256, again, private).is_ok());
    }

    #[test]
    fn keys_that_are_not_a_pair_are_refused() {
        let pair = |public: &RsaPrivateKey, private| {
            let public = public.public_key().unwrap();
            RawRsaKeyring::key_pair("n", "k", RsaPadding::OaepSha256, public, private)
        };
        let [one, other, again] = [0, 1, 2].map(|_| RsaPrivateKey::generate(2048).unwrap());
        assert!(pair(&one, other).is_err());
        let copy = RsaPrivateKey::from_pem(again.to_pem().unwrap().expose()).unwrap();
        assert!(pair(&again, copy).is_ok());
    }
}
