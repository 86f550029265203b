//! Readers and writers: thin shells of the engine.

mod ahead;
pub(crate) mod at;
mod block;
#[cfg(feature = "tokio")]
mod engine;
mod frame_cache;
pub(crate) mod std;
#[cfg(feature = "tokio")]
pub(crate) mod tokio;

use ahead::{Frames, OpenAhead, SealAhead};
use block::Block;

use crate::decrypt::{AuthenticHeader, Decryptor};
use crate::encrypt::Encryptor;
use crate::error::{ApiMisuse, Error};
use crate::message::{ContentType, Header, to_usize};
use crate::unlock::{FromDecryptor, HeaderReader, Locked};

/// Room for two frames, within bounds.
fn buffer_len(content_type: ContentType) -> usize {
    let frame_len = match content_type {
        ContentType::Framed { frame_len } => to_usize(frame_len),
        ContentType::Unframed => 0,
    };
    frame_len.saturating_mul(2).clamp(MIN_BUFFER_LEN, MAX_BUFFER_LEN)
}

/// What a pull core needs next.
enum Pull {
    /// So many bytes were written to the output.
    Bytes(usize),
    /// The input is used up.
    NeedsInput,
    /// A block is full: [`Work::work`] is to be called, here or on another thread.
    NeedsWork,
    /// The end.
    End,
}

/// What takes long, and needs neither source nor sink.
trait Work {
    /// # Errors
    /// After an error no call succeeds.
    fn work(&mut self) -> Result<(), Error>;

    /// Whether that would keep others waiting.
    #[cfg(feature = "tokio")]
    fn is_long(&self) -> bool;
}

/// What a source fills.
trait Fed {
    /// Where more goes.
    fn input(&mut self) -> &mut Block;

    /// The source has no more, for now or for ever; whether something can be done without it.
    fn pause(&mut self) -> bool;
}

/// Pulls a plaintext out of a message.
#[derive(Debug)]
enum DecryptPull {
    /// From the input straight to whoever pulls.
    Direct {
        decryptor: Box<Decryptor>,
        input: Block,
    },
    Ahead(Box<OpenAhead>),
}

impl DecryptPull {
    fn new(decryptor: Decryptor, Unused(input): Unused) -> Self {
        let content_type = decryptor.header().parsed().content_type();
        match Frames::new(content_type, decryptor.thread_count()) {
            Some(frames) => Self::Ahead(Box::new(OpenAhead::new(decryptor, &input, &frames))),
            None => Self::Direct { decryptor: Box::new(decryptor), input },
        }
    }

    fn pull(&mut self, out: &mut [u8]) -> Result<Pull, Error> {
        if out.is_empty() {
            return Ok(Pull::Bytes(0));
        }
        let (decryptor, input) = match self {
            Self::Direct { decryptor, input } => (decryptor, input),
            Self::Ahead(ahead) => {
                return Ok(match ahead.plaintext.take_to(out) {
                    0 if ahead.is_finished() => Pull::End,
                    0 if ahead.needs_input() => Pull::NeedsInput,
                    0 => Pull::NeedsWork,
                    len => Pull::Bytes(len),
                });
            }
        };
        let progress = decryptor.update(input.unused(), out)?;
        input.consume(progress.read);
        if progress.written > 0 {
            return Ok(Pull::Bytes(progress.written));
        }
        if !input.ended {
            return Ok(Pull::NeedsInput);
        }
        decryptor.check_end()?;
        Ok(Pull::End)
    }

    fn header(&self) -> &AuthenticHeader {
        match self {
            Self::Direct { decryptor, .. } => decryptor.header(),
            Self::Ahead(ahead) => ahead.decryptor.header(),
        }
    }
}

impl Fed for DecryptPull {
    /// Sized for the frames of the message.
    fn input(&mut self) -> &mut Block {
        match self {
            Self::Direct { decryptor, input } => {
                input.grow_when_empty(buffer_len(decryptor.header().parsed().content_type()));
                input
            }
            Self::Ahead(ahead) => &mut ahead.message,
        }
    }

    fn pause(&mut self) -> bool {
        match self {
            // It holds only what is not a frame yet.
            Self::Direct { .. } => false,
            Self::Ahead(ahead) => {
                ahead.message.paused = true;
                !ahead.needs_input()
            }
        }
    }
}

impl Work for DecryptPull {
    fn work(&mut self) -> Result<(), Error> {
        match self {
            Self::Direct { .. } => Ok(()),
            Self::Ahead(ahead) => ahead.work(),
        }
    }

    #[cfg(feature = "tokio")]
    fn is_long(&self) -> bool {
        matches!(self, Self::Ahead(ahead) if ahead.message.unused().len() > SHORT_LEN)
    }
}

/// An encryptor, and the block on the side that nobody pulls from or pushes to.
#[derive(Debug)]
enum Sealing {
    Direct { encryptor: Box<Encryptor>, block: Block },
    Ahead(Box<SealAhead>),
}

impl Sealing {
    fn new(encryptor: Encryptor) -> Self {
        let content_type = encryptor.header().content_type();
        // What an encryptor already has comes first, and only it can go on with that.
        match Frames::new(content_type, encryptor.thread_count()).filter(|_| encryptor.is_clear()) {
            Some(frames) => Self::Ahead(Box::new(SealAhead::new(encryptor, &frames))),
            None => {
                let block = Block::new(buffer_len(content_type));
                Self::Direct { encryptor: Box::new(encryptor), block }
            }
        }
    }

    fn header(&self) -> &Header {
        match self {
            Self::Direct { encryptor, .. } => encryptor.header(),
            Self::Ahead(ahead) => ahead.encryptor.header(),
        }
    }

    #[cfg(feature = "tokio")]
    fn is_long(&self) -> bool {
        matches!(self, Self::Ahead(ahead) if ahead.plaintext.unused().len() > SHORT_LEN)
    }
}

/// Pulls a message out of a plaintext.
#[derive(Debug)]
struct EncryptPull(Sealing);

impl EncryptPull {
    fn new(encryptor: Encryptor) -> Self {
        Self(Sealing::new(encryptor))
    }

    fn pull(&mut self, out: &mut [u8]) -> Result<Pull, Error> {
        if out.is_empty() {
            return Ok(Pull::Bytes(0));
        }
        let (encryptor, input) = match &mut self.0 {
            Sealing::Direct { encryptor, block } => (encryptor, block),
            Sealing::Ahead(ahead) => {
                if ahead.plaintext.ended {
                    ahead.close();
                }
                return Ok(match ahead.sealed.take_to(out) {
                    0 if ahead.is_finished() => Pull::End,
                    0 if ahead.needs_input() => Pull::NeedsInput,
                    0 => Pull::NeedsWork,
                    len => Pull::Bytes(len),
                });
            }
        };
        while !encryptor.is_finished() {
            let written = if input.ended {
                encryptor.finish(out)?
            } else {
                let progress = encryptor.update(input.unused(), out)?;
                input.consume(progress.read);
                progress.written
            };
            if written > 0 {
                return Ok(Pull::Bytes(written));
            }
            if !input.ended {
                return Ok(Pull::NeedsInput);
            }
        }
        Ok(Pull::End)
    }

    fn header(&self) -> &Header {
        self.0.header()
    }
}

impl Fed for EncryptPull {
    fn input(&mut self) -> &mut Block {
        match &mut self.0 {
            Sealing::Direct { block, .. } => block,
            Sealing::Ahead(ahead) => &mut ahead.plaintext,
        }
    }

    fn pause(&mut self) -> bool {
        match &mut self.0 {
            // It holds only what is not a frame yet.
            Sealing::Direct { .. } => false,
            Sealing::Ahead(ahead) => {
                ahead.plaintext.paused = true;
                !ahead.needs_input()
            }
        }
    }
}

impl Work for EncryptPull {
    fn work(&mut self) -> Result<(), Error> {
        match &mut self.0 {
            Sealing::Direct { .. } => Ok(()),
            Sealing::Ahead(ahead) => ahead.work(),
        }
    }

    #[cfg(feature = "tokio")]
    fn is_long(&self) -> bool {
        self.0.is_long()
    }
}

/// What a push core needs next.
enum Push {
    /// So many bytes of the plaintext were taken.
    Taken(usize),
    /// A block is full: [`Work::work`] is to be called, here or on another thread.
    NeedsWork,
}

/// Pushes a plaintext into a message.
#[derive(Debug)]
struct EncryptPush {
    engine: Sealing,
    /// Whether the end was asked for: nothing more may be pushed.
    closing: bool,
}

impl EncryptPush {
    fn new(encryptor: Encryptor) -> Self {
        Self { engine: Sealing::new(encryptor), closing: false }
    }

    /// Takes plaintext where everything sealed was written.
    fn push(&mut self, plaintext: &[u8]) -> Result<Push, Error> {
        if self.closing {
            return Err(ApiMisuse::Order("the message is finished").into());
        }
        Ok(Push::Taken(match &mut self.engine {
            Sealing::Direct { encryptor, block: sealed } => {
                let progress = encryptor.update(plaintext, sealed.room())?;
                sealed.put(progress.written);
                progress.read
            }
            Sealing::Ahead(ahead) if ahead.has_failed() => {
                return Err(ApiMisuse::Poisoned.into());
            }
            Sealing::Ahead(ahead) => match ahead.plaintext.fill_from(plaintext) {
                0 if !plaintext.is_empty() => return Ok(Push::NeedsWork),
                taken => taken,
            },
        }))
    }

    /// Nothing more may be pushed; [`Work::work`] then ends the message.
    fn close(&mut self) {
        self.closing = true;
        if let Sealing::Ahead(ahead) = &mut self.engine {
            ahead.close();
        }
    }

    /// Whether there are frames that can be passed on before more plaintext comes.
    fn has_whole_frames(&self) -> Result<bool, Error> {
        let (has_failed, has_whole_frames) = match &self.engine {
            Sealing::Direct { encryptor, .. } => (encryptor.has_failed(), encryptor.holds_frames()),
            Sealing::Ahead(ahead) => (ahead.has_failed(), ahead.has_whole_frames()),
        };
        if has_failed {
            return Err(ApiMisuse::Poisoned.into());
        }
        Ok(has_whole_frames)
    }

    fn unwritten(&self) -> &[u8] {
        match &self.engine {
            Sealing::Direct { block: sealed, .. } => sealed.unused(),
            Sealing::Ahead(ahead) => ahead.sealed.unused(),
        }
    }

    fn wrote(&mut self, len: usize) {
        match &mut self.engine {
            Sealing::Direct { block: sealed, .. } => sealed.consume(len),
            Sealing::Ahead(ahead) => ahead.sealed.consume(len),
        }
    }

    fn is_finished(&self) -> bool {
        match &self.engine {
            Sealing::Direct { encryptor, block: sealed } => {
                encryptor.is_finished() && sealed.is_empty()
            }
            Sealing::Ahead(ahead) => ahead.is_finished(),
        }
    }

    fn header(&self) -> &Header {
        self.engine.header()
    }
}

impl Work for EncryptPush {
    /// Seals what can be sealed, where everything sealed was written.
    fn work(&mut self) -> Result<(), Error> {
        match &mut self.engine {
            Sealing::Direct { encryptor, block: sealed } if self.closing => {
                let written = encryptor.finish(sealed.room())?;
                sealed.put(written);
                Ok(())
            }
            Sealing::Direct { encryptor, block: sealed } => {
                let written = encryptor.update(&[], sealed.room())?.written;
                sealed.put(written);
                Ok(())
            }
            Sealing::Ahead(ahead) => ahead.work(),
        }
    }

    #[cfg(feature = "tokio")]
    fn is_long(&self) -> bool {
        self.engine.is_long()
    }
}

/// Reads a header out of a source.
struct HeaderPull {
    reader: HeaderReader,
    input: Block,
}

impl HeaderPull {
    fn new(policy: crate::policy::Policy) -> Self {
        Self { reader: HeaderReader::new(policy), input: Block::new(MIN_BUFFER_LEN) }
    }

    /// Whether it needs more bytes in `input`.
    fn needs_input(&mut self) -> Result<bool, Error> {
        let taken = self.reader.push(self.input.unused())?;
        self.input.consume(taken);
        Ok(!self.reader.is_complete() && !self.input.ended)
    }

    fn finish(self) -> Result<(Locked, Block), Error> {
        Ok((self.reader.finish()?, self.input))
    }
}

/// A source whose header was read; it becomes a reader when that is unlocked.
#[doc(hidden)]
#[derive(Debug)]
pub struct Source<R, S> {
    inner: R,
    input: Block,
    shell: ::std::marker::PhantomData<fn() -> S>,
}

impl<R, S> Source<R, S> {
    fn new(inner: R, input: Block) -> Self {
        Self { inner, input, shell: ::std::marker::PhantomData }
    }
}

/// A reader that can be put together from its source and a decryptor.
#[doc(hidden)]
pub trait Shell<R> {
    #[doc(hidden)]
    fn assemble(inner: R, decryptor: Decryptor, input: Unused) -> Self;
}

/// Input that follows a header.
#[doc(hidden)]
#[derive(Debug)]
pub struct Unused(Block);

impl<R, S: Shell<R>> FromDecryptor for Source<R, S> {
    type Output = S;

    fn from_decryptor(self, decryptor: Decryptor) -> Result<S, Error> {
        let Self { inner, input, shell: _ } = self;
        Ok(S::assemble(inner, decryptor, Unused(input)))
    }
}

/// Large enough that system calls do not count.
const MIN_BUFFER_LEN: usize = 64 * 1024;
/// Small enough for any number of streams; longer frames are gathered in the engine.
const MAX_BUFFER_LEN: usize = 2 * 1024 * 1024;
/// What is done as soon as another thread would have begun.
#[cfg(feature = "tokio")]
const SHORT_LEN: usize = 64 * 1024;
