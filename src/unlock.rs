//! From the header of a message to its decryptor.
//!
//! A chain of states, each of which consumes the one before:
//!
//! ```text
//! HeaderReader -> Locked -> Decryptor -> Verified
//! ```
//!
//! A [`Decryptor`] exists only if the key commitment and the header tag were checked.

use std::borrow::Cow;
use std::future::IntoFuture;
use std::num::NonZeroUsize;

use base64ct::{Base64, Encoding};
use subtle::ConstantTimeEq;

use crate::context::{EncryptionContext, PUBLIC_KEY, is_reserved};
use crate::crypto::VerifyingKey;
use crate::decrypt::{AuthenticHeader, Decryptor};
use crate::derive::{DerivedKeys, derive_keys};
#[cfg(feature = "kms")]
use crate::error::KmsFailure;
use crate::error::{
    ApiMisuse, Attempt, Error, InvalidMessage, KeyringError, Malformed, PolicyError, Stage,
    UnwrapFailure,
};
use crate::keyring::now;
use crate::materials::{
    BoxFuture, DecryptionMaterials, DecryptionRequest, LocalMaterialsManager, MaterialsManager,
    UnwrappedDataKey,
};
use crate::message::header::{HeaderParser, ReadHeader};
use crate::message::{ContentType, EncryptedDataKey, Header};
use crate::policy::{Policy, SignedStreaming};
use crate::suite::AlgorithmSuite;
use crate::transcript::Transcript;

/// Reads a header from pieces of any size.
///
/// ```
/// use waxseal::{AesKey, HeaderReader, Policy, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"hello", &keyring).now()?;
///
/// let mut reader = HeaderReader::new(Policy::default());
/// let mut header_len = 0;
/// for byte in message.iter() {
///     header_len += reader.push(&[*byte])?;
///     if reader.is_complete() {
///         break;
///     }
/// }
/// assert_eq!(header_len as u64, message.header().len());
/// let decryptor = reader.finish()?.unlock(&keyring).now()?;
/// # let _ = decryptor;
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: decrypt, "Parse the header".
#[derive(Debug)]
pub struct HeaderReader {
    parser: HeaderParser,
    policy: Policy,
}

impl HeaderReader {
    /// Starts at the first byte of a message.
    pub fn new(policy: Policy) -> Self {
        Self { parser: HeaderParser::new(&policy), policy }
    }

    /// Takes what belongs to the header; gives the number of bytes taken.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`] as soon as the bytes cannot become a header; [`Error::Policy`] if it
    /// has more encrypted data keys or bytes than allowed.
    pub fn push(&mut self, input: &[u8]) -> Result<usize, Error> {
        self.parser.push(input)
    }

    /// Whether the header is whole.
    pub fn is_complete(&self) -> bool {
        self.parser.is_done()
    }

    /// The header, to be unlocked.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`] if it is not whole.
    pub fn finish(self) -> Result<Locked, Error> {
        Ok(Locked { read: self.parser.finish()?, policy: self.policy })
    }
}

/// A header that was read but not authenticated: it shows only what keyrings need.
///
/// ```
/// use waxseal::{AesKey, Locked, Policy, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"hello", &keyring).now()?;
/// let (locked, header_len) = Locked::read(&message, Policy::default())?;
/// assert_eq!(locked.encrypted_data_keys()[0].key_name(), b"key-2026");
/// let decryptor = locked.unlock(&keyring).now()?;
/// # let _ = (decryptor, header_len);
/// # Ok::<(), waxseal::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is decrypted before it is unlocked"]
pub struct Locked {
    read: ReadHeader,
    policy: Policy,
}

impl Locked {
    /// Reads the header at the start of a message; gives its length in bytes, too.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`] if there is no whole header; [`Error::Policy`] if it has more encrypted
    /// data keys or bytes than allowed.
    pub fn read(message: &[u8], policy: Policy) -> Result<(Self, usize), Error> {
        let mut reader = HeaderReader::new(policy);
        let len = reader.push(message)?;
        Ok((reader.finish()?, len))
    }

    /// The encrypted data keys: whatever the message says.
    pub fn encrypted_data_keys(&self) -> &[EncryptedDataKey] {
        self.read.header.encrypted_data_keys()
    }

    /// The suite: whatever the message says.
    pub fn suite(&self) -> AlgorithmSuite {
        self.read.header.suite()
    }

    pub(crate) fn content_type(&self) -> ContentType {
        self.read.header.content_type
    }

    /// Gets the data key and checks commitment and header with it.
    pub fn unlock<M: MaterialsManager + ?Sized>(self, keys: &M) -> Unlock<'_, M> {
        Unlock::new(self, keys, JustDecrypt)
    }

    pub(crate) fn into_header(self) -> Header {
        self.read.header
    }

    async fn unlock_with<M: MaterialsManager + ?Sized>(
        self,
        keys: &M,
        required: Required,
    ) -> Result<Decryptor, Error> {
        let Self { read, policy } = self;
        let header = &read.header;
        policy.check_decrypt(header.suite)?;
        if let ContentType::Framed { frame_len } = header.content_type {
            policy.check_frame_len(frame_len.into())?;
        }
        if header.suite.signs() && policy.signed_streaming == SignedStreaming::Refuse {
            return Err(PolicyError::SignedStreaming.into());
        }
        required.check(&header.context)?;
        let verifying_key = read_verifying_key(header)?;
        let request = DecryptionRequest {
            suite: header.suite,
            context: &header.context,
            reproduced_context: &required.pairs,
            encrypted_data_keys: &header.encrypted_data_keys,
            policy: &policy,
        };
        let (_, unstored) = required.pairs.partition(|key| header.context.get(key).is_some());
        let result = match keys.decryption_materials(request).await {
            Ok(materials) => authenticate(read, policy, materials, verifying_key, &required.pairs),
            Err(error) => Err(error),
        };
        result.map_err(|error| {
            // Most likely it is these pairs that are wrong; what failed stays behind as the source.
            if unstored.is_empty() || !is_mismatch(&error) {
                return error;
            }
            let keys = unstored.iter().map(|(key, _)| key.to_owned()).collect();
            PolicyError::ContextNotAuthenticated { keys, source: Box::new(error) }.into()
        })
    }
}

/// Whether this is what another encryption context than the message's leads to.
fn is_mismatch(error: &Error) -> bool {
    match error.unshared() {
        Error::Unauthentic(Stage::Header) => true,
        Error::Keyring(KeyringError::NoDataKey { attempts, .. }) => {
            let mismatch = |attempt: &Attempt| match &attempt.failure {
                UnwrapFailure::Unauthentic => true,
                #[cfg(feature = "kms")]
                UnwrapFailure::Kms(error) => *error.failure() == KmsFailure::ContextMismatch,
                _ => false,
            };
            !attempts.is_empty() && attempts.iter().all(mismatch)
        }
        _ => false,
    }
}

/// The key that the header says signed the message. It is authenticated with the header.
fn read_verifying_key(header: &Header) -> Result<Option<VerifyingKey>, Error> {
    let invalid = |reason| Error::from(InvalidMessage::new(reason, header.context_offset()));
    match (header.suite.signature(), header.context.get(PUBLIC_KEY)) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(invalid(Malformed::PublicKeyUnexpected)),
        (Some(_), None) => Err(invalid(Malformed::PublicKeyMissing)),
        (Some(curve), Some(text)) => Base64::decode_vec(text)
            .ok()
            .and_then(|point| VerifyingKey::new(curve, &point).ok())
            .map(Some)
            .ok_or_else(|| invalid(Malformed::PublicKeyInvalid)),
    }
}

/// Spec: decrypt, "Get the decryption materials" and "Verify the header".
fn authenticate(
    read: ReadHeader,
    policy: Policy,
    materials: DecryptionMaterials,
    verifying_key: Option<VerifyingKey>,
    required: &EncryptionContext,
) -> Result<Decryptor, Error> {
    let ReadHeader { header, auth, bytes, body_len } = read;
    let unstored = materials.check(&policy, &header, required)?;
    let UnwrappedDataKey { key, index } = materials.unwrapped;
    let DerivedKeys { content, commitment } = derive_keys(header.suite, &key, &header.message_id)?;
    let committed = match (&header.commitment, &commitment) {
        (None, None) => true,
        (Some(stated), Some(derived)) => stated.ct_eq(derived).into(),
        (None, Some(_)) | (Some(_), None) => false,
    };
    if !committed {
        return Err(Error::Unauthentic(Stage::Commitment));
    }
    let mut authenticated = Cow::Borrowed(bytes.get(..body_len).unwrap_or_default());
    if !unstored.is_empty() {
        authenticated.to_mut().extend_from_slice(&unstored.encode()?);
    }
    content
        .open(&auth.iv, &authenticated, &[], &auth.tag, &mut [])
        .map_err(|_| Error::Unauthentic(Stage::Header))?;
    let mut transcript = Transcript::new(header.suite, verifying_key);
    transcript.update(&bytes);
    // Exactly what the tag covers, whatever a materials manager says.
    let mut context = header.context.clone();
    context.extend(unstored.iter());
    let header = AuthenticHeader { header, context, opened_by: index };
    Ok(Decryptor::new(header, content, transcript, policy))
}

/// What the caller wants to see in the encryption context.
#[derive(Debug, Default)]
pub(crate) struct Required {
    pairs: EncryptionContext,
    keys: Vec<String>,
    /// A key that was required with two values.
    twice: Option<String>,
}

impl Required {
    /// Adds to what was required before: nothing that was required is ever dropped.
    pub(crate) fn add_pairs(&mut self, pairs: EncryptionContext) {
        for (key, value) in pairs.iter() {
            if self.pairs.insert(key, value).is_some_and(|before| before != value) {
                self.twice = Some(key.to_owned());
            }
        }
    }

    pub(crate) fn add_keys<K: Into<String>>(&mut self, keys: impl IntoIterator<Item = K>) {
        self.keys.extend(keys.into_iter().map(Into::into));
    }

    fn check(&self, context: &EncryptionContext) -> Result<(), Error> {
        let Self { pairs, keys, twice } = self;
        if let Some(key) = twice {
            return Err(ApiMisuse::RequiredTwice { key: key.clone() }.into());
        }
        for (key, value) in pairs.iter() {
            match context.get(key) {
                Some(found) if found != value => {
                    return Err(PolicyError::ContextMismatch { key: key.to_owned() }.into());
                }
                // Reserved pairs are always stored, if they are there.
                None if is_reserved(key) => {
                    return Err(PolicyError::ContextMissing { key: key.to_owned() }.into());
                }
                _ => {}
            }
        }
        for key in keys {
            if context.get(key).is_none() && pairs.get(key).is_none() {
                return Err(PolicyError::ContextMissing { key: key.clone() }.into());
            }
        }
        Ok(())
    }
}

/// What [`Locked::unlock`] gives: say what the context must hold, then `.now()` or `.await`.
#[derive(Debug)]
#[must_use = "nothing happens before `.now()` or `.await`"]
pub struct Unlock<'k, M: ?Sized, T = JustDecrypt> {
    locked: Locked,
    keys: &'k M,
    required: Required,
    threads: NonZeroUsize,
    then: T,
}

impl<'k, M: MaterialsManager + ?Sized, T: FromDecryptor> Unlock<'k, M, T> {
    pub(crate) fn new(locked: Locked, keys: &'k M, then: T) -> Self {
        Self { locked, keys, required: Required::default(), threads: NonZeroUsize::MIN, then }
    }

    /// Pairs that must have been authenticated with the message, stored in its header or not. They add
    /// to those required before.
    pub fn require(mut self, pairs: impl Into<EncryptionContext>) -> Self {
        self.required.add_pairs(pairs.into());
        self
    }

    /// Keys that the context must have: in the header with any value, or among the pairs required.
    /// They add to those required before.
    pub fn require_keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.required.add_keys(keys);
        self
    }

    /// On how many threads frames are opened, this one included. Default: 1. What comes out, and what does not if
    /// the message was changed, does not depend on it. Random access has no use for it.
    ///
    /// Threads live as long as one call, and each has 1 MiB or more to do: what is shorter is opened on this one. Readers
    /// gather blocks of 1 MiB for each thread, so that they hold some 2 MiB for each, and more where frames are longer;
    /// frames longer than 4 MiB are opened one by one there. A source that gives less than it is asked for is not
    /// waited for.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    pub(crate) fn required(mut self, required: Required) -> Self {
        self.required = required;
        self
    }

    /// Gets the data key without waiting.
    ///
    /// # Errors
    /// [`Error::Keyring`] if no keyring opens the message; [`Error::Policy`] if it is not allowed;
    /// [`Error::Unauthentic`] if commitment or header do not verify.
    pub fn now(self) -> Result<T::Output, Error>
    where
        M: LocalMaterialsManager,
    {
        now(self.run())
    }

    pub(crate) async fn run(self) -> Result<T::Output, Error> {
        let Self { locked, keys, required, threads, then } = self;
        let decryptor = locked.unlock_with(keys, required).await?;
        then.from_decryptor(decryptor.threads(threads))
    }
}

impl<'k, M, T> IntoFuture for Unlock<'k, M, T>
where
    M: MaterialsManager + ?Sized,
    T: FromDecryptor + Send + 'k,
{
    type Output = Result<T::Output, Error>;
    type IntoFuture = BoxFuture<'k, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// What becomes of the decryptor when a header is unlocked.
#[doc(hidden)]
pub trait FromDecryptor {
    type Output;
    #[expect(clippy::wrong_self_convention, reason = "it consumes the place where it goes")]
    fn from_decryptor(self, decryptor: Decryptor) -> Result<Self::Output, Error>;
}

/// The decryptor stays as it is.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct JustDecrypt;

impl FromDecryptor for JustDecrypt {
    type Output = Decryptor;

    fn from_decryptor(self, decryptor: Decryptor) -> Result<Decryptor, Error> {
        Ok(decryptor)
    }
}
