//! The only place that names a cryptographic backend.
//!
//! `aws_lc` and `rust_crypto` hold the same items. The crate uses AWS-LC when both are enabled, so
//! turning `rustcrypto` on somewhere in the dependency graph changes nothing for another crate.

#[cfg(not(any(feature = "aws-lc-rs", feature = "fips", feature = "rustcrypto")))]
compile_error!(
    "waxseal needs a cryptographic backend: enable the feature `aws-lc-rs` (default), `fips` or `rustcrypto`"
);

use std::fmt;

#[cfg(any(feature = "aws-lc-rs", feature = "fips"))]
mod aws_lc;
mod ec_der;
#[cfg(feature = "s3-format")]
mod gcm_stream;
#[cfg(feature = "s3-format")]
pub(crate) mod legacy;
mod pem;
#[cfg(feature = "s3-format")]
mod pkcs7;
mod rsa_der;
// With both backends on, this one is compiled for the tests that compare them.
#[cfg(all(
    feature = "rustcrypto",
    any(test, fuzzing, not(any(feature = "aws-lc-rs", feature = "fips")))
))]
#[cfg_attr(
    all(fuzzing, any(feature = "aws-lc-rs", feature = "fips")),
    expect(dead_code, reason = "the fuzz targets make no RSA and ECDH keys")
)]
mod rust_crypto;
// The format of Amazon S3 has algorithms that AWS-LC does not.
#[cfg(any(
    feature = "s3-format",
    all(
        feature = "rustcrypto",
        any(test, fuzzing, not(any(feature = "aws-lc-rs", feature = "fips")))
    )
))]
mod stack;
#[cfg(any(
    feature = "s3-format",
    all(
        feature = "rustcrypto",
        any(test, fuzzing, not(any(feature = "aws-lc-rs", feature = "fips")))
    )
))]
mod system_rng;
#[cfg(test)]
mod tests;

#[cfg(any(feature = "aws-lc-rs", feature = "fips"))]
use aws_lc as backend;
#[cfg(all(feature = "rustcrypto", not(any(feature = "aws-lc-rs", feature = "fips"))))]
use rust_crypto as backend;

#[cfg(feature = "s3-format")]
pub(crate) use backend::CbcKey;
#[cfg(feature = "s3-format")]
use backend::CtrKey;
pub(crate) use backend::{
    EcdhPrivateKey, EcdhPublicKey, GcmKey, Hasher, Prk, RsaPrivateKey, RsaPublicKey, SigningKey,
    VerifyingKey,
};
#[cfg(feature = "s3-format")]
pub(crate) use gcm_stream::{GcmStream, PieceHash};
pub(crate) use pem::{
    PemError, ecdh_private_key_from_pem, ecdh_private_key_to_pem, ecdh_public_key_from_der,
    ecdh_public_key_from_pem, ecdh_public_key_to_pem, rsa_private_key_from_pem,
    rsa_private_key_to_pem, rsa_public_key_from_pem, rsa_public_key_to_pem,
};

/// Both backends, for the fuzz target that compares them.
#[cfg(all(fuzzing, feature = "rustcrypto", any(feature = "aws-lc-rs", feature = "fips")))]
pub(crate) mod each {
    pub(crate) mod aws_lc {
        pub(crate) use super::super::aws_lc::*;
    }

    pub(crate) mod rust_crypto {
        pub(crate) use super::super::rust_crypto::*;
    }
}

/// A cryptographic operation failed; opaque on purpose.
///
/// Why an authentication or a padding check failed is exactly what an attacker wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cryptographic operation failed")]
pub(crate) struct CryptoError;

/// A hash function, for digests and for HKDF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// The length of a digest, in bytes.
    #[cfg(test)]
    pub(crate) fn output_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// An elliptic curve for ECDSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
}

impl Curve {
    /// The hash function that signatures on this curve use.
    pub(crate) fn hash(self) -> Hash {
        match self {
            Self::P256 => Hash::Sha256,
            Self::P384 => Hash::Sha384,
        }
    }

    fn field_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }

    fn check_point_form(self, point: &[u8]) -> Result<(), CryptoError> {
        check_point_form(self.field_len(), point)
    }
}

/// An elliptic curve on which two parties agree on a secret.
///
/// ```
/// use waxseal::EcdhCurve;
///
/// assert_eq!(EcdhCurve::P384.to_string(), "P-384");
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EcdhCurve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
}

impl EcdhCurve {
    /// The length of a coordinate and of a shared secret, in bytes.
    pub(crate) fn field_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    fn check_point_form(self, point: &[u8]) -> Result<(), CryptoError> {
        check_point_form(self.field_len(), point)
    }
}

impl fmt::Display for EcdhCurve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        })
    }
}

/// Refuses everything that does not look like a compressed or uncompressed point.
///
/// The backends also read some of: hybrid points, the point at infinity, a whole
/// `SubjectPublicKeyInfo`.
fn check_point_form(field_len: usize, point: &[u8]) -> Result<(), CryptoError> {
    let len = match point.first() {
        Some(2 | 3) => field_len.saturating_add(1),
        Some(4) => field_len.saturating_mul(2).saturating_add(1),
        _ => return Err(CryptoError),
    };
    if point.len() == len { Ok(()) } else { Err(CryptoError) }
}

/// Derives `out` from `key` with HMAC in counter mode: NIST SP 800-108, with a counter of 32 bits before
/// the rest, and label, a zero byte, context and length in bits as the rest.
pub(crate) fn kbkdf(
    hash: Hash,
    key: &[u8],
    label: &[u8],
    context: &[u8],
    out: &mut [u8],
) -> Result<(), CryptoError> {
    backend::kbkdf(hash, key, &kbkdf_input(label, context, out.len())?, out)
}

fn kbkdf_input(label: &[u8], context: &[u8], out_len: usize) -> Result<Vec<u8>, CryptoError> {
    let bits = out_len.checked_mul(8).and_then(|bits| u32::try_from(bits).ok());
    let bits = bits.ok_or(CryptoError)?.to_be_bytes();
    Ok([label, &[0], context, &bits].concat())
}

/// How RSA wraps a data key.
///
/// Every party that shares a key must use the same padding: nothing in a message says which one was
/// used. New systems should take [`OaepSha256`](Self::OaepSha256) or longer; [`Pkcs1`](Self::Pkcs1)
/// and [`OaepSha1`](Self::OaepSha1) are there to read and write what existing systems do.
///
/// OAEP uses an empty label, and MGF1 uses the same hash function as OAEP itself.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RsaPadding {
    /// PKCS #1 v1.5 encryption padding.
    ///
    /// An attacker who can submit many messages and tell which of them fail to unwrap, by the error
    /// or by the time it takes, can decrypt with the victim's key. Avoid it wherever both sides can
    /// use OAEP.
    Pkcs1,
    /// OAEP with SHA-1 and MGF1 with SHA-1.
    OaepSha1,
    /// OAEP with SHA-256 and MGF1 with SHA-256.
    OaepSha256,
    /// OAEP with SHA-384 and MGF1 with SHA-384.
    OaepSha384,
    /// OAEP with SHA-512 and MGF1 with SHA-512.
    OaepSha512,
}

/// Fills `out` with unpredictable bytes, from the operating system or from the validated module.
pub(crate) fn random(out: &mut [u8]) -> Result<(), CryptoError> {
    #[cfg(test)]
    tests::randomness::draw()?;
    #[cfg(feature = "fips")]
    return aws_lc::random(out);
    #[cfg(not(feature = "fips"))]
    getrandom::fill(out).map_err(|_| CryptoError)
}

/// `Debug` for a type that holds a secret: its name and nothing else.
fn redacted(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    f.debug_struct(name).finish_non_exhaustive()
}

/// The length of a GCM initialization vector.
pub(crate) const IV_LEN: usize = 12;
/// The length of a GCM authentication tag.
pub(crate) const TAG_LEN: usize = 16;
/// The length of a block of AES, in bytes.
#[cfg(feature = "s3-format")]
pub(crate) const BLOCK_LEN: usize = 16;
