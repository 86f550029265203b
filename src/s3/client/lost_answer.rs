//! Objects that were stored though no answer said so.
//!
//! Where an answer is lost, the request is sent again, by the SDK or by the caller. Under a condition that the object must
//! not be there, it then fails because of itself; and an upload that was completed is not there a second time.

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::head_object::builders::HeadObjectInputBuilder;

use super::Client;
use super::call::Call;
use crate::error::{Error, S3Failure};
use crate::s3::metadata::is_of_one_object;

/// Looks whether the object is there after all, by metadata that no other one has, and its length in bytes if that is
/// known.
///
/// Nothing if the error of the call tells for sure that nothing was stored, or if another object or none is there.
pub(super) async fn stored_after_all<'a>(
    client: &Client,
    call: Call<'_>,
    head: HeadObjectInputBuilder,
    meant: impl IntoIterator<Item = (&'a str, &'a str)>,
    len: Option<i64>,
    error: &Error,
) -> Option<HeadObjectOutput> {
    let meant: Vec<_> = meant.into_iter().filter(|(key, _)| is_of_one_object(key)).collect();
    if meant.is_empty() || !may_be_stored(error) {
        return None;
    }
    // Whatever is wrong with this call, it is the other one that the caller made.
    let head = head.bucket(call.bucket).key(call.key).send_with(&client.sdk).await.ok()?;
    let is_meant = |(key, value): &(&str, &str)| {
        let stored = head.metadata().and_then(|stored| stored.get(*key));
        stored.is_some_and(|stored| stored == value)
    };
    let has_len = len.is_none() || len == head.content_length;
    (has_len && meant.iter().all(is_meant)).then_some(head)
}

/// Whether a call that failed so may have done its work, now or in an attempt before.
fn may_be_stored(error: &Error) -> bool {
    let Error::S3(error) = error else { return false };
    if error.status().is_some_and(|status| status >= 500) {
        return true;
    }
    match error.failure() {
        S3Failure::Conflict
        | S3Failure::NoSuchUpload
        | S3Failure::PreconditionFailed
        | S3Failure::TimedOut
        | S3Failure::Throttled
        | S3Failure::Unavailable
        | S3Failure::Unreachable(_)
        | S3Failure::WrongAnswer(_) => true,
        S3Failure::AccessDenied { .. }
        | S3Failure::Credentials
        | S3Failure::NoSuchBucket
        | S3Failure::NoSuchKey
        | S3Failure::NotModified
        | S3Failure::Other(_) => false,
    }
}
