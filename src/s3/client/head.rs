//! What an object is, without its content.

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::head_object::builders::HeadObjectInputBuilder;

use super::Client;
use super::call::Call;
use super::inputs::get_of_head;
use super::message::longest_plaintext;
use crate::error::{ApiMisuse, Error, ObjectError};
use crate::s3::INSTRUCTION_FILE_SUFFIX;
use crate::s3::format::Format;
use crate::s3::metadata::ContentMetadata;

impl Client {
    /// Asks about an object: how it is encrypted, and how long its plaintext is. No key is used.
    ///
    /// # Errors
    /// [`Error::Object`] if it is not encrypted as a format says, [`Error::S3`] if S3 does not answer,
    /// [`Error::ApiMisuse`] for a range or a part.
    pub async fn head_object(&self, input: HeadObjectInputBuilder) -> Result<ObjectHead, Error> {
        self.head_with(input, INSTRUCTION_FILE_SUFFIX).await
    }

    /// The same, with another suffix of the instruction file.
    pub(super) async fn head_with(
        &self,
        input: HeadObjectInputBuilder,
        suffix: &str,
    ) -> Result<ObjectHead, Error> {
        let (bucket, key) = (input.get_bucket().clone(), input.get_key().clone());
        let call = Call::new("HeadObject", &bucket, &key)?;
        if input.get_range().is_some() || input.get_part_number().is_some() {
            let what = "setting `range` or `part_number`";
            return Err(ApiMisuse::Setting {
                what,
                why: "only the whole of an encrypted object is known",
            }
            .into());
        }
        let beside = get_of_head(&input);
        let mut output = input.send_with(&self.sdk).await.map_err(|error| call.sdk_error(error))?;
        let stored_len =
            output.content_length.and_then(|len| u64::try_from(len).ok()).unwrap_or_default();
        let stored = output.metadata.as_ref();
        let metadata = match self.content_metadata(call, stored, &beside, suffix).await {
            Ok(metadata) => Some(metadata),
            Err(Error::Object(ObjectError::EsdkMessage)) => None,
            Err(error) => return Err(error),
        };
        let plaintext_len = match &metadata {
            Some(metadata) => PlaintextLen::of(metadata, stored_len),
            None => PlaintextLen::AtMost(longest_plaintext(stored_len)),
        };
        output.content_length = match plaintext_len {
            PlaintextLen::Exact(len) | PlaintextLen::Stated(len) => i64::try_from(len).ok(),
            PlaintextLen::AtMost(_) => None,
        };
        Ok(ObjectHead { output, stored_len, plaintext_len, metadata })
    }
}

/// What is known of an object without its content: see [`Client::head_object`].
///
/// ```
/// use waxseal::s3::{ObjectHead, PlaintextLen};
///
/// fn exact(head: &ObjectHead) -> Option<u64> {
///     match head.plaintext_len() {
///         PlaintextLen::Exact(len) => Some(len),
///         _ => None,
///     }
/// }
/// ```
#[derive(Debug)]
pub struct ObjectHead {
    output: HeadObjectOutput,
    stored_len: u64,
    plaintext_len: PlaintextLen,
    /// None for a message, which has everything in it.
    metadata: Option<ContentMetadata>,
}

impl ObjectHead {
    /// The SDK's output, in which `content_length` is that of the plaintext, where it is known.
    pub fn output(&self) -> &HeadObjectOutput {
        &self.output
    }

    /// Length of what is stored, in bytes.
    pub fn stored_len(&self) -> u64 {
        self.stored_len
    }

    /// Length of the plaintext, in bytes.
    pub fn plaintext_len(&self) -> PlaintextLen {
        self.plaintext_len
    }

    /// In which format it is encrypted. Of messages a mark in the metadata tells, which nothing authenticates.
    pub fn format(&self) -> Format {
        match self.metadata {
            Some(_) => Format::Object,
            None => Format::EsdkMessage,
        }
    }

    /// How the object is encrypted; `None` for [`Format::EsdkMessage`], where the body says it.
    pub fn content_metadata(&self) -> Option<&ContentMetadata> {
        self.metadata.as_ref()
    }

    pub(super) fn into_parts(self) -> (HeadObjectOutput, u64, Option<ContentMetadata>) {
        (self.output, self.stored_len, self.metadata)
    }
}

/// How long a plaintext is, in bytes, and how well that is known.
///
/// ```
/// use waxseal::s3::PlaintextLen;
///
/// assert_eq!(PlaintextLen::Exact(5).to_string(), "5");
/// assert_eq!(PlaintextLen::AtMost(15).to_string(), "at most 15");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlaintextLen {
    /// The format leaves no other length.
    Exact(u64),
    /// The object's metadata says so, which nothing authenticates.
    Stated(u64),
    /// Padding hides up to 15 bytes of it, or a header does whose length is not known.
    AtMost(u64),
}

impl PlaintextLen {
    pub(crate) fn of(metadata: &ContentMetadata, stored_len: u64) -> Self {
        match (metadata.suite().tag_len(), metadata.unencrypted_len()) {
            (0, Some(stated)) => Self::Stated(stated),
            (0, None) => Self::AtMost(stored_len.saturating_sub(1)),
            (tag, _) => Self::Exact(stored_len.saturating_sub(tag)),
        }
    }
}

impl std::fmt::Display for PlaintextLen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(len) | Self::Stated(len) => write!(f, "{len}"),
            Self::AtMost(len) => write!(f, "at most {len}"),
        }
    }
}
