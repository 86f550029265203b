//! Counts and lengths one below, at and one above what is allowed, and great claims in short messages.

use waxseal::{Malformed, PolicyError, Stage};

use super::message::{Edk, Kind, Message, Piece};
use crate::case::{Case, Expect, Part};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for suite in [0x0178, 0x0578] {
        data_keys(suite, &mut cases);
        header_len(suite, &mut cases);
        frame_len(suite, &mut cases);
        block_len(suite, &mut cases);
        claims(suite, &mut cases);
    }
    texts(&mut cases);
    cases
}

/// One that opens behind others that nobody knows.
fn with_data_keys(suite: u16, count: usize) -> Message {
    let mut message = Message::framed(suite);
    let foreign = Edk { provider: b"x".to_vec(), info: Vec::new(), ciphertext: Vec::new() };
    message.edks.splice(0..0, vec![foreign; count - 1]);
    message
}

fn data_keys(suite: u16, cases: &mut Vec<Case>) {
    for (limit, counts) in [(None, [99, 100, 101]), (Some(2), [1, 2, 3])] {
        for count in counts {
            let sealed = with_data_keys(suite, count).seal();
            let allowed = limit.unwrap_or(100);
            let name = format!("{suite:04x}-{count}-keys-of-{allowed}");
            let comment = "encrypted data keys around the limit";
            let case = if count > usize::from(allowed) {
                let error = PolicyError::TooManyEncryptedDataKeys { found: count, limit: allowed };
                let expect = Expect::Policy(error);
                Case::header(&name, &sealed, sealed.bytes.clone(), expect, comment)
            } else {
                Case::good(&name, &sealed, comment)
            };
            cases.push(case.policy(|limits| limits.max_encrypted_data_keys = limit));
        }
    }
    let sealed = Message { edk_count: Some(65_535), ..Message::framed(suite) }.seal();
    let comment = "claims 65,535 encrypted data keys and has one";
    let error = PolicyError::TooManyEncryptedDataKeys { found: 65_535, limit: 100 };
    let name = format!("{suite:04x}-claims-65535-keys");
    let (bytes, expect) = (sealed.bytes.clone(), Expect::Policy(error));
    cases.push(Case::header(&name, &sealed, bytes.clone(), expect, comment));
    // What follows the first is no other one.
    let expect = Expect::truncated("the encrypted data keys", sealed.len());
    let name = format!("{suite:04x}-claims-65535-keys-that-are-allowed");
    let case = Case::header(&name, &sealed, bytes, expect, comment);
    cases.push(case.policy(|limits| limits.max_encrypted_data_keys = Some(u16::MAX)));
}

fn header_len(suite: u16, cases: &mut Vec<Case>) {
    let sealed = Message::framed(suite).seal();
    let len = sealed.header_len();
    for limit in [len - 1, len, len + 1] {
        let name = format!("{suite:04x}-header-of-{len}-of-{limit}");
        let comment = "the length of the header is around the limit";
        let case = if limit < len {
            let expect = Expect::Policy(PolicyError::HeaderLen { limit });
            Case::header(&name, &sealed, sealed.bytes.clone(), expect, comment)
        } else {
            Case::good(&name, &sealed, comment)
        };
        cases.push(case.policy(|limits| limits.max_header_length = Some(limit)));
    }
    // A claim is refused before its bytes come.
    let limit = 1000;
    let message = sealed.with("header", "context length", &[0xff, 0xff]);
    let expect = Expect::Policy(PolicyError::HeaderLen { limit });
    let name = format!("{suite:04x}-claims-a-long-context");
    let case = Case::header(&name, &sealed, message, expect, "claims 65,535 bytes of context");
    cases.push(case.policy(|limits| limits.max_header_length = Some(limit)));
}

fn frame_len(suite: u16, cases: &mut Vec<Case>) {
    let sealed = Message::framed(suite).seal();
    for limit in [15, 16, 17] {
        let name = format!("{suite:04x}-frames-of-16-of-{limit}");
        let comment = "the frame length is around the limit";
        let case = if limit < 16 {
            let expect = Expect::Policy(PolicyError::FrameLen { found: 16, limit });
            Case::header(&name, &sealed, sealed.bytes.clone(), expect, comment)
        } else {
            Case::good(&name, &sealed, comment)
        };
        cases.push(case.policy(|limits| limits.max_frame_length = Some(limit)));
    }
    for frame_len in [1 << 20, 1 << 31, u32::MAX] {
        let mut message = Message { frame_len, ..Message::framed(suite) };
        message.body = vec![Piece::new(Kind::Last, 1, b"short")];
        let comment = "one frame, of which only a few bytes are used";
        let name = format!("{suite:04x}-frame-length-{frame_len}");
        cases.push(Case::good(&name, &message.seal(), comment));
    }
}

fn block_len(suite: u16, cases: &mut Vec<Case>) {
    let sealed = Message::unframed(suite).seal();
    for limit in [39, 40, 41] {
        let name = format!("{suite:04x}-block-of-40-of-{limit}");
        let comment = "the length of the block is around the limit";
        let case = if limit < 40 {
            let expect = Expect::Policy(PolicyError::FrameLen { found: 40, limit });
            Case::body(&name, &sealed, sealed.bytes.clone(), 0, expect, comment)
        } else {
            Case::good(&name, &sealed, comment)
        };
        cases.push(case.policy(|limits| limits.max_frame_length = Some(limit)));
    }
    let at = sealed.place("block", "length").start;
    let max: u64 = (1 << 36) - 32;
    for found in [max, max + 1, u64::MAX - 15, u64::MAX] {
        let message = sealed.with("block", "length", &found.to_be_bytes());
        let expect = if found > max {
            Expect::Invalid(Malformed::UnframedLen { found }, at)
        } else {
            Expect::truncated("the body", sealed.len())
        };
        let name = format!("{suite:04x}-claims-a-block-of-{found}");
        let comment = "claims more than there is";
        let case = Case::body(&name, &sealed, message, 0, expect, comment);
        cases.push(case.policy(|limits| limits.max_frame_length = Some(u64::MAX)));
    }
    for found in [1 << 32, max] {
        let message = sealed.with("block", "length", &found.to_be_bytes());
        let limit = u64::from(u32::MAX);
        let expect = Expect::Policy(PolicyError::FrameLen { found, limit });
        let name = format!("{suite:04x}-claims-a-block-of-{found}-which-is-too-long");
        cases.push(Case::body(&name, &sealed, message, 0, expect, "as long as no frame can be"));
    }
    let message = sealed.with("block", "length", &u64::from(u32::MAX).to_be_bytes());
    let expect = Expect::truncated("the body", sealed.len());
    let name = format!("{suite:04x}-claims-a-block-of-the-default-limit");
    cases.push(Case::body(&name, &sealed, message, 0, expect, "claims more than there is"));
}

fn claims(suite: u16, cases: &mut Vec<Case>) {
    for frame_len in [17, 1 << 20, 1 << 31, u32::MAX] {
        // The tag of the header is right for that length, so that the claim is authentic.
        let sealed = Message { frame_len, ..Message::framed(suite) }.seal();
        let is_short = sealed.len() - sealed.header_len() < usize::try_from(frame_len).unwrap();
        let expect = match is_short {
            true => Expect::truncated("a frame", sealed.len()),
            false => Expect::Unauthentic(Stage::Frame(1)),
        };
        let name = format!("{suite:04x}-claims-frames-of-{frame_len}");
        let comment = "the header, which is authentic, claims longer frames than there are";
        cases.push(Case::body(&name, &sealed, sealed.bytes.clone(), 0, expect, comment));
    }
    let mut message = Message { frame_len: u32::MAX, ..Message::framed(suite) };
    message.body = vec![Piece::new(Kind::Last, 1, b"short")];
    message.body[0].stated_len = u32::MAX.into();
    let sealed = message.seal();
    let expect = Expect::truncated("a frame", sealed.len());
    let name = format!("{suite:04x}-claims-a-last-frame-of-4294967295");
    let comment = "the only frame claims the longest content that there can be";
    cases.push(Case::body(&name, &sealed, sealed.bytes.clone(), 0, expect, comment));
}

/// What is no message at all.
fn texts(cases: &mut Vec<Case>) {
    let sealed = Message::framed(0x0578).seal();
    let mut push = |what: &str, message: &[u8], reason, at| {
        let expect = Expect::Invalid(reason, at);
        let case = Case::header(what, &sealed, message.to_vec(), expect, "this is no message");
        assert_eq!(case.stage, Part::Header);
        cases.push(case);
    };
    push("nothing", b"", Malformed::Truncated { field: "the version" }, 0);
    push("base64-of-version-1", b"AYADeAAA", Malformed::Base64, 0);
    push("base64-of-version-2", b"AgV4AAAA", Malformed::Base64, 0);
    push("text", b"hello", Malformed::UnknownVersion { found: b'h' }, 0);
    push("pem", b"-----BEGIN", Malformed::UnknownVersion { found: b'-' }, 0);
    push("json", b"{\"a\": 1}", Malformed::UnknownVersion { found: b'{' }, 0);
    push("zeros", &[0; 64], Malformed::UnknownVersion { found: 0 }, 0);
    push("one-letter-a", b"A", Malformed::Truncated { field: "the version" }, 1);
}
