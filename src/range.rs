//! Any range of a plaintext, authentic, from the frames that it touches: no input or output of its own.
//!
//! A chain of states, each of which consumes the one before:
//!
//! ```text
//! Decryptor -> FinalFrame -> RangeOpener
//! ```
//!
//! A [`RangeOpener`] exists only if the final frame was opened, with the number and the length that follow from the
//! length of the message: so nothing is missing, and nothing was added.

use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use crate::decrypt::{AuthenticHeader, Decryptor, OpenFrames};
use crate::error::{ApiMisuse, Error, InvalidMessage, Malformed, PolicyError};
use crate::frames::FrameOpener;
use crate::message::body::FramePrefix;
use crate::message::footer::{MAX_FOOTER_LEN, read_footer};
use crate::message::geometry::BodyGeometry;
use crate::message::{ContentType, FrameKind, to_u64};
use crate::secret::{SecretBuffer, wipe};

impl Decryptor {
    /// Goes on with ranges instead of a stream. `message_len` is the length of the whole message in bytes, header and
    /// all.
    ///
    /// ```
    /// use waxseal::{AesKey, AlgorithmSuite, Locked, Policy, RawAesKeyring};
    ///
    /// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
    /// let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey; // does not sign
    /// let message = waxseal::encrypt(b"0123456789", &keyring).suite(suite).frame_len(4)?.now()?;
    /// let stored = |range: std::ops::Range<u64>| &message[range.start as usize..range.end as usize];
    ///
    /// let (locked, _) = Locked::read(&message, Policy::default())?;
    /// let last = locked.unlock(&keyring).now()?.into_ranges(message.len() as u64)?;
    /// let ciphertext = stored(last.ciphertext());
    /// let opener = last.open(ciphertext)?;
    ///
    /// let plan = opener.plan(3..6)?;
    /// let mut plaintext = [0; 3];
    /// opener.open(&plan, stored(plan.ciphertext()), &mut plaintext)?;
    /// assert_eq!(&plaintext, b"345");
    /// # Ok::<(), waxseal::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`PolicyError::RangeOfSignedMessage`] if the suite signs: see
    /// [`into_ranges_without_verifying_signature`](Self::into_ranges_without_verifying_signature).
    /// [`PolicyError::RangeOfUnframedMessage`] if there are no frames. [`Error::InvalidMessage`] if no message has that
    /// length. [`Error::ApiMisuse`] if the decryptor was used already.
    pub fn into_ranges(self, message_len: u64) -> Result<FinalFrame, Error> {
        if self.header().suite().signs() {
            return Err(PolicyError::RangeOfSignedMessage.into());
        }
        FinalFrame::new(self, message_len)
    }

    /// As [`into_ranges`](Self::into_ranges), also for messages that are signed, **whose signature is never verified**.
    ///
    /// What comes out was written by somebody who could use the data key: whoever could encrypt the message, and
    /// whoever can decrypt it. Only the signature would tell them apart.
    ///
    /// # Errors
    /// As [`into_ranges`](Self::into_ranges), but for the signature.
    pub fn into_ranges_without_verifying_signature(
        self,
        message_len: u64,
    ) -> Result<FinalFrame, Error> {
        FinalFrame::new(self, message_len)
    }
}

/// A message of known length whose final frame was not opened yet: nothing tells whether that length is true.
///
/// Get the bytes of [`ciphertext`](Self::ciphertext), and [`open`](Self::open) them.
/// [`Decryptor::into_ranges`] has an example.
#[must_use = "no range is opened before the final frame"]
pub struct FinalFrame {
    header: AuthenticHeader,
    opener: FrameOpener,
    message_len: u64,
    /// Where the final frame begins, or the first place where it may.
    start: u64,
}

impl FinalFrame {
    fn new(decryptor: Decryptor, message_len: u64) -> Result<Self, Error> {
        let ContentType::Framed { .. } = decryptor.header().parsed().content_type() else {
            return Err(PolicyError::RangeOfUnframedMessage.into());
        };
        let OpenFrames { header, opener, .. } = decryptor.into_frames()?;
        let mut last = Self { header, opener, message_len, start: 0 };
        let starts = last.candidates().map(|geometry| geometry.ciphertext(geometry.last()).start);
        last.start = starts.min().ok_or_else(|| last.missing())?;
        Ok(last)
    }

    /// The header.
    pub fn header(&self) -> &AuthenticHeader {
        &self.header
    }

    /// Which bytes of the message to give to [`open`](Self::open): its end, from the final frame on.
    ///
    /// In a signed message the footer is there, too. How long it is shows only at its start, so that there may be
    /// bytes of other frames before the final one: mostly some hundred, and never more than a frame and these.
    pub fn ciphertext(&self) -> Range<u64> {
        self.start..self.message_len
    }

    /// Opens the final frame; its number and length prove how many frames there are.
    ///
    /// # Errors
    /// [`Error::Unauthentic`] if it was changed; [`Error::InvalidMessage`] if it is not there, since the message was
    /// cut, extended or changed; [`Error::ApiMisuse`] if `ciphertext` has another length than was asked for.
    pub fn open(self, ciphertext: &[u8]) -> Result<RangeOpener, Error> {
        check_len("the ciphertext", len_of(&self.ciphertext()), ciphertext.len())?;
        let mut failure = None;
        for geometry in self.candidates() {
            match self.try_open(&geometry, ciphertext) {
                Ok(Some(plaintext)) => {
                    let kept = (plaintext.len() <= MAX_KEPT_LEN).then_some(plaintext);
                    let Self { header, opener, .. } = self;
                    return Ok(RangeOpener { header, opener, geometry, last: kept });
                }
                Ok(None) => {}
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| self.missing()))
    }

    /// `None` if there is no final frame, and behind it a footer, where this has it.
    fn try_open(
        &self,
        geometry: &BodyGeometry,
        ciphertext: &[u8],
    ) -> Result<Option<SecretBuffer>, Error> {
        let number = geometry.last();
        let place = geometry.ciphertext(number);
        let before = place.start.checked_sub(self.start).and_then(to_size);
        let rest = before.and_then(|before| ciphertext.get(before..)).unwrap_or_default();
        let parts = to_size(len_of(&place)).and_then(|len| rest.split_at_checked(len));
        let Some((frame, _)) = parts.filter(|(_, footer)| self.is_footer(footer)) else {
            return Ok(None);
        };
        match FramePrefix::read(frame, number, self.opener.frame_len(), place.start) {
            Ok(Ok(prefix))
                if prefix.kind == FrameKind::Final && prefix.frame_len() == frame.len() =>
            {
                let mut plaintext = SecretBuffer::default();
                let len = frame.len().saturating_sub(FrameKind::Final.overhead());
                self.opener.open(number, FrameKind::Final, frame, plaintext.prepare(len))?;
                Ok(Some(plaintext))
            }
            _ => Ok(None),
        }
    }

    /// Which geometries the length of the message allows: one, or with a footer one for each length that it may have.
    /// Not more than one of them has an authentic final frame, since a message has only one, and its number tells where
    /// it is.
    fn candidates(&self) -> impl Iterator<Item = BodyGeometry> + use<> {
        let (start, end) = (self.header.parsed().len(), self.message_len);
        let frame_len = self.opener.frame_len();
        let footers = if self.header.suite().signs() { 2..=MAX_FOOTER_LEN } else { 0..=0 };
        footers
            .filter_map(move |footer| BodyGeometry::new(start..end.checked_sub(footer)?, frame_len))
    }

    /// Whether these bytes look as what follows the final frame. Nobody verifies the signature.
    fn is_footer(&self, bytes: &[u8]) -> bool {
        if !self.header.suite().signs() {
            return bytes.is_empty();
        }
        read_footer(bytes).is_ok_and(|signature| signature.len().saturating_add(2) == bytes.len())
    }

    fn missing(&self) -> Error {
        let reason = Malformed::NoFinalFrame { message_len: self.message_len };
        InvalidMessage::new(reason, self.start.max(self.header.parsed().len())).into()
    }
}

/// Opens any range of a plaintext, from the frames that it touches, on any thread.
///
/// What it gives is authentic, and it is at that place of that plaintext; that no byte is missing at the end was proven
/// by the final frame. [`DecryptAt`](crate::DecryptAt) does all of it for files. [`Decryptor::into_ranges`] has an
/// example.
///
/// A final frame of up to 1 MiB is kept from the proof, so that its ciphertext is not asked for again.
///
/// Spec: message-body, "Framed Data"; decrypt, "Decrypt the message body".
pub struct RangeOpener {
    header: AuthenticHeader,
    opener: FrameOpener,
    geometry: BodyGeometry,
    /// The plaintext of the final frame, if it is short enough to be kept.
    last: Option<SecretBuffer>,
}

impl RangeOpener {
    /// The header.
    pub fn header(&self) -> &AuthenticHeader {
        &self.header
    }

    /// Length of the plaintext in bytes: proven by the final frame.
    pub fn plaintext_len(&self) -> u64 {
        self.geometry.plaintext_len()
    }

    /// What it takes to open this range of the plaintext. An empty range takes nothing.
    ///
    /// # Errors
    /// [`ApiMisuse::Range`] if it ends before it begins or beyond the end of the plaintext: it is not cut to what is
    /// there, so that nobody gets less than he asked for.
    pub fn plan(&self, plaintext: Range<u64>) -> Result<RangePlan, Error> {
        let len = self.plaintext_len();
        if plaintext.start > plaintext.end || plaintext.end > len {
            let range = format!("{}..{}", plaintext.start, plaintext.end);
            return Err(ApiMisuse::Range { range, len }.into());
        }
        Ok(self.plan_of(plaintext))
    }

    /// Opens the range that was planned: `ciphertext` is what the plan asks for, `out` has exactly its length.
    ///
    /// When this fails, `out` holds no plaintext.
    ///
    /// # Errors
    /// [`Error::Unauthentic`] names the frame that was changed, [`Error::InvalidMessage`] the place where another frame
    /// stands. [`Error::ApiMisuse`] if `ciphertext` or `out` has another length, or if the plan is that of another
    /// message.
    pub fn open(&self, plan: &RangePlan, ciphertext: &[u8], out: &mut [u8]) -> Result<(), Error> {
        if self.plan(plan.plaintext.clone()).ok().as_ref() != Some(plan) {
            return Err(ApiMisuse::Order("the plan is that of another message").into());
        }
        self.open_planned(plan, ciphertext, out, &mut Default::default())
    }

    /// As [`open`](Self::open), with a plan of this message. Frames of which only a part is wanted are left in `partial`:
    /// these can only be the first and the last.
    pub(crate) fn open_planned(
        &self,
        plan: &RangePlan,
        ciphertext: &[u8],
        out: &mut [u8],
        partial: &mut [PartialFrame; 2],
    ) -> Result<(), Error> {
        let result = self.open_frames(plan, ciphertext, out, partial);
        if result.is_err() {
            wipe(out);
        }
        result
    }

    /// The plan of the beginning of a range that lies within the plaintext and is not empty: of whole frames with at
    /// most `max_len` bytes of ciphertext, but of one in any case.
    pub(crate) fn first_piece(&self, range: &Range<u64>, max_len: u64) -> RangePlan {
        let first = self.geometry.frame_of(range.start);
        let more = max_len.checked_div(self.geometry.sealed_regular_len()).unwrap_or(1);
        let more = u32::try_from(more.saturating_sub(1)).unwrap_or(u32::MAX);
        let last = first.saturating_add(more).min(self.geometry.last());
        let end = self.geometry.plaintext(last).end.min(range.end);
        self.plan_of(range.start..end)
    }

    /// Bytes of content in a regular frame.
    pub(crate) fn frame_len(&self) -> u32 {
        self.opener.frame_len()
    }

    /// How many frames there are.
    pub(crate) fn frame_count(&self) -> u32 {
        self.geometry.last()
    }

    /// Number of the frame that holds a byte of the plaintext, and which bytes it holds.
    pub(crate) fn frame_of(&self, plaintext_offset: u64) -> (u32, Range<u64>) {
        let number = self.geometry.frame_of(plaintext_offset);
        (number, self.geometry.plaintext(number))
    }

    /// `plaintext` lies within the plaintext.
    fn plan_of(&self, plaintext: Range<u64>) -> RangePlan {
        let first = self.geometry.frame_of(plaintext.start);
        let start = self.geometry.ciphertext(first).start;
        if plaintext.is_empty() {
            // No number is in it.
            return RangePlan { plaintext, ciphertext: start..start, first: 1, last: 0 };
        }
        let last = self.geometry.frame_of(plaintext.end.saturating_sub(1));
        let place = self.geometry.ciphertext(last);
        let end = if self.kept(last).is_some() { place.start } else { place.end };
        RangePlan { plaintext, ciphertext: start..end, first, last }
    }

    fn kept(&self, number: u32) -> Option<&SecretBuffer> {
        self.last.as_ref().filter(|_| number == self.geometry.last())
    }

    fn open_frames(
        &self,
        plan: &RangePlan,
        ciphertext: &[u8],
        out: &mut [u8],
        partial: &mut [PartialFrame; 2],
    ) -> Result<(), Error> {
        check_len("the ciphertext", len_of(&plan.ciphertext), ciphertext.len())?;
        check_len("the output", plan.plaintext_len(), out.len())?;
        let (mut sealed, mut out) = (ciphertext, out);
        let [first, last] = partial;
        for number in plan.frames() {
            let content = self.geometry.plaintext(number);
            let wanted =
                plan.plaintext.start.max(content.start)..plan.plaintext.end.min(content.end);
            let within = part(&wanted, content.start)?;
            let (room, rest) = out.split_at_mut_checked(within.len()).ok_or_else(too_long)?;
            out = rest;
            if let Some(last) = self.kept(number) {
                copy(last.expose(), within, room)?;
                continue;
            }
            let place = self.geometry.ciphertext(number);
            let len = to_size(len_of(&place)).ok_or_else(too_long)?;
            let (frame, rest) = sealed.split_at_checked(len).ok_or_else(too_long)?;
            sealed = rest;
            let open = |out: &mut [u8]| {
                let opened = self.opener.open(number, self.geometry.kind(number), frame, out);
                opened.map_err(|error| at_offset(error, place.start))
            };
            if wanted == content {
                open(room)?;
            } else {
                let partial = if number == plan.first { &mut *first } else { &mut *last };
                open(partial.prepare(to_size(len_of(&content)).ok_or_else(too_long)?))?;
                copy(partial.plaintext.expose(), within, room)?;
                partial.number = Some(number);
            }
        }
        Ok(())
    }
}

/// Which bytes of a message to get, to open a range of its plaintext: [`RangeOpener::plan`] makes it.
///
/// ```
/// use waxseal::{AesKey, AlgorithmSuite, Locked, Policy, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
/// let message = waxseal::encrypt(&[7; 1000], &keyring).suite(suite).frame_len(100)?.now()?;
/// let (locked, header_len) = Locked::read(&message, Policy::default())?;
/// let last = locked.unlock(&keyring).now()?.into_ranges(message.len() as u64)?;
/// let start = last.ciphertext().start as usize;
/// let opener = last.open(&message[start..])?;
///
/// let plan = opener.plan(150..250)?; // in frames 2 and 3, which have 132 bytes each
/// assert_eq!(plan.frames(), 2..=3);
/// let header_len = header_len as u64;
/// assert_eq!(plan.ciphertext(), header_len + 132..header_len + 3 * 132);
/// assert_eq!(plan.plaintext_len(), 100);
/// # Ok::<(), waxseal::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangePlan {
    plaintext: Range<u64>,
    ciphertext: Range<u64>,
    /// Less than `first` if there is none.
    last: u32,
    first: u32,
}

impl RangePlan {
    /// Which bytes of the message [`RangeOpener::open`] needs: whole frames. None if the range is empty, or if it lies
    /// in a final frame that was kept.
    pub fn ciphertext(&self) -> Range<u64> {
        self.ciphertext.clone()
    }

    /// Which bytes of the plaintext will come out.
    pub fn plaintext(&self) -> Range<u64> {
        self.plaintext.clone()
    }

    /// How many bytes of plaintext will come out.
    pub fn plaintext_len(&self) -> u64 {
        len_of(&self.plaintext)
    }

    /// The sequence numbers of the frames that the range touches.
    pub fn frames(&self) -> RangeInclusive<u32> {
        self.first..=self.last
    }
}

/// A frame of which only a part was wanted.
#[derive(Debug, Default)]
pub(crate) struct PartialFrame {
    /// Which one, if there was one.
    pub(crate) number: Option<u32>,
    pub(crate) plaintext: Arc<SecretBuffer>,
}

impl PartialFrame {
    /// Room for `len` bytes, where nobody reads.
    fn prepare(&mut self, len: usize) -> &mut [u8] {
        if Arc::get_mut(&mut self.plaintext).is_none() {
            self.plaintext = Arc::default();
        }
        // Nobody else has it now.
        Arc::get_mut(&mut self.plaintext).map_or_else(Default::default, |own| own.prepare(len))
    }
}

impl fmt::Debug for FinalFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FinalFrame")
            .field("header", &self.header)
            .field("ciphertext", &self.ciphertext())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RangeOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RangeOpener")
            .field("header", &self.header)
            .field("plaintext_len", &self.plaintext_len())
            .finish_non_exhaustive()
    }
}

/// Copies a part of a frame to where it has exactly the room that it needs.
fn copy(frame: &[u8], part: Range<usize>, room: &mut [u8]) -> Result<(), Error> {
    room.copy_from_slice(frame.get(part).ok_or_else(too_long)?);
    Ok(())
}

/// Where a part of the plaintext is in the frame that begins there.
fn part(wanted: &Range<u64>, frame_start: u64) -> Result<Range<usize>, Error> {
    let within =
        |offset: u64| offset.checked_sub(frame_start).and_then(to_size).ok_or_else(too_long);
    Ok(within(wanted.start)?..within(wanted.end)?)
}

/// The offset of an invalid frame is that in the message.
fn at_offset(error: Error, start: u64) -> Error {
    match error {
        Error::InvalidMessage(fault) => {
            let offset = start.saturating_add(fault.offset());
            InvalidMessage::new(fault.reason().clone(), offset).into()
        }
        error => error,
    }
}

fn check_len(what: &'static str, expected: u64, found: usize) -> Result<(), Error> {
    let found = to_u64(found);
    if expected == found {
        return Ok(());
    }
    Err(ApiMisuse::BufferLen { what, expected, found }.into())
}

fn len_of(range: &Range<u64>) -> u64 {
    range.end.saturating_sub(range.start)
}

fn to_size(len: u64) -> Option<usize> {
    usize::try_from(len).ok()
}

/// A machine whose sizes have 32 bits.
fn too_long() -> Error {
    Error::Backend("hold a frame in memory")
}

/// Final frames up to this length are opened once and kept.
const MAX_KEPT_LEN: usize = 1 << 20;
