//! Data keys of objects, wrapped by an AES key of the user's own.

use std::future;

use crate::crypto::{GcmKey, IV_LEN, TAG_LEN, legacy, random};
use crate::error::{Error, UnwrapFailure};
use crate::keyring::AesKey;
use crate::materials::BoxFuture;
use crate::s3::description::MaterialDescription;
use crate::s3::keyring::raw::{Described, not_known};
use crate::s3::keyring::rejection::Rejection;
use crate::s3::keyring::{
    Fit, S3Keyring, UnwrapRequest, WrapRequest, Wrapped, WrappedDataKey, WrappingAlgorithm,
};
use crate::s3::suite::{ContentSuite, DATA_KEY_LEN};
use crate::secret::{DataKey, Secret};

/// Wraps the data keys of objects with AES-GCM under a key of the user's own.
///
/// It also unwraps what old clients wrapped with `AESWrap` and with AES in ECB mode, where the policy allows
/// legacy wrapping.
///
/// ```
/// use waxseal::AesKey;
/// use waxseal::s3::{AesKeyring, S3Keyring};
///
/// let keyring = AesKeyring::new(AesKey::generate_256()?)?.description([("key", "backup-2026")]);
/// assert_eq!(keyring.describe(), "S3 AES keyring with the key `key`=`backup-2026`");
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// ```text
/// wrapped data key: IV (12 bytes) | encrypted data key (32) | tag (16)
/// authenticated:    name of the content cipher
/// ```
///
/// Spec: s3-encryption/materials/keyrings.
#[derive(Debug)]
pub struct AesKeyring {
    key: AesKey,
    gcm: GcmKey,
    described: Described,
    rejection: Rejection,
}

impl AesKeyring {
    /// Takes a key, without a description.
    ///
    /// # Errors
    /// [`Error::Backend`] if the backend cannot expand the key, or there is no randomness.
    pub fn new(key: AesKey) -> Result<Self, Error> {
        let gcm = GcmKey::new(key.expose()).map_err(|_| Error::Backend("expand the AES key"))?;
        Ok(Self { key, gcm, described: Described::default(), rejection: Rejection::new()? })
    }

    /// Describes the key. The description is stored with each object in the clear, and chooses the key where
    /// there are several.
    #[must_use]
    pub fn description<K: Into<String>, V: Into<String>>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.described = Described(MaterialDescription::from_iter(pairs));
        self
    }

    fn seal(&self, suite: ContentSuite, data_key: &DataKey) -> Result<Vec<u8>, Error> {
        let mut iv = [0; IV_LEN];
        random(&mut iv).map_err(|_| Error::Backend("get randomness"))?;
        let mut sealed = vec![0; data_key.len().saturating_add(TAG_LEN)];
        self.gcm
            .seal(&iv, suite.cipher_name().as_bytes(), data_key.expose(), &mut sealed)
            .map_err(|_| Error::Backend("wrap the data key"))?;
        Ok([&iv[..], &sealed].concat())
    }

    fn open(
        &self,
        suite: ContentSuite,
        wrapped: &WrappedDataKey,
    ) -> Result<DataKey, UnwrapFailure> {
        let ciphertext = wrapped.ciphertext();
        match wrapped.algorithm() {
            WrappingAlgorithm::AesGcm => self.open_gcm(suite, ciphertext),
            WrappingAlgorithm::AesWrap => {
                let key = legacy::aes_key_unwrap(self.key.expose(), ciphertext)
                    .map_err(|_| UnwrapFailure::Unauthentic)?;
                data_key(&key)
            }
            WrappingAlgorithm::AesEcb => {
                let opened = legacy::aes_ecb_unwrap(self.key.expose(), ciphertext).ok();
                self.rejection.settle(ciphertext, opened.as_ref().map(|key| &key[..]))
            }
            _ => Err(not_known(wrapped)),
        }
    }

    fn open_gcm(&self, suite: ContentSuite, wrapped: &[u8]) -> Result<DataKey, UnwrapFailure> {
        let short = UnwrapFailure::Malformed("it is shorter than its IV and tag");
        let Some((iv, sealed)) = wrapped.split_first_chunk::<IV_LEN>() else { return Err(short) };
        let Some((ciphertext, tag)) = sealed.split_last_chunk::<TAG_LEN>() else {
            return Err(short);
        };
        let aad = suite.cipher_name().as_bytes();
        let key =
            Secret::fill(ciphertext.len(), |out| self.gcm.open(iv, aad, ciphertext, tag, out))
                .map_err(|_| UnwrapFailure::Unauthentic)?;
        data_key(key.expose())
    }
}

impl S3Keyring for AesKeyring {
    fn wrap<'a>(&'a self, request: &'a WrapRequest<'a>) -> BoxFuture<'a, Result<Wrapped, Error>> {
        let seal = |data_key: &_| self.seal(request.suite(), data_key);
        Box::pin(future::ready(self.described.wrap(request, WrappingAlgorithm::AesGcm, seal)))
    }

    fn fit(&self, wrapped: &WrappedDataKey) -> Fit {
        self.described.fit(&KNOWN, wrapped)
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<DataKey, UnwrapFailure>> {
        let open = |wrapped: &_| self.open(request.suite(), wrapped);
        Box::pin(future::ready(self.described.unwrap(request, open)))
    }

    fn describe(&self) -> String {
        self.described.describe("S3 AES keyring")
    }
}

fn data_key(bytes: &[u8]) -> Result<DataKey, UnwrapFailure> {
    let wrong = UnwrapFailure::WrongLen { expected: DATA_KEY_LEN, found: bytes.len() };
    if bytes.len() == DATA_KEY_LEN {
        DataKey::try_from(bytes).map_err(|_| wrong)
    } else {
        Err(wrong)
    }
}

const KNOWN: [WrappingAlgorithm; 3] =
    [WrappingAlgorithm::AesGcm, WrappingAlgorithm::AesEcb, WrappingAlgorithm::AesWrap];
