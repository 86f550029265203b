//! What an elliptic-curve key must be before a backend sees it: DER, on a curve that has a name and that
//! we know, without anything left over.
//!
//! Reading it here gives the same answer whichever backend is enabled, and the reason for it. That a point is on
//! its curve, and that a private key is in range, only the backends can tell.

use pkcs8::der::asn1::{AnyRef, BitStringRef, OctetStringRef};
use pkcs8::der::{self, Decode, Reader, SliceReader, Tag, TagMode, TagNumber, Tagged};
use pkcs8::{
    AlgorithmIdentifierRef, ObjectIdentifier, PrivateKeyInfoRef, SecretDocument,
    SubjectPublicKeyInfoRef,
};

use super::{CryptoError, EcdhCurve};

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Algorithm(ObjectIdentifier),
    Curve(ObjectIdentifier),
    Encoding,
    /// The parameters of the curve stand in the key instead of its name. That such parameters are those
    /// of a known curve is easily got wrong, as CVE-2020-0601 showed.
    UnnamedCurve,
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

/// What a private key consists of.
pub(super) struct PrivateParts<'a> {
    pub(super) curve: EcdhCurve,
    /// As long as the field, big-endian.
    pub(super) scalar: &'a [u8],
    /// The public keys that came with it, as points; each must be its own.
    pub(super) points: [Option<&'a [u8]>; 2],
}

/// Takes a PKCS #8 key apart.
pub(super) fn read_pkcs8(der: &[u8]) -> Result<PrivateParts<'_>, Refused> {
    let key = PrivateKeyInfoRef::from_der(der)?;
    let curve = curve_of(&key.algorithm)?;
    let inner = EcPrivateKey::read(key.private_key.as_bytes())?;
    if inner.parameters.is_some_and(|inner| read_curve(inner) != Ok(curve)) {
        return Err(Refused::Encoding);
    }
    if inner.scalar.len() != curve.field_len() {
        return Err(Refused::Encoding);
    }
    let outer_point = key.public_key.as_ref().map(whole_bytes).transpose()?;
    Ok(PrivateParts { curve, scalar: inner.scalar, points: [inner.point, outer_point] })
}

/// Takes a `SubjectPublicKeyInfo` apart: the curve and the point.
pub(super) fn read_spki(der: &[u8]) -> Result<(EcdhCurve, &[u8]), Refused> {
    let key = SubjectPublicKeyInfoRef::from_der(der)?;
    let curve = curve_of(&key.algorithm)?;
    Ok((curve, whole_bytes(&key.subject_public_key)?))
}

/// Wraps a SEC 1 `ECPrivateKey`, which must name its curve, into PKCS #8.
pub(super) fn pkcs8_from_sec1(der: &[u8]) -> Result<SecretDocument, Refused> {
    let parameters = EcPrivateKey::read(der)?.parameters.ok_or(Refused::Encoding)?;
    read_curve(parameters)?;
    let algorithm = AlgorithmIdentifierRef { oid: EC_PUBLIC_KEY, parameters: Some(parameters) };
    let key = PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(der)?);
    SecretDocument::try_from(key).map_err(|_| Refused::Encoding)
}

/// RFC 5915, which both forms of a private key share.
struct EcPrivateKey<'a> {
    scalar: &'a [u8],
    parameters: Option<AnyRef<'a>>,
    point: Option<&'a [u8]>,
}

impl<'a> EcPrivateKey<'a> {
    fn read(der: &'a [u8]) -> Result<Self, Refused> {
        let mut reader = SliceReader::new(der)?;
        let (version, scalar, parameters, point) = reader.sequence(|key| {
            let version = u8::decode(key)?;
            let scalar = <&OctetStringRef>::decode(key)?.as_bytes();
            // The parameters are of any type, and so have no type to look for.
            let parameters = match key.peek_byte() {
                Some(PARAMETERS_TAG) => {
                    let outer = AnyRef::decode(key)?;
                    Some(AnyRef::from_der(outer.value())?)
                }
                _ => None,
            };
            let point = key.context_specific::<BitStringRef<'_>>(POINT, TagMode::Explicit)?;
            der::Result::Ok((version, scalar, parameters, point))
        })?;
        reader.finish()?;
        if version != 1 {
            return Err(Refused::Encoding);
        }
        let point = point.as_ref().map(whole_bytes).transpose()?;
        Ok(Self { scalar, parameters, point })
    }
}

fn curve_of(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<EcdhCurve, Refused> {
    if algorithm.oid != EC_PUBLIC_KEY {
        return Err(Refused::Algorithm(algorithm.oid));
    }
    read_curve(algorithm.parameters.ok_or(Refused::Encoding)?)
}

fn read_curve(parameters: AnyRef<'_>) -> Result<EcdhCurve, Refused> {
    if parameters.tag() == Tag::Sequence {
        return Err(Refused::UnnamedCurve);
    }
    match parameters.decode_as::<ObjectIdentifier>()? {
        SECP256R1 => Ok(EcdhCurve::P256),
        SECP384R1 => Ok(EcdhCurve::P384),
        SECP521R1 => Ok(EcdhCurve::P521),
        oid => Err(Refused::Curve(oid)),
    }
}

fn whole_bytes<'a>(bits: &BitStringRef<'a>) -> Result<&'a [u8], Refused> {
    bits.as_bytes().ok_or(Refused::Encoding)
}

/// `[0]`, constructed.
const PARAMETERS_TAG: u8 = 0xa0;
const POINT: TagNumber = TagNumber(1);

/// `id-ecPublicKey`.
pub(super) const EC_PUBLIC_KEY: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const SECP521R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
