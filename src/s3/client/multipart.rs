//! An object in parts, whose order the caller chooses.

use std::collections::{BTreeMap, HashMap};
use std::future::IntoFuture;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadOutput;
use aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadInputBuilder;
use aws_sdk_s3::operation::create_multipart_upload::CreateMultipartUploadOutput;
use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadInputBuilder;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::upload_part::UploadPartOutput;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use zeroize::Zeroizing;

use super::call::Call;
use super::inputs::Shared;
use super::lost_answer::stored_after_all;
use super::put::encryption_pairs;
use super::{Client, InstructionFiles};
use crate::context::EncryptionContext;
use crate::error::{ApiMisuse, Error, S3Failure};
use crate::materials::BoxFuture;
use crate::s3::INSTRUCTION_FILE_SUFFIX;
use crate::s3::content::{PartSealer, PartTicket, SealedPart};

impl Client {
    /// Begins an object that is uploaded in parts of `part_len` bytes of plaintext, the last of which may be shorter.
    ///
    /// Parts can be uploaded in any order and at the same time, and the object has the same bytes as if it had been
    /// encrypted from start to end. One call that does it all: [`upload`](Self::upload).
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if `part_len` is less than the 5 MiB that S3 asks for, more than 5 GiB, or no multiple
    /// of 16; [`Error::Keyring`], [`Error::Object`] and [`Error::S3`] as for [`put_object`](Self::put_object).
    ///
    /// Spec: s3-encryption/client, "Optional API Operations".
    pub fn create_multipart_upload(
        &self,
        input: CreateMultipartUploadInputBuilder,
        part_len: usize,
    ) -> CreateMultipartUpload<'_> {
        let instruction_files = self.instruction_files;
        CreateMultipartUpload {
            client: self,
            input,
            part_len,
            context: EncryptionContext::default(),
            instruction_files,
        }
    }
}

/// A request to begin a multipart upload: see [`Client::create_multipart_upload`].
#[derive(Debug)]
#[must_use = "nothing is sent before `.await`"]
pub struct CreateMultipartUpload<'a> {
    client: &'a Client,
    input: CreateMultipartUploadInputBuilder,
    part_len: usize,
    context: EncryptionContext,
    instruction_files: InstructionFiles,
}

impl<'a> CreateMultipartUpload<'a> {
    /// The encryption context of AWS KMS. The same pairs are needed to get the object.
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

    pub(super) async fn run(self) -> Result<MultipartUpload, Error> {
        let Self { client, input, part_len, context, instruction_files } = self;
        check_part_len(part_len)?;
        let (bucket, key) = (input.get_bucket().clone(), input.get_key().clone());
        let call = Call::new("CreateMultipartUpload", &bucket, &key)?;
        let own = input.get_metadata().clone().unwrap_or_default();
        let prepared = client.prepared(&context, &own, instruction_files).await?;
        let mut metadata: HashMap<_, _> = own;
        metadata.extend(encryption_pairs(&prepared));
        let instruction_file = prepared.metadata().instruction_file().map(str::to_owned);
        let create = input.set_metadata(Some(metadata));
        let upload = MultipartUpload::begin(client, call, create, part_len).await?;
        upload.state().sealer = Some(prepared.into_part_sealer());
        Ok(MultipartUpload { instruction_file, ..upload })
    }
}

impl<'a> IntoFuture for CreateMultipartUpload<'a> {
    type Output = Result<MultipartUpload, Error>;
    type IntoFuture = BoxFuture<'a, Result<MultipartUpload, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// An encrypted object that is uploaded in parts: see [`Client::create_multipart_upload`].
///
/// Without [`complete`](Self::complete) there is no object; without [`abort`](Self::abort) S3 keeps the parts that
/// it has, and charges for them.
///
/// ```no_run
/// use aws_sdk_s3::operation::create_multipart_upload::CreateMultipartUploadInput;
///
/// # async fn run(s3: waxseal::s3::Client, first: Vec<u8>, rest: Vec<u8>) -> Result<(), waxseal::Error> {
/// let input = CreateMultipartUploadInput::builder().bucket("b").key("k");
/// let upload = s3.create_multipart_upload(input, 8 << 20).await?;
/// upload.upload_part(1, first).await?;
/// upload.upload_last_part(2, rest).await?;
/// upload.complete(Default::default()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MultipartUpload {
    client: Client,
    bucket: String,
    key: String,
    output: CreateMultipartUploadOutput,
    shared: Shared,
    upload_id: String,
    part_len: usize,
    instruction_file: Option<String>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Taken when the last part is sealed: nothing comes after it.
    sealer: Option<PartSealer>,
    /// Places of parts that were passed over.
    tickets: BTreeMap<i32, PartTicket>,
    next_part: i32,
    parts: BTreeMap<i32, Part>,
    last_part: Option<i32>,
    /// What S3 answered to the end; only the instruction file may be missing then.
    done: Option<CompleteMultipartUploadOutput>,
}

#[derive(Debug)]
enum Part {
    /// Another call seals it.
    UnderWay,
    /// It is not stored yet: the ciphertext waits, as its plaintext must not be encrypted a second time.
    Unsent(Option<SealedPart>, Bytes),
    Stored(Option<SealedPart>, Box<CompletedPart>),
}

impl MultipartUpload {
    /// Begins an upload of parts that need no more encryption: one without a sealer.
    pub(super) async fn begin(
        client: &Client,
        call: Call<'_>,
        create: CreateMultipartUploadInputBuilder,
        part_len: usize,
    ) -> Result<Self, Error> {
        let call = call.operation("CreateMultipartUpload");
        let output =
            create.clone().send_with(&client.sdk).await.map_err(|error| call.sdk_error(error))?;
        let upload_id = output.upload_id().unwrap_or_default().to_owned();
        if upload_id.is_empty() {
            return Err(call.failed(S3Failure::WrongAnswer("it has no upload id".to_owned())));
        }
        let state = State {
            sealer: None,
            tickets: BTreeMap::new(),
            next_part: 1,
            parts: BTreeMap::new(),
            last_part: None,
            done: None,
        };
        Ok(Self {
            client: client.clone(),
            bucket: call.bucket.to_owned(),
            key: call.key.to_owned(),
            output,
            shared: Shared { create },
            upload_id,
            part_len,
            instruction_file: None,
            state: Mutex::new(state),
        })
    }

    /// What S3 answered to the beginning.
    pub fn output(&self) -> &CreateMultipartUploadOutput {
        &self.output
    }

    /// The id of the upload.
    pub fn upload_id(&self) -> &str {
        &self.upload_id
    }

    /// Encrypts and uploads one part, numbered from 1, of exactly the part length.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] for a part of another length, or one that was given before;
    /// [`Error::S3`] if S3 does not take it: [`resend_part`](Self::resend_part) tries again.
    pub async fn upload_part(
        &self,
        number: i32,
        plaintext: Vec<u8>,
    ) -> Result<UploadPartOutput, Error> {
        let (found, expected) = (plaintext.len(), self.part_len);
        if found != expected {
            let [expected, found] = [expected, found].map(crate::message::to_u64);
            return Err(ApiMisuse::BufferLen {
                what: "a part that is not the last",
                expected,
                found,
            }
            .into());
        }
        let ticket = self.state().ticket(number, self.part_len, found)?;
        let (part, sealed) = seal(ticket, plaintext).await?;
        let part = Bytes::from(part);
        self.state().parts.insert(number, Part::Unsent(Some(sealed), part.clone()));
        self.send(number, part).await
    }

    /// Encrypts and uploads the last part, of at most the part length, with the authentication tag of the whole
    /// object behind it. All others must have been given before, but need not be stored yet.
    ///
    /// # Errors
    /// As [`upload_part`](Self::upload_part), and [`Error::ApiMisuse`] if a part before it is missing.
    pub async fn upload_last_part(
        &self,
        number: i32,
        plaintext: Vec<u8>,
    ) -> Result<UploadPartOutput, Error> {
        let (found, limit) = (plaintext.len(), self.part_len);
        if found > limit {
            let [expected, found] = [limit, found].map(crate::message::to_u64);
            return Err(ApiMisuse::BufferLen { what: "the last part", expected, found }.into());
        }
        let ticket = self.state().last_ticket(number, self.part_len, found)?;
        let (mut part, sealed) = seal(ticket, plaintext).await?;
        let tag = self.state().finish(sealed)?;
        part.extend_from_slice(&tag);
        let part = Bytes::from(part);
        self.state().parts.insert(number, Part::Unsent(None, part.clone()));
        self.send(number, part).await
    }

    /// Uploads a part again that S3 did not take: the same ciphertext.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if there is no such part that failed, [`Error::S3`] if S3 does not take it again.
    pub async fn resend_part(&self, number: i32) -> Result<UploadPartOutput, Error> {
        let ciphertext = self.state().unsent(number)?;
        self.send(number, ciphertext).await
    }

    /// Makes the parts an object.
    ///
    /// From the input come conditions and the like; bucket, key, upload id and parts are known.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if a part is missing, [`Error::S3`] if S3 refuses, or does not answer and does not have the
    /// object. The upload is still there then: complete it again, or abort it. Where only the instruction file was not
    /// stored, which opens the object, completing again stores it.
    pub async fn complete(
        &self,
        input: CompleteMultipartUploadInputBuilder,
    ) -> Result<CompleteMultipartUploadOutput, Error> {
        let call = self.call("CompleteMultipartUpload");
        let done = self.state().done.clone();
        let beside = self.shared.instruction_file(&input);
        if done.is_none() {
            self.check_instruction_file(&input).await?;
        }
        let output = match done {
            Some(output) => output,
            None => {
                let parts = self.state().completed()?;
                let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
                let input = self.shared.fill_complete(input).upload_id(&self.upload_id);
                let output = match input.multipart_upload(parts).send_with(&self.client.sdk).await {
                    Ok(output) => output,
                    Err(error) => {
                        let meant = self.shared.create.get_metadata().iter().flatten();
                        let meant = meant.map(|(key, value)| (key.as_str(), value.as_str()));
                        let (head, error) = (self.shared.head(), call.sdk_error(error));
                        let stored =
                            stored_after_all(&self.client, call, head, meant, None, &error);
                        complete_answer(call, stored.await.ok_or(error)?)
                    }
                };
                self.state().done = Some(output.clone());
                output
            }
        };
        if let Some(text) = &self.instruction_file {
            self.client
                .put_instruction_file(call, beside, INSTRUCTION_FILE_SUFFIX, text.clone())
                .await?;
        }
        Ok(output)
    }

    /// Refuses to complete what is to replace nothing, where the instruction file would.
    pub(super) async fn check_instruction_file(
        &self,
        complete: &CompleteMultipartUploadInputBuilder,
    ) -> Result<(), Error> {
        if self.instruction_file.is_none() {
            return Ok(());
        }
        let (call, beside) = (self.call("HeadObject"), self.shared.instruction_file(complete));
        self.client.check_instruction_file(call, &beside, INSTRUCTION_FILE_SUFFIX).await
    }

    /// Uploads a part that is encrypted already.
    pub(super) async fn upload_sealed_part(
        &self,
        number: i32,
        ciphertext: Vec<u8>,
        is_last: bool,
    ) -> Result<UploadPartOutput, Error> {
        let part = Bytes::from(ciphertext);
        self.state().parts.insert(number, Part::Unsent(None, part.clone()));
        if is_last {
            self.state().last_part = Some(number);
        }
        self.send(number, part).await
    }

    /// Forgets the upload and the parts that S3 has.
    ///
    /// # Errors
    /// [`Error::S3`] if S3 refuses.
    pub async fn abort(&self) -> Result<(), Error> {
        let call = self.call("AbortMultipartUpload");
        let input = self.shared.abort().upload_id(&self.upload_id);
        input.send_with(&self.client.sdk).await.map_err(|error| call.sdk_error(error))?;
        Ok(())
    }

    /// Sends a part whose ciphertext the state has, where it stays if this is dropped before S3 answers.
    async fn send(&self, number: i32, ciphertext: Bytes) -> Result<UploadPartOutput, Error> {
        let call = self.call("UploadPart");
        let body = ByteStream::new(SdkBody::from(ciphertext));
        let input = self.shared.part().upload_id(&self.upload_id).part_number(number).body(body);
        let output =
            input.send_with(&self.client.sdk).await.map_err(|error| call.sdk_error(error))?;
        if output.e_tag().is_none_or(str::is_empty) {
            return Err(call.failed(S3Failure::WrongAnswer("it has no ETag".to_owned())));
        }
        self.state().stored(number, &output);
        Ok(output)
    }

    fn call(&self, operation: &'static str) -> Call<'_> {
        Call { operation, bucket: &self.bucket, key: &self.key }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the answer would have said, as far as S3 tells it later.
fn complete_answer(call: Call<'_>, head: HeadObjectOutput) -> CompleteMultipartUploadOutput {
    CompleteMultipartUploadOutput::builder()
        .bucket(call.bucket)
        .key(call.key)
        .set_e_tag(head.e_tag)
        .set_version_id(head.version_id)
        .set_expiration(head.expiration)
        .set_server_side_encryption(head.server_side_encryption)
        .set_ssekms_key_id(head.ssekms_key_id)
        .set_bucket_key_enabled(head.bucket_key_enabled)
        .set_request_charged(head.request_charged)
        .build()
}

impl State {
    /// The place of a part, with places for those before it.
    fn ticket(&mut self, number: i32, part_len: usize, len: usize) -> Result<PartTicket, Error> {
        if !(1..=MAX_PARTS).contains(&number) {
            let why = "S3 numbers parts from 1 to 10000";
            return Err(ApiMisuse::Setting { what: "part number", why }.into());
        }
        let order = |why| Error::from(ApiMisuse::Order(why));
        if self.last_part.is_some() {
            return Err(order("the last part was given already"));
        }
        if self.parts.contains_key(&number) {
            return Err(order("a part was given twice: `resend_part` sends one again that failed"));
        }
        let ticket = match self.tickets.remove(&number) {
            Some(ticket) => ticket,
            None if number < self.next_part => {
                return Err(order(
                    "a part was given twice: `resend_part` sends one again that failed",
                ));
            }
            None => {
                let sealer =
                    self.sealer.as_ref().ok_or_else(|| order("the last part was given already"))?;
                while self.next_part < number {
                    self.tickets.insert(self.next_part, sealer.next_part(part_len)?);
                    self.next_part = self.next_part.saturating_add(1);
                }
                let ticket = sealer.next_part(len)?;
                self.next_part = number.saturating_add(1);
                ticket
            }
        };
        self.parts.insert(number, Part::UnderWay);
        Ok(ticket)
    }

    fn last_ticket(
        &mut self,
        number: i32,
        part_len: usize,
        len: usize,
    ) -> Result<PartTicket, Error> {
        let missing = |why| Error::from(ApiMisuse::Order(why));
        if self.last_part.is_some() {
            return Err(missing("the last part was given already"));
        }
        if !self.tickets.is_empty() || number != self.next_part {
            return Err(missing(
                "the last part comes after all others were given, and is numbered after them",
            ));
        }
        if self.parts.values().any(|part| matches!(part, Part::UnderWay)) {
            return Err(missing(
                "a part before the last is still being encrypted: wait for it; if that call was given up, abort",
            ));
        }
        let ticket = self.ticket(number, part_len, len)?;
        // Also while it is being encrypted: a part beside it would come behind it in the tag.
        self.last_part = Some(number);
        Ok(ticket)
    }

    /// The tag of the whole object.
    fn finish(&mut self, last: SealedPart) -> Result<[u8; 16], Error> {
        let sealer = self.sealer.take().ok_or(ApiMisuse::Poisoned)?;
        let sealed = self.parts.values_mut().filter_map(|part| match part {
            Part::UnderWay => None,
            Part::Unsent(sealed, _) | Part::Stored(sealed, _) => sealed.take(),
        });
        let sealed = sealed.chain([last]).collect();
        sealer.finish(sealed)
    }

    fn unsent(&self, number: i32) -> Result<Bytes, Error> {
        match self.parts.get(&number) {
            Some(Part::Unsent(_, ciphertext)) => Ok(ciphertext.clone()),
            _ => Err(ApiMisuse::Order("there is no such part that was not stored").into()),
        }
    }

    fn stored(&mut self, number: i32, output: &UploadPartOutput) {
        let sealed = match self.parts.get_mut(&number) {
            Some(Part::Unsent(sealed, _) | Part::Stored(sealed, _)) => sealed.take(),
            Some(Part::UnderWay) | None => None,
        };
        self.parts.insert(number, Part::Stored(sealed, Box::new(completed(number, output))));
    }

    fn completed(&self) -> Result<Vec<CompletedPart>, Error> {
        let Some(last) = self.last_part else {
            return Err(ApiMisuse::Order("the last part was not given: `upload_last_part`").into());
        };
        let mut all = Vec::new();
        for number in 1..=last {
            match self.parts.get(&number) {
                Some(Part::Stored(_, part)) => all.push(CompletedPart::clone(part)),
                _ => {
                    return Err(ApiMisuse::Order(
                        "a part is not stored yet: wait for it, or `resend_part`",
                    )
                    .into());
                }
            }
        }
        Ok(all)
    }
}

/// Encrypts a part where it does not keep the runtime from other work.
async fn seal(ticket: PartTicket, part: Vec<u8>) -> Result<(Vec<u8>, SealedPart), Error> {
    // Where it does not come to that, no plaintext stays.
    let mut part = Zeroizing::new(part);
    let work = move || {
        let sealed = ticket.seal(&mut part)?;
        Ok((std::mem::take(&mut *part), sealed))
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(Error::Backend("encrypt a part")),
    }
}

/// What completes a part.
pub(super) fn completed(number: i32, output: &UploadPartOutput) -> CompletedPart {
    CompletedPart::builder()
        .part_number(number)
        .set_e_tag(output.e_tag.clone())
        .set_checksum_crc32(output.checksum_crc32.clone())
        .set_checksum_crc32_c(output.checksum_crc32_c.clone())
        .set_checksum_crc64_nvme(output.checksum_crc64_nvme.clone())
        .set_checksum_sha1(output.checksum_sha1.clone())
        .set_checksum_sha256(output.checksum_sha256.clone())
        .set_checksum_sha512(output.checksum_sha512.clone())
        .set_checksum_md5(output.checksum_md5.clone())
        .set_checksum_xxhash64(output.checksum_xxhash64.clone())
        .set_checksum_xxhash3(output.checksum_xxhash3.clone())
        .set_checksum_xxhash128(output.checksum_xxhash128.clone())
        .build()
}

pub(super) fn check_part_len(part_len: usize) -> Result<(), Error> {
    let why = match part_len {
        len if len < MIN_PART_LEN => "S3 asks for at least 5 MiB",
        len if crate::message::to_u64(len) > MAX_PART_LEN => "S3 takes at most 5 GiB",
        len if len % 16 != 0 => "it must be a multiple of 16",
        _ => return Ok(()),
    };
    Err(ApiMisuse::Setting { what: "part length", why }.into())
}

/// S3 takes no smaller ones, but the last.
pub(super) const MIN_PART_LEN: usize = 5 << 20;
/// S3 takes no larger ones.
const MAX_PART_LEN: u64 = (5 << 30) - 16;
/// S3 takes no more.
pub(super) const MAX_PARTS: i32 = 10_000;
