//! Calls to Amazon S3 that gave no usable answer.

use std::fmt;

use super::excerpt::{Excerpt, Saying};

/// A call to Amazon S3 that gave no usable answer: which operation, on what, why, and what to do.
///
/// Its source is the SDK's own error, for those who look for more.
///
/// ```
/// use waxseal::Error;
/// use waxseal::s3::S3Failure;
///
/// fn is_missing(error: &Error) -> bool {
///     matches!(error, Error::S3(error) if *error.failure() == S3Failure::NoSuchKey)
/// }
/// ```
#[derive(Debug)]
pub struct S3Error(Box<FailedS3Call>);

/// What is known about a call that failed.
#[derive(Debug)]
pub(crate) struct FailedS3Call {
    pub(crate) operation: &'static str,
    /// `bucket/key`, or just the bucket.
    pub(crate) on: String,
    pub(crate) failure: S3Failure,
    pub(crate) status: Option<u16>,
    /// The service's own words.
    pub(crate) said: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl From<FailedS3Call> for S3Error {
    fn from(call: FailedS3Call) -> Self {
        Self(Box::new(call))
    }
}

impl S3Error {
    /// The operation, such as `PutObject`.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// What it was about: `bucket/key`, or the bucket alone.
    pub fn on(&self) -> &str {
        &self.0.on
    }

    /// Why it failed.
    pub fn failure(&self) -> &S3Failure {
        &self.0.failure
    }

    /// The HTTP status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The request id, for AWS support.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FailedS3Call { operation, on, failure, status: _, said, request_id, source: _ } =
            &*self.0;
        write!(f, "S3 {operation} of `{}` failed: {failure}", Excerpt(on.as_bytes()))?;
        match (said, request_id) {
            (Some(said), Some(id)) => {
                write!(f, " (S3 says: {}; request {})", Saying(said), Excerpt(id.as_bytes()))
            }
            (Some(said), None) => write!(f, " (S3 says: {})", Saying(said)),
            (None, Some(id)) => write!(f, " (request {})", Excerpt(id.as_bytes())),
            (None, None) => Ok(()),
        }
    }
}

impl std::error::Error for S3Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

/// Why Amazon S3 did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum S3Failure {
    /// These credentials may not do it.
    #[error(
        "access is denied: the credentials need `{action}` on it, from an IAM policy or the bucket policy"
    )]
    AccessDenied {
        /// The IAM action, such as `s3:GetObject`.
        action: String,
    },
    /// Another request for the same object was faster.
    #[error("another request for the same object is under way or was faster: look, and try again")]
    Conflict,
    /// There are no credentials, or they are expired or unknown.
    #[error("there are no valid credentials: provide some, or renew those that expired")]
    Credentials,
    /// There is no such bucket.
    #[error("there is no such bucket")]
    NoSuchBucket,
    /// There is no such object.
    #[error("there is no such object")]
    NoSuchKey,
    /// There is no such multipart upload.
    #[error("there is no such multipart upload: it was completed or aborted")]
    NoSuchUpload,
    /// A condition of the request does not hold.
    #[error(
        "a condition of the request does not hold: the object is there already, or is another one by now"
    )]
    PreconditionFailed,
    /// The object is as the caller has it.
    #[error("the object has not changed")]
    NotModified,
    /// Too many calls.
    #[error("too many calls: slow down, and try again")]
    Throttled,
    /// No answer in time.
    #[error("it timed out: check the network and the time-outs of the client")]
    TimedOut,
    /// Amazon S3 itself failed.
    #[error("the service is not available: try again")]
    Unavailable,
    /// No connection, or one that broke; with the words of the one who noticed.
    #[error("the connection failed ({}): check the network and the endpoint of the client", Saying(.0))]
    Unreachable(String),
    /// The answer is not one to this call.
    #[error("the answer is wrong: {0}")]
    WrongAnswer(String),
    /// Something else, by the service's code for it, or the SDK's words.
    #[error("{}", Excerpt(.0.as_bytes()))]
    Other(String),
}
