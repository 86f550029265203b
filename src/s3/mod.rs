//! The formats of the Amazon S3 Encryption Client.

#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "for the S3 encryption client"))]
mod content;
mod description;
mod keyring;
mod metadata;
mod policy;
mod suite;

pub use content::{
    BufferedOpener, ByteRange, ByteSpan, PartSealer, PartTicket, SealedPart, Sealer,
    UnauthenticatedOpener, UnauthenticatedRangeOpener,
};
pub use description::MaterialDescription;
pub use keyring::{
    AesKeyring, Fit, MultiKeyring, RsaKeyring, S3Keyring, UnwrapRequest, WrapRequest, Wrapped,
    WrappedDataKey, WrappingAlgorithm, unwrap_data_key,
};
pub use metadata::{
    ContentMetadata, EncodedMetadata, FormatVersion, Metadata, MetadataLocation, Partial,
};
pub use policy::Policy;
pub use suite::ContentSuite;
