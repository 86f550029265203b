//! One frame is a pure function of key, sequence number and bytes.
//!
//! From this follow the sequential stream of this crate, and parallel streams and random access that
//! others may build.

use std::fmt;

use crate::crypto::{GcmKey, TAG_LEN};
use crate::error::{ApiMisuse, Error, InvalidMessage, Malformed, Stage};
use crate::message::body::{BodyAad, FramePrefix, UnframedPrefix, frame_iv};
use crate::message::{FrameKind, to_u64, to_usize};

/// Seals the frames of one message, in any order and on any thread.
///
/// **Never seal two different plaintexts under one sequence number with one sealer**: that repeats a
/// nonce of AES-GCM, which gives away the key that authenticates. The
/// [`Encryptor`](crate::Encryptor) cannot do that; whoever calls this must see to it.
///
/// ```
/// use waxseal::{AesKey, AlgorithmSuite, FrameKind, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
/// let parts = waxseal::encryptor(&keyring).suite(suite).frame_len(4)?.now()?.into_frames()?;
///
/// let mut message = parts.header;
/// for (n, kind, plaintext) in [(1, FrameKind::Regular, b"fram"), (2, FrameKind::Final, b"ed!!")] {
///     let start = message.len();
///     message.resize(start + parts.sealer.sealed_len(kind, plaintext.len()), 0);
///     parts.sealer.seal(n, kind, plaintext, &mut message[start..])?;
/// }
/// assert_eq!(waxseal::decrypt(&message, &keyring).now()?.plaintext(), b"framed!!");
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: message-body, "Framed Data"; encrypt, "Construct a frame".
pub struct FrameSealer {
    key: GcmKey,
    aads: FrameAads,
    frame_len: u32,
    /// The most bytes of plaintext that the message may have.
    bound: u64,
}

impl FrameSealer {
    pub(crate) fn new(key: GcmKey, message_id: &[u8], frame_len: u32) -> Self {
        Self { key, aads: FrameAads::new(message_id), frame_len, bound: u64::MAX }
    }

    pub(crate) fn with_bound(self, bound: u64) -> Self {
        Self { bound, ..self }
    }

    /// Bytes of content in a regular frame.
    pub fn frame_len(&self) -> u32 {
        self.frame_len
    }

    /// Length of a frame with this many bytes of content, in bytes.
    pub fn sealed_len(&self, kind: FrameKind, plaintext_len: usize) -> usize {
        plaintext_len.saturating_add(kind.overhead())
    }

    /// Writes a whole frame to `out`, which has exactly [`sealed_len`](Self::sealed_len) bytes.
    ///
    /// Sequence numbers start at 1. A regular frame has exactly the frame length, the final one at most.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] for a number or length out of range, or a frame that ends behind the bound that was set for the
    /// plaintext; [`Error::Backend`] if the backend fails.
    pub fn seal(
        &self,
        sequence_number: u32,
        kind: FrameKind,
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<(), Error> {
        let expected = self.sealed_len(kind, plaintext.len());
        check_buffer("the output", to_u64(expected), out.len())?;
        let content_len = u32::try_from(plaintext.len()).unwrap_or(u32::MAX);
        if content_len > self.frame_len
            || (kind == FrameKind::Regular && content_len != self.frame_len)
        {
            return Err(buffer_len("the plaintext", self.frame_len.into(), plaintext.len()));
        }
        // A regular frame with the last number would begin as a final one does.
        if sequence_number == 0 || (kind == FrameKind::Regular && sequence_number == u32::MAX) {
            return Err(ApiMisuse::TooManyFrames { frame_len: self.frame_len }.into());
        }
        let before =
            u64::from(sequence_number.saturating_sub(1)).saturating_mul(self.frame_len.into());
        if before.saturating_add(content_len.into()) > self.bound {
            return Err(ApiMisuse::PlaintextBound { bound: self.bound }.into());
        }
        let iv = frame_iv(sequence_number);
        let aad = self.aads.of(kind).numbered(sequence_number, content_len.into());
        let (prefix, sealed) = out.split_at_mut(kind.prefix_len());
        FramePrefix { kind, sequence_number, iv, content_len }.encode(prefix);
        self.key
            .seal(&iv, aad.as_bytes(), plaintext, sealed)
            .map_err(|_| Error::Backend("seal a frame"))
    }
}

/// Opens the frames of one message, in any order and on any thread.
///
/// A frame that opens is authentic by itself: it is that frame of that message. That no frame is
/// missing shows only in the final one, whose sequence number is the number of frames; who signed a
/// message shows only in its footer. **The final frame of a signed message must not be used before the
/// footer was verified**: the [`Decryptor`](crate::Decryptor) withholds it, this cannot.
///
/// ```
/// use waxseal::{AesKey, AlgorithmSuite, FrameLayout, Locked, Policy, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
/// let message = waxseal::encrypt(b"0123456789", &keyring).suite(suite).frame_len(4)?.now()?;
///
/// // Only the second frame.
/// let (locked, header_len) = Locked::read(&message, Policy::default())?;
/// let parts = locked.unlock(&keyring).now()?.into_frames()?;
/// let span = FrameLayout::new(header_len as u64, parts.opener.frame_len())?.frame(2, 10)?;
/// let frame = &message[span.ciphertext.start as usize..span.ciphertext.end as usize];
/// let mut plaintext = [0; 4];
/// parts.opener.open(2, span.kind, frame, &mut plaintext)?;
/// assert_eq!(&plaintext, b"4567");
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: message-body, "Framed Data"; decrypt, "Decrypt the message body".
pub struct FrameOpener {
    key: GcmKey,
    aads: FrameAads,
    frame_len: u32,
}

impl FrameOpener {
    pub(crate) fn new(key: GcmKey, message_id: &[u8], frame_len: u32) -> Self {
        Self { key, aads: FrameAads::new(message_id), frame_len }
    }

    /// Bytes of content in a regular frame.
    pub fn frame_len(&self) -> u32 {
        self.frame_len
    }

    /// Opens a whole frame into `out`, which has exactly the length of its content.
    ///
    /// When this fails, `out` holds no plaintext.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`] if it is not that frame (with offsets from the start of the frame),
    /// [`Error::Unauthentic`] if it was changed, [`Error::ApiMisuse`] if `out` has another length.
    pub fn open(
        &self,
        sequence_number: u32,
        kind: FrameKind,
        frame: &[u8],
        out: &mut [u8],
    ) -> Result<(), Error> {
        let truncated =
            || InvalidMessage::new(Malformed::Truncated { field: "a frame" }, to_u64(frame.len()));
        let prefix = FramePrefix::read(frame, sequence_number, self.frame_len, 0)?
            .map_err(|_| truncated())?;
        if prefix.kind != kind {
            let expected = match kind {
                FrameKind::Regular => "regular",
                FrameKind::Final => "final",
            };
            let reason = Malformed::FrameKind { sequence_number, expected };
            return Err(InvalidMessage::new(reason, 0).into());
        }
        if frame.len() > prefix.frame_len() {
            return Err(
                InvalidMessage::new(Malformed::TrailingBytes, to_u64(prefix.frame_len())).into()
            );
        }
        if frame.len() < prefix.frame_len() {
            return Err(truncated().into());
        }
        self.open_frame(&prefix, frame, out)
    }

    /// `frame` is as long as its prefix says.
    pub(crate) fn open_frame(
        &self,
        prefix: &FramePrefix,
        frame: &[u8],
        out: &mut [u8],
    ) -> Result<(), Error> {
        let FramePrefix { kind, sequence_number, iv, content_len } = prefix;
        check_buffer("the output", (*content_len).into(), out.len())?;
        let aad = self.aads.of(*kind).numbered(*sequence_number, (*content_len).into());
        let stage = Stage::Frame(*sequence_number);
        let sealed = frame.get(kind.prefix_len()..).unwrap_or_default();
        self.open_sealed(iv, &aad, sealed, out).map_err(|()| Error::Unauthentic(stage))
    }

    /// `sealed` is content and tag.
    pub(crate) fn open_unframed(
        &self,
        prefix: &UnframedPrefix,
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<(), Error> {
        let aad = self.aads.unframed.numbered(1, prefix.content_len);
        self.open_sealed(&prefix.iv, &aad, sealed, out)
            .map_err(|()| Error::Unauthentic(Stage::Body))
    }

    fn open_sealed(
        &self,
        iv: &[u8; 12],
        aad: &BodyAad,
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<(), ()> {
        let (ciphertext, tag) = sealed.split_last_chunk::<TAG_LEN>().ok_or(())?;
        self.key.open(iv, aad.as_bytes(), ciphertext, tag, out).map_err(|_| ())
    }
}

/// What the pieces of one message are authenticated with, but for their numbers. Putting it together
/// once per message instead of once per frame shows with short frames.
struct FrameAads {
    regular: BodyAad,
    last: BodyAad,
    unframed: BodyAad,
}

impl FrameAads {
    fn new(message_id: &[u8]) -> Self {
        Self {
            regular: BodyAad::frames(message_id, FrameKind::Regular),
            last: BodyAad::frames(message_id, FrameKind::Final),
            unframed: BodyAad::unframed(message_id),
        }
    }

    fn of(&self, kind: FrameKind) -> BodyAad {
        match kind {
            FrameKind::Regular => self.regular,
            FrameKind::Final => self.last,
        }
    }
}

impl fmt::Debug for FrameSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameSealer").field("frame_len", &self.frame_len).finish_non_exhaustive()
    }
}

impl fmt::Debug for FrameOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameOpener").field("frame_len", &self.frame_len).finish_non_exhaustive()
    }
}

fn check_buffer(what: &'static str, expected: u64, found: usize) -> Result<(), Error> {
    if to_u64(found) == expected { Ok(()) } else { Err(buffer_len(what, expected, found)) }
}

fn buffer_len(what: &'static str, expected: u64, found: usize) -> Error {
    ApiMisuse::BufferLen { what, expected, found: to_u64(found) }.into()
}

/// Length of the content of an unframed body as a size of this machine, if it can have one.
pub(crate) fn unframed_piece_len(prefix: &UnframedPrefix, prefix_len: usize) -> Option<usize> {
    usize::try_from(prefix.content_len).ok()?.checked_add(prefix_len)?.checked_add(TAG_LEN)
}

/// The content length of a frame as a size of this machine.
pub(crate) fn content_len(prefix: &FramePrefix) -> usize {
    to_usize(prefix.content_len)
}
