//! The encryption engine: bytes in, bytes out, no input or output of its own.

mod settings;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::context::EncryptionContext;
use crate::crypto::{IV_LEN, SigningKey, TAG_LEN, random};
use crate::derive::{DerivedKeys, derive_keys};
use crate::error::{ApiMisuse, Error};
use crate::frames::FrameSealer;
use crate::materials::EncryptionMaterials;
use crate::message::footer::MAX_FOOTER_LEN;
use crate::message::header::HeaderAuth;
use crate::message::{ContentType, FrameKind, Header, to_u64, to_usize};
use crate::output::{Output, Ready};
use crate::parallel::seal_run;
use crate::policy::Policy;
use crate::secret::SecretBuffer;
use crate::transcript::Transcript;

pub(crate) use settings::EncryptSettings;
pub use settings::{EncryptorBuilder, encryptor};

/// How far one call came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use = "it says how much of the input was taken and how much of the output was filled"]
#[non_exhaustive]
pub struct Progress {
    /// Bytes taken from the input.
    pub read: usize,
    /// Bytes written to the output.
    pub written: usize,
}

/// Encrypts one message piece by piece, between any two buffers, in constant memory.
///
/// [`update`](Self::update) until the input is used up, then [`finish`](Self::finish) until it says
/// that the message is whole. [`EncryptWriter`](crate::EncryptWriter) and
/// [`EncryptReader`](crate::EncryptReader) do both for `std::io`.
///
/// ```
/// use waxseal::{AesKey, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let mut encryptor = waxseal::encryptor(&keyring).now()?;
/// let (mut input, mut message, mut buffer) = (&b"any length"[..], Vec::new(), [0; 100]);
/// while !input.is_empty() {
///     let progress = encryptor.update(input, &mut buffer)?;
///     input = &input[progress.read..];
///     message.extend_from_slice(&buffer[..progress.written]);
/// }
/// loop {
///     let written = encryptor.finish(&mut buffer)?;
///     message.extend_from_slice(&buffer[..written]);
///     if encryptor.is_finished() {
///         break;
///     }
/// }
/// assert_eq!(waxseal::decrypt(&message, &keyring).now()?.plaintext(), b"any length");
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: encrypt; streaming.
pub struct Encryptor {
    header: Header,
    /// All pairs, stored or not.
    context: EncryptionContext,
    sealer: FrameSealer,
    transcript: Transcript<Arc<SigningKey>>,
    /// Number of the next frame.
    sequence_number: u32,
    /// Plaintext of the next frame, until it is known not to be the final one.
    plaintext: SecretBuffer,
    ready: Ready,
    /// Plaintext bytes that may still come, if there is a bound.
    left: Option<u64>,
    bound: u64,
    threads: NonZeroUsize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Everything is sealed; `ready` holds the rest.
    Closed,
    Failed,
}

/// The parts of an [`Encryptor`] for those who order frames themselves.
///
/// A message is the header, the frames 1, 2, ... with the last one final (an empty one, if there is no
/// plaintext), and the footer.
#[derive(Debug)]
#[must_use = "a message is whole only with all its frames and its footer"]
#[non_exhaustive]
pub struct SealFrames {
    /// The header, whole.
    pub header: Vec<u8>,
    /// Seals frames.
    pub sealer: FrameSealer,
    /// Makes the footer.
    pub footer: FooterSigner,
}

/// Makes the footer of a message whose frames were sealed apart.
#[derive(Debug)]
#[must_use = "without its footer a signed message is not whole"]
pub struct FooterSigner(Transcript<Arc<SigningKey>>);

impl FooterSigner {
    /// Takes the frames, whole, in order. The header is already in.
    pub fn update(&mut self, frames: &[u8]) {
        self.0.update(frames);
    }

    /// Whether there will be a footer. If not, the frames need not be given.
    pub fn signs(&self) -> bool {
        self.0.signs()
    }

    /// The footer; no byte if the suite does not sign.
    ///
    /// # Errors
    /// [`Error::Backend`] if the backend cannot sign.
    pub fn finish(self) -> Result<Vec<u8>, Error> {
        self.0.sign()
    }
}

impl Encryptor {
    fn new(
        materials: EncryptionMaterials,
        frame_len: u32,
        plaintext_bound: Option<u64>,
        policy: &Policy,
    ) -> Result<Self, Error> {
        let EncryptionMaterials {
            suite,
            context,
            required_context_keys,
            data_key,
            encrypted_data_keys,
            signing_key,
        } = materials;
        let data_key = data_key.ok_or(ApiMisuse::Materials("there is no data key"))?;
        let mut message_id = vec![0; suite.message_version().message_id_len()];
        random(&mut message_id).map_err(|_| Error::Backend("get randomness"))?;
        let DerivedKeys { content, commitment } = derive_keys(suite, &data_key, &message_id)?;
        let (unstored, stored) = context.partition(|key| required_context_keys.contains(key));
        let mut header = Header {
            suite,
            message_id,
            context: stored,
            encrypted_data_keys,
            content_type: ContentType::Framed { frame_len },
            commitment,
            len: 0,
        };
        let mut bytes = header.encode_body()?;
        let body_len = bytes.len();
        // What is authenticated but not stored follows the header body, for the tag alone.
        bytes.extend_from_slice(&unstored.encode()?);
        let iv = [0; IV_LEN];
        let mut tag = [0; TAG_LEN];
        content
            .seal(&iv, &bytes, &[], &mut tag)
            .map_err(|_| Error::Backend("authenticate the header"))?;
        bytes.truncate(body_len);
        HeaderAuth { iv, tag }.encode(suite.message_version(), &mut bytes);
        policy.check_header_len(bytes.len())?;
        header.len = to_u64(bytes.len());
        let sealer = FrameSealer::new(content, &header.message_id, frame_len);
        let mut transcript = Transcript::new(suite, signing_key);
        transcript.update(&bytes);
        Ok(Self {
            header,
            context,
            sealer,
            transcript,
            sequence_number: 1,
            plaintext: SecretBuffer::default(),
            ready: Ready::new(bytes),
            left: plaintext_bound,
            bound: plaintext_bound.unwrap_or(u64::MAX),
            threads: NonZeroUsize::MIN,
            state: State::Open,
        })
    }

    /// Takes as much of `input` and fills as much of `output` as it can.
    ///
    /// If it did not take all, it needs room: call again with the rest and more output.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] after the message is finished, which it then stays, or for more plaintext than the bound or the
    /// format allows. After any other error no call succeeds.
    pub fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, Error> {
        match self.state {
            State::Open => {}
            State::Closed => return Err(ApiMisuse::Order("the message is finished").into()),
            State::Failed => return Err(ApiMisuse::Poisoned.into()),
        }
        let result = self.try_update(input, output, true);
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    /// As [`update`](Self::update), but takes only whole frames that are followed by more: nothing is copied.
    pub(crate) fn update_ahead(
        &mut self,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Progress, Error> {
        if self.state != State::Open {
            return Err(ApiMisuse::Poisoned.into());
        }
        let result = self.try_update(input, output, false);
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    fn try_update(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        gather: bool,
    ) -> Result<Progress, Error> {
        let frame_len = to_usize(self.sealer.frame_len());
        let mut rest = input;
        let mut output = Output::new(output);
        loop {
            self.ready.drain(&mut output);
            if rest.is_empty() || !self.ready.is_empty() {
                break;
            }
            let have = self.plaintext.len();
            if have == frame_len {
                // More follows, so this frame is not the final one.
                let mut plaintext = std::mem::take(&mut self.plaintext);
                self.seal_frame(FrameKind::Regular, plaintext.expose(), &mut output)?;
                plaintext.clear();
                self.plaintext = plaintext;
            } else if have == 0 && rest.len() > frame_len {
                rest = self.seal_ahead(rest, &mut output)?;
            } else if !gather {
                break;
            } else {
                let take = frame_len.saturating_sub(have).min(rest.len());
                let (plaintext, after) = rest.split_at(take);
                self.count(take)?;
                self.plaintext.extend(plaintext);
                rest = after;
            }
        }
        let read = input.len().saturating_sub(rest.len());
        Ok(Progress { read, written: output.written() })
    }

    /// Seals frames that are known not to be the final one, since `plaintext` is longer: as many as there is room
    /// for, and at least one. Gives what is left.
    fn seal_ahead<'p>(
        &mut self,
        plaintext: &'p [u8],
        output: &mut Output<'_>,
    ) -> Result<&'p [u8], Error> {
        let frame_len = to_usize(self.sealer.frame_len());
        let whole = plaintext.len().saturating_sub(1).checked_div(frame_len).unwrap_or_default();
        let taken = self.fitting(whole, output).max(1).saturating_mul(frame_len);
        let (frames, rest) = plaintext.split_at_checked(taken).unwrap_or((plaintext, &[]));
        self.count(frames.len())?;
        self.seal_frames(frames, output)?;
        Ok(rest)
    }

    /// Ends the message and fills `output` with what is left of it; gives the number of bytes written.
    ///
    /// Call it until [`is_finished`](Self::is_finished): it needs room, and into an empty buffer it never
    /// ends.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] after an error; [`Error::Backend`] if the backend fails.
    pub fn finish(&mut self, output: &mut [u8]) -> Result<usize, Error> {
        let result = self.try_finish(output);
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    fn try_finish(&mut self, output: &mut [u8]) -> Result<usize, Error> {
        if self.state == State::Failed {
            return Err(ApiMisuse::Poisoned.into());
        }
        let mut output = Output::new(output);
        self.ready.drain(&mut output);
        if self.state == State::Open && self.ready.is_empty() {
            let plaintext = std::mem::take(&mut self.plaintext);
            self.close(plaintext.expose(), &mut output)?;
        }
        Ok(output.written())
    }

    fn close(&mut self, plaintext: &[u8], output: &mut Output<'_>) -> Result<(), Error> {
        self.seal_frame(FrameKind::Final, plaintext, output)?;
        let spent = Transcript::new(self.header.suite, None);
        let transcript = std::mem::replace(&mut self.transcript, spent);
        self.ready.extend(&transcript.sign()?);
        self.ready.drain(output);
        self.state = State::Closed;
        Ok(())
    }

    /// Encrypts the rest of the plaintext and ends the message, where there is room for everything. What
    /// is known to be the end need not be held back.
    pub(crate) fn finish_with(
        &mut self,
        plaintext: &[u8],
        output: &mut [u8],
    ) -> Result<usize, Error> {
        if self.state != State::Open {
            return Err(ApiMisuse::Poisoned.into());
        }
        let result = self.try_finish_with(plaintext, output);
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    fn try_finish_with(&mut self, plaintext: &[u8], output: &mut [u8]) -> Result<usize, Error> {
        if !self.plaintext.is_empty() {
            return Err(ApiMisuse::Order("earlier plaintext comes first").into());
        }
        self.count(plaintext.len())?;
        let frame_len = to_usize(self.sealer.frame_len());
        let last_len = match plaintext.len().checked_rem(frame_len) {
            None | Some(0) => plaintext.len().min(frame_len),
            Some(len) => len,
        };
        let (regular, last) = plaintext.split_at(plaintext.len().saturating_sub(last_len));
        let mut output = Output::new(output);
        self.ready.drain(&mut output);
        self.seal_frames(regular, &mut output)?;
        self.close(last, &mut output)?;
        Ok(output.written())
    }

    /// Room that is enough for all that is not given out yet and so much plaintext to the end of the message, in
    /// bytes.
    pub(crate) fn room_to_finish(&self, plaintext_len: usize) -> usize {
        let frame_len = to_usize(self.sealer.frame_len());
        let frames = plaintext_len.checked_div(frame_len).unwrap_or_default().saturating_add(1);
        plaintext_len
            .saturating_add(frames.saturating_mul(FrameKind::Final.overhead()))
            .saturating_add(self.ready.len())
            .saturating_add(usize::try_from(MAX_FOOTER_LEN).unwrap_or(usize::MAX))
    }

    /// Whether no plaintext waits in it, and more may come: then whole frames can go through it as they are.
    pub(crate) fn is_clear(&self) -> bool {
        self.state == State::Open && self.plaintext.is_empty()
    }

    /// Whether frames were sealed that the output had no room for.
    pub(crate) fn holds_frames(&self) -> bool {
        self.sequence_number > 1 && !self.ready.is_empty()
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.state == State::Failed
    }

    /// On how many threads frames are sealed.
    pub(crate) fn thread_count(&self) -> NonZeroUsize {
        self.threads
    }

    pub(crate) fn into_header(self) -> (Header, EncryptionContext) {
        (self.header, self.context)
    }

    /// Whether the message is whole and all of it was given out.
    pub fn is_finished(&self) -> bool {
        self.state == State::Closed && self.ready.is_empty()
    }

    /// The header that the message has.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// All pairs that are authenticated with the message: those in the header, and those that a
    /// materials manager wants authenticated but not stored.
    pub fn context(&self) -> &EncryptionContext {
        &self.context
    }

    /// Takes the parts out, for those who order frames themselves.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if it was used already.
    pub fn into_frames(self) -> Result<SealFrames, Error> {
        let untouched = self.state == State::Open
            && self.sequence_number == 1
            && self.plaintext.is_empty()
            && self.ready.is_whole();
        if !untouched {
            return Err(ApiMisuse::Order("the encryptor was used already").into());
        }
        Ok(SealFrames {
            header: self.ready.into_bytes(),
            sealer: self.sealer.with_bound(self.bound),
            footer: FooterSigner(self.transcript),
        })
    }

    /// How many of so many regular frames there are numbers and room for.
    fn fitting(&self, frames: usize, output: &Output<'_>) -> usize {
        let sealed_len =
            self.sealer.sealed_len(FrameKind::Regular, to_usize(self.sealer.frame_len()));
        let room = output.room().checked_div(sealed_len).unwrap_or_default();
        frames.min(room).min(to_usize(u32::MAX.saturating_sub(self.sequence_number)))
    }

    /// Seals whole regular frames: those that fit straight into `output`, on several threads if that was asked
    /// for.
    fn seal_frames(&mut self, plaintext: &[u8], output: &mut Output<'_>) -> Result<(), Error> {
        let frame_len = to_usize(self.sealer.frame_len());
        let frames = plaintext.len().checked_div(frame_len).unwrap_or_default();
        let frames = self.fitting(frames, output);
        let (run, rest) = plaintext
            .split_at_checked(frames.saturating_mul(frame_len))
            .unwrap_or((plaintext, &[]));
        let Self { sealer, transcript, sequence_number, threads, .. } = self;
        let overhead = frames.saturating_mul(FrameKind::Regular.overhead());
        let sealed = output.fill(run.len().saturating_add(overhead), |sealed| {
            seal_run(sealer, *threads, *sequence_number, run, sealed, transcript)
        });
        sealed.unwrap_or(Ok(()))?;
        let count = u32::try_from(frames).unwrap_or(u32::MAX);
        *sequence_number = sequence_number.saturating_add(count);
        for frame in rest.chunks(frame_len) {
            self.seal_frame(FrameKind::Regular, frame, output)?;
        }
        Ok(())
    }

    /// Seals straight into `output` if the frame fits, otherwise into `ready`.
    fn seal_frame(
        &mut self,
        kind: FrameKind,
        plaintext: &[u8],
        output: &mut Output<'_>,
    ) -> Result<(), Error> {
        let Self { sealer, transcript, sequence_number, ready, .. } = self;
        let sealed_len = sealer.sealed_len(kind, plaintext.len());
        let mut seal = |sealed: &mut [u8]| {
            sealer.seal(*sequence_number, kind, plaintext, sealed)?;
            transcript.update(sealed);
            Ok::<(), Error>(())
        };
        match output.fill(sealed_len, &mut seal) {
            Some(result) => result?,
            None if ready.is_empty() => seal(ready.prepare(sealed_len))?,
            // It would overwrite what was not taken yet.
            None => return Err(ApiMisuse::Order("there is no room for the message").into()),
        }
        if kind == FrameKind::Regular {
            let frame_len = sealer.frame_len();
            *sequence_number =
                sequence_number.checked_add(1).ok_or(ApiMisuse::TooManyFrames { frame_len })?;
        }
        Ok(())
    }

    /// As if all frames before this one had been sealed.
    #[cfg(test)]
    pub(crate) fn skip_to(&mut self, sequence_number: u32) {
        self.sequence_number = sequence_number;
    }

    fn count(&mut self, bytes: usize) -> Result<(), Error> {
        if let Some(left) = &mut self.left {
            *left = left
                .checked_sub(to_u64(bytes))
                .ok_or(ApiMisuse::PlaintextBound { bound: self.bound })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Encryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encryptor")
            .field("header", &self.header)
            .field("sequence_number", &self.sequence_number)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
