//! Any reader as an object, of unknown length and in parallel.

use std::future::IntoFuture;
use std::pin::pin;

use aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadInputBuilder;
use aws_sdk_s3::operation::put_object::builders::PutObjectInputBuilder;
use aws_sdk_s3::operation::put_object::{PutObjectInput, PutObjectOutput};
use aws_sdk_s3::operation::upload_part::UploadPartOutput;
use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use zeroize::Zeroizing;

use super::call::Call;
use super::inputs::{put_again, put_in_parts, refuse_checksums};
use super::message::marked;
use super::multipart::{MAX_PARTS, check_part_len};
use super::put::unusable_input;
use super::{Client, InstructionFiles, MultipartUpload};
use crate::context::EncryptionContext;
use crate::error::{ApiMisuse, Error, S3Failure};
use crate::materials::BoxFuture;
use crate::s3::format::Format;
use crate::secret::reserve_exact;

impl Client {
    /// Encrypts all that a reader gives, and uploads it: in one request if it is short, otherwise in parts, several
    /// of them at once.
    ///
    /// An instruction file is stored after the object, as [`put_object`](Self::put_object) does.
    ///
    /// At most `parallelism` parts are in memory at any time. If anything fails, the parts that S3 has are given
    /// up; if the call is dropped, that is tried in the background.
    ///
    /// # Errors
    /// As [`put_object`](Self::put_object), and [`Error::Io`] if the reader fails.
    pub fn upload<R>(&self, input: PutObjectInputBuilder, reader: R) -> Upload<'_, R>
    where
        R: AsyncRead + Unpin + Send,
    {
        Upload {
            client: self,
            input,
            reader,
            context: EncryptionContext::default(),
            instruction_files: self.instruction_files,
            format: Format::default(),
            part_len: DEFAULT_PART_LEN,
            parallelism: DEFAULT_PARALLELISM,
        }
    }
}

/// A request to upload a reader: see [`Client::upload`].
#[must_use = "nothing is sent before `.await`"]
pub struct Upload<'a, R> {
    client: &'a Client,
    input: PutObjectInputBuilder,
    reader: R,
    context: EncryptionContext,
    instruction_files: InstructionFiles,
    format: Format,
    part_len: usize,
    parallelism: usize,
}

impl<'a, R: AsyncRead + Unpin + Send> Upload<'a, R> {
    /// The encryption context: that of AWS KMS, or of the message. The same pairs are needed to get the object.
    pub fn context<N: Into<String>, V: Into<String>>(
        mut self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.context = EncryptionContext::from_iter(pairs);
        self
    }

    /// Whether the wrapped data key goes into an instruction file. Default: as the client is set.
    pub fn instruction_file(mut self, when: InstructionFiles) -> Self {
        self.instruction_files = when;
        self
    }

    /// In which format the body is encrypted. Default: [`Format::Object`].
    ///
    /// A message is encrypted from start to end as it is read, and its parts are sent at the same time.
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Length of a part in bytes, a multiple of 16 from 5 MiB to 5 GiB. Default: 8 MiB, enough for the largest
    /// object that [`Format::Object`] allows, and for messages of 78 GiB.
    pub fn part_len(mut self, bytes: usize) -> Self {
        self.part_len = bytes;
        self
    }

    /// How many parts may be in memory at once. Default: 4.
    pub fn parallelism(mut self, parts: usize) -> Self {
        self.parallelism = parts.max(1);
        self
    }

    async fn run(self) -> Result<PutObjectOutput, Error> {
        let Self {
            client,
            input,
            reader,
            context,
            instruction_files,
            format,
            part_len,
            parallelism,
        } = self;
        check_part_len(part_len)?;
        let mut input = input.build().map_err(unusable_input)?;
        refuse_checksums(&input)?;
        if input.body.size_hint() != (0, Some(0)) || input.content_length.is_some() {
            let what = "input";
            return Err(ApiMisuse::Setting {
                what,
                why: "the reader is the body: leave out `body` and `content_length`",
            }
            .into());
        }
        let lens = (part_len, parallelism);
        match format {
            Format::Object => {
                let how = How::Seal { context, instruction_files };
                uploaded(client, input, reader, how, lens).await
            }
            Format::EsdkMessage => {
                input.metadata = Some(marked(input.metadata.take())?);
                let reader = client.message_reader(reader, &context).await?;
                uploaded(client, input, reader, How::AsItIs, lens).await
            }
        }
    }
}

/// What is done with what is read.
enum How {
    /// It is encrypted part by part.
    Seal { context: EncryptionContext, instruction_files: InstructionFiles },
    /// It is ciphertext already.
    AsItIs,
}

/// Uploads all that a reader gives.
async fn uploaded<R: AsyncRead + Unpin + Send>(
    client: &Client,
    input: PutObjectInput,
    mut reader: R,
    how: How,
    (part_len, parallelism): (usize, usize),
) -> Result<PutObjectOutput, Error> {
    let (bucket, key) = (input.bucket.clone(), input.key.clone());
    let call = Call::new("PutObject", &bucket, &key)?;
    let first = read_part(&mut reader, part_len, Plaintext::default()).await?;
    let Filled::Full(first, more) = first else {
        let Filled::Last(mut all) = first else { return Err(ApiMisuse::Poisoned.into()) };
        let input = put_again(input);
        return match how {
            How::AsItIs => client.put_encrypted(call, input, std::mem::take(&mut *all)).await,
            How::Seal { context, instruction_files } => {
                let put = client.put_object(input.body(Bytes::from_owner(all).into()));
                put.context(context.iter()).instruction_file(instruction_files).await
            }
        };
    };
    let (if_match, if_none_match) = (input.if_match.clone(), input.if_none_match.clone());
    let create = put_in_parts(input);
    let (upload, seals) = match how {
        How::AsItIs => (MultipartUpload::begin(client, call, create, part_len).await?, false),
        How::Seal { context, instruction_files } => {
            let create = client.create_multipart_upload(create, part_len);
            let create = create.context(context.iter()).instruction_file(instruction_files);
            (create.await?, true)
        }
    };
    let guard = AbortOnDrop { upload: Some(upload) };
    let Some(upload) = guard.upload.as_ref() else { return Err(ApiMisuse::Poisoned.into()) };
    let complete = CompleteMultipartUploadInputBuilder::default();
    let complete = complete.set_if_match(if_match).set_if_none_match(if_none_match);
    if let Err(error) = upload.check_instruction_file(&complete).await {
        // What failed first is what counts.
        let _ = upload.abort().await;
        guard.disarm();
        return Err(error);
    }
    let sender = Sender { upload, seals };
    match parts(&sender, &mut reader, (first, more), (part_len, parallelism)).await {
        Ok(()) => {}
        Err(error) => {
            // What failed first is what counts.
            let _ = upload.abort().await;
            guard.disarm();
            return Err(error);
        }
    }
    let completed = match upload.complete(complete.clone()).await {
        Ok(output) => Ok(output),
        Err(error) => match upload.abort().await {
            // S3 may have completed it after all, but later than it was looked for.
            Err(Error::S3(gone)) if *gone.failure() == S3Failure::NoSuchUpload => {
                upload.complete(complete).await.map_err(|_| error)
            }
            // What failed first is what counts.
            _ => Err(error),
        },
    };
    guard.disarm();
    let output = completed?;
    Ok(PutObjectOutput::builder()
        .set_e_tag(output.e_tag)
        .set_expiration(output.expiration)
        .set_server_side_encryption(output.server_side_encryption)
        .set_version_id(output.version_id)
        .set_ssekms_key_id(output.ssekms_key_id)
        .set_bucket_key_enabled(output.bucket_key_enabled)
        .set_request_charged(output.request_charged)
        .set_checksum_type(output.checksum_type)
        .set_checksum_crc32(output.checksum_crc32)
        .set_checksum_crc32_c(output.checksum_crc32_c)
        .set_checksum_crc64_nvme(output.checksum_crc64_nvme)
        .set_checksum_sha1(output.checksum_sha1)
        .set_checksum_sha256(output.checksum_sha256)
        .set_checksum_sha512(output.checksum_sha512)
        .set_checksum_md5(output.checksum_md5)
        .set_checksum_xxhash64(output.checksum_xxhash64)
        .set_checksum_xxhash3(output.checksum_xxhash3)
        .set_checksum_xxhash128(output.checksum_xxhash128)
        .build())
}

impl<'a, R: AsyncRead + Unpin + Send + 'a> IntoFuture for Upload<'a, R> {
    type Output = Result<PutObjectOutput, Error>;
    type IntoFuture = BoxFuture<'a, Result<PutObjectOutput, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<R> std::fmt::Debug for Upload<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("key", self.input.get_key()).finish_non_exhaustive()
    }
}

/// Reads, encrypts and sends all parts.
async fn parts<R: AsyncRead + Unpin + Send>(
    sender: &Sender<'_>,
    reader: &mut R,
    first: (Plaintext, Plaintext),
    (part_len, parallelism): (usize, usize),
) -> Result<(), Error> {
    let mut under_way = FuturesUnordered::new();
    let (mut part, mut more) = first;
    let mut number = 1;
    loop {
        under_way.push(sender.part(number, part));
        // One place is for the part that is read next.
        while under_way.len() >= parallelism {
            if let Some(done) = under_way.next().await {
                done?;
            }
        }
        number = next_number(number)?;
        let mut read = pin!(read_part(reader, part_len, more));
        // Parts are on their way while the next is read.
        let filled = loop {
            if under_way.is_empty() {
                break read.await?;
            }
            match select(read.as_mut(), under_way.next()).await {
                Either::Left((filled, _)) => break filled?,
                Either::Right((Some(done), _)) => drop(done?),
                Either::Right((None, _)) => {}
            }
        };
        match filled {
            Filled::Full(next, beyond) => (part, more) = (next, beyond),
            Filled::Last(last) => {
                // All others must be encrypted before the tag is known; those that are not sent yet are.
                while let Some(done) = under_way.next().await {
                    done?;
                }
                sender.last_part(number, last).await?;
                return Ok(());
            }
        }
    }
}

/// Sends parts, encrypted here or before.
struct Sender<'a> {
    upload: &'a MultipartUpload,
    seals: bool,
}

impl Sender<'_> {
    async fn part(&self, number: i32, mut part: Plaintext) -> Result<UploadPartOutput, Error> {
        let part = std::mem::take(&mut *part);
        match self.seals {
            true => self.upload.upload_part(number, part).await,
            false => self.upload.upload_sealed_part(number, part, false).await,
        }
    }

    async fn last_part(&self, number: i32, mut part: Plaintext) -> Result<UploadPartOutput, Error> {
        let part = std::mem::take(&mut *part);
        match self.seals {
            true => self.upload.upload_last_part(number, part).await,
            false => self.upload.upload_sealed_part(number, part, true).await,
        }
    }
}

fn next_number(number: i32) -> Result<i32, Error> {
    let next = number.saturating_add(1);
    if next > MAX_PARTS {
        let why = "S3 takes at most 10000 parts, and there is more to upload: raise it";
        return Err(ApiMisuse::Setting { what: "part length", why }.into());
    }
    Ok(next)
}

/// Wiped where it is given up before it was encrypted.
type Plaintext = Zeroizing<Vec<u8>>;

/// A part that was read.
enum Filled {
    /// All of its bytes, and the first of the next one: there is more.
    Full(Plaintext, Plaintext),
    /// The last one, which may be as long as the others but not empty unless it is the only one.
    Last(Plaintext),
}

/// Reads a part, and one byte more to know whether it is the last. `part` is what was read before.
async fn read_part<R: AsyncRead + Unpin + Send>(
    reader: &mut R,
    part_len: usize,
    mut part: Plaintext,
) -> Result<Filled, Error> {
    let limit = part_len.saturating_add(1);
    let full_len = limit.saturating_add(TAG_LEN);
    // Where the part before was full, so may this one be.
    let follows_a_full_one = !part.is_empty();
    while part.len() < limit {
        if part.len() == part.capacity() {
            let doubled = part.capacity().saturating_mul(2).max(FIRST_LEN);
            let wanted = if follows_a_full_one { full_len } else { doubled.min(full_len) };
            let room = wanted.saturating_sub(part.len());
            reserve_exact(&mut part, room);
        }
        let left = crate::message::to_u64(limit.saturating_sub(part.len()));
        match (&mut *reader).take(left).read_buf(&mut *part).await {
            Ok(0) => return Ok(Filled::Last(part)),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("reading the body", error)),
        }
    }
    let beyond = Zeroizing::new(part.split_off(part_len));
    Ok(Filled::Full(part, beyond))
}

/// Gives the upload up when it is dropped before it is complete.
struct AbortOnDrop {
    upload: Option<MultipartUpload>,
}

impl AbortOnDrop {
    fn disarm(mut self) {
        self.upload = None;
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let (Some(upload), Ok(runtime)) =
            (self.upload.take(), tokio::runtime::Handle::try_current())
        {
            drop(runtime.spawn(async move { upload.abort().await }));
        }
    }
}

/// Behind the last part stands a tag of so many bytes.
const TAG_LEN: usize = 16;
/// The first memory for a body, which may be short.
const FIRST_LEN: usize = 64 << 10;
/// 10000 of them hold more than the 2^36 - 32 bytes that an object may have.
const DEFAULT_PART_LEN: usize = 8 << 20;
const DEFAULT_PARALLELISM: usize = 4;
