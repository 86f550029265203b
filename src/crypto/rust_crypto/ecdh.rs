//! Key agreement on the RustCrypto crates.

use std::fmt;

use p256::elliptic_curve::sec1::ToSec1Point;
use p256::elliptic_curve::{Generate, ecdh};
use p256::pkcs8::{EncodePrivateKey, EncodePublicKey};
use zeroize::Zeroizing;

use super::{POINTS_LEN, SystemRng, opaque};
use crate::crypto::{CryptoError, EcdhCurve, ec_der, redacted, stack};

/// A private key for key agreement.
pub(crate) struct EcdhPrivateKey(Private);

/// On the heap, so that moving one copies no number, nor what the stack holds in place of a longer one.
enum Private {
    P256(Box<p256::SecretKey>),
    P384(Box<p384::SecretKey>),
    P521(Box<p521::SecretKey>),
}

impl EcdhPrivateKey {
    pub(crate) fn generate(curve: EcdhCurve) -> Result<Self, CryptoError> {
        let rng = &mut SystemRng;
        stack::cleared::<POINTS_LEN, _>(|| {
            Ok(Self(match curve {
                EcdhCurve::P256 => Private::P256(Box::new(Generate::try_generate_from_rng(rng)?)),
                EcdhCurve::P384 => Private::P384(Box::new(Generate::try_generate_from_rng(rng)?)),
                EcdhCurve::P521 => Private::P521(Box::new(Generate::try_generate_from_rng(rng)?)),
            }))
        })
    }

    /// Reads PKCS #8. A public key that comes with it must be its own.
    pub(crate) fn from_pkcs8_der(der: &[u8]) -> Result<Self, CryptoError> {
        stack::cleared::<POINTS_LEN, _>(|| Self::read_pkcs8_der(der))
    }

    fn read_pkcs8_der(der: &[u8]) -> Result<Self, CryptoError> {
        let ec_der::PrivateParts { curve, scalar, points } = ec_der::read_pkcs8(der)?;
        let key = Self(match curve {
            EcdhCurve::P256 => {
                Private::P256(Box::new(p256::SecretKey::from_slice(scalar).map_err(opaque)?))
            }
            EcdhCurve::P384 => {
                Private::P384(Box::new(p384::SecretKey::from_slice(scalar).map_err(opaque)?))
            }
            EcdhCurve::P521 => {
                Private::P521(Box::new(p521::SecretKey::from_slice(scalar).map_err(opaque)?))
            }
        });
        let own = key.public_key()?;
        for point in points.into_iter().flatten() {
            if EcdhPublicKey::from_sec1(curve, point)?.compressed() != own.compressed() {
                return Err(CryptoError);
            }
        }
        Ok(key)
    }

    pub(crate) fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let der = stack::cleared::<POINTS_LEN, _>(|| match &self.0 {
            Private::P256(key) => key.to_pkcs8_der(),
            Private::P384(key) => key.to_pkcs8_der(),
            Private::P521(key) => key.to_pkcs8_der(),
        });
        Ok(der.map_err(opaque)?.to_bytes())
    }

    pub(crate) fn curve(&self) -> EcdhCurve {
        match self.0 {
            Private::P256(_) => EcdhCurve::P256,
            Private::P384(_) => EcdhCurve::P384,
            Private::P521(_) => EcdhCurve::P521,
        }
    }

    pub(crate) fn public_key(&self) -> Result<EcdhPublicKey, CryptoError> {
        Ok(EcdhPublicKey::new(stack::cleared::<POINTS_LEN, _>(|| match &self.0 {
            Private::P256(key) => Public::P256(key.public_key()),
            Private::P384(key) => Public::P384(key.public_key()),
            Private::P521(key) => Public::P521(key.public_key()),
        })))
    }

    /// The x-coordinate of the shared point, as long as the field.
    pub(crate) fn agree(&self, peer: &EcdhPublicKey) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        fn copied(secret: &[u8]) -> Zeroizing<Vec<u8>> {
            Zeroizing::new(secret.to_vec())
        }
        stack::cleared::<POINTS_LEN, _>(|| {
            Ok(match (&self.0, &peer.key) {
                (Private::P256(key), Public::P256(peer)) => copied(
                    ecdh::diffie_hellman(key.to_nonzero_scalar(), peer.as_affine())
                        .raw_secret_bytes(),
                ),
                (Private::P384(key), Public::P384(peer)) => copied(
                    ecdh::diffie_hellman(key.to_nonzero_scalar(), peer.as_affine())
                        .raw_secret_bytes(),
                ),
                (Private::P521(key), Public::P521(peer)) => copied(
                    ecdh::diffie_hellman(key.to_nonzero_scalar(), peer.as_affine())
                        .raw_secret_bytes(),
                ),
                _ => return Err(CryptoError),
            })
        })
    }
}

impl fmt::Debug for EcdhPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted(f, "EcdhPrivateKey")
    }
}

/// A public key for key agreement: a point on its curve, and not the one at infinity.
pub(crate) struct EcdhPublicKey {
    key: Public,
    compressed: Vec<u8>,
}

enum Public {
    P256(p256::PublicKey),
    P384(p384::PublicKey),
    P521(p521::PublicKey),
}

impl EcdhPublicKey {
    fn new(key: Public) -> Self {
        let compressed = match &key {
            Public::P256(key) => key.to_sec1_point(true).as_bytes().to_vec(),
            Public::P384(key) => key.to_sec1_point(true).as_bytes().to_vec(),
            Public::P521(key) => key.to_sec1_point(true).as_bytes().to_vec(),
        };
        Self { key, compressed }
    }

    /// Reads a compressed or uncompressed SEC 1 point.
    pub(crate) fn from_sec1(curve: EcdhCurve, point: &[u8]) -> Result<Self, CryptoError> {
        curve.check_point_form(point)?;
        Ok(Self::new(match curve {
            EcdhCurve::P256 => {
                Public::P256(p256::PublicKey::from_sec1_bytes(point).map_err(opaque)?)
            }
            EcdhCurve::P384 => {
                Public::P384(p384::PublicKey::from_sec1_bytes(point).map_err(opaque)?)
            }
            EcdhCurve::P521 => {
                Public::P521(p521::PublicKey::from_sec1_bytes(point).map_err(opaque)?)
            }
        }))
    }

    pub(crate) fn from_spki_der(der: &[u8]) -> Result<Self, CryptoError> {
        let (curve, point) = ec_der::read_spki(der)?;
        Self::from_sec1(curve, point)
    }

    /// With the uncompressed point in it.
    pub(crate) fn to_spki_der(&self) -> Result<Vec<u8>, CryptoError> {
        let der = match &self.key {
            Public::P256(key) => key.to_public_key_der(),
            Public::P384(key) => key.to_public_key_der(),
            Public::P521(key) => key.to_public_key_der(),
        };
        Ok(der.map_err(opaque)?.into_vec())
    }

    pub(crate) fn curve(&self) -> EcdhCurve {
        match self.key {
            Public::P256(_) => EcdhCurve::P256,
            Public::P384(_) => EcdhCurve::P384,
            Public::P521(_) => EcdhCurve::P521,
        }
    }

    /// The compressed SEC 1 point: one per key, so that keys are equal if these are.
    pub(crate) fn compressed(&self) -> &[u8] {
        &self.compressed
    }
}

impl fmt::Debug for EcdhPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EcdhPublicKey").field("curve", &self.curve()).finish_non_exhaustive()
    }
}
