//! Whole messages in memory.

mod buffer;

use std::future::IntoFuture;
use std::num::NonZeroUsize;
use std::ops::Deref;

pub use buffer::{DecryptIntoBuffer, DecryptedIntoBuffer, EncryptIntoBuffer, EncryptedIntoBuffer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::context::EncryptionContext;
use crate::decrypt::AuthenticHeader;
use crate::encrypt::EncryptSettings;
use crate::error::{Error, ValueError};
use crate::keyring::now;
use crate::materials::{BoxFuture, LocalMaterialsManager, MaterialsManager};
use crate::message::Header;
use crate::policy::Policy;
use crate::suite::AlgorithmSuite;
use crate::unlock::{Locked, Required};

/// Encrypts bytes: set what differs from the defaults, then `.now()` or `.await`.
///
/// ```
/// use waxseal::{AesKey, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"hello", &keyring).context([("tenant", "42")]).now()?;
/// let opened = waxseal::decrypt(&message, &keyring).require([("tenant", "42")]).now()?;
/// assert_eq!(opened.plaintext(), b"hello");
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: encrypt.
pub fn encrypt<'a, P, M>(plaintext: &'a P, keys: &'a M) -> Encrypt<'a, M>
where
    P: AsRef<[u8]> + ?Sized,
    M: MaterialsManager + ?Sized,
{
    Encrypt {
        plaintext: Plaintext::Borrowed(plaintext.as_ref()),
        keys,
        settings: EncryptSettings::default(),
    }
}

/// Encrypts any value that serde can serialise, as CBOR.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use waxseal::{AesKey, RawAesKeyring};
///
/// #[derive(Serialize, Deserialize, PartialEq, Debug)]
/// struct DbPassword {
///     user: String,
///     password: String,
/// }
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let secret = DbPassword { user: "app".into(), password: "hunter2".into() };
/// let message = waxseal::encrypt_value(&secret, &keyring).now()?;
/// let opened: DbPassword = waxseal::decrypt_value(&message, &keyring).now()?;
/// assert_eq!(opened, secret);
/// # Ok::<(), waxseal::Error>(())
/// ```
pub fn encrypt_value<'a, T, M>(value: &T, keys: &'a M) -> Encrypt<'a, M>
where
    T: Serialize + ?Sized,
    M: MaterialsManager + ?Sized,
{
    let plaintext = match to_cbor(value) {
        Ok(cbor) => Plaintext::Cbor(cbor),
        Err(error) => Plaintext::Failed(error),
    };
    Encrypt { plaintext, keys, settings: EncryptSettings::default() }
}

/// What [`encrypt`] and [`encrypt_value`] give.
#[derive(Debug)]
#[must_use = "nothing happens before `.now()` or `.await`"]
pub struct Encrypt<'a, M: ?Sized> {
    plaintext: Plaintext<'a>,
    keys: &'a M,
    settings: EncryptSettings,
}

enum Plaintext<'a> {
    Borrowed(&'a [u8]),
    Cbor(Zeroizing<Vec<u8>>),
    Failed(ValueError),
}

impl std::fmt::Debug for Plaintext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Plaintext(..)")
    }
}

impl<'a, M: MaterialsManager + ?Sized> Encrypt<'a, M> {
    /// Pairs to authenticate, instead of any set before; anyone can read them in the header. Default:
    /// none.
    pub fn context(mut self, context: impl Into<EncryptionContext>) -> Self {
        self.settings.context = context.into();
        self
    }

    /// The algorithm suite. Default: the policy's.
    pub fn suite(mut self, suite: AlgorithmSuite) -> Self {
        self.settings.suite = Some(suite);
        self
    }

    /// Bytes of content in a frame, 1 to 2^32 - 1. Default: 4,096. Readers hold a frame in memory.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if it is 0.
    pub fn frame_len(mut self, frame_len: u32) -> Result<Self, Error> {
        self.settings.frame_len(frame_len)?;
        Ok(self)
    }

    /// What is allowed. Default: [`Policy::default`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// On how many threads frames are sealed, this one included. Default: 1. Each has 1 MiB or more to do:
    /// what is shorter is sealed on this one.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.settings.threads = threads;
        self
    }

    /// Encrypts without waiting.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn now(self) -> Result<Encrypted, Error>
    where
        M: LocalMaterialsManager,
    {
        now(self.run())
    }

    async fn run(self) -> Result<Encrypted, Error> {
        let prepared = self.prepare().await?;
        let len = usize::try_from(prepared.max_message_len())
            .map_err(|_| Error::Backend("hold the message in memory"))?;
        let mut message = vec![0; len];
        let EncryptedIntoBuffer { written, header, context } = prepared.encrypt(&mut message)?;
        message.truncate(written);
        Ok(Encrypted { message, header, context })
    }
}

impl<'a, M: MaterialsManager + ?Sized> IntoFuture for Encrypt<'a, M> {
    type Output = Result<Encrypted, Error>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// A message, and the header that it has.
///
/// It is a slice of bytes where one is wanted.
///
/// ```
/// use waxseal::{AesKey, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"hello", &keyring).now()?;
/// assert_eq!(message[0], 2);
/// let bytes: Vec<u8> = message.into_bytes();
/// # let _ = bytes;
/// # Ok::<(), waxseal::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Encrypted {
    message: Vec<u8>,
    header: Header,
    context: EncryptionContext,
}

impl Encrypted {
    /// The message.
    pub fn into_bytes(self) -> Vec<u8> {
        self.message
    }

    /// Its header: suite, context as it is stored, encrypted data keys.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// All pairs that are authenticated with it: those in the header, and those that a materials manager
    /// wants authenticated but not stored.
    pub fn context(&self) -> &EncryptionContext {
        &self.context
    }
}

impl Deref for Encrypted {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.message
    }
}

impl From<Encrypted> for Vec<u8> {
    fn from(encrypted: Encrypted) -> Self {
        encrypted.into_bytes()
    }
}

impl AsRef<[u8]> for Encrypted {
    fn as_ref(&self) -> &[u8] {
        &self.message
    }
}

/// Decrypts a whole message: say what its context must hold, then `.now()` or `.await`.
///
/// Nothing comes out before everything, to the last byte and the signature, was verified.
///
/// ```
/// use waxseal::{AesKey, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"hello", &keyring).now()?;
/// let opened = waxseal::decrypt(&message, &keyring).now()?;
/// assert_eq!(opened.plaintext(), b"hello");
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: decrypt.
pub fn decrypt<'a, P, M>(message: &'a P, keys: &'a M) -> Decrypt<'a, M>
where
    P: AsRef<[u8]> + ?Sized,
    M: MaterialsManager + ?Sized,
{
    let message = message.as_ref();
    Decrypt {
        message,
        keys,
        policy: Policy::default(),
        required: Required::default(),
        threads: NonZeroUsize::MIN,
    }
}

/// What [`decrypt`] gives.
#[derive(Debug)]
#[must_use = "nothing happens before `.now()` or `.await`"]
pub struct Decrypt<'a, M: ?Sized> {
    message: &'a [u8],
    keys: &'a M,
    policy: Policy,
    required: Required,
    threads: NonZeroUsize,
}

impl<'a, M: MaterialsManager + ?Sized> Decrypt<'a, M> {
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

    /// What is allowed. Default: [`Policy::default`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// On how many threads frames are opened, this one included. Default: 1. Each has 1 MiB or more to do:
    /// what is shorter is opened on this one.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    /// Decrypts without waiting.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn now(self) -> Result<Decrypted, Error>
    where
        M: LocalMaterialsManager,
    {
        now(self.run())
    }

    async fn run(self) -> Result<Decrypted, Error> {
        let locked = self.read()?;
        let mut plaintext = vec![0; locked.room()];
        let DecryptedIntoBuffer { written, header } = locked.decrypt(&mut plaintext).await?;
        plaintext.truncate(written);
        Ok(Decrypted { plaintext, header })
    }
}

impl<'a, M: MaterialsManager + ?Sized> IntoFuture for Decrypt<'a, M> {
    type Output = Result<Decrypted, Error>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// A plaintext, and what is known about where it came from.
///
/// ```
/// use waxseal::{AesKey, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"hello", &keyring).now()?;
/// let opened = waxseal::decrypt(&message, &keyring).now()?;
/// assert!(opened.header().suite().commits());
/// assert_eq!(opened.into_plaintext(), b"hello");
/// # Ok::<(), waxseal::Error>(())
/// ```
#[derive(Clone)]
pub struct Decrypted {
    plaintext: Vec<u8>,
    header: AuthenticHeader,
}

impl Decrypted {
    /// The plaintext.
    pub fn plaintext(&self) -> &[u8] {
        &self.plaintext
    }

    /// The plaintext.
    pub fn into_plaintext(self) -> Vec<u8> {
        self.plaintext
    }

    /// Suite, context, the key that opened the message, and the parsed header.
    pub fn header(&self) -> &AuthenticHeader {
        &self.header
    }
}

impl std::fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decrypted")
            .field("plaintext", &format_args!("{} bytes", self.plaintext.len()))
            .field("header", &self.header)
            .finish()
    }
}

/// Decrypts a value that [`encrypt_value`] encrypted.
///
/// See there for an example.
pub fn decrypt_value<'a, T, P, M>(message: &'a P, keys: &'a M) -> DecryptValue<'a, T, M>
where
    T: DeserializeOwned,
    P: AsRef<[u8]> + ?Sized,
    M: MaterialsManager + ?Sized,
{
    DecryptValue { decrypt: decrypt(message, keys), value: std::marker::PhantomData }
}

/// What [`decrypt_value`] gives.
#[derive(Debug)]
#[must_use = "nothing happens before `.now()` or `.await`"]
pub struct DecryptValue<'a, T, M: ?Sized> {
    decrypt: Decrypt<'a, M>,
    value: std::marker::PhantomData<fn() -> T>,
}

impl<'a, T: DeserializeOwned, M: MaterialsManager + ?Sized> DecryptValue<'a, T, M> {
    /// Pairs that must have been authenticated with the message, stored in its header or not. They add
    /// to those required before.
    pub fn require(mut self, pairs: impl Into<EncryptionContext>) -> Self {
        self.decrypt = self.decrypt.require(pairs);
        self
    }

    /// Keys that the context must have: in the header with any value, or among the pairs required.
    /// They add to those required before.
    pub fn require_keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.decrypt = self.decrypt.require_keys(keys);
        self
    }

    /// What is allowed. Default: [`Policy::default`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.decrypt = self.decrypt.policy(policy);
        self
    }

    /// Decrypts without waiting.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Value`] if the plaintext is not such a value.
    pub fn now(self) -> Result<T, Error>
    where
        M: LocalMaterialsManager,
    {
        now(self.run())
    }

    async fn run(self) -> Result<T, Error> {
        let plaintext = Zeroizing::new(self.decrypt.run().await?.into_plaintext());
        let mut rest = &plaintext[..];
        let failed = |reason: String| Error::Value(ValueError::new("read", reason));
        let value = ciborium::from_reader(&mut rest).map_err(|error| match error {
            // The reason may quote the plaintext, so only its place is told.
            ciborium::de::Error::Syntax(at) => failed(format!("it is not CBOR at byte {at}")),
            ciborium::de::Error::Io(_) => failed("it ends too early".into()),
            ciborium::de::Error::RecursionLimitExceeded => failed("it is nested too deep".into()),
            ciborium::de::Error::Semantic(..) => failed("it is a value of another type".into()),
        })?;
        if rest.is_empty() { Ok(value) } else { Err(failed("bytes follow the value".into())) }
    }
}

impl<'a, T, M> IntoFuture for DecryptValue<'a, T, M>
where
    T: DeserializeOwned + 'a,
    M: MaterialsManager + ?Sized,
{
    type Output = Result<T, Error>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// Reads the header of a message without any key.
///
/// **Nothing of it is authenticated**: it is whatever the message says.
///
/// ```
/// use waxseal::{AesKey, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"hello", &keyring).context([("tenant", "42")]).now()?;
/// let header = waxseal::inspect(&message)?;
/// assert_eq!(header.parsed().context().get("tenant"), Some("42"));
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidMessage`] if there is no whole header; [`Error::Policy`] if it is longer than 1 MiB.
pub fn inspect<P: AsRef<[u8]> + ?Sized>(message: &P) -> Result<UnverifiedHeader, Error> {
    let policy = Policy::default().max_encrypted_data_keys(u16::MAX);
    let (locked, _) = Locked::read(message.as_ref(), policy)?;
    Ok(UnverifiedHeader::new(locked))
}

/// A header that nobody vouches for.
#[derive(Debug, Clone)]
pub struct UnverifiedHeader(Header);

impl UnverifiedHeader {
    pub(crate) fn new(locked: Locked) -> Self {
        Self(locked.into_header())
    }

    /// What the message says.
    pub fn parsed(&self) -> &Header {
        &self.0
    }
}

/// Writes twice, first to learn the length: a buffer that grew would leave copies of the value behind.
fn to_cbor<T: Serialize + ?Sized>(value: &T) -> Result<Zeroizing<Vec<u8>>, ValueError> {
    // The reason may quote the value, so it is not told.
    let failed = || ValueError::new("written", "its own `Serialize` failed".to_owned());
    let mut len = Counter(0);
    ciborium::into_writer(value, &mut len).map_err(|_| failed())?;
    let mut cbor = Zeroizing::new(Vec::with_capacity(len.0));
    ciborium::into_writer(value, &mut *cbor).map_err(|_| failed())?;
    Ok(cbor)
}

/// Counts what is written to it.
struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
