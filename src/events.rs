//! What an auditor compares with the records of a key service: one event for each time that a wrapping key
//! was used, or that a cache made it unnecessary. Without the feature `tracing`, nothing.
//!
//! Target `waxseal`; level DEBUG if it worked, WARN if it failed. Never a secret, never plaintext, never the
//! value of a context pair. Fields:
//!
//! | field | what |
//! |---|---|
//! | `operation` | `generate`, `wrap`, `unwrap`, `reuse` |
//! | `provider` | provider id, escaped and cut |
//! | `key` | name of the key (its ARN with AWS KMS, no IV with raw AES), escaped and cut |
//! | `outcome` | `ok`, or the kind of failure |
//! | `duration_us` | how long it took, in microseconds; not with `reuse` |
//! | `attempt` | with `unwrap`: which attempt of this keyring with this message it is, counted from 1 |
//! | `purpose` | with `reuse`: `encrypt` or `decrypt` |
//!
//! Each keyring tells of each use of its own key, right after it, whether it worked or not:
//!
//! - [`generated`] where the keyring made the data key and wrapped it: `GenerateDataKey` in AWS KMS, and a raw
//!   key where there was no data key yet;
//! - [`wrapped`] where the data key was there: `Encrypt` in AWS KMS;
//! - [`unwrapped`] for each encrypted data key that it tried: `Decrypt` in AWS KMS.
//!   [`UnwrapRequest::first_opened`](crate::UnwrapRequest::first_opened) does that for those who use it.
//!
//! ```text
//! let timer = events::start();
//! let result = self.client.decrypt()...send().await.map_err(...);
//! events::unwrapped(&timer, edk.provider_id(), edk.key_name(), attempts.len() + 1, &result);
//! ```

use crate::error::{Error, UnwrapFailure};
#[cfg(feature = "kms")]
use crate::error::{KeyringError, KmsError, KmsFailure};

/// When an operation began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timer {
    /// Where there is a clock.
    #[cfg(feature = "tracing")]
    started: Option<std::time::Duration>,
}

/// An operation begins.
pub(crate) fn start() -> Timer {
    Timer {
        #[cfg(feature = "tracing")]
        started: now(),
    }
}

/// A data key was made and wrapped under this key.
pub(crate) fn generated<T, E: Failure>(
    timer: &Timer,
    provider: &[u8],
    key: &[u8],
    result: &Result<T, E>,
) {
    Event { operation: "generate", provider, key, outcome: outcome(result), ..Event::at(timer) }
        .emit();
}

/// A data key that was there was wrapped under this key.
pub(crate) fn wrapped<T, E: Failure>(
    timer: &Timer,
    provider: &[u8],
    key: &[u8],
    result: &Result<T, E>,
) {
    Event { operation: "wrap", provider, key, outcome: outcome(result), ..Event::at(timer) }.emit();
}

/// An encrypted data key of this key was tried; `attempt` counts the keyring's attempts from 1.
pub(crate) fn unwrapped<T, E: Failure>(
    timer: &Timer,
    provider: &[u8],
    key: &[u8],
    attempt: usize,
    result: &Result<T, E>,
) {
    let attempt = u64::try_from(attempt).ok();
    let outcome = outcome(result);
    Event { operation: "unwrap", provider, key, outcome, attempt, ..Event::at(timer) }.emit();
}

/// A cache had the data key, which this key had wrapped, so that the key was not used.
pub(crate) fn reused(purpose: &'static str, provider: &[u8], key: &[u8]) {
    let purpose = Some(purpose);
    Event { operation: "reuse", provider, key, purpose, ..Event::default() }.emit();
}

#[derive(Default)]
#[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "nobody listens"))]
struct Event<'a> {
    timer: Option<Timer>,
    operation: &'static str,
    provider: &'a [u8],
    key: &'a [u8],
    outcome: Option<&'static str>,
    attempt: Option<u64>,
    purpose: Option<&'static str>,
}

impl Event<'_> {
    fn at(timer: &Timer) -> Self {
        Self { timer: Some(*timer), ..Self::default() }
    }

    #[cfg(not(feature = "tracing"))]
    #[expect(clippy::unused_self, reason = "nobody listens")]
    fn emit(self) {}

    #[cfg(feature = "tracing")]
    fn emit(self) {
        use crate::error::Excerpt;
        let Self { timer, operation, provider, key, outcome, attempt, purpose } = self;
        let (provider, key) = (Excerpt(provider), Excerpt(key));
        let started = timer.and_then(|Timer { started }| started);
        let duration_us = started.zip(now()).map(|(started, now)| {
            u64::try_from(now.saturating_sub(started).as_micros()).unwrap_or(u64::MAX)
        });
        match outcome {
            None => tracing::debug!(
                target: TARGET, operation, %provider, %key, outcome = "ok", duration_us, attempt, purpose
            ),
            Some(outcome) => tracing::warn!(
                target: TARGET, operation, %provider, %key, outcome, duration_us, attempt, purpose
            ),
        }
    }
}

/// The kind of a failure: a few words that hold nothing of the message.
pub(crate) trait Failure {
    fn kind(&self) -> &'static str;
}

impl Failure for Error {
    fn kind(&self) -> &'static str {
        match self.unshared() {
            Self::ApiMisuse(_) => "misuse",
            Self::Backend(_) => "backend",
            Self::Io(_) => "io",
            Self::InvalidMessage(_) => "invalid message",
            #[cfg(feature = "kms")]
            Self::Keyring(KeyringError::Kms { failure, .. }) => failure.kind(),
            Self::Keyring(_) => "keyring",
            #[cfg(feature = "s3-format")]
            Self::Object(_) => "object",
            Self::Policy(_) => "policy",
            #[cfg(feature = "s3")]
            Self::S3(_) => "s3",
            Self::Shared(_) => "shared",
            Self::Unauthentic(_) => "unauthentic",
            Self::Value(_) => "value",
        }
    }
}

impl Failure for UnwrapFailure {
    fn kind(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            #[cfg(feature = "kms")]
            Self::Kms(error) => error.kind(),
            Self::NoPrivateKey => "no private key",
            Self::Other(_) => "service",
            #[cfg(feature = "s3-format")]
            Self::Several(_) => "several",
            Self::Unable(_) => "unable",
            Self::Unauthentic => "unauthentic",
            Self::WrongLen { .. } => "wrong length",
        }
    }
}

#[cfg(feature = "kms")]
impl Failure for KmsError {
    fn kind(&self) -> &'static str {
        match self.failure() {
            KmsFailure::AccessDenied { .. } => "access denied",
            KmsFailure::ContextMismatch => "context mismatch",
            KmsFailure::Credentials => "credentials",
            KmsFailure::Disabled => "disabled",
            KmsFailure::GrantToken => "grant token",
            KmsFailure::IncorrectKey => "incorrect key",
            KmsFailure::InvalidState => "invalid state",
            KmsFailure::KeyUsage => "key usage",
            KmsFailure::NotFound => "not found",
            KmsFailure::Other(_) => "service",
            KmsFailure::PendingDeletion => "pending deletion",
            KmsFailure::Throttled => "throttled",
            KmsFailure::TimedOut => "timed out",
            KmsFailure::Unavailable => "unavailable",
            KmsFailure::Unreachable(_) => "unreachable",
            KmsFailure::WrongAnswer(_) => "wrong answer",
            KmsFailure::WrongRegion { .. } => "wrong region",
        }
    }
}

fn outcome<T, E: Failure>(result: &Result<T, E>) -> Option<&'static str> {
    result.as_ref().err().map(Failure::kind)
}

#[cfg(feature = "tracing")]
fn now() -> Option<std::time::Duration> {
    use crate::clock::{Clock, SystemClock};
    SystemClock::IS_THERE.then(|| SystemClock.now())
}

#[cfg(feature = "tracing")]
const TARGET: &str = "waxseal";
