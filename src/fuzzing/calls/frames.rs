//! Calls on `SealFrames` and `OpenFrames`, for those who order frames themselves.

use super::super::choices::Choices;
use super::super::fixed::{FRAME_LEN, FixedKey, PLAINTEXT, lax};
use super::{MAX_CALLS, Subject, check_untouched, frame_len, sentinels};
use crate::encrypt::{Encryptor, encryptor};
use crate::message::FrameKind;
use crate::unlock::Locked;

pub(super) fn frames(mut choices: Choices<'_>) {
    if choices.flag() { seal(choices) } else { open(choices) }
}

/// Frames that were sealed in any order make a message in the right one; what no message can have is refused.
fn seal(mut choices: Choices<'_>) {
    let builder = encryptor(&FixedKey).frame_len(FRAME_LEN).expect("it is not 0");
    let parts = builder.now().and_then(Encryptor::into_frames).expect("all is allowed");
    let (mut message, mut footer) = (parts.header, parts.footer);
    for _ in 0..choices.below(8) {
        let number = u32::try_from(choices.number() % (1 << 32)).expect("it was cut");
        let kind = if choices.flag() { FrameKind::Regular } else { FrameKind::Final };
        let plaintext = vec![1; choices.below(40)];
        let right = parts.sealer.sealed_len(kind, plaintext.len());
        let mut out = sentinels(if choices.flag() { right } else { choices.size() });
        let allowed = number != 0
            && (kind == FrameKind::Final || number != u32::MAX)
            && (plaintext.len() == frame_len()
                || kind == FrameKind::Final && plaintext.len() < frame_len())
            && out.len() == right;
        // One key seals nothing else under the numbers that are used below.
        if number <= 4 && allowed {
            continue;
        }
        assert_eq!(parts.sealer.seal(number, kind, &plaintext, &mut out).is_ok(), allowed);
        if !allowed {
            check_untouched(&out);
        }
    }
    let pieces: Vec<_> = PLAINTEXT.chunks(frame_len()).collect();
    let mut sealed: Vec<_> = (1..).zip(&pieces).collect();
    sealed.rotate_left(choices.below(pieces.len()));
    let mut sealed: Vec<_> = sealed
        .into_iter()
        .map(|(number, plaintext)| {
            let is_last = usize::try_from(number).is_ok_and(|number| number == pieces.len());
            let kind = if is_last { FrameKind::Final } else { FrameKind::Regular };
            let mut out = sentinels(parts.sealer.sealed_len(kind, plaintext.len()));
            parts.sealer.seal(number, kind, plaintext, &mut out).expect("it fits");
            (number, out)
        })
        .collect();
    sealed.sort_unstable();
    for (_, frame) in &sealed {
        for piece in frame.chunks(choices.size() + 1) {
            footer.update(piece);
        }
        message.extend_from_slice(frame);
    }
    let footer = footer.finish().expect("there is randomness");
    assert!(crate::decrypt(&message, &FixedKey).now().is_err());
    message.extend_from_slice(&footer);
    let opened = crate::decrypt(&message, &FixedKey).now().expect("it is whole");
    assert_eq!(opened.plaintext(), PLAINTEXT);
}

/// A frame opens only under its number, as its kind, from exactly its bytes.
fn open(mut choices: Choices<'_>) {
    let subject = Subject::choose(&mut choices);
    let whole = &subject.whole[..];
    let (locked, header_len) = Locked::read(whole, lax()).expect("it is as it was sealed");
    let unlocked = locked.unlock(&FixedKey).now();
    let parts = unlocked.and_then(|it| it.into_frames()).expect("it is as it was sealed");
    let sealed_len = frame_len() + FrameKind::Regular.overhead();
    let last = PLAINTEXT.len() / frame_len();
    let last_len = PLAINTEXT.len() % frame_len() + FrameKind::Final.overhead();
    let place = |number: usize| {
        let start = header_len + (number - 1) * sealed_len;
        start..start + if number > last { last_len } else { sealed_len }
    };
    for _ in 0..MAX_CALLS.min(choices.below(20)) {
        let of = choices.below(last + 1) + 1;
        let number = if choices.flag() { of } else { choices.below(6) };
        let is_final = if choices.flag() { of > last } else { choices.flag() };
        let kind = if is_final { FrameKind::Final } else { FrameKind::Regular };
        let mut frame = whole[place(of)].to_vec();
        if choices.flag() {
            choices.edit(&mut frame, 2);
        }
        let plaintext = PLAINTEXT.chunks(frame_len()).nth(of - 1).expect("it is one of them");
        let mut out = sentinels(if choices.flag() { plaintext.len() } else { choices.below(40) });
        let right = number == of
            && is_final == (of > last)
            && frame == whole[place(of)]
            && out.len() == plaintext.len();
        let number = u32::try_from(number).expect("it is small");
        match parts.opener.open(number, kind, &frame, &mut out) {
            Ok(()) => assert!(right && out == plaintext),
            Err(error) => {
                assert!(!right, "{error:?}");
                check_untouched(&out);
            }
        }
    }
    let mut footer = parts.footer;
    let (frames, end) = whole.split_at(place(last + 1).end);
    let (mut taken, mut end) = (frames[header_len..].to_vec(), end.to_vec());
    if choices.flag() {
        choices.edit(&mut taken, 1);
        choices.edit(&mut end, 1);
    }
    taken.chunks(choices.size() + 1).for_each(|piece| footer.update(piece));
    let all_there = taken == frames[header_len..] && end == whole[frames.len()..];
    assert_eq!(
        footer.finish(&end).is_ok(),
        if subject.signed { all_there } else { end.is_empty() }
    );
}
