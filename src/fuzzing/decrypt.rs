//! Whole messages: every way to decrypt says the same, and nothing but the truth.

use std::num::NonZeroUsize;

use super::choices::Choices;
use super::fixed::{FRAME_LEN, FixedKey, FixedMessage, PLAINTEXT, SUITES, lax, policy_for, signed};
use super::stream::{stream, stream_on};
use crate::context::EncryptionContext;
use crate::encrypt::encryptor;
use crate::error::Error;
use crate::message::{FrameLayout, to_u64};
use crate::suite::AlgorithmSuite;

/// Whole messages: arbitrary bytes, and edits of good ones, signed ones, too. All ways to decrypt agree.
pub fn decrypt(data: &[u8]) {
    let mut choices = Choices::new(data);
    let choice = usize::from(choices.byte());
    let data = choices.rest();
    agree(data, choice + 1);
    let sealed = FixedMessage::new(SUITES[choice % SUITES.len()], PLAINTEXT);
    let edited = sealed.edited(data);
    agree(&edited, choice + 1);
    sealed.check(&edited, choice + 1);
    if choice % 4 == 3 {
        signed_message(choices, choice + 1);
    }
}

/// The final frame of a signed message comes out only behind its signature.
fn signed_message(mut choices: Choices<'_>, step: usize) {
    let mut message = signed().to_vec();
    choices.edit(&mut message, 4);
    agree(&message, step);
    let (released, result) = stream(&message, step, 64);
    assert_eq!(result.is_ok(), message == signed());
    assert!(PLAINTEXT.starts_with(&released));
    let final_len = PLAINTEXT.len() % usize::try_from(FRAME_LEN).expect("it is short");
    let verified = message.starts_with(signed());
    assert!(verified || released.len() <= PLAINTEXT.len() - final_len, "{}", released.len());
}

/// Edits of good messages on several threads and on one: the same comes out, and the same is said.
///
/// Jobs are a few frames here, so that short messages have several.
pub fn parallel(data: &[u8]) {
    let mut choices = Choices::new(data);
    let plaintext = PLAINTEXT.repeat(choices.below(8) + 1);
    let step = usize::from(choices.byte());
    let sealed = FixedMessage::new(SUITES[step % SUITES.len()], &plaintext);
    let edited = sealed.edited(choices.rest());
    let step = if step == 0 { usize::MAX } else { step * 4 };
    for room in [200, 10_000] {
        let (released, result) = stream(&edited, step, room);
        let threads = NonZeroUsize::new(3).expect("it is not 0");
        let (found, on_threads) = stream_on(threads, &edited, step, room);
        assert_eq!(found, released);
        assert_eq!(
            on_threads.map_err(|error| error.to_string()),
            result.map_err(|error| error.to_string())
        );
        if edited == sealed.bytes {
            assert_eq!(found, plaintext);
        }
        let encryptor = encryptor(&FixedKey).suite(sealed.suite).policy(policy_for(sealed.suite));
        let encryptor = encryptor.frame_len(FRAME_LEN).expect("it is not 0").threads(threads);
        let mut encryptor = encryptor.now().expect("all is allowed");
        let mut message = vec![0; plaintext.len() * 4 + 1000];
        let progress = encryptor.update(&plaintext, &mut message).expect("it is open");
        let end = encryptor.finish(&mut message[progress.written..]).expect("there is room");
        assert!(encryptor.is_finished());
        let (found, whole) = stream(&message[..progress.written + end], step, room);
        assert!(whole.is_ok() && found == plaintext);
    }
}

/// Any suite, lengths and pieces: what goes in comes out.
pub fn roundtrip(data: &[u8]) {
    let mut choices = Choices::new(data);
    let suite = AlgorithmSuite::ALL[choices.below(AlgorithmSuite::ALL.len())];
    let frame_len = u32::from(choices.byte()) * (u32::from(choices.byte()) + 1) + 1;
    let (step, room) = (usize::from(choices.byte()) + 1, usize::from(choices.byte()) + 1);
    let plaintext = choices.rest();
    let policy = policy_for(suite);
    let context = EncryptionContext::from([("k", String::from_utf8_lossy(plaintext))]);
    let mut encryptor = encryptor(&FixedKey)
        .suite(suite)
        .policy(policy.clone())
        .frame_len(frame_len)
        .expect("it is not 0")
        .context(context.clone())
        .now()
        .expect("all is allowed");
    let (mut message, mut buffer) = (Vec::new(), vec![0; room]);
    for piece in plaintext.chunks(step) {
        let mut rest = piece;
        while !rest.is_empty() {
            let progress = encryptor.update(rest, &mut buffer).expect("it is open");
            assert!(progress.read == rest.len() || progress.written == room);
            rest = &rest[progress.read..];
            message.extend_from_slice(&buffer[..progress.written]);
        }
    }
    while !encryptor.is_finished() {
        let written = encryptor.finish(&mut buffer).expect("it is open");
        message.extend_from_slice(&buffer[..written]);
    }
    let layout = FrameLayout::new(encryptor.header().len(), frame_len).expect("it is not 0");
    let unsigned_len = layout.message_len(to_u64(plaintext.len())).expect("it is short");
    assert_eq!(unsigned_len == to_u64(message.len()), !suite.signs());
    assert_eq!(layout.plaintext_len(unsigned_len), Some(to_u64(plaintext.len())));
    let (released, result) = stream(&message, step, room);
    assert_eq!(released, plaintext);
    result.expect("it is whole");
    let opened = crate::decrypt(&message, &FixedKey).policy(policy).require(context).now();
    assert_eq!(opened.expect("it is whole").plaintext(), plaintext);
}

/// All ways to decrypt say the same about these bytes.
fn agree(message: &[u8], step: usize) {
    let whole = crate::decrypt(message, &FixedKey).policy(lax()).now();
    for (step, room) in [(step, 64), (1, 1), (usize::MAX, 4096)] {
        let (released, result) = stream(message, step, room);
        match (&whole, result) {
            (Ok(opened), Ok(())) => assert_eq!(opened.plaintext(), released),
            (Err(a), Err(b)) => {
                assert_eq!(a.to_string(), b.to_string());
                assert!(!matches!(a, Error::ApiMisuse(_) | Error::Backend(_)), "{a:?}");
            }
            (a, b) => panic!("at once: {a:?}, pieces of {step}: {b:?}"),
        }
    }
}
