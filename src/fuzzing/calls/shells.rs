//! Calls on the readers and writers for `std::io`, between others that give little and fail at times.

use std::io::{self, ErrorKind, Read, Write};

use super::super::choices::Choices;
use super::super::fixed::{FRAME_LEN, FixedKey, PLAINTEXT, lax};
use super::{MAX_CALLS, Subject, check_untouched, sentinels};
use crate::encrypt::{Encryptor, encryptor};
use crate::io::std::{DecryptReader, EncryptReader, EncryptWriter};
use crate::suite::AlgorithmSuite;

pub(super) fn shells(mut choices: Choices<'_>) {
    match choices.below(3) {
        0 => writer(choices),
        1 => encrypt_reader(choices),
        _ => decrypt_reader(choices),
    }
}

fn writer(mut choices: Choices<'_>) {
    let sink = Flaky { bytes: Vec::new(), at: 0, mood: choices.split() };
    let mut writer = EncryptWriter::new(small_frames(), sink);
    let (mut plaintext, mut finished) = (Vec::new(), false);
    for _ in 0..MAX_CALLS {
        if choices.is_empty() {
            break;
        }
        match choices.below(8) {
            0 => drop(writer.flush()),
            1 => {
                finished |= writer.try_finish().is_ok();
                // It has begun to end, whatever came of it.
                assert!(writer.write(b"more").is_err() || !finished);
                break;
            }
            _ => {
                let piece = vec![choices.byte(); choices.size()];
                if let Ok(len) = writer.write(&piece) {
                    assert!(len > 0 || piece.is_empty());
                    plaintext.extend_from_slice(&piece[..len]);
                }
            }
        }
    }
    // What failed in passing goes on where it was.
    for _ in 0..MAX_CALLS {
        finished = finished || choices.flag() && writer.try_finish().is_ok();
    }
    let message = &writer.get_ref().bytes;
    let opened = crate::decrypt(message, &FixedKey).now();
    if finished {
        assert_eq!(opened.expect("it is whole").plaintext(), plaintext);
    } else if let Ok(opened) = opened {
        // All was written before the sink failed to flush.
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
        match reader.read(&mut out) {
            Ok(len) => {
                assert!(!ended || len == 0);
                message.extend_from_slice(&out[..len]);
                ended |= len == 0 && !out.is_empty();
            }
            Err(_) => assert!(!ended),
        }
        if choices.is_empty() {
            break;
        }
    }
    let opened = crate::decrypt(&message, &FixedKey).now();
    match opened {
        Ok(opened) => assert_eq!(opened.plaintext(), plaintext),
        Err(_) => assert!(!ended),
    }
}

fn decrypt_reader(mut choices: Choices<'_>) {
    let subject = Subject::choose(&mut choices);
    let source = Flaky { bytes: subject.message.clone(), at: 0, mood: choices.split() };
    let Ok(locked) = DecryptReader::open_with(source, lax()) else { return };
    let Ok(mut reader) = locked.unlock(&FixedKey).now() else {
        assert!(!subject.is_whole(&subject.message));
        return;
    };
    let (mut released, mut ended, mut failed) = (Vec::new(), false, false);
    for _ in 0..MAX_CALLS {
        let mut out = sentinels(choices.size());
        match reader.read(&mut out) {
            Ok(len) => {
                assert!(!failed || out.is_empty());
                released.extend_from_slice(&out[..len]);
                check_untouched(&out[len..]);
                assert!(!ended || len == 0);
                ended |= len == 0 && !out.is_empty();
            }
            Err(error) => {
                assert!(!ended);
                check_untouched(&out);
                // What the source could not do may work the next time; what is wrong with the message may not.
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

pub(super) fn small_frames() -> Encryptor {
    let builder = encryptor(&FixedKey).frame_len(FRAME_LEN).expect("it is not 0");
    let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
    builder.suite(suite).now().expect("all is allowed")
}

/// Whether a [`Flaky`] one failed, rather than what reads from it.
pub(super) fn is_of_source(error: &io::Error) -> bool {
    error.get_ref().is_none()
}

/// Gives and takes a few bytes at once, or fails, as it likes.
pub(super) struct Flaky<'a> {
    pub(super) bytes: Vec<u8>,
    pub(super) at: usize,
    pub(super) mood: Choices<'a>,
}

impl Flaky<'_> {
    pub(super) fn room(&mut self, len: usize) -> io::Result<usize> {
        match self.mood.byte() {
            // Nothing is left to say: it works.
            0 => Ok(len),
            1..=7 => Err(ErrorKind::Interrupted.into()),
            8..=15 => Err(ErrorKind::WouldBlock.into()),
            16..=18 => Err(ErrorKind::PermissionDenied.into()),
            mood => Ok(len.min(usize::from(mood) - 18)),
        }
    }
}

impl Read for Flaky<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.bytes.len() - self.at;
        let len = self.room(out.len().min(left))?;
        out[..len].copy_from_slice(&self.bytes[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

impl Write for Flaky<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.room(bytes.len())?;
        self.bytes.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.room(0).map(drop)
    }
}
