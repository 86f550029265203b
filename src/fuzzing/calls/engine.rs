//! Calls on the engine: `Encryptor`, `HeaderReader`, `Decryptor`.

use std::num::NonZeroUsize;

use super::super::choices::Choices;
use super::super::fixed::{FixedKey, lax, policy_for};
use super::{MAX_CALLS, Subject, check_untouched, is_misuse, sentinels};
use crate::encrypt;
use crate::error::{ApiMisuse, Error};
use crate::suite::AlgorithmSuite;
use crate::unlock::HeaderReader;

pub(super) fn encryptor(mut choices: Choices<'_>) {
    let suite = AlgorithmSuite::ALL[choices.below(AlgorithmSuite::ALL.len())];
    let frame_len = u32::try_from(choices.size()).expect("it is short") + 1;
    let builder = encrypt::encryptor(&FixedKey).suite(suite).policy(policy_for(suite));
    let mut builder =
        builder.frame_len(frame_len).expect("it is not 0").threads(threads(&mut choices));
    let bound = choices.flag().then(|| choices.number());
    if let Some(bound) = bound {
        builder = builder.plaintext_bound(bound);
    }
    let mut encryptor = builder.now().expect("all is allowed");
    let (mut plaintext, mut message) = (Vec::new(), Vec::new());
    let (mut closed, mut failed) = (false, false);
    for _ in 0..MAX_CALLS {
        if choices.is_empty() {
            break;
        }
        let (finish, room) = (choices.below(4) == 0, choices.size());
        let mut buffer = sentinels(room);
        let input = vec![choices.byte(); choices.size()];
        let was_finished = encryptor.is_finished();
        let result = if finish {
            encryptor.finish(&mut buffer).map(|written| (0, written))
        } else {
            encryptor.update(&input, &mut buffer).map(|progress| (progress.read, progress.written))
        };
        match result {
            Ok((read, written)) => {
                assert!(!failed && (finish || !closed));
                assert!(finish || read == input.len() || written == room);
                assert!(!was_finished || written == 0);
                plaintext.extend_from_slice(&input[..read]);
                message.extend_from_slice(&buffer[..written]);
                check_untouched(&buffer[written..]);
                // From the first call with room on, nothing more is taken; before it, the header waits.
                closed |= finish && (encryptor.is_finished() || written < room);
            }
            Err(Error::ApiMisuse(ApiMisuse::Order(_))) => {
                closed = true;
                assert!(!finish && !failed);
            }
            Err(error) => {
                let too_long = bound.is_some_and(|bound| {
                    bound < u64::try_from(plaintext.len() + input.len()).expect("they are few")
                });
                assert!(failed || too_long, "{error:?}");
                failed = true;
            }
        }
    }
    assert!(!(failed && encryptor.is_finished()));
    let opened = crate::decrypt(&message, &FixedKey).policy(policy_for(suite)).now();
    if encryptor.is_finished() {
        assert_eq!(opened.expect("it is whole").plaintext(), plaintext);
    } else {
        assert!(opened.is_err());
    }
}

pub(super) fn decryptor(mut choices: Choices<'_>) {
    let subject = Subject::choose(&mut choices);
    let message = &subject.message[..];
    let mut reader = HeaderReader::new(lax());
    let (mut at, mut calls) = (0, 0);
    while !reader.is_complete() {
        let end = (at + choices.size()).min(message.len());
        match reader.push(&message[at..end]) {
            Ok(taken) => at += taken,
            Err(_) => return,
        }
        calls += 1;
        if calls > MAX_CALLS || choices.below(32) == 31 {
            assert!(reader.is_complete() || reader.finish().is_err());
            return;
        }
    }
    assert_eq!(reader.push(&message[at..]).expect("it takes no more"), 0);
    let Ok(locked) = reader.finish() else { panic!("it was complete") };
    let unlock = locked.unlock(&FixedKey).threads(threads(&mut choices));
    let Ok(mut decryptor) = unlock.now() else {
        assert!(!subject.is_whole(message));
        return;
    };
    let (mut fed, mut released) = (message[..at].to_vec(), Vec::new());
    // An error behind authentic frames waits for the next call.
    let (mut failed, mut unread) = (false, false);
    for _ in 0..MAX_CALLS {
        let input = match choices.below(16) {
            // What stands elsewhere in the message, or nowhere.
            0 => &message[choices.size().min(message.len())..],
            1 => choices.bytes(20),
            2 => &[],
            _ => {
                let start = fed.len().min(message.len());
                &message[start..(start + choices.size()).min(message.len())]
            }
        };
        let mut buffer = sentinels(choices.size());
        match decryptor.update(input, &mut buffer) {
            Ok(progress) => {
                assert!(!failed);
                fed.extend_from_slice(&input[..progress.read]);
                unread = progress.read < input.len();
                released.extend_from_slice(&buffer[..progress.written]);
                check_untouched(&buffer[progress.written..]);
            }
            Err(error) => {
                assert!(!failed || is_misuse(&error), "{error:?}");
                failed = true;
                check_untouched(&buffer);
            }
        }
        subject.check_released(&released, &fed);
        if choices.is_empty() || choices.below(16) == 15 {
            break;
        }
    }
    match decryptor.finish() {
        Ok(_) => {
            assert!(!failed && subject.is_whole(&fed));
            let len = if fed == subject.whole { 0 } else { 1 };
            assert_eq!(released, super::PLAINTEXT[len..]);
        }
        Err(error) => {
            let waiting = matches!(error, Error::ApiMisuse(ApiMisuse::Order(_)));
            assert!(failed || waiting || unread || !subject.is_whole(&fed), "{error:?}");
        }
    }
}

fn threads(choices: &mut Choices<'_>) -> NonZeroUsize {
    let more = choices.below(3);
    NonZeroUsize::MIN.saturating_add(if choices.below(8) == 0 { more } else { 0 })
}
