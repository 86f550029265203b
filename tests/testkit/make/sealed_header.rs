//! Headers that say what they must not, with the tag that is right for what they say.

use waxseal::{Malformed, Stage};

use super::message::{Kind, Message, Piece, Sealed};
use crate::case::{Case, Expect};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for suite in [0x0178, 0x0378, 0x0478, 0x0578] {
        structure(suite, &mut cases);
        authentication(suite, &mut cases);
    }
    cases
}

fn structure(suite: u16, cases: &mut Vec<Case>) {
    let mut push =
        |what: &str, change: &dyn Fn(&mut Message), expect: &dyn Fn(&Sealed) -> Expect| {
            let mut message = Message::framed(suite);
            change(&mut message);
            let sealed = message.seal();
            let name = format!("{suite:04x}-{what}");
            let expect = expect(&sealed);
            cases.push(Case::header(&name, &sealed, sealed.bytes.clone(), expect, SEALED));
        };
    let at = |sealed: &Sealed, field: &str| sealed.place("header", field).start;
    for found in [0, 3, 0xff] {
        push(
            &format!("content-type-{found}"),
            &|message| message.content_type = found,
            &|sealed| {
                let reason = Malformed::UnknownContentType { found };
                Expect::Invalid(reason, at(sealed, "content type"))
            },
        );
    }
    for (what, content_type, found) in [("framed", 2, 0), ("unframed", 1, 16), ("unframed", 1, 1)] {
        push(
            &format!("{what}-with-frame-length-{found}"),
            &|message| {
                message.content_type = content_type;
                message.frame_len = found;
            },
            &|sealed| Expect::Invalid(Malformed::FrameLen { found }, at(sealed, "frame length")),
        );
    }
    let v1 = Message::framed(suite).version == 1;
    if v1 {
        for at_byte in 0..4 {
            push(
                &format!("reserved-byte-{at_byte}"),
                &|message| message.reserved[at_byte] = 1,
                &|sealed| Expect::Invalid(Malformed::Reserved, at(sealed, "reserved")),
            );
        }
        for found in [0, 11, 13] {
            push(&format!("iv-length-{found}"), &|message| message.iv_len = found, &|sealed| {
                Expect::Invalid(Malformed::IvLen { found }, at(sealed, "iv length"))
            });
        }
        for found in [0, 0x40, 0x81] {
            push(&format!("type-{found}"), &|message| message.message_type = found, &|_| {
                Expect::Invalid(Malformed::UnknownType { found }, 1)
            });
        }
    }
    for (id, what) in [(0x0678, "unknown"), (0x0000, "zero")] {
        push(&format!("suite-{what}"), &|message| message.suite_id = id, &|sealed| {
            let reason = Malformed::UnknownSuite { found: id };
            Expect::Invalid(reason, at(sealed, "suite"))
        });
    }
    // All of the header is of the other version, but for the suite.
    push(
        "version-of-another-suite",
        &|message| message.version = if v1 { 2 } else { 1 },
        &|sealed| {
            let version = if v1 { 2 } else { 1 };
            Expect::Invalid(Malformed::SuiteVersion { suite, version }, at(sealed, "suite"))
        },
    );
    push("version-3", &|message| message.version = 3, &|_| {
        Expect::Invalid(Malformed::UnknownVersion { found: 3 }, 0)
    });
    push("no-data-key", &|message| message.edks.clear(), &|sealed| {
        Expect::Invalid(Malformed::NoEncryptedDataKeys, at(sealed, "key count"))
    });
}

fn authentication(suite: u16, cases: &mut Vec<Case>) {
    let v1 = Message::framed(suite).version == 1;
    let good = Message::framed(suite);
    let mut push = |what: &str, message: &Message, stage: Stage, comment: &str| {
        let sealed = message.seal();
        let (name, expect) = (format!("{suite:04x}-{what}"), Expect::Unauthentic(stage));
        cases.push(Case::header(&name, &sealed, sealed.bytes.clone(), expect, comment));
    };
    let other = Message { header_key: Some(good.data_key.clone()), ..good.clone() };
    push("tag-by-data-key", &other, Stage::Header, "the tag is made with the data key");
    let other = Message { header_key: Some(vec![9; 32]), ..good.clone() };
    push("tag-by-another-key", &other, Stage::Header, "the tag is made with another key");
    let other = Message { header_aad: Some(Vec::new()), ..good.clone() };
    push("tag-over-nothing", &other, Stage::Header, "the tag covers nothing");
    let sealed = good.seal();
    let other = Message { header_aad: Some(sealed.bytes[1..].to_vec()), ..good.clone() };
    push("tag-over-other-bytes", &other, Stage::Header, "the tag covers other bytes");
    let data_key = vec![0x55; 32];
    // The encrypted data key still holds the first one.
    let other = Message { data_key: data_key.clone(), ..good.clone() };
    let stage = if v1 { Stage::Header } else { Stage::Commitment };
    push("another-data-key", &other, stage, "another data key than the one that is wrapped");
    if v1 {
        let other = Message { header_iv: [0xee; 12], ..good.clone() };
        let comment = "the IV of the header is not zero, and that is what the tag was made with";
        cases.push(Case::good(&format!("{suite:04x}-iv"), &other.seal(), comment));
    } else {
        let other = Message { header_iv: [1; 12], ..good.clone() };
        let comment = "the tag is made with another IV than zeros";
        push("tag-by-another-iv", &other, Stage::Header, comment);
        for (what, commitment) in
            [("zero", vec![0; 32]), ("other", vec![0xc0; 32]), ("key", good.content_key())]
        {
            let other = Message { commitment: Some(commitment), ..good.clone() };
            let comment = "the commitment is wrong, but the tag is right, under the right key";
            push(&format!("commitment-{what}"), &other, Stage::Commitment, comment);
        }
        // Who knows two data keys may commit to one and seal with the other.
        let true_commitment = sealed.get("header", "commitment").to_vec();
        let other = Message { data_key, commitment: Some(true_commitment), ..good.clone() };
        let comment = "commits to the wrapped data key, but all is sealed with another";
        push("commitment-to-another-key", &other, Stage::Header, comment);
    }
    let mut none = good.clone();
    none.body.clear();
    let sealed = none.seal();
    let name = format!("{suite:04x}-no-body");
    // What looks like a frame is the footer: the length of the signature, and its beginning.
    let expect = match sealed.bytes.get(sealed.header_len()..).and_then(|rest| rest.first_chunk()) {
        Some(found) => Expect::sequence(1, u32::from_be_bytes(*found), sealed.header_len()),
        None => Expect::truncated("a frame", sealed.len()),
    };
    let comment = "nothing is between header and footer";
    cases.push(Case::body(&name, &sealed, sealed.bytes.clone(), 0, expect, comment));
    let mut empty = good;
    empty.body = vec![Piece::new(Kind::Last, 1, b"")];
    let comment = "an empty plaintext";
    cases.push(Case::good(&format!("{suite:04x}-empty"), &empty.seal(), comment));
}

const SEALED: &str = "the header says so, and its tag is right for that";
