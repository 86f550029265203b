//! Algorithm suites: one table with named fields, lengths in bytes.

use std::fmt;
use std::str::FromStr;

use crate::crypto::{Curve, Hash};
/// Lengths in bytes that every suite shares.
pub(crate) use crate::crypto::{IV_LEN, TAG_LEN};

/// Length in bytes of the commit key, for the suites that have one.
pub(crate) const COMMIT_KEY_LEN: usize = 32;

/// An algorithm suite of the message format: which cipher, key derivation, commitment and signature.
///
/// ```
/// use waxseal::AlgorithmSuite;
///
/// let suite: AlgorithmSuite = "0x0478".parse()?;
/// assert_eq!(suite, AlgorithmSuite::Aes256GcmHkdfSha512CommitKey);
/// assert!(suite.commits() && !suite.signs());
/// # Ok::<(), waxseal::UnknownSuite>(())
/// ```
///
/// Spec: algorithm-suites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AlgorithmSuite {
    /// 0x0014
    Aes128GcmIv12Tag16NoKdf,
    /// 0x0046
    Aes192GcmIv12Tag16NoKdf,
    /// 0x0078
    Aes256GcmIv12Tag16NoKdf,
    /// 0x0114
    Aes128GcmIv12Tag16HkdfSha256,
    /// 0x0146
    Aes192GcmIv12Tag16HkdfSha256,
    /// 0x0178
    Aes256GcmIv12Tag16HkdfSha256,
    /// 0x0214
    Aes128GcmIv12Tag16HkdfSha256EcdsaP256,
    /// 0x0346
    Aes192GcmIv12Tag16HkdfSha384EcdsaP384,
    /// 0x0378
    Aes256GcmIv12Tag16HkdfSha384EcdsaP384,
    /// 0x0478
    Aes256GcmHkdfSha512CommitKey,
    /// 0x0578, the default
    Aes256GcmHkdfSha512CommitKeyEcdsaP384,
}

impl AlgorithmSuite {
    /// All eleven, in order of their ids.
    pub const ALL: [Self; 11] = [
        Self::Aes128GcmIv12Tag16NoKdf,
        Self::Aes192GcmIv12Tag16NoKdf,
        Self::Aes256GcmIv12Tag16NoKdf,
        Self::Aes128GcmIv12Tag16HkdfSha256,
        Self::Aes192GcmIv12Tag16HkdfSha256,
        Self::Aes256GcmIv12Tag16HkdfSha256,
        Self::Aes128GcmIv12Tag16HkdfSha256EcdsaP256,
        Self::Aes192GcmIv12Tag16HkdfSha384EcdsaP384,
        Self::Aes256GcmIv12Tag16HkdfSha384EcdsaP384,
        Self::Aes256GcmHkdfSha512CommitKey,
        Self::Aes256GcmHkdfSha512CommitKeyEcdsaP384,
    ];

    /// The suite with this id, if there is one.
    pub fn from_id(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.id() == id)
    }

    /// The id that is written in a message.
    pub fn id(self) -> u16 {
        self.parameters().id
    }

    /// The name that the specification gives it.
    pub fn name(self) -> &'static str {
        self.parameters().name
    }

    /// Whether a message commits to its key.
    pub fn commits(self) -> bool {
        matches!(self.parameters().derivation, Derivation::Commit)
    }

    /// Whether a message ends in a signature.
    pub fn signs(self) -> bool {
        self.parameters().signature.is_some()
    }

    /// Length of the data key, in bytes: 16, 24 or 32.
    pub fn data_key_len(self) -> usize {
        self.parameters().data_key_len
    }

    /// The message format version that this suite belongs to.
    pub fn message_version(self) -> MessageVersion {
        if self.commits() { MessageVersion::V2 } else { MessageVersion::V1 }
    }

    pub(crate) fn signature(self) -> Option<Curve> {
        self.parameters().signature
    }

    pub(crate) fn derivation(self) -> Derivation {
        self.parameters().derivation
    }

    fn parameters(self) -> Parameters {
        use Derivation::{Commit, Hkdf, Identity};
        match self {
            Self::Aes128GcmIv12Tag16NoKdf => Parameters {
                id: 0x0014,
                name: "ALG_AES_128_GCM_IV12_TAG16_NO_KDF",
                data_key_len: 16,
                derivation: Identity,
                signature: None,
            },
            Self::Aes192GcmIv12Tag16NoKdf => Parameters {
                id: 0x0046,
                name: "ALG_AES_192_GCM_IV12_TAG16_NO_KDF",
                data_key_len: 24,
                derivation: Identity,
                signature: None,
            },
            Self::Aes256GcmIv12Tag16NoKdf => Parameters {
                id: 0x0078,
                name: "ALG_AES_256_GCM_IV12_TAG16_NO_KDF",
                data_key_len: 32,
                derivation: Identity,
                signature: None,
            },
            Self::Aes128GcmIv12Tag16HkdfSha256 => Parameters {
                id: 0x0114,
                name: "ALG_AES_128_GCM_IV12_TAG16_HKDF_SHA256",
                data_key_len: 16,
                derivation: Hkdf(Hash::Sha256),
                signature: None,
            },
            Self::Aes192GcmIv12Tag16HkdfSha256 => Parameters {
                id: 0x0146,
                name: "ALG_AES_192_GCM_IV12_TAG16_HKDF_SHA256",
                data_key_len: 24,
                derivation: Hkdf(Hash::Sha256),
                signature: None,
            },
            Self::Aes256GcmIv12Tag16HkdfSha256 => Parameters {
                id: 0x0178,
                name: "ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA256",
                data_key_len: 32,
                derivation: Hkdf(Hash::Sha256),
                signature: None,
            },
            Self::Aes128GcmIv12Tag16HkdfSha256EcdsaP256 => Parameters {
                id: 0x0214,
                name: "ALG_AES_128_GCM_IV12_TAG16_HKDF_SHA256_ECDSA_P256",
                data_key_len: 16,
                derivation: Hkdf(Hash::Sha256),
                signature: Some(Curve::P256),
            },
            Self::Aes192GcmIv12Tag16HkdfSha384EcdsaP384 => Parameters {
                id: 0x0346,
                name: "ALG_AES_192_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384",
                data_key_len: 24,
                derivation: Hkdf(Hash::Sha384),
                signature: Some(Curve::P384),
            },
            Self::Aes256GcmIv12Tag16HkdfSha384EcdsaP384 => Parameters {
                id: 0x0378,
                name: "ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384",
                data_key_len: 32,
                derivation: Hkdf(Hash::Sha384),
                signature: Some(Curve::P384),
            },
            Self::Aes256GcmHkdfSha512CommitKey => Parameters {
                id: 0x0478,
                name: "ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY",
                data_key_len: 32,
                derivation: Commit,
                signature: None,
            },
            Self::Aes256GcmHkdfSha512CommitKeyEcdsaP384 => Parameters {
                id: 0x0578,
                name: "ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384",
                data_key_len: 32,
                derivation: Commit,
                signature: Some(Curve::P384),
            },
        }
    }
}

impl fmt::Display for AlgorithmSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Takes an id (`0x0578`) or a name, with or without `ALG_`, in any case.
impl FromStr for AlgorithmSuite {
    type Err = UnknownSuite;

    fn from_str(text: &str) -> Result<Self, UnknownSuite> {
        let by_id = text
            .strip_prefix("0x")
            .or_else(|| text.strip_prefix("0X"))
            .filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|hex| u16::from_str_radix(hex, 16).ok())
            .and_then(Self::from_id);
        let wanted = folded(text);
        by_id
            .or_else(|| Self::ALL.into_iter().find(|suite| folded(suite.name()) == wanted))
            .ok_or(UnknownSuite)
    }
}

/// A text that names no algorithm suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an algorithm suite: give an id such as 0x0578 or a name from the specification")]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
pub struct UnknownSuite;

/// A version of the message format.
///
/// Spec: message-header, "Supported Versions".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MessageVersion {
    /// 1: the suites without key commitment.
    V1,
    /// 2: the suites with key commitment.
    V2,
}

impl MessageVersion {
    /// The byte that is written in a message.
    pub fn to_byte(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }

    /// Length of the message id, in bytes.
    pub fn message_id_len(self) -> usize {
        match self {
            Self::V1 => 16,
            Self::V2 => 32,
        }
    }
}

/// How the content key comes from the data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Derivation {
    /// It is the data key.
    Identity,
    /// HKDF with this hash, bound to suite and message id.
    Hkdf(Hash),
    /// HKDF-SHA-512 salted with the message id; a second output commits to the key.
    Commit,
}

struct Parameters {
    id: u16,
    name: &'static str,
    data_key_len: usize,
    derivation: Derivation,
    signature: Option<Curve>,
}

/// Names differ between the official clients in `_`, case and prefix only.
fn folded(name: &str) -> String {
    let folded: String =
        name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_uppercase()).collect();
    folded.strip_prefix("ALG").map(str::to_owned).unwrap_or(folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_lead_back() {
        for suite in AlgorithmSuite::ALL {
            assert_eq!(AlgorithmSuite::from_id(suite.id()), Some(suite));
            assert_eq!(suite.name().parse(), Ok(suite));
            assert_eq!(suite.name().trim_start_matches("ALG_").parse(), Ok(suite));
            assert_eq!(format!("0x{:04x}", suite.id()).parse(), Ok(suite));
        }
        assert_eq!("0x0000".parse::<AlgorithmSuite>(), Err(UnknownSuite));
        assert_eq!("AES_256".parse::<AlgorithmSuite>(), Err(UnknownSuite));
        assert_eq!("0x+578".parse::<AlgorithmSuite>(), Err(UnknownSuite));
    }

    /// The low byte of an id is the key length in bits as decimal digits of its hexadecimal form.
    #[test]
    fn key_lengths_follow_the_ids() {
        for suite in AlgorithmSuite::ALL {
            let expected = match suite.id() & 0xff {
                0x14 => 16,
                0x46 => 24,
                0x78 => 32,
                other => panic!("unexpected low byte {other:02x}"),
            };
            assert_eq!(suite.data_key_len(), expected);
        }
    }

    #[test]
    fn committing_suites_are_version_2() {
        for suite in AlgorithmSuite::ALL {
            assert_eq!(suite.commits(), suite.id() >= 0x0400);
            assert_eq!(suite.message_version() == MessageVersion::V2, suite.commits());
            assert_eq!(suite.signs(), matches!(suite.id(), 0x0214 | 0x0346 | 0x0378 | 0x0578));
        }
    }
}
