//! `inspect`.

use std::fmt::Write as _;
use std::io::{self, Read};

use serde_json::json;
use waxseal::{ContentType, FrameLayout, Header, MessageVersion};

use crate::args::Inspect;
use crate::failure::Failure;
use crate::input::Input;
use crate::output;

pub(crate) fn run(args: &Inspect) -> Result<(), Failure> {
    let Inspect { json, input, input_flag } = args;
    let input = Input::open(input.as_deref().or(input_flag.as_deref()))?;
    let name = input.name().to_owned();
    let mut input = Counted { input, len: 0 };
    let header = waxseal::inspect_reader(&mut input);
    let header = header.map_err(|error| Failure::reading(&name, error))?;
    let total_len =
        input.total_len().map_err(|error| Failure::io(&format!("cannot read {name}"), &error))?;
    let message = Message::new(header.parsed(), total_len);
    let text = if *json { message.json() } else { message.text() };
    output::print(text.as_bytes())
}

/// What can be told about a message without a key.
struct Message<'a> {
    header: &'a Header,
    /// Version 2 has none.
    message_type: Option<u8>,
    frame_len: Option<u32>,
    total_len: u64,
    /// By the total length alone, which nobody vouches for.
    plaintext_len: Option<u64>,
}

impl<'a> Message<'a> {
    fn new(header: &'a Header, total_len: u64) -> Self {
        let message_type = match header.version() {
            MessageVersion::V1 => Some(0x80),
            _ => None,
        };
        let frame_len = match header.content_type() {
            ContentType::Framed { frame_len } => Some(frame_len),
            _ => None,
        };
        // A signature's length varies, so a signed message could have one of several.
        let plaintext_len = frame_len
            .filter(|_| !header.suite().signs())
            .and_then(|frame_len| FrameLayout::new(header.len(), frame_len).ok())
            .and_then(|layout| layout.plaintext_len(total_len));
        Self { header, message_type, frame_len, total_len, plaintext_len }
    }

    fn json(&self) -> String {
        let Self { header, message_type, frame_len, total_len, plaintext_len } = self;
        let suite = header.suite();
        let context: serde_json::Map<_, _> =
            header.context().iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let keys: Vec<_> = header
            .encrypted_data_keys()
            .iter()
            .map(|edk| {
                json!({
                    "provider_id": String::from_utf8_lossy(edk.provider_id()),
                    "key_name": String::from_utf8_lossy(edk.key_name()),
                    "provider_info": hex(edk.provider_info()),
                    "ciphertext_len": edk.ciphertext().len(),
                })
            })
            .collect();
        let message = json!({
            "version": header.version().to_byte(),
            "type": message_type,
            "suite": { "id": format!("0x{:04x}", suite.id()), "name": suite.name() },
            "message_id": hex(header.message_id()),
            "encryption_context": context,
            "encrypted_data_keys": keys,
            "content_type": self.content_type(),
            "frame_length": frame_len,
            "header_length": header.len(),
            "commits": suite.commits(),
            "signs": suite.signs(),
            "total_length": total_len,
            "plaintext_length": plaintext_len,
            "unverified": true,
        });
        ascii(&format!("{message:#}\n"))
    }

    fn text(&self) -> String {
        let Self { header, message_type, frame_len, total_len, plaintext_len } = self;
        let suite = header.suite();
        let yes = |yes| if yes { "yes" } else { "no" };
        let mut out = String::new();
        let mut line = |name: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{name}: {value}");
        };
        line("version", &header.version().to_byte().to_string());
        if let Some(message_type) = message_type {
            line("type", &format!("0x{message_type:02x}"));
        }
        line("suite", &format!("0x{:04x} {suite}", suite.id()));
        line("commits", yes(suite.commits()));
        line("signs", yes(suite.signs()));
        line("message_id", &hex(header.message_id()));
        line("encryption_context", &count(header.context().len(), "pair"));
        for (name, value) in header.context().iter() {
            line(&format!("  {name:?}"), &format!("{value:?}"));
        }
        let edks = header.encrypted_data_keys();
        line("encrypted_data_keys", &count(edks.len(), "key"));
        for edk in edks {
            let provider = String::from_utf8_lossy(edk.provider_id());
            let name = String::from_utf8_lossy(edk.key_name());
            let len = count(edk.ciphertext().len(), "byte");
            line(&format!("  {provider:?} {name:?}"), &format!("ciphertext of {len}"));
        }
        line("content_type", self.content_type());
        if let Some(frame_len) = frame_len {
            line("frame_length", &frame_len.to_string());
        }
        line("header_length", &header.len().to_string());
        line("total_length", &total_len.to_string());
        if let Some(len) = plaintext_len {
            line("plaintext_length", &format!("{len} (by the total length)"));
        }
        line("unverified", "true");
        out
    }

    fn content_type(&self) -> &'static str {
        if self.frame_len.is_some() { "framed" } else { "unframed" }
    }
}

/// An input that knows how much of it was read.
struct Counted {
    input: Input,
    len: u64,
}

impl Counted {
    /// A file tells its length; anything else is read to its end.
    fn total_len(mut self) -> io::Result<u64> {
        match self.input.file_len() {
            // Some system files say 0 and have content.
            Some(len) if len >= self.len => Ok(len),
            _ => {
                io::copy(&mut self, &mut io::sink())?;
                Ok(self.len)
            }
        }
    }
}

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.input.read(out)?;
        self.len = self.len.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        Ok(len)
    }
}

pub(crate) fn count(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The same JSON with everything escaped that is not printable ASCII: some of it controls terminals, and
/// it can only be inside of strings.
pub(crate) fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || c == ' ' || c.is_ascii_graphic() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert_eq!([count(0, "byte"), count(1, "byte")], ["0 bytes", "1 byte"]);
    }

    #[test]
    fn json_is_printable_ascii() {
        let text = serde_json::to_string("\u{7f}\u{9b}\u{1f600}é").unwrap();
        assert_eq!(ascii(&text), r#""\u007f\u009b\ud83d\ude00\u00e9""#);
    }
}
