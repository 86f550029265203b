//! The formats of the Amazon S3 Encryption Client.

#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "for the S3 encryption client"))]
mod content;
mod description;
mod keyring;
mod suite;

pub use content::{
    BufferedOpener, ByteRange, ByteSpan, PartSealer, PartTicket, SealedPart, Sealer, UnauthenticatedOpener,
    UnauthenticatedRangeOpener,
};
pub use description::MaterialDescription;
pub use keyring::{Fit, S3Keyring, UnwrapRequest, WrapRequest, WrappedDataKey, WrappingAlgorithm};
pub use suite::ContentSuite;
