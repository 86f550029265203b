//! Readers and writers: thin shells of the engine.

pub(crate) mod at;
mod frame_cache;
pub(crate) mod std;
#[cfg(feature = "tokio")]
pub(crate) mod tokio;

use ::std::fmt;

use crate::decrypt::Decryptor;
use crate::encrypt::Encryptor;
use crate::error::{ApiMisuse, Error};
use crate::message::{ContentType, to_usize};
use crate::secret::wipe;
use crate::unlock::{FromDecryptor, HeaderReader, Locked};

/// Bytes that came from a source and were not used yet. They may be plaintext.
struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
}

impl Input {
    fn new() -> Self {
        Self { bytes: vec![0; MIN_BUFFER_LEN], start: 0, end: 0, ended: false }
    }

    fn unused(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    fn consume(&mut self, len: usize) {
        self.start = self.start.saturating_add(len).min(self.end);
    }

    /// Room for more, once everything is used.
    fn space(&mut self) -> &mut [u8] {
        debug_assert!(self.unused().is_empty(), "input was dropped");
        self.start = 0;
        self.end = 0;
        &mut self.bytes
    }

    /// `len` bytes were put into [`space`](Self::space); none means that the source ended.
    fn filled(&mut self, len: usize) {
        self.end = len.min(self.bytes.len());
        self.ended = len == 0;
    }

    /// Makes room for whole frames where they are not too long, so that they need not be copied, once
    /// everything is used.
    fn fit_frames(&mut self, content_type: ContentType) {
        let len = buffer_len(content_type);
        if len > self.bytes.len() && self.unused().is_empty() {
            wipe(&mut ::std::mem::replace(&mut self.bytes, vec![0; len]));
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        wipe(&mut self.bytes);
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Input({} bytes unused)", self.unused().len())
    }
}

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
    /// The end.
    End,
}

/// Pulls a plaintext out of a message.
#[derive(Debug)]
struct DecryptPull {
    decryptor: Decryptor,
    input: Input,
}

impl DecryptPull {
    fn pull(&mut self, out: &mut [u8]) -> Result<Pull, Error> {
        if out.is_empty() {
            return Ok(Pull::Bytes(0));
        }
        let progress = self.decryptor.update(self.input.unused(), out)?;
        self.input.consume(progress.read);
        if progress.written > 0 {
            return Ok(Pull::Bytes(progress.written));
        }
        if !self.input.ended {
            return Ok(Pull::NeedsInput);
        }
        self.decryptor.check_end()?;
        Ok(Pull::End)
    }
}

/// Pulls a message out of a plaintext.
#[derive(Debug)]
struct EncryptPull {
    encryptor: Encryptor,
    input: Input,
}

impl EncryptPull {
    fn new(encryptor: Encryptor) -> Self {
        let mut input = Input::new();
        input.fit_frames(encryptor.header().content_type());
        Self { encryptor, input }
    }

    fn pull(&mut self, out: &mut [u8]) -> Result<Pull, Error> {
        if out.is_empty() {
            return Ok(Pull::Bytes(0));
        }
        if self.encryptor.is_finished() {
            return Ok(Pull::End);
        }
        let written = if self.input.ended {
            self.encryptor.finish(out)?
        } else {
            let progress = self.encryptor.update(self.input.unused(), out)?;
            self.input.consume(progress.read);
            progress.written
        };
        Ok(match written {
            0 if self.encryptor.is_finished() => Pull::End,
            0 => Pull::NeedsInput,
            written => Pull::Bytes(written),
        })
    }
}

/// Pushes a plaintext into a message.
struct EncryptPush {
    encryptor: Encryptor,
    sealed: Vec<u8>,
    /// What of `sealed` is not written yet.
    start: usize,
    end: usize,
    /// Whether the end was asked for: nothing more may be pushed.
    closing: bool,
}

impl fmt::Debug for EncryptPush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptPush").field("encryptor", &self.encryptor).finish_non_exhaustive()
    }
}

impl EncryptPush {
    fn new(encryptor: Encryptor) -> Self {
        let sealed = vec![0; buffer_len(encryptor.header().content_type())];
        Self { encryptor, sealed, start: 0, end: 0, closing: false }
    }

    /// Takes plaintext where everything sealed was written; gives the number of bytes taken.
    fn push(&mut self, plaintext: &[u8]) -> Result<usize, Error> {
        if self.closing {
            return Err(ApiMisuse::Order("the message is finished").into());
        }
        let progress = self.encryptor.update(plaintext, &mut self.sealed)?;
        (self.start, self.end) = (0, progress.written);
        Ok(progress.read)
    }

    /// Seals the rest where everything sealed was written.
    fn finish(&mut self) -> Result<(), Error> {
        (self.start, self.end) = (0, self.encryptor.finish(&mut self.sealed)?);
        Ok(())
    }

    fn unwritten(&self) -> &[u8] {
        self.sealed.get(self.start..self.end).unwrap_or_default()
    }

    fn wrote(&mut self, len: usize) {
        self.start = self.start.saturating_add(len).min(self.end);
    }

    fn is_finished(&self) -> bool {
        self.encryptor.is_finished() && self.unwritten().is_empty()
    }
}

/// Reads a header out of a source.
struct HeaderPull {
    reader: HeaderReader,
    input: Input,
}

impl HeaderPull {
    fn new(policy: crate::policy::Policy) -> Self {
        Self { reader: HeaderReader::new(policy), input: Input::new() }
    }

    /// Whether it needs more bytes in `input`.
    fn needs_input(&mut self) -> Result<bool, Error> {
        let taken = self.reader.push(self.input.unused())?;
        self.input.consume(taken);
        Ok(!self.reader.is_complete() && !self.input.ended)
    }

    fn finish(self) -> Result<(Locked, Input), Error> {
        Ok((self.reader.finish()?, self.input))
    }
}

/// A source whose header was read; it becomes a reader when that is unlocked.
#[doc(hidden)]
#[derive(Debug)]
pub struct Source<R, S> {
    inner: R,
    input: Input,
    shell: ::std::marker::PhantomData<fn() -> S>,
}

impl<R, S> Source<R, S> {
    fn new(inner: R, input: Input) -> Self {
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
pub struct Unused(Input);

impl<R, S: Shell<R>> FromDecryptor for Source<R, S> {
    type Output = S;

    fn from_decryptor(self, decryptor: Decryptor) -> Result<S, Error> {
        let Self { inner, input, shell: _ } = self;
        Ok(S::assemble(inner, decryptor, Unused(input)))
    }
}

impl DecryptPull {
    fn new(decryptor: Decryptor, Unused(input): Unused) -> Self {
        Self { decryptor, input }
    }

    /// Room for more input, sized for this message's frames.
    fn space(&mut self) -> &mut [u8] {
        self.input.fit_frames(self.decryptor.header().parsed().content_type());
        self.input.space()
    }
}

/// Large enough that system calls do not count.
const MIN_BUFFER_LEN: usize = 64 * 1024;
/// Small enough for any number of streams; longer frames are gathered in the engine.
const MAX_BUFFER_LEN: usize = 2 * 1024 * 1024;
