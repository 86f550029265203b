//! The S3 encryption client, against an S3 and an AWS KMS in the process.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

mod advisories;
mod audit;
mod client;
mod embedded;
mod faults;
mod given_up;
mod hostile;
mod instruction_files;
mod keys;
mod lost_answers;
mod message;
mod message_ranges;
mod oracles;
mod ranges;
mod rewrap;
mod rewrap_all;
mod server;
mod stored;
mod transfer;
