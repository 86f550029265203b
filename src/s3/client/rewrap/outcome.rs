//! What came of rewrapping.

use crate::s3::keyring::WrappingAlgorithm;
use crate::s3::metadata::MetadataLocation;

/// What came of rewrapping one object: see [`Client::rewrap`](crate::s3::Client::rewrap).
///
/// ```
/// use waxseal::s3::{Outcome, Rewrapped};
///
/// fn may_forget_the_old_key(rewrapped: &Rewrapped) -> bool {
///     rewrapped.outcome() != Outcome::WouldRewrap && rewrapped.is_verified()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrapped {
    pub(super) outcome: Outcome,
    pub(super) from: Wrapping,
    pub(super) to: Wrapping,
    pub(super) location: MetadataLocation,
    pub(super) verified: bool,
    pub(super) e_tag: Option<String>,
}

impl Rewrapped {
    /// Whether it was changed.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// What wrapped the data key before; where it was done already, what wraps it now.
    pub fn from(&self) -> &Wrapping {
        &self.from
    }

    /// What wraps the data key now.
    pub fn to(&self) -> &Wrapping {
        &self.to
    }

    /// Where the wrapped data key is stored.
    pub fn location(&self) -> MetadataLocation {
        self.location
    }

    /// Whether the new keyring was seen to unwrap the data key. One with a public RSA key only cannot: nobody
    /// here knows then whether anyone has the private key.
    pub fn is_verified(&self) -> bool {
        self.verified
    }

    /// The ETag of what was written: the object, or the instruction file. `None` if nothing was.
    pub fn e_tag(&self) -> Option<&str> {
        self.e_tag.as_deref()
    }
}

/// What wraps a data key.
///
/// ```
/// use waxseal::s3::{Wrapping, WrappingAlgorithm};
///
/// fn is_by_kms(wrapping: &Wrapping) -> bool {
///     wrapping.algorithm() == WrappingAlgorithm::KmsContext
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapping {
    pub(super) algorithm: WrappingAlgorithm,
    pub(super) keyring: String,
}

impl Wrapping {
    /// The algorithm.
    pub fn algorithm(&self) -> WrappingAlgorithm {
        self.algorithm
    }

    /// The description of the keyring.
    pub fn keyring(&self) -> &str {
        &self.keyring
    }
}

/// Whether an object was changed.
///
/// ```
/// use waxseal::s3::Outcome;
///
/// assert_eq!(Outcome::AlreadyDone.as_str(), "already-done");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The new keyring opened it before; nothing was written.
    AlreadyDone,
    /// Its data key is wrapped anew.
    Rewrapped,
    /// It would have been, without [`dry_run`](crate::s3::Rewrap::dry_run).
    WouldRewrap,
}

impl Outcome {
    /// For programs: lower case, with hyphens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyDone => "already-done",
            Self::Rewrapped => "rewrapped",
            Self::WouldRewrap => "would-rewrap",
        }
    }
}
