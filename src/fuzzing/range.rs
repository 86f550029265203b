//! Ranges against streams.

use super::choices::Choices;
use super::fixed::{FixedKey, FixedMessage, PLAINTEXT, SUITES, lax, signed};
use crate::error::{Error, PolicyError, Stage};
use crate::io::at::DecryptAt;
use crate::message::to_u64;

/// Ranges of arbitrary bytes, and of edits of good messages: whatever comes out is what the stream has at that place,
/// and what opens at all places, the stream opens.
pub fn range(data: &[u8]) {
    let mut choices = Choices::new(data);
    let choice = usize::from(choices.byte());
    let data = choices.rest();
    check_ranges(data, None, choice);
    let sealed = FixedMessage::new(SUITES[choice % SUITES.len()], PLAINTEXT);
    check_ranges(&sealed.edited(data), Some(PLAINTEXT), choice);
    if choice % 4 == 3 {
        let mut message = signed().to_vec();
        Choices::new(data).edit(&mut message, 4);
        check_ranges(&message, Some(PLAINTEXT), choice);
    }
}

/// If the edited bytes of a message are still good in some place, `plaintext` is what may come out there; another message
/// of the same key has the same but its first byte.
fn check_ranges(message: &[u8], plaintext: Option<&[u8]>, choice: usize) {
    let whole = crate::decrypt(message, &FixedKey).policy(lax()).now();
    let opened = DecryptAt::open_with(message, lax())
        .and_then(|locked| locked.without_verifying_signature().unlock(&FixedKey).now());
    let at = match opened {
        Ok(at) => at.cache_len(choice),
        Err(error) => {
            let unframed = matches!(error, Error::Policy(PolicyError::RangeOfUnframedMessage));
            let told = !matches!(error, Error::ApiMisuse(_) | Error::Backend(_));
            assert!(told && (unframed || whole.is_err()), "{error:?} {whole:?}");
            return;
        }
    };
    let len = usize::try_from(at.len()).expect("it is not longer than its message");
    assert!(len <= message.len());
    let mut all_open = true;
    for (start, step) in [(0, len), (len / 2, choice + 1), (0, choice % 21 + 1)] {
        for start in (start..len).step_by(step.max(1)) {
            let end = start.saturating_add(step).min(len);
            let mut out = vec![1; end - start];
            match at.read_exact_at(&mut out, to_u64(start)) {
                Ok(()) => {
                    if let Ok(opened) = &whole {
                        assert_eq!(out, opened.plaintext()[start..end]);
                    }
                    if let Some(plaintext) = plaintext {
                        let is_part = |of: &[u8]| of.get(start..end) == Some(&out);
                        assert!(is_part(plaintext) || is_part(&plaintext[1..]));
                    }
                }
                Err(error) => {
                    let told = matches!(error, Error::InvalidMessage(_) | Error::Unauthentic(_));
                    assert!(told && whole.is_err(), "{error:?}");
                    assert!(out.iter().all(|byte| *byte == 0));
                    all_open = false;
                }
            }
        }
    }
    if all_open {
        let unsigned = !matches!(whole, Err(Error::Unauthentic(Stage::Signature)));
        assert_eq!(whole.is_ok(), unsigned, "{whole:?}");
        assert!(whole.is_ok() || at.header().suite().signs());
    }
}
