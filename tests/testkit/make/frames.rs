//! Frames that are moved, or that say what they must not under tags that are right for it.

use waxseal::{Malformed, Stage};

use super::message::{Aad, Kind, Message, Piece, Sealed, plaintext};
use crate::case::{Case, Expect};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for suite in [0x0014, 0x0378, 0x0478, 0x0578] {
        let mut family = Family { suite, good: Message::framed(suite), cases };
        family.moved();
        family.renumbered();
        family.numbered_wrongly();
        family.several_ends();
        family.wrong_lengths();
        family.wrong_aad();
        family.wrong_keys();
        family.odd();
        cases = family.cases;
    }
    cases
}

struct Family {
    suite: u16,
    good: Message,
    cases: Vec<Case>,
}

impl Family {
    /// Frames as they were, in another order.
    fn moved(&mut self) {
        let sealed = self.good.seal();
        let (h, one, two, last) = ("header", "frame 1", "frame 2", "frame 3");
        let start = sealed.header_len();
        let (second, third) = (sealed.part(two).start, sealed.part(last).start);
        for (what, parts, released, expect) in [
            ("first-two-swapped", vec![h, two, one, last], 0, Expect::sequence(1, 2, start)),
            ("last-two-swapped", vec![h, one, last, two], 16, Expect::sequence(2, 3, second)),
            ("last-first", vec![h, last, one, two], 0, Expect::sequence(1, 3, start)),
            ("first-twice", vec![h, one, one, two, last], 16, Expect::sequence(2, 1, second)),
            ("second-twice", vec![h, one, two, two, last], 32, Expect::sequence(3, 2, third)),
            ("first-gone", vec![h, two, last], 0, Expect::sequence(1, 2, start)),
            ("second-gone", vec![h, one, last], 16, Expect::sequence(2, 3, second)),
            ("only-last", vec![h, last], 0, Expect::sequence(1, 3, start)),
            ("all-twice", vec![h, one, two, one, two, last], 32, Expect::sequence(3, 1, third)),
        ] {
            let message = sealed.parts(&[&parts[..], &["footer"]].concat());
            self.body(what, &sealed, message, released, expect, "frames as they were, moved");
        }
        let gone = sealed.parts(&[h, one, two, "footer"]);
        let expect = self.instead_of_frame(&sealed, &gone, 3, third);
        self.body("last-gone", &sealed, gone, 32, expect, "there is no last frame");
        let gone = sealed.parts(&[h, "footer"]);
        let expect = self.instead_of_frame(&sealed, &gone, 1, start);
        self.body("all-gone", &sealed, gone, 0, expect, "there is no frame");

        // Behind the last frame is the end, or the footer.
        let end = sealed.part(last).end;
        for (what, extra, stated_len) in
            [("last-twice", last, 0xffff), ("first-at-the-end", one, 0)]
        {
            let message = sealed.parts(&[h, one, two, last, extra, "footer"]);
            let expect = match (sealed.is_signed(), stated_len) {
                (false, _) => Expect::Invalid(Malformed::TrailingBytes, end),
                (true, 0) => Expect::Unauthentic(Stage::Signature),
                (true, _) => Expect::truncated("the footer", message.len()),
            };
            let name = self.name(what);
            let comment = "a frame follows the last one";
            self.cases.push(Case::end(&name, &sealed, message, expect, comment));
        }
        let message = sealed.parts(&[h, h, one, two, last, "footer"]);
        let found = u32::from_be_bytes(*sealed.bytes.first_chunk().unwrap());
        let expect = Expect::sequence(1, found, start);
        self.body("header-twice", &sealed, message, 0, expect, "the header stands there twice");
    }

    /// Frames that were given the number that should come, but not a tag for it.
    fn renumbered(&mut self) {
        let sealed = self.good.seal();
        let (start, second) = (sealed.part("frame 1"), sealed.part("frame 2"));
        let numbered = |part: &str, number: u32| {
            let message = sealed.with(part, "number", &number.to_be_bytes());
            message[sealed.part(part)].to_vec()
        };
        let before = &sealed.bytes[..start.start];
        let after = &sealed.bytes[second.end..];
        let swapped = [before, &numbered("frame 2", 1), &numbered("frame 1", 2), after].concat();
        let expect = Expect::Unauthentic(Stage::Frame(1));
        let comment = "frames swapped, each with the number of its new place";
        self.body("swapped-and-renumbered", &sealed, swapped, 0, expect, comment);
        let repeated = [before, &sealed.bytes[start], &numbered("frame 1", 2), after].concat();
        let expect = Expect::Unauthentic(Stage::Frame(2));
        let comment = "the first frame again, with the number of the second";
        self.body("repeated-and-renumbered", &sealed, repeated, 16, expect, comment);
        let last = [before, &numbered("frame 3", 1), sealed.part_bytes("footer")].concat();
        let expect = Expect::Unauthentic(Stage::Frame(1));
        let comment = "only the last frame, with the number of the first";
        self.body("only-last-and-renumbered", &sealed, last, 0, expect, comment);

        // The second, with everything that makes a last frame but the tag.
        let frame = sealed.part_bytes("frame 2");
        let (prefix, content) = frame.split_at(16);
        let ended = [
            &sealed.bytes[..second.start],
            &[0xff; 4],
            prefix,
            &16_u32.to_be_bytes(),
            content,
            sealed.part_bytes("footer"),
        ];
        let expect = Expect::Unauthentic(Stage::Frame(2));
        let comment = "a regular frame made the last one, to end the message early";
        self.body("regular-made-last", &sealed, ended.concat(), 16, expect, comment);

        let mut full = self.good.clone();
        full.body[2] = Piece::new(Kind::Last, 3, &plaintext()[..16]);
        let full = full.seal();
        let place = full.part("frame 3");
        let frame = full.part_bytes("frame 3");
        let regular = [&frame[4..20], &frame[24..]].concat();
        let goes_on =
            [&full.bytes[..place.start], &regular, &full.bytes[place.start..place.end]].concat();
        let goes_on = [&goes_on, full.part_bytes("footer")].concat();
        let expect = Expect::Unauthentic(Stage::Frame(3));
        let comment = "the last frame made a regular one, so that the message goes on";
        self.body("last-made-regular", &full, goes_on, 32, expect, comment);
    }

    /// Sealed with these numbers, by someone who has the data key.
    fn numbered_wrongly(&mut self) {
        for (what, numbers, released) in [
            ("from-0", [0, 1, 2], 0),
            ("from-2", [2, 3, 4], 0),
            ("with-a-gap", [1, 3, 4], 16),
            ("twice", [1, 1, 2], 16),
            ("backwards", [3, 2, 1], 0),
            ("last-repeats", [1, 2, 2], 32),
            ("last-with-a-gap", [1, 2, 4], 32),
            ("last-is-0", [1, 2, 0], 32),
            ("last-is-max", [1, 2, u32::MAX], 32),
            ("almost-max", [u32::MAX - 1, 2, 3], 0),
        ] {
            let mut message = self.good.clone();
            for (piece, number) in message.body.iter_mut().zip(numbers) {
                *piece = Piece::new(piece.kind, number, &piece.content);
            }
            let sealed = message.seal();
            let index = released / 16;
            let expected = u32::try_from(index + 1).unwrap();
            let at = sealed.part(&format!("frame {expected}")).start;
            let expect = Expect::sequence(expected, numbers[index], at);
            self.sealed(&format!("numbered-{what}"), &sealed, released, expect);
        }
        // A regular frame with the number that marks the last one: what is read as number is the IV's.
        let mut message = self.good.clone();
        message.body[1] = Piece::new(Kind::Regular, u32::MAX, &plaintext()[16..32]);
        let sealed = message.seal();
        let expect = Expect::sequence(2, 0, sealed.part("frame 2").start);
        self.sealed("numbered-max", &sealed, 16, expect);
    }

    fn several_ends(&mut self) {
        let plaintext = plaintext();
        let one = Piece::new(Kind::Regular, 1, &plaintext[..16]);
        let end = |number| Piece::new(Kind::Last, number, &plaintext[16..32]);
        let regular = |number| Piece::new(Kind::Regular, number, &plaintext[16..32]);
        for (what, body) in [
            ("two-last", vec![one.clone(), end(2), end(3)]),
            ("last-in-the-middle", vec![one.clone(), end(2), regular(3), end(4)]),
            ("regular-behind-last", vec![one.clone(), end(2), regular(3)]),
            ("two-empty-last", vec![one.clone(), end(2), Piece::new(Kind::Last, 3, b"")]),
            ("same-last-twice", vec![one, end(2), end(2)]),
        ] {
            let mut message = self.good.clone();
            message.body = body;
            let sealed = message.seal();
            let is_marker =
                sealed.fields.iter().any(|(part, field, _)| part == "frame 3" && field == "marker");
            let expect = match (sealed.is_signed(), is_marker) {
                (false, _) => Expect::Invalid(Malformed::TrailingBytes, sealed.part("frame 2").end),
                // The marker is read as the length of a footer, and so are zeros.
                (true, true) => Expect::truncated("the footer", sealed.len()),
                (true, false) => Expect::Unauthentic(Stage::Signature),
            };
            let bytes = sealed.bytes.clone();
            let released = if sealed.is_signed() { 16 } else { 32 };
            let case = Case::end(&self.name(what), &sealed, bytes, expect, SEALED);
            self.cases.push(case.releasing(&plaintext[..released]));
        }
        let mut message = self.good.clone();
        message.body.pop();
        let sealed = message.seal();
        let at = sealed.part("frame 2").end;
        let expect = self.instead_of_frame(&sealed, &sealed.bytes, 3, at);
        self.sealed("no-last", &sealed, 32, expect);
    }

    fn wrong_lengths(&mut self) {
        for len in [17_u64, 32, 40] {
            let mut message = self.good.clone();
            let content = plaintext()[..usize::try_from(len).unwrap()].to_vec();
            message.body[2] = Piece::new(Kind::Last, 3, &content);
            let sealed = message.seal();
            let reason =
                Malformed::FinalFrameLen { found: u32::try_from(len).unwrap(), frame_len: 16 };
            let expect = Expect::Invalid(reason, sealed.part("frame 3").start);
            self.sealed(&format!("last-of-{len}"), &sealed, 32, expect);
        }
        for len in [0, 15, 17] {
            let mut message = self.good.clone();
            message.body[0] = Piece::new(Kind::Regular, 1, &plaintext()[..len]);
            let sealed = message.seal();
            let expect = Expect::Unauthentic(Stage::Frame(1));
            self.sealed(&format!("regular-of-{len}"), &sealed, 0, expect);
        }
        for stated in [7, 9] {
            let mut message = self.good.clone();
            message.body[2].stated_len = stated;
            let sealed = message.seal();
            let expect = match stated > 8 && !sealed.is_signed() {
                true => Expect::truncated("a frame", sealed.len()),
                false => Expect::Unauthentic(Stage::Frame(3)),
            };
            self.sealed(&format!("last-of-8-states-{stated}"), &sealed, 32, expect);
        }
        let mut message = self.good.clone();
        message.body[2].stated_len = 7;
        message.body[2].aad.len = Some(7);
        let sealed = message.seal();
        let expect = Expect::Unauthentic(Stage::Frame(3));
        self.sealed("last-of-8-authenticated-as-7", &sealed, 32, expect);
    }

    fn wrong_aad(&mut self) {
        let message_id = self.good.message_id.clone();
        let regular = Some("AWSKMSEncryptionClient Frame");
        let last = Some("AWSKMSEncryptionClient Final Frame");
        let block = Some("AWSKMSEncryptionClient Single Block");
        let aad = Aad::default;
        for (what, index, aad) in [
            ("regular-as-last", 0, Aad { text: last, ..aad() }),
            ("regular-as-block", 0, Aad { text: block, ..aad() }),
            ("regular-without-text", 0, Aad { text: Some(""), ..aad() }),
            ("last-as-regular", 2, Aad { text: regular, ..aad() }),
            ("last-as-block", 2, Aad { text: block, ..aad() }),
            ("regular-number-more", 0, Aad { number: Some(2), ..aad() }),
            ("regular-number-0", 0, Aad { number: Some(0), ..aad() }),
            ("last-number-1", 2, Aad { number: Some(1), ..aad() }),
            ("regular-length-0", 0, Aad { len: Some(0), ..aad() }),
            ("regular-length-15", 1, Aad { len: Some(15), ..aad() }),
            ("regular-length-beyond-32-bits", 1, Aad { len: Some((1 << 32) + 16), ..aad() }),
            ("last-length-16", 2, Aad { len: Some(16), ..aad() }),
            ("no-message-id", 0, Aad { message_id: Some(Vec::new()), ..aad() }),
            ("other-message-id", 1, Aad { message_id: Some(vec![0; message_id.len()]), ..aad() }),
            ("message-id-cut", 2, Aad { message_id: Some(message_id[1..].to_vec()), ..aad() }),
        ] {
            let mut message = self.good.clone();
            message.body[index].aad = aad;
            self.unauthentic(&format!("aad-{what}"), &message, index);
        }
    }

    fn wrong_keys(&mut self) {
        let derives = self.good.content_key() != self.good.data_key;
        for index in 0..3 {
            let mut message = self.good.clone();
            message.body[index].used_iv = Some([0xee; 12]);
            self.unauthentic(&format!("another-iv-used-{}", index + 1), &message, index);
            let mut message = self.good.clone();
            message.body[index].key = Some(vec![9; self.good.suite.key_len]);
            self.unauthentic(&format!("another-key-{}", index + 1), &message, index);
            if derives {
                let mut message = self.good.clone();
                message.body[index].key = Some(self.good.data_key.clone());
                self.unauthentic(&format!("data-key-{}", index + 1), &message, index);
            }
        }
    }

    /// Odd, but nothing is wrong.
    fn odd(&mut self) {
        let plaintext = plaintext();
        let mut push = |what: &str, body: Vec<Piece>, comment: &str| {
            let sealed = Message { body, ..self.good.clone() }.seal();
            let name = format!("{:04x}-{what}", self.suite);
            self.cases.push(Case::good(&name, &sealed, comment));
        };
        let good = &self.good.body;
        let last = |number, content: &[u8]| Piece::new(Kind::Last, number, content);
        let full = vec![good[0].clone(), good[1].clone(), last(3, b"")];
        push("empty-last", full, "an empty last frame behind a full one, as some clients write it");
        let full = vec![good[0].clone(), last(2, &plaintext[16..32])];
        push("full-last", full, "a last frame that is full");
        push("only-last-full", vec![last(1, &plaintext[..16])], "one frame, which is full");
        push("one-byte", vec![last(1, b"A")], "one byte");
        let mut random = good.clone();
        for (piece, byte) in random.iter_mut().zip([0xee, 0x00, 0xff]) {
            piece.iv = [byte; 12];
        }
        push("other-ivs", random, "IVs that are not the numbers, as old clients wrote them");
        let many = (1..=100).map(|n| Piece::new(Kind::Regular, n, &plaintext[..16]));
        let many = many.chain([last(101, b"end")]).collect();
        push("many", many, "101 frames");
    }

    fn unauthentic(&mut self, what: &str, message: &Message, index: usize) {
        let number = u32::try_from(index + 1).unwrap();
        let expect = Expect::Unauthentic(Stage::Frame(number));
        self.sealed(what, &message.seal(), index * 16, expect);
    }

    /// What is found where a frame should begin and only the footer is.
    fn instead_of_frame(&self, sealed: &Sealed, bytes: &[u8], number: u32, at: usize) -> Expect {
        match sealed.part_bytes("footer").first_chunk() {
            Some(found) => Expect::sequence(number, u32::from_be_bytes(*found), at),
            None => Expect::truncated("a frame", bytes.len()),
        }
    }

    fn body(
        &mut self,
        what: &str,
        sealed: &Sealed,
        message: Vec<u8>,
        released: usize,
        expect: Expect,
        comment: &str,
    ) {
        let name = self.name(what);
        self.cases.push(Case::body(&name, sealed, message, released, expect, comment));
    }

    fn sealed(&mut self, what: &str, sealed: &Sealed, released: usize, expect: Expect) {
        self.body(what, sealed, sealed.bytes.clone(), released, expect, SEALED);
    }

    fn name(&self, what: &str) -> String {
        format!("{:04x}-{what}", self.suite)
    }
}

const SEALED: &str = "written so by someone who has the data key";
