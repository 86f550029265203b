//! The algorithm suites of the S3 encryption client: one table, lengths in bytes.

use std::fmt;

use crate::policy::CommitmentPolicy;

/// Length in bytes of the data key of every suite.
pub(crate) const DATA_KEY_LEN: usize = 32;
/// Length in bytes of message id and of commitment, for the suite that has them.
pub(crate) const COMMITMENT_LEN: usize = 28;
/// The most plaintext that one key and IV of AES-GCM may encrypt, in bytes: 2^36 - 32.
pub(crate) const MAX_GCM_CONTENT_LEN: u64 = (1 << 36) - 32;

/// How the content of an object is encrypted.
///
/// ```
/// use waxseal::s3::ContentSuite;
///
/// assert_eq!(ContentSuite::default().id(), 0x0073);
/// assert!(ContentSuite::default().commits());
/// ```
///
/// Spec: framework/algorithm-suites, "S3EC".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentSuite {
    /// 0x0070, `ALG_AES_256_CBC_IV16_NO_KDF`: read only, and only where the policy allows what is not
    /// authenticated.
    Aes256CbcIv16NoKdf,
    /// 0x0072, `ALG_AES_256_GCM_IV12_TAG16_NO_KDF`: format version 2.
    Aes256GcmIv12Tag16NoKdf,
    /// 0x0073, `ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY`, the default: format version 3.
    #[default]
    Aes256GcmHkdfSha512CommitKey,
}

impl ContentSuite {
    /// All three, in order of their ids.
    pub const ALL: [Self; 3] = [
        Self::Aes256CbcIv16NoKdf,
        Self::Aes256GcmIv12Tag16NoKdf,
        Self::Aes256GcmHkdfSha512CommitKey,
    ];

    /// The specification's id.
    pub fn id(self) -> u16 {
        match self {
            Self::Aes256CbcIv16NoKdf => 0x0070,
            Self::Aes256GcmIv12Tag16NoKdf => 0x0072,
            Self::Aes256GcmHkdfSha512CommitKey => 0x0073,
        }
    }

    /// The specification's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes256CbcIv16NoKdf => "ALG_AES_256_CBC_IV16_NO_KDF",
            Self::Aes256GcmIv12Tag16NoKdf => "ALG_AES_256_GCM_IV12_TAG16_NO_KDF",
            Self::Aes256GcmHkdfSha512CommitKey => "ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY",
        }
    }

    /// Whether an object commits to its key, so that no second key opens it to something else.
    pub fn commits(self) -> bool {
        matches!(self, Self::Aes256GcmHkdfSha512CommitKey)
    }

    /// Whether the content is authenticated.
    pub fn authenticates(self) -> bool {
        !matches!(self, Self::Aes256CbcIv16NoKdf)
    }

    /// How much longer the ciphertext is, in bytes, where that does not depend on the content.
    #[cfg(feature = "s3")]
    pub(crate) fn tag_len(self) -> u64 {
        if self.authenticates() { 16 } else { 0 }
    }

    /// Length in bytes of the IV, or of the message id that takes its place.
    pub(crate) fn iv_len(self) -> usize {
        match self {
            Self::Aes256CbcIv16NoKdf => 16,
            Self::Aes256GcmIv12Tag16NoKdf => 12,
            Self::Aes256GcmHkdfSha512CommitKey => COMMITMENT_LEN,
        }
    }

    /// What stands in the metadata (`x-amz-cek-alg`, `x-amz-c`), in the KMS encryption context, and is bound
    /// into what raw keys wrap.
    pub(crate) fn cipher_name(self) -> &'static str {
        match self {
            Self::Aes256CbcIv16NoKdf => "AES/CBC/PKCS5Padding",
            Self::Aes256GcmIv12Tag16NoKdf => "AES/GCM/NoPadding",
            Self::Aes256GcmHkdfSha512CommitKey => "115",
        }
    }

    /// The suite that a commitment policy writes.
    pub fn of_policy(policy: CommitmentPolicy) -> Self {
        match policy {
            CommitmentPolicy::ForbidEncryptAllowDecrypt => Self::Aes256GcmIv12Tag16NoKdf,
            CommitmentPolicy::RequireEncryptAllowDecrypt
            | CommitmentPolicy::RequireEncryptRequireDecrypt => Self::Aes256GcmHkdfSha512CommitKey,
        }
    }
}

impl fmt::Display for ContentSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
