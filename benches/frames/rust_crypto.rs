//! The bare primitives of RustCrypto.

use std::hint::black_box;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit, Nonce, Tag};
use hkdf::Hkdf;
use p384::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p384::ecdsa::{Signature, SigningKey, VerifyingKey};
use sha2::{Digest, Sha384, Sha512};

use super::nonce;

pub(crate) const NAME: &str = "RustCrypto";

/// An AES-256-GCM key whose key schedule is ready.
pub(crate) struct Gcm(Box<Aes256Gcm>);

impl Gcm {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Box::new(Aes256Gcm::new_from_slice(key).unwrap()))
    }

    /// `out` has room for ciphertext and tag.
    pub(crate) fn seal(&self, n: u32, aad: &[u8], plaintext: &[u8], out: &mut [u8]) {
        let (ciphertext, tag) = out.split_at_mut(plaintext.len());
        let buffer = InOutBuf::new(plaintext, ciphertext).unwrap();
        let sealed = self.0.encrypt_inout_detached(&Nonce::from(nonce(n)), aad, buffer).unwrap();
        tag.copy_from_slice(&sealed);
    }

    /// `sealed` is ciphertext and tag.
    pub(crate) fn open(&self, n: u32, aad: &[u8], sealed: &[u8], out: &mut [u8]) {
        let (ciphertext, tag) = sealed.split_last_chunk::<16>().unwrap();
        let buffer = InOutBuf::new(ciphertext, out).unwrap();
        let nonce = Nonce::from(nonce(n));
        self.0.decrypt_inout_detached(&nonce, aad, buffer, &Tag::from(*tag)).unwrap();
    }
}

/// Content key and commitment.
pub(crate) fn derive(data_key: &[u8; 32], message_id: &[u8; 32]) -> Gcm {
    let extracted = Hkdf::<Sha512>::new(Some(message_id), data_key);
    let expand = |info: &[&[u8]]| {
        let mut out = [0; 32];
        extracted.expand_multi_info(info, &mut out).unwrap();
        out
    };
    black_box(expand(&[b"COMMITKEY"]));
    Gcm::new(&expand(&[&[4, 0x78], b"DERIVEKEY"]))
}

pub(crate) fn sha384(bytes: &[u8]) -> usize {
    black_box(Sha384::digest(bytes)).len()
}

/// A key of P-384 that signs.
pub(crate) struct Signer(SigningKey);

impl Signer {
    pub(crate) fn generate() -> Self {
        let mut scalar = [0; 48];
        getrandom::fill(&mut scalar).unwrap();
        // All but about 2^-190 of these numbers are keys.
        Self(SigningKey::from_slice(&scalar).unwrap())
    }

    /// A compressed point.
    pub(crate) fn public_key(&self) -> Vec<u8> {
        self.0.verifying_key().to_sec1_point(true).as_bytes().to_vec()
    }

    /// Hashes and signs.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.0.sign_prehash(&Sha384::digest(message)).unwrap();
        signature.to_der().as_bytes().to_vec()
    }
}

/// Reads the point, hashes and verifies.
pub(crate) fn verify(public_key: &[u8], message: &[u8], signature: &[u8]) {
    let key = VerifyingKey::from_sec1_bytes(public_key).unwrap();
    let signature = Signature::from_der(signature).unwrap();
    key.verify_prehash(&Sha384::digest(message), &signature).unwrap();
}
