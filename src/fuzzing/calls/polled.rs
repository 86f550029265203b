//! Calls on the readers and writers for tokio, polled by hand: given up after any number of polls, and polled again
//! with something else.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::choices::Choices;
use super::super::fixed::{FixedKey, PLAINTEXT, lax};
use super::shells::{Flaky, is_of_source, small_frames};
use super::{MAX_CALLS, Subject, check_untouched, sentinels};
use crate::io::tokio::{DecryptReader, EncryptReader, EncryptWriter};

pub(super) fn polled(mut choices: Choices<'_>) {
    match choices.below(3) {
        0 => writer(choices),
        1 => encrypt_reader(choices),
        _ => decrypt_reader(choices),
    }
}

fn writer(mut choices: Choices<'_>) {
    let sink = Flaky { bytes: Vec::new(), at: 0, mood: choices.split() };
    let mut writer = EncryptWriter::new(small_frames(), sink);
    let mut cx = Context::from_waker(Waker::noop());
    let (mut plaintext, mut closing, mut finished) = (Vec::new(), false, false);
    for _ in 0..MAX_CALLS {
        if choices.is_empty() {
            break;
        }
        let writer = Pin::new(&mut writer);
        match choices.below(8) {
            0 => drop(writer.poll_flush(&mut cx)),
            1 | 2 => {
                finished |= matches!(writer.poll_shutdown(&mut cx), Poll::Ready(Ok(())));
                closing = true;
            }
            _ => {
                let piece = vec![choices.byte(); choices.size() + 1];
                if let Poll::Ready(Ok(len)) = writer.poll_write(&mut cx, &piece) {
                    assert!(len > 0 && !closing);
                    plaintext.extend_from_slice(&piece[..len]);
                }
            }
        }
    }
    let opened = crate::decrypt(&writer.into_inner().bytes, &FixedKey).now();
    if finished {
        assert_eq!(opened.expect("it is whole").plaintext(), plaintext);
    } else if let Ok(opened) = opened {
        assert!(closing);
        assert_eq!(opened.plaintext(), plaintext);
    }
}

fn encrypt_reader(mut choices: Choices<'_>) {
    let plaintext = PLAINTEXT.repeat(choices.below(4));
    let source = Flaky { bytes: plaintext.clone(), at: 0, mood: choices.split() };
    let mut reader = EncryptReader::new(small_frames(), source);
    let (mut message, mut ended) = (Vec::new(), false);
    for _ in 0..MAX_CALLS {
        let mut out = sentinels(choices.size());
        if let Some(Ok(len)) = poll_read(&mut reader, &mut out) {
            assert!(!ended || len == 0);
            message.extend_from_slice(&out[..len]);
            ended |= len == 0 && !out.is_empty();
        }
        if choices.is_empty() {
            break;
        }
    }
    match crate::decrypt(&message, &FixedKey).now() {
        Ok(opened) => assert_eq!(opened.plaintext(), plaintext),
        Err(_) => assert!(!ended),
    }
}

fn decrypt_reader(mut choices: Choices<'_>) {
    let subject = Subject::choose(&mut choices);
    let source = Flaky { bytes: subject.message.clone(), at: 0, mood: choices.split() };
    let polls = choices.size();
    // Given up, it leaves nothing behind.
    let Some(Ok(locked)) = poll_up_to(DecryptReader::open_with(source, lax()), polls) else {
        return;
    };
    let Some(Ok(mut reader)) = poll_up_to(locked.unlock(&FixedKey).into_future(), polls) else {
        return;
    };
    let (mut released, mut ended, mut failed) = (Vec::new(), false, false);
    for _ in 0..MAX_CALLS {
        let mut out = sentinels(choices.size());
        match poll_read(&mut reader, &mut out) {
            None => check_untouched(&out),
            Some(Ok(len)) => {
                assert!(!failed || out.is_empty());
                released.extend_from_slice(&out[..len]);
                check_untouched(&out[len..]);
                assert!(!ended || len == 0);
                ended |= len == 0 && !out.is_empty();
            }
            Some(Err(error)) => {
                assert!(!ended);
                check_untouched(&out);
                failed |= !is_of_source(&error);
            }
        }
        if choices.is_empty() {
            break;
        }
    }
    let whole = subject.is_whole(&subject.message);
    subject.check_released(&released, &subject.message);
    if ended {
        assert!(whole && !failed);
        assert!(released == PLAINTEXT || released == PLAINTEXT[1..]);
    }
}

/// One poll; `None` if it is not ready.
fn poll_read(reader: &mut (impl AsyncRead + Unpin), out: &mut [u8]) -> Option<io::Result<usize>> {
    let mut buffer = ReadBuf::new(out);
    let mut cx = Context::from_waker(Waker::noop());
    match Pin::new(reader).poll_read(&mut cx, &mut buffer) {
        Poll::Pending => None,
        Poll::Ready(result) => Some(result.map(|()| buffer.filled().len())),
    }
}

fn poll_up_to<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    (0..polls).find_map(|_| match future.as_mut().poll(&mut cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

impl AsyncRead for Flaky<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match io::Read::read(&mut *self, out.initialize_unfilled()) {
            Ok(len) => {
                out.advance(len);
                Poll::Ready(Ok(()))
            }
            Err(error) => pending_or(error),
        }
    }
}

impl AsyncWrite for Flaky<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        io::Write::write(&mut *self, bytes).map_or_else(pending_or, |len| Poll::Ready(Ok(len)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        io::Write::flush(&mut *self).map_or_else(pending_or, |()| Poll::Ready(Ok(())))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// This knows no interruption, and whoever blocks is pending.
fn pending_or<T>(error: io::Error) -> Poll<io::Result<T>> {
    match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => Poll::Pending,
        _ => Poll::Ready(Err(error)),
    }
}
