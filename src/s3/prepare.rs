//! What to send, for any HTTP stack: headers, body, lengths.

use std::future::IntoFuture;

use crate::context::EncryptionContext;
use crate::crypto;
use crate::error::{Error, ObjectError};
use crate::materials::BoxFuture;
use crate::s3::content::{ContentKey, PartSealer, Sealer};
use crate::s3::keyring::{S3Keyring, wrap_data_key};
use crate::s3::metadata::{ContentMetadata, EncodedMetadata, MetadataLocation};
use crate::s3::policy::Policy;
use crate::s3::suite::MAX_GCM_CONTENT_LEN;

/// Prepares to encrypt one object: set what differs from the defaults, then `.await`.
///
/// No request is made but those of the keyring. Send [`Prepared::metadata`] as `x-amz-meta-` headers, also with
/// presigned URLs, and what [`Prepared::into_sealer`] makes of the plaintext as the body.
///
/// ```
/// use waxseal::AesKey;
/// use waxseal::s3::{AesKeyring, prepare};
///
/// # let run = async {
/// let keyring = AesKeyring::new(AesKey::generate_256()?)?;
/// let prepared = prepare(&keyring).await?;
/// let content_length = prepared.ciphertext_len(5)?;
/// let headers: Vec<_> = prepared.metadata().object().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
/// let mut body = Vec::new();
/// let mut sealer = prepared.into_sealer();
/// sealer.update(b"hello", &mut body)?;
/// sealer.finish(&mut body)?;
/// assert_eq!(body.len() as u64, content_length);
/// assert!(headers.iter().any(|(key, value)| key == "x-amz-c" && value == "115"));
/// # Ok::<(), waxseal::Error>(())
/// # };
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run).unwrap();
/// ```
///
/// Spec: s3-encryption/encryption, "Content Encryption".
pub fn prepare(keyring: &dyn S3Keyring) -> Prepare<'_> {
    Prepare {
        keyring,
        context: EncryptionContext::default(),
        policy: Policy::default(),
        instruction_file: false,
    }
}

/// See [`prepare`].
#[derive(Debug)]
#[must_use = "nothing happens before `.await`"]
pub struct Prepare<'a> {
    keyring: &'a dyn S3Keyring,
    context: EncryptionContext,
    policy: Policy,
    instruction_file: bool,
}

impl Prepare<'_> {
    /// The encryption context of AWS KMS; raw keys have none.
    pub fn context<N: Into<String>, V: Into<String>>(
        mut self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.context = EncryptionContext::from_iter(pairs);
        self
    }

    /// What may be written. Default: only what commits to its key.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Stores the wrapped data key in an instruction file, an object of its own beside the encrypted one.
    pub fn instruction_file(mut self, yes: bool) -> Self {
        self.instruction_file = yes;
        self
    }

    async fn run(self) -> Result<Prepared, Error> {
        let Self { keyring, context, policy, instruction_file } = self;
        let suite = policy.encryption_suite()?;
        let (wrapped, data_key) = wrap_data_key(keyring, suite, &context, None).await?;
        let data_key = data_key.ok_or(Error::Backend("make a data key"))?;
        let mut iv = vec![0; suite.iv_len()];
        crypto::random(&mut iv).map_err(|_| Error::Backend("make random bytes"))?;
        let (key, commitment) = ContentKey::for_encryption(suite, &data_key, &iv)?;
        let location = if instruction_file {
            MetadataLocation::InstructionFile
        } else {
            MetadataLocation::Object
        };
        let metadata = ContentMetadata::new(suite, wrapped, iv, commitment, location);
        Ok(Prepared { key, encoded: metadata.encode(), metadata })
    }
}

impl<'a> IntoFuture for Prepare<'a> {
    type Output = Result<Prepared, Error>;
    type IntoFuture = BoxFuture<'a, Result<Prepared, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// A data key, wrapped, for one object: see [`prepare`].
#[derive(Debug)]
pub struct Prepared {
    key: ContentKey,
    metadata: ContentMetadata,
    encoded: EncodedMetadata,
}

impl Prepared {
    /// What to store: metadata of the object, and perhaps an instruction file, which goes to the object's key with
    /// [`INSTRUCTION_FILE_SUFFIX`](crate::s3::INSTRUCTION_FILE_SUFFIX) behind it.
    ///
    /// Store the instruction file after the object: one that is not replaced must not lose the file that opens
    /// it.
    pub fn metadata(&self) -> &EncodedMetadata {
        &self.encoded
    }

    /// Everything that is known about the encryption.
    pub fn content_metadata(&self) -> &ContentMetadata {
        &self.metadata
    }

    /// The same, but with an instruction file.
    #[cfg(feature = "s3")]
    pub(crate) fn with_instruction_file(self) -> Self {
        let metadata = self.metadata.located(MetadataLocation::InstructionFile);
        Self { encoded: metadata.encode(), metadata, ..self }
    }

    /// Length in bytes of the body for a plaintext of this many.
    ///
    /// # Errors
    /// [`ObjectError::ContentTooLong`] beyond 2^36 - 32 bytes.
    pub fn ciphertext_len(&self, plaintext_len: u64) -> Result<u64, Error> {
        ciphertext_len(plaintext_len)
    }

    /// Encrypts the body from start to end.
    pub fn into_sealer(self) -> Sealer {
        Sealer::new(self.key)
    }

    /// Encrypts the body in parts, in any order and in parallel.
    pub fn into_part_sealer(self) -> PartSealer {
        PartSealer::new(self.key)
    }
}

/// Length in bytes of what is stored for a plaintext of this many.
pub(crate) fn ciphertext_len(plaintext_len: u64) -> Result<u64, Error> {
    if plaintext_len > MAX_GCM_CONTENT_LEN {
        return Err(ObjectError::ContentTooLong { limit: MAX_GCM_CONTENT_LEN }.into());
    }
    Ok(plaintext_len.saturating_add(16))
}
