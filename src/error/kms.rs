//! Calls to AWS KMS that gave no usable answer.

use std::fmt;

use super::excerpt::{Excerpt, Saying};

/// A call to AWS KMS that gave no usable answer: which operation, with which key, why, and what to do.
///
/// ```
/// use waxseal::kms::{KmsError, KmsFailure};
///
/// fn should_wait(error: &KmsError) -> bool {
///     matches!(error.failure(), KmsFailure::Throttled | KmsFailure::Unavailable)
/// }
/// ```
#[derive(Debug)]
pub struct KmsError(Box<FailedCall>);

/// What is known about a call that failed.
#[derive(Debug)]
pub(crate) struct FailedCall {
    pub(crate) operation: &'static str,
    pub(crate) key: String,
    pub(crate) failure: KmsFailure,
    /// The service's own words.
    pub(crate) said: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl From<FailedCall> for KmsError {
    fn from(call: FailedCall) -> Self {
        Self(Box::new(call))
    }
}

impl KmsError {
    /// The operation, such as `Decrypt`.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The key as it was named in the call: an ARN, except where the keyring was given something else.
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// Why it failed.
    pub fn failure(&self) -> &KmsFailure {
        &self.0.failure
    }

    /// The request id, for AWS support and CloudTrail.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }
}

impl fmt::Display for KmsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FailedCall { operation, key, failure, said, request_id, source: _ } = &*self.0;
        write!(f, "AWS KMS {operation} with key `{}` failed: {failure}", Excerpt(key.as_bytes()))?;
        match (said, request_id) {
            (Some(said), Some(id)) => {
                write!(f, " (AWS says: {}; request {})", Saying(said), Excerpt(id.as_bytes()))
            }
            (Some(said), None) => write!(f, " (AWS says: {})", Saying(said)),
            (None, Some(id)) => write!(f, " (request {})", Excerpt(id.as_bytes())),
            (None, None) => Ok(()),
        }
    }
}

impl std::error::Error for KmsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

/// Why AWS KMS did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KmsFailure {
    /// These credentials may not do it.
    #[error(
        "access is denied: the credentials need `{action}` on this key, from its key policy, an IAM policy or a grant"
    )]
    AccessDenied {
        /// The IAM action, such as `kms:Decrypt`.
        action: String,
    },
    /// There are no credentials, or they are expired or unknown.
    #[error("there are no valid credentials: provide some, or renew those that expired")]
    Credentials,
    /// The ciphertext does not open. AWS does not say more, on purpose.
    #[error(
        "the encryption context differs from the one it was wrapped with, or it was changed on its way"
    )]
    ContextMismatch,
    /// The key is disabled.
    #[error("the key is disabled: enable it to use it")]
    Disabled,
    /// A grant token is unknown or used up.
    #[error("a grant token is not valid: ask for a new one")]
    GrantToken,
    /// The ciphertext was made with another key.
    #[error("it was wrapped with another key than this one")]
    IncorrectKey,
    /// The key is in a state that does not allow it.
    #[error("the key is in a state that does not allow it: look it up with DescribeKey")]
    InvalidState,
    /// The key is for something else, such as signing.
    #[error("the key is of another kind or for another use: look it up with DescribeKey")]
    KeyUsage,
    /// There is no such key.
    #[error("there is no such key there: check identifier, account and region")]
    NotFound,
    /// The key will be deleted.
    #[error("the key is pending deletion: cancel its deletion to use it")]
    PendingDeletion,
    /// Too many calls.
    #[error("too many calls: raise the quota, or cache data keys with a `CachingManager`")]
    Throttled,
    /// No answer in time.
    #[error("it timed out: check the network and the time-outs of the client")]
    TimedOut,
    /// AWS KMS itself failed.
    #[error("the service is not available: try again")]
    Unavailable,
    /// No connection, or one that broke; with the words of the one who noticed.
    #[error(
        "there is no connection ({}): check the network and the endpoint of the client", Saying(.0)
    )]
    Unreachable(String),
    /// The answer is not one to this call.
    #[error("the answer is wrong: {0}")]
    WrongAnswer(String),
    /// The key is in another region than the client.
    #[error(
        "the key is in {0}, but the client is for {client}: use a client for {0}",
        Excerpt(key.as_bytes())
    )]
    WrongRegion {
        /// Region of the key.
        key: String,
        /// Region of the client.
        client: String,
    },
    /// Something else, by the service's code for it, or the SDK's words.
    #[error("{}", Excerpt(.0.as_bytes()))]
    Other(String),
}
