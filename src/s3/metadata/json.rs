//! JSON objects whose values are text, but for a few numbers: instruction files, encryption contexts, material descriptions.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};

/// Reads an object of text, and nothing else.
///
/// # Errors
/// What is wrong with it, to follow the name of what it is. Never a part of its text.
pub(super) fn read(text: &[u8]) -> Result<BTreeMap<String, String>, String> {
    read_with_numbers(text, &[])
}

/// Reads the same, but for the values of some keys: an integer there is its digits, and null as if nothing were there.
///
/// # Errors
/// As [`read`].
pub(super) fn read_with_numbers(
    text: &[u8],
    numbers: &'static [&'static str],
) -> Result<BTreeMap<String, String>, String> {
    if text.len() > MAX_JSON_LEN {
        return Err(format!("has {} bytes, more than {MAX_JSON_LEN}", text.len()));
    }
    let mut parser = serde_json::Deserializer::from_slice(text);
    let object = Object { numbers }.deserialize(&mut parser);
    match object.and_then(|pairs| parser.end().map(|()| pairs)) {
        Ok(pairs) => Ok(pairs),
        // The words of the parser would repeat what is there, however long.
        Err(error) => Err(format!(
            "is not a JSON object in which each key occurs once and has text as its value \
             (line {}, column {})",
            error.line(),
            error.column()
        )),
    }
}

/// Writes an object without spaces, in ASCII: what else there is becomes `\u` escapes. So Amazon S3, which
/// encodes other metadata in ways of its own, leaves it alone, and every JSON reader reads the same.
pub(super) fn write<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::from("{");
    for (key, value) in pairs {
        if out.len() > 1 {
            out.push(',');
        }
        write_text(&mut out, key);
        out.push(':');
        write_text(&mut out, value);
    }
    out.push('}');
    out
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    // A `String` takes all that is written to it.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

/// An object of text, but for the keys of numbers.
struct Object {
    numbers: &'static [&'static str],
}

impl<'de> DeserializeSeed<'de> for Object {
    type Value = BTreeMap<String, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut pairs = BTreeMap::new();
        while let Some(key) = access.next_key::<String>()? {
            let value = match self.numbers.contains(&key.as_str()) {
                false => Some(access.next_value()?),
                true => access.next_value_seed(TextOrNumber)?,
            };
            if pairs.insert(key, value).is_some() {
                // Readers differ in which of two they take.
                return Err(de::Error::custom("a key occurs twice"));
            }
        }
        Ok(pairs.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
    }
}

struct TextOrNumber;

impl<'de> DeserializeSeed<'de> for TextOrNumber {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for TextOrNumber {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or an integer")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(number.to_string()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// The longest text that is read, in bytes. Amazon S3 stores 2 KB with an object, and an instruction file has
/// little more than that: the longest of RSA and AWS KMS leave most of this to the context.
pub(crate) const MAX_JSON_LEN: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn objects_of_text_are_read() {
        assert_eq!(read(b"{}"), Ok(BTreeMap::new()));
        let pairs = read(b" { \"b\" : \"2\", \"a\":\"\\u00e9\" } ").unwrap();
        assert_eq!(pairs["a"], "\u{e9}");
        assert_eq!(pairs["b"], "2");
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "null",
            "[]",
            "\"a\"",
            "1",
            "{",
            "{\"a\"}",
            "{\"a\":1}",
            "{\"a\":null}",
            "{\"a\":{}}",
            "{\"a\":[\"b\"]}",
            "{\"a\":\"b\"}x",
            "{\"a\":\"b\",}",
            "{\"a\":\"b\",\"a\":\"b\"}",
            "{\"a\":\"b\",\"\\u0061\":\"c\"}",
            "{\"a\":\"\\ud800\"}",
            "{'a':'b'}",
            "{\"a\":\"\n\"}",
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(read(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn numbers_are_read_where_they_may_be() {
        let read = |text: &str| read_with_numbers(text.as_bytes(), &["n"]);
        let n = |value: &str| BTreeMap::from([("n".to_owned(), value.to_owned())]);
        assert_eq!(read("{\"n\":128}"), Ok(n("128")));
        assert_eq!(read("{\"n\":\"128\"}"), Ok(n("128")));
        assert_eq!(read("{\"n\":18446744073709551615}"), Ok(n("18446744073709551615")));
        assert_eq!(read("{\"n\":null}"), Ok(BTreeMap::new()));
        for text in [
            "{\"n\":-1}",
            "{\"n\":1.0}",
            "{\"n\":1e2}",
            "{\"n\":18446744073709551616}",
            "{\"n\":true}",
            "{\"n\":[1]}",
            "{\"n\":{}}",
            "{\"n\":1,\"n\":1}",
            "{\"n\":null,\"n\":1}",
            "{\"a\":1}",
            "{\"a\":null}",
            "{\"n\":1}x",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_length_is_bounded() {
        let of_len = |len: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(len - 8)).into_bytes();
        assert!(read(&of_len(MAX_JSON_LEN)).is_ok());
        assert!(read(&of_len(MAX_JSON_LEN + 1)).is_err());
    }

    #[test]
    fn what_is_written_is_short_and_in_ascii() {
        assert_eq!(write([]), "{}");
        assert_eq!(write([("a", "1"), ("b", "\"\\\n")]), r#"{"a":"1","b":"\"\\\u000a"}"#);
        assert_eq!(
            write([("cl\u{e9}", "\u{1f600}\u{7f}")]),
            r#"{"cl\u00e9":"\ud83d\ude00\u007f"}"#
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_by_any_json_reader(
            pairs in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..5),
        ) {
            let text = write(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())));
            prop_assert!(text.is_ascii());
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&value, &serde_json::to_value(&pairs).unwrap());
            prop_assert_eq!(read(text.as_bytes()).unwrap(), pairs);
        }
    }
}
