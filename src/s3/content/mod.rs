//! The body of an object: ciphertext and then, where the suite authenticates, the tag.

mod key;
mod open;
mod range;
mod seal;
#[cfg(any(feature = "s3", fuzzing, test))]
mod stored;
#[cfg(test)]
mod tests;

pub(crate) use key::ContentKey;
pub use open::{BufferedOpener, UnauthenticatedOpener};
pub use range::UnauthenticatedRangeOpener;
pub use seal::{PartSealer, PartTicket, SealedPart, Sealer};
#[cfg(any(feature = "s3", fuzzing, test))]
pub(crate) use stored::StoredOpener;
