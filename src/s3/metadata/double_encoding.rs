//! What Amazon S3 does to metadata that is not ASCII, undone.
//!
//! It takes the UTF-8 bytes of a value for Latin-1, one character each, and sends what comes out as encoded
//! words of RFC 2047:
//!
//! ```text
//! é -> C3 A9 -> Ã© -> =?UTF-8?Q?=C3=83=C2=A9?=
//! ```
//!
//! Spec: s3-encryption/data-format/metadata-strategy, "Object Metadata".

use base64ct::{Base64, Encoding};

/// The value as it was before Amazon S3 encoded it; `None` if it holds no encoded word.
///
/// Words that were not taken for Latin-1 before come out, too: what they hold is not UTF-8 in Latin-1 then.
pub(super) fn decode(text: &str) -> Option<String> {
    let decoded = String::from_utf8(decode_words(text)?).ok()?;
    let latin1 = decoded.chars().map(|c| u8::try_from(c).ok()).collect::<Option<Vec<u8>>>();
    Some(latin1.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or(decoded))
}

/// The text with each encoded word replaced by its bytes. White space between two words is part of neither;
/// a character may begin in one and end in the next.
fn decode_words(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    let (mut found, mut after_word) = (false, false);
    while let Some((before, start)) = rest.find("=?").and_then(|at| rest.split_at_checked(at)) {
        let word = read_word(start);
        if !(after_word && word.is_some() && before.trim_ascii().is_empty()) {
            out.extend_from_slice(before.as_bytes());
        }
        after_word = word.is_some();
        if let Some((bytes, after)) = word {
            out.extend_from_slice(&bytes);
            found = true;
            rest = after;
        } else {
            out.push(b'=');
            rest = start.get(1..)?;
        }
    }
    out.extend_from_slice(rest.as_bytes());
    found.then_some(out)
}

/// Reads `=?UTF-8?B?...?=` or `=?UTF-8?Q?...?=` from the start, and gives its bytes and what follows.
fn read_word(text: &str) -> Option<(Vec<u8>, &str)> {
    let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (data, rest) = rest.split_once('?')?;
    let rest = rest.strip_prefix('=')?;
    if !charset.eq_ignore_ascii_case("UTF-8") {
        return None;
    }
    let bytes = match encoding {
        "B" | "b" => Base64::decode_vec(data).ok()?,
        "Q" | "q" => decode_q(data)?,
        _ => return None,
    };
    Some((bytes, rest))
}

fn decode_q(data: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(data.len());
    let mut rest = data.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        out.push(match byte {
            b'_' => b' ',
            b'=' => {
                let (digits, tail) = rest.split_first_chunk::<2>()?;
                rest = tail;
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let [high, low] = digits.map(digit);
                u8::try_from(high? << 4 | low?).ok()?
            }
            byte => byte,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What Amazon S3 makes of a value, in words of at most `len` bytes of content.
    fn encode(text: &str, len: usize, q: bool) -> String {
        let latin1: String = text.bytes().map(char::from).collect();
        let word = |bytes: &[u8]| {
            if q {
                let q: String = bytes.iter().map(|byte| format!("={byte:02X}")).collect();
                format!("=?UTF-8?Q?{q}?=")
            } else {
                format!("=?UTF-8?B?{}?=", Base64::encode_string(bytes))
            }
        };
        latin1.as_bytes().chunks(len).map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn plain_text_is_left_alone() {
        for text in [
            "",
            "{}",
            "{\"a\": \"b\"}",
            "=?",
            "=?UTF-8?Q",
            "=?UTF-8?X?a?=",
            "=?KOI8-R?Q?a?=",
            "a=?b?=",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    /// These two are from the set of vectors that another implementation made.
    #[test]
    fn what_others_wrote_is_decoded() {
        let decoded = decode("=?UTF-8?B?eyJjbMODwqkiOiAidmFsZXVyIn0=?=");
        assert_eq!(decoded.as_deref(), Some("{\"cl\u{e9}\": \"valeur\"}"));
        let decoded = decode("=?UTF-8?B?eyLDkMK6w5DCu8ORwo7DkcKHIjogIsODwqkifQ==?=");
        assert_eq!(decoded.as_deref(), Some("{\"\u{43a}\u{43b}\u{44e}\u{447}\": \"\u{e9}\"}"));
    }

    #[test]
    fn words_that_were_encoded_once_are_decoded_once() {
        assert_eq!(decode("=?utf-8?q?cl=C3=A9_1?=").as_deref(), Some("cl\u{e9} 1"));
        assert_eq!(decode("=?UTF-8?B?0Lo=?=").as_deref(), Some("\u{43a}"));
    }

    #[test]
    fn text_around_words_stays() {
        assert_eq!(
            decode("a =?UTF-8?Q?b?= c =?UTF-8?Q?d?=\r\n =?UTF-8?Q?e?=f").as_deref(),
            Some("a b c def")
        );
    }

    #[test]
    fn broken_words_do_no_harm() {
        assert_eq!(decode("=?UTF-8?Q?=4?="), None);
        assert_eq!(decode("=?UTF-8?Q?=zz?="), None);
        assert_eq!(decode("=?UTF-8?B?!?="), None);
        assert_eq!(decode("=?UTF-8?Q?=FF?="), None);
    }

    proptest! {
        #[test]
        fn what_s3_encodes_is_decoded(text in ".*\\PC", len in 1_usize..60, q: bool) {
            let decoded = decode(&encode(&text, len, q));
            prop_assert_eq!(decoded.as_deref(), Some(text.as_str()));
        }

        #[test]
        fn nothing_makes_it_fail(text in "(=\\?|UTF-8|\\?|Q|B|=|[a-f0-9]|\u{e9})*") {
            let _ = decode(&text);
        }
    }
}
