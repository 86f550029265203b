//! The formats of the Amazon S3 Encryption Client.

#[cfg(feature = "s3")]
mod client;
mod content;
mod description;
#[cfg(feature = "s3")]
mod format;
mod keyring;
mod metadata;
mod open;
mod policy;
mod prepare;
mod suite;

pub use crate::byte_range::{ByteRange, ByteSpan};
#[cfg(feature = "s3")]
pub use client::{
    Audit, AuditedObjects, Client, CreateMultipartUpload, Download, Downloaded, GetObject,
    InstructionFiles, ListObjects, ListedObject, Listing, MultipartUpload, Need, ObjectAudit,
    ObjectHead, Outcome, PlaintextLen, PutObject, Rewrap, RewrapAll, RewrapResult, RewrapResults,
    Rewrapped, Upload, Wrapping,
};
pub use content::{
    BufferedOpener, PartSealer, PartTicket, SealedPart, Sealer, UnauthenticatedOpener,
    UnauthenticatedRangeOpener,
};
#[cfg(fuzzing)]
pub(crate) use content::{ContentKey, StoredOpener};
pub use description::MaterialDescription;
#[cfg(feature = "s3")]
pub use format::Format;
pub use keyring::{
    AesKeyring, Fit, MultiKeyring, RsaKeyring, S3Keyring, UnwrapRequest, WrapRequest, Wrapped,
    WrappedDataKey, WrappingAlgorithm, unwrap_data_key,
};
pub use metadata::{
    ContentMetadata, EncodedMetadata, FormatVersion, Metadata, MetadataLocation, Partial,
};
pub use open::{Open, Opened, open};
pub use policy::Policy;
pub use prepare::{Prepare, Prepared, prepare};
pub use suite::ContentSuite;

#[cfg(feature = "s3")]
pub use crate::error::{S3Error, S3Failure};

/// What stands behind the key of an object in that of its instruction file.
///
/// Spec: s3-encryption/data-format/metadata-strategy, "Instruction File".
pub const INSTRUCTION_FILE_SUFFIX: &str = ".instruction";
