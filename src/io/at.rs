//! Reading at any place of a plaintext, for sources that can be read at any place.

#[cfg(any(unix, windows))]
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::decrypt::{AuthenticHeader, Decryptor};
use crate::error::{ApiMisuse, Error, InvalidMessage, Malformed};
use crate::io::frame_cache::FrameCache;
use crate::materials::MaterialsManager;
use crate::message::{EncryptedDataKey, to_u64, to_usize};
use crate::policy::Policy;
use crate::range::{PartialFrame, RangeOpener, RangePlan};
use crate::secret::wipe;
use crate::unlock::{FromDecryptor, HeaderReader, Locked, Unlock};

/// Something that can be read at any place, by several threads at once: a file, or bytes in memory.
///
/// ```
/// use std::io;
/// use waxseal::{AesKey, AlgorithmSuite, DecryptAt, RawAesKeyring, ReadAt};
///
/// /// A message that begins somewhere in a larger file.
/// struct Within<R> {
///     file: R,
///     start: u64,
///     len: u64,
/// }
///
/// impl<R: ReadAt> ReadAt for Within<R> {
///     fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
///         let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
///         let len = buffer.len().min(left);
///         self.file.read_at(&mut buffer[..len], self.start + offset)
///     }
///
///     fn len(&self) -> io::Result<u64> {
///         Ok(self.len)
///     }
/// }
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
/// let message = waxseal::encrypt(b"hello", &keyring).suite(suite).now()?;
/// let file = [b"other things", &message[..]].concat();
/// let within = Within { file, start: 12, len: message.len() as u64 };
/// let plaintext = DecryptAt::open(within)?.unlock(&keyring).now()?;
/// assert_eq!(plaintext.read_range(1..4)?, b"ell");
/// # Ok::<(), waxseal::Error>(())
/// ```
#[expect(clippy::len_without_is_empty, reason = "nobody would ask")]
pub trait ReadAt {
    /// Reads into `buffer` what begins at this offset, in bytes; gives how many bytes it read. None means that there
    /// are no more, and [`io::ErrorKind::Interrupted`] that it may be tried again.
    ///
    /// # Errors
    /// Whatever fails.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// How many bytes there are.
    ///
    /// # Errors
    /// Whatever fails.
    fn len(&self) -> io::Result<u64>;

    /// This range of the bytes, if they are all in memory: then they need not be copied. None by default.
    fn lend(&self, range: Range<u64>) -> Option<&[u8]> {
        let _ = range;
        None
    }
}

/// Does not touch the cursor of the file.
#[cfg(unix)]
impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

/// Moves the cursor of the file, so that nothing else should use that meanwhile.
#[cfg(windows)]
impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(self, buffer, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|start| self.get(start..));
        rest.unwrap_or_default().read(buffer)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(to_u64(<[u8]>::len(self)))
    }

    fn lend(&self, range: Range<u64>) -> Option<&[u8]> {
        self.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.as_slice().read_at(buffer, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(to_u64(self.as_slice().len()))
    }

    fn lend(&self, range: Range<u64>) -> Option<&[u8]> {
        self.as_slice().lend(range)
    }
}

macro_rules! read_at_behind {
    ($($pointer:ty),*) => {$(
        impl<R: ReadAt + ?Sized> ReadAt for $pointer {
            fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
                (**self).read_at(buffer, offset)
            }

            fn len(&self) -> io::Result<u64> {
                (**self).len()
            }

            fn lend(&self, range: Range<u64>) -> Option<&[u8]> {
                (**self).lend(range)
            }
        }
    )*};
}

read_at_behind!(&R, Arc<R>, Box<R>);

/// Reads a plaintext at any place, by any number of threads at once.
///
/// Everything that it gives is authentic: it is at that place of that plaintext, and the final frame, which is opened
/// before anything else, proves where that ends. If the message is changed or cut meanwhile, reads of such a
/// place fail, or give what was there before where that is still known. Messages that are signed are refused, since only
/// all of a message tells who signed it, and so are those without frames.
///
/// A read opens the frames that it touches, whole; what it needed only a part of is kept in a cache, and the final
/// frame is kept, too, if it has at most 1 MiB. Memory is a few mebibytes, and some three frames for each thread that
/// reads.
///
/// ```
/// use waxseal::{AesKey, AlgorithmSuite, DecryptAt, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey; // does not sign
/// let message = waxseal::encrypt(b"0123456789", &keyring).suite(suite).now()?;
///
/// // A `File` in place of the bytes is as good.
/// let plaintext = DecryptAt::open(&message[..])?.unlock(&keyring).now()?;
/// assert_eq!(plaintext.len(), 10);
/// assert_eq!(plaintext.read_range(7..10)?, b"789");
/// let mut buffer = [0; 8];
/// assert_eq!(plaintext.read_at(&mut buffer, 4)?, 6);
/// assert_eq!(&buffer[..6], b"456789");
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: message-body, "Framed Data".
#[derive(Debug)]
pub struct DecryptAt<R> {
    ranges: RangeOpener,
    inner: R,
    /// Never held while something is read or opened.
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    cache: FrameCache,
    buffers: Option<Buffers>,
}

/// Memory that one read after the other uses.
#[derive(Debug, Default)]
struct Buffers {
    sealed: Vec<u8>,
    /// Room for frames of which only a part is wanted. Between reads it may hold one that the cache had to let go, which
    /// the next overwrites.
    partial: [PartialFrame; 2],
}

impl<R: ReadAt> DecryptAt<R> {
    /// Reads the header, under the default policy.
    ///
    /// # Errors
    /// [`Error::Io`] if `inner` fails; [`Error::InvalidMessage`] if there is no whole header.
    pub fn open(inner: R) -> Result<LockedAt<R>, Error> {
        Self::open_with(inner, Policy::default())
    }

    /// Reads the header, under this policy.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Error::Policy`] if the header is not allowed.
    pub fn open_with(inner: R, policy: Policy) -> Result<LockedAt<R>, Error> {
        let mut reader = HeaderReader::new(policy);
        let (mut piece, mut at) = (vec![0; HEADER_PIECE_LEN], 0);
        while !reader.is_complete() {
            let len = read_some(&inner, &mut piece, at)?;
            if len == 0 {
                break;
            }
            reader.push(piece.get(..len).unwrap_or_default())?;
            at = at.saturating_add(to_u64(len));
        }
        let source = AtSource { inner, without_signature: false };
        Ok(LockedAt { locked: reader.finish()?, source })
    }

    /// Up to so many bytes of frames that were opened are kept for the next reads. A frame that has to go for another is
    /// overwritten by the next one, or wiped with this. Where frames are longer than that, one of them is kept, so that
    /// reads of a few bytes after each other do not open it again each time. 0 keeps none. Default: 64 KiB.
    #[must_use]
    pub fn cache_len(mut self, bytes: usize) -> Self {
        let cache = cache(&self.ranges, bytes);
        self.kept = Mutex::new(Kept { cache, buffers: None });
        self
    }

    /// Reads what begins at this offset of the plaintext, in bytes; gives how many bytes it read: fewer than `out` has
    /// room for only at the end of the plaintext, and none beyond it.
    ///
    /// When this fails, `out` holds no plaintext.
    ///
    /// # Errors
    /// [`Error::Io`] if the source fails; [`Error::Unauthentic`] and [`Error::InvalidMessage`] if the message was changed
    /// or cut, in a frame that this touches.
    pub fn read_at(&self, out: &mut [u8], offset: u64) -> Result<usize, Error> {
        let left = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = out.len().min(left);
        let range = offset..offset.saturating_add(to_u64(len));
        let result = self.fill(range, out.get_mut(..len).unwrap_or_default());
        if result.is_err() {
            wipe(out);
        }
        result.map(|()| len)
    }

    /// Fills all of `out` with what begins at this offset of the plaintext, in bytes.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at); [`ApiMisuse::Range`] if the plaintext ends before.
    pub fn read_exact_at(&self, out: &mut [u8], offset: u64) -> Result<(), Error> {
        let range = offset..offset.saturating_add(to_u64(out.len()));
        self.check(&range).inspect_err(|_| wipe(out))?;
        self.read_at(out, offset).map(drop)
    }

    /// This range of the plaintext.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at); [`ApiMisuse::Range`] if it ends before it begins or beyond the end of the plaintext.
    pub fn read_range(&self, range: Range<u64>) -> Result<Vec<u8>, Error> {
        self.check(&range)?;
        let too_long = || Error::Backend("hold the range in memory");
        let len = usize::try_from(range.end.saturating_sub(range.start)).map_err(|_| too_long())?;
        let mut plaintext = Vec::new();
        plaintext.try_reserve_exact(len).map_err(|_| too_long())?;
        // Only the final frame says how long it is, so memory is touched where frames turn out to be there.
        while plaintext.len() < len {
            let start = plaintext.len();
            plaintext.resize(start.saturating_add(PIECE_LEN).min(len), 0);
            let piece = plaintext.get_mut(start..).unwrap_or_default();
            let offset = range.start.saturating_add(to_u64(start));
            if let Err(error) = self.read_exact_at(piece, offset) {
                wipe(&mut plaintext);
                return Err(error);
            }
        }
        Ok(plaintext)
    }

    /// A cursor on the plaintext, at its start. There can be any number of them.
    pub fn reader(&self) -> PlaintextReader<'_, R> {
        PlaintextReader { plaintext: self, position: 0 }
    }

    /// `range` lies within the plaintext.
    fn fill(&self, range: Range<u64>, out: &mut [u8]) -> Result<(), Error> {
        let (mut rest, mut out) = (range, out);
        while !rest.is_empty() {
            let (number, frame) = self.ranges.frame_of(rest.start);
            let mut kept = self.lock();
            let cached = kept.cache.find(number);
            let buffers = if cached.is_none() { kept.buffers.take() } else { None };
            drop(kept);
            let plan = match &cached {
                Some(_) => None,
                None => Some(self.ranges.first_piece(&rest, BLOCK_LEN)),
            };
            let cached_end = frame.end.min(rest.end);
            let end = plan.as_ref().map_or(cached_end, |plan| plan.plaintext().end);
            let len = usize::try_from(end.saturating_sub(rest.start)).ok();
            let Some((room, after)) = len.and_then(|len| out.split_at_mut_checked(len)) else {
                return Err(ApiMisuse::Order("the range is longer than its buffer").into());
            };
            match (cached, plan) {
                (Some(plaintext), _) => {
                    let start = usize::try_from(rest.start.saturating_sub(frame.start));
                    let part = start.ok().and_then(|start| plaintext.expose().get(start..));
                    let part = part.and_then(|part| part.get(..room.len()));
                    room.copy_from_slice(part.ok_or(Error::Backend("hold a frame in memory"))?);
                }
                (None, Some(plan)) => self.read(&plan, room, buffers.unwrap_or_default())?,
                (None, None) => {}
            }
            (rest.start, out) = (end, after);
        }
        Ok(())
    }

    /// Reads and opens some frames at once.
    fn read(&self, plan: &RangePlan, out: &mut [u8], mut buffers: Buffers) -> Result<(), Error> {
        let Buffers { sealed, partial } = &mut buffers;
        let sealed = match self.inner.lend(plan.ciphertext()) {
            Some(lent) => lent,
            None => {
                read_all(&self.inner, plan.ciphertext(), sealed)?;
                sealed
            }
        };
        // If this fails, what was opened is wiped with the buffers.
        self.ranges.open_planned(plan, sealed, out, partial)?;
        let mut kept = self.lock();
        for PartialFrame { number, plaintext } in partial {
            if let Some(number) = number.take() {
                *plaintext = kept.cache.keep(number, std::mem::take(plaintext));
            }
        }
        if buffers.len() <= MAX_BUFFERS_LEN {
            kept.buffers = Some(buffers);
        }
        Ok(())
    }

    fn check(&self, range: &Range<u64>) -> Result<(), Error> {
        self.ranges.plan(range.clone()).map(drop)
    }
}

impl<R> DecryptAt<R> {
    /// The header.
    pub fn header(&self) -> &AuthenticHeader {
        self.ranges.header()
    }

    /// Length of the plaintext in bytes: proven by the final frame.
    pub fn len(&self) -> u64 {
        self.ranges.plaintext_len()
    }

    /// Whether there is no plaintext.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives back what is behind.
    pub fn into_inner(self) -> R {
        self.inner
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffers {
    fn len(&self) -> usize {
        let partial = self.partial.iter().map(|frame| frame.plaintext.capacity());
        partial.fold(self.sealed.capacity(), usize::saturating_add)
    }
}

/// A message whose header was read but not authenticated.
///
/// ```
/// use waxseal::{AesKey, DecryptAt, PolicyError, Error, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"0123456789", &keyring).now()?; // signed, as by default
/// let refused = DecryptAt::open(&message[..])?.unlock(&keyring).now();
/// assert!(matches!(refused, Err(Error::Policy(PolicyError::RangeOfSignedMessage))));
///
/// // Whoever can decrypt it could have written what this gives.
/// let locked = DecryptAt::open(&message[..])?.without_verifying_signature();
/// assert_eq!(locked.unlock(&keyring).now()?.read_range(3..5)?, b"34");
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is decrypted before it is unlocked"]
pub struct LockedAt<R> {
    locked: Locked,
    source: AtSource<R>,
}

impl<R: ReadAt> LockedAt<R> {
    /// The encrypted data keys: whatever the message says.
    pub fn encrypted_data_keys(&self) -> &[EncryptedDataKey] {
        self.locked.encrypted_data_keys()
    }

    /// Reads signed messages, too, **and never verifies their signature**: see
    /// [`Decryptor::into_ranges_without_verifying_signature`]. Without this they are refused.
    pub fn without_verifying_signature(mut self) -> Self {
        self.source.without_signature = true;
        self
    }

    /// Gets the data key, checks commitment and header with it, and then reads and opens the final frame. That read
    /// blocks, as every read does, with `.await`, too. [`Unlock::threads`] makes no difference here.
    pub fn unlock<M: MaterialsManager + ?Sized>(self, keys: &M) -> Unlock<'_, M, AtSource<R>> {
        Unlock::new(self.locked, keys, self.source)
    }
}

/// A source whose header was read.
#[doc(hidden)]
#[derive(Debug)]
pub struct AtSource<R> {
    inner: R,
    without_signature: bool,
}

impl<R: ReadAt> FromDecryptor for AtSource<R> {
    type Output = DecryptAt<R>;

    fn from_decryptor(self, decryptor: Decryptor) -> Result<DecryptAt<R>, Error> {
        let Self { inner, without_signature } = self;
        let len = inner.len().map_err(|error| Error::io(READING, error))?;
        let last = match without_signature {
            true => decryptor.into_ranges_without_verifying_signature(len)?,
            false => decryptor.into_ranges(len)?,
        };
        let mut sealed = Vec::new();
        read_all(&inner, last.ciphertext(), &mut sealed)?;
        let ranges = last.open(&sealed)?;
        let cache = cache(&ranges, DEFAULT_CACHE_LEN);
        Ok(DecryptAt { ranges, inner, kept: Mutex::new(Kept { cache, buffers: None }) })
    }
}

/// Reads a plaintext from any place on: a cursor of [`DecryptAt`].
///
/// Everything that it gives is authentic, but the end of it says nothing about frames that were not read.
///
/// ```
/// use std::io::{Read, Seek, SeekFrom};
/// use waxseal::{AesKey, AlgorithmSuite, DecryptAt, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
/// let message = waxseal::encrypt(b"0123456789", &keyring).suite(suite).now()?;
/// let plaintext = DecryptAt::open(&message[..])?.unlock(&keyring).now()?;
/// let mut reader = plaintext.reader();
/// reader.seek(SeekFrom::End(-3))?;
/// let mut end = String::new();
/// reader.read_to_string(&mut end)?;
/// assert_eq!(end, "789");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PlaintextReader<'a, R> {
    plaintext: &'a DecryptAt<R>,
    position: u64,
}

impl<R: ReadAt> Read for PlaintextReader<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.plaintext.read_at(out, self.position)?;
        self.position = self.position.saturating_add(to_u64(len));
        Ok(len)
    }
}

impl<R> Seek for PlaintextReader<'_, R> {
    /// As for a file: it may go beyond the end, where nothing is read, but not before the start.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(by) => self.plaintext.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "there is no such place in the plaintext")
        })?;
        Ok(self.position)
    }
}

fn cache(ranges: &RangeOpener, bytes: usize) -> FrameCache {
    FrameCache::new(bytes, to_usize(ranges.frame_len()), to_usize(ranges.frame_count()))
}

/// Reads all of a range of the message. Memory follows the bytes that are there, whatever length was claimed.
fn read_all(
    inner: &(impl ReadAt + ?Sized),
    range: Range<u64>,
    sealed: &mut Vec<u8>,
) -> Result<(), Error> {
    let len = usize::try_from(range.end.saturating_sub(range.start));
    let len = len.map_err(|_| Error::Backend("hold a frame in memory"))?;
    sealed.resize(sealed.len().max(MIN_READ_LEN).min(len), 0);
    let mut filled = 0_usize;
    while filled < len {
        if filled == sealed.len() {
            let more = filled.max(MIN_READ_LEN);
            sealed.resize(filled.saturating_add(more).min(len), 0);
        }
        let offset = range.start.saturating_add(to_u64(filled));
        let read = read_some(inner, sealed.get_mut(filled..).unwrap_or_default(), offset)?;
        if read == 0 {
            let reason = Malformed::Truncated { field: "a frame" };
            return Err(InvalidMessage::new(reason, offset).into());
        }
        filled = filled.saturating_add(read);
    }
    Ok(())
}

fn read_some(
    inner: &(impl ReadAt + ?Sized),
    buffer: &mut [u8],
    offset: u64,
) -> Result<usize, Error> {
    loop {
        match inner.read_at(buffer, offset) {
            Ok(len) => return Ok(len.min(buffer.len())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io(READING, error)),
        }
    }
}

const READING: &str = "reading the message";
/// Enough for reads of a few bytes after each other, and little enough for the caches of a core.
const DEFAULT_CACHE_LEN: usize = 64 << 10;
/// Bytes of whole frames that are read at once, unless one frame is longer.
const BLOCK_LEN: u64 = 1 << 20;
/// How much of a range is opened before more memory is touched.
const PIECE_LEN: usize = 16 << 20;
/// The first memory for what is read; it grows with what came.
const MIN_READ_LEN: usize = 1 << 20;
/// Longer memory is not held between reads: a block, and a frame of 1 MiB.
const MAX_BUFFERS_LEN: usize = (2 << 20) + (64 << 10);
/// Most headers, and not much more.
const HEADER_PIECE_LEN: usize = 4096;
