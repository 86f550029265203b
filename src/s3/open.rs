//! What to make of an answer, for any HTTP stack: headers and body.

use std::future::IntoFuture;

use crate::byte_range::ByteRange;
use crate::context::EncryptionContext;
use crate::error::Error;
use crate::materials::BoxFuture;
use crate::s3::content::{
    BufferedOpener, ContentKey, UnauthenticatedOpener, UnauthenticatedRangeOpener,
};
use crate::s3::keyring::{S3Keyring, unwrap_data_key};
use crate::s3::metadata::ContentMetadata;
use crate::s3::policy::Policy;
use crate::secret::DataKey;

/// Opens one object by what is stored about it: set what differs from the defaults, then `.await`.
///
/// Policy is checked before a key is used, and the commitment before content is decrypted.
///
/// ```
/// use waxseal::AesKey;
/// use waxseal::s3::{AesKeyring, Metadata, open, prepare};
///
/// # let run = async {
/// # let keyring = AesKeyring::new(AesKey::generate_256()?)?;
/// # let prepared = prepare(&keyring).await?;
/// # let headers: Vec<_> = prepared.metadata().object().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
/// # let mut body = Vec::new();
/// # let mut sealer = prepared.into_sealer();
/// # sealer.update(b"hello", &mut body)?;
/// # sealer.finish(&mut body)?;
/// let Metadata::Complete(metadata) = Metadata::read(headers)? else { panic!("it has an instruction file") };
/// let mut opener = open(&metadata, &keyring).await?.buffered(1 << 20);
/// opener.update(&body)?;
/// assert_eq!(opener.finish()?, b"hello");
/// # Ok::<(), waxseal::Error>(())
/// # };
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run).unwrap();
/// ```
///
/// Spec: s3-encryption/decryption.
pub fn open<'a>(metadata: &'a ContentMetadata, keyring: &'a dyn S3Keyring) -> Open<'a> {
    Open { metadata, keyring, context: EncryptionContext::default(), policy: Policy::default() }
}

/// See [`open`].
#[derive(Debug)]
#[must_use = "nothing happens before `.await`"]
pub struct Open<'a> {
    metadata: &'a ContentMetadata,
    keyring: &'a dyn S3Keyring,
    context: EncryptionContext,
    policy: Policy,
}

impl Open<'_> {
    /// The encryption context that the object was encrypted with, without the reserved keys.
    pub fn context<N: Into<String>, V: Into<String>>(
        mut self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.context = EncryptionContext::from_iter(pairs);
        self
    }

    /// What may be read. Default: only what commits to its key.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    async fn run(self) -> Result<Opened, Error> {
        let Self { metadata, keyring, context, policy } = self;
        let data_key = unwrap_data_key(keyring, &policy, metadata, &context).await?;
        let key = content_key(metadata, &data_key)?;
        Ok(Opened { key })
    }
}

impl<'a> IntoFuture for Open<'a> {
    type Output = Result<Opened, Error>;
    type IntoFuture = BoxFuture<'a, Result<Opened, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// The key of the content, after the commitment was checked.
pub(crate) fn content_key(
    metadata: &ContentMetadata,
    data_key: &DataKey,
) -> Result<ContentKey, Error> {
    ContentKey::for_decryption(metadata.suite(), data_key, metadata.iv(), metadata.commitment())
}

/// An object whose data key was unwrapped and whose commitment, if it has one, holds: see [`open`].
#[derive(Debug)]
pub struct Opened {
    key: ContentKey,
}

impl Opened {
    /// Holds the ciphertext until all of it is there and authentic; at most `limit` bytes of it.
    pub fn buffered(self, limit: u64) -> BufferedOpener {
        BufferedOpener::new(self.key, limit)
    }

    /// Gives plaintext away before it is known to be authentic: whoever takes it must undo its work if the end
    /// is an error.
    pub fn release_unauthenticated(self) -> UnauthenticatedOpener {
        UnauthenticatedOpener::new(self.key)
    }

    /// Decrypts one range that nothing authenticates. The commitment was checked.
    ///
    /// `stored_len` is the length of the whole body in bytes.
    ///
    /// # Errors
    /// [`ApiMisuse::Range`](crate::ApiMisuse::Range) if the range is not satisfiable, [`Error::Policy`] for CBC.
    pub fn unauthenticated_range(
        self,
        range: ByteRange,
        stored_len: u64,
    ) -> Result<UnauthenticatedRangeOpener, Error> {
        UnauthenticatedRangeOpener::new(self.key, range, stored_len)
    }

    #[cfg(feature = "s3")]
    pub(crate) fn into_key(self) -> ContentKey {
        self.key
    }
}
