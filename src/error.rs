//! What can go wrong, and nothing that should stay secret.
//!
//! A failed cryptographic check says only at which stage it failed; a malformed message says which
//! field broke which rule at which offset; a refusal by policy names the setting that would allow it.

use std::fmt;
use std::io;

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
    /// A wrong order of calls or a wrong parameter; never caused by the bytes of a message.
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
    /// Valid, but not allowed; names the setting that would allow it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
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
        let kind = match &error {
            Error::Io(failure) => failure.source.kind(),
            Error::InvalidMessage(_) | Error::Unauthentic(_) | Error::Value(_) => {
                io::ErrorKind::InvalidData
            }
            Error::Policy(_) | Error::Keyring(_) => io::ErrorKind::PermissionDenied,
            Error::ApiMisuse(_) => io::ErrorKind::InvalidInput,
            Error::Backend(_) => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// A wrong order of calls or a wrong parameter; never caused by the bytes of a message.
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
    /// The caller gave a context key that starts with `aws-crypto-`.
    #[error("the encryption context key `{}` is reserved: keys may not start with `aws-crypto-`", .key.escape_debug())]
    ReservedContextKey {
        /// The key.
        key: String,
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
    /// The unframed body.
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

/// Valid, but not allowed; each names the setting that would allow it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The commitment policy forbids this suite.
    #[error("commitment policy {policy} does not allow to {action} with suite {suite}")]
    Commitment {
        /// The policy in force.
        policy: &'static str,
        /// "encrypt" or "decrypt".
        action: &'static str,
        /// The suite's name.
        suite: &'static str,
    },
    /// The header's value for a required context key is another one.
    #[error("the encryption context has another value for `{}` than the one required", Excerpt(.key.as_bytes()))]
    ContextMismatch {
        /// The key.
        key: String,
    },
    /// A required context key is not in the header.
    #[error("the encryption context has no `{}`, which is required", Excerpt(.key.as_bytes()))]
    ContextMissing {
        /// The key.
        key: String,
    },
    /// Required pairs are not in the header, and with them the message does not verify: most likely it
    /// was not made with them.
    #[error(
        "the message does not verify with {}, which the header does not have but which is required",
        Names(keys)
    )]
    ContextNotAuthenticated {
        /// The keys of all such pairs.
        keys: Vec<String>,
        /// What failed when it was taken as authenticated but not stored.
        source: Box<Error>,
    },
    /// A frame, or the unframed body, is longer than the limit.
    #[error("frames of {found} bytes are longer than `max_frame_len` = {limit}")]
    FrameLen {
        /// Stated length in bytes.
        found: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The header is longer than the limit.
    #[error("the header is longer than `max_header_len` = {limit} bytes")]
    HeaderLen {
        /// The limit in bytes.
        limit: usize,
    },
    /// The message is signed, and signed messages may not be streamed.
    #[error(
        "the message is signed, and `signed_streaming` refuses to release what is not verified to the end"
    )]
    SignedStreaming,
    /// There are more encrypted data keys than the limit.
    #[error("{found} encrypted data keys are more than `max_encrypted_data_keys` = {limit}")]
    TooManyEncryptedDataKeys {
        /// How many there are.
        found: usize,
        /// The limit.
        limit: u16,
    },
}

/// No data key could be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// No encrypted data key could be opened: every attempt, and what the message offers.
    #[error("no keyring opens the message: {}", NoDataKey { attempts, offered })]
    NoDataKey {
        /// What was tried; empty when no keyring matched anything in the message.
        attempts: Vec<Attempt>,
        /// Names of the encrypted data keys in the message, in order.
        offered: Vec<String>,
    },
    /// A keyring could not wrap the data key. [`KeyringError::wrap`] makes one.
    #[error("{keyring} could not wrap the data key: {reason}")]
    #[non_exhaustive]
    Wrap {
        /// The keyring's description.
        keyring: String,
        /// Why.
        reason: String,
        /// What was behind it, if a service or device failed.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl KeyringError {
    /// Says which keyring could not wrap the data key, and why.
    pub fn wrap(keyring: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Wrap { keyring: keyring.into(), reason: reason.into(), source: None }
    }

    /// The same, with what failed behind it.
    pub fn wrap_source(
        keyring: impl Into<String>,
        reason: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Wrap { keyring: keyring.into(), reason: reason.into(), source: Some(source.into()) }
    }
}

/// One encrypted data key that a keyring took for its own and could not open.
///
/// ```
/// use waxseal::{AesKey, Error, KeyringError, RawAesKeyring};
///
/// let ours = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let namesake = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"hello", &ours).now()?;
/// let Err(Error::Keyring(KeyringError::NoDataKey { attempts, .. })) =
///     waxseal::decrypt(&message, &namesake).now()
/// else {
///     panic!("another key opened the message");
/// };
/// assert_eq!(attempts.len(), 1);
/// assert_eq!(attempts[0].index, 0);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The keyring's description.
    pub keyring: String,
    /// Which encrypted data key, counted from 0 in the order of the message.
    pub index: usize,
    /// Why it failed.
    pub failure: UnwrapFailure,
}

impl Attempt {
    /// Describes one failed attempt.
    pub fn new(keyring: impl Into<String>, index: usize, failure: UnwrapFailure) -> Self {
        Self { keyring: keyring.into(), index, failure }
    }
}

/// Why an encrypted data key that matches a keyring could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnwrapFailure {
    /// The encrypted data key is not of the form that this keyring writes.
    #[error("it is malformed ({0})")]
    Malformed(&'static str),
    /// The keyring has only a public key.
    #[error("the keyring has no private key")]
    NoPrivateKey,
    /// A service or device behind the keyring failed.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
    /// The wrapping key or the encryption context is not the one that wrapped it.
    #[error("the wrapping key or the encryption context differs, or it was changed")]
    Unauthentic,
    /// It opened, but to a data key that does not fit the suite.
    #[error("it holds {found} bytes, but the suite needs {expected}")]
    WrongLen {
        /// Bytes that the suite needs.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
}

/// So that `?` works while a data key is opened.
impl From<Error> for UnwrapFailure {
    fn from(error: Error) -> Self {
        Self::Other(error.into())
    }
}

/// So that `?` works while a data key is opened.
impl From<ContextError> for UnwrapFailure {
    fn from(error: ContextError) -> Self {
        Self::Other(error.into())
    }
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

/// Names from a message are an attacker's text: escaped and cut before they reach a terminal.
pub(crate) struct Excerpt<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(text) = std::str::from_utf8(self.0) else {
            f.write_str("0x")?;
            for byte in self.0.iter().take(EXCERPT_BYTES) {
                write!(f, "{byte:02x}")?;
            }
            return f.write_str(if self.0.len() > EXCERPT_BYTES { "..." } else { "" });
        };
        for c in text.chars().take(EXCERPT_CHARS) {
            write!(f, "{}", c.escape_debug())?;
        }
        if text.chars().nth(EXCERPT_CHARS).is_some() {
            f.write_str("...")?;
        }
        Ok(())
    }
}

/// Names in a list.
struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.0.iter().take(MAX_NAMES).enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}`{}`", Excerpt(name.as_bytes()))?;
        }
        more(f, self.0.len())
    }
}

/// Says how many of a long list were left out.
fn more(f: &mut fmt::Formatter<'_>, len: usize) -> fmt::Result {
    match len.saturating_sub(MAX_NAMES) {
        0 => Ok(()),
        left => write!(f, " and {left} more"),
    }
}

struct NoDataKey<'a> {
    attempts: &'a [Attempt],
    offered: &'a [String],
}

impl fmt::Display for NoDataKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attempts.is_empty() {
            f.write_str("none has a key that it asks for")?;
        }
        for (i, attempt) in self.attempts.iter().take(MAX_NAMES).enumerate() {
            let Attempt { keyring, index, failure } = attempt;
            let separator = if i == 0 { "" } else { "; " };
            write!(
                f,
                "{separator}{keyring} tried encrypted data key {}: {failure}",
                index.saturating_add(1)
            )?;
        }
        more(f, self.attempts.len())?;
        let offered = self.offered.get(..MAX_NAMES).unwrap_or(self.offered);
        write!(f, "; it asks for {}", offered.join(", "))?;
        more(f, self.offered.len())
    }
}

/// A sentence stays readable whatever a message holds; the fields have all of it.
const MAX_NAMES: usize = 10;
/// Long enough for any key ARN.
const EXCERPT_CHARS: usize = 200;
/// Enough to tell two keys apart.
const EXCERPT_BYTES: usize = 32;

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
