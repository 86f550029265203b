//! Parts of two messages put together: of one data key and of two.

use waxseal::{Malformed, Stage};

use super::message::{Edk, KEY, Message, Sealed};
use crate::case::{Case, Expect};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for suite in [0x0014, 0x0178, 0x0214, 0x0378, 0x0478, 0x0578] {
        let good = Message::framed(suite);
        let mut same_key = good.clone();
        same_key.message_id[0] ^= 1;
        let mut other_key = good.clone();
        other_key.data_key = vec![0x55; good.suite.key_len];
        other_key.edks = vec![Edk::wrap(&KEY, &other_key.data_key, &other_key.context)];
        for (what, other) in [("same-key", same_key), ("other-key", other_key)] {
            frames(&good.seal(), &other.seal(), what, &mut cases);
            headers(&good.seal(), &other.seal(), what, &mut cases);
        }
        if good.suite.curve.is_some() {
            footers(&good, &mut cases);
        }
    }
    between_versions(&mut cases);
    cases
}

/// Each frame of the other one.
fn frames(sealed: &Sealed, other: &Sealed, what: &str, cases: &mut Vec<Case>) {
    for number in 1..=3_u32 {
        let part = format!("frame {number}");
        let place = sealed.part(&part);
        let message =
            [&sealed.bytes[..place.start], other.part_bytes(&part), &sealed.bytes[place.end..]];
        let name = format!("{:04x}-{what}-frame-{number}", sealed.suite.id);
        let released = usize::try_from(number - 1).unwrap() * 16;
        let expect = Expect::Unauthentic(Stage::Frame(number));
        let comment = "one frame is that of another message";
        cases.push(Case::body(&name, sealed, message.concat(), released, expect, comment));

        // From there on, everything is of the other one.
        let message = [&sealed.bytes[..place.start], &other.bytes[place.start..]].concat();
        let name = format!("{:04x}-{what}-from-frame-{number}", sealed.suite.id);
        let expect = Expect::Unauthentic(Stage::Frame(number));
        let comment = "the first part of one message and the second of another";
        cases.push(Case::body(&name, sealed, message, released, expect, comment));
    }
}

/// Parts of the header of the other one.
fn headers(sealed: &Sealed, other: &Sealed, what: &str, cases: &mut Vec<Case>) {
    let is_v1 = sealed.suite.version() == 1;
    let mut push = |field: &str, expect| {
        let message = sealed.with("header", field, other.get("header", field));
        let name = format!("{:04x}-{what}-{}", sealed.suite.id, field.replace(' ', "-"));
        let comment = format!("the {field} is that of another message");
        cases.push(Case::header(&name, sealed, message, expect, &comment));
    };
    push("tag", Expect::Unauthentic(Stage::Header));
    let stage = if is_v1 { Stage::Header } else { Stage::Commitment };
    if what == "same-key" {
        push("message id", Expect::Unauthentic(stage));
    } else {
        push("key 1 ciphertext", Expect::Unauthentic(stage));
    }
    if !is_v1 {
        push("commitment", Expect::Unauthentic(Stage::Commitment));
    }
}

/// Signatures of other messages and by other keys, which are right for those.
fn footers(good: &Message, cases: &mut Vec<Case>) {
    let (sealed, id) = (good.seal(), good.suite.id);
    let mut other = good.clone();
    other.body[0].content[0] ^= 1;
    let mut by_other = good.clone();
    by_other.secret = 8;
    let mut other_header = good.clone();
    other_header.message_id[0] ^= 1;
    for (what, other, comment) in [
        ("of-other-content", other, "the signature is that of another content"),
        ("of-other-header", other_header, "the signature is that of another header"),
        ("by-another-key", by_other, "the signature is that of another key, over this message"),
    ] {
        let other = other.seal();
        let name = format!("{id:04x}-signature-{what}");
        let signature = other.get("footer", "signature");
        cases.push(Case::signature(&name, &sealed, signature, comment));
    }
    // Everything but the public key of the header is of one who signs with another.
    let mut forged = good.clone();
    forged.body[0].content[0] ^= 1;
    forged.secret = 8;
    let forged = forged.seal();
    let name = format!("{id:04x}-forged-by-who-may-decrypt");
    let comment =
        "another content, well sealed by someone who has the data key but not the signing key";
    let case = Case::signature(&name, &forged, forged.get("footer", "signature"), comment);
    cases.push(case);

    let unsigned = sealed.bytes[..sealed.signed_len].to_vec();
    let expect = Expect::truncated("the footer", unsigned.len());
    let name = format!("{id:04x}-no-footer");
    cases.push(Case::end(&name, &sealed, unsigned, expect, "there is no footer"));
}

/// The body of a suite behind the header of another.
fn between_versions(cases: &mut Vec<Case>) {
    for (header, body) in [(0x0178, 0x0478), (0x0478, 0x0178), (0x0578, 0x0378), (0x0378, 0x0578)] {
        let (sealed, other) = (Message::framed(header).seal(), Message::framed(body).seal());
        let message = [sealed.part_bytes("header"), &other.bytes[other.header_len()..]].concat();
        let name = format!("{header:04x}-header-and-body-of-{body:04x}");
        let expect = Expect::Unauthentic(Stage::Frame(1));
        let comment = "the body is that of another suite, with the same data key";
        cases.push(Case::body(&name, &sealed, message, 0, expect, comment));
    }
    // An unsigned message with a footer, and one that signs with the body of one that does not.
    let (unsigned, signed) = (Message::framed(0x0478).seal(), Message::framed(0x0578).seal());
    let message = [&unsigned.bytes[..], signed.part_bytes("footer")].concat();
    let expect = Expect::Invalid(Malformed::TrailingBytes, unsigned.len());
    let comment = "a footer follows a message that has none";
    let case = Case::end("0478-with-a-footer", &unsigned, message, expect, comment);
    cases.push(case);
}
