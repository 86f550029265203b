//! Public keys in the context that are odd, or none. Everything else is right for what is written.

use base64ct::{Base64, Base64Unpadded, Base64Url, Encoding};
use waxseal::Malformed;

use super::crypto::{Curve, to_hex};
use super::message::Message;
use crate::case::{Case, Expect};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for suite in [0x0214, 0x0378, 0x0578] {
        points(suite, &mut cases);
        texts(suite, &mut cases);
        let message = with_key(suite, None);
        push(&mut cases, "missing", &message, Malformed::PublicKeyMissing);
    }
    for suite in [0x0014, 0x0178, 0x0478] {
        let point = Curve::P384.public_key(7, true);
        for (what, text) in
            [("unexpected", Base64::encode_string(&point)), ("empty", String::new())]
        {
            let message = with_key(suite, Some(&text));
            push(&mut cases, what, &message, Malformed::PublicKeyUnexpected);
        }
    }
    cases
}

fn points(suite: u16, cases: &mut Vec<Case>) {
    let good = Message::framed(suite);
    let curve = good.suite.curve.unwrap();
    let compressed = curve.public_key(good.secret, true);
    let long = curve.public_key(good.secret, false);
    let (x, y) = long[1..].split_at(curve.len());
    let other_curve = if curve == Curve::P256 { Curve::P384 } else { Curve::P256 };

    let comment = "the public key is not compressed, as it should be; this crate takes both";
    let message = with_key(suite, Some(&Base64::encode_string(&long)));
    let name = format!("{suite:04x}-uncompressed");
    cases.push(Case::good(&name, &message.seal(), comment));

    // The other point with this x is the public key of another.
    let mut other_sign = compressed.clone();
    other_sign[0] ^= 1;
    let message = with_key(suite, Some(&Base64::encode_string(&other_sign)));
    let sealed = message.seal();
    let comment = "the public key is the negative of the one that signed";
    let signature = sealed.get("footer", "signature");
    let name = format!("{suite:04x}-negative");
    cases.push(Case::signature(&name, &sealed, signature, comment));

    let mut off_curve = x.to_vec();
    while curve.has_x(&off_curve) {
        let last = off_curve.last_mut().unwrap();
        *last = last.wrapping_add(1);
    }
    let mut wrong_y = long.clone();
    *wrong_y.last_mut().unwrap() ^= 1;
    let beyond = vec![0xff; curve.len()];
    let parity = 6 + (y[y.len() - 1] & 1);
    let with = |tag: u8, parts: &[&[u8]]| [&[tag], &parts.concat()[..]].concat();
    for (what, point) in [
        ("no-bytes", Vec::new()),
        ("infinity", vec![0]),
        ("infinity-as-long-as-a-point", vec![0; compressed.len()]),
        ("off-the-curve", with(2, &[&off_curve])),
        ("off-the-curve-uncompressed", wrong_y),
        ("zero-uncompressed", with(4, &[&vec![0; 2 * curve.len()]])),
        ("swapped-coordinates", with(4, &[y, x])),
        ("beyond-the-field", with(2, &[&beyond])),
        ("beyond-the-field-uncompressed", with(4, &[&beyond, &beyond])),
        ("hybrid", with(parity, &[x, y])),
        ("hybrid-of-wrong-parity", with(parity ^ 1, &[x, y])),
        ("tag-0", with(0, &[x])),
        ("tag-1", with(1, &[x])),
        ("tag-5", with(5, &[x])),
        ("tag-255", with(255, &[x])),
        ("only-a-tag", vec![2]),
        ("only-x", x.to_vec()),
        ("only-coordinates", [x, y].concat()),
        ("cut", compressed[..compressed.len() - 1].to_vec()),
        ("longer", [&compressed[..], &[0]].concat()),
        ("uncompressed-cut", long[..long.len() - 1].to_vec()),
        ("uncompressed-longer", [&long[..], &[0]].concat()),
        ("compressed-as-uncompressed", with(4, &[x])),
        ("uncompressed-as-compressed", with(2, &[x, y])),
        ("of-another-curve", other_curve.public_key(7, true)),
        ("of-another-curve-uncompressed", other_curve.public_key(7, false)),
        ("with-spki-header", [&[0x30, 0x59][..], &long].concat()),
    ] {
        let message = with_key(suite, Some(&Base64::encode_string(&point)));
        push(cases, what, &message, Malformed::PublicKeyInvalid);
    }
}

fn texts(suite: u16, cases: &mut Vec<Case>) {
    let good = Message::framed(suite);
    let point = good.public_key().unwrap();
    let text = Base64::encode_string(&point);
    // 49 bytes have two characters of padding, and 33 none.
    let padded = text.ends_with("==");
    let mut texts = vec![
        ("empty-text", String::new()),
        ("not-base64", "!".repeat(text.len())),
        ("space-before", format!(" {text}")),
        ("line-end-behind", format!("{text}\n")),
        ("line-end-within", format!("{}\n{}", &text[..4], &text[4..])),
        ("padding-alone", "====".to_owned()),
        ("padding-more", format!("{text}=")),
        ("padding-block", format!("{text}====")),
        ("text-cut", text[..text.len() - 3].to_owned()),
        ("hex", to_hex(&point)),
        ("zero-behind", format!("{text}\0")),
        ("pem", format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----")),
    ];
    if padded {
        texts.push(("unpadded", Base64Unpadded::encode_string(&point)));
        // The bits behind the last byte must be zeros.
        let at = text.len() - 3;
        let last = text.as_bytes()[at];
        let next = char::from(last + 1);
        texts.push(("bits-behind-the-last-byte", format!("{}{next}==", &text[..at])));
    }
    let url = Base64Url::encode_string(&point);
    if url != text {
        texts.push(("url-alphabet", url));
    }
    for (what, text) in texts {
        let message = with_key(suite, Some(&text));
        push(cases, what, &message, Malformed::PublicKeyInvalid);
    }
}

fn with_key(suite: u16, text: Option<&str>) -> Message {
    let mut message = Message::framed(suite);
    message.set_public_key(text);
    message
}

/// Errors name the place of the whole context.
fn push(cases: &mut Vec<Case>, what: &str, message: &Message, reason: Malformed) {
    let sealed = message.seal();
    let expect = Expect::Invalid(reason, sealed.place("header", "context length").start);
    let name = format!("{:04x}-{what}", sealed.suite.id);
    let comment = "the public key in the context is so, and everything was made with it";
    cases.push(Case::header(&name, &sealed, sealed.bytes.clone(), expect, comment));
}
