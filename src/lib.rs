//! Client-side envelope encryption in the AWS Encryption SDK message format.
#![allow(dead_code, unused_imports)]

mod crypto;

pub use crypto::RsaPadding;
