//! An object copied onto itself by the server, with other metadata.

use std::collections::HashMap;

use aws_sdk_s3::operation::copy_object::builders::CopyObjectInputBuilder;
use aws_sdk_s3::operation::get_object_tagging::builders::GetObjectTaggingInputBuilder;
use aws_sdk_s3::operation::head_object::builders::HeadObjectInputBuilder;
use aws_sdk_s3::types::{MetadataDirective, TaggingDirective};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::stored::Stored;
use crate::error::{Error, S3Failure};
use crate::s3::client::Client;
use crate::s3::client::call::Call;

/// What S3 keeps with an object beside its metadata, from an answer about it to a request that writes it.
macro_rules! kept {
    ($output:expr => $input:expr) => {{
        let (output, input) = ($output, $input);
        input
            .set_cache_control(output.cache_control.clone())
            .set_content_disposition(output.content_disposition.clone())
            .set_content_encoding(output.content_encoding.clone())
            .set_content_language(output.content_language.clone())
            .set_content_type(output.content_type.clone())
            .set_website_redirect_location(output.website_redirect_location.clone())
            .set_storage_class(output.storage_class.clone())
            .set_server_side_encryption(output.server_side_encryption.clone())
            .set_ssekms_key_id(output.ssekms_key_id.clone())
            .set_bucket_key_enabled(output.bucket_key_enabled)
            .set_object_lock_mode(output.object_lock_mode.clone())
            .set_object_lock_retain_until_date(output.object_lock_retain_until_date)
            .set_object_lock_legal_hold_status(output.object_lock_legal_hold_status.clone())
            .set_object_lock_event_hold(output.object_lock_event_hold.clone())
            .set_object_lock_event_hold_duration_days(output.object_lock_event_hold_duration_days)
            .set_object_lock_event_hold_duration_years(output.object_lock_event_hold_duration_years)
    }};
}
pub(super) use kept;

/// Bucket, owner, who pays, and the key that the caller brings: from a request about an object to one that writes.
macro_rules! access {
    ($from:expr => $to:expr) => {{
        let (from, to) = ($from, $to);
        to.set_bucket(from.get_bucket().clone())
            .set_sse_customer_algorithm(from.get_sse_customer_algorithm().clone())
            .set_sse_customer_key(from.get_sse_customer_key().clone())
            .set_sse_customer_key_md5(from.get_sse_customer_key_md5().clone())
            .set_request_payer(from.get_request_payer().clone())
            .set_expected_bucket_owner(from.get_expected_bucket_owner().clone())
    }};
}
pub(super) use access;

/// The same for the object that is copied.
macro_rules! source_access {
    ($from:expr => $to:expr) => {{
        let (from, to) = ($from, $to);
        to.set_copy_source_sse_customer_algorithm(from.get_sse_customer_algorithm().clone())
            .set_copy_source_sse_customer_key(from.get_sse_customer_key().clone())
            .set_copy_source_sse_customer_key_md5(from.get_sse_customer_key_md5().clone())
            .set_expected_source_bucket_owner(from.get_expected_bucket_owner().clone())
    }};
}
pub(super) use source_access;

/// Replaces the metadata of an object, if it is still the one that was read.
pub(super) async fn copy_whole(
    client: &Client,
    call: Call<'_>,
    old: &Stored,
    pairs: HashMap<String, String>,
) -> Result<(), Error> {
    let call = call.operation("CopyObject");
    let e_tag = old.e_tag(call)?;
    let input = kept!(&old.head => CopyObjectInputBuilder::default());
    let input = source_access!(&old.input => access!(&old.input => input));
    let input = input
        .key(call.key)
        .copy_source(source_of(call))
        // The first looks when the copy begins, the second when it is put in place.
        .copy_source_if_match(e_tag)
        .if_match(e_tag)
        .set_expires(expires(call, old.head.expires_string())?)
        .metadata_directive(MetadataDirective::Replace)
        .tagging_directive(TaggingDirective::Copy)
        .set_metadata(Some(pairs));
    input.send_with(&client.sdk).await.map_err(|error| call.sdk_error(error))?;
    Ok(())
}

/// Refuses what S3 would lose without a word.
pub(super) fn check_kept(call: Call<'_>, old: &Stored) -> Result<(), Error> {
    old.e_tag(call)?;
    expires(call, old.head.expires_string())?;
    if old.head.missing_meta.is_some_and(|missing| missing > 0) {
        let wrong = "it does not have all metadata of the object, which would be lost";
        return Err(call.failed(S3Failure::WrongAnswer(wrong.to_owned())));
    }
    Ok(())
}

/// The tags of an object, as a request has them. As many as S3 counted before, if it did, have to be there.
pub(super) async fn tags(
    client: &Client,
    call: Call<'_>,
    input: &HeadObjectInputBuilder,
    count: Option<i32>,
) -> Result<Option<String>, Error> {
    let call = call.operation("GetObjectTagging");
    let tagging = GetObjectTaggingInputBuilder::default()
        .bucket(call.bucket)
        .key(call.key)
        .set_request_payer(input.get_request_payer().clone())
        .set_expected_bucket_owner(input.get_expected_bucket_owner().clone());
    let output = match tagging.send_with(&client.sdk).await {
        Ok(output) => output,
        Err(error) => match call.sdk_error(error) {
            // A store without tags has none to lose.
            Error::S3(error) if error.status() == Some(501) => return Ok(None),
            error => return Err(error),
        },
    };
    let pairs = output.tag_set.iter().map(|tag| {
        let [key, value] =
            [&tag.key, &tag.value].map(|text| utf8_percent_encode(text, &ESCAPED_IN_TAGS));
        format!("{key}={value}")
    });
    let pairs: Vec<_> = pairs.collect();
    // An answer that ends too early reads as a shorter one.
    if count.and_then(|count| usize::try_from(count).ok()).is_some_and(|count| pairs.len() < count)
    {
        let wrong = "it does not have all tags of the object, which would be lost";
        return Err(call.failed(S3Failure::WrongAnswer(wrong.to_owned())));
    }
    Ok((!pairs.is_empty()).then(|| pairs.join("&")))
}

/// When an object ceases to be fresh.
pub(super) fn expires(call: Call<'_>, text: Option<&str>) -> Result<Option<DateTime>, Error> {
    let read = |text| {
        DateTime::from_str(text, Format::HttpDate).map_err(|_| {
            let wrong = "its `Expires` is no date, and would be lost";
            call.failed(S3Failure::WrongAnswer(wrong.to_owned()))
        })
    };
    text.map(read).transpose()
}

/// The object as the source of a copy.
pub(super) fn source_of(call: Call<'_>) -> String {
    let Call { operation: _, bucket, key } = call;
    // An access point.
    let between = if bucket.starts_with("arn:") { "/object/" } else { "/" };
    let encode = |text| utf8_percent_encode(text, &ESCAPED);
    format!("{}{between}{}", encode(bucket), encode(key))
}

/// All but what stands for itself in a path.
const ESCAPED: AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b':');
/// All but what stands for itself in a query.
const ESCAPED_IN_TAGS: AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadInputBuilder;
    use aws_sdk_s3::operation::head_object::HeadObjectOutput;
    use aws_sdk_s3::types::{
        ObjectLockLegalHoldStatus, ObjectLockMode, RequestPayer, ServerSideEncryption, StorageClass,
    };

    use super::*;

    fn source(bucket: &str, key: &str) -> String {
        source_of(Call { operation: "CopyObject", bucket, key })
    }

    #[test]
    fn what_s3_keeps_with_an_object_is_written_again() {
        let until = DateTime::from_secs(2_000_000_000);
        let head = HeadObjectOutput::builder()
            .cache_control("no-store")
            .content_disposition("attachment")
            .content_encoding("br")
            .content_language("de")
            .content_type("text/x")
            .website_redirect_location("/elsewhere")
            .storage_class(StorageClass::GlacierIr)
            .server_side_encryption(ServerSideEncryption::AwsKms)
            .ssekms_key_id("arn:aws:kms:eu-west-1:111122223333:key/1234")
            .bucket_key_enabled(true)
            .object_lock_mode(ObjectLockMode::Compliance)
            .object_lock_retain_until_date(until)
            .object_lock_legal_hold_status(ObjectLockLegalHoldStatus::On)
            .build();
        let copy = kept!(&head => CopyObjectInputBuilder::default()).build().unwrap();
        let parts = kept!(&head => CreateMultipartUploadInputBuilder::default());
        let parts = parts.bucket("b").key("k").build().unwrap();
        assert_eq!(copy.cache_control(), Some("no-store"));
        assert_eq!(copy.content_disposition(), Some("attachment"));
        assert_eq!(copy.content_encoding(), Some("br"));
        assert_eq!(copy.content_language(), Some("de"));
        assert_eq!(copy.content_type(), Some("text/x"));
        assert_eq!(copy.website_redirect_location(), Some("/elsewhere"));
        assert_eq!(copy.storage_class(), Some(&StorageClass::GlacierIr));
        assert_eq!(copy.server_side_encryption(), Some(&ServerSideEncryption::AwsKms));
        assert_eq!(copy.ssekms_key_id(), head.ssekms_key_id());
        assert_eq!(copy.bucket_key_enabled(), Some(true));
        assert_eq!(copy.object_lock_mode(), Some(&ObjectLockMode::Compliance));
        assert_eq!(copy.object_lock_retain_until_date(), Some(&until));
        let hold = copy.object_lock_legal_hold_status();
        assert_eq!(hold, Some(&ObjectLockLegalHoldStatus::On));

        assert_eq!(parts.cache_control(), copy.cache_control());
        assert_eq!(parts.content_type(), copy.content_type());
        assert_eq!(parts.storage_class(), copy.storage_class());
        assert_eq!(parts.ssekms_key_id(), copy.ssekms_key_id());
        assert_eq!(parts.object_lock_mode(), copy.object_lock_mode());
        assert_eq!(parts.object_lock_retain_until_date(), Some(&until));
        assert_eq!(parts.object_lock_legal_hold_status(), hold);
    }

    #[test]
    fn the_callers_key_is_that_of_source_and_copy() {
        let head = HeadObjectInputBuilder::default()
            .bucket("b")
            .sse_customer_algorithm("AES256")
            .sse_customer_key("key")
            .sse_customer_key_md5("md5")
            .expected_bucket_owner("111122223333")
            .request_payer(RequestPayer::Requester);
        let copy = access!(&head => source_access!(&head => CopyObjectInputBuilder::default()));
        let copy = copy.build().unwrap();
        assert_eq!(copy.bucket(), Some("b"));
        assert_eq!(copy.sse_customer_algorithm(), Some("AES256"));
        assert_eq!(copy.copy_source_sse_customer_algorithm(), Some("AES256"));
        assert_eq!(copy.sse_customer_key(), Some("key"));
        assert_eq!(copy.copy_source_sse_customer_key(), Some("key"));
        assert_eq!(copy.sse_customer_key_md5(), Some("md5"));
        assert_eq!(copy.copy_source_sse_customer_key_md5(), Some("md5"));
        assert_eq!(copy.expected_bucket_owner(), Some("111122223333"));
        assert_eq!(copy.expected_source_bucket_owner(), Some("111122223333"));
        assert_eq!(copy.request_payer(), Some(&RequestPayer::Requester));
    }

    #[test]
    fn the_source_of_a_copy_is_escaped() {
        assert_eq!(source("b", "a/b-c_d.e~f"), "b/a/b-c_d.e~f");
        assert_eq!(source("b", "a b+c%?&=#\u{e9}"), "b/a%20b%2Bc%25%3F%26%3D%23%C3%A9");
        assert_eq!(source("b", "/a//b"), "b//a//b");
    }

    #[test]
    fn the_source_in_an_access_point_says_where_its_key_begins() {
        let arn = "arn:aws:s3:eu-west-1:111122223333:accesspoint/name";
        assert_eq!(source(arn, "a/b"), format!("{arn}/object/a/b"));
    }

    #[test]
    fn a_date_is_kept_and_anything_else_is_an_error() {
        let call = Call { operation: "HeadObject", bucket: "b", key: "k" };
        let date = expires(call, Some("Wed, 21 Oct 2015 07:28:00 GMT")).unwrap().unwrap();
        assert_eq!(date.secs(), 1_445_412_480);
        assert!(expires(call, None).unwrap().is_none());
        assert!(expires(call, Some("soon")).is_err());
    }
}
