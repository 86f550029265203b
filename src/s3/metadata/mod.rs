//! What is stored with an object and says how to decrypt it: with the object itself, or in an instruction file.

mod double_encoding;
mod encode;
mod fields;
mod json;
mod keys;
mod read;
#[cfg(test)]
mod tests;

use std::fmt;

pub use encode::EncodedMetadata;
#[cfg(feature = "s3")]
pub(crate) use encode::{check_metadata_len, is_encryption_key, is_of_one_object};
#[cfg(feature = "s3")]
pub(crate) use json::MAX_JSON_LEN as MAX_INSTRUCTION_FILE_LEN;
#[cfg(feature = "s3")]
pub(crate) use keys::FORMAT as FORMAT_KEY;
pub use read::{Metadata, Partial};

use crate::context::EncryptionContext;
use crate::s3::description::MaterialDescription;
use crate::s3::keyring::{WrappedDataKey, WrappingAlgorithm};
use crate::s3::suite::{COMMITMENT_LEN, ContentSuite};

/// Everything that says how an object is encrypted. Nothing of it is secret, and of an object that was not
/// decrypted yet nothing is authenticated.
///
/// ```
/// use waxseal::s3::{FormatVersion, Metadata};
///
/// let Metadata::Complete(metadata) = Metadata::read([
///     ("x-amz-c", "115"),
///     ("x-amz-d", "iUX4ovx103V3hpsmRG//PAHXNChRoOrRtvkG1Q=="),
///     ("x-amz-i", "UrKNDcmyy2wugUT3Y/PHZNy4SYN76UAdziwA+Q=="),
///     ("x-amz-3", "a2V5"),
///     ("x-amz-w", "02"),
///     ("the-users-own", "value"),
/// ])?
/// else {
///     panic!("all of it is there");
/// };
/// assert_eq!(metadata.format_version(), FormatVersion::V3);
/// assert_eq!(metadata.wrapping_algorithm().name(), "AES/GCM");
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: s3-encryption/data-format/content-metadata.
#[derive(Clone, PartialEq, Eq)]
pub struct ContentMetadata {
    version: FormatVersion,
    suite: ContentSuite,
    wrapped: WrappedDataKey,
    /// The IV; in format version 3 the message id.
    iv: Vec<u8>,
    commitment: Option<[u8; COMMITMENT_LEN]>,
    location: MetadataLocation,
    unencrypted_len: Option<u64>,
}

impl ContentMetadata {
    /// Describes what was just encrypted. `iv` is the message id where the suite has one.
    pub(crate) fn new(
        suite: ContentSuite,
        wrapped: WrappedDataKey,
        iv: Vec<u8>,
        commitment: Option<[u8; COMMITMENT_LEN]>,
        location: MetadataLocation,
    ) -> Self {
        let version = if suite.commits() { FormatVersion::V3 } else { FormatVersion::V2 };
        Self { version, suite, wrapped, iv, commitment, location, unencrypted_len: None }
    }

    /// The same, stored somewhere else.
    #[cfg(feature = "s3")]
    pub(crate) fn located(self, location: MetadataLocation) -> Self {
        Self { location, ..self }
    }

    /// The same content, with its data key wrapped anew: for an instruction file.
    #[cfg(any(test, feature = "s3"))]
    pub(crate) fn rewrapped(self, wrapped: WrappedDataKey) -> Self {
        let version = if self.suite.commits() { FormatVersion::V3 } else { FormatVersion::V2 };
        Self { version, wrapped, location: MetadataLocation::InstructionFile, ..self }
    }

    /// The format version.
    pub fn format_version(&self) -> FormatVersion {
        self.version
    }

    /// How the content is encrypted.
    pub fn suite(&self) -> ContentSuite {
        self.suite
    }

    /// How the data key is wrapped. Format version 1 does not say it: there it is told from the length.
    pub fn wrapping_algorithm(&self) -> WrappingAlgorithm {
        self.wrapped.algorithm()
    }

    /// The wrapped data key, with what is stored beside it.
    pub fn wrapped_data_key(&self) -> &WrappedDataKey {
        &self.wrapped
    }

    /// The bytes of the wrapped data key.
    pub fn encrypted_data_key(&self) -> &[u8] {
        self.wrapped.ciphertext()
    }

    /// The IV: 12 bytes for AES-GCM, 16 for AES-CBC. In format version 3 the message id: 28 bytes.
    pub fn iv(&self) -> &[u8] {
        &self.iv
    }

    /// What commits to the data key: 28 bytes, in format version 3 only.
    pub fn commitment(&self) -> Option<&[u8]> {
        self.commitment.as_ref().map(<[u8; COMMITMENT_LEN]>::as_slice)
    }

    /// The encryption context of AWS KMS as it is stored, with the pairs that the client adds; empty where a
    /// raw key wrapped.
    pub fn encryption_context(&self) -> &EncryptionContext {
        self.wrapped.context()
    }

    /// The description of the raw key that wrapped; empty where AWS KMS did.
    pub fn material_description(&self) -> &MaterialDescription {
        self.wrapped.description()
    }

    /// Where the wrapped data key is stored.
    pub fn location(&self) -> MetadataLocation {
        self.location
    }

    /// Length of the plaintext in bytes, where it is stated. Nothing authenticates it.
    pub fn unencrypted_len(&self) -> Option<u64> {
        self.unencrypted_len
    }
}

/// Short: what it is, and none of its bytes.
impl fmt::Debug for ContentMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentMetadata")
            .field("version", &self.version)
            .field("suite", &self.suite)
            .field("algorithm", &self.wrapped.algorithm())
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

/// Which names are stored with an object, and what they mean. This is no version of any client.
///
/// Spec: s3-encryption/data-format/content-metadata, "Format Versions".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FormatVersion {
    /// AES-CBC, read only.
    V1,
    /// AES-GCM without commitment; AES-CBC, read only.
    V2,
    /// AES-GCM with commitment.
    V3,
}

/// Where the wrapped data key of an object is stored, and with it what says how it is wrapped.
///
/// Spec: s3-encryption/data-format/metadata-strategy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetadataLocation {
    /// In an object of its own beside it. In format version 3 the metadata of the object itself still has how
    /// the content is encrypted.
    InstructionFile,
    /// In the metadata of the object.
    #[default]
    Object,
}
