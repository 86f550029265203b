//! Messages without frames that say what they must not under tags that are right for it.

use waxseal::{Malformed, PolicyError, Stage};

use super::message::{Aad, Kind, Message, Piece, plaintext};
use crate::case::{Case, Expect};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for suite in [0x0014, 0x0214, 0x0478, 0x0578] {
        refused(suite, &mut cases);
        moved(suite, &mut cases);
        odd(suite, &mut cases);
    }
    cases
}

fn refused(suite: u16, cases: &mut Vec<Case>) {
    let good = Message::unframed(suite);
    let aad = Aad::default;
    let block = |aad| Piece { aad, ..good.body[0].clone() };
    let regular = Some("AWSKMSEncryptionClient Frame");
    let last = Some("AWSKMSEncryptionClient Final Frame");
    let other_id = Some(vec![0; good.message_id.len()]);
    for (what, piece) in [
        ("aad-number-0", block(Aad { number: Some(0), ..aad() })),
        ("aad-number-2", block(Aad { number: Some(2), ..aad() })),
        ("aad-text-of-a-frame", block(Aad { text: regular, ..aad() })),
        ("aad-text-of-the-last-frame", block(Aad { text: last, ..aad() })),
        ("aad-length-0", block(Aad { len: Some(0), ..aad() })),
        ("aad-length-41", block(Aad { len: Some(41), ..aad() })),
        ("aad-other-message-id", block(Aad { message_id: other_id, ..aad() })),
        ("another-iv-used", Piece { used_iv: Some([0xee; 12]), ..good.body[0].clone() }),
        ("another-key", Piece { key: Some(vec![9; good.suite.key_len]), ..good.body[0].clone() }),
        ("states-39", Piece { stated_len: 39, ..good.body[0].clone() }),
        ("states-0", Piece { stated_len: 0, ..good.body[0].clone() }),
    ] {
        let sealed = Message { body: vec![piece], ..good.clone() }.seal();
        let (name, expect) = (format!("{suite:04x}-{what}"), Expect::Unauthentic(Stage::Body));
        let comment = "written so by someone who has the data key";
        cases.push(Case::body(&name, &sealed, sealed.bytes.clone(), 0, expect, comment));
    }
}

fn moved(suite: u16, cases: &mut Vec<Case>) {
    let good = Message::unframed(suite);
    let sealed = good.seal();
    let end = sealed.part("block").end;
    let message = sealed.parts(&["header", "block", "block", "footer"]);
    // The IV of the second is read as the length of a footer.
    let found = usize::from(u16::from_be_bytes([0xb1; 2]));
    assert!(found > message.len());
    let expect = match sealed.is_signed() {
        true => Expect::truncated("the footer", message.len()),
        false => Expect::Invalid(Malformed::TrailingBytes, end),
    };
    let name = format!("{suite:04x}-block-twice");
    cases.push(Case::end(&name, &sealed, message, expect, "the block stands there twice"));

    let message = sealed.parts(&["header", "footer"]);
    let footer = sealed.part_bytes("footer");
    let expect = match footer.get(12..20).and_then(|found| found.first_chunk()) {
        None => Expect::truncated("the body", message.len()),
        Some(found) => {
            let found = u64::from_be_bytes(*found);
            assert!(found > 1 << 36, "a part of a signature");
            Expect::Invalid(Malformed::UnframedLen { found }, sealed.header_len() + 12)
        }
    };
    let name = format!("{suite:04x}-block-gone");
    cases.push(Case::body(&name, &sealed, message, 0, expect, "there is no block"));

    // Frames behind a header that has none, and the other way round.
    let framed = Message { body: Message::framed(suite).body, ..good.clone() }.seal();
    let start = framed.header_len();
    // Four bytes of an IV and four of a ciphertext.
    let found = u64::from_be_bytes(*framed.bytes[start + 12..].first_chunk().unwrap());
    let limit = u64::from(u32::MAX);
    assert!(found > limit && found < 1 << 36);
    let expect = Expect::Policy(PolicyError::FrameLen { found, limit });
    let name = format!("{suite:04x}-frames-instead");
    let comment = "the header says that there are no frames, but there are";
    cases.push(Case::body(&name, &framed, framed.bytes.clone(), 0, expect, comment));

    let block = Message { body: good.body, ..Message::framed(suite) }.seal();
    let expect = Expect::sequence(1, 0xb1b1_b1b1, block.header_len());
    let name = format!("{suite:04x}-instead-of-frames");
    let comment = "the header says that there are frames, but there are none";
    cases.push(Case::body(&name, &block, block.bytes.clone(), 0, expect, comment));
}

fn odd(suite: u16, cases: &mut Vec<Case>) {
    for (what, content, iv, comment) in [
        ("empty", &b""[..], [0xb1; 12], "a block of no byte"),
        ("zero-iv", &plaintext(), [0; 12], "an IV of zeros, which a header of version 2 has, too"),
        ("iv-of-ones", &plaintext(), [0xff; 12], "the IV looks like the mark of a last frame"),
    ] {
        // One IV under one key for header and content would be a fault of who wrote it; it opens all the same.
        let mut message = Message::unframed(suite);
        message.body = vec![Piece { iv, ..Piece::new(Kind::Block, 1, content) }];
        cases.push(Case::good(&format!("{suite:04x}-{what}"), &message.seal(), comment));
    }
}
