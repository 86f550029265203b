//! What an RSA key must be before a backend sees it: DER, for RSA encryption, of an accepted size.
//!
//! Left alone the backends differ: AWS-LC ignores bytes after the key, RustCrypto takes smaller
//! moduli, and both take some keys that are restricted to PSS. Checking here gives one answer, and
//! the reason for it.

use std::ops::RangeInclusive;

use pkcs8::der::asn1::{AnyRef, BitStringRef, OctetStringRef, UintRef};
use pkcs8::der::{self, Decode, Encode, Reader, SliceReader};
use pkcs8::{
    AlgorithmIdentifierRef, ObjectIdentifier, PrivateKeyInfoRef, SecretDocument,
    SubjectPublicKeyInfoRef,
};

use super::CryptoError;

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Algorithm(ObjectIdentifier),
    Encoding,
    Size { bits: u32 },
}

impl From<der::Error> for Refused {
    fn from(_: der::Error) -> Self {
        Self::Encoding
    }
}

impl From<Refused> for CryptoError {
    fn from(_: Refused) -> Self {
        Self
    }
}

pub(super) fn check_pkcs8(der: &[u8]) -> Result<(), Refused> {
    let key = PrivateKeyInfoRef::from_der(der)?;
    check_algorithm(&key.algorithm)?;
    check_modulus(private_modulus(key.private_key.as_bytes())?)
}

pub(super) fn check_spki(der: &[u8]) -> Result<(), Refused> {
    let key = SubjectPublicKeyInfoRef::from_der(der)?;
    check_algorithm(&key.algorithm)?;
    let public_key = key.subject_public_key.as_bytes().ok_or(Refused::Encoding)?;
    check_modulus(public_modulus(public_key)?)
}

/// Wraps a PKCS #1 `RSAPrivateKey` into PKCS #8.
pub(super) fn pkcs8_from_pkcs1(der: &[u8]) -> Result<SecretDocument, Refused> {
    let key = PrivateKeyInfoRef::new(ALGORITHM, OctetStringRef::new(der)?);
    SecretDocument::try_from(key).map_err(|_| Refused::Encoding)
}

/// Wraps a PKCS #1 `RSAPublicKey` into a `SubjectPublicKeyInfo`.
pub(super) fn spki_from_pkcs1(der: &[u8]) -> Result<Vec<u8>, Refused> {
    let key = SubjectPublicKeyInfoRef {
        algorithm: ALGORITHM,
        subject_public_key: BitStringRef::from_bytes(der)?,
    };
    Ok(key.to_der()?)
}

fn check_algorithm(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<(), Refused> {
    if algorithm.oid != ALGORITHM.oid {
        return Err(Refused::Algorithm(algorithm.oid));
    }
    if algorithm.parameters != ALGORITHM.parameters {
        return Err(Refused::Encoding);
    }
    Ok(())
}

fn check_modulus(modulus: UintRef<'_>) -> Result<(), Refused> {
    let leading_zeros = modulus.as_bytes().first().map_or(0, |first| first.leading_zeros());
    let bits = u32::from(modulus.len()).saturating_mul(8).saturating_sub(leading_zeros);
    if MODULUS_BITS.contains(&bits) { Ok(()) } else { Err(Refused::Size { bits }) }
}

fn private_modulus(der: &[u8]) -> der::Result<UintRef<'_>> {
    let mut reader = SliceReader::new(der)?;
    let modulus = reader.sequence(|key| {
        let _version = u8::decode(key)?;
        let modulus = UintRef::decode(key)?;
        // The two exponents, the two primes and the three values derived from them.
        for _ in 0..7 {
            UintRef::decode(key)?;
        }
        der::Result::Ok(modulus)
    })?;
    reader.finish()?;
    Ok(modulus)
}

fn public_modulus(der: &[u8]) -> der::Result<UintRef<'_>> {
    let mut reader = SliceReader::new(der)?;
    let modulus = reader.sequence(|key| {
        let modulus = UintRef::decode(key)?;
        let _exponent = UintRef::decode(key)?;
        der::Result::Ok(modulus)
    })?;
    reader.finish()?;
    Ok(modulus)
}

/// The moduli that both backends take.
pub(super) const MODULUS_BITS: RangeInclusive<u32> = 2048..=8192;

pub(super) const RSA_ENCRYPTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `rsaEncryption`, whose parameters are always NULL.
const ALGORITHM: AlgorithmIdentifierRef<'static> =
    AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: Some(AnyRef::NULL) };
