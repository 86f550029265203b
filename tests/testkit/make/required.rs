//! Pairs that the caller requires: in the header, or authenticated but not stored there.

use base64ct::{Base64, Encoding};
use waxseal::{PolicyError, Stage};

use super::message::{Edk, KEY, Message, encode};
use crate::case::{Case, Expect};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for suite in [0x0178, 0x0378, 0x0478, 0x0578] {
        stored(suite, &mut cases);
        not_stored(suite, &mut cases);
    }
    cases
}

fn stored(suite: u16, cases: &mut Vec<Case>) {
    let message = Message::framed(suite);
    let sealed = message.seal();
    let name = |what: &str| format!("{suite:04x}-{what}");
    let good = |what: &str, comment: &str| Case::good(&name(what), &sealed, comment);
    let bad = |what: &str, expect: Expect, comment: &str| {
        Case::header(&name(what), &sealed, sealed.bytes.clone(), expect, comment)
    };
    let both = [("tenant", "42"), ("purpose", "testkit")];
    cases.push(good("stored", "both are in the header").requiring(&both));

    let comment = "the header has another value";
    for (what, value) in [("other-value", "43"), ("value-cut", "4"), ("empty-value", "")] {
        let expect = Expect::Policy(PolicyError::ContextMismatch { key: "tenant".into() });
        cases.push(bad(what, expect, comment).requiring(&[("tenant", value)]));
    }
    for (what, key) in [("never-there", "region"), ("other-case", "Tenant")] {
        let expect = Expect::ContextNotAuthenticated(vec![key]);
        let comment = "the message was not made with it";
        cases.push(bad(what, expect, comment).requiring(&[(key, "42")]));
    }
    let key = "aws-crypto-public-key";
    match message.public_key().map(|point| Base64::encode_string(&point)) {
        Some(text) => {
            let comment = "the public key that is wanted";
            cases.push(good("public-key", comment).requiring(&[(key, &text)]));
            let expect = Expect::Policy(PolicyError::ContextMismatch { key: key.into() });
            let comment = "another public key is wanted";
            cases.push(bad("other-public-key", expect, comment).requiring(&[(key, "AAAA")]));
        }
        None => {
            let expect = Expect::Policy(PolicyError::ContextMissing { key: key.into() });
            let comment = "a public key is wanted, and those are always stored";
            cases.push(bad("no-public-key", expect, comment).requiring(&[(key, "AAAA")]));
        }
    }
}

/// What is around the data key, and what the tag of the header covers behind the header.
fn made_with(suite: u16, wrapped: &[(&str, &str)], tagged: &[(&str, &str)]) -> Message {
    let mut message = Message::framed(suite);
    let stored = message.public_key().map(|point| Base64::encode_string(&point));
    let mut all: Vec<_> = stored.iter().map(|text| ("aws-crypto-public-key", &text[..])).collect();
    all.extend([("purpose", "testkit"), ("tenant", "42")]);
    all.extend(wrapped);
    all.sort_unstable();
    message.edks = vec![Edk::wrap(&KEY, &message.data_key, &encode(&all))];
    let sealed = message.seal();
    let first = if message.version == 1 { "iv" } else { "tag" };
    let body = &sealed.bytes[..sealed.place("header", first).start];
    message.header_aad = Some([body, &encode(tagged)].concat());
    message
}

fn not_stored(suite: u16, cases: &mut Vec<Case>) {
    let one = &[("region", "eu")][..];
    let two = &[("region", "eu"), ("zone", "1")][..];
    let backwards = &[("zone", "1"), ("region", "eu")][..];
    let name = |what: &str| format!("{suite:04x}-{what}");
    for (what, pairs) in [("not-stored", one), ("two-not-stored", two)] {
        let sealed = made_with(suite, pairs, pairs).seal();
        let comment = "authenticated, but not stored";
        cases.push(Case::good(&name(what), &sealed, comment).requiring(pairs));
    }
    let sealed = made_with(suite, two, two).seal();
    let comment = "the order in which they are required does not matter";
    cases.push(Case::good(&name("two-backwards"), &sealed, comment).requiring(backwards));

    for (what, wrapped, tagged, required, comment) in [
        ("tag-backwards", two, backwards, two, "the tag covers them in another order"),
        ("only-wrapped", one, &[][..], one, "around the data key, but not in the tag"),
        ("only-tagged", &[][..], one, one, "in the tag, but not around the data key"),
        ("nowhere", &[][..], &[][..], one, "the message was not made with it"),
        ("one-of-two", one, one, two, "the message was made with only one of them"),
        ("one-too-few", two, two, one, "the message was made with another one, too"),
        (
            "other-value-not-stored",
            &[("region", "us")][..],
            &[("region", "us")][..],
            one,
            "another value",
        ),
    ] {
        let sealed = made_with(suite, wrapped, tagged).seal();
        let keys = required.iter().map(|(key, _)| *key).collect();
        let expect = Expect::ContextNotAuthenticated(keys);
        let case = Case::header(&name(what), &sealed, sealed.bytes.clone(), expect, comment);
        cases.push(case.requiring(required));
    }
    for (what, wrapped, tagged, expect, comment) in [
        (
            "not-given",
            one,
            one,
            Expect::NoDataKey { tried: 1, offered: 1 },
            "made with a pair that is not stored, and nobody gives it",
        ),
        (
            "not-given-and-only-tagged",
            &[][..],
            one,
            Expect::Unauthentic(Stage::Header),
            "only the tag is made with a pair that is not stored, and nobody gives it",
        ),
    ] {
        let sealed = made_with(suite, wrapped, tagged).seal();
        cases.push(Case::header(&name(what), &sealed, sealed.bytes.clone(), expect, comment));
    }
    // What is stored is not covered once more.
    let stored = &[("tenant", "42")][..];
    let sealed = made_with(suite, &[], stored).seal();
    let expect = Expect::Unauthentic(Stage::Header);
    let comment = "the tag covers a stored pair once more";
    let case = Case::header(&name("stored-twice"), &sealed, sealed.bytes.clone(), expect, comment);
    cases.push(case.requiring(stored));
}
