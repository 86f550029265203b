//! Data keys that could not be had.

use std::fmt;

use super::excerpt::{MAX_NAMES, more};
#[cfg(feature = "kms")]
use super::kms::KmsError;
#[cfg(feature = "s3")]
use super::kms::KmsFailure;
use super::{ContextError, Error};

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
    /// The data key of an object in Amazon S3 could not be unwrapped: every attempt, and what it asks for.
    #[cfg(feature = "s3-format")]
    #[error(
        "no keyring opens the object: {}; its data key is wrapped with {asks_for}",
        Attempts(attempts)
    )]
    #[non_exhaustive]
    Object {
        /// What was tried, and where no keyring fits, that.
        attempts: Vec<Attempt>,
        /// The wrapping algorithm, and how the raw key is described.
        asks_for: String,
    },
    /// AWS KMS did not make or wrap the data key.
    #[cfg(feature = "kms")]
    #[error("the {keyring} could not wrap the data key: {failure}")]
    #[non_exhaustive]
    Kms {
        /// The keyring's description.
        keyring: String,
        /// Why.
        failure: KmsError,
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
    /// Which encrypted data key, counted from 0 in the order of the message. An object in Amazon S3 has one.
    pub index: usize,
    /// Why it failed.
    pub failure: UnwrapFailure,
}

impl Attempt {
    /// Describes one failed attempt.
    pub fn new(keyring: impl Into<String>, index: usize, failure: UnwrapFailure) -> Self {
        Self { keyring: keyring.into(), index, failure }
    }

    /// Whether it says that the keyring can never open it. A service that does not answer says nothing.
    #[cfg(feature = "s3")]
    pub(crate) fn is_certain(&self) -> bool {
        match &self.failure {
            UnwrapFailure::Malformed(_)
            | UnwrapFailure::NoPrivateKey
            | UnwrapFailure::Unable(_)
            | UnwrapFailure::Unauthentic
            | UnwrapFailure::WrongLen { .. } => true,
            UnwrapFailure::Kms(error) => {
                matches!(error.failure(), KmsFailure::IncorrectKey | KmsFailure::ContextMismatch)
            }
            UnwrapFailure::Several(attempts) => attempts.iter().all(Self::is_certain),
            UnwrapFailure::Other(_) => false,
        }
    }
}

/// Why an encrypted data key that matches a keyring could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnwrapFailure {
    /// The encrypted data key is not of the form that this keyring writes.
    #[error("it is malformed ({0})")]
    Malformed(&'static str),
    /// AWS KMS did not open it.
    #[cfg(feature = "kms")]
    #[error(transparent)]
    Kms(KmsError),
    /// The keyring has only a public key.
    #[error("the keyring has no private key")]
    NoPrivateKey,
    /// A service or device behind the keyring failed.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
    /// Each of several keyrings failed to unwrap the data key of an object.
    #[cfg(feature = "s3-format")]
    #[error("{}", Attempts(.0))]
    Several(Vec<Attempt>),
    /// The keyring, as it was set up, cannot open such a one.
    #[error("{0}")]
    Unable(String),
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
#[cfg(feature = "kms")]
impl From<KmsError> for UnwrapFailure {
    fn from(error: KmsError) -> Self {
        Self::Kms(error)
    }
}

/// So that `?` works while a data key is opened.
impl From<ContextError> for UnwrapFailure {
    fn from(error: ContextError) -> Self {
        Self::Other(error.into())
    }
}

/// An object has one wrapped data key, so that only the keyrings need names.
#[cfg(feature = "s3-format")]
struct Attempts<'a>(&'a [Attempt]);

#[cfg(feature = "s3-format")]
impl fmt::Display for Attempts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Attempt { keyring, index: _, failure }) in self.0.iter().take(MAX_NAMES).enumerate()
        {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{keyring}: {failure}")?;
        }
        more(f, self.0.len())
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
