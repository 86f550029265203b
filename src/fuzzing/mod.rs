//! Bodies of the fuzz targets, which are one line each in `fuzz/`.
//!
//! Everything here is a function of its input, as far as that goes: data key and message id are fixed, so
//! that a fuzzer can learn what it changes. Choices are taken from the end of the input, so that whole
//! messages, keys and instruction files are good seeds.
//!
//! `docs/fuzzing.md` says what each target attacks, and what came of it.

#[cfg(all(feature = "rustcrypto", any(feature = "aws-lc-rs", feature = "fips")))]
mod backends;
mod calls;
mod choices;
mod decrypt;
#[cfg(feature = "testing")]
mod fake_kms;
mod fixed;
mod keys;
mod message;
mod range;
#[cfg(feature = "s3-format")]
mod s3_content;
#[cfg(feature = "s3-format")]
mod s3_metadata;
mod second_reading;
mod stream;

#[cfg(all(feature = "rustcrypto", any(feature = "aws-lc-rs", feature = "fips")))]
pub use backends::backends;
pub use calls::calls;
pub use choices::Choices;
pub use decrypt::{decrypt, parallel, roundtrip};
#[cfg(feature = "testing")]
pub use fake_kms::fake_kms;
pub use keys::keys;
pub use message::message;
pub use range::range;
#[cfg(feature = "s3-format")]
pub use s3_content::s3_content;
#[cfg(feature = "s3-format")]
pub use s3_metadata::s3_metadata;
