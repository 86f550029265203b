//! Each field of a header changed, and nothing that covers it.

use waxseal::{Malformed, Stage};

use super::message::{Message, Sealed};
use crate::case::{Case, Expect};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, message) in [
        ("0178-framed", Message::framed(0x0178)),
        ("0178-unframed", Message::unframed(0x0178)),
        ("0378-framed", Message::framed(0x0378)),
        ("0478-framed", Message::framed(0x0478)),
        ("0478-unframed", Message::unframed(0x0478)),
        ("0578-framed", Message::framed(0x0578)),
    ] {
        let mut changes = Changes { sealed: message.seal(), name, cases };
        changes.version_and_suite();
        changes.context();
        changes.data_keys();
        changes.content_type();
        changes.authentication();
        cases = changes.cases;
    }
    cases
}

struct Changes {
    sealed: Sealed,
    name: &'static str,
    cases: Vec<Case>,
}

impl Changes {
    fn version_and_suite(&mut self) {
        let is_v1 = self.is_v1();
        for found in [0, 3, 0x7f, 0x80, 0xff, b'A'] {
            let expect = Expect::Invalid(Malformed::UnknownVersion { found }, 0);
            self.change("version", &[found], &format!("version-{found}"), expect);
        }
        // Read as the other version, the suite begins one byte earlier or later.
        if is_v1 {
            let found = 0x8000 | (self.sealed.suite.id >> 8);
            let expect = Expect::Invalid(Malformed::UnknownSuite { found }, 1);
            self.change("version", &[2], "version-2", expect);
            for found in [0, 0x7f, 0x81, 0xff] {
                let expect = Expect::Invalid(Malformed::UnknownType { found }, 1);
                self.change("type", &[found], &format!("type-{found}"), expect);
            }
        } else {
            let [found, _] = self.sealed.suite.id.to_be_bytes();
            let expect = Expect::Invalid(Malformed::UnknownType { found }, 1);
            self.change("version", &[1], "version-1", expect);
        }
        let at = self.start("suite");
        for found in [0x0000, 0x0015, 0x0278, 0x0678, 0x7805, 0xffff] {
            let expect = Expect::Invalid(Malformed::UnknownSuite { found }, at);
            let bytes = u16::to_be_bytes(found);
            self.change("suite", &bytes, &format!("suite-{found:04x}"), expect);
        }
        let (suite, version) = if is_v1 { (0x0578, 1) } else { (0x0378, 2) };
        let expect = Expect::Invalid(Malformed::SuiteVersion { suite, version }, at);
        self.change("suite", &suite.to_be_bytes(), "suite-of-other-version", expect);
        let public_key = self.start("context length");
        let (other, expect) = match self.sealed.suite.id {
            0x0178 => (0x0378, Expect::Invalid(Malformed::PublicKeyMissing, public_key)),
            0x0378 => (0x0178, Expect::Invalid(Malformed::PublicKeyUnexpected, public_key)),
            0x0478 => (0x0578, Expect::Invalid(Malformed::PublicKeyMissing, public_key)),
            _ => (0x0478, Expect::Invalid(Malformed::PublicKeyUnexpected, public_key)),
        };
        self.change("suite", &u16::to_be_bytes(other), "suite-of-same-version", expect);
        if !self.sealed.is_signed() && is_v1 {
            // The data key has another length than the suite wants.
            let expect = Expect::NoDataKey { tried: 1, offered: 1 };
            self.change("suite", &0x0146_u16.to_be_bytes(), "suite-of-other-key-length", expect);
        }
        let last = self.sealed.get("header", "message id").len() - 1;
        for at in [0, last] {
            let expect = if is_v1 { Stage::Header } else { Stage::Commitment };
            self.flip("message id", at, Expect::Unauthentic(expect));
        }
    }

    fn context(&mut self) {
        let context = self.sealed.get("header", "context").to_vec();
        let (at, len) = (self.start("context"), u16::try_from(context.len()).unwrap());
        let uneven = |len| Expect::Invalid(Malformed::ContextLen { len }, at);
        for len in [1, len - 1, len + 1] {
            let what = format!("context-length-{len}");
            self.change("context length", &len.to_be_bytes(), &what, uneven(len));
        }
        let count = u16::from_be_bytes([context[0], context[1]]);
        self.change(
            "context length",
            &[0xff, 0xff],
            "context-length-65535",
            self.truncated(CONTEXT),
        );
        for (what, found) in [("more", count + 1), ("less", count - 1), ("none", 0)] {
            let changed = [&found.to_be_bytes(), &context[2..]].concat();
            self.change("context", &changed, &format!("context-count-{what}"), uneven(len));
        }
        let key_len = u16::from_be_bytes([context[2], context[3]]);
        for (what, found) in [("more", key_len + 1), ("less", key_len - 1), ("max", u16::MAX)] {
            let changed = [&context[..2], &found.to_be_bytes(), &context[4..]].concat();
            self.change("context", &changed, &format!("context-key-length-{what}"), uneven(len));
        }
        // The last value is `42`.
        let value_len = context.len() - 4;
        for (what, found) in [("more", 3_u16), ("less", 1), ("none", 0)] {
            let before = &context[..value_len];
            let changed = [before, &found.to_be_bytes(), &context[value_len + 2..]].concat();
            self.change("context", &changed, &format!("context-value-length-{what}"), uneven(len));
        }
        // It is authenticated with the data key first.
        let no_key = || Expect::NoDataKey { tried: 1, offered: 1 };
        self.flip("context", context.len() - 1, no_key());
        self.flip("context", context.len() - 5, no_key());
        let not_utf8 = [&context[..context.len() - 1], &[0xff]].concat();
        let expect = Expect::Invalid(Malformed::ContextNotUtf8, at);
        self.change("context", &not_utf8, "context-not-utf-8", expect);
    }

    fn data_keys(&mut self) {
        let at = self.start("key count");
        let none = Expect::Invalid(Malformed::NoEncryptedDataKeys, at);
        self.change("key count", &[0, 0], "key-count-0", none);
        self.change("key count", &[0, 2], "key-count-2", self.truncated(KEYS));
        for (field, what) in [
            ("key 1 provider length", "provider"),
            ("key 1 info length", "info"),
            ("key 1 ciphertext length", "ciphertext"),
        ] {
            let name = format!("key-{what}-length-max");
            self.change(field, &[0xff, 0xff], &name, self.truncated(KEYS));
        }
        // Text or an IV is then read as a length.
        for (field, what, found) in [
            ("key 1 provider length", "provider-length-more", 8_u16),
            ("key 1 provider length", "provider-length-less", 6),
            ("key 1 info length", "info-length-more", 24),
            ("key 1 info length", "info-length-less", 22),
        ] {
            let name = format!("key-{what}");
            self.change(field, &found.to_be_bytes(), &name, self.truncated(KEYS));
        }
        let not_ours = || Expect::NoDataKey { tried: 0, offered: 1 };
        self.flip("key 1 provider", 0, not_ours());
        self.flip("key 1 info", 0, not_ours());
        // The name of the key, and the lengths of tag and IV.
        for at in [2, 6, 10] {
            self.flip("key 1 info", at, not_ours());
        }
        let broken = || Expect::NoDataKey { tried: 1, offered: 1 };
        self.flip("key 1 info", 22, broken());
        let ciphertext_len = self.sealed.get("header", "key 1 ciphertext").len();
        for at in [0, ciphertext_len - 17, ciphertext_len - 16, ciphertext_len - 1] {
            self.flip("key 1 ciphertext", at, broken());
        }
    }

    fn content_type(&mut self) {
        let (at, frame_len_at) = (self.start("content type"), self.start("frame length"));
        let [_, _, _, frame_len] = self.sealed.get("header", "frame length") else {
            panic!("it has four bytes");
        };
        let frame_len = u32::from(*frame_len);
        for found in [0, 3, 0x80, 0xff] {
            let expect = Expect::Invalid(Malformed::UnknownContentType { found }, at);
            self.change("content type", &[found], &format!("content-type-{found}"), expect);
        }
        let unfit = |found| Expect::Invalid(Malformed::FrameLen { found }, frame_len_at);
        let other = if frame_len == 0 { 2 } else { 1 };
        self.change("content type", &[other], "content-type-other", unfit(frame_len));
        for found in [0, 1, 15, 17, u32::MAX] {
            if found != frame_len {
                let expect = match (frame_len, found) {
                    (0, _) | (_, 0) => unfit(found),
                    _ => Expect::Unauthentic(Stage::Header),
                };
                let name = format!("frame-length-{found}");
                self.change("frame length", &found.to_be_bytes(), &name, expect);
            }
        }
        if self.is_v1() {
            let reserved_at = self.start("reserved");
            for at in 0..4 {
                self.flip("reserved", at, Expect::Invalid(Malformed::Reserved, reserved_at));
            }
            let at = self.start("iv length");
            for found in [0, 11, 13, 16, 0xff] {
                let expect = Expect::Invalid(Malformed::IvLen { found }, at);
                self.change("iv length", &[found], &format!("iv-length-{found}"), expect);
            }
        }
    }

    fn authentication(&mut self) {
        if self.is_v1() {
            for at in [0, 11] {
                self.flip("iv", at, Expect::Unauthentic(Stage::Header));
            }
        } else {
            for at in [0, 31] {
                self.flip("commitment", at, Expect::Unauthentic(Stage::Commitment));
            }
            let expect = Expect::Unauthentic(Stage::Commitment);
            self.change("commitment", &[0; 32], "commitment-zero", expect);
        }
        for at in [0, 15] {
            self.flip("tag", at, Expect::Unauthentic(Stage::Header));
        }
        self.change("tag", &[0; 16], "tag-zero", Expect::Unauthentic(Stage::Header));
    }

    fn change(&mut self, field: &str, bytes: &[u8], what: &str, expect: Expect) {
        let message = self.sealed.with("header", field, bytes);
        let comment = format!("another {field}; nothing that covers it was changed with it");
        let name = format!("{}-{what}", self.name);
        self.cases.push(Case::header(&name, &self.sealed, message, expect, &comment));
    }

    fn flip(&mut self, field: &str, at: usize, expect: Expect) {
        let mut bytes = self.sealed.get("header", field).to_vec();
        bytes[at] ^= 1;
        let what = format!("{}-byte-{at}", field.replace(' ', "-"));
        self.change(field, &bytes, &what, expect);
    }

    fn is_v1(&self) -> bool {
        self.sealed.suite.version() == 1
    }

    fn start(&self, field: &str) -> usize {
        self.sealed.place("header", field).start
    }

    /// The message is too short for what it claims.
    fn truncated(&self, field: &'static str) -> Expect {
        Expect::truncated(field, self.sealed.len())
    }
}

const CONTEXT: &str = "the encryption context";
const KEYS: &str = "the encrypted data keys";
