//! Each field of the frames, of a block and of the footer changed, and nothing that covers it.

use waxseal::{Malformed, Stage};

use super::message::{Message, Sealed};
use crate::case::{Case, Expect};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for suite in [0x0014, 0x0214, 0x0478, 0x0578] {
        let framed = Message::framed(suite).seal();
        regular_frames(&framed, &mut cases);
        last_frame(&framed, &mut cases);
        let unframed = Message::unframed(suite).seal();
        block(&unframed, &mut cases);
        for sealed in [framed, unframed] {
            after_the_end(&sealed, &mut cases);
            if sealed.is_signed() {
                footer(&sealed, &mut cases);
            }
        }
    }
    cases
}

fn regular_frames(sealed: &Sealed, cases: &mut Vec<Case>) {
    for number in [1, 2] {
        let part = format!("frame {number}");
        let at = sealed.part(&part).start;
        let released = if number == 1 { 0 } else { 16 };
        for found in [0, number - 1, number + 1, 0xff, u32::MAX - 1] {
            let message = sealed.with(&part, "number", &found.to_be_bytes());
            let expect = Expect::sequence(number, found, at);
            let name = name(sealed, &format!("frame-{number}-number-{found}"));
            let case = Case::body(&name, sealed, message, released, expect, CHANGED);
            // Zero is one less than one.
            if cases.iter().all(|other| other.name != case.name) {
                cases.push(case);
            }
        }
        // What is then the number of a final frame is the beginning of the IV.
        let message = sealed.with(&part, "number", &[0xff; 4]);
        let name_of = name(sealed, &format!("frame-{number}-marked-final"));
        let expect = Expect::sequence(number, 0, at);
        cases.push(Case::body(&name_of, sealed, message, released, expect, CHANGED));
        for (field, at) in
            [("iv", 0), ("iv", 11), ("content", 0), ("content", 15), ("tag", 0), ("tag", 15)]
        {
            let message = sealed.flipped(&part, field, at);
            let name = name(sealed, &format!("frame-{number}-{field}-byte-{at}"));
            let expect = Expect::Unauthentic(Stage::Frame(number));
            cases.push(Case::body(&name, sealed, message, released, expect, CHANGED));
        }
    }
}

fn last_frame(sealed: &Sealed, cases: &mut Vec<Case>) {
    let at = sealed.part("frame 3").start;
    let mut push = |what: &str, message, expect| {
        let name = name(sealed, &format!("last-frame-{what}"));
        cases.push(Case::body(&name, sealed, message, 32, expect, CHANGED));
    };
    let unmarked = sealed.with("frame 3", "marker", &[0xff, 0xff, 0xff, 0xfe]);
    push("marker", unmarked, Expect::sequence(3, u32::MAX - 1, at));
    let unmarked = sealed.with("frame 3", "marker", &[]);
    let short = sealed.len() - 4 < at + 16 + 16 + 16;
    // As a regular frame it is longer than what is left, unless there is a footer.
    let expect = match short {
        true => Expect::truncated("a frame", sealed.len() - 4),
        false => Expect::Unauthentic(Stage::Frame(3)),
    };
    push("marker-gone", unmarked, expect);
    for found in [0, 2, 4, u32::MAX] {
        let message = sealed.with("frame 3", "number", &u32::to_be_bytes(found));
        push(&format!("number-{found}"), message, Expect::sequence(3, found, at));
    }
    for found in [17, 0x0800_0000, u32::MAX] {
        let message = sealed.with("frame 3", "length", &u32::to_be_bytes(found));
        let reason = Malformed::FinalFrameLen { found, frame_len: 16 };
        push(&format!("length-{found}"), message, Expect::Invalid(reason, at));
    }
    for found in [0, 7, 9, 16] {
        let message = sealed.with("frame 3", "length", &u32::to_be_bytes(found));
        // What a longer one needs is taken from the footer, if there is one.
        let expect = if found > 8 && !sealed.is_signed() {
            Expect::truncated("a frame", sealed.len())
        } else {
            Expect::Unauthentic(Stage::Frame(3))
        };
        push(&format!("length-{found}"), message, expect);
    }
    for (field, at) in
        [("iv", 0), ("iv", 11), ("content", 0), ("content", 7), ("tag", 0), ("tag", 15)]
    {
        let message = sealed.flipped("frame 3", field, at);
        let expect = Expect::Unauthentic(Stage::Frame(3));
        push(&format!("{field}-byte-{at}"), message, expect);
    }
}

fn block(sealed: &Sealed, cases: &mut Vec<Case>) {
    let mut push = |what: &str, message, expect| {
        let name = name(sealed, &format!("block-{what}"));
        cases.push(Case::body(&name, sealed, message, 0, expect, CHANGED));
    };
    for (field, at) in
        [("iv", 0), ("iv", 11), ("content", 0), ("content", 39), ("tag", 0), ("tag", 15)]
    {
        let message = sealed.flipped("block", field, at);
        push(&format!("{field}-byte-{at}"), message, Expect::Unauthentic(Stage::Body));
    }
    for found in [0, 39, 41] {
        let message = sealed.with("block", "length", &u64::to_be_bytes(found));
        let expect = if found > 40 && !sealed.is_signed() {
            Expect::truncated("the body", sealed.len())
        } else {
            Expect::Unauthentic(Stage::Body)
        };
        push(&format!("length-{found}"), message, expect);
    }
}

fn after_the_end(sealed: &Sealed, cases: &mut Vec<Case>) {
    for (what, tail) in [
        ("zero", vec![0]),
        ("marker", vec![0xff; 4]),
        ("message", sealed.bytes.clone()),
        ("tag", vec![0; 16]),
    ] {
        let message = [&sealed.bytes[..], &tail].concat();
        let expect = Expect::Invalid(Malformed::TrailingBytes, sealed.len());
        let comment = "bytes follow the end; all before them is authentic to its end";
        let name = name(sealed, &format!("followed-by-{what}"));
        let case = Case::end(&name, sealed, message, expect, comment);
        cases.push(case.releasing(&sealed.plaintext()));
    }
}

fn footer(sealed: &Sealed, cases: &mut Vec<Case>) {
    let mut push = |what: &str, message, expect| {
        let name = name(sealed, &format!("footer-{what}"));
        cases.push(Case::end(&name, sealed, message, expect, CHANGED));
    };
    let len = u16::try_from(sealed.get("footer", "signature").len()).unwrap();
    for found in [len + 1, u16::MAX] {
        let message = sealed.with("footer", "length", &found.to_be_bytes());
        let expect = Expect::truncated("the footer", sealed.len());
        push(&format!("length-{found}"), message, expect);
    }
    // What is too short is no signature, and that comes before what follows it.
    for found in [0, 1, len - 1] {
        let message = sealed.with("footer", "length", &found.to_be_bytes());
        push(&format!("length-{found}"), message, Expect::Unauthentic(Stage::Signature));
    }
}

fn name(sealed: &Sealed, what: &str) -> String {
    let form = if sealed.contents.len() == 1 { "unframed" } else { "framed" };
    format!("{:04x}-{form}-{what}", sealed.suite.id)
}

const CHANGED: &str = "the field was changed, and nothing that covers it with it";
