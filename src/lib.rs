//! Client-side envelope encryption in the AWS Encryption SDK message format.

mod crypto;
