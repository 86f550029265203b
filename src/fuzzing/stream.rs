//! One message through a decryptor, in pieces.

use std::num::NonZeroUsize;

use super::fixed::{FixedKey, lax};
use crate::decrypt::Decryptor;
use crate::error::Error;
use crate::unlock::{HeaderReader, Locked};

/// Decrypts in pieces of `step` bytes to a buffer of `room`; gives all that came out.
pub(super) fn stream(message: &[u8], step: usize, room: usize) -> (Vec<u8>, Result<(), Error>) {
    stream_on(NonZeroUsize::MIN, message, step, room)
}

pub(super) fn stream_on(
    threads: NonZeroUsize,
    message: &[u8],
    step: usize,
    room: usize,
) -> (Vec<u8>, Result<(), Error>) {
    let mut released = Vec::new();
    let result = try_stream(threads, message, step, room, &mut released);
    (released, result)
}

fn try_stream(
    threads: NonZeroUsize,
    message: &[u8],
    step: usize,
    room: usize,
    released: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut reader = HeaderReader::new(lax());
    let mut start = 0;
    while !reader.is_complete() && start < message.len() {
        let end = start.saturating_add(step).min(message.len());
        start += reader.push(&message[start..end])?;
    }
    let locked: Locked = reader.finish()?;
    let mut decryptor: Decryptor = locked.unlock(&FixedKey).threads(threads).now()?;
    let mut buffer = vec![0; room];
    loop {
        let end = start.saturating_add(step).min(message.len());
        buffer.fill(0);
        let result = decryptor.update(&message[start..end], &mut buffer);
        let written = result.as_ref().map_or(0, |progress| progress.written);
        released.extend_from_slice(&buffer[..written]);
        assert!(buffer[written..].iter().all(|byte| *byte == 0));
        let progress = match result {
            Ok(progress) => progress,
            Err(error) => {
                assert!(decryptor.update(&[], &mut buffer).is_err());
                assert!(decryptor.finish().is_err());
                return Err(error);
            }
        };
        start += progress.read;
        if progress.written == 0 && start == message.len() {
            return decryptor.finish().map(|_| ());
        }
    }
}
