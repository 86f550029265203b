//! An object in one request.

use std::future::IntoFuture;

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::operation::put_object::builders::PutObjectInputBuilder;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;

use super::body::sealed_stream;
use super::call::Call;
use super::inputs::{head_of_put, instruction_file_of_put, put_again, refuse_checksums};
use super::lost_answer::stored_after_all;
use super::{Client, InstructionFiles};
use crate::context::EncryptionContext;
use crate::error::{ApiMisuse, Error, ObjectError};
use crate::materials::BoxFuture;
use crate::message::to_u64;
use crate::s3::INSTRUCTION_FILE_SUFFIX;
use crate::s3::format::Format;
use crate::s3::prepare::{Prepared, ciphertext_len, prepare};

impl Client {
    /// Encrypts a body and puts it as an object.
    ///
    /// The length of the body must be known, by itself or from `content_length`; for a reader of unknown length
    /// use [`upload`](Self::upload). Everything else in the input is sent as it is, but checksums of the body that
    /// the caller computed: those would be of the plaintext.
    ///
    /// A body that is in memory may be sent again when a request fails, as the SDK is set to; one that comes from
    /// a stream or a file is sent once.
    ///
    /// An instruction file, where one is asked for, is stored after the object. If that fails, the error says so, the
    /// object is there, and nothing opens it: put it again. With `if_none_match`, it replaces nothing either: whether
    /// its place is free is looked at first, as far as `s3:GetObject` allows.
    ///
    /// Where it is open whether S3 stored the object, because no answer came, or because a condition does not hold in a
    /// second attempt, the object is looked for; that needs `s3:GetObject`.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] for inputs that cannot be, [`Error::Keyring`] if the data key cannot be wrapped,
    /// [`ObjectError::MetadataTooLong`] before anything is sent, [`Error::S3`] if S3 does not take it.
    ///
    /// Spec: s3-encryption/client, "Required API Operations".
    pub fn put_object(&self, input: PutObjectInputBuilder) -> PutObject<'_> {
        PutObject {
            client: self,
            input,
            context: EncryptionContext::default(),
            instruction_files: self.instruction_files,
            format: Format::default(),
        }
    }
}

/// A request to put an encrypted object: see [`Client::put_object`].
#[must_use = "nothing is sent before `.await`"]
pub struct PutObject<'a> {
    client: &'a Client,
    input: PutObjectInputBuilder,
    context: EncryptionContext,
    instruction_files: InstructionFiles,
    format: Format,
}

impl<'a> PutObject<'a> {
    /// The encryption context: that of AWS KMS, or of the message. The same pairs are needed to get the object.
    pub fn context<N: Into<String>, V: Into<String>>(
        mut self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.context = EncryptionContext::from_iter(pairs);
        self
    }

    /// Whether the wrapped data key goes into an instruction file; never for messages, which have it in them. Default:
    /// as the client is set.
    pub fn instruction_file(mut self, when: InstructionFiles) -> Self {
        self.instruction_files = when;
        self
    }

    /// In which format the body is encrypted. Default: [`Format::Object`].
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    async fn run(self) -> Result<PutObjectOutput, Error> {
        let Self { client, input, context, instruction_files, format } = self;
        let mut input = input.build().map_err(unusable_input)?;
        let body = std::mem::take(&mut input.body);
        refuse_checksums(&input)?;
        let plaintext_len = stated_len(input.content_length, &body)?;
        let input = put_again(input);
        let (bucket, key) = (input.get_bucket().clone(), input.get_key().clone());
        let call = Call::new("PutObject", &bucket, &key)?;
        if format == Format::EsdkMessage {
            return client.put_message(call, input, (body, plaintext_len), &context).await;
        }
        let stored_len = ciphertext_len(plaintext_len)?;
        let stored_len = i64::try_from(stored_len)
            .map_err(|_| Error::from(ObjectError::ContentTooLong { limit: stored_len }))?;
        let own = input.get_metadata().clone().unwrap_or_default();
        let prepared = client.prepared(&context, &own, instruction_files).await?;

        let mut metadata = own;
        let meant: Vec<_> = encryption_pairs(&prepared).collect();
        metadata.extend(meant.iter().cloned());
        let file = prepared.metadata().instruction_file().map(str::to_owned);
        let beside = file.is_some().then(|| instruction_file_of_put(&input));
        if let Some(beside) = &beside {
            client.check_instruction_file(call, beside, INSTRUCTION_FILE_SUFFIX).await?;
        }
        let body = sealed(prepared, body, plaintext_len)?;
        let head = head_of_put(&input);
        let input = input.set_metadata(Some(metadata)).content_length(stored_len).body(body);
        let output = match input.send_with(&client.sdk).await {
            Ok(output) => output,
            Err(error) => {
                let error = call.sdk_error(error);
                let meant = meant.iter().map(|(key, value)| (key.as_str(), value.as_str()));
                let stored = stored_after_all(client, call, head, meant, Some(stored_len), &error);
                put_answer(stored.await.ok_or(error)?)
            }
        };
        // After the object: an object that is not replaced, because a condition does not hold or the request
        // fails, must not lose the instruction file that opens it.
        if let (Some(text), Some(beside)) = (file, beside) {
            client.put_instruction_file(call, beside, INSTRUCTION_FILE_SUFFIX, text).await?;
        }
        Ok(output)
    }
}

impl<'a> IntoFuture for PutObject<'a> {
    type Output = Result<PutObjectOutput, Error>;
    type IntoFuture = BoxFuture<'a, Result<PutObjectOutput, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl std::fmt::Debug for PutObject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PutObject").field("key", self.input.get_key()).finish_non_exhaustive()
    }
}

impl Client {
    /// A data key for a new object, and where its metadata goes; checked against what S3 stores.
    pub(super) async fn prepared(
        &self,
        context: &EncryptionContext,
        own: &std::collections::HashMap<String, String>,
        instruction_files: InstructionFiles,
    ) -> Result<Prepared, Error> {
        let always = instruction_files == InstructionFiles::Always;
        let request = prepare(&*self.keyring).context(context.iter()).policy(self.policy.clone());
        let prepared = request.instruction_file(always).await?;
        match prepared.metadata().check_user_metadata(own) {
            Err(Error::Object(ObjectError::MetadataTooLong { .. }))
                if instruction_files == InstructionFiles::WhenNeeded =>
            {
                let prepared = prepared.with_instruction_file();
                prepared.metadata().check_user_metadata(own)?;
                Ok(prepared)
            }
            Err(error) => Err(error),
            Ok(()) => Ok(prepared),
        }
    }
}

/// What the SDK adds to the metadata of an object.
pub(super) fn encryption_pairs(prepared: &Prepared) -> impl Iterator<Item = (String, String)> {
    prepared.metadata().object().map(|(key, value)| (key.to_owned(), value.to_owned()))
}

/// What the answer to a request would have said, as far as S3 tells it later.
fn put_answer(head: HeadObjectOutput) -> PutObjectOutput {
    PutObjectOutput::builder()
        .set_e_tag(head.e_tag)
        .set_version_id(head.version_id)
        .set_expiration(head.expiration)
        .set_server_side_encryption(head.server_side_encryption)
        .set_sse_customer_algorithm(head.sse_customer_algorithm)
        .set_sse_customer_key_md5(head.sse_customer_key_md5)
        .set_ssekms_key_id(head.ssekms_key_id)
        .set_bucket_key_enabled(head.bucket_key_enabled)
        .set_request_charged(head.request_charged)
        .build()
}

/// The ciphertext of a body.
fn sealed(prepared: Prepared, body: ByteStream, plaintext_len: u64) -> Result<ByteStream, Error> {
    let mut sealer = prepared.into_sealer();
    let Some(plaintext) = body.bytes() else {
        let len = ciphertext_len(plaintext_len)?;
        return Ok(sealed_stream(sealer, body, plaintext_len, len));
    };
    // In memory already: ciphertext that stays there can be sent again, bit by bit the same.
    let mut out = Vec::with_capacity(plaintext.len().saturating_add(16));
    sealer.update(plaintext, &mut out)?;
    sealer.finish(&mut out)?;
    Ok(ByteStream::new(SdkBody::from(Bytes::from(out))))
}

/// The length of a body in bytes, from itself and from what the input states.
fn stated_len(content_length: Option<i64>, body: &ByteStream) -> Result<u64, Error> {
    let what = "content length";
    let stated = content_length
        .map(|len| {
            u64::try_from(len).map_err(|_| ApiMisuse::Setting { what, why: "it is negative" })
        })
        .transpose()?;
    let known = match (body.bytes(), body.size_hint()) {
        (Some(bytes), _) => Some(to_u64(bytes.len())),
        (None, (least, Some(most))) if least == most => Some(most),
        _ => None,
    };
    match (stated, known) {
        (Some(expected), Some(found)) if expected != found => {
            Err(ApiMisuse::BufferLen { what: "the body", expected, found }.into())
        }
        (Some(len), _) | (None, Some(len)) => Ok(len),
        (None, None) => {
            let why = "it is unknown: set `content_length`, or use `upload`";
            Err(ApiMisuse::Setting { what, why }.into())
        }
    }
}

/// What the SDK says about an input that cannot be built.
pub(super) fn unusable_input(_: aws_sdk_s3::error::BuildError) -> Error {
    ApiMisuse::Setting { what: "input", why: "a required field is missing" }.into()
}
