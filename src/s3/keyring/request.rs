//! What a keyring is asked, and what it gives.

use std::fmt;

use crate::context::EncryptionContext;
use crate::crypto::random;
use crate::error::Error;
use crate::s3::description::MaterialDescription;
use crate::s3::keyring::WrappingAlgorithm;
use crate::s3::suite::{ContentSuite, DATA_KEY_LEN};
use crate::secret::{DataKey, Secret};

/// What a keyring needs to wrap a data key.
///
/// ```
/// use waxseal::s3::{ContentSuite, WrapRequest};
/// use waxseal::{DataKey, EncryptionContext};
///
/// let (context, data_key) = (EncryptionContext::new(), DataKey::try_from(&[7; 32][..])?);
/// let request = WrapRequest::new(ContentSuite::default(), &context).with_data_key(&data_key);
/// assert!(request.data_key().is_some());
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: s3-encryption/materials/s3-keyring, "OnEncrypt".
#[derive(Debug)]
pub struct WrapRequest<'a> {
    suite: ContentSuite,
    context: &'a EncryptionContext,
    data_key: Option<&'a DataKey>,
}

impl<'a> WrapRequest<'a> {
    /// Asks for a fresh data key.
    pub fn new(suite: ContentSuite, context: &'a EncryptionContext) -> Self {
        Self { suite, context, data_key: None }
    }

    /// Asks to wrap this data key.
    #[must_use]
    pub fn with_data_key(mut self, data_key: &'a DataKey) -> Self {
        self.data_key = Some(data_key);
        self
    }

    /// How the content will be encrypted. It has to be bound into what is wrapped.
    pub fn suite(&self) -> ContentSuite {
        self.suite
    }

    /// The caller's encryption context. A keyring that cannot authenticate it has to refuse it unless it is
    /// empty.
    pub fn context(&self) -> &'a EncryptionContext {
        self.context
    }

    /// The data key to wrap; `None` asks for a fresh one.
    pub fn data_key(&self) -> Option<&'a DataKey> {
        self.data_key
    }

    /// Wraps the data key of the request, or a fresh one of 32 bytes.
    ///
    /// # Errors
    /// [`Error::Backend`] if there is no randomness; those of `wrap`.
    pub fn wrap_with(
        &self,
        wrap: impl FnOnce(&DataKey) -> Result<WrappedDataKey, Error>,
    ) -> Result<Wrapped, Error> {
        if let Some(data_key) = self.data_key {
            return Ok(Wrapped { key: wrap(data_key)?, data_key: None });
        }
        let fresh =
            Secret::fill(DATA_KEY_LEN, random).map_err(|_| Error::Backend("get randomness"))?;
        let data_key = DataKey::from_secret(fresh);
        Ok(Wrapped { key: wrap(&data_key)?, data_key: Some(data_key) })
    }
}

/// What a keyring needs to unwrap a data key.
///
/// Spec: s3-encryption/materials/s3-keyring, "OnDecrypt".
#[derive(Debug)]
pub struct UnwrapRequest<'a> {
    suite: ContentSuite,
    wrapped: &'a WrappedDataKey,
    context: &'a EncryptionContext,
}

impl<'a> UnwrapRequest<'a> {
    /// Asks to unwrap this data key.
    pub fn new(
        suite: ContentSuite,
        wrapped: &'a WrappedDataKey,
        context: &'a EncryptionContext,
    ) -> Self {
        Self { suite, wrapped, context }
    }

    /// How the content claims to be encrypted. What is bound into the wrapped data key has to be the same.
    pub fn suite(&self) -> ContentSuite {
        self.suite
    }

    /// The wrapped data key, with what is stored beside it.
    pub fn wrapped(&self) -> &'a WrappedDataKey {
        self.wrapped
    }

    /// The caller's encryption context. [`unwrap_data_key`](crate::s3::unwrap_data_key) has compared it with the
    /// stored one, which is [`WrappedDataKey::context`].
    pub fn context(&self) -> &'a EncryptionContext {
        self.context
    }
}

/// A wrapped data key, and what is stored beside it. Nothing of it is secret.
///
/// ```
/// use waxseal::s3::{WrappedDataKey, WrappingAlgorithm};
///
/// let wrapped = WrappedDataKey::new(WrappingAlgorithm::AesGcm, [1, 2, 3])
///     .with_description([("key", "backup-2026")].into_iter().collect());
/// assert_eq!(wrapped.ciphertext(), [1, 2, 3]);
/// assert_eq!(wrapped.description().get("key"), Some("backup-2026"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedDataKey {
    algorithm: WrappingAlgorithm,
    ciphertext: Vec<u8>,
    context: EncryptionContext,
    description: MaterialDescription,
}

impl WrappedDataKey {
    /// With nothing beside it.
    pub fn new(algorithm: WrappingAlgorithm, ciphertext: impl Into<Vec<u8>>) -> Self {
        Self {
            algorithm,
            ciphertext: ciphertext.into(),
            context: EncryptionContext::new(),
            description: MaterialDescription::default(),
        }
    }

    /// Adds the encryption context that AWS KMS authenticated, with the pairs that the client adds. It is stored
    /// for the algorithms of AWS KMS only.
    #[must_use]
    pub fn with_context(mut self, context: EncryptionContext) -> Self {
        self.context = context;
        self
    }

    /// Adds the description of the raw key that wrapped. It is stored for the algorithms of raw keys only.
    #[must_use]
    pub fn with_description(mut self, description: MaterialDescription) -> Self {
        self.description = description;
        self
    }

    /// How it is wrapped.
    pub fn algorithm(&self) -> WrappingAlgorithm {
        self.algorithm
    }

    /// Its bytes.
    pub fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
    }

    /// The stored encryption context of AWS KMS; empty for raw keys.
    pub fn context(&self) -> &EncryptionContext {
        &self.context
    }

    /// The description of the raw key that wrapped; empty for AWS KMS.
    pub fn description(&self) -> &MaterialDescription {
        &self.description
    }

    /// For messages: the algorithm, and how the key is described.
    pub(crate) fn asks_for(&self) -> String {
        if self.description.is_empty() {
            return self.algorithm.to_string();
        }
        format!("{} by a key described as {}", self.algorithm, self.description.excerpt())
    }
}

impl fmt::Debug for WrappedDataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedDataKey")
            .field("algorithm", &self.algorithm)
            .field("ciphertext_len", &self.ciphertext.len())
            .field("description", &self.description)
            .finish_non_exhaustive()
    }
}

/// What comes of wrapping: the wrapped data key, and the data key itself if the keyring made it.
#[derive(Debug)]
pub struct Wrapped {
    pub(crate) key: WrappedDataKey,
    pub(crate) data_key: Option<DataKey>,
}

impl Wrapped {
    /// `data_key` is the data key that the keyring made: `None` if the request had one.
    pub fn new(key: WrappedDataKey, data_key: Option<DataKey>) -> Self {
        Self { key, data_key }
    }

    /// The wrapped data key.
    pub fn key(&self) -> &WrappedDataKey {
        &self.key
    }

    /// The data key, if the keyring made it.
    pub fn data_key(&self) -> Option<&DataKey> {
        self.data_key.as_ref()
    }
}
