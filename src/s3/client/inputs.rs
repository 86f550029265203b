//! From one of the SDK's inputs to another, with every field.

use aws_sdk_s3::operation::abort_multipart_upload::builders::AbortMultipartUploadInputBuilder;
use aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadInputBuilder;
use aws_sdk_s3::operation::copy_object::builders::CopyObjectInputBuilder;
use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadInputBuilder;
use aws_sdk_s3::operation::get_object::builders::GetObjectInputBuilder;
use aws_sdk_s3::operation::head_object::builders::HeadObjectInputBuilder;
use aws_sdk_s3::operation::put_object::PutObjectInput;
use aws_sdk_s3::operation::put_object::builders::PutObjectInputBuilder;
use aws_sdk_s3::operation::upload_part::builders::UploadPartInputBuilder;
use aws_sdk_s3::types::TaggingDirective;
use base64ct::{Base64, Encoding as _};

use crate::crypto::{Hash, Hasher};
use crate::error::{ApiMisuse, Error};

/// Sets fields of a builder from the fields of the same name.
macro_rules! carry {
    ($from:expr => $to:expr; $($field:ident $set:ident,)*) => {{
        let (from, to) = ($from, $to);
        to$(.$set(from.$field))*
    }};
}

/// The same, from a builder that is kept.
macro_rules! copy {
    ($from:expr => $to:expr; $($get:ident $set:ident,)*) => {{
        let (from, to) = ($from, $to);
        to$(.$set(from.$get().clone()))*
    }};
}

/// An instruction file: protected by S3 as the object is.
macro_rules! instruction_file {
    ($from:expr) => {
        copy!($from => PutObjectInputBuilder::default();
            get_bucket set_bucket, get_acl set_acl,
            get_grant_full_control set_grant_full_control, get_grant_read set_grant_read,
            get_grant_read_acp set_grant_read_acp, get_grant_write_acp set_grant_write_acp,
            get_server_side_encryption set_server_side_encryption,
            get_sse_customer_algorithm set_sse_customer_algorithm,
            get_sse_customer_key set_sse_customer_key,
            get_sse_customer_key_md5 set_sse_customer_key_md5,
            get_ssekms_key_id set_ssekms_key_id,
            get_ssekms_encryption_context set_ssekms_encryption_context,
            get_bucket_key_enabled set_bucket_key_enabled, get_request_payer set_request_payer,
            get_expected_bucket_owner set_expected_bucket_owner,
            get_tagging set_tagging, get_object_lock_mode set_object_lock_mode,
            get_object_lock_retain_until_date set_object_lock_retain_until_date,
            get_object_lock_legal_hold_status set_object_lock_legal_hold_status,
            get_object_lock_event_hold set_object_lock_event_hold,
            get_object_lock_event_hold_duration_days set_object_lock_event_hold_duration_days,
            get_object_lock_event_hold_duration_years set_object_lock_event_hold_duration_years,
        )
    };
}

/// Asks about the object that was put.
macro_rules! head {
    ($from:expr) => {
        copy!($from => HeadObjectInputBuilder::default();
            get_sse_customer_algorithm set_sse_customer_algorithm,
            get_sse_customer_key set_sse_customer_key,
            get_sse_customer_key_md5 set_sse_customer_key_md5,
            get_request_payer set_request_payer, get_expected_bucket_owner set_expected_bucket_owner,
        )
    };
}

/// A request to put an object, as a builder again, without its body.
pub(super) fn put_again(input: PutObjectInput) -> PutObjectInputBuilder {
    carry!(input => PutObjectInputBuilder::default();
        acl set_acl, bucket set_bucket, cache_control set_cache_control,
        content_disposition set_content_disposition, content_encoding set_content_encoding,
        content_language set_content_language, content_type set_content_type,
        checksum_algorithm set_checksum_algorithm, expires set_expires, if_match set_if_match,
        if_none_match set_if_none_match, grant_full_control set_grant_full_control,
        grant_read set_grant_read, grant_read_acp set_grant_read_acp,
        grant_write_acp set_grant_write_acp, key set_key, metadata set_metadata,
        server_side_encryption set_server_side_encryption, storage_class set_storage_class,
        website_redirect_location set_website_redirect_location,
        sse_customer_algorithm set_sse_customer_algorithm, sse_customer_key set_sse_customer_key,
        sse_customer_key_md5 set_sse_customer_key_md5, ssekms_key_id set_ssekms_key_id,
        ssekms_encryption_context set_ssekms_encryption_context,
        bucket_key_enabled set_bucket_key_enabled, request_payer set_request_payer,
        tagging set_tagging, object_lock_mode set_object_lock_mode,
        object_lock_retain_until_date set_object_lock_retain_until_date,
        object_lock_legal_hold_status set_object_lock_legal_hold_status,
        object_lock_event_hold set_object_lock_event_hold,
        object_lock_event_hold_duration_days set_object_lock_event_hold_duration_days,
        object_lock_event_hold_duration_years set_object_lock_event_hold_duration_years,
        expected_bucket_owner set_expected_bucket_owner,
    )
}

/// The multipart upload that puts the same object.
pub(super) fn put_in_parts(input: PutObjectInput) -> CreateMultipartUploadInputBuilder {
    carry!(input => CreateMultipartUploadInputBuilder::default();
        acl set_acl, bucket set_bucket, cache_control set_cache_control,
        content_disposition set_content_disposition, content_encoding set_content_encoding,
        content_language set_content_language, content_type set_content_type,
        checksum_algorithm set_checksum_algorithm, expires set_expires,
        grant_full_control set_grant_full_control, grant_read set_grant_read,
        grant_read_acp set_grant_read_acp, grant_write_acp set_grant_write_acp, key set_key,
        metadata set_metadata, server_side_encryption set_server_side_encryption,
        storage_class set_storage_class, website_redirect_location set_website_redirect_location,
        sse_customer_algorithm set_sse_customer_algorithm, sse_customer_key set_sse_customer_key,
        sse_customer_key_md5 set_sse_customer_key_md5, ssekms_key_id set_ssekms_key_id,
        ssekms_encryption_context set_ssekms_encryption_context,
        bucket_key_enabled set_bucket_key_enabled, request_payer set_request_payer,
        tagging set_tagging, object_lock_mode set_object_lock_mode,
        object_lock_retain_until_date set_object_lock_retain_until_date,
        object_lock_legal_hold_status set_object_lock_legal_hold_status,
        object_lock_event_hold set_object_lock_event_hold,
        object_lock_event_hold_duration_days set_object_lock_event_hold_duration_days,
        object_lock_event_hold_duration_years set_object_lock_event_hold_duration_years,
        expected_bucket_owner set_expected_bucket_owner,
    )
}

/// What the calls for one multipart upload have in common.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared {
    pub(super) create: CreateMultipartUploadInputBuilder,
}

impl Shared {
    pub(super) fn part(&self) -> UploadPartInputBuilder {
        copy!(&self.create => UploadPartInputBuilder::default();
            get_bucket set_bucket, get_key set_key, get_checksum_algorithm set_checksum_algorithm,
            get_sse_customer_algorithm set_sse_customer_algorithm,
            get_sse_customer_key set_sse_customer_key,
            get_sse_customer_key_md5 set_sse_customer_key_md5,
            get_request_payer set_request_payer,
            get_expected_bucket_owner set_expected_bucket_owner,
        )
    }

    /// Adds to what completes it, where the caller did not set it.
    pub(super) fn fill_complete(
        &self,
        input: CompleteMultipartUploadInputBuilder,
    ) -> CompleteMultipartUploadInputBuilder {
        let create = &self.create;
        let payer =
            input.get_request_payer().clone().or_else(|| create.get_request_payer().clone());
        let owner = input.get_expected_bucket_owner().clone();
        let owner = owner.or_else(|| create.get_expected_bucket_owner().clone());
        let checksum_type =
            input.get_checksum_type().clone().or_else(|| create.get_checksum_type().clone());
        copy!(create => input;
            get_bucket set_bucket, get_key set_key,
            get_sse_customer_algorithm set_sse_customer_algorithm,
            get_sse_customer_key set_sse_customer_key,
            get_sse_customer_key_md5 set_sse_customer_key_md5,
        )
        .set_request_payer(payer)
        .set_expected_bucket_owner(owner)
        .set_checksum_type(checksum_type)
    }

    pub(super) fn abort(&self) -> AbortMultipartUploadInputBuilder {
        copy!(&self.create => AbortMultipartUploadInputBuilder::default();
            get_bucket set_bucket, get_key set_key, get_request_payer set_request_payer,
            get_expected_bucket_owner set_expected_bucket_owner,
        )
    }

    /// Asks about the object.
    pub(super) fn head(&self) -> HeadObjectInputBuilder {
        head!(&self.create)
    }

    /// The instruction file of the object that a request completes.
    pub(super) fn instruction_file(
        &self,
        complete: &CompleteMultipartUploadInputBuilder,
    ) -> PutObjectInputBuilder {
        instruction_file!(&self.create).set_if_none_match(complete.get_if_none_match().clone())
    }
}

/// The instruction file of an object that is put in one request.
pub(super) fn instruction_file_of_put(input: &PutObjectInputBuilder) -> PutObjectInputBuilder {
    instruction_file!(input).set_if_none_match(input.get_if_none_match().clone())
}

/// Asks about an object that is put in one request.
pub(super) fn head_of_put(input: &PutObjectInputBuilder) -> HeadObjectInputBuilder {
    head!(input)
}

/// Asks about an object that is a copy.
pub(super) fn head_of_copy(input: &CopyObjectInputBuilder) -> HeadObjectInputBuilder {
    head!(input)
}

/// The instruction file of an object that is a copy.
pub(super) fn instruction_file_of_copy(input: &CopyObjectInputBuilder) -> PutObjectInputBuilder {
    // Without that directive the copy does not get them either.
    let tagging = match input.get_tagging_directive() {
        Some(TaggingDirective::Replace) => input.get_tagging().clone(),
        _ => None,
    };
    instruction_file!(input)
        .set_tagging(tagging)
        .set_if_none_match(input.get_if_none_match().clone())
}

/// An instruction file that is not under the key that the caller brings.
pub(super) fn without_customer_key(input: PutObjectInputBuilder) -> PutObjectInputBuilder {
    input.set_sse_customer_algorithm(None).set_sse_customer_key(None).set_sse_customer_key_md5(None)
}

/// S3 wants a checksum of what is to be kept for long, and the SDK may be set to make none.
pub(super) fn with_checksum(input: PutObjectInputBuilder, text: &str) -> PutObjectInputBuilder {
    let is_kept = input.get_object_lock_mode().is_some()
        || input.get_object_lock_retain_until_date().is_some()
        || input.get_object_lock_legal_hold_status().is_some()
        || input.get_object_lock_event_hold().is_some();
    if !is_kept {
        return input;
    }
    let mut hasher = Hasher::new(Hash::Sha256);
    hasher.update(text.as_bytes());
    input.checksum_sha256(Base64::encode_string(hasher.finish().as_ref()))
}

/// Asks about the object that would be got.
pub(super) fn head_of_get(input: &GetObjectInputBuilder) -> HeadObjectInputBuilder {
    copy!(input => HeadObjectInputBuilder::default();
        get_bucket set_bucket, get_key set_key, get_version_id set_version_id,
        get_if_match set_if_match, get_if_none_match set_if_none_match,
        get_if_modified_since set_if_modified_since,
        get_if_unmodified_since set_if_unmodified_since,
        get_sse_customer_algorithm set_sse_customer_algorithm,
        get_sse_customer_key set_sse_customer_key,
        get_sse_customer_key_md5 set_sse_customer_key_md5,
        get_request_payer set_request_payer, get_expected_bucket_owner set_expected_bucket_owner,
    )
}

/// Gets the object that was asked about.
pub(super) fn get_of_head(input: &HeadObjectInputBuilder) -> GetObjectInputBuilder {
    copy!(input => GetObjectInputBuilder::default();
        get_bucket set_bucket, get_key set_key, get_version_id set_version_id,
        get_sse_customer_algorithm set_sse_customer_algorithm,
        get_sse_customer_key set_sse_customer_key,
        get_sse_customer_key_md5 set_sse_customer_key_md5,
        get_request_payer set_request_payer, get_expected_bucket_owner set_expected_bucket_owner,
    )
}

/// Refuses checksums that the caller computed: they are those of the plaintext, and ciphertext is sent.
pub(super) fn refuse_checksums(input: &PutObjectInput) -> Result<(), Error> {
    let given = [
        &input.content_md5,
        &input.checksum_crc32,
        &input.checksum_crc32_c,
        &input.checksum_crc64_nvme,
        &input.checksum_sha1,
        &input.checksum_sha256,
        &input.checksum_sha512,
        &input.checksum_md5,
        &input.checksum_xxhash64,
        &input.checksum_xxhash3,
        &input.checksum_xxhash128,
    ];
    if given.into_iter().any(Option::is_some) {
        let what = "checksum of the body";
        let why =
            "it is that of the plaintext, but ciphertext is sent: set `checksum_algorithm` instead";
        return Err(ApiMisuse::Setting { what, why }.into());
    }
    if input.write_offset_bytes.is_some() {
        let what = "setting `write_offset_bytes`";
        return Err(ApiMisuse::Setting {
            what,
            why: "nothing can be appended to an encrypted object",
        }
        .into());
    }
    Ok(())
}
