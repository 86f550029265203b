//! Bytes to structs and back: no cryptography, no input or output.
//!
//! ```text
//! message = header body | header auth | body (frames, or one unframed block) | footer, if signed
//! ```

pub(crate) mod body;
pub(crate) mod footer;
pub(crate) mod geometry;
pub(crate) mod header;
pub(crate) mod layout;

pub use body::FrameKind;
pub use header::{ContentType, EncryptedDataKey, Header};
pub use layout::{FrameLayout, FrameSpan};

/// Lengths from the wire as sizes of this machine. Where they do not fit, no buffer can be that long,
/// so the largest size is as good.
pub(crate) fn to_usize(len: u32) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

/// Sizes of this machine as offsets of the format.
pub(crate) fn to_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
