//! Signatures that are odd, or none.

use super::crypto::Curve;
use super::der::{add, integer, sequence, shortest, signature, subtract, tagged, tagged_long};
use super::message::{Message, Sealed};
use crate::case::Case;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for suite in [0x0214, 0x0378, 0x0578] {
        let message = Message::framed(suite);
        let sealed = message.seal();
        let curve = message.suite.curve.unwrap();
        let digest = curve.digest(&sealed.bytes[..sealed.signed_len]);
        let [r, s] = curve.sign(message.secret, &digest);
        let mut family = Family { curve, secret: message.secret, sealed, r, s, cases };
        family.both_halves();
        family.numbers();
        family.encodings();
        family.digests();
        cases = family.cases;
    }
    cases
}

struct Family {
    curve: Curve,
    secret: u8,
    sealed: Sealed,
    r: Vec<u8>,
    s: Vec<u8>,
    cases: Vec<Case>,
}

impl Family {
    /// ECDSA has two signatures for each, `s` and `n - s`, and the format asks for neither.
    fn both_halves(&mut self) {
        let other = subtract(&self.curve.order(), &self.s);
        let (low, high) = if self.s < other { (&self.s, &other) } else { (&other, &self.s) };
        for (what, s) in [("low-s", low), ("high-s", high)] {
            let mut sealed = self.sealed.clone();
            sealed.bytes = sealed.signed(&signature(&self.r, s));
            let name = format!("{:04x}-{what}", sealed.suite.id);
            let comment = "of two numbers s that are right the format takes both";
            self.cases.push(Case::good(&name, &sealed, comment));
        }
    }

    fn numbers(&mut self) {
        let (n, r, s) = (self.curve.order(), self.r.clone(), self.s.clone());
        let one_less = subtract(&n, &[1]);
        let one_more = add(&n, &[1]);
        let ones = vec![0xff; self.curve.len()];
        for (what, number) in [
            ("0", vec![0]),
            ("1", vec![1]),
            ("n-less-1", one_less),
            ("n", n.clone()),
            ("n-and-1", one_more),
            ("all-ones", ones),
            ("2n", add(&n, &n)),
        ] {
            self.refused(&format!("r-is-{what}"), &signature(&number, &s));
            self.refused(&format!("s-is-{what}"), &signature(&r, &number));
            self.refused(&format!("r-and-s-are-{what}"), &signature(&number, &number));
        }
        self.refused("r-and-n", &signature(&add(&r, &n), &s));
        self.refused("s-and-n", &signature(&r, &add(&s, &n)));
        self.refused("swapped", &signature(&s, &r));
        self.refused("r-is-s", &signature(&s, &s));
        let huge = vec![0x7f; 60];
        self.refused("huge", &signature(&huge, &[1]));
    }

    fn encodings(&mut self) {
        let (r, s) = (self.r.clone(), self.s.clone());
        let parts = [integer(&r), integer(&s)];
        let content = parts.concat();
        let whole = sequence(&parts);
        let zeros = |number: &[u8]| tagged(2, &[&[0], &shortest(number)[..]].concat());
        // The number with the sign bit of its first byte, which makes it negative.
        let negative = |number: &[u8]| {
            let mut digits = shortest(number);
            if digits[0] == 0 {
                digits.remove(0);
            } else {
                digits[0] |= 0x80;
            }
            tagged(2, &digits)
        };
        let split = whole.len() / 2;
        for (what, bytes) in [
            ("empty", Vec::new()),
            ("zero-byte", vec![0]),
            ("only-a-tag", vec![0x30]),
            ("empty-sequence", sequence(&[])),
            ("null", vec![5, 0]),
            ("long-form-sequence", tagged_long(0x30, &content)),
            ("long-form-r", sequence(&[tagged_long(2, &shortest(&r)), integer(&s)])),
            ("long-form-s", sequence(&[integer(&r), tagged_long(2, &shortest(&s))])),
            (
                "long-form-of-two-bytes",
                [&[0x30, 0x82, 0, u8::try_from(content.len()).unwrap()][..], &content].concat(),
            ),
            ("indefinite", [&[0x30, 0x80][..], &content, &[0, 0]].concat()),
            ("zeros-before-r", sequence(&[zeros(&r), integer(&s)])),
            ("zeros-before-s", sequence(&[integer(&r), zeros(&s)])),
            ("negative-r", sequence(&[negative(&r), integer(&s)])),
            ("negative-s", sequence(&[integer(&r), negative(&s)])),
            ("empty-r", sequence(&[tagged(2, b""), integer(&s)])),
            ("empty-s", sequence(&[integer(&r), tagged(2, b"")])),
            ("no-s", sequence(&[integer(&r)])),
            ("three-numbers", sequence(&[integer(&r), integer(&s), integer(&[1])])),
            ("null-at-its-end", sequence(&[integer(&r), integer(&s), vec![5, 0]])),
            ("bytes-behind", [&whole[..], &[0]].concat()),
            ("bytes-within", tagged(0x30, &[&content[..], &[0]].concat())),
            ("cut", whole[..whole.len() - 1].to_vec()),
            ("half", whole[..split].to_vec()),
            ("set", tagged(0x31, &content)),
            ("primitive-sequence", tagged(0x10, &content)),
            ("bit-strings", sequence(&[tagged(3, &shortest(&r)), tagged(3, &shortest(&s))])),
            ("octet-strings", sequence(&[tagged(4, &r), tagged(4, &s)])),
            ("constructed-r", sequence(&[tagged(0x22, &shortest(&r)), integer(&s)])),
            ("sequence-in-a-sequence", tagged(0x30, &whole)),
            ("without-sequence", content.clone()),
            ("raw", [&r[..], &s].concat()),
            ("twice", [&whole[..], &whole].concat()),
            ("base64", base64(&whole)),
            ("length-too-long", [&[0x30, whole[1] + 1], &content[..]].concat()),
            ("length-too-short", [&[0x30, whole[1] - 1], &content[..]].concat()),
            ("r-length-too-long", [&[0x30, whole[1], 2, whole[3] + 1], &whole[4..]].concat()),
        ] {
            self.refused(&format!("der-{what}"), &bytes);
        }
        let mut flipped = whole.clone();
        flipped[whole.len() - 1] ^= 1;
        self.refused("last-bit", &flipped);
        let mut flipped = whole;
        flipped[10] ^= 1;
        self.refused("a-bit-of-r", &flipped);
    }

    /// Right signatures by the right key of the wrong thing.
    fn digests(&mut self) {
        let (sealed, curve) = (self.sealed.clone(), self.curve);
        let all = &sealed.bytes[..sealed.signed_len];
        let header_len = sealed.header_len();
        let auth_at = sealed.place("header", "tag").start;
        let other = if curve == Curve::P256 { Curve::P384 } else { Curve::P256 };
        let without_auth = [&all[..auth_at], &all[header_len..]].concat();
        for (what, digest) in [
            ("header", curve.digest(&all[..header_len])),
            ("body", curve.digest(&all[header_len..])),
            ("without-header-tag", curve.digest(&without_auth)),
            ("without-last-byte", curve.digest(&all[..all.len() - 1])),
            ("plaintext", curve.digest(&sealed.plaintext())),
            ("nothing", curve.digest(b"")),
            ("its-digest", curve.digest(&curve.digest(all))),
            ("another-hash", other.digest(all)),
            ("a-digest-of-zeros", vec![0; curve.len()]),
        ] {
            let [r, s] = curve.sign(self.secret, &digest);
            self.refused(&format!("over-{what}"), &signature(&r, &s));
        }
    }

    fn refused(&mut self, what: &str, signature: &[u8]) {
        let name = format!("{:04x}-{what}", self.sealed.suite.id);
        let comment = "only the signature is wrong";
        self.cases.push(Case::signature(&name, &self.sealed, signature, comment));
    }
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    use base64ct::{Base64, Encoding};
    Base64::encode_string(bytes).into_bytes()
}
