//! Client-side envelope encryption: data is encrypted where it is made, under a fresh data key, and that
//! key travels with the data, wrapped by keys that you control.
//!
//! Messages are those of the AWS Encryption SDK, byte for byte: every official client opens what this
//! crate writes, and this crate opens what they write.
//!
//! ```
//! use waxseal::{AesKey, RawAesKeyring};
//!
//! let key_bytes = [7; 32]; // yours, from where you keep keys
//! let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::try_from(&key_bytes[..])?)?;
//!
//! let message = waxseal::encrypt(b"hello", &keyring).context([("tenant", "42")]).now()?;
//! let opened = waxseal::decrypt(&message, &keyring).require([("tenant", "42")]).now()?;
//! assert_eq!(opened.plaintext(), b"hello");
//! # Ok::<(), waxseal::Error>(())
//! ```
//!
//! # Which part do I need?
//!
//! | you have | use |
//! |---|---|
//! | bytes in memory | [`encrypt`], [`decrypt`] |
//! | a value that serde knows | [`encrypt_value`], [`decrypt_value`] |
//! | a file or socket | [`EncryptWriter`], [`EncryptReader`], [`DecryptReader`] |
//! | the same with tokio | module `tokio` (feature `tokio`) |
//! | a file of which you need parts, in any order | [`DecryptAt`] |
//! | other input and output | [`Encryptor`], [`HeaderReader`], [`Decryptor`], [`RangeOpener`] |
//! | frames, one by one | [`FrameSealer`], [`FrameOpener`], [`FrameLayout`] |
//! | a message and no key | [`inspect`], [`inspect_reader`] |
//!
//! `.threads(n)`, on what encrypts and on what unlocks, seals and opens the frames of one message on several threads.
//!
//! Keys come from a keyring: [`RawAesKeyring`], [`RawRsaKeyring`], [`RawEcdhKeyring`], several of them
//! as a [`LocalMultiKeyring`] or [`MultiKeyring`], or your own [`LocalKeyring`] or [`Keyring`]. What waits
//! for no service runs with `.now()`; everything runs with `.await`.
//!
//! In front of a keyring can stand a [`CachingManager`], which uses data keys for several messages, a
//! [`RequiredContextManager`], which has context authenticated but not stored, or your own
//! [`MaterialsManager`].
//!
//! What is allowed is one value, [`Policy`]; the default is the strictest.
//!
//! # Features
//!
//! `aws-lc-rs` (default) and `rustcrypto` are cryptographic backends that give identical bytes; the first
//! is used when both are enabled. `fips` links the validated module of AWS-LC. `tokio` adds asynchronous
//! readers and writers, `kms` the keyrings of AWS KMS, `testing` an AWS KMS in the process for tests without
//! a network, `cli` the command line. The minimum Rust version is 1.88, and 1.94.1 with `kms`.
//!
//! `tracing` sends one event for each time that a wrapping key was used, or that a cache made it unnecessary,
//! to compare with the records of a key service: target `waxseal`, fields `operation` (`generate`, `wrap`,
//! `unwrap`, `reuse`), `provider`, `key`, `outcome`, `duration_us`; DEBUG if it worked, WARN if it failed.
//! No event holds a secret, plaintext, or the value of a context pair.

#![forbid(unsafe_code)]
// What comes from outside must not be able to stop a program. Tests may.
#![cfg_attr(
    not(any(test, fuzzing)),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::get_unwrap,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod api;
mod byte_range;
mod caching;
mod clock;
mod context;
mod crypto;
mod decrypt;
mod derive;
mod encrypt;
mod error;
mod events;
mod frames;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod io;
mod keyring;
#[cfg(test)]
mod last_frames;
mod materials;
mod message;
mod output;
mod parallel;
mod policy;
mod range;
#[cfg(feature = "s3-format")]
pub mod s3;
mod secret;
mod suite;
#[cfg(feature = "testing")]
pub mod testing;
mod transcript;
mod unlock;

pub use api::{
    Decrypt, DecryptIntoBuffer, DecryptValue, Decrypted, DecryptedIntoBuffer, Encrypt,
    EncryptIntoBuffer, Encrypted, EncryptedIntoBuffer, UnverifiedHeader, decrypt, decrypt_value,
    encrypt, encrypt_value, inspect,
};
pub use byte_range::{ByteRange, ByteSpan};
pub use caching::{CacheStats, CachingManager, MaterialsCache};
pub use clock::{Clock, ManualClock, SystemClock};
pub use context::EncryptionContext;
pub use crypto::{EcdhCurve, RsaPadding};
pub use decrypt::{AuthenticHeader, Decryptor, FooterVerifier, OpenFrames, Verified};
pub use encrypt::{Encryptor, EncryptorBuilder, FooterSigner, Progress, SealFrames, encryptor};
#[cfg(feature = "s3-format")]
pub use error::ObjectError;
pub use error::{
    ApiMisuse, Attempt, ContextError, Error, InvalidMessage, IoFailure, KeyringError, Malformed,
    PolicyError, Stage, UnwrapFailure, ValueError,
};
pub use frames::{FrameOpener, FrameSealer};
#[doc(hidden)]
pub use io::at::AtSource;
pub use io::at::{DecryptAt, LockedAt, PlaintextReader, ReadAt};
pub use io::std::{DecryptReader, EncryptReader, EncryptWriter, LockedReader, inspect_reader};
#[doc(hidden)]
pub use io::{Shell, Source, Unused};
pub use keyring::conformance::{KeyringFault, check_keyring};
pub use keyring::{
    AesKey, EcPrivateKey, EcPublicKey, Keyring, LocalKeyring, LocalMultiKeyring, Multi,
    MultiKeyring, RawAesKeyring, RawEcdhKeyring, RawRsaKeyring, RsaPrivateKey, RsaPublicKey,
};
pub use materials::{
    BoxFuture, DecryptionMaterials, DecryptionRequest, EncryptionMaterials, EncryptionRequest,
    LocalMaterialsManager, MaterialsManager, RequiredContextManager, UnwrapRequest,
    UnwrappedDataKey,
};
pub use message::{ContentType, EncryptedDataKey, FrameKind, FrameLayout, FrameSpan, Header};
pub use policy::{CommitmentPolicy, Policy, SignedStreaming, UnknownCommitmentPolicy};
pub use range::{FinalFrame, RangeOpener, RangePlan};
pub use secret::{DataKey, SecretText};
pub use suite::{AlgorithmSuite, MessageVersion, UnknownSuite};
#[doc(hidden)]
pub use unlock::{FromDecryptor, JustDecrypt};
pub use unlock::{HeaderReader, Locked, Unlock};

/// Keyrings of AWS KMS.
///
/// | you have | use |
/// |---|---|
/// | a key | [`KmsKeyring`](kms::KmsKeyring) |
/// | a multi-Region key with replicas | [`KmsKeyring::mrk_aware`](kms::KmsKeyring::mrk_aware) |
/// | several keys, in several regions | [`KmsKeyring::multi`](kms::KmsKeyring::multi) |
/// | messages of many keys to decrypt | [`KmsDiscoveryKeyring`](kms::KmsDiscoveryKeyring) |
/// | writers that must not call AWS KMS | [`KmsRsaKeyring`](kms::KmsRsaKeyring) |
/// | two parties that know each other's public keys | [`KmsEcdhKeyring`](kms::KmsEcdhKeyring) |
///
/// You bring the clients, and with them credentials, regions, retries and time-outs, of which the SDK has none
/// for answers unless you set one. Only
/// [`RegionalKmsClients::from_environment`](kms::RegionalKmsClients::from_environment) looks for them.
/// The user agent of each call names this crate and its version.
#[cfg(feature = "kms")]
pub mod kms {
    pub use crate::error::{KmsError, KmsFailure};
    pub use crate::keyring::kms::{
        DiscoveryFilter, KmsArn, KmsClientSupplier, KmsDiscoveryKeyring,
        KmsDiscoveryMultiKeyringBuilder, KmsEcdhKeyring, KmsKeyring, KmsMultiKeyringBuilder,
        KmsRsaKeyring, RegionalKmsClients, no_client,
    };
}

/// Readers and writers for `tokio::io`.
#[cfg(feature = "tokio")]
pub mod tokio {
    pub use crate::io::tokio::{DecryptReader, EncryptReader, EncryptWriter, LockedReader};
}

/// The README's examples must compile and run; one of them is about AWS KMS, and one about Amazon S3.
#[cfg(all(doctest, feature = "s3"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// So must the examples of the other pages.
#[cfg(doctest)]
#[doc = include_str!("../docs/choosing-a-keyring.md")]
struct ChoosingAKeyring;
