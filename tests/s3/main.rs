//! The S3 encryption client, against an S3 and an AWS KMS in the process.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

mod audit;
mod client;
mod embedded;
mod faults;
mod keys;
mod message;
mod message_ranges;
mod ranges;
mod rewrap;
mod rewrap_all;
mod server;
mod transfer;
