//! A folder as an S3 that is near enough to Amazon's.
//!
//! The crate `s3s-fs` does the work. What it does otherwise than Amazon S3, and somebody relies on, is corrected here:
//!
//! - A multipart upload that nobody began is `NoSuchUpload`. Parts are checked for their checksums when they come,
//!   and for their ETags, their checksums and their order at the end.
//! - Objects that were uploaded in parts have no checksum, instead of the checksum of what they replaced.
//! - `If-Match` and `If-None-Match` count for GetObject and HeadObject, and `x-amz-copy-source-if-match` for
//!   UploadPartCopy. PutObject with `If-Match` is `NoSuchKey` where there is nothing.
//! - A suffix longer than the object is all of it; no range of an empty object can be had.
//! - `Content-Encoding` is stored without `aws-chunked`.
//! - Metadata of more than 2048 bytes is `MetadataTooLarge`.
//! - A bucket that is not there is `NoSuchBucket`, and does not come to be; a folder is no object.
//! - CopyObject of an object onto itself must change something.
//! - Listings tell ETags and have at most 1000 entries; a quiet DeleteObjects says nothing of what was deleted.
//! - `Content-Encoding` may come in two headers, as the SDK sends `aws-chunked` (this in `faults.rs`).
//!
//! What it does not have: versions, storage classes, tags, access control lists, locks, encryption by the server,
//! owners, and checksums of whole multipart uploads. Dates are no conditions, except of CopyObject. The numbers of
//! parts must begin at 1 and have no gaps. Keys are paths of files: none is `a` where another is `a/b`, none has
//! `//` or ends with `/`, and they may have 150 bytes. A range that makes no sense, such as `bytes=5-3`, is refused
//! instead of ignored. An object is replaced first and its metadata afterwards, and a PutObject whose checksum is
//! wrong leaves its body behind.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use hyper::{HeaderMap, Method, Uri};
use s3s::checksum::ChecksumHasher;
use s3s::dto::*;
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;

/// A folder as an S3: its folders are buckets.
pub(super) struct CorrectedS3 {
    files: FileSystem,
    root: PathBuf,
    /// The parts of each upload that is under way.
    uploads: Mutex<HashMap<String, HashMap<PartNumber, CompletedPart>>>,
}

impl CorrectedS3 {
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        let files =
            FileSystem::new(root).map_err(|error| io::Error::other(format!("{error:?}")))?;
        Ok(Self { files, root: root.to_owned(), uploads: Mutex::default() })
    }

    fn must_have_bucket(&self, bucket: &str) -> S3Result {
        if self.root.join(bucket).is_dir() { Ok(()) } else { Err(s3_error!(NoSuchBucket)) }
    }

    /// What is stored: its length, its ETag and all the rest.
    async fn stored(&self, bucket: &str, key: &str) -> S3Result<HeadObjectOutput> {
        self.must_have_bucket(bucket)?;
        if self.root.join(bucket).join(key).is_dir() {
            return Err(s3_error!(NoSuchKey));
        }
        let input = HeadObjectInput {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            ..HeadObjectInput::default()
        };
        let mut output = self.files.head_object(request(input)).await?.output;
        if is_multipart(output.e_tag.as_ref()) {
            output.checksum_crc32 = None;
            output.checksum_crc32c = None;
            output.checksum_crc64nvme = None;
            output.checksum_sha1 = None;
            output.checksum_sha256 = None;
        }
        Ok(output)
    }

    fn uploads(&self) -> MutexGuard<'_, HashMap<String, HashMap<PartNumber, CompletedPart>>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn must_have_upload(&self, id: &str) -> S3Result {
        if self.uploads().contains_key(id) { Ok(()) } else { Err(s3_error!(NoSuchUpload)) }
    }

    fn part_stored(&self, id: &str, number: PartNumber, part: CompletedPart) -> S3Result {
        let mut uploads = self.uploads();
        let upload = uploads.get_mut(id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        upload.insert(number, part);
        Ok(())
    }

    /// Whether the parts are those that came.
    fn must_be_parts(&self, id: &str, listed: &[CompletedPart]) -> S3Result {
        let uploads = self.uploads();
        let upload = uploads.get(id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        if !listed.is_sorted_by(|a, b| a.part_number < b.part_number) {
            return Err(s3_error!(InvalidPartOrder));
        }
        for part in listed {
            let came = part.part_number.and_then(|number| upload.get(&number));
            let came = came.ok_or_else(|| s3_error!(InvalidPart))?;
            let e_tag =
                |part: &CompletedPart| part.e_tag.as_ref().map(|e_tag| e_tag.value().to_owned());
            let fits = |listed: &Option<String>, came: &Option<String>| {
                listed.is_none() || came.is_none() || listed == came
            };
            if e_tag(part) != e_tag(came)
                || !fits(&part.checksum_crc32, &came.checksum_crc32)
                || !fits(&part.checksum_crc32c, &came.checksum_crc32c)
                || !fits(&part.checksum_crc64nvme, &came.checksum_crc64nvme)
                || !fits(&part.checksum_sha1, &came.checksum_sha1)
                || !fits(&part.checksum_sha256, &came.checksum_sha256)
            {
                return Err(s3_error!(InvalidPart));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl S3 for CorrectedS3 {
    async fn put_object(
        &self,
        mut req: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let input = &mut req.input;
        self.must_have_bucket(&input.bucket)?;
        must_fit(input.metadata.as_ref())?;
        if input.if_match.is_some() {
            self.stored(&input.bucket, &input.key).await?;
        }
        input.content_encoding = without_aws_chunked(input.content_encoding.take());
        self.files.put_object(req).await
    }

    async fn head_object(
        &self,
        req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        let stored = self.stored(&input.bucket, &input.key).await?;
        must_match(stored.e_tag.as_ref(), input.if_match.as_ref())?;
        must_be_new(stored.e_tag.as_ref(), input.if_none_match.as_ref())?;
        Ok(S3Response::new(stored))
    }

    async fn get_object(
        &self,
        mut req: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = &mut req.input;
        let stored = self.stored(&input.bucket, &input.key).await?;
        must_match(stored.e_tag.as_ref(), input.if_match.as_ref())?;
        must_be_new(stored.e_tag.as_ref(), input.if_none_match.as_ref())?;
        if let Some(range) = input.range {
            let len =
                stored.content_length.and_then(|len| u64::try_from(len).ok()).unwrap_or_default();
            let span = range.check(len)?;
            if span.is_empty() {
                return Err(s3_error!(InvalidRange));
            }
            input.range = Some(Range::Int { first: span.start, last: Some(span.end - 1) });
        }
        let mut response = self.files.get_object(req).await?;
        let output = &mut response.output;
        if is_multipart(output.e_tag.as_ref()) {
            output.checksum_crc32 = None;
            output.checksum_crc32c = None;
            output.checksum_crc64nvme = None;
            output.checksum_sha1 = None;
            output.checksum_sha256 = None;
        }
        output.accept_ranges = Some("bytes".to_owned());
        Ok(response)
    }

    async fn copy_object(
        &self,
        req: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = &req.input;
        let (bucket, key) = source(&input.copy_source)?;
        self.must_have_bucket(&input.bucket)?;
        self.stored(bucket, key).await?;
        must_fit(input.metadata.as_ref())?;
        let replaces = input
            .metadata_directive
            .as_ref()
            .is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
        if (bucket, key) == (&*input.bucket, &*input.key)
            && !replaces
            && input.storage_class.is_none()
        {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal: it changes nothing"
            ));
        }
        self.files.copy_object(req).await
    }

    async fn create_multipart_upload(
        &self,
        mut req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = &mut req.input;
        self.must_have_bucket(&input.bucket)?;
        must_fit(input.metadata.as_ref())?;
        input.content_encoding = without_aws_chunked(input.content_encoding.take());
        let response = self.files.create_multipart_upload(req).await?;
        let id = response.output.upload_id.clone().unwrap_or_default();
        self.uploads().insert(id, HashMap::new());
        Ok(response)
    }

    async fn upload_part(
        &self,
        mut req: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let (id, number) = (req.input.upload_id.clone(), req.input.part_number);
        self.must_have_upload(&id)?;
        let body = req.input.body.take().ok_or_else(|| s3_error!(IncompleteBody))?;
        let body: Vec<_> = body.try_collect().await.map_err(|_| s3_error!(IncompleteBody))?;
        let body = body.concat();
        let claimed = claimed_checksums(&req);
        let found = checksums(&claimed, &body);
        if claimed != found {
            return Err(s3_error!(BadDigest, "the checksum of the part is wrong"));
        }
        req.input.body = Some(Body::from(body).into());
        let mut response = self.files.upload_part(req).await?;
        let output = &mut response.output;
        output.checksum_crc32 = found.checksum_crc32.clone();
        output.checksum_crc32c = found.checksum_crc32c.clone();
        output.checksum_crc64nvme = found.checksum_crc64nvme.clone();
        output.checksum_sha1 = found.checksum_sha1.clone();
        output.checksum_sha256 = found.checksum_sha256.clone();
        let part =
            CompletedPart { e_tag: output.e_tag.clone(), part_number: Some(number), ..found };
        self.part_stored(&id, number, part)?;
        Ok(response)
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let input = &req.input;
        let (id, number) = (input.upload_id.clone(), input.part_number);
        self.must_have_upload(&id)?;
        let (bucket, key) = source(&input.copy_source)?;
        let stored = self.stored(bucket, key).await?;
        must_match(stored.e_tag.as_ref(), input.copy_source_if_match.as_ref())?;
        let response = self.files.upload_part_copy(req).await?;
        let result = response.output.copy_part_result.as_ref();
        let e_tag = result.and_then(|result| result.e_tag.clone());
        let part = CompletedPart { e_tag, part_number: Some(number), ..CompletedPart::default() };
        self.part_stored(&id, number, part)?;
        Ok(response)
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = &req.input;
        let id = input.upload_id.clone();
        let listed = input.multipart_upload.as_ref().and_then(|upload| upload.parts.as_deref());
        self.must_be_parts(&id, listed.unwrap_or_default())?;
        if input.if_match.is_some() {
            self.stored(&input.bucket, &input.key).await?;
        }
        let response = self.files.complete_multipart_upload(req).await?;
        self.uploads().remove(&id);
        Ok(response)
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let id = req.input.upload_id.clone();
        self.uploads().remove(&id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        self.files.abort_multipart_upload(req).await
    }

    async fn list_parts(
        &self,
        req: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        self.must_have_upload(&req.input.upload_id)?;
        self.files.list_parts(req).await
    }

    async fn list_objects_v2(
        &self,
        mut req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = &mut req.input;
        let bucket = input.bucket.clone();
        input.max_keys = input.max_keys.map(|keys| keys.min(1000));
        let mut response = self.files.list_objects_v2(req).await?;
        for object in response.output.contents.iter_mut().flatten() {
            let key = object.key.as_deref().unwrap_or_default();
            object.e_tag = self.stored(&bucket, key).await?.e_tag;
            object.storage_class =
                Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD));
        }
        Ok(response)
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.files.delete_object(req).await
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        self.must_have_bucket(&req.input.bucket)?;
        let quiet = req.input.delete.quiet.unwrap_or_default();
        let mut response = self.files.delete_objects(req).await?;
        if quiet {
            response.output.deleted = None;
        }
        Ok(response)
    }

    async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        self.files.create_bucket(req).await
    }

    async fn delete_bucket(
        &self,
        req: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.files.delete_bucket(req).await
    }

    async fn head_bucket(
        &self,
        req: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.files.head_bucket(req).await
    }

    async fn list_buckets(
        &self,
        req: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        self.files.list_buckets(req).await
    }
}

/// A request that nobody sent.
fn request<T>(input: T) -> S3Request<T> {
    S3Request {
        input,
        method: Method::GET,
        uri: Uri::default(),
        headers: HeaderMap::new(),
        extensions: hyper::http::Extensions::new(),
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    }
}

/// ETags of multipart uploads end with the number of parts.
fn is_multipart(e_tag: Option<&ETag>) -> bool {
    e_tag.is_some_and(|e_tag| e_tag.value().contains('-'))
}

/// The bucket and the key that something is copied from.
fn source(source: &CopySource) -> S3Result<(&str, &str)> {
    match source {
        CopySource::Bucket { bucket, key, .. } => Ok((bucket, key)),
        _ => Err(s3_error!(NotImplemented)),
    }
}

fn must_match(stored: Option<&ETag>, wanted: Option<&ETagCondition>) -> S3Result {
    match wanted {
        Some(ETagCondition::ETag(wanted)) if stored != Some(wanted) => {
            Err(s3_error!(PreconditionFailed))
        }
        _ => Ok(()),
    }
}

fn must_be_new(stored: Option<&ETag>, known: Option<&ETagCondition>) -> S3Result {
    match known {
        Some(ETagCondition::Any) => Err(s3_error!(NotModified)),
        Some(ETagCondition::ETag(known)) if stored == Some(known) => Err(s3_error!(NotModified)),
        _ => Ok(()),
    }
}

fn must_fit(metadata: Option<&Metadata>) -> S3Result {
    let len: usize =
        metadata.into_iter().flatten().map(|(name, value)| name.len() + value.len()).sum();
    if len > MAX_METADATA_LEN { Err(s3_error!(MetadataTooLarge)) } else { Ok(()) }
}

fn without_aws_chunked(encoding: Option<String>) -> Option<String> {
    let encodings = encoding?;
    let others = encodings.split(',').map(str::trim).filter(|encoding| *encoding != "aws-chunked");
    let others = others.collect::<Vec<_>>().join(",");
    (!others.is_empty()).then_some(others)
}

/// What a client says the checksums are, before or after the body.
fn claimed_checksums(req: &S3Request<UploadPartInput>) -> CompletedPart {
    let input = &req.input;
    let trailer = |name: &str| {
        let read = |headers: &HeaderMap| headers.get(name)?.to_str().ok().map(str::to_owned);
        req.trailing_headers.as_ref().and_then(|trailers| trailers.read(read)).flatten()
    };
    let either = |header: &Option<String>, name| header.clone().or_else(|| trailer(name));
    CompletedPart {
        checksum_crc32: either(&input.checksum_crc32, "x-amz-checksum-crc32"),
        checksum_crc32c: either(&input.checksum_crc32c, "x-amz-checksum-crc32c"),
        checksum_crc64nvme: either(&input.checksum_crc64nvme, "x-amz-checksum-crc64nvme"),
        checksum_sha1: either(&input.checksum_sha1, "x-amz-checksum-sha1"),
        checksum_sha256: either(&input.checksum_sha256, "x-amz-checksum-sha256"),
        ..CompletedPart::default()
    }
}

/// The same checksums, as they are.
fn checksums(claimed: &CompletedPart, body: &[u8]) -> CompletedPart {
    let mut hasher = ChecksumHasher {
        crc32: claimed.checksum_crc32.as_ref().map(|_| Default::default()),
        crc32c: claimed.checksum_crc32c.as_ref().map(|_| Default::default()),
        crc64nvme: claimed.checksum_crc64nvme.as_ref().map(|_| Default::default()),
        sha1: claimed.checksum_sha1.as_ref().map(|_| Default::default()),
        sha256: claimed.checksum_sha256.as_ref().map(|_| Default::default()),
    };
    hasher.update(body);
    let found = hasher.finalize();
    CompletedPart {
        checksum_crc32: found.checksum_crc32,
        checksum_crc32c: found.checksum_crc32c,
        checksum_crc64nvme: found.checksum_crc64nvme,
        checksum_sha1: found.checksum_sha1,
        checksum_sha256: found.checksum_sha256,
        ..CompletedPart::default()
    }
}

/// What Amazon S3 stores of names and values together.
const MAX_METADATA_LEN: usize = 2048;
