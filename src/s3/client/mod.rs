//! The client on the AWS SDK.

mod audit;
mod body;
mod call;
mod copy;
mod delete;
mod download;
mod get;
mod head;
mod inputs;
mod list;
mod lost_answer;
mod message;
mod multipart;
mod put;
mod rewrap;
mod upload;
mod walk;

use std::collections::HashMap;
use std::sync::Arc;

pub use audit::{Audit, AuditedObjects, Need, ObjectAudit};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::get_object::builders::GetObjectInputBuilder;
use aws_sdk_s3::operation::put_object::builders::PutObjectInputBuilder;
pub use download::{Download, Downloaded};
pub use get::GetObject;
pub use head::{ObjectHead, PlaintextLen};
pub use list::{ListObjects, ListedObject, Listing};
pub use multipart::{CreateMultipartUpload, MultipartUpload};
pub use put::PutObject;
pub use rewrap::{Outcome, Rewrap, RewrapAll, RewrapResult, RewrapResults, Rewrapped, Wrapping};
pub use upload::Upload;

use self::call::Call;
use self::inputs::{get_of_head, head_of_put, instruction_file_of_put, with_checksum};
use self::message::Messages;
use crate::error::{Error, ObjectError, S3Failure};
use crate::s3::keyring::S3Keyring;
use crate::s3::metadata::{ContentMetadata, EncodedMetadata, MAX_INSTRUCTION_FILE_LEN, Metadata};
use crate::s3::policy::Policy;

/// Encrypts objects before they are uploaded, and decrypts them after they are downloaded.
///
/// It wraps a client of the AWS SDK, takes the SDK's own inputs and gives its own outputs. Cloning it is cheap.
///
/// ```no_run
/// use aws_sdk_s3::operation::get_object::GetObjectInput;
/// use aws_sdk_s3::operation::put_object::PutObjectInput;
/// use waxseal::kms::KmsKeyring;
///
/// # async fn run(config: aws_config::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
/// let key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
/// let keyring = KmsKeyring::new(aws_sdk_kms::Client::new(&config), key)?;
/// let s3 = waxseal::s3::Client::new(aws_sdk_s3::Client::new(&config), keyring);
///
/// let body = b"hello".to_vec().into();
/// s3.put_object(PutObjectInput::builder().bucket("b").key("k").body(body)).context([("tenant", "42")]).await?;
/// let object = s3.get_object(GetObjectInput::builder().bucket("b").key("k")).context([("tenant", "42")]).await?;
/// assert_eq!(&object.body.collect().await?.into_bytes()[..], b"hello");
/// # Ok(())
/// # }
/// ```
///
/// Spec: s3-encryption/client.
#[derive(Debug, Clone)]
pub struct Client {
    sdk: aws_sdk_s3::Client,
    keyring: Arc<dyn S3Keyring>,
    policy: Policy,
    buffer_limit: u64,
    instruction_files: InstructionFiles,
    messages: Messages,
}

impl Client {
    /// Wraps a client of the SDK; its region, credentials, retries and time-outs are used as they are.
    ///
    /// The user agent of each request names this crate, too.
    pub fn new(sdk: aws_sdk_s3::Client, keyring: impl S3Keyring + 'static) -> Self {
        let named = match call::framework() {
            Some(name) => {
                let config = sdk.config().to_builder().framework_metadata(name).build();
                aws_sdk_s3::Client::from_conf(config)
            }
            None => sdk,
        };
        Self {
            sdk: named,
            keyring: Arc::new(keyring),
            policy: Policy::default(),
            buffer_limit: DEFAULT_BUFFER_LIMIT,
            instruction_files: InstructionFiles::default(),
            messages: Messages::default(),
        }
    }

    /// What may be written and read. Default: only what commits to its key.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// How many bytes of one object may wait in memory for its authentication. Default: 64 MiB.
    ///
    /// They are bytes of what is stored. Those of a [message](crate::s3::Format::EsdkMessage) that is got whole wait
    /// beside their plaintext, which takes as much again.
    #[must_use]
    pub fn buffer_limit(mut self, bytes: u64) -> Self {
        self.buffer_limit = bytes;
        self
    }

    /// Whether instruction files are written and read. Default: read, but not written.
    #[must_use]
    pub fn instruction_files(mut self, when: InstructionFiles) -> Self {
        self.instruction_files = when;
        self
    }

    /// The same client with other keys, such as those that objects are to be rewrapped for.
    #[must_use]
    pub fn with_keyring(&self, keyring: impl S3Keyring + 'static) -> Self {
        Self { keyring: Arc::new(keyring), ..self.clone() }
    }

    /// The client of the SDK, for everything that this one does not do.
    ///
    /// Nothing that goes through it is encrypted or decrypted here: it stores what it is given, and gets what is
    /// stored.
    pub fn unencrypted(&self) -> &aws_sdk_s3::Client {
        &self.sdk
    }

    /// Finds out how an object is encrypted, if need be from its instruction file.
    async fn content_metadata(
        &self,
        call: Call<'_>,
        stored: Option<&HashMap<String, String>>,
        beside: &GetObjectInputBuilder,
        suffix: &str,
    ) -> Result<ContentMetadata, Error> {
        let partial = match Metadata::read(stored.into_iter().flatten())? {
            Metadata::Complete(metadata) => return Ok(metadata),
            Metadata::InInstructionFile(_) if message::is_marked(stored) => {
                return Err(ObjectError::EsdkMessage.into());
            }
            Metadata::InInstructionFile(partial) => partial,
        };
        if self.instruction_files == InstructionFiles::Never {
            return Err(partial.without_instruction_file(None));
        }
        let key = format!("{}{suffix}", call.key);
        match self.instruction_file(call.key(&key), beside).await? {
            Some(text) => partial.complete(&text),
            None => Err(partial.without_instruction_file(Some(&key))),
        }
    }

    /// Gets the text of an instruction file, if there is one.
    async fn instruction_file(
        &self,
        call: Call<'_>,
        beside: &GetObjectInputBuilder,
    ) -> Result<Option<Vec<u8>>, Error> {
        let found = self.stored_instruction_file(call, beside).await?;
        Ok(found.map(|(text, _)| text))
    }

    /// Gets an instruction file, if there is one: its text, and the answer without it.
    async fn stored_instruction_file(
        &self,
        call: Call<'_>,
        beside: &GetObjectInputBuilder,
    ) -> Result<Option<(Vec<u8>, GetObjectOutput)>, Error> {
        let call = call.operation("GetObject");
        let input = GetObjectInputBuilder::default()
            .bucket(call.bucket)
            .key(call.key)
            .set_request_payer(beside.get_request_payer().clone())
            .set_expected_bucket_owner(beside.get_expected_bucket_owner().clone())
            .set_sse_customer_algorithm(beside.get_sse_customer_algorithm().clone())
            .set_sse_customer_key(beside.get_sse_customer_key().clone())
            .set_sse_customer_key_md5(beside.get_sse_customer_key_md5().clone());
        let without = input.clone().set_sse_customer_algorithm(None);
        let without = without.set_sse_customer_key(None).set_sse_customer_key_md5(None);
        let has_key = input.get_sse_customer_key().is_some();
        let mut found = input.send_with(&self.sdk).await.map_err(|error| call.sdk_error(error));
        // Some clients store the file without the caller's key of its object, with which it cannot be got then.
        if has_key && matches!(&found, Err(Error::S3(error)) if error.status() == Some(400)) {
            let again = without.send_with(&self.sdk).await.map_err(|error| call.sdk_error(error));
            found = again.or(found);
        }
        let mut output = match found {
            Ok(output) => output,
            Err(Error::S3(error)) if *error.failure() == S3Failure::NoSuchKey => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut body = std::mem::take(&mut output.body);
        let mut text = Vec::new();
        while let Some(chunk) = body.next().await {
            text.extend_from_slice(&chunk.map_err(|error| call.body_failed(error))?);
            if text.len() > MAX_INSTRUCTION_FILE_LEN {
                let fault = format!("is longer than {MAX_INSTRUCTION_FILE_LEN} bytes");
                return Err(ObjectError::InstructionFile { fault }.into());
            }
        }
        Ok(Some((text, output)))
    }

    /// Refuses an object that is to replace nothing, where its instruction file would.
    async fn check_instruction_file(
        &self,
        call: Call<'_>,
        input: &PutObjectInputBuilder,
        suffix: &str,
    ) -> Result<(), Error> {
        if input.get_if_none_match().is_none() {
            return Ok(());
        }
        let file = format!("{}{suffix}", call.key);
        if !self.is_there(call.key(&file), input).await {
            return Ok(());
        }
        // Not every store heeds the condition in every request: it might replace the object, but not the file, and then
        // nothing would open it.
        let in_the_way = if self.is_there(call, input).await { call } else { call.key(&file) };
        Err(in_the_way.operation("HeadObject").failed(S3Failure::PreconditionFailed))
    }

    /// Whether there is an object, as far as these credentials may know.
    async fn is_there(&self, call: Call<'_>, beside: &PutObjectInputBuilder) -> bool {
        let head = head_of_put(beside).bucket(call.bucket).key(call.key);
        match head.send_with(&self.sdk).await.map_err(|error| call.sdk_error(error)) {
            Ok(_) => true,
            // It is, but not under the key that the caller brings.
            Err(Error::S3(error)) => error.status() == Some(400),
            Err(_) => false,
        }
    }

    /// Stores an instruction file beside an object.
    async fn put_instruction_file(
        &self,
        call: Call<'_>,
        input: PutObjectInputBuilder,
        suffix: &str,
        text: String,
    ) -> Result<(), Error> {
        let key = format!("{}{suffix}", call.key);
        let call = call.key(&key).operation("PutObject");
        let (mark, value) = EncodedMetadata::instruction_file_metadata();
        let beside = get_of_head(&head_of_put(&input));
        let mut put_again = 0..2;
        loop {
            let put = with_checksum(instruction_file_of_put(&input), &text);
            let put = put.key(&key).metadata(mark, value).body(text.clone().into_bytes().into());
            let Err(error) = put.send_with(&self.sdk).await else { return Ok(()) };
            let error = call.sdk_error(error);
            let Error::S3(failed) = &error else { return Err(error) };
            match failed.failure() {
                // Another request for it, perhaps an attempt of this one, was under way.
                S3Failure::Conflict if put_again.next().is_some() => {}
                // It may be there from an attempt whose answer was lost. No other object has this text.
                S3Failure::PreconditionFailed | S3Failure::Conflict => {
                    return match self.instruction_file(call, &beside).await {
                        Ok(Some(stored)) if stored == text.as_bytes() => Ok(()),
                        _ => Err(error),
                    };
                }
                _ => return Err(error),
            }
        }
    }
}

/// When instruction files are written and read: objects of their own, beside the encrypted ones, that hold the
/// wrapped data key.
///
/// ```
/// use waxseal::s3::InstructionFiles;
///
/// assert_eq!(InstructionFiles::default(), InstructionFiles::Read);
/// ```
///
/// Spec: s3-encryption/data-format/metadata-strategy, "Instruction File".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InstructionFiles {
    /// Never written nor read.
    Never,
    /// Not written; read where an object's metadata does not have everything.
    #[default]
    Read,
    /// Written where the metadata would be more than the 2 KB that S3 stores; read.
    WhenNeeded,
    /// Written for each object; read.
    Always,
}

/// Enough for most objects, little enough for most processes.
const DEFAULT_BUFFER_LIMIT: u64 = 64 << 20;
