//! Data keys wrapped by an AES key of the user's own.

use std::fmt;

use zeroize::Zeroizing;

use crate::context::EncryptionContext;
use crate::crypto::{GcmKey, IV_LEN, TAG_LEN, random};
use crate::error::{Attempt, Error, UnwrapFailure};
use crate::keyring::{KeyName, LocalKeyring};
use crate::materials::{EncryptionMaterials, UnwrapRequest, UnwrappedDataKey};
use crate::message::EncryptedDataKey;
use crate::message::header::{join_raw_aes_info, split_raw_aes_info};
use crate::secret::{DataKey, Secret};

/// An AES wrapping key of 16, 24 or 32 bytes.
///
/// ```
/// use waxseal::AesKey;
///
/// let key = AesKey::try_from(&[7; 32][..])?;
/// assert_eq!(format!("{key:?}"), "AesKey(32 bytes)");
/// assert!(AesKey::try_from(&[7; 31][..]).is_err());
/// # Ok::<(), waxseal::Error>(())
/// ```
pub struct AesKey(Secret);

impl AesKey {
    /// A fresh key of 32 bytes.
    ///
    /// # Errors
    /// [`Error::Backend`] if there is no randomness.
    pub fn generate_256() -> Result<Self, Error> {
        Self::generate(32)
    }

    /// A fresh key of 24 bytes.
    ///
    /// # Errors
    /// [`Error::Backend`] if there is no randomness.
    pub fn generate_192() -> Result<Self, Error> {
        Self::generate(24)
    }

    /// A fresh key of 16 bytes.
    ///
    /// # Errors
    /// [`Error::Backend`] if there is no randomness.
    pub fn generate_128() -> Result<Self, Error> {
        Self::generate(16)
    }

    /// The key itself, to store it somewhere safe. Whoever calls this answers for every copy.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    fn generate(len: usize) -> Result<Self, Error> {
        let secret = Secret::fill(len, random).map_err(|_| Error::Backend("get randomness"))?;
        Ok(Self(secret))
    }
}

impl TryFrom<&[u8]> for AesKey {
    type Error = Error;

    /// # Errors
    /// [`Error::ApiMisuse`] if the length is not 16, 24 or 32 bytes.
    fn try_from(bytes: &[u8]) -> Result<Self, Error> {
        Ok(Self(Secret::aes_key(bytes)?))
    }
}

/// Whoever has the array answers for its copies.
macro_rules! from_array {
    ($($len:literal),*) => {$(
        impl From<[u8; $len]> for AesKey {
            fn from(bytes: [u8; $len]) -> Self {
                let bytes = Zeroizing::new(bytes);
                Self(Secret::copy_of(&bytes[..]))
            }
        }
    )*};
}

from_array!(16, 24, 32);

impl fmt::Debug for AesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AesKey({} bytes)", self.0.expose().len())
    }
}

/// Wraps data keys with AES-GCM under a key of the user's own.
///
/// Namespace and name are stored in every message, and are how a keyring finds its own.
///
/// ```
/// use waxseal::{AesKey, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"hello", &keyring).now()?;
/// assert_eq!(waxseal::decrypt(&message, &keyring).now()?.plaintext(), b"hello");
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: raw-aes-keyring.
#[derive(Debug)]
pub struct RawAesKeyring {
    key_name: KeyName,
    key: GcmKey,
}

impl RawAesKeyring {
    /// Takes a key under a namespace and a name.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if the namespace starts with `aws-kms`, or a name is too long.
    #[expect(clippy::needless_pass_by_value, reason = "the key should not stay behind")]
    pub fn new(
        namespace: impl Into<String>,
        name: impl Into<String>,
        key: AesKey,
    ) -> Result<Self, Error> {
        let key_name = KeyName::new(namespace, name)?;
        let key = GcmKey::new(key.expose()).map_err(|_| Error::Backend("expand the AES key"))?;
        Ok(Self { key_name, key })
    }

    fn wrap(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        let KeyName { namespace, name } = &self.key_name;
        let aad = materials.context().encode()?;
        let mut iv = [0; IV_LEN];
        random(&mut iv).map_err(|_| Error::Backend("get randomness"))?;
        let data_key = materials.data_key_or_generate()?;
        let mut ciphertext = vec![0; data_key.len().saturating_add(TAG_LEN)];
        self.key
            .seal(&iv, &aad, data_key.expose(), &mut ciphertext)
            .map_err(|_| Error::Backend("wrap the data key"))?;
        let info = join_raw_aes_info(name.as_bytes(), &iv);
        materials.push_encrypted_data_key(EncryptedDataKey::new(
            namespace.as_bytes(),
            info,
            ciphertext,
        ))
    }

    fn is_own(&self, edk: &EncryptedDataKey) -> bool {
        let KeyName { namespace, name } = &self.key_name;
        edk.provider_id() == namespace.as_bytes()
            && split_raw_aes_info(edk.provider_info())
                .is_some_and(|(found, _)| found == name.as_bytes())
    }

    fn open(
        &self,
        edk: &EncryptedDataKey,
        context: &EncryptionContext,
    ) -> Result<DataKey, UnwrapFailure> {
        let aad = context.encode()?;
        let (_, iv) = split_raw_aes_info(edk.provider_info())
            .ok_or(UnwrapFailure::Malformed("its provider information has no IV"))?;
        let (ciphertext, tag) = edk
            .ciphertext()
            .split_last_chunk::<TAG_LEN>()
            .ok_or(UnwrapFailure::Malformed("it is shorter than its tag"))?;
        let key =
            Secret::fill(ciphertext.len(), |out| self.key.open(iv, &aad, ciphertext, tag, out))
                .map_err(|_| UnwrapFailure::Unauthentic)?;
        DataKey::try_from(key)
            .map_err(|_| UnwrapFailure::Malformed("its content is not as long as a data key"))
    }
}

impl LocalKeyring for RawAesKeyring {
    fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        self.key_name.wrap_telling(materials, |materials| self.wrap(materials))
    }

    fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        request.first_opened(
            self.key_name.describe("raw AES"),
            |edk| self.is_own(edk),
            |edk| self.open(edk, request.context()),
        )
    }
}
