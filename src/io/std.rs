//! Shells for `std::io`.

use std::io::{self, Read, Write};

use crate::api::UnverifiedHeader;
use crate::decrypt::{AuthenticHeader, Decryptor};
use crate::encrypt::Encryptor;
use crate::error::Error;
use crate::io::{
    DecryptPull, EncryptPull, EncryptPush, Fed, HeaderPull, Pull, Push, Shell, Source, Unused,
    Work as _,
};
use crate::materials::MaterialsManager;
use crate::message::{EncryptedDataKey, Header};
use crate::policy::Policy;
use crate::unlock::{Locked, Unlock};

/// Encrypts what is written to it and passes the message on.
///
/// Without [`finish`](Self::finish) the message has no end, and nobody can decrypt it to the end.
///
/// ```
/// use std::io::Write;
/// use waxseal::{AesKey, EncryptWriter, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let encryptor = waxseal::encryptor(&keyring).frame_len(64 * 1024)?.now()?;
/// let mut writer = EncryptWriter::new(encryptor, Vec::new());
/// writer.write_all(b"hello")?;
/// let message = writer.finish()?;
/// assert_eq!(waxseal::decrypt(&message, &keyring).now()?.plaintext(), b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "without `finish` the message has no end"]
pub struct EncryptWriter<W> {
    push: EncryptPush,
    inner: W,
}

impl<W: Write> EncryptWriter<W> {
    /// Nothing is written to `inner` before there is something to encrypt.
    pub fn new(encryptor: Encryptor, inner: W) -> Self {
        Self { push: EncryptPush::new(encryptor), inner }
    }

    /// Ends the message, flushes, and gives `inner` back.
    ///
    /// # Errors
    /// [`Error::Io`] if `inner` fails: the message has no end then. Any error of earlier writes.
    pub fn finish(mut self) -> Result<W, Error> {
        self.try_finish()?;
        Ok(self.inner)
    }

    /// Ends the message and flushes. If `inner` fails in passing (`WouldBlock`, say), call it again:
    /// nothing is sealed twice or lost.
    ///
    /// # Errors
    /// As [`finish`](Self::finish). After the first call nothing more can be written.
    pub fn try_finish(&mut self) -> Result<(), Error> {
        self.push.close();
        loop {
            self.drain().map_err(|error| Error::io("writing the message", error))?;
            if self.push.is_finished() {
                break;
            }
            self.push.work()?;
        }
        self.inner.flush().map_err(|error| Error::io("writing the message", error))
    }

    /// What is behind.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The header that the message has.
    pub fn header(&self) -> &Header {
        self.push.header()
    }

    /// Writes everything that is sealed. What could not be written is kept for the next call.
    fn drain(&mut self) -> io::Result<()> {
        while !self.push.unwritten().is_empty() {
            match self.inner.write(self.push.unwritten()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => self.push.wrote(len),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl<W: Write> Write for EncryptWriter<W> {
    fn write(&mut self, plaintext: &[u8]) -> io::Result<usize> {
        loop {
            self.drain()?;
            match self.push.push(plaintext)? {
                Push::Taken(taken) if taken > 0 || plaintext.is_empty() => return Ok(taken),
                Push::Taken(_) => {}
                Push::NeedsWork => self.push.work()?,
            }
        }
    }

    /// Passes on whole frames only: a shorter one can only be the last.
    fn flush(&mut self) -> io::Result<()> {
        self.drain()?;
        while self.push.has_whole_frames()? {
            self.push.work()?;
            self.drain()?;
        }
        self.inner.flush()
    }
}

/// Reads a plaintext and gives the message: what an HTTP body wants.
///
/// ```
/// use std::io::Read;
/// use waxseal::{AesKey, EncryptReader, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let encryptor = waxseal::encryptor(&keyring).now()?;
/// let mut message = Vec::new();
/// EncryptReader::new(encryptor, &b"hello"[..]).read_to_end(&mut message)?;
/// assert_eq!(waxseal::decrypt(&message, &keyring).now()?.plaintext(), b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EncryptReader<R> {
    pull: EncryptPull,
    inner: R,
}

impl<R: Read> EncryptReader<R> {
    /// Nothing is read from `inner` before the first read.
    pub fn new(encryptor: Encryptor, inner: R) -> Self {
        Self { pull: EncryptPull::new(encryptor), inner }
    }

    /// The header that the message has.
    pub fn header(&self) -> &Header {
        self.pull.header()
    }

    /// Gives back what is behind; some of it was read already.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read> Read for EncryptReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.pull.pull(out)? {
                Pull::Bytes(len) => return Ok(len),
                Pull::End => return Ok(0),
                Pull::NeedsWork => self.pull.work()?,
                Pull::NeedsInput => fill(&mut self.pull, &mut self.inner)?,
            }
        }
    }
}

/// Reads a message and gives its plaintext, frame by frame, each authenticated before it comes out.
///
/// Only the end of the file, `Ok(0)`, says that the message was whole; with a signed suite, only then
/// is it known who wrote it. Discard everything that was read when an error comes instead;
/// [`Error::from_io`] tells what it was.
///
/// ```
/// use std::io::Read;
/// use waxseal::{AesKey, DecryptReader, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"hello", &keyring).now()?;
///
/// let mut reader = DecryptReader::open(&message[..])?.unlock(&keyring).now()?;
/// let mut plaintext = String::new();
/// reader.read_to_string(&mut plaintext)?;
/// assert_eq!(plaintext, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct DecryptReader<R> {
    pull: DecryptPull,
    inner: R,
}

impl<R: Read> DecryptReader<R> {
    /// Reads the header, under the default policy.
    ///
    /// # Errors
    /// [`Error::Io`] if `inner` fails; [`Error::InvalidMessage`] if there is no whole header.
    pub fn open(inner: R) -> Result<LockedReader<R>, Error> {
        Self::open_with(inner, Policy::default())
    }

    /// Reads the header, under this policy.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Error::Policy`] if the header is not allowed.
    pub fn open_with(mut inner: R, policy: Policy) -> Result<LockedReader<R>, Error> {
        let failed = |error| Error::io("reading the message", error);
        let mut pull = HeaderPull::new(policy);
        while pull.needs_input()? {
            match inner.read(pull.input.room()) {
                Ok(len) => pull.input.received(len).map_err(failed)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let (locked, input) = pull.finish()?;
        Ok(LockedReader { locked, source: Source::new(inner, input) })
    }

    /// The header.
    pub fn header(&self) -> &AuthenticHeader {
        self.pull.header()
    }

    /// Gives back what is behind; some of it was read already.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read> Read for DecryptReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.pull.pull(out)? {
                Pull::Bytes(len) => return Ok(len),
                Pull::End => return Ok(0),
                Pull::NeedsWork => self.pull.work()?,
                Pull::NeedsInput => fill(&mut self.pull, &mut self.inner)?,
            }
        }
    }
}

impl<R> Shell<R> for DecryptReader<R> {
    fn assemble(inner: R, decryptor: Decryptor, input: Unused) -> Self {
        Self { pull: DecryptPull::new(decryptor, input), inner }
    }
}

/// Reads more, unless the source gives none and something can be done without it.
fn fill<R: Read>(pull: &mut impl Fed, inner: &mut R) -> io::Result<()> {
    let input = pull.input();
    input.failure()?;
    match inner.read(input.room()) {
        Ok(len) => input.received(len),
        Err(error) if pull.pause() => {
            pull.input().failed(error);
            Ok(())
        }
        Err(error) => Err(error),
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

/// Reads the header of a message without any key, and no more than a buffer beyond it.
///
/// **Nothing of it is authenticated**: it is whatever the message says.
///
/// ```
/// use waxseal::{AesKey, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"hello", &keyring).now()?;
/// let header = waxseal::inspect_reader(&message[..])?;
/// assert_eq!(header.parsed(), message.header());
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] if `reader` fails; [`Error::InvalidMessage`] if there is no whole header;
/// [`Error::Policy`] if it is longer than 1 MiB.
pub fn inspect_reader<R: Read>(reader: R) -> Result<UnverifiedHeader, Error> {
    let policy = Policy::default().max_encrypted_data_keys(u16::MAX);
    Ok(UnverifiedHeader::new(DecryptReader::open_with(reader, policy)?.locked))
}
