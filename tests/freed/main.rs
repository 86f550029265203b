//! No freed block of memory holds a key, a data key, a derived key or plaintext: after success, after every failure,
//! after a panic, and after a future was dropped half way.
//!
//! What is searched are the blocks that Rust code freed. What C code frees (AWS-LC clears what it frees), what is on
//! stacks and in registers, and what the caller owns is not.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

mod allocator;
mod cached;
mod cancelled;
mod control;
mod keyrings;
mod keys;
#[cfg(feature = "testing")]
mod kms;
#[cfg(all(feature = "testing", feature = "s3-format"))]
mod kms_objects;
mod messages;
#[cfg(all(feature = "s3", feature = "testing"))]
mod object_client;
#[cfg(feature = "s3-format")]
mod objects;
mod panics;
mod secrets;
mod streams;

#[global_allocator]
static HEAP: allocator::Keeping = allocator::Keeping;
