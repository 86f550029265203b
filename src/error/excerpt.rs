//! Text from a message, made fit for a terminal.

use std::fmt::{self, Write as _};

/// Names from a message are an attacker's text: escaped and cut before they reach a terminal.
pub(crate) struct Excerpt<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(text) = std::str::from_utf8(self.0) else {
            f.write_str("0x")?;
            for byte in self.0.iter().take(EXCERPT_BYTES) {
                write!(f, "{byte:02x}")?;
            }
            return f.write_str(if self.0.len() > EXCERPT_BYTES { "..." } else { "" });
        };
        write_cut(f, text, EXCERPT_CHARS)
    }
}

/// What a service says: as little to be trusted, but longer.
#[cfg(feature = "kms")]
pub(crate) struct Saying<'a>(pub(crate) &'a str);

#[cfg(feature = "kms")]
impl fmt::Display for Saying<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_cut(f, self.0, SAYING_CHARS)
    }
}

fn write_cut(f: &mut fmt::Formatter<'_>, text: &str, max_chars: usize) -> fmt::Result {
    for c in text.chars().take(max_chars) {
        match c {
            // No harm, and an escaped one is hard to read.
            '\'' | '"' => f.write_char(c)?,
            c => write!(f, "{}", c.escape_debug())?,
        }
    }
    if text.chars().nth(max_chars).is_some() {
        f.write_str("...")?;
    }
    Ok(())
}

/// Names in a list.
pub(super) struct Names<'a>(pub(super) &'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.0.iter().take(MAX_NAMES).enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}`{}`", Excerpt(name.as_bytes()))?;
        }
        more(f, self.0.len())
    }
}

/// Says how many of a long list were left out.
pub(super) fn more(f: &mut fmt::Formatter<'_>, len: usize) -> fmt::Result {
    match len.saturating_sub(MAX_NAMES) {
        0 => Ok(()),
        left => write!(f, " and {left} more"),
    }
}

/// A sentence stays readable whatever a message holds; the fields have all of it.
pub(super) const MAX_NAMES: usize = 10;
/// AWS names user, action, resource and policy in a sentence.
#[cfg(feature = "kms")]
const SAYING_CHARS: usize = 1000;
/// Long enough for any key ARN.
const EXCERPT_CHARS: usize = 200;
/// Enough to tell two keys apart.
const EXCERPT_BYTES: usize = 32;
