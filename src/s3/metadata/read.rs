//! From metadata and instruction files to what they say: which format version it is, and each of its values.

use super::fields::{Fields, fault, missing_beside, unknown};
use super::keys::{
    CIPHER, CIPHER_V3, COMMITMENT, CONTENT_V3, CONTEXT_V3, DESCRIPTION, DESCRIPTION_V3, IV, KEY_V1,
    KEY_V2, KEY_V3, MESSAGE_ID, ONLY_V3, SHARED_V1_V2, TAG_LEN, WRAPPED_V3, WRAPPING, WRAPPING_V3,
};
use super::{ContentMetadata, FormatVersion, MetadataLocation};
use crate::error::{Error, Excerpt, ObjectError};
use crate::s3::keyring::{WrappedDataKey, WrappingAlgorithm};
use crate::s3::suite::{COMMITMENT_LEN, ContentSuite};

/// What the metadata of an object says, as far as it goes without an instruction file.
///
/// ```
/// use waxseal::s3::Metadata;
///
/// let Metadata::InInstructionFile(rest) = Metadata::read([("x-amz-unencrypted-content-length", "5")])? else {
///     panic!("there is no wrapped data key in there");
/// };
/// let metadata = rest.complete(
///     br#"{"x-amz-key-v2":"a2V5","x-amz-iv":"AAAAAAAAAAAAAAAA","x-amz-cek-alg":"AES/GCM/NoPadding",
///          "x-amz-tag-len":"128","x-amz-wrap-alg":"AES/GCM","x-amz-matdesc":"{}"}"#,
/// )?;
/// assert_eq!(metadata.encrypted_data_key(), b"key");
/// assert_eq!(metadata.unencrypted_len(), Some(5));
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: s3-encryption/data-format/content-metadata, "Determining S3EC Object Status".
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it is in the metadata, or it is not")]
pub enum Metadata {
    /// All of it.
    Complete(ContentMetadata),
    /// The rest, or all of it, is in an instruction file, if the object is encrypted at all.
    InInstructionFile(Partial),
}

impl Metadata {
    /// Reads the user metadata of an object: all pairs, with keys as they are without `x-amz-meta-`, in upper or
    /// lower case. Keys of the user's own are passed over.
    ///
    /// # Errors
    /// [`ObjectError::MixedFormats`] for keys of more than one format version, which nobody writes;
    /// [`ObjectError::Metadata`] for a key that is missing, or has a value that it cannot have.
    pub fn read<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, Error> {
        let fields = Fields::of_object(pairs)?;
        let unencrypted_len = fields.unencrypted_len();
        let partial = |content| Ok(Self::InInstructionFile(Partial { content, unencrypted_len }));
        let complete = match fields.version()? {
            None => return partial(None),
            Some(FormatVersion::V1) => read_v1(&fields)?,
            Some(FormatVersion::V2) => read_v2(&fields)?,
            Some(FormatVersion::V3) => {
                let content = ContentV3::read(&fields)?;
                if fields.first_of(&WRAPPED_V3).is_none() {
                    return partial(Some(content));
                }
                content.with(read_wrapped_v3(&fields)?, MetadataLocation::Object)
            }
        };
        Ok(Self::Complete(ContentMetadata { unencrypted_len, ..complete }))
    }
}

/// What an object's metadata has where an instruction file has the rest: of format version 3, how the content
/// is encrypted; of versions 1 and 2, nothing, so that the object may as well not be encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partial {
    content: Option<ContentV3>,
    unencrypted_len: Option<u64>,
}

impl Partial {
    /// Takes the instruction file to it: all of its bytes.
    ///
    /// # Errors
    /// [`ObjectError::InstructionFile`] if it is no JSON object of text, or has what only the object's metadata
    /// may have; else as [`Metadata::read`].
    pub fn complete(self, instruction_file: &[u8]) -> Result<ContentMetadata, Error> {
        let Self { content, unencrypted_len } = self;
        let fields = Fields::of_instruction_file(instruction_file)?;
        let refused = |fault| Err(ObjectError::InstructionFile { fault }.into());
        if let Some(key) = fields.first_of(&CONTENT_V3) {
            // Whoever can write instruction files could choose what the content is taken for.
            return refused(format!("has `{key}`, which only the object's own metadata may have"));
        }
        let complete = match (fields.version()?, content) {
            (None, _) => return refused("has no wrapped data key".to_owned()),
            (Some(FormatVersion::V3), Some(content)) => {
                content.with(read_wrapped_v3(&fields)?, MetadataLocation::InstructionFile)
            }
            (Some(FormatVersion::V3), None) => {
                let there = fields.first_of(&ONLY_V3).unwrap_or(KEY_V3);
                return Err(missing_beside(CIPHER_V3, there).into());
            }
            (Some(_), Some(_)) => {
                let second =
                    fields.first_of(&[KEY_V1, KEY_V2]).or_else(|| fields.first_of(&SHARED_V1_V2));
                let second = second.unwrap_or(KEY_V2);
                return Err(ObjectError::MixedFormats { first: CIPHER_V3, second }.into());
            }
            (Some(FormatVersion::V1), None) => read_v1(&fields)?,
            (Some(FormatVersion::V2), None) => read_v2(&fields)?,
        };
        // Ruby states the length with the object, Go with the rest.
        let unencrypted_len = unencrypted_len.or_else(|| fields.unencrypted_len());
        let location = MetadataLocation::InstructionFile;
        Ok(ContentMetadata { unencrypted_len, location, ..complete })
    }

    /// What is wrong where there is no instruction file: `looked_for` is the key at which it should be, or
    /// `None` if nobody looked.
    pub fn without_instruction_file(self, looked_for: Option<&str>) -> Error {
        let instruction_file = looked_for.map(str::to_owned);
        match (self.content, looked_for) {
            (None, _) => ObjectError::NotEncrypted { instruction_file },
            (Some(_), None) => fault(KEY_V3, "is missing, and no instruction file was looked for"),
            (Some(_), Some(key)) => ObjectError::InstructionFile {
                fault: format!("`{}` is missing, which has the data key", Excerpt(key.as_bytes())),
            },
        }
        .into()
    }

    /// Whether the object says that it is encrypted, and only its wrapped data key is elsewhere.
    pub fn is_encrypted(&self) -> bool {
        self.content.is_some()
    }
}

/// What of format version 3 always stands with the object.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ContentV3 {
    message_id: Vec<u8>,
    commitment: [u8; COMMITMENT_LEN],
}

impl ContentV3 {
    fn read(fields: &Fields) -> Result<Self, ObjectError> {
        let suite = ContentSuite::Aes256GcmHkdfSha512CommitKey;
        let cipher = fields.required(CIPHER_V3)?;
        if cipher != suite.cipher_name() {
            return Err(unknown(CIPHER_V3, cipher));
        }
        let commitment = fields.bytes_of_len(COMMITMENT, COMMITMENT_LEN)?;
        let commitment =
            commitment.try_into().map_err(|_| fault(COMMITMENT, "has a wrong length"))?;
        Ok(Self { message_id: fields.bytes_of_len(MESSAGE_ID, suite.iv_len())?, commitment })
    }

    fn with(self, wrapped: WrappedDataKey, location: MetadataLocation) -> ContentMetadata {
        let Self { message_id, commitment } = self;
        ContentMetadata {
            version: FormatVersion::V3,
            suite: ContentSuite::Aes256GcmHkdfSha512CommitKey,
            wrapped,
            iv: message_id,
            commitment: Some(commitment),
            location,
            unencrypted_len: None,
        }
    }
}

fn read_wrapped_v3(fields: &Fields) -> Result<WrappedDataKey, ObjectError> {
    let ciphertext = fields.bytes(KEY_V3)?;
    let code = fields.required(WRAPPING_V3)?;
    let algorithm = WrappingAlgorithm::of_code(code).ok_or_else(|| unknown(WRAPPING_V3, code))?;
    // The other one of the two means nothing, and nothing is taken from it.
    let key = if algorithm.is_kms() { CONTEXT_V3 } else { DESCRIPTION_V3 };
    wrapped(fields, algorithm, ciphertext, key)
}

/// Spec: s3-encryption/data-format/content-metadata, "V1".
fn read_v1(fields: &Fields) -> Result<ContentMetadata, ObjectError> {
    let ciphertext = fields.bytes(KEY_V1)?;
    let suite = ContentSuite::Aes256CbcIv16NoKdf;
    if let Some(cipher) = fields.text(CIPHER).filter(|cipher| *cipher != suite.cipher_name()) {
        return Err(unknown(CIPHER, cipher));
    }
    // Nothing says which key wrapped. What AES makes of 32 bytes is 48 long; RSA makes 256 at least.
    let algorithm = match fields.text(WRAPPING) {
        Some(_) => named_algorithm(fields)?,
        None if ciphertext.len() > MAX_AES_LEN => WrappingAlgorithm::RsaPkcs1,
        None => WrappingAlgorithm::AesEcb,
    };
    fields.required(DESCRIPTION)?;
    read_v1_v2(fields, FormatVersion::V1, suite, algorithm, ciphertext)
}

/// Spec: s3-encryption/data-format/content-metadata, "V2".
fn read_v2(fields: &Fields) -> Result<ContentMetadata, ObjectError> {
    let ciphertext = fields.bytes(KEY_V2)?;
    let cipher = fields.required(CIPHER)?;
    let suite = [ContentSuite::Aes256GcmIv12Tag16NoKdf, ContentSuite::Aes256CbcIv16NoKdf]
        .into_iter()
        .find(|suite| suite.cipher_name() == cipher)
        .ok_or_else(|| unknown(CIPHER, cipher))?;
    read_v1_v2(fields, FormatVersion::V2, suite, named_algorithm(fields)?, ciphertext)
}

fn read_v1_v2(
    fields: &Fields,
    version: FormatVersion,
    suite: ContentSuite,
    algorithm: WrappingAlgorithm,
    ciphertext: Vec<u8>,
) -> Result<ContentMetadata, ObjectError> {
    match (suite.authenticates(), fields.text(TAG_LEN)) {
        // Go writes an empty one into instruction files, and C++ that there are 0 bits.
        (true, Some(TAG_BITS)) | (false, None | Some("" | "0")) => {}
        (true, None) => return Err(missing_beside(TAG_LEN, CIPHER)),
        (true, Some(other)) => return Err(unknown(TAG_LEN, other)),
        // Most likely AES-GCM once, and somebody wrote another cipher over it.
        (false, Some(_)) => return Err(fault(TAG_LEN, "is there, but AES-CBC has no tag")),
    }
    Ok(ContentMetadata {
        version,
        suite,
        wrapped: wrapped(fields, algorithm, ciphertext, DESCRIPTION)?,
        iv: fields.bytes_of_len(IV, suite.iv_len())?,
        commitment: None,
        location: MetadataLocation::Object,
        unencrypted_len: None,
    })
}

fn named_algorithm(fields: &Fields) -> Result<WrappingAlgorithm, ObjectError> {
    let name = fields.required(WRAPPING)?;
    let named = WrappingAlgorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name);
    named.ok_or_else(|| unknown(WRAPPING, name))
}

fn wrapped(
    fields: &Fields,
    algorithm: WrappingAlgorithm,
    ciphertext: Vec<u8>,
    key: &'static str,
) -> Result<WrappedDataKey, ObjectError> {
    let (wrapped, pairs) = (WrappedDataKey::new(algorithm, ciphertext), fields.pairs(key)?);
    Ok(if algorithm.is_kms() {
        wrapped.with_context(pairs.into_iter().collect())
    } else {
        wrapped.with_description(pairs.into_iter().collect())
    })
}

/// The tag of AES-GCM, in bits.
pub(super) const TAG_BITS: &str = "128";
/// The longest that AES makes of a data key, in bytes: 32, and a block of padding.
const MAX_AES_LEN: usize = 48;
