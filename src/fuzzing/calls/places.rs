//! Calls on `FinalFrame`, `RangeOpener`, `DecryptAt` and `PlaintextReader`.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use super::super::choices::Choices;
use super::super::fixed::{FixedKey, PLAINTEXT, lax};
use super::{MAX_CALLS, Subject, check_untouched, sentinels};
use crate::error::Error;
use crate::io::at::{DecryptAt, ReadAt};
use crate::message::to_u64;
use crate::range::RangeOpener;
use crate::unlock::Locked;

/// Whatever is asked for and whatever is given for it: only the truth at its place comes out.
pub(super) fn ranges(mut choices: Choices<'_>) {
    let subject = Subject::choose(&mut choices);
    let Some(opener) = opener(&subject, &mut choices) else { return };
    assert_eq!(opener.plaintext_len(), to_u64(PLAINTEXT.len()));
    let signed = Subject::choose(&mut choices);
    let other = self::opener(&signed, &mut choices);
    for _ in 0..MAX_CALLS {
        if choices.is_empty() {
            break;
        }
        let range = choices.number()..choices.number();
        let possible = range.start <= range.end && range.end <= opener.plaintext_len();
        let plan = opener.plan(range.clone());
        assert_eq!(plan.is_ok(), possible);
        let Ok(plan) = plan else { continue };
        let foreign = other.as_ref().and_then(|other| other.plan(range.clone()).ok());
        let plan = if choices.below(8) == 0 { foreign.unwrap_or(plan) } else { plan };
        let mut ciphertext = cut(&subject.message, &plan.ciphertext());
        if choices.flag() {
            choices.edit(&mut ciphertext, 1);
        }
        let wrong_len = choices.below(8) == 0;
        let len = usize::try_from(plan.plaintext_len()).expect("it is short");
        let mut out = sentinels(if wrong_len { choices.size() } else { len });
        match opener.open(&plan, &ciphertext, &mut out) {
            Ok(()) => check_truth(&out, range.start),
            Err(_) => check_untouched(&out),
        }
    }
}

fn opener(subject: &Subject, choices: &mut Choices<'_>) -> Option<RangeOpener> {
    let message = &subject.message[..];
    let (locked, _) = Locked::read(message, lax()).ok()?;
    let decryptor = locked.unlock(&FixedKey).now().ok()?;
    let len = if choices.below(4) == 0 { choices.number() } else { to_u64(message.len()) };
    let last = if choices.below(4) == 0 {
        decryptor.into_ranges(len)
    } else {
        decryptor.into_ranges_without_verifying_signature(len)
    };
    let last = last.ok()?;
    let mut ciphertext = cut(message, &last.ciphertext());
    if choices.below(4) == 0 {
        choices.edit(&mut ciphertext, 1);
    }
    let opener = last.open(&ciphertext).ok()?;
    // The other message, put in the place of this one, is a byte shorter. No other length opens.
    assert!(to_u64(PLAINTEXT.len()) - opener.plaintext_len() <= 1);
    (opener.plaintext_len() == to_u64(PLAINTEXT.len())).then_some(opener)
}

/// Reads and seeks, on a source that gives little, fails at times, and changes meanwhile.
pub(super) fn plaintext_at(mut choices: Choices<'_>) {
    let subject = Subject::choose(&mut choices);
    let source = Source { bytes: subject.message, mood: Cell::new(choices.split().rest()) };
    let locked = match DecryptAt::open_with(&source, lax()) {
        Ok(locked) => locked.without_verifying_signature(),
        Err(_) => return,
    };
    let Ok(at) = locked.unlock(&FixedKey).now() else { return };
    let at = if choices.flag() { at } else { at.cache_len(choices.size()) };
    let len = to_u64(PLAINTEXT.len());
    if at.len() != len {
        // The other message, which is a byte shorter, put in the place of this one.
        assert_eq!(at.len(), len - 1);
        return;
    }
    let (mut reader, mut position) = (at.reader(), 0);
    for _ in 0..MAX_CALLS {
        if choices.is_empty() {
            break;
        }
        let mut out = sentinels(choices.size());
        let offset = choices.number();
        match choices.below(5) {
            0 => match at.read_at(&mut out, offset) {
                Ok(read) => check_read(&out, offset, read),
                Err(_) => check_untouched(&out),
            },
            1 => match at.read_exact_at(&mut out, offset) {
                Ok(()) => check_truth(&out, offset),
                Err(_) => check_untouched(&out),
            },
            2 => {
                let end = choices.number();
                match at.read_range(offset..end) {
                    Ok(read) => {
                        assert_eq!(to_u64(read.len()), end - offset);
                        check_truth(&read, offset);
                    }
                    Err(Error::ApiMisuse(_)) => assert!(offset > end || end > len),
                    Err(_) => {}
                }
            }
            3 => {
                let by = i64::from_be_bytes(offset.to_be_bytes());
                let to = match choices.below(3) {
                    0 => SeekFrom::Start(offset),
                    1 => SeekFrom::End(by),
                    _ => SeekFrom::Current(by),
                };
                match reader.seek(to) {
                    Ok(now) => position = now,
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::InvalidInput),
                }
            }
            _ => match reader.read(&mut out) {
                Ok(read) => {
                    check_read(&out, position, read);
                    position += to_u64(read);
                }
                Err(_) => check_untouched(&out),
            },
        }
        assert_eq!(reader.stream_position().expect("it is there"), position);
    }
}

/// Bytes with a mood for each read.
struct Source<'a> {
    bytes: Vec<u8>,
    mood: Cell<&'a [u8]>,
}

impl ReadAt for Source<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mood = self.mood.get().split_first();
        let mood = mood.map_or(0xff, |(mood, rest)| {
            self.mood.set(rest);
            *mood
        });
        match mood {
            0..=3 => Err(io::ErrorKind::Interrupted.into()),
            4..=6 => Err(io::ErrorKind::PermissionDenied.into()),
            7 => Ok(0),
            8 => {
                buffer.fill(8);
                Ok(buffer.len())
            }
            _ => {
                let len = buffer.len().min(usize::from(mood) * 8);
                self.bytes.as_slice().read_at(&mut buffer[..len], offset)
            }
        }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(to_u64(self.bytes.len()))
    }
}

/// What stands there, as far as there is something.
fn cut(message: &[u8], range: &Range<u64>) -> Vec<u8> {
    let index = |offset| usize::try_from(offset).unwrap_or(usize::MAX).min(message.len());
    message[index(range.start)..index(range.end)].to_vec()
}

fn check_read(out: &[u8], offset: u64, read: usize) {
    let left = to_u64(PLAINTEXT.len()).saturating_sub(offset);
    assert_eq!(to_u64(read), left.min(to_u64(out.len())));
    if read > 0 {
        check_truth(&out[..read], offset);
    }
    check_untouched(&out[read..]);
}

fn check_truth(found: &[u8], offset: u64) {
    let start = usize::try_from(offset).expect("it is in the plaintext");
    assert_eq!(found, &PLAINTEXT[start..start + found.len()]);
}
