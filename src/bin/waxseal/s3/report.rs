//! What reports about objects have in common.

use serde_json::Value;
use waxseal::s3::{FormatVersion, MetadataLocation, PlaintextLen};

use crate::inspect::ascii;

/// JSON on a line of its own.
pub(super) fn line(json: &Value) -> String {
    format!("{}\n", ascii(&json.to_string()))
}

/// The length of a plaintext in bytes, and how well it is known.
pub(super) fn len_json(len: Option<PlaintextLen>) -> (Option<u64>, Option<&'static str>) {
    match len {
        Some(PlaintextLen::Exact(len)) => (Some(len), Some("exact")),
        Some(PlaintextLen::Stated(len)) => (Some(len), Some("stated")),
        Some(PlaintextLen::AtMost(len)) => (Some(len), Some("at most")),
        _ => (None, None),
    }
}

/// Pairs as an object.
pub(super) fn pairs_json<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    pairs.map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

/// The number of a format version.
pub(super) fn version(version: FormatVersion) -> Option<u8> {
    match version {
        FormatVersion::V1 => Some(1),
        FormatVersion::V2 => Some(2),
        FormatVersion::V3 => Some(3),
        _ => None,
    }
}

/// Where the wrapped data key is.
pub(super) fn location(location: MetadataLocation) -> &'static str {
    match location {
        MetadataLocation::InstructionFile => "instruction file",
        _ => "object",
    }
}
