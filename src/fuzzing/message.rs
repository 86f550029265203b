//! The parsers of messages, against a second reading of the format.

use super::choices::Choices;
use super::fixed::{FixedMessage, PLAINTEXT, SUITES, lax, policy_for, signed_frames};
use super::second_reading::{
    Reading, SecondHeader, read_footer as second_footer, read_frames as second_frames,
    read_header as second_header, read_unframed_prefix as second_unframed,
};
use super::stream::stream;
use crate::error::{Error, InvalidMessage, PolicyError};
use crate::message::body::{FramePrefix, UnframedPrefix, framed_plaintext_len};
use crate::message::footer::{encode_footer, read_footer};
use crate::message::header::{HeaderParser, ReadHeader};
use crate::message::{ContentType, FrameKind, Header, to_u64};
use crate::policy::Policy;

/// Header, body and footer of arbitrary bytes: this crate and a second reading come to the same verdict, and find
/// the same fields at the same places. What was read survives the way back through bytes.
///
/// And behind a good header: arbitrary bytes never open, edits of good frames only where they are as they were.
pub fn message(data: &[u8]) {
    let mut choices = Choices::new(data);
    let (kind, step) = (choices.byte(), usize::from(choices.byte()) + 1);
    let data = choices.rest();
    match kind % 8 {
        0 => body_of_one_header(data, kind, step),
        1 => footer_of_one_message(data, step),
        2 => {
            footer(data);
            unframed(data);
            for frame_len in [1, 16, u32::MAX] {
                frames(data, frame_len);
            }
        }
        _ => whole(data, step),
    }
}

fn whole(data: &[u8], step: usize) {
    let policy = Policy::default().max_encrypted_data_keys(u16::MAX).max_header_len(usize::MAX);
    let second = second_header(data);
    let read = read_header(data, &policy, usize::MAX);
    match (&second, &read) {
        (Reading::Whole(second, second_len), Ok((read, len))) => {
            assert_eq!(second_len, len);
            same_header(second, read);
        }
        (Reading::Incomplete, Err(Error::InvalidMessage(error))) => {
            assert!(error.is_truncation(), "{error} where more could help");
        }
        // What is wrong already may be told later, when its part is whole.
        (Reading::Malformed, Err(Error::InvalidMessage(error))) => within(error, data),
        (second, read) => panic!("{second:?} {read:?}"),
    }
    in_pieces(data, &policy, step, &read);
    let tight = Policy::default().max_encrypted_data_keys(2).max_header_len(300);
    let limited = read_header(data, &tight, usize::MAX);
    in_pieces(data, &tight, step, &limited);
    match (&second, &limited) {
        (Reading::Whole(second, len), limited) => {
            let allowed = second.encrypted_data_keys.len() <= 2 && *len <= 300;
            assert_eq!(limited.is_ok(), allowed, "{limited:?}");
        }
        (_, Ok(read)) => panic!("{read:?}"),
        (_, Err(Error::InvalidMessage(_))) => {}
        (_, Err(Error::Policy(error))) => assert!(matches!(
            error,
            PolicyError::HeaderLen { .. } | PolicyError::TooManyEncryptedDataKeys { .. }
        )),
        (_, Err(error)) => panic!("{error:?}"),
    }
    let Ok((read, len)) = read else { return };
    written_again(&read, len, data, &policy);
    let body = &data[len..];
    match read.header.content_type {
        ContentType::Unframed => unframed(body),
        ContentType::Framed { frame_len } => {
            if let Some(end) = frames(body, frame_len) {
                footer(&body[end..]);
            }
        }
    }
}

fn same_header(second: &SecondHeader, read: &ReadHeader) {
    let SecondHeader {
        version,
        suite,
        message_id,
        context,
        encrypted_data_keys,
        frame_len,
        commitment,
        body_len,
        iv,
        tag,
    } = second;
    let ReadHeader { header, auth, bytes: _, body_len: read_body_len } = read;
    assert_eq!((*version, *suite), (header.version().to_byte(), header.suite.id()));
    assert_eq!(*message_id, header.message_id);
    let pairs = context.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    assert!(pairs.eq(header.context.iter()));
    let keys = header.encrypted_data_keys.iter();
    let keys = keys.map(|edk| [edk.provider_id(), edk.provider_info(), edk.ciphertext()]);
    assert!(keys.eq(encrypted_data_keys.iter().map(|edk| edk.each_ref().map(Vec::as_slice))));
    let content_type = match frame_len {
        None => ContentType::Unframed,
        Some(frame_len) => ContentType::Framed { frame_len: *frame_len },
    };
    assert_eq!(content_type, header.content_type);
    assert_eq!(commitment.as_deref(), header.commitment.as_ref().map(<[u8; 32]>::as_slice));
    assert_eq!(body_len, read_body_len);
    assert_eq!((iv.as_deref().unwrap_or(&[0; 12]), &tag[..]), (&auth.iv[..], &auth.tag[..]));
}

/// A header in pieces is what it is as a whole.
fn in_pieces(
    data: &[u8],
    policy: &Policy,
    step: usize,
    whole: &Result<(ReadHeader, usize), Error>,
) {
    for step in [1, step] {
        match (whole, read_header(data, policy, step)) {
            (Ok((a, a_len)), Ok((b, b_len))) => {
                assert_eq!(*a_len, b_len);
                assert_eq!((&a.header, &a.auth, &a.bytes), (&b.header, &b.auth, &b.bytes));
                assert_eq!(a.body_len, b.body_len);
            }
            (Err(a), Err(b)) => assert_eq!(a.to_string(), b.to_string()),
            (a, b) => panic!("one piece: {a:?}, pieces of {step}: {b:?}"),
        }
    }
}

fn written_again(read: &ReadHeader, len: usize, data: &[u8], policy: &Policy) {
    assert_eq!(read.bytes, data[..len]);
    assert_eq!(read.header.len, to_u64(len));
    // Pairs may come unsorted, and are written sorted: the bytes may differ, the header may not.
    let mut again = read.header.encode_body().expect("what was read fits its widths");
    assert!(again.len() <= read.body_len);
    read.auth.encode(read.header.suite.message_version(), &mut again);
    let (reread, reread_len) = read_header(&again, policy, usize::MAX).expect("it was written");
    assert_eq!(reread_len, again.len());
    assert_eq!(Header { len: 0, ..reread.header }, Header { len: 0, ..read.header.clone() });
    assert_eq!(reread.auth, read.auth);
}

/// All frames; gives where they end, if they do.
fn frames(data: &[u8], frame_len: u32) -> Option<usize> {
    let second = second_frames(data, frame_len);
    let (mut at, mut found, mut content_len) = (0, Vec::new(), 0);
    let verdict = loop {
        let expected = u32::try_from(found.len() + 1).expect("they are few");
        match FramePrefix::read(&data[at..], expected, frame_len, to_u64(at)) {
            Ok(Ok(prefix)) => {
                let mut again = vec![0; prefix.kind.prefix_len()];
                prefix.encode(&mut again);
                assert_eq!(again, data[at..at + again.len()]);
                if data.len() - at < prefix.frame_len() {
                    break Reading::Incomplete;
                }
                at += prefix.frame_len();
                content_len += u64::from(prefix.content_len);
                found.push((prefix, at));
                if prefix.kind == FrameKind::Final {
                    break Reading::Whole((), at);
                }
            }
            Ok(Err(needed)) => {
                assert!(needed > data.len() - at);
                break Reading::Incomplete;
            }
            Err(Error::InvalidMessage(error)) => {
                within(&error, data);
                break Reading::Malformed;
            }
            Err(error) => panic!("{error:?}"),
        }
    };
    let len = framed_plaintext_len(data, frame_len, 0);
    match (second, verdict) {
        (Reading::Whole(frames, second_end), Reading::Whole((), end)) => {
            assert_eq!(second_end, end);
            assert_eq!(frames.len(), found.len());
            for (frame, (prefix, end)) in frames.iter().zip(found) {
                assert_eq!(frame.is_final, prefix.kind == FrameKind::Final);
                assert_eq!(frame.sequence_number, prefix.sequence_number);
                assert_eq!(frame.iv, prefix.iv);
                assert_eq!(to_u64(frame.content.len()), u64::from(prefix.content_len));
                assert_eq!(frame.end, end);
            }
            assert_eq!(len, Some(content_len));
            Some(end)
        }
        (Reading::Incomplete, Reading::Incomplete) | (Reading::Malformed, Reading::Malformed) => {
            assert_eq!(len, None);
            None
        }
        (second, verdict) => panic!("{second:?} {verdict:?}"),
    }
}

fn unframed(data: &[u8]) {
    for at in [0, u64::MAX] {
        match (second_unframed(data), UnframedPrefix::read(data, at)) {
            (Reading::Whole((iv, len), 20), Ok(Ok(prefix))) => {
                assert_eq!((&iv[..], len), (&prefix.iv[..], prefix.content_len));
            }
            (Reading::Incomplete, Ok(Err(needed))) => assert!(needed > data.len()),
            (Reading::Malformed, Err(Error::InvalidMessage(_))) => {}
            (second, read) => panic!("{second:?} {read:?}"),
        }
    }
}

fn footer(data: &[u8]) {
    match (second_footer(data), read_footer(data)) {
        (Reading::Whole(second, len), Ok(signature)) => {
            assert_eq!(second, signature);
            let encoded = encode_footer(signature).expect("it has 16 bits of length");
            assert_eq!(encoded, data[..len]);
        }
        (Reading::Incomplete, Err(needed)) => assert!(needed > data.len()),
        (second, read) => panic!("{second:?} {read:?}"),
    }
}

/// What follows a good header: arbitrary bytes, and edits of the frames that belong there.
fn body_of_one_header(data: &[u8], kind: u8, step: usize) {
    let suite = SUITES[usize::from(kind / 8) % SUITES.len()];
    let frames = FixedMessage::new(suite, b"");
    let arbitrary = [frames.header(), data].concat();
    let (released, result) = stream(&arbitrary, step, 7);
    if arbitrary != frames.bytes {
        // Nobody forges a tag, not even with a corpus.
        assert_eq!(released, b"");
        assert!(result.is_err());
    }
    let sealed = FixedMessage::new(suite, PLAINTEXT);
    sealed.check(&sealed.edited(data), step);
}

/// Arbitrary bytes as the footer of a message that wants one: the signing key is gone, so none is its signature.
fn footer_of_one_message(data: &[u8], step: usize) {
    let (suite, frames) = signed_frames();
    let message = [&frames[..], data].concat();
    let (released, result) = stream(&message, step, 7);
    assert_eq!(released, b"");
    assert!(matches!(result, Err(Error::Unauthentic(_) | Error::InvalidMessage(_))), "{result:?}");
    for policy in [policy_for(*suite), lax()] {
        let whole = crate::decrypt(&message, &super::fixed::FixedKey).policy(policy).now();
        assert!(matches!(whole, Err(Error::Unauthentic(_) | Error::InvalidMessage(_))));
    }
}

fn read_header(data: &[u8], policy: &Policy, step: usize) -> Result<(ReadHeader, usize), Error> {
    let mut parser = HeaderParser::new(policy);
    let mut taken = 0;
    for piece in data.chunks(step) {
        taken += parser.push(piece)?;
        if parser.is_done() {
            break;
        }
    }
    Ok((parser.finish()?, taken))
}

/// Where an error is said to be, there are bytes, or their end.
fn within(error: &InvalidMessage, data: &[u8]) {
    assert!(error.offset() <= to_u64(data.len()), "{error}");
}
