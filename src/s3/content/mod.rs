//! The body of an object: ciphertext and then, where the suite authenticates, the tag.

mod key;
mod open;
mod range;
mod seal;
#[cfg(test)]
mod tests;

pub(crate) use key::ContentKey;
pub(crate) use open::StoredOpener;
pub use open::{BufferedOpener, UnauthenticatedOpener};
pub use range::{ByteRange, ByteSpan, UnauthenticatedRangeOpener};
pub use seal::{PartSealer, PartTicket, SealedPart, Sealer};
