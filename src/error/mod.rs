//! What can go wrong, and nothing that should stay secret.
//!
//! A failed cryptographic check says only at which stage it failed; a malformed message says which
//! field broke which rule at which offset; a refusal by policy names the setting that would allow it.

mod excerpt;
mod invalid;
mod keyring;
#[cfg(feature = "kms")]
mod kms;
#[cfg(feature = "s3-format")]
mod object;
mod policy;
#[cfg(feature = "s3")]
mod s3;

use std::io;
use std::sync::Arc;

pub(crate) use excerpt::Excerpt;
pub use invalid::{InvalidMessage, Malformed, Stage};
pub use keyring::{Attempt, KeyringError, UnwrapFailure};
#[cfg(feature = "kms")]
pub(crate) use kms::FailedCall;
#[cfg(feature = "kms")]
pub use kms::{KmsError, KmsFailure};
#[cfg(feature = "s3-format")]
pub use object::ObjectError;
pub use policy::PolicyError;
#[cfg(feature = "s3")]
pub(crate) use s3::FailedS3Call;
#[cfg(feature = "s3")]
pub use s3::{S3Error, S3Failure};

/// Any failure of this crate.
///
/// `Display` is one sentence and never repeats [`source`](std::error::Error::source).
///
/// ```
/// use waxseal::{AesKey, Error, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let error = waxseal::decrypt(b"not a message", &keyring).now().unwrap_err();
/// assert!(matches!(error, Error::InvalidMessage(_)));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A wrong order of calls or a wrong parameter.
    #[error(transparent)]
    ApiMisuse(#[from] ApiMisuse),
    /// The backend or the operating system could not do what it always can (no randomness, say).
    #[error("the cryptographic backend failed to {0}")]
    Backend(&'static str),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(IoFailure),
    /// The bytes are not a message: which field, which rule, at which offset.
    #[error(transparent)]
    InvalidMessage(#[from] InvalidMessage),
    /// No data key could be had.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// An object of Amazon S3 is not as its format has it.
    #[cfg(feature = "s3-format")]
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// Valid, but not allowed; names the setting that would allow it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A call to Amazon S3 gave no usable answer.
    #[cfg(feature = "s3")]
    #[error(transparent)]
    S3(#[from] S3Error),
    /// One call served several callers and failed for all of them; [`unshared`](Self::unshared) is what
    /// failed.
    #[error(transparent)]
    Shared(Arc<Self>),
    /// A cryptographic check failed. Nothing after this stage was released.
    #[error("the message is not authentic: {0} does not verify")]
    Unauthentic(Stage),
    /// A value could not be turned into CBOR or back.
    #[error(transparent)]
    Value(ValueError),
}

/// An input or output error, with what was being done.
#[derive(Debug, thiserror::Error)]
#[error("{action} failed")]
pub struct IoFailure {
    action: &'static str,
    source: io::Error,
}

impl IoFailure {
    /// The underlying error.
    pub fn get_ref(&self) -> &io::Error {
        &self.source
    }
}

impl Error {
    pub(crate) fn io(action: &'static str, source: io::Error) -> Self {
        match source.downcast::<Self>() {
            Ok(error) => error,
            Err(source) => Self::Io(IoFailure { action, source }),
        }
    }

    /// The failure itself, also where several callers share it: match on this one.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use waxseal::{Error, Stage};
    ///
    /// let shared = Error::Shared(Arc::new(Error::Unauthentic(Stage::Header)));
    /// assert!(matches!(shared.unshared(), Error::Unauthentic(Stage::Header)));
    /// ```
    pub fn unshared(&self) -> &Self {
        let mut error = self;
        while let Self::Shared(inner) = error {
            error = inner;
        }
        error
    }

    /// Gets back the error that a reader or writer of this crate put into an [`io::Error`].
    ///
    /// Any other input or output error becomes [`Error::Io`].
    pub fn from_io(error: io::Error) -> Self {
        Self::io("reading or writing", error)
    }
}

/// For use inside `Read` and `Write`; [`Error::from_io`] is the way back.
///
/// A message that ends too early is `InvalidData`, not `UnexpectedEof`: loops around `read_exact` take
/// the latter for a clean end, and would not see that a message was cut.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.unshared() {
            Error::Io(failure) => failure.source.kind(),
            Error::InvalidMessage(_) | Error::Unauthentic(_) | Error::Value(_) => {
                io::ErrorKind::InvalidData
            }
            #[cfg(feature = "s3-format")]
            Error::Object(_) => io::ErrorKind::InvalidData,
            Error::Policy(_) | Error::Keyring(_) => io::ErrorKind::PermissionDenied,
            Error::ApiMisuse(_) => io::ErrorKind::InvalidInput,
            #[cfg(feature = "s3")]
            Error::S3(_) => io::ErrorKind::Other,
            Error::Backend(_) | Error::Shared(_) => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// A wrong order of calls or a wrong parameter. Not a fault of a message, though what is right may depend on it: a buffer
/// for its plaintext is too short, or it has no frames to take out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiMisuse {
    /// The encryption context given cannot be encoded.
    #[error("the encryption context cannot be encoded: {0}")]
    Context(ContextError),
    /// Frames must be numbered 1 to 2^32 - 1, and only the final one may have the last number.
    #[error(
        "the message needs more than 2^32 - 1 frames of {frame_len} bytes; raise the frame length"
    )]
    TooManyFrames {
        /// Frame length in bytes.
        frame_len: u32,
    },
    /// A frame's plaintext, ciphertext or output buffer has the wrong length.
    #[error("{what} must be {expected} bytes, not {found}")]
    BufferLen {
        /// Which buffer.
        what: &'static str,
        /// Bytes needed.
        expected: u64,
        /// Bytes given.
        found: u64,
    },
    /// The output buffer of a call that needs room for everything is too short.
    #[error("the output has {found} bytes, but needs {needed}")]
    BufferTooShort {
        /// Bytes needed.
        needed: u64,
        /// Bytes given.
        found: u64,
    },
    /// The frame length must be at least one byte.
    #[error("the frame length must be at least 1 byte")]
    FrameLenZero,
    /// A key is unusable.
    #[error("the key is unusable: {0}")]
    Key(String),
    /// Two different values were required for one context key.
    #[error("two different values were required for the encryption context key `{}`", Excerpt(.key.as_bytes()))]
    RequiredTwice {
        /// The key.
        key: String,
    },
    /// A keyring's name or namespace is unusable.
    #[error("the keyring's {what} is unusable: {why}")]
    KeyName {
        /// "namespace" or "name".
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An AWS KMS keyring cannot be set up so.
    #[cfg(feature = "kms")]
    #[error("{0}")]
    Kms(String),
    /// A materials manager or keyring broke its contract.
    #[error("the materials manager broke its contract: {0}")]
    Materials(&'static str),
    /// Called in the wrong order.
    #[error("{0}")]
    Order(&'static str),
    /// More plaintext was given than the bound that was set.
    #[error("the plaintext is longer than the bound of {bound} bytes that was set")]
    PlaintextBound {
        /// The bound in bytes.
        bound: u64,
    },
    /// Used again after it failed.
    #[error("used again after it failed")]
    Poisoned,
    /// A range that the plaintext does not have; HTTP servers answer these with status 416.
    #[error("the range {range} is not satisfiable: the plaintext has {len} bytes")]
    Range {
        /// What was asked for.
        range: String,
        /// Length of the plaintext in bytes.
        len: u64,
    },
    /// The caller gave a context key that starts with `aws-crypto-`.
    #[error("the encryption context key `{}` is reserved: keys may not start with `aws-crypto-`", .key.escape_debug())]
    ReservedContextKey {
        /// The key.
        key: String,
    },
    /// A key of metadata, or of an encryption context, that the S3 encryption client keeps for itself.
    #[cfg(feature = "s3-format")]
    #[error("the {what} key `{}` is reserved for the S3 encryption client", Excerpt(.key.as_bytes()))]
    ReservedObjectKey {
        /// "metadata" or "encryption context".
        what: &'static str,
        /// The key.
        key: String,
    },
    /// A setting cannot be had.
    #[error("the {what} is unusable: {why}")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A keyring that has to wait was used without waiting.
    #[error("the keyring has to wait for something, so it needs `.await` instead of `.now()`")]
    WouldWait,
}

/// Why an encryption context cannot be encoded.
///
/// Spec: structures, "Encryption Context".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// A key has more than 65,535 bytes.
    #[error("a key has {len} bytes, more than 65535")]
    KeyTooLong {
        /// Bytes.
        len: usize,
    },
    /// All pairs together encode to more than 65,535 bytes.
    #[error("all pairs together take {len} bytes, more than 65535")]
    TooLong {
        /// Bytes.
        len: usize,
    },
    /// There are more than 65,535 pairs.
    #[error("there are {count} pairs, more than 65535")]
    TooManyPairs {
        /// Pairs.
        count: usize,
    },
    /// A value has more than 65,535 bytes.
    #[error("the value of `{}` has {len} bytes, more than 65535", Excerpt(.key.as_bytes()))]
    ValueTooLong {
        /// Its key.
        key: String,
        /// Bytes.
        len: usize,
    },
}

/// So that `?` works while a data key is wrapped.
impl From<ContextError> for Error {
    fn from(error: ContextError) -> Self {
        ApiMisuse::Context(error).into()
    }
}

/// A value that could not be turned into CBOR or back.
#[derive(Debug, thiserror::Error)]
#[error("the value cannot be {action} as CBOR: {reason}")]
pub struct ValueError {
    action: &'static str,
    reason: String,
}

impl ValueError {
    pub(crate) fn new(action: &'static str, reason: String) -> Self {
        Self { action, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_escaped_and_cut() {
        assert_eq!(Excerpt(b"a\x1b[2J").to_string(), "a\\u{1b}[2J");
        assert_eq!(Excerpt(b"a\xff").to_string(), "0x61ff");
        assert_eq!(Excerpt(&[b'x'; 300]).to_string().len(), 203);
    }

    #[test]
    fn errors_survive_the_way_through_io() {
        let io = io::Error::from(Error::Unauthentic(Stage::Frame(3)));
        assert_eq!(io.kind(), io::ErrorKind::InvalidData);
        assert!(matches!(Error::from_io(io), Error::Unauthentic(Stage::Frame(3))));
    }

    #[test]
    fn display_never_repeats_its_source() {
        use std::error::Error as _;
        let io = Error::io("reading the message", io::Error::other("the disk is gone"));
        assert_eq!(io.to_string(), "reading the message failed");
        assert_eq!(io.source().unwrap().to_string(), "the disk is gone");
        let failure = UnwrapFailure::Other("the service is gone".into());
        assert_eq!(failure.to_string(), "the service is gone");
        assert!(failure.source().is_none());
    }

    #[test]
    fn long_lists_are_cut() {
        let offered: Vec<_> = (0..70_000).map(|i| format!("key {i}")).collect();
        let error = KeyringError::NoDataKey { attempts: Vec::new(), offered };
        assert!(error.to_string().ends_with("key 9 and 69990 more"), "{error}");
    }

    #[test]
    fn error_stays_small() {
        assert!(size_of::<Error>() <= 72, "{}", size_of::<Error>());
    }
}
