//! Objects in Amazon S3 that are not as their format has it.

use super::excerpt::Excerpt;
#[cfg(feature = "s3")]
use super::excerpt::Saying;

/// What is wrong with an object of the Amazon S3 Encryption Client, before any cryptography.
///
/// Spec: s3-encryption/data-format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// A body is longer than the content cipher allows.
    #[error("an object may have at most {limit} bytes of plaintext")]
    ContentTooLong {
        /// The bound in bytes: 2^36 - 32 for AES-GCM.
        limit: u64,
    },
    /// The object is marked as one of another format.
    #[error(
        "the object is marked as a message of the AWS Encryption SDK: choose `Format::EsdkMessage` to read it"
    )]
    EsdkMessage,
    /// The instruction file is not what it should be.
    #[error("the instruction file {fault}")]
    InstructionFile {
        /// What is wrong with it.
        fault: String,
    },
    /// A metadata key has a value that it cannot have, or is missing.
    #[error("the metadata key `{key}` {fault}")]
    Metadata {
        /// The key, without `x-amz-meta-`.
        key: &'static str,
        /// What is wrong with it.
        fault: String,
    },
    /// S3 stores at most 2048 bytes of metadata with an object.
    #[error(
        "the object would have {found} bytes of metadata, more than the {limit} that S3 stores{}",
        movable_part(*.movable)
    )]
    MetadataTooLong {
        /// Keys and values together, in bytes.
        found: usize,
        /// The limit of S3 in bytes.
        limit: usize,
        /// How many bytes an instruction file would hold instead.
        movable: usize,
    },
    /// Keys that only one format version has stand beside those of another.
    #[error("the metadata mixes format versions: it has `{first}` and `{second}`")]
    MixedFormats {
        /// A key of one version.
        first: &'static str,
        /// A key of another.
        second: &'static str,
    },
    /// Something was written, and something else is stored: another request was there, or the store is at fault.
    #[cfg(feature = "s3")]
    #[error(
        "what is stored is not what was written; it was {}, and is {} now", .before.escape_debug(),
        Saying(.now)
    )]
    NotAsWritten {
        /// What was stored before, in full: with it the object can be put right.
        before: String,
        /// What is stored now.
        now: String,
    },
    /// There is nothing that says how the object is encrypted.
    #[error(
        "the object is not encrypted, or its metadata was lost: it has no metadata of the S3 encryption \
         client, and {}", looked_for(.instruction_file.as_deref())
    )]
    NotEncrypted {
        /// The instruction file that was looked for, if one was.
        instruction_file: Option<String>,
    },
    /// The data key cannot be wrapped anew without knowing that it is the right one.
    #[cfg(feature = "s3")]
    #[error("the object cannot be rewrapped: {why}")]
    NotRewrappable {
        /// Why not.
        why: &'static str,
    },
}

fn movable_part(movable: usize) -> String {
    match movable {
        0 => String::new(),
        _ => format!("; an instruction file can take {movable} of them"),
    }
}

fn looked_for(instruction_file: Option<&str>) -> String {
    match instruction_file {
        None => "no instruction file was looked for".to_owned(),
        Some(key) => format!("there is no instruction file `{}`", Excerpt(key.as_bytes())),
    }
}
