//! Sequences of calls that nobody makes on purpose: in any order, of any size, given up anywhere.

mod engine;
mod frames;
mod places;
#[cfg(feature = "tokio")]
mod polled;
mod shells;

use super::choices::Choices;
use super::fixed::{FRAME_LEN, FixedMessage, PLAINTEXT, SUITES, signed};
use crate::error::{ApiMisuse, Error};

/// Calls on everything that keeps a state between them. Nothing panics; no plaintext comes out that is not authentic;
/// who fails, fails from then on; nothing is called whole that is not; and what is behind the bytes that count as
/// written is as it was, or zero.
pub fn calls(data: &[u8]) {
    let mut choices = Choices::new(data);
    match choices.below(8) {
        0 => engine::encryptor(choices),
        1 | 2 => engine::decryptor(choices),
        3 => frames::frames(choices),
        4 => places::ranges(choices),
        5 => places::plaintext_at(choices),
        6 => shells::shells(choices),
        #[cfg(feature = "tokio")]
        _ => polled::polled(choices),
        #[cfg(not(feature = "tokio"))]
        _ => {}
    }
}

/// A message, good or edited, and what may come out of it.
struct Subject {
    message: Vec<u8>,
    whole: Vec<u8>,
    signed: bool,
}

impl Subject {
    /// Every fourth is signed; half of them are as they were sealed.
    fn choose(choices: &mut Choices<'_>) -> Self {
        let (suite, edited) = (choices.below(4), choices.flag());
        if suite == 3 {
            let mut message = signed().to_vec();
            if edited {
                choices.edit(&mut message, 3);
            }
            return Self { message, whole: signed().to_vec(), signed: true };
        }
        let sealed = FixedMessage::new(SUITES[suite], PLAINTEXT);
        let message = if edited { sealed.edited(choices.bytes(9)) } else { sealed.bytes.clone() };
        Self { message, whole: sealed.bytes, signed: false }
    }

    /// Whether these bytes are a message that somebody sealed. Parts of the other message, put in its place one by
    /// one, make that one.
    fn is_whole(&self, bytes: &[u8]) -> bool {
        bytes == self.whole || bytes == FixedMessage::other().bytes
    }

    /// Whole frames in order, and the last frame of a signed message only if its signature came, whatever came then.
    fn check_released(&self, released: &[u8], came: &[u8]) {
        let other = &PLAINTEXT[1..];
        let known = PLAINTEXT.starts_with(released) || other.starts_with(released);
        assert!(known, "{released:?}");
        if self.signed && !came.starts_with(&self.whole) {
            let before_last = PLAINTEXT.len() - PLAINTEXT.len() % frame_len();
            assert!(released.len() <= before_last, "{}", released.len());
        }
    }
}

fn frame_len() -> usize {
    usize::try_from(FRAME_LEN).expect("it is short")
}

/// A buffer in which one sees what was written.
fn sentinels(len: usize) -> Vec<u8> {
    vec![SENTINEL; len]
}

/// Nothing was written there, or it was taken back.
fn check_untouched(rest: &[u8]) {
    assert!(rest.iter().all(|byte| matches!(*byte, SENTINEL | 0)), "{rest:?}");
}

fn is_misuse(error: &Error) -> bool {
    matches!(error, Error::ApiMisuse(ApiMisuse::Order(_) | ApiMisuse::Poisoned))
}

/// In no plaintext here.
const SENTINEL: u8 = 0xa5;
/// More calls find nothing more, and take longer.
const MAX_CALLS: usize = 64;
