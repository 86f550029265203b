//! Key agreement on AWS-LC.

use std::fmt;

use aws_lc_rs::agreement::{self, Algorithm, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::signature::{self, ParsedPublicKey};
use zeroize::Zeroizing;

use crate::crypto::{CryptoError, EcdhCurve, ec_der, redacted};

/// A private key for key agreement.
pub(crate) struct EcdhPrivateKey {
    curve: EcdhCurve,
    key: PrivateKey,
}

impl EcdhPrivateKey {
    pub(crate) fn generate(curve: EcdhCurve) -> Result<Self, CryptoError> {
        Ok(Self { curve, key: PrivateKey::generate(algorithm(curve))? })
    }

    /// Reads PKCS #8. A public key that comes with it must be its own.
    pub(crate) fn from_pkcs8_der(der: &[u8]) -> Result<Self, CryptoError> {
        let ec_der::PrivateParts { curve, scalar, points } = ec_der::read_pkcs8(der)?;
        let key = PrivateKey::from_private_key(algorithm(curve), scalar)?;
        let key = Self { curve, key };
        let own = key.public_key()?;
        for point in points.into_iter().flatten() {
            if EcdhPublicKey::from_sec1(curve, point)?.compressed() != own.compressed() {
                return Err(CryptoError);
            }
        }
        Ok(key)
    }

    pub(crate) fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let der: Pkcs8V1Der<'_> = self.key.as_der()?;
        Ok(Zeroizing::new(der.as_ref().to_vec()))
    }

    pub(crate) fn curve(&self) -> EcdhCurve {
        self.curve
    }

    pub(crate) fn public_key(&self) -> Result<EcdhPublicKey, CryptoError> {
        EcdhPublicKey::from_sec1(self.curve, self.key.compute_public_key()?.as_ref())
    }

    /// The x-coordinate of the shared point, as long as the field.
    pub(crate) fn agree(&self, peer: &EcdhPublicKey) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        if self.curve != peer.curve {
            return Err(CryptoError);
        }
        let peer = UnparsedPublicKey::new(algorithm(self.curve), &peer.compressed);
        agreement::agree(&self.key, peer, CryptoError, |secret| Ok(Zeroizing::new(secret.to_vec())))
    }
}

impl fmt::Debug for EcdhPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted(f, "EcdhPrivateKey")
    }
}

/// A public key for key agreement: a point on its curve, and not the one at infinity.
pub(crate) struct EcdhPublicKey {
    curve: EcdhCurve,
    compressed: Vec<u8>,
    spki: Vec<u8>,
}

impl EcdhPublicKey {
    /// Reads a compressed or uncompressed SEC 1 point.
    pub(crate) fn from_sec1(curve: EcdhCurve, point: &[u8]) -> Result<Self, CryptoError> {
        curve.check_point_form(point)?;
        // Of the types for public keys that others gave us, this one is checked and can be written. Nothing is signed.
        let key = match curve {
            EcdhCurve::P256 => ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point)?,
            EcdhCurve::P384 => ParsedPublicKey::new(&signature::ECDSA_P384_SHA384_ASN1, point)?,
            EcdhCurve::P521 => ParsedPublicKey::new(&signature::ECDSA_P521_SHA512_ASN1, point)?,
        };
        let spki: PublicKeyX509Der<'_> = key.as_der()?;
        let spki = spki.as_ref().to_vec();
        let (_, uncompressed) = ec_der::read_spki(&spki)?;
        let compressed = compress(uncompressed).ok_or(CryptoError)?;
        Ok(Self { curve, compressed, spki })
    }

    pub(crate) fn from_spki_der(der: &[u8]) -> Result<Self, CryptoError> {
        let (curve, point) = ec_der::read_spki(der)?;
        Self::from_sec1(curve, point)
    }

    /// With the uncompressed point in it.
    pub(crate) fn to_spki_der(&self) -> Result<Vec<u8>, CryptoError> {
        Ok(self.spki.clone())
    }

    pub(crate) fn curve(&self) -> EcdhCurve {
        self.curve
    }

    /// The compressed SEC 1 point: one per key, so that keys are equal if these are.
    pub(crate) fn compressed(&self) -> &[u8] {
        &self.compressed
    }
}

impl fmt::Debug for EcdhPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EcdhPublicKey").field("curve", &self.curve).finish_non_exhaustive()
    }
}

fn algorithm(curve: EcdhCurve) -> &'static Algorithm {
    match curve {
        EcdhCurve::P256 => &agreement::ECDH_P256,
        EcdhCurve::P384 => &agreement::ECDH_P384,
        EcdhCurve::P521 => &agreement::ECDH_P521,
    }
}

/// SEC 1, 2.3.3: x stays, and of y its last bit.
fn compress(uncompressed: &[u8]) -> Option<Vec<u8>> {
    let coordinates = uncompressed.strip_prefix(&[4])?;
    let (x, y) = coordinates.split_at_checked(coordinates.len() / 2)?;
    let form = 2 | (y.last()? & 1);
    Some([&[form], x].concat())
}
