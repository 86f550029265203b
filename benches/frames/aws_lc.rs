//! The bare primitives of AWS-LC.

use std::hint::black_box;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{self, SHA384};
use aws_lc_rs::encoding::{AsBigEndian, EcPublicKeyCompressedBin};
use aws_lc_rs::hkdf::{HKDF_SHA512, KeyType, Prk};
use aws_lc_rs::hmac::{self, HMAC_SHA512};
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey,
};

use super::nonce;

pub(crate) const NAME: &str = "AWS-LC";

/// An AES-256-GCM key whose key schedule is ready.
pub(crate) struct Gcm(LessSafeKey);

impl Gcm {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap()))
    }

    /// `out` has room for ciphertext and tag.
    pub(crate) fn seal(&self, n: u32, aad: &[u8], plaintext: &[u8], out: &mut [u8]) {
        let (ciphertext, tag) = out.split_at_mut(plaintext.len());
        let nonce = Nonce::assume_unique_for_key(nonce(n));
        self.0
            .seal_out_of_place_scatter(nonce, Aad::from(aad), plaintext, ciphertext, &[], tag)
            .unwrap();
    }

    /// `sealed` is ciphertext and tag.
    pub(crate) fn open(&self, n: u32, aad: &[u8], sealed: &[u8], out: &mut [u8]) {
        let (ciphertext, tag) = sealed.split_at(out.len());
        let nonce = Nonce::assume_unique_for_key(nonce(n));
        self.0.open_separate_gather(nonce, Aad::from(aad), ciphertext, tag, out).unwrap();
    }
}

/// Content key and commitment.
pub(crate) fn derive(data_key: &[u8; 32], message_id: &[u8; 32]) -> Gcm {
    struct Bytes32;

    impl KeyType for Bytes32 {
        fn len(&self) -> usize {
            32
        }
    }

    // `Salt::extract` would put off its work and do it again for each output.
    let extracted = hmac::sign(&hmac::Key::new(HMAC_SHA512, message_id), data_key);
    let extracted = Prk::new_less_safe(HKDF_SHA512, extracted.as_ref());
    let expand = |info: &[&[u8]]| {
        let mut out = [0; 32];
        extracted.expand(info, Bytes32).unwrap().fill(&mut out).unwrap();
        out
    };
    black_box(expand(&[b"COMMITKEY"]));
    Gcm::new(&expand(&[&[4, 0x78], b"DERIVEKEY"]))
}

pub(crate) fn sha384(bytes: &[u8]) -> usize {
    black_box(digest::digest(&SHA384, bytes)).as_ref().len()
}

/// A key of P-384 that signs.
pub(crate) struct Signer(EcdsaKeyPair);

impl Signer {
    pub(crate) fn generate() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap())
    }

    /// A compressed point.
    pub(crate) fn public_key(&self) -> Vec<u8> {
        let point: EcPublicKeyCompressedBin<'_> = self.0.public_key().as_be_bytes().unwrap();
        point.as_ref().to_vec()
    }

    /// Hashes and signs.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let digest = digest::digest(&SHA384, message);
        self.0.sign_digest(&digest).unwrap().as_ref().to_vec()
    }
}

/// Reads the point, hashes and verifies.
pub(crate) fn verify(public_key: &[u8], message: &[u8], signature: &[u8]) {
    let key = ParsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, public_key).unwrap();
    key.verify_digest_sig(&digest::digest(&SHA384, message), signature).unwrap();
}
