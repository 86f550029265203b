//! Data keys of objects, wrapped by an RSA key pair of the user's own.

use std::future;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::crypto::{self, CryptoError, RsaPadding, legacy};
use crate::error::{Error, KeyringError, UnwrapFailure};
use crate::keyring::{RsaPrivateKey, RsaPublicKey};
use crate::materials::BoxFuture;
use crate::s3::description::MaterialDescription;
use crate::s3::keyring::raw::{Described, not_known};
use crate::s3::keyring::rejection::Rejection;
use crate::s3::keyring::{
    Fit, S3Keyring, UnwrapRequest, WrapRequest, Wrapped, WrappedDataKey, WrappingAlgorithm,
};
use crate::s3::suite::{ContentSuite, DATA_KEY_LEN};
use crate::secret::DataKey;

/// Wraps the data keys of objects with RSA-OAEP: anyone with the public key encrypts, only the private key
/// opens.
///
/// It also unwraps what old clients wrapped with OAEP of SHA-256, and with PKCS #1 v1.5, where the policy allows
/// legacy wrapping.
///
/// ```
/// use waxseal::RsaPrivateKey;
/// use waxseal::s3::{RsaKeyring, S3Keyring};
///
/// let private = RsaPrivateKey::generate(2048)?;
/// let writer = RsaKeyring::public(private.public_key()?)?;
/// let reader = RsaKeyring::private(private)?.description([("key", "backup-2026")]);
/// assert_eq!(writer.describe(), "S3 RSA keyring");
/// assert_eq!(reader.describe(), "S3 RSA keyring with the key `key`=`backup-2026`");
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// ```text
/// encrypted: length of the data key (1 byte) | data key (32) | name of the content cipher
/// ```
///
/// Spec: s3-encryption/materials/keyrings.
#[derive(Debug)]
pub struct RsaKeyring {
    public: Option<RsaPublicKey>,
    private: Option<RsaPrivateKey>,
    described: Described,
    rejection: Rejection,
}

impl RsaKeyring {
    /// Can only encrypt.
    ///
    /// # Errors
    /// [`Error::Backend`] if there is no randomness.
    pub fn public(key: RsaPublicKey) -> Result<Self, Error> {
        Self::new(Some(key), None)
    }

    /// Can only decrypt: a public key is never derived from the private one.
    ///
    /// # Errors
    /// [`Error::Backend`] if there is no randomness.
    pub fn private(key: RsaPrivateKey) -> Result<Self, Error> {
        Self::new(None, Some(key))
    }

    /// Can do both.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if the two keys are not a pair; [`Error::Backend`] if there is no randomness.
    pub fn key_pair(public: RsaPublicKey, private: RsaPrivateKey) -> Result<Self, Error> {
        private.check_pair(&public)?;
        Self::new(Some(public), Some(private))
    }

    /// Describes the key pair. The description is stored with each object in the clear, and chooses the key
    /// where there are several.
    #[must_use]
    pub fn description<K: Into<String>, V: Into<String>>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.described = Described(MaterialDescription::from_iter(pairs));
        self
    }

    fn new(public: Option<RsaPublicKey>, private: Option<RsaPrivateKey>) -> Result<Self, Error> {
        Ok(Self { public, private, described: Described::default(), rejection: Rejection::new()? })
    }

    fn seal(&self, suite: ContentSuite, data_key: &DataKey) -> Result<Vec<u8>, Error> {
        let failed = |reason: &str| KeyringError::wrap(self.describe(), reason);
        let Some(RsaPublicKey(public)) = &self.public else {
            return Err(failed("it has no public key, which encrypting needs").into());
        };
        let len = u8::try_from(data_key.len()).map_err(|_| failed("the data key is too long"))?;
        let content = [&[len], data_key.expose(), suite.cipher_name().as_bytes()].concat();
        let content = Zeroizing::new(content);
        public
            .encrypt(RsaPadding::OaepSha1, &content)
            .map_err(|_| failed("the backend could not encrypt to the public key").into())
    }

    fn open(
        &self,
        suite: ContentSuite,
        wrapped: &WrappedDataKey,
    ) -> Result<DataKey, UnwrapFailure> {
        let Some(RsaPrivateKey(private)) = &self.private else {
            return Err(UnwrapFailure::NoPrivateKey);
        };
        let ciphertext = wrapped.ciphertext();
        match wrapped.algorithm() {
            WrappingAlgorithm::RsaOaepSha1 => open_bound(private, suite, ciphertext),
            WrappingAlgorithm::RsaOaepSha256 => open_oaep_sha256(private, ciphertext),
            WrappingAlgorithm::RsaPkcs1 => {
                let opened = private.decrypt(RsaPadding::Pkcs1, ciphertext).ok();
                self.rejection.settle(ciphertext, opened.as_ref().map(|key| &key[..]))
            }
            _ => Err(not_known(wrapped)),
        }
    }
}

impl S3Keyring for RsaKeyring {
    fn wrap<'a>(&'a self, request: &'a WrapRequest<'a>) -> BoxFuture<'a, Result<Wrapped, Error>> {
        let seal = |data_key: &_| self.seal(request.suite(), data_key);
        Box::pin(future::ready(self.described.wrap(request, WrappingAlgorithm::RsaOaepSha1, seal)))
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
        self.described.describe("S3 RSA keyring")
    }
}

/// Opens what names its own length and the content cipher. Both are looked at together, and there is one answer
/// for everything that is wrong.
fn open_bound(
    private: &crypto::RsaPrivateKey,
    suite: ContentSuite,
    wrapped: &[u8],
) -> Result<DataKey, UnwrapFailure> {
    let opened = private.decrypt(RsaPadding::OaepSha1, wrapped);
    let opened = opened.map_err(|_| UnwrapFailure::Unauthentic)?;
    let unauthentic = || UnwrapFailure::Unauthentic;
    let (len, rest) = opened.split_first().ok_or_else(unauthentic)?;
    let (key, cipher) = rest.split_at_checked(DATA_KEY_LEN).ok_or_else(unauthentic)?;
    let expected_len = u8::try_from(DATA_KEY_LEN).map_err(|_| UnwrapFailure::Unauthentic)?;
    let fits = len.ct_eq(&expected_len) & cipher.ct_eq(suite.cipher_name().as_bytes());
    if !bool::from(fits) {
        return Err(UnwrapFailure::Unauthentic);
    }
    DataKey::try_from(key).map_err(|_| UnwrapFailure::Unauthentic)
}

/// Opens what Java means by `OAEPWithSHA-256AndMGF1Padding`, which is MGF1 with SHA-1; then what everyone else
/// does.
fn open_oaep_sha256(
    private: &crypto::RsaPrivateKey,
    wrapped: &[u8],
) -> Result<DataKey, UnwrapFailure> {
    let java = || {
        let pkcs8 = private.to_pkcs8_der()?;
        legacy::rsa_oaep_sha256_mgf1_sha1_decrypt(&pkcs8, wrapped)
    };
    java()
        .or_else(|CryptoError| private.decrypt(RsaPadding::OaepSha256, wrapped))
        .ok()
        .filter(|key| key.len() == DATA_KEY_LEN)
        .and_then(|key| DataKey::try_from(&key[..]).ok())
        .ok_or(UnwrapFailure::Unauthentic)
}

const KNOWN: [WrappingAlgorithm; 3] =
    [WrappingAlgorithm::RsaOaepSha1, WrappingAlgorithm::RsaOaepSha256, WrappingAlgorithm::RsaPkcs1];
