//! Whole messages between the caller's own buffers: none is copied, and none is allocated.

use std::fmt;
use std::future::IntoFuture;
use std::num::NonZeroUsize;

use super::{Decrypt, Encrypt, Plaintext};
use crate::context::EncryptionContext;
use crate::decrypt::{AuthenticHeader, Decryptor};
use crate::encrypt::{Encryptor, Progress};
use crate::error::{ApiMisuse, Error};
use crate::keyring::now;
use crate::materials::{BoxFuture, LocalMaterialsManager, MaterialsManager};
use crate::message::body::{UnframedPrefix, framed_plaintext_len};
use crate::message::{ContentType, FrameLayout, Header, to_u64};
use crate::policy::SignedStreaming;
use crate::secret::{SecretBuffer, wipe};
use crate::unlock::{JustDecrypt, Locked, Required, Unlock};

impl<'a, M: MaterialsManager + ?Sized> Encrypt<'a, M> {
    /// Writes the message to `output` instead of a new `Vec`.
    ///
    /// How long a message becomes depends on its header, and that on context, suite and encrypted data
    /// keys: with a raw AES keyring, an empty context and the default suite it has 300 bytes and the
    /// names of namespace and key, or fewer. A buffer is long enough if it has what
    /// [`FrameLayout::max_message_len`](crate::FrameLayout::max_message_len) says for a longer header;
    /// one that is not is refused, and the error tells the length needed.
    pub fn into_buffer(self, output: &'a mut [u8]) -> EncryptIntoBuffer<'a, M> {
        EncryptIntoBuffer { encrypt: self, output }
    }

    /// Everything but the body.
    pub(super) async fn prepare(self) -> Result<Prepared<'a>, Error> {
        let Self { plaintext, keys, mut settings } = self;
        if let Plaintext::Failed(error) = plaintext {
            return Err(Error::Value(error));
        }
        let plaintext_len = to_u64(plaintext.bytes().len());
        settings.plaintext_bound = Some(plaintext_len);
        let frame_len = settings.frame_len;
        let encryptor = settings.start(keys).await?;
        let layout = FrameLayout::new(encryptor.header().len(), frame_len)?;
        let max_message_len = if encryptor.header().suite().signs() {
            layout.max_message_len(plaintext_len)?
        } else {
            layout.message_len(plaintext_len)?
        };
        Ok(Prepared { plaintext, encryptor, max_message_len })
    }
}

impl Plaintext<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Plaintext::Borrowed(bytes) => bytes,
            Plaintext::Cbor(bytes) => bytes,
            Plaintext::Failed(_) => &[],
        }
    }
}

/// A message of which only the body is not there yet.
pub(super) struct Prepared<'a> {
    plaintext: Plaintext<'a>,
    encryptor: Encryptor,
    max_message_len: u64,
}

impl Prepared<'_> {
    /// Exact, unless the suite signs.
    pub(super) fn max_message_len(&self) -> u64 {
        self.max_message_len
    }

    /// All of the message, or nothing.
    pub(super) fn encrypt(self, output: &mut [u8]) -> Result<EncryptedIntoBuffer, Error> {
        let Self { plaintext, mut encryptor, max_message_len } = self;
        check_room(max_message_len, output)?;
        match encryptor.finish_with(plaintext.bytes(), output) {
            Ok(written) => {
                let (header, context) = encryptor.into_header();
                Ok(EncryptedIntoBuffer { written, header, context })
            }
            Err(error) => {
                wipe(output);
                Err(error)
            }
        }
    }
}

/// What [`Encrypt::into_buffer`] gives: `.now()` or `.await`.
///
/// ```
/// use waxseal::{AesKey, FrameLayout, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// // Frames have 4,096 bytes unless set otherwise, and this header has fewer than 1,024.
/// let max_len = FrameLayout::new(1024, 4096)?.max_message_len(5)?;
/// let mut buffer = vec![0; max_len as usize];
/// let message = waxseal::encrypt(b"hello", &keyring).into_buffer(&mut buffer).now()?;
/// let message = &buffer[..message.written()];
/// assert_eq!(waxseal::decrypt(message, &keyring).now()?.plaintext(), b"hello");
/// # Ok::<(), waxseal::Error>(())
/// ```
#[must_use = "nothing happens before `.now()` or `.await`"]
pub struct EncryptIntoBuffer<'a, M: ?Sized> {
    encrypt: Encrypt<'a, M>,
    output: &'a mut [u8],
}

impl<'a, M: MaterialsManager + ?Sized> EncryptIntoBuffer<'a, M> {
    /// Encrypts without waiting.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::ApiMisuse`] if the buffer is shorter than the message may become, before
    /// anything is written. After any later error the buffer is all zeros.
    pub fn now(self) -> Result<EncryptedIntoBuffer, Error>
    where
        M: LocalMaterialsManager,
    {
        now(self.run())
    }

    async fn run(self) -> Result<EncryptedIntoBuffer, Error> {
        let Self { encrypt, output } = self;
        encrypt.prepare().await?.encrypt(output)
    }
}

/// The buffer may still hold what somebody decrypted into it before.
impl<M: fmt::Debug + ?Sized> fmt::Debug for EncryptIntoBuffer<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { encrypt, output } = self;
        f.debug_struct("EncryptIntoBuffer")
            .field("encrypt", encrypt)
            .field("output", &format_args!("{} bytes", output.len()))
            .finish()
    }
}

impl<'a, M: MaterialsManager + ?Sized> IntoFuture for EncryptIntoBuffer<'a, M> {
    type Output = Result<EncryptedIntoBuffer, Error>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// How long the message in the buffer is, and the header that it has.
///
/// See [`EncryptIntoBuffer`] for an example.
#[derive(Debug, Clone)]
#[must_use = "it says how much of the buffer is the message"]
pub struct EncryptedIntoBuffer {
    pub(super) written: usize,
    pub(super) header: Header,
    pub(super) context: EncryptionContext,
}

impl EncryptedIntoBuffer {
    /// Length of the message, in bytes: it starts where the buffer starts.
    pub fn written(&self) -> usize {
        self.written
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

impl<'a, M: MaterialsManager + ?Sized> Decrypt<'a, M> {
    /// Writes the plaintext to `output` instead of a new `Vec`.
    ///
    /// A buffer as long as the message is always long enough, and one as long as the plaintext for every
    /// message that is whole. One that is not is refused, and the error tells the length needed.
    pub fn into_buffer(self, output: &'a mut [u8]) -> DecryptIntoBuffer<'a, M> {
        DecryptIntoBuffer { decrypt: self, output }
    }

    /// The header, and what follows it.
    pub(super) fn read(self) -> Result<LockedMessage<'a, M>, Error> {
        let Self { message, keys, policy, required, threads } = self;
        // This is no stream: nothing is released before the signature was verified.
        let policy = policy.signed_streaming(SignedStreaming::Allow);
        let (locked, header_len) = Locked::read(message, policy)?;
        let body = message.get(header_len..).unwrap_or_default();
        Ok(LockedMessage { locked, body, keys, required, threads })
    }
}

/// A message of which only the header was read.
pub(super) struct LockedMessage<'a, M: ?Sized> {
    locked: Locked,
    body: &'a [u8],
    keys: &'a M,
    required: Required,
    threads: NonZeroUsize,
}

impl<M: MaterialsManager + ?Sized> LockedMessage<'_, M> {
    /// Room for the plaintext: its length, or if the message is not whole, that of all behind the header,
    /// which is never shorter. Nothing is authenticated.
    pub(super) fn room(&self) -> usize {
        self.stated_len().unwrap_or(self.body.len())
    }

    /// How long the plaintext is, if the message is whole.
    fn stated_len(&self) -> Option<usize> {
        let Self { locked, body, .. } = self;
        let stated = match locked.content_type() {
            ContentType::Unframed => match UnframedPrefix::read(body, 0) {
                Ok(Ok(prefix)) => Some(prefix.content_len),
                _ => None,
            },
            // Where the footer starts shows only when all frames were passed.
            ContentType::Framed { frame_len } if locked.suite().signs() => {
                framed_plaintext_len(body, frame_len, 0)
            }
            // Without a footer the final frame is found at once.
            ContentType::Framed { frame_len } => FrameLayout::new(0, frame_len)
                .ok()
                .and_then(|layout| layout.regular_frames(to_u64(body.len())))
                .and_then(|regular| framed_plaintext_len(body, frame_len, regular)),
        };
        let stated = stated.and_then(|len| usize::try_from(len).ok());
        stated.filter(|len| *len <= body.len())
    }

    /// All of the plaintext, or nothing.
    pub(super) async fn decrypt(self, output: &mut [u8]) -> Result<DecryptedIntoBuffer, Error> {
        let stated_len = self.stated_len();
        if let Some(len) = stated_len {
            check_room(to_u64(len), output)?;
        }
        let Self { locked, body, keys, required, threads } = self;
        let unlock = Unlock::new(locked, keys, JustDecrypt).required(required).threads(threads);
        let mut decryptor = unlock.run().await?;
        let result = if stated_len.is_none() && output.len() < body.len() {
            // Of a message that is not whole nothing stays, and the error is about that, not about the room.
            Err(failure(decryptor, body, output))
        } else {
            let result = decryptor.update(body, output);
            result.and_then(|progress| Ok((progress.written, decryptor.finish()?)))
        };
        match result {
            Ok((written, verified)) => Ok(DecryptedIntoBuffer { written, header: verified.header }),
            Err(error) => {
                wipe(output);
                Err(error)
            }
        }
    }
}

/// What [`Decrypt::into_buffer`] gives: `.now()` or `.await`.
///
/// ```
/// use waxseal::{AesKey, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"hello", &keyring).now()?;
/// let mut buffer = [0; 5];
/// let opened = waxseal::decrypt(&message, &keyring).into_buffer(&mut buffer).now()?;
/// assert_eq!(opened.written(), 5);
/// assert_eq!(&buffer, b"hello");
/// # Ok::<(), waxseal::Error>(())
/// ```
#[must_use = "nothing happens before `.now()` or `.await`"]
pub struct DecryptIntoBuffer<'a, M: ?Sized> {
    decrypt: Decrypt<'a, M>,
    output: &'a mut [u8],
}

impl<'a, M: MaterialsManager + ?Sized> DecryptIntoBuffer<'a, M> {
    /// Decrypts without waiting.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::ApiMisuse`] if the buffer is shorter than the plaintext, before anything
    /// is written. After an error in the body the buffer is all zeros: no plaintext is left in it that
    /// was not verified to the last byte and the signature.
    pub fn now(self) -> Result<DecryptedIntoBuffer, Error>
    where
        M: LocalMaterialsManager,
    {
        now(self.run())
    }

    async fn run(self) -> Result<DecryptedIntoBuffer, Error> {
        let Self { decrypt, output } = self;
        decrypt.read()?.decrypt(output).await
    }
}

/// The buffer may still hold what somebody decrypted into it before.
impl<M: fmt::Debug + ?Sized> fmt::Debug for DecryptIntoBuffer<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { decrypt, output } = self;
        f.debug_struct("DecryptIntoBuffer")
            .field("decrypt", decrypt)
            .field("output", &format_args!("{} bytes", output.len()))
            .finish()
    }
}

impl<'a, M: MaterialsManager + ?Sized> IntoFuture for DecryptIntoBuffer<'a, M> {
    type Output = Result<DecryptedIntoBuffer, Error>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// How long the plaintext in the buffer is, and what is known about where it came from.
///
/// See [`DecryptIntoBuffer`] for an example.
#[derive(Debug, Clone)]
#[must_use = "it says how much of the buffer is the plaintext"]
pub struct DecryptedIntoBuffer {
    pub(super) written: usize,
    pub(super) header: AuthenticHeader,
}

impl DecryptedIntoBuffer {
    /// Length of the plaintext, in bytes: it starts where the buffer starts.
    pub fn written(&self) -> usize {
        self.written
    }

    /// Suite, context, the key that opened the message, and the parsed header.
    pub fn header(&self) -> &AuthenticHeader {
        &self.header
    }
}

/// Why a message has no end, for which all of it has to be opened, whatever room there is in `output`.
fn failure(mut decryptor: Decryptor, body: &[u8], output: &[u8]) -> Error {
    let mut scratch = SecretBuffer::default();
    let (mut rest, mut len) = (body, 0_u64);
    loop {
        match decryptor.update(rest, scratch.prepare(SCRATCH_LEN)) {
            Ok(Progress { read, written: 0 }) if read == rest.len() => break,
            Ok(Progress { read, written }) => {
                rest = rest.get(read..).unwrap_or_default();
                len = len.saturating_add(to_u64(written));
            }
            Err(error) => return error,
        }
    }
    match decryptor.finish() {
        Err(error) => error,
        // It has an end that could not be found from its lengths.
        Ok(_) => ApiMisuse::BufferTooShort { needed: len, found: to_u64(output.len()) }.into(),
    }
}

fn check_room(needed: u64, output: &[u8]) -> Result<(), Error> {
    let found = to_u64(output.len());
    if found < needed { Err(ApiMisuse::BufferTooShort { needed, found }.into()) } else { Ok(()) }
}

/// Most frames fit; others go through the decryptor's own memory.
const SCRATCH_LEN: usize = 4096;
