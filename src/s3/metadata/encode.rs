//! From what is to be stored to the metadata of an object, and the text of an instruction file.

use base64ct::{Base64, Encoding};

use super::keys::{
    self, CIPHER, CIPHER_V3, COMMITMENT, CONTEXT_V3, DESCRIPTION, DESCRIPTION_V3, IV, KEY_V2,
    KEY_V3, MESSAGE_ID, TAG_LEN, WRAPPING, WRAPPING_V3,
};
use super::read::TAG_BITS;
use super::{ContentMetadata, FormatVersion, MetadataLocation, json};
use crate::error::{ApiMisuse, Error, ObjectError};
use crate::s3::keyring::WrappedDataKey;

/// What to store for an object: metadata of its own, and an instruction file or none.
///
/// All of it is ASCII: other characters of an encryption context or a description are escaped as JSON has it.
///
/// ```
/// use waxseal::s3::Metadata;
///
/// let pairs = [
///     ("x-amz-c", "115"),
///     ("x-amz-d", "iUX4ovx103V3hpsmRG//PAHXNChRoOrRtvkG1Q=="),
///     ("x-amz-i", "UrKNDcmyy2wugUT3Y/PHZNy4SYN76UAdziwA+Q=="),
///     ("x-amz-3", "a2V5"),
///     ("x-amz-w", "02"),
/// ];
/// let Metadata::Complete(metadata) = Metadata::read(pairs)? else { panic!("it is complete") };
/// let encoded = metadata.encode();
/// assert!(encoded.instruction_file().is_none());
/// assert_eq!(encoded.object().count(), pairs.len());
/// assert!(encoded.object().all(|pair| pairs.contains(&pair)));
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: s3-encryption/data-format/metadata-strategy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedMetadata {
    object: Vec<Pair>,
    instruction_file: Option<String>,
    /// Bytes of the object's metadata that an instruction file could hold instead.
    movable: usize,
}

impl EncodedMetadata {
    /// Checks that there is room for the user's own metadata, and that it keeps to keys of its own. Keys are
    /// those without `x-amz-meta-`.
    ///
    /// # Errors
    /// [`ApiMisuse::ReservedObjectKey`] for a key that belongs to this client;
    /// [`ObjectError::MetadataTooLong`] if Amazon S3 would not take all of it.
    pub fn check_user_metadata<K: AsRef<str>, V: AsRef<str>>(
        &self,
        user: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), Error> {
        let mut found = self.object.iter().map(len).fold(0, usize::saturating_add);
        for (key, value) in user {
            let (key, value) = (key.as_ref(), value.as_ref());
            if keys::known(key).is_some() {
                return Err(
                    ApiMisuse::ReservedObjectKey { what: "metadata", key: key.to_owned() }.into()
                );
            }
            found = found.saturating_add(key.len()).saturating_add(value.len());
        }
        if found > MAX_METADATA_LEN {
            let (limit, movable) = (MAX_METADATA_LEN, self.movable);
            return Err(ObjectError::MetadataTooLong { found, limit, movable }.into());
        }
        Ok(())
    }

    /// What to add to the metadata of the object, sorted by key: keys without `x-amz-meta-`.
    pub fn object(&self) -> impl ExactSizeIterator<Item = (&'static str, &str)> {
        self.object.iter().map(|(key, value)| (*key, value.as_str()))
    }

    /// The text of the instruction file, if there is to be one.
    pub fn instruction_file(&self) -> Option<&str> {
        self.instruction_file.as_deref()
    }

    /// The one pair of metadata that an instruction file itself has.
    pub fn instruction_file_metadata() -> (&'static str, &'static str) {
        (keys::INSTRUCTION_FILE, "")
    }
}

/// Whether a metadata key belongs to this client.
#[cfg(feature = "s3")]
pub(crate) fn is_encryption_key(key: &str) -> bool {
    keys::known(key).is_some()
}

/// Whether a metadata key has something random as its value, so that no two objects have the same.
#[cfg(feature = "s3")]
pub(crate) fn is_of_one_object(key: &str) -> bool {
    [IV, MESSAGE_ID].contains(&key)
}

/// Checks that Amazon S3 would take all of these pairs.
///
/// # Errors
/// [`ObjectError::MetadataTooLong`] if it would not.
#[cfg(feature = "s3")]
pub(crate) fn check_metadata_len<'a>(
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(), Error> {
    let lens = pairs.into_iter().map(|(key, value)| key.len().saturating_add(value.len()));
    let found = lens.fold(0, usize::saturating_add);
    if found > MAX_METADATA_LEN {
        let limit = MAX_METADATA_LEN;
        return Err(ObjectError::MetadataTooLong { found, limit, movable: 0 }.into());
    }
    Ok(())
}

impl ContentMetadata {
    /// Writes all of it down, for where [`location`](Self::location) says.
    ///
    /// Format version 1 is not written: what was read from it comes out as version 2.
    pub fn encode(&self) -> EncodedMetadata {
        let (content, wrapped) = match self.version {
            FormatVersion::V1 | FormatVersion::V2 => (Vec::new(), self.pairs_v2()),
            FormatVersion::V3 => (self.content_v3(), wrapped_v3(&self.wrapped)),
        };
        match self.location {
            MetadataLocation::InstructionFile => {
                let pairs = sorted(wrapped);
                let text = json::write(pairs.iter().map(|(key, value)| (*key, value.as_str())));
                EncodedMetadata {
                    object: sorted(content),
                    instruction_file: Some(text),
                    movable: 0,
                }
            }
            MetadataLocation::Object => {
                let movable = wrapped.iter().map(len).fold(0, usize::saturating_add);
                let object = sorted(content.into_iter().chain(wrapped).collect());
                EncodedMetadata { object, instruction_file: None, movable }
            }
        }
    }

    fn pairs_v2(&self) -> Vec<Pair> {
        let Self { version: _, suite, wrapped, iv, commitment: _, location: _, unencrypted_len: _ } =
            self;
        let mut pairs = vec![
            (KEY_V2, Base64::encode_string(wrapped.ciphertext())),
            (IV, Base64::encode_string(iv)),
            (CIPHER, suite.cipher_name().to_owned()),
            (WRAPPING, wrapped.algorithm().name().to_owned()),
            (DESCRIPTION, context_or_description(wrapped)),
        ];
        if suite.authenticates() {
            pairs.push((TAG_LEN, TAG_BITS.to_owned()));
        }
        pairs
    }

    fn content_v3(&self) -> Vec<Pair> {
        vec![
            (CIPHER_V3, self.suite.cipher_name().to_owned()),
            (COMMITMENT, Base64::encode_string(self.commitment().unwrap_or_default())),
            (MESSAGE_ID, Base64::encode_string(&self.iv)),
        ]
    }
}

fn wrapped_v3(wrapped: &WrappedDataKey) -> Vec<Pair> {
    let algorithm = wrapped.algorithm();
    let mut pairs = vec![
        (KEY_V3, Base64::encode_string(wrapped.ciphertext())),
        // Version 3 has no code for the legacy algorithms, and nothing wraps with them.
        (WRAPPING_V3, algorithm.code().unwrap_or_else(|| algorithm.name()).to_owned()),
    ];
    if algorithm.is_kms() {
        pairs.push((CONTEXT_V3, context_or_description(wrapped)));
    } else if !wrapped.description().is_empty() {
        pairs.push((DESCRIPTION_V3, context_or_description(wrapped)));
    }
    pairs
}

fn context_or_description(wrapped: &WrappedDataKey) -> String {
    if wrapped.algorithm().is_kms() {
        json::write(wrapped.context().iter())
    } else {
        json::write(wrapped.description().iter())
    }
}

fn sorted(mut pairs: Vec<Pair>) -> Vec<Pair> {
    pairs.sort_unstable();
    pairs
}

/// What Amazon S3 counts: the bytes of key and value.
fn len((key, value): &Pair) -> usize {
    key.len().saturating_add(value.len())
}

type Pair = (&'static str, String);

/// How much user metadata Amazon S3 stores with an object, in bytes.
const MAX_METADATA_LEN: usize = 2048;
