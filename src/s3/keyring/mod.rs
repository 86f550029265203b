//! Keys that wrap the data key of an object.

use std::fmt;
use std::sync::Arc;

use crate::context::EncryptionContext;
use crate::error::{Error, UnwrapFailure};
use crate::materials::BoxFuture;
use crate::s3::description::MaterialDescription;
use crate::s3::suite::ContentSuite;
use crate::secret::DataKey;

/// How a data key is wrapped.
///
/// The first three are written; the others are read where the policy allows legacy wrapping.
///
/// ```
/// use waxseal::s3::WrappingAlgorithm;
///
/// assert!(!WrappingAlgorithm::KmsContext.is_legacy());
/// assert_eq!(WrappingAlgorithm::KmsContext.to_string(), "kms+context");
/// ```
///
/// Spec: s3-encryption/data-format/content-metadata, "V2/V3 Shared".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WrappingAlgorithm {
    /// `AES/GCM`, 02 in format version 3.
    AesGcm,
    /// `kms+context`, 12 in format version 3.
    KmsContext,
    /// `RSA-OAEP-SHA1`, 22 in format version 3.
    RsaOaepSha1,
    /// `AES`: ECB. Legacy.
    AesEcb,
    /// `AESWrap`: RFC 3394. Legacy.
    AesWrap,
    /// `kms`: without binding the content cipher. Legacy.
    Kms,
    /// `RSA/ECB/OAEPWithSHA-256AndMGF1Padding`. Legacy.
    RsaOaepSha256,
    /// `RSA`: PKCS #1 v1.5. Legacy.
    RsaPkcs1,
}

impl WrappingAlgorithm {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::AesGcm,
        Self::KmsContext,
        Self::RsaOaepSha1,
        Self::AesEcb,
        Self::AesWrap,
        Self::Kms,
        Self::RsaOaepSha256,
        Self::RsaPkcs1,
    ];

    /// The name in format version 2, which messages use, too.
    pub fn name(self) -> &'static str {
        match self {
            Self::AesGcm => "AES/GCM",
            Self::KmsContext => "kms+context",
            Self::RsaOaepSha1 => "RSA-OAEP-SHA1",
            Self::AesEcb => "AES",
            Self::AesWrap => "AESWrap",
            Self::Kms => "kms",
            Self::RsaOaepSha256 => "RSA/ECB/OAEPWithSHA-256AndMGF1Padding",
            Self::RsaPkcs1 => "RSA",
        }
    }

    /// Whether it is only read, and only where the policy allows legacy wrapping.
    pub fn is_legacy(self) -> bool {
        !matches!(self, Self::AesGcm | Self::KmsContext | Self::RsaOaepSha1)
    }

    /// Whether AWS KMS does it, so that what is stored beside the key is an encryption context and no
    /// material description.
    pub fn is_kms(self) -> bool {
        matches!(self, Self::Kms | Self::KmsContext)
    }
}

impl fmt::Display for WrappingAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Wraps and unwraps the data keys of objects; may call a service.
///
/// Spec: s3-encryption/materials/s3-keyring.
pub trait S3Keyring: fmt::Debug + Send + Sync {
    /// Makes a data key, or takes the one that the request has, and wraps it.
    ///
    /// # Errors
    /// [`Error::Keyring`] if it cannot, [`Error::ApiMisuse`] if the request asks for what this keyring does not
    /// do.
    fn wrap<'a>(&'a self, request: &'a WrapRequest<'a>) -> BoxFuture<'a, Result<WrappedDataKey, Error>>;

    /// Whether this is the keyring for a data key that was wrapped like this.
    fn fit(&self, wrapped: &WrappedDataKey) -> Fit;

    /// Unwraps a data key.
    ///
    /// # Errors
    /// Why it could not. A failure of padding or of the length of what comes out must be no failure here where
    /// it would tell an attacker something: it must give some other key.
    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<DataKey, UnwrapFailure>>;

    /// The keyring's kind and the name of its key, for messages and reports.
    fn describe(&self) -> String;
}

/// How well a keyring fits a wrapped data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fit {
    /// It does not know the wrapping algorithm.
    No,
    /// It knows the algorithm; whether the key is its own, only trying tells.
    Maybe,
    /// The material description is its own.
    Described,
}

/// What a keyring needs to wrap a data key.
#[derive(Debug)]
pub struct WrapRequest<'a> {
    pub(crate) suite: ContentSuite,
    pub(crate) context: &'a EncryptionContext,
    pub(crate) data_key: Option<&'a DataKey>,
}

/// What a keyring needs to unwrap one.
#[derive(Debug)]
pub struct UnwrapRequest<'a> {
    pub(crate) suite: ContentSuite,
    pub(crate) wrapped: &'a WrappedDataKey,
    pub(crate) context: &'a EncryptionContext,
}

/// A wrapped data key, and what is stored beside it.
#[derive(Debug)]
pub struct WrappedDataKey {
    pub(crate) algorithm: WrappingAlgorithm,
    pub(crate) ciphertext: Vec<u8>,
    /// The encryption context of AWS KMS with the reserved keys; empty for raw keys.
    pub(crate) context: EncryptionContext,
    /// The description of the raw key that wrapped; empty for AWS KMS.
    pub(crate) description: MaterialDescription,
    /// The data key, where the keyring made it.
    pub(crate) data_key: Option<DataKey>,
}

impl<K: S3Keyring + ?Sized> S3Keyring for Arc<K> {
    fn wrap<'a>(&'a self, request: &'a WrapRequest<'a>) -> BoxFuture<'a, Result<WrappedDataKey, Error>> {
        (**self).wrap(request)
    }

    fn fit(&self, wrapped: &WrappedDataKey) -> Fit {
        (**self).fit(wrapped)
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<DataKey, UnwrapFailure>> {
        (**self).unwrap(request)
    }

    fn describe(&self) -> String {
        (**self).describe()
    }
}
