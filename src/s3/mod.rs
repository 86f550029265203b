//! The formats of the Amazon S3 Encryption Client.

mod description;
mod keyring;
mod suite;

pub use description::MaterialDescription;
pub use keyring::{Fit, S3Keyring, UnwrapRequest, WrapRequest, WrappedDataKey, WrappingAlgorithm};
pub use suite::ContentSuite;
