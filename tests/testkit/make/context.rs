//! Encryption contexts that are odd, or none, with the tag that is right for what is written.

use waxseal::{Malformed, Stage};

use super::message::{Edk, KEY, Message, encode};
use crate::case::{Case, Expect};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for suite in [0x0178, 0x0378, 0x0478, 0x0578] {
        odd(suite, &mut cases);
        authentication(suite, &mut cases);
    }
    for suite in [0x0178, 0x0578] {
        malformed(suite, &mut cases);
    }
    cases
}

fn odd(suite: u16, cases: &mut Vec<Case>) {
    let mut push = |what: &str, pairs: &[(&str, &str)], comment: &str| {
        let mut message = Message::framed(suite);
        message.set_context(pairs);
        let name = format!("{suite:04x}-{what}");
        cases.push(Case::good(&name, &message.seal(), comment));
    };
    push("no-pairs", &[], "no pairs but that of the suite, if it has one");
    push("unsorted", &[("b", "1"), ("a", "2")], "some clients wrote it so; the tag covers it");
    push("empty-value", &[("a", "")], "a value of no byte");
    push("empty-key", &[("", "1")], "a key of no byte");
    push("only-empty", &[("", "")], "a pair of no byte");
    push("nul", &[("a\0", "\0")], "zeros in the text");
    push("reserved", &[("aws-crypto-other", "1")], "a reserved key that nobody uses");
    push("line-ends", &[("a\n", "\r\n\u{1b}[2J")], "what could control a terminal");
    // As UTF-16 the second one comes first.
    let pairs = [("\u{ff5e}", "1"), ("\u{10000}", "2")];
    push("beyond-16-bits", &pairs, "sorted by the bytes of UTF-8");
    let pairs = [("\u{10000}", "2"), ("\u{ff5e}", "1")];
    push("sorted-as-utf-16", &pairs, "sorted as UTF-16, as one client did");
    let pairs = [("e\u{301}", "1"), ("\u{e9}", "2")];
    push("not-normalized", &pairs, "two keys that look the same are two");
    let many: Vec<_> = (b'a'..=b'z').map(|letter| char::from(letter).to_string()).collect();
    let many: Vec<_> = many.iter().map(|text| (text.as_str(), text.as_str())).collect();
    push("many", &many, "26 pairs");

    if suite == 0x0478 {
        // With the count and the other lengths, a context of 65,535 bytes.
        let longest = "x".repeat(65_535 - 2 - 2 - 1 - 2);
        push("longest-value", &[("a", &longest)], "no context can be longer");
        push("longest-key", &[(&longest, "a")], "no context can be longer");
    }
    if Message::framed(suite).suite.curve.is_none() {
        let mut message = Message::framed(suite);
        message.set_context(&[]);
        message.context = vec![0, 0];
        let comment = "no pairs, but a count of them, as some clients wrote it";
        let name = format!("{suite:04x}-count-of-zero");
        cases.push(Case::good(&name, &message.seal(), comment));
    }
}

fn malformed(suite: u16, cases: &mut Vec<Case>) {
    let mut push = |what: &str, context: &[u8], reason: Malformed| {
        let mut message = Message::framed(suite);
        message.context = context.to_vec();
        message.edks = vec![Edk::wrap(&KEY, &message.data_key, context)];
        let sealed = message.seal();
        let name = format!("{suite:04x}-{what}");
        let expect = Expect::Invalid(reason, sealed.place("header", "context").start);
        let comment = "the context is so, and everything was made with it";
        cases.push(Case::header(&name, &sealed, sealed.bytes.clone(), expect, comment));
    };
    for (what, pairs) in [
        ("twice", [("a", "1"), ("a", "1")]),
        ("twice-with-two-values", [("a", "1"), ("a", "2")]),
        ("twice-the-empty-key", [("", "1"), ("", "1")]),
    ] {
        push(what, &encode(&pairs), Malformed::DuplicateContextKey);
    }
    let public_key = encode(&[("aws-crypto-public-key", "1"), ("aws-crypto-public-key", "2")]);
    push("twice-the-public-key", &public_key, Malformed::DuplicateContextKey);
    let apart = encode(&[("a", "1"), ("b", "1"), ("a", "2")]);
    push("twice-not-in-a-row", &apart, Malformed::DuplicateContextKey);
    for (what, text) in [
        ("overlong", &b"\xc0\x80"[..]),
        ("surrogate", b"\xed\xa0\x80"),
        ("no-beginning", b"\x80"),
        ("no-end", b"\xe2\x82"),
        ("beyond-unicode", b"\xf4\x90\x80\x80"),
        ("latin-1", b"caf\xe9"),
    ] {
        let key = encode(&[(text, &b"1"[..])]);
        push(&format!("utf-8-{what}-in-key"), &key, Malformed::ContextNotUtf8);
        let value = encode(&[(&b"a"[..], text)]);
        push(&format!("utf-8-{what}-in-value"), &value, Malformed::ContextNotUtf8);
    }
    for (what, context) in [
        ("half-a-count", vec![1]),
        ("no-pairs-but-bytes", vec![0, 0, 0]),
        ("count-without-pairs", vec![0, 1]),
        ("half-a-length", vec![0, 1, 0]),
        ("key-without-bytes", vec![0, 1, 0, 1]),
        ("key-without-value", vec![0, 1, 0, 1, b'a']),
        ("value-without-bytes", vec![0, 1, 0, 1, b'a', 0, 1]),
        ("longest-count", vec![0xff, 0xff, 0, 1, b'a', 0, 1, b'b']),
        ("longest-key", vec![0, 1, 0xff, 0xff, b'a', 0, 1, b'b']),
        ("longest-value", vec![0, 1, 0, 1, b'a', 0xff, 0xff, b'b']),
        ("a-byte-more", [&encode(&[("a", "1")])[..], &[0]].concat()),
        ("a-pair-more", [&encode(&[("a", "1")])[..], &[0, 1, b'b', 0, 1, b'2']].concat()),
    ] {
        let len = u16::try_from(context.len()).unwrap();
        push(&format!("uneven-{what}"), &context, Malformed::ContextLen { len });
    }
}

fn authentication(suite: u16, cases: &mut Vec<Case>) {
    let mut message = Message::framed(suite);
    message.set_context(&[("b", "1"), ("a", "2")]);
    message.edks = vec![Edk::wrap(&KEY, &message.data_key, &message.context)];
    let sealed = message.seal();
    let name = format!("{suite:04x}-wrapped-unsorted");
    let expect = Expect::NoDataKey { tried: 1, offered: 1 };
    let comment = "the data key is wrapped with a context that is not sorted";
    cases.push(Case::header(&name, &sealed, sealed.bytes.clone(), expect, comment));

    // The bytes that the tag covers are those of the header, not those of its pairs when they are sorted.
    let mut sorted = Message::framed(suite);
    sorted.set_context(&[("a", "2"), ("b", "1")]);
    let sealed_sorted = sorted.seal();
    let first = if sorted.version == 1 { "iv" } else { "tag" };
    let aad = sealed_sorted.bytes[..sealed_sorted.place("header", first).start].to_vec();
    message.set_context(&[("b", "1"), ("a", "2")]);
    message.header_aad = Some(aad);
    let sealed = message.seal();
    let expect = Expect::Unauthentic(Stage::Header);
    let comment = "the tag covers the context as it would be sorted, not as it is written";
    let name = format!("{suite:04x}-tag-over-sorted");
    cases.push(Case::header(&name, &sealed, sealed.bytes.clone(), expect, comment));
}
