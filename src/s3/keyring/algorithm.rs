//! The wrapping algorithms: what they are called, and which of them are only read.

use std::fmt;

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

    /// The code of format version 3, which has none for what is legacy.
    pub(crate) fn code(self) -> Option<&'static str> {
        match self {
            Self::AesGcm => Some("02"),
            Self::KmsContext => Some("12"),
            Self::RsaOaepSha1 => Some("22"),
            Self::AesEcb | Self::AesWrap | Self::Kms | Self::RsaOaepSha256 | Self::RsaPkcs1 => None,
        }
    }

    /// The algorithm with a code of format version 3.
    pub(crate) fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.code() == Some(code))
    }

    /// Whether a wrong key is noticed: without that, it gives some other data key.
    pub(crate) fn authenticates(self) -> bool {
        !matches!(self, Self::AesEcb | Self::RsaPkcs1)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_legacy_has_a_code() {
        for algorithm in WrappingAlgorithm::ALL {
            assert_eq!(algorithm.code().is_none(), algorithm.is_legacy(), "{algorithm}");
        }
        assert_eq!(WrappingAlgorithm::of_code("12"), Some(WrappingAlgorithm::KmsContext));
        for code in ["", "2", "00", "kms", "kms+context", "AES/GCM"] {
            assert_eq!(WrappingAlgorithm::of_code(code), None, "{code}");
        }
    }
}
