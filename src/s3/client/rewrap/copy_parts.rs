//! An object copied onto itself in parts, where it is too long for one request.

use std::collections::HashMap;

use aws_sdk_s3::operation::abort_multipart_upload::builders::AbortMultipartUploadInputBuilder;
use aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadInputBuilder;
use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadInputBuilder;
use aws_sdk_s3::operation::upload_part_copy::builders::UploadPartCopyInputBuilder;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, CopyPartResult};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::copy::{access, expires, kept, source_access, source_of, tags};
use super::settings::MAX_COPY_LEN;
use super::stored::Stored;
use crate::error::{Error, S3Failure};
use crate::s3::client::Client;
use crate::s3::client::call::Call;

/// Replaces the metadata of an object, if it is still the one that was read. `part_len` is what is copied at
/// once, in bytes, if S3 allows it.
pub(super) async fn copy_in_parts(
    client: &Client,
    call: Call<'_>,
    old: &Stored,
    pairs: HashMap<String, String>,
    part_len: u64,
) -> Result<(), Error> {
    let create = call.operation("CreateMultipartUpload");
    let input = kept!(&old.head => CreateMultipartUploadInputBuilder::default());
    let input = access!(&old.input => input)
        .key(call.key)
        .set_expires(expires(create, old.head.expires_string())?)
        .set_tagging(tags(client, call, &old.input, old.head.tag_count).await?)
        .set_metadata(Some(pairs));
    let output = input.send_with(&client.sdk).await.map_err(|error| create.sdk_error(error))?;
    let Some(upload_id) = output.upload_id().filter(|id| !id.is_empty()) else {
        return Err(create.failed(S3Failure::WrongAnswer("it has no upload id".to_owned())));
    };
    let upload = Upload { client, call, old, upload_id };
    let done = upload.run(part_len).await;
    if done.is_err() {
        // What failed first is the error. If this fails, too, the parts stay until a rule of the bucket removes
        // them; if all was done, and only the answer was lost, there is nothing to abort.
        let _ = upload.abort().await;
    }
    done
}

struct Upload<'a> {
    client: &'a Client,
    call: Call<'a>,
    old: &'a Stored,
    upload_id: &'a str,
}

impl Upload<'_> {
    async fn run(&self, part_len: u64) -> Result<(), Error> {
        let copies = spans(self.old.len(), part_len).into_iter().zip(1..);
        let copies = copies.map(|(span, number)| self.copy(number, span));
        // In order, as S3 wants them listed.
        let parts: Vec<_> = stream::iter(copies).buffered(COPIES_AT_ONCE).try_collect().await?;
        self.complete(parts).await
    }

    async fn copy(&self, number: i32, span: Option<(u64, u64)>) -> Result<CompletedPart, Error> {
        let call = self.call.operation("UploadPartCopy");
        let input = access!(&self.old.input => UploadPartCopyInputBuilder::default());
        let input = source_access!(&self.old.input => input)
            .key(call.key)
            .upload_id(self.upload_id)
            .part_number(number)
            .copy_source(source_of(call))
            .copy_source_if_match(self.old.e_tag(call)?)
            .set_copy_source_range(span.map(|(first, last)| format!("bytes={first}-{last}")));
        let output =
            input.send_with(&self.client.sdk).await.map_err(|error| call.sdk_error(error))?;
        match output.copy_part_result {
            Some(part) if part.e_tag().is_some_and(|e_tag| !e_tag.is_empty()) => {
                Ok(completed(number, part))
            }
            _ => Err(call.failed(S3Failure::WrongAnswer("it has no ETag".to_owned()))),
        }
    }

    async fn complete(&self, parts: Vec<CompletedPart>) -> Result<(), Error> {
        let call = self.call.operation("CompleteMultipartUpload");
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let input = access!(&self.old.input => CompleteMultipartUploadInputBuilder::default())
            .key(call.key)
            .upload_id(self.upload_id)
            .multipart_upload(parts)
            .if_match(self.old.e_tag(call)?);
        input.send_with(&self.client.sdk).await.map_err(|error| call.sdk_error(error))?;
        Ok(())
    }

    async fn abort(&self) -> Result<(), Error> {
        let call = self.call.operation("AbortMultipartUpload");
        let input = AbortMultipartUploadInputBuilder::default()
            .bucket(call.bucket)
            .key(call.key)
            .upload_id(self.upload_id)
            .set_request_payer(self.old.input.get_request_payer().clone())
            .set_expected_bucket_owner(self.old.input.get_expected_bucket_owner().clone());
        input.send_with(&self.client.sdk).await.map_err(|error| call.sdk_error(error))?;
        Ok(())
    }
}

/// First and last byte of each part; `None` for all of an object, as S3 copies no ranges of short ones.
fn spans(len: u64, part_len: u64) -> Vec<Option<(u64, u64)>> {
    let part_len = part_len
        .clamp(MIN_PART_LEN, PREFERRED_PART_LEN)
        .max(len.div_ceil(MAX_PARTS))
        .min(MAX_COPY_LEN);
    if len <= part_len {
        return vec![None];
    }
    let mut spans = Vec::new();
    let mut first = 0_u64;
    while first < len {
        let next = first.saturating_add(part_len).min(len);
        spans.push(Some((first, next.saturating_sub(1))));
        first = next;
    }
    spans
}

/// What completes a part.
fn completed(number: i32, part: CopyPartResult) -> CompletedPart {
    CompletedPart::builder()
        .part_number(number)
        .set_e_tag(part.e_tag)
        .set_checksum_crc32(part.checksum_crc32)
        .set_checksum_crc32_c(part.checksum_crc32_c)
        .set_checksum_crc64_nvme(part.checksum_crc64_nvme)
        .set_checksum_sha1(part.checksum_sha1)
        .set_checksum_sha256(part.checksum_sha256)
        .set_checksum_sha512(part.checksum_sha512)
        .set_checksum_md5(part.checksum_md5)
        .set_checksum_xxhash64(part.checksum_xxhash64)
        .set_checksum_xxhash3(part.checksum_xxhash3)
        .set_checksum_xxhash128(part.checksum_xxhash128)
        .build()
}

/// S3 takes no shorter ones, but the last.
const MIN_PART_LEN: u64 = 5 << 20;
/// Long enough for few requests, short enough for several at once.
const PREFERRED_PART_LEN: u64 = 512 << 20;
/// S3 takes no more.
const MAX_PARTS: u64 = 10_000;
/// S3 does the work; more of them would only be turned away.
const COPIES_AT_ONCE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_an_object_once() {
        for (len, part_len, expected) in [
            (16, 0, 1),
            (5 << 20, 0, 1),
            ((5 << 20) + 1, 0, 2),
            (12 << 20, 5 << 20, 3),
            ((6 << 30) + 7, 5 << 30, 13),
            (5 << 40, 5 << 30, 10_000),
        ] {
            let spans = spans(len, part_len);
            assert_eq!(spans.len(), expected, "{len}");
            let [Some(_), ..] = spans[..] else {
                assert_eq!(spans, [None]);
                continue;
            };
            let mut next = 0;
            for (first, last) in spans.into_iter().map(Option::unwrap) {
                assert_eq!(first, next);
                assert!(last - first < 5 << 30);
                next = last + 1;
            }
            assert_eq!(next, len);
        }
    }
}
