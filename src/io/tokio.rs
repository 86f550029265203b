//! Shells for `tokio::io`.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::decrypt::{AuthenticHeader, Decryptor};
use crate::encrypt::Encryptor;
use crate::error::Error;
use crate::io::engine::Engine;
use crate::io::{
    DecryptPull, EncryptPull, EncryptPush, Fed, HeaderPull, Pull, Push, Shell, Source, Unused,
};
use crate::materials::MaterialsManager;
use crate::message::{EncryptedDataKey, Header};
use crate::policy::Policy;
use crate::unlock::{Locked, Unlock};

/// Encrypts what is written to it and passes the message on.
///
/// `shutdown` ends the message; without it the message has no end, and nobody can decrypt it to the end.
///
/// ```
/// use tokio::io::AsyncWriteExt;
/// use waxseal::{AesKey, RawAesKeyring};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let encryptor = waxseal::encryptor(&keyring).await?;
/// let mut message = Vec::new();
/// let mut writer = waxseal::tokio::EncryptWriter::new(encryptor, &mut message);
/// writer.write_all(b"hello").await?;
/// writer.shutdown().await?;
/// assert_eq!(waxseal::decrypt(&message, &keyring).await?.plaintext(), b"hello");
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "without `shutdown` the message has no end"]
pub struct EncryptWriter<W> {
    push: Engine<EncryptPush>,
    header: Header,
    /// Whether the end was asked for.
    closing: bool,
    inner: W,
}

impl<W: AsyncWrite + Unpin> EncryptWriter<W> {
    /// Nothing is written to `inner` before there is something to encrypt.
    pub fn new(encryptor: Encryptor, inner: W) -> Self {
        let header = encryptor.header().clone();
        Self { push: Engine::Here(EncryptPush::new(encryptor)), header, closing: false, inner }
    }

    /// The header that the message has.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Gives back what is behind. Without `shutdown` before, the message has no end.
    pub fn into_inner(self) -> W {
        self.inner
    }

    /// Waits for what is under way, and writes everything that is sealed.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut EncryptPush>> {
        let push = ready!(self.push.poll_here(cx))?;
        if self.closing {
            push.close();
        }
        while !push.unwritten().is_empty() {
            let len = ready!(Pin::new(&mut self.inner).poll_write(cx, push.unwritten()))?;
            if len == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            push.wrote(len);
        }
        Poll::Ready(Ok(push))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for EncryptWriter<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        plaintext: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match ready!(self.poll_drain(cx))?.push(plaintext)? {
                Push::Taken(taken) if taken > 0 || plaintext.is_empty() => {
                    return Poll::Ready(Ok(taken));
                }
                Push::Taken(_) => {}
                Push::NeedsWork => self.push.work()?,
            }
        }
    }

    /// Passes on whole frames only: a shorter one can only be the last.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while ready!(self.poll_drain(cx))?.has_whole_frames()? {
            self.push.work()?;
        }
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    /// Ends the message and shuts down what is behind.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // From now on, even if this is cancelled, a write would come after the end.
        self.closing = true;
        loop {
            if ready!(self.poll_drain(cx))?.is_finished() {
                return Pin::new(&mut self.inner).poll_shutdown(cx);
            }
            self.push.work()?;
        }
    }
}

/// Reads a plaintext and gives the message: what an HTTP body wants.
///
/// ```
/// use tokio::io::AsyncReadExt;
/// use waxseal::{AesKey, RawAesKeyring};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let encryptor = waxseal::encryptor(&keyring).await?;
/// let mut message = Vec::new();
/// waxseal::tokio::EncryptReader::new(encryptor, &b"hello"[..]).read_to_end(&mut message).await?;
/// assert_eq!(waxseal::decrypt(&message, &keyring).await?.plaintext(), b"hello");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct EncryptReader<R> {
    pull: Engine<EncryptPull>,
    header: Header,
    inner: R,
}

impl<R: AsyncRead + Unpin> EncryptReader<R> {
    /// Nothing is read from `inner` before the first read.
    pub fn new(encryptor: Encryptor, inner: R) -> Self {
        let header = encryptor.header().clone();
        Self { pull: Engine::Here(EncryptPull::new(encryptor)), header, inner }
    }

    /// The header that the message has.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Gives back what is behind; some of it was read already.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for EncryptReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { pull, inner, .. } = &mut *self;
        loop {
            let here = ready!(pull.poll_here(cx))?;
            match here.pull(out.initialize_unfilled())? {
                Pull::Bytes(len) => {
                    out.advance(len);
                    return Poll::Ready(Ok(()));
                }
                Pull::End => return Poll::Ready(Ok(())),
                Pull::NeedsWork => pull.work()?,
                Pull::NeedsInput => ready!(poll_feed(here, inner, cx))?,
            }
        }
    }
}

/// Reads a message and gives its plaintext, frame by frame, each authenticated before it comes out.
///
/// Only the end of the file says that the message was whole; with a signed suite, only then is it known
/// who wrote it. Discard everything that was read when an error comes instead;
/// [`Error::from_io`] tells what it was.
///
/// ```
/// use tokio::io::AsyncReadExt;
/// use waxseal::{AesKey, RawAesKeyring};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"hello", &keyring).await?;
/// let locked = waxseal::tokio::DecryptReader::open(&message[..]).await?;
/// let mut plaintext = String::new();
/// locked.unlock(&keyring).await?.read_to_string(&mut plaintext).await?;
/// assert_eq!(plaintext, "hello");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct DecryptReader<R> {
    pull: Engine<DecryptPull>,
    header: AuthenticHeader,
    inner: R,
}

impl<R: AsyncRead + Unpin> DecryptReader<R> {
    /// Reads the header, under the default policy.
    ///
    /// If it is cancelled, what was read from `inner` is gone. A [`HeaderReader`](crate::HeaderReader) keeps it.
    ///
    /// # Errors
    /// [`Error::Io`] if `inner` fails; [`Error::InvalidMessage`] if there is no whole header.
    pub async fn open(inner: R) -> Result<LockedReader<R>, Error> {
        Self::open_with(inner, Policy::default()).await
    }

    /// Reads the header, under this policy.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Error::Policy`] if the header is not allowed.
    pub async fn open_with(mut inner: R, policy: Policy) -> Result<LockedReader<R>, Error> {
        let mut pull = HeaderPull::new(policy);
        while pull.needs_input()? {
            poll_fn(|cx| poll_fill(&mut inner, cx, pull.input.room()))
                .await
                .and_then(|len| pull.input.received(len))
                .map_err(|error| Error::io("reading the message", error))?;
        }
        let (locked, input) = pull.finish()?;
        Ok(LockedReader { locked, source: Source::new(inner, input) })
    }

    /// The header.
    pub fn header(&self) -> &AuthenticHeader {
        &self.header
    }

    /// Gives back what is behind; some of it was read already.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for DecryptReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { pull, inner, .. } = &mut *self;
        loop {
            let here = ready!(pull.poll_here(cx))?;
            match here.pull(out.initialize_unfilled())? {
                Pull::Bytes(len) => {
                    out.advance(len);
                    return Poll::Ready(Ok(()));
                }
                Pull::End => return Poll::Ready(Ok(())),
                Pull::NeedsWork => pull.work()?,
                Pull::NeedsInput => ready!(poll_feed(here, inner, cx))?,
            }
        }
    }
}

impl<R> Shell<R> for DecryptReader<R> {
    fn assemble(inner: R, decryptor: Decryptor, input: Unused) -> Self {
        let header = decryptor.header().clone();
        Self { pull: Engine::Here(DecryptPull::new(decryptor, input)), header, inner }
    }
}

/// A message whose header was read but not authenticated.
#[derive(Debug)]
#[must_use = "nothing is decrypted before it is unlocked"]
pub struct LockedReader<R> {
    locked: Locked,
    source: Source<R, DecryptReader<R>>,
}

impl<R> LockedReader<R> {
    /// The encrypted data keys: whatever the message says.
    pub fn encrypted_data_keys(&self) -> &[EncryptedDataKey] {
        self.locked.encrypted_data_keys()
    }

    /// Gets the data key and checks commitment and header with it.
    pub fn unlock<M: MaterialsManager + ?Sized>(
        self,
        keys: &M,
    ) -> Unlock<'_, M, Source<R, DecryptReader<R>>> {
        Unlock::new(self.locked, keys, self.source)
    }
}

/// Reads more, unless the source gives none and something can be done without it.
fn poll_feed<R: AsyncRead + Unpin>(
    pull: &mut impl Fed,
    inner: &mut R,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let input = pull.input();
    input.failure()?;
    match poll_fill(inner, cx, input.room()) {
        Poll::Ready(Ok(len)) => Poll::Ready(input.received(len)),
        Poll::Ready(Err(error)) if pull.pause() => {
            pull.input().failed(error);
            Poll::Ready(Ok(()))
        }
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Pending if pull.pause() => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    }
}

/// Zero bytes mean that the source ended.
fn poll_fill<R: AsyncRead + Unpin>(
    inner: &mut R,
    cx: &mut Context<'_>,
    space: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(space);
    ready!(Pin::new(inner).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}
