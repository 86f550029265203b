//! Calls to Amazon S3, and what went wrong with them.

use std::borrow::Cow;
use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::FrameworkMetadata;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;
use aws_smithy_types::byte_stream::error::Error as BodyError;

use crate::error::{ApiMisuse, Error, FailedS3Call, S3Error, S3Failure};

/// One call: what is named in its errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) operation: &'static str,
    pub(crate) bucket: &'a str,
    /// Empty for calls about a bucket.
    pub(crate) key: &'a str,
}

impl<'a> Call<'a> {
    /// Takes bucket and key from an input, which must have both.
    pub(crate) fn new(
        operation: &'static str,
        bucket: &'a Option<String>,
        key: &'a Option<String>,
    ) -> Result<Self, Error> {
        Ok(Self { operation, bucket: named("bucket", bucket)?, key: named("key", key)? })
    }

    /// The same object, another operation.
    pub(crate) fn operation(self, operation: &'static str) -> Self {
        Self { operation, ..self }
    }

    /// Another object.
    pub(crate) fn key<'b>(self, key: &'b str) -> Call<'b>
    where
        'a: 'b,
    {
        Call { key, ..self }
    }

    pub(crate) fn failed(&self, failure: S3Failure) -> Error {
        self.failed_with(failure, None)
    }

    fn failed_with(
        &self,
        failure: S3Failure,
        source: Option<Box<dyn StdError + Send + Sync>>,
    ) -> Error {
        let on = self.on();
        let call = FailedS3Call {
            operation: self.operation,
            on,
            failure,
            status: None,
            said: None,
            request_id: None,
            source,
        };
        S3Error::from(call).into()
    }

    /// The body broke off. What our own bodies report comes back as it was.
    pub(crate) fn body_failed(&self, error: BodyError) -> Error {
        own_error(&error).unwrap_or_else(|| {
            self.failed_with(S3Failure::Unreachable(deepest(&error)), Some(error.into()))
        })
    }

    /// What the SDK says about a call.
    pub(crate) fn sdk_error<E>(&self, error: SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        // An error of ours in the body of a request comes back inside the SDK's.
        if let Some(own) = own_error(&error) {
            return own;
        }
        let request_id = error.request_id().map(str::to_owned);
        let said = error.message().filter(|text| !text.is_empty()).map(str::to_owned);
        let status = error.raw_response().map(|response| response.status().as_u16());
        let failure = match &error {
            SdkError::ServiceError(service) => self.service_failure(
                service.err().code().unwrap_or_default(),
                status.unwrap_or_default(),
            ),
            SdkError::TimeoutError(_) => S3Failure::TimedOut,
            SdkError::ResponseError(_) => S3Failure::WrongAnswer("it cannot be read".into()),
            error if chain(error).any(|e| e.is::<CredentialsError>()) => S3Failure::Credentials,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => S3Failure::TimedOut,
            SdkError::DispatchFailure(failure) if !failure.is_user() => {
                S3Failure::Unreachable(deepest(&error))
            }
            error => S3Failure::Other(deepest(error)),
        };
        let on = self.on();
        let source = Some(error.into());
        let call = FailedS3Call {
            operation: self.operation,
            on,
            failure,
            status,
            said,
            request_id,
            source,
        };
        S3Error::from(call).into()
    }

    fn service_failure(&self, code: &str, status: u16) -> S3Failure {
        match (code, status) {
            ("AccessDenied" | "AccessDeniedException" | "AllAccessDisabled", _)
            | ("" | "Forbidden", 403) => {
                S3Failure::AccessDenied { action: format!("s3:{}", self.action()) }
            }
            (
                "ExpiredToken"
                | "InvalidAccessKeyId"
                | "InvalidToken"
                | "SignatureDoesNotMatch"
                | "TokenRefreshRequired",
                _,
            ) => S3Failure::Credentials,
            ("NoSuchBucket", _) => S3Failure::NoSuchBucket,
            ("NoSuchUpload", _) => S3Failure::NoSuchUpload,
            ("NoSuchKey" | "NoSuchVersion" | "NotFound", _) | ("", 404) => S3Failure::NoSuchKey,
            ("PreconditionFailed", _) | ("", 412) => S3Failure::PreconditionFailed,
            ("NotModified", _) | ("", 304) => S3Failure::NotModified,
            ("ConditionalRequestConflict" | "OperationAborted", _) | ("", 409) => {
                S3Failure::Conflict
            }
            ("RequestTimeout", _) => S3Failure::TimedOut,
            (
                "SlowDown"
                | "Throttling"
                | "ThrottlingException"
                | "TooManyRequests"
                | "RequestLimitExceeded",
                _,
            )
            | ("", 429) => S3Failure::Throttled,
            ("InternalError" | "ServiceUnavailable", _) | ("", 500..) => S3Failure::Unavailable,
            ("", 200..=299) => S3Failure::WrongAnswer("it cannot be read".into()),
            ("", status) => S3Failure::Other(format!("HTTP status {status}")),
            (code, _) => S3Failure::Other(code.to_owned()),
        }
    }

    /// The IAM action that an operation needs.
    fn action(&self) -> &'static str {
        match self.operation {
            "HeadObject" => "GetObject",
            "ListObjectsV2" => "ListBucket",
            "CopyObject"
            | "UploadPart"
            | "UploadPartCopy"
            | "CreateMultipartUpload"
            | "CompleteMultipartUpload" => "PutObject",
            "DeleteObjects" => "DeleteObject",
            other => other,
        }
    }

    fn on(&self) -> String {
        let Self { operation: _, bucket, key } = self;
        if key.is_empty() { (*bucket).to_owned() } else { format!("{bucket}/{key}") }
    }
}

/// What an input must have.
pub(crate) fn named<'a>(what: &'static str, value: &'a Option<String>) -> Result<&'a str, Error> {
    match value.as_deref() {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(ApiMisuse::Setting { what, why: "it is missing" }.into()),
    }
}

/// The name of this crate, for the user agent.
pub(crate) fn framework() -> Option<FrameworkMetadata> {
    // Only a name with odd characters is refused.
    FrameworkMetadata::new(env!("CARGO_PKG_NAME"), Some(Cow::Borrowed(env!("CARGO_PKG_VERSION"))))
        .ok()
}

/// An error of this crate that went through a body of the SDK.
fn own_error(error: &(dyn StdError + 'static)) -> Option<Error> {
    chain(error).find_map(|error| error.downcast_ref::<InBody>()).and_then(InBody::take)
}

fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source())
}

fn deepest(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().unwrap_or(error).to_string()
}

/// An error on its way through a body of the SDK, which gives it back by reference only.
#[derive(Debug)]
pub(crate) struct InBody {
    text: String,
    error: std::sync::Mutex<Option<Error>>,
}

impl InBody {
    pub(crate) fn new(error: Error) -> Self {
        Self { text: error.to_string(), error: std::sync::Mutex::new(Some(error)) }
    }

    fn take(&self) -> Option<Error> {
        self.error.lock().ok().and_then(|mut error| error.take())
    }
}

impl std::fmt::Display for InBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for InBody {}
