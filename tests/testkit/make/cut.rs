//! Messages that end too early, at any byte.

use super::crypto::sha256;
use super::message::{Message, Sealed};
use crate::case::{Case, Cut, Part};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for suite in [0x0178, 0x0214, 0x0378, 0x0478, 0x0578] {
        for (form, message) in
            [("framed", Message::framed(suite)), ("unframed", Message::unframed(suite))]
        {
            let sealed = message.seal();
            let comment = "it opens, but not when it is cut";
            let mut case = Case::good(&format!("{suite:04x}-{form}"), &sealed, comment);
            case.cuts = cuts(&sealed);
            cases.push(case);
        }
    }
    cases
}

/// One entry for all lengths that end in the same field of the same part.
fn cuts(sealed: &Sealed) -> Vec<Cut> {
    let (mut cuts, mut released) = (Vec::<Cut>::new(), 0);
    for (part, field, place) in &sealed.fields {
        let stage = match part.as_str() {
            "header" => Part::Header,
            "footer" => Part::End,
            _ => Part::Body,
        };
        let told = told(part, field).to_owned();
        let last = place.end - 1;
        match cuts.last_mut() {
            Some(cut) if cut.field == told && cut.released == released => cut.last = last,
            _ => cuts.push(Cut {
                first: place.start,
                last,
                stage,
                released,
                payload: sha256(&sealed.plaintext()[..released]),
                field: told,
            }),
        }
        let more = sealed.released_before_signature().len();
        if field == "tag" && stage == Part::Body && released < more {
            released = more.min(released + sealed.contents[0].len());
        }
    }
    cuts
}

/// What the field is called in errors: those of the header by the sections of the specification.
fn told(part: &str, field: &str) -> &'static str {
    match (part, field) {
        ("header", "version") => "the version",
        ("header", "type" | "suite") => "the algorithm suite",
        ("header", "message id") => "the message id",
        ("header", "context length" | "context") => "the encryption context",
        ("header", "content type" | "reserved" | "iv length" | "frame length" | "commitment") => {
            "the content type"
        }
        ("header", "iv" | "tag") => "the header authentication",
        ("header", _) => "the encrypted data keys",
        ("footer", _) => "the footer",
        ("block", _) => "the body",
        _ => "a frame",
    }
}
