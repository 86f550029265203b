//! Bytes that are not a message, and checks that failed.

use std::fmt;

/// Bytes that are not a message: which rule is broken, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid message: {reason} (at byte {offset})")]
pub struct InvalidMessage {
    reason: Malformed,
    offset: u64,
}

impl InvalidMessage {
    pub(crate) fn new(reason: Malformed, offset: u64) -> Self {
        Self { reason, offset }
    }

    /// Which rule is broken.
    pub fn reason(&self) -> &Malformed {
        &self.reason
    }

    /// Where, in bytes from the start of the message.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the message just ended too early.
    pub fn is_truncation(&self) -> bool {
        matches!(self.reason, Malformed::Truncated { .. })
    }
}

/// The rule of the message format that is broken.
///
/// Spec: data-format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The bytes look like the Base64 text of a message.
    #[error("it looks like Base64 text; decode it first")]
    Base64,
    /// The bytes of the context do not add up.
    #[error("the encryption context does not fill its {len} bytes exactly")]
    ContextLen {
        /// Stated length in bytes.
        len: u16,
    },
    /// A context key or value is not UTF-8.
    #[error("the encryption context is not UTF-8")]
    ContextNotUtf8,
    /// A context key occurs twice.
    #[error("an encryption context key occurs twice")]
    DuplicateContextKey,
    /// The final frame states more content than a frame holds.
    #[error("the final frame states {found} bytes but a frame holds {frame_len}")]
    FinalFrameLen {
        /// Stated length in bytes.
        found: u32,
        /// Frame length in bytes.
        frame_len: u32,
    },
    /// Framed content has frame length 0, or unframed content another one.
    #[error("frame length {found} does not fit the content type")]
    FrameLen {
        /// Stated length in bytes.
        found: u32,
    },
    /// The header's IV length is not 12.
    #[error("the IV length is {found}, not 12")]
    IvLen {
        /// Stated length in bytes.
        found: u8,
    },
    /// There is no encrypted data key.
    #[error("there is no encrypted data key")]
    NoEncryptedDataKeys,
    /// A frame is not of the kind that was asked for.
    #[error("frame {sequence_number} is not a {expected} frame")]
    FrameKind {
        /// Its number.
        sequence_number: u32,
        /// "regular" or "final".
        expected: &'static str,
    },
    /// A message of this length ends in a final frame that begins at a certain place, and there is none.
    #[error(
        "there is no final frame where one of {message_len} bytes has it: it was cut, extended or changed"
    )]
    NoFinalFrame {
        /// Length of the message in bytes.
        message_len: u64,
    },
    /// The suite signs but the context has no public key.
    #[error("the suite signs but the encryption context has no `aws-crypto-public-key`")]
    PublicKeyMissing,
    /// The suite does not sign but the context has a public key.
    #[error("the suite does not sign but the encryption context has `aws-crypto-public-key`")]
    PublicKeyUnexpected,
    /// The public key in the context is not a point of the suite's curve.
    #[error("`aws-crypto-public-key` is not a public key of the suite's curve")]
    PublicKeyInvalid,
    /// The reserved bytes are not zero.
    #[error("the reserved bytes are not zero")]
    Reserved,
    /// Frames are out of order.
    #[error("frame {expected} should come next, not {found}")]
    Sequence {
        /// The number that should come.
        expected: u32,
        /// The number that came.
        found: u32,
    },
    /// A suite of one format version in a message of another.
    #[error("suite 0x{suite:04x} does not belong in a version {version} message")]
    SuiteVersion {
        /// Suite id.
        suite: u16,
        /// Version byte.
        version: u8,
    },
    /// There are bytes after the end.
    #[error("there are bytes after the end of the message")]
    TrailingBytes,
    /// It ended too early.
    #[error("it ends too early, in {field}")]
    Truncated {
        /// The part that is not complete.
        field: &'static str,
    },
    /// Unframed content may have at most 2^36 - 32 bytes.
    #[error("unframed content of {found} bytes is longer than 2^36 - 32")]
    UnframedLen {
        /// Stated length in bytes.
        found: u64,
    },
    /// An unknown content type.
    #[error("unknown content type {found}")]
    UnknownContentType {
        /// The byte.
        found: u8,
    },
    /// An unknown algorithm suite.
    #[error("unknown algorithm suite 0x{found:04x}")]
    UnknownSuite {
        /// The id.
        found: u16,
    },
    /// An unknown message type.
    #[error("unknown message type 0x{found:02x}")]
    UnknownType {
        /// The byte.
        found: u8,
    },
    /// An unknown format version.
    #[error("unknown message format version {found}")]
    UnknownVersion {
        /// The byte.
        found: u8,
    },
}

/// The stage at which a cryptographic check failed, and nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// The unframed body, or the content of an object in S3.
    Body,
    /// The key commitment.
    Commitment,
    /// This frame (numbered from 1).
    Frame(u32),
    /// The header.
    Header,
    /// The signature over the whole message.
    Signature,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => f.write_str("the body"),
            Self::Commitment => f.write_str("the key commitment"),
            Self::Frame(sequence_number) => write!(f, "frame {sequence_number}"),
            Self::Header => f.write_str("the header"),
            Self::Signature => f.write_str("the signature"),
        }
    }
}
