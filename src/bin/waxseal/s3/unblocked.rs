//! Files and streams where requests are under way, which must not wait for them.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::{JoinHandle, spawn_blocking};
use zeroize::Zeroizing;

use crate::input::{Input, MIN_BAR_LEN};
use crate::output::Output;

/// An input that is read on another thread: a slow one must not hold up parts that are being sent.
pub(super) struct Unblocked(Option<State>);

enum State {
    Here(Box<Chunk>),
    Away(JoinHandle<(Box<Chunk>, io::Result<()>)>),
}

/// An input, and what was read of it last.
struct Chunk {
    input: Input,
    bytes: Zeroizing<Vec<u8>>,
    taken: usize,
    len: usize,
}

impl Unblocked {
    pub(super) fn new(input: Input) -> Self {
        let bytes = Zeroizing::new(vec![0; CHUNK_LEN]);
        Self(Some(State::Here(Box::new(Chunk { input, bytes, taken: 0, len: 0 }))))
    }
}

impl Chunk {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.taken..self.len).unwrap_or_default()
    }

    fn read(mut self: Box<Self>) -> (Box<Self>, io::Result<()>) {
        (self.taken, self.len) = (0, 0);
        let result = loop {
            match self.input.read(&mut self.bytes) {
                Ok(len) => {
                    self.len = len;
                    break Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        (self, result)
    }
}

impl AsyncRead for Unblocked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.0.take() {
                // It failed before.
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                Some(State::Here(mut chunk)) if !chunk.rest().is_empty() => {
                    let len = chunk.rest().len().min(out.remaining());
                    out.put_slice(chunk.rest().get(..len).unwrap_or_default());
                    chunk.taken = chunk.taken.saturating_add(len);
                    self.0 = Some(State::Here(chunk));
                    return Poll::Ready(Ok(()));
                }
                Some(State::Here(chunk)) => {
                    self.0 = Some(State::Away(spawn_blocking(move || chunk.read())));
                }
                Some(State::Away(mut task)) => match Pin::new(&mut task).poll(cx) {
                    Poll::Pending => {
                        self.0 = Some(State::Away(task));
                        return Poll::Pending;
                    }
                    Poll::Ready(Err(stopped)) => {
                        return Poll::Ready(Err(io::Error::other(stopped)));
                    }
                    Poll::Ready(Ok((_, Err(error)))) => return Poll::Ready(Err(error)),
                    Poll::Ready(Ok((chunk, Ok(())))) => {
                        let at_end = chunk.len == 0;
                        self.0 = Some(State::Here(chunk));
                        if at_end {
                            return Poll::Ready(Ok(()));
                        }
                    }
                },
            }
        }
    }
}

/// An output for plaintext, with how much of it is there on a terminal.
pub(super) struct Plaintext<'a> {
    output: &'a mut Output,
    show_progress: bool,
    /// Bytes.
    written: u64,
    bar: Option<ProgressBar>,
}

impl<'a> Plaintext<'a> {
    pub(super) fn new(output: &'a mut Output) -> Self {
        Self { output, show_progress: false, written: 0, bar: None }
    }

    /// Shows how much is there, where somebody looks and it takes long enough to be seen.
    pub(super) fn show_progress(mut self) -> Self {
        self.show_progress = io::stderr().is_terminal();
        self
    }

    fn count(&mut self, len: usize) {
        self.written = self.written.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        if self.show_progress && self.written > MIN_BAR_LEN {
            let bar = self.bar.get_or_insert_with(|| {
                let style = ProgressStyle::with_template("{bytes}, {bytes_per_sec}");
                ProgressBar::no_length()
                    .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
            });
            bar.set_position(self.written);
        }
    }
}

/// Writes on this thread: what is downloaded meanwhile waits in the buffers of its connections.
impl AsyncWrite for Plaintext<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.output.write(bytes) {
                Ok(len) => {
                    self.count(len);
                    return Poll::Ready(Ok(len));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.output.flush())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl Drop for Plaintext<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Large enough that going to another thread does not count.
const CHUNK_LEN: usize = 256 * 1024;
