//! The decryption engine: bytes in, bytes out, no input or output of its own.
//!
//! A [`Verified`] exists only if the whole message was authenticated.

use std::num::NonZeroUsize;

use crate::context::EncryptionContext;
use crate::crypto::{GcmKey, TAG_LEN, VerifyingKey};
use crate::encrypt::Progress;
use crate::error::{ApiMisuse, Error, InvalidMessage, Malformed};
use crate::frames::{FrameOpener, content_len, unframed_piece_len};
use crate::message::body::{FramePrefix, UNFRAMED_PREFIX_LEN, UnframedPrefix};
use crate::message::footer::read_footer;
use crate::message::{ContentType, EncryptedDataKey, FrameKind, Header, to_u64, to_usize};
use crate::output::{Output, Ready};
use crate::parallel::open_run;
use crate::policy::Policy;
use crate::suite::AlgorithmSuite;
use crate::transcript::Transcript;

/// A header whose commitment and tag were verified.
///
/// If the suite signs, that whoever signed wrote it is known only at the end of the message.
///
/// ```
/// use waxseal::{AesKey, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"hello", &keyring).context([("tenant", "42")]).now()?;
/// let opened = waxseal::decrypt(&message, &keyring).now()?;
/// assert_eq!(opened.header().context().get("tenant"), Some("42"));
/// assert_eq!(opened.header().opened_by().key_name(), b"key-2026");
/// # Ok::<(), waxseal::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct AuthenticHeader {
    pub(crate) header: Header,
    pub(crate) context: EncryptionContext,
    /// An index that is in range.
    pub(crate) opened_by: usize,
}

impl AuthenticHeader {
    /// All pairs that were authenticated: those in the header, and those that the caller gave.
    pub fn context(&self) -> &EncryptionContext {
        &self.context
    }

    /// The suite.
    pub fn suite(&self) -> AlgorithmSuite {
        self.header.suite
    }

    /// The encrypted data key that was opened.
    #[cfg_attr(
        not(any(test, fuzzing)),
        expect(clippy::indexing_slicing, reason = "checked when the materials came")
    )]
    pub fn opened_by(&self) -> &EncryptedDataKey {
        &self.header.encrypted_data_keys[self.opened_by]
    }

    /// The header as it was read.
    pub fn parsed(&self) -> &Header {
        &self.header
    }
}

/// Decrypts one message piece by piece, between any two buffers.
///
/// Memory follows the bytes that arrive: at most some three frames, for one that comes in pieces and goes
/// out in pieces; none if whole frames fit both buffers.
///
/// [`update`](Self::update) with what follows the header, then [`finish`](Self::finish). What was given
/// out before is whole authentic frames in order, but only `finish` tells that nothing is missing.
/// [`DecryptReader`](crate::DecryptReader) does all of it for `std::io`.
///
/// ```
/// use waxseal::{AesKey, Locked, Policy, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"any length", &keyring).now()?;
///
/// let (locked, header_len) = Locked::read(&message, Policy::default())?;
/// let mut decryptor = locked.unlock(&keyring).now()?;
/// let (mut input, mut plaintext, mut buffer) = (&message[header_len..], Vec::new(), [0; 100]);
/// loop {
///     let progress = decryptor.update(input, &mut buffer)?;
///     input = &input[progress.read..];
///     plaintext.extend_from_slice(&buffer[..progress.written]);
///     if progress.written == 0 && input.is_empty() {
///         break;
///     }
/// }
/// let verified = decryptor.finish()?;
/// assert_eq!(plaintext, b"any length");
/// # let _ = verified;
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: decrypt, "Decrypt the message body" and "Verify the signature"; streaming.
#[derive(Debug)]
pub struct Decryptor {
    header: AuthenticHeader,
    opener: FrameOpener,
    transcript: Transcript<VerifyingKey>,
    policy: Policy,
    state: State,
    /// Bytes of a piece that is not whole yet.
    held: Vec<u8>,
    /// Offset in the message of the piece that comes next.
    offset: u64,
    ready: Ready,
    /// Whether `ready` waits for the signature.
    withheld: bool,
    /// To be reported after what came before it was taken.
    failure: Option<Error>,
    threads: NonZeroUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Frame { sequence_number: u32 },
    Unframed,
    Footer,
    Done,
    Failed,
}

/// A piece of the message that is opened or verified as a whole.
#[derive(Debug, Clone, Copy)]
enum Piece {
    Frame(FramePrefix),
    Unframed(UnframedPrefix),
    Footer,
}

/// The parts of a [`Decryptor`] for those who order frames themselves.
///
/// Whoever uses them must keep the rules that the decryptor keeps: a message is whole only if its final
/// frame opened and the footer was verified, and nothing of the final frame of a signed message may be
/// used before that.
#[derive(Debug)]
#[must_use = "a message is whole only if its final frame opened and its footer was verified"]
#[non_exhaustive]
pub struct OpenFrames {
    /// The header.
    pub header: AuthenticHeader,
    /// Opens frames.
    pub opener: FrameOpener,
    /// Verifies the footer.
    pub footer: FooterVerifier,
}

/// Verifies the footer of a message whose frames were opened apart.
#[derive(Debug)]
#[must_use = "without `finish` a signature is not verified"]
pub struct FooterVerifier(Transcript<VerifyingKey>);

impl FooterVerifier {
    /// Takes the frames, whole, in order. The header is already in.
    pub fn update(&mut self, frames: &[u8]) {
        self.0.update(frames);
    }

    /// Whether the suite signs. If not, the frames need not be given.
    pub fn signs(&self) -> bool {
        self.0.signs()
    }

    /// Checks everything after the final frame: the footer, or that there is nothing.
    ///
    /// # Errors
    /// [`Error::Unauthentic`] if the signature is not that of header and frames;
    /// [`Error::InvalidMessage`] if the footer is cut or followed by other bytes (with offsets from the
    /// start of the footer).
    pub fn finish(self, footer: &[u8]) -> Result<(), Error> {
        if !self.0.signs() {
            return if footer.is_empty() { Ok(()) } else { Err(trailing(0)) };
        }
        let signature = read_footer(footer).map_err(|_| {
            let reason = Malformed::Truncated { field: "the footer" };
            InvalidMessage::new(reason, to_u64(footer.len()))
        })?;
        let len = signature.len().saturating_add(2);
        if footer.len() > len {
            return Err(trailing(to_u64(len)));
        }
        self.0.verify(signature)
    }
}

/// Proof that a message was verified to its end.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verified {
    /// The header.
    pub header: AuthenticHeader,
}

impl Decryptor {
    /// Starts behind the header, which `content` verified and `transcript` has taken.
    pub(crate) fn new(
        header: AuthenticHeader,
        content: GcmKey,
        transcript: Transcript<VerifyingKey>,
        policy: Policy,
    ) -> Self {
        let (frame_len, state) = match header.header.content_type {
            ContentType::Framed { frame_len } => (frame_len, State::Frame { sequence_number: 1 }),
            ContentType::Unframed => (0, State::Unframed),
        };
        Self {
            opener: FrameOpener::new(content, &header.header.message_id, frame_len),
            offset: header.header.len,
            header,
            transcript,
            policy,
            state,
            held: Vec::new(),
            ready: Ready::default(),
            withheld: false,
            failure: None,
            threads: NonZeroUsize::MIN,
        }
    }

    pub(crate) fn threads(self, threads: NonZeroUsize) -> Self {
        Self { threads, ..self }
    }

    /// On how many threads frames are opened.
    pub(crate) fn thread_count(&self) -> NonZeroUsize {
        self.threads
    }

    /// Takes as much of `input` and fills as much of `output` as it can.
    ///
    /// If it did not take all, it needs room: call again with the rest and more output. An error that
    /// comes after frames that are authentic is reported by the next call, so that none of them is lost.
    /// `output` holds nothing but plaintext that was authenticated, even after an error; behind what was written
    /// it is as it was, or, where a frame did not open, zeros.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`], [`Error::Unauthentic`], [`Error::Policy`]. After an error no call
    /// succeeds.
    pub fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, Error> {
        if self.state == State::Failed {
            return Err(self.failure.take().unwrap_or_else(|| ApiMisuse::Poisoned.into()));
        }
        let mut rest = input;
        let mut output = Output::new(output);
        let result = self.advance(&mut rest, &mut output);
        let read = input.len().saturating_sub(rest.len());
        let progress = Progress { read, written: output.written() };
        match result {
            Ok(()) => Ok(progress),
            Err(error) => {
                self.state = State::Failed;
                self.held = Vec::new();
                self.ready.wipe();
                if progress.written == 0 {
                    return Err(error);
                }
                self.failure = Some(error);
                Ok(progress)
            }
        }
    }

    /// Ends the message: tells whether it was whole and authentic.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`] if it ends too early; [`Error::ApiMisuse`] if plaintext waits to be
    /// taken with [`update`](Self::update), or after an error.
    pub fn finish(mut self) -> Result<Verified, Error> {
        self.check_end()?;
        Ok(Verified { header: self.header })
    }

    /// The header.
    pub fn header(&self) -> &AuthenticHeader {
        &self.header
    }

    /// Whether [`update`](Self::update) has something to give, or to tell, without any input.
    pub(crate) fn can_go_on(&self) -> bool {
        self.state == State::Failed || !self.withheld && !self.ready.is_empty()
    }

    /// Takes the parts out, for those who order frames themselves.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if it was used already, or if the content is not framed, which
    /// [`Header::content_type`] tells beforehand.
    pub fn into_frames(self) -> Result<OpenFrames, Error> {
        let untouched = self.offset == self.header.header.len && self.held.is_empty();
        if !untouched || self.state != (State::Frame { sequence_number: 1 }) {
            let what = "the decryptor was used already, or the content is not framed";
            return Err(ApiMisuse::Order(what).into());
        }
        Ok(OpenFrames {
            header: self.header,
            opener: self.opener,
            footer: FooterVerifier(self.transcript),
        })
    }

    /// What [`finish`](Self::finish) checks.
    pub(crate) fn check_end(&mut self) -> Result<(), Error> {
        let field = match self.state {
            State::Failed => {
                return Err(self.failure.take().unwrap_or_else(|| ApiMisuse::Poisoned.into()));
            }
            State::Done if self.ready.is_empty() => return Ok(()),
            State::Done => {
                let what = "plaintext waits to be taken before the message can be finished";
                return Err(ApiMisuse::Order(what).into());
            }
            State::Frame { .. } => "a frame",
            State::Unframed => "the body",
            State::Footer => "the footer",
        };
        self.state = State::Failed;
        self.ready.wipe();
        let offset = self.offset.saturating_add(to_u64(self.held.len()));
        Err(InvalidMessage::new(Malformed::Truncated { field }, offset).into())
    }

    /// As if all frames before this one had been opened.
    #[cfg(test)]
    pub(crate) fn skip_to(&mut self, sequence_number: u32) {
        self.state = State::Frame { sequence_number };
    }

    fn advance(&mut self, rest: &mut &[u8], output: &mut Output<'_>) -> Result<(), Error> {
        loop {
            if !self.withheld {
                self.ready.drain(output);
                if !self.ready.is_empty() {
                    return Ok(());
                }
            }
            if self.state == State::Done {
                return if rest.is_empty() { Ok(()) } else { Err(trailing(self.offset)) };
            }
            if self.open_ahead(rest, output) {
                continue;
            }
            let bytes = if self.held.is_empty() { *rest } else { &self.held };
            let (piece, len) = match self.next_piece(bytes)? {
                Ok((piece, len)) if len <= bytes.len() => (piece, len),
                Ok((_, needed)) | Err(needed) => {
                    let missing = needed.saturating_sub(self.held.len());
                    let (taken, after) = rest.split_at(missing.min(rest.len()));
                    if taken.is_empty() {
                        return Ok(());
                    }
                    self.held.extend_from_slice(taken);
                    *rest = after;
                    continue;
                }
            };
            if self.held.is_empty() {
                let (bytes, after) = rest.split_at(len);
                self.open(piece, bytes, output)?;
                *rest = after;
            } else {
                let mut bytes = std::mem::take(&mut self.held);
                self.open(piece, &bytes, output)?;
                bytes.clear();
                self.held = bytes;
            }
            self.offset = self.offset.saturating_add(to_u64(len));
        }
    }

    /// Opens the regular frames at the start of `rest` that are whole and as they should be, straight into `output` as
    /// far as there is room, on several threads if that was asked for. Says whether there were any.
    fn open_ahead(&mut self, rest: &mut &[u8], output: &mut Output<'_>) -> bool {
        let State::Frame { sequence_number } = self.state else { return false };
        if !self.held.is_empty() {
            return false;
        }
        let frame_len = to_usize(self.opener.frame_len());
        let sealed_len = frame_len.saturating_add(FrameKind::Regular.overhead());
        let whole = rest.len().checked_div(sealed_len).unwrap_or_default();
        let room = output.room().checked_div(frame_len).unwrap_or_default();
        let numbers = to_usize(u32::MAX.saturating_sub(sequence_number));
        let frames = whole.min(room).min(numbers);
        let run = rest.get(..frames.saturating_mul(sealed_len)).unwrap_or_default();
        if run.is_empty() {
            return false;
        }
        let Self { opener, threads, transcript, .. } = self;
        let mut opened = 0;
        output.fill_some(frames.saturating_mul(frame_len), |out| {
            opened = open_run(opener, *threads, sequence_number, run, out, transcript);
            opened.saturating_mul(frame_len)
        });
        let taken = opened.saturating_mul(sealed_len);
        *rest = rest.get(taken..).unwrap_or_default();
        self.offset = self.offset.saturating_add(to_u64(taken));
        let count = u32::try_from(opened).unwrap_or(u32::MAX);
        self.state = State::Frame { sequence_number: sequence_number.saturating_add(count) };
        opened > 0
    }

    /// The piece that starts here and its length; `Ok(Err(n))` asks for at least `n` bytes.
    fn next_piece(&self, bytes: &[u8]) -> Result<Result<(Piece, usize), usize>, Error> {
        let at = self.offset;
        Ok(match self.state {
            State::Frame { sequence_number } => {
                FramePrefix::read(bytes, sequence_number, self.opener.frame_len(), at)?
                    .map(|prefix| (Piece::Frame(prefix), prefix.frame_len()))
            }
            State::Unframed => match UnframedPrefix::read(bytes, at)? {
                Ok(prefix) => {
                    self.policy.check_frame_len(prefix.content_len)?;
                    let len = unframed_piece_len(&prefix, UNFRAMED_PREFIX_LEN);
                    Ok((Piece::Unframed(prefix), len.unwrap_or(usize::MAX)))
                }
                Err(needed) => Err(needed),
            },
            State::Footer => read_footer(bytes)
                .map(|signature| (Piece::Footer, signature.len().saturating_add(2))),
            State::Done | State::Failed => Err(usize::MAX),
        })
    }

    /// Opens a whole piece, straight into `output` if it may and fits.
    fn open(&mut self, piece: Piece, bytes: &[u8], output: &mut Output<'_>) -> Result<(), Error> {
        let (content_len, last) = match piece {
            Piece::Frame(prefix) => (content_len(&prefix), prefix.kind == FrameKind::Final),
            Piece::Unframed(_) => (bytes.len().saturating_sub(UNFRAMED_PREFIX_LEN + TAG_LEN), true),
            Piece::Footer => {
                let signature = read_footer(bytes).unwrap_or_default();
                let spent = Transcript::new(self.header.suite(), None);
                std::mem::replace(&mut self.transcript, spent).verify(signature)?;
                self.withheld = false;
                self.state = State::Done;
                return Ok(());
            }
        };
        let Self { opener, transcript, ready, .. } = self;
        transcript.update(bytes);
        let open = |plaintext: &mut [u8]| match piece {
            Piece::Frame(prefix) => opener.open_frame(&prefix, bytes, plaintext),
            Piece::Unframed(prefix) => {
                let sealed = bytes.get(UNFRAMED_PREFIX_LEN..).unwrap_or_default();
                opener.open_unframed(&prefix, sealed, plaintext)
            }
            Piece::Footer => Ok(()),
        };
        self.withheld = last && transcript.signs();
        let direct = if self.withheld { None } else { output.fill(content_len, open) };
        match direct {
            Some(result) => result?,
            None => open(ready.prepare(content_len))?,
        }
        self.state = match self.state {
            State::Frame { sequence_number } if !last => {
                State::Frame { sequence_number: sequence_number.saturating_add(1) }
            }
            _ if self.withheld => State::Footer,
            _ => State::Done,
        };
        Ok(())
    }
}

fn trailing(offset: u64) -> Error {
    InvalidMessage::new(Malformed::TrailingBytes, offset).into()
}
