//! Cryptography from crates that the crate under test need not use, as a third party would do it.

use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::aes::{Aes128, Aes192, Aes256};
use hkdf::Hkdf;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// Ciphertext and tag.
pub(crate) fn seal(key: &[u8], iv: &[u8; 12], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    fn with<C: Aead + KeyInit>(key: &[u8], iv: &[u8], payload: Payload<'_, '_>) -> Vec<u8> {
        let cipher = C::new_from_slice(key).unwrap();
        cipher.encrypt(iv.try_into().unwrap(), payload).unwrap()
    }
    let payload = Payload { msg: plaintext, aad };
    match key.len() {
        16 => with::<AesGcm<Aes128, U12>>(key, iv, payload),
        24 => with::<AesGcm<Aes192, U12>>(key, iv, payload),
        _ => with::<AesGcm<Aes256, U12>>(key, iv, payload),
    }
}

/// How the content key comes from the data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kdf {
    None,
    Sha256,
    Sha384,
    /// SHA-512, salted, with a commitment beside the key.
    Commit,
}

impl Kdf {
    /// Only the one that commits takes the salt.
    pub(crate) fn derive(self, salt: &[u8], key: &[u8], info: &[u8], len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        match self {
            Self::None => out.copy_from_slice(key),
            Self::Sha256 => Hkdf::<Sha256>::new(None, key).expand(info, &mut out).unwrap(),
            Self::Sha384 => Hkdf::<Sha384>::new(None, key).expand(info, &mut out).unwrap(),
            Self::Commit => Hkdf::<Sha512>::new(Some(salt), key).expand(info, &mut out).unwrap(),
        }
        out
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
}

impl Curve {
    /// Length of a coordinate and of a scalar, in bytes.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }

    /// A private key is this byte again and again.
    pub(crate) fn public_key(self, secret: u8, compressed: bool) -> Vec<u8> {
        let scalar = vec![secret; self.len()];
        match self {
            Self::P256 => {
                let key = p256::ecdsa::SigningKey::from_slice(&scalar).unwrap();
                key.verifying_key().to_sec1_point(compressed).as_bytes().to_vec()
            }
            Self::P384 => {
                let key = p384::ecdsa::SigningKey::from_slice(&scalar).unwrap();
                key.verifying_key().to_sec1_point(compressed).as_bytes().to_vec()
            }
        }
    }

    /// The digest that the format signs.
    pub(crate) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::P256 => Sha256::digest(bytes).to_vec(),
            Self::P384 => Sha384::digest(bytes).to_vec(),
        }
    }

    /// The numbers r and s, by RFC 6979: the same each time.
    pub(crate) fn sign(self, secret: u8, digest: &[u8]) -> [Vec<u8>; 2] {
        let scalar = vec![secret; self.len()];
        let both = match self {
            Self::P256 => {
                let key = p256::ecdsa::SigningKey::from_slice(&scalar).unwrap();
                let signature: p256::ecdsa::Signature = key.sign_prehash(digest).unwrap();
                signature.to_bytes().to_vec()
            }
            Self::P384 => {
                let key = p384::ecdsa::SigningKey::from_slice(&scalar).unwrap();
                let signature: p384::ecdsa::Signature = key.sign_prehash(digest).unwrap();
                signature.to_bytes().to_vec()
            }
        };
        let (r, s) = both.split_at(self.len());
        [r.to_vec(), s.to_vec()]
    }

    /// The number of points, n (FIPS 186-4, D.1.2.3 and D.1.2.4).
    pub(crate) fn order(self) -> Vec<u8> {
        from_hex(match self {
            Self::P256 => "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
            Self::P384 => {
                "ffffffffffffffffffffffffffffffffffffffffffffffff\
                 c7634d81f4372ddf581a0db248b0a77aecec196accc52973"
            }
        })
    }

    /// Whether a compressed point with this x is on the curve.
    pub(crate) fn has_x(self, x: &[u8]) -> bool {
        let point = [&[2], x].concat();
        match self {
            Self::P256 => p256::PublicKey::from_sec1_bytes(&point).is_ok(),
            Self::P384 => p384::PublicKey::from_sec1_bytes(&point).is_ok(),
        }
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    to_hex(&Sha256::digest(bytes))
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
