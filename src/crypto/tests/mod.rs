//! Every test here is written once, against [`Backend`], and runs for each enabled backend.
//!
//! Expected outputs come from Wycheproof, from NIST (`tests/vectors_nist`) or from OpenSSL (`data/`), never
//! from this crate.

use std::fmt::Debug;

use zeroize::Zeroizing;

use super::{CryptoError, Curve, EcdhCurve, Hash, IV_LEN, RsaPadding, TAG_LEN, kbkdf_input};

/// Makes a `#[test]` of a generic function for each enabled backend.
macro_rules! test_each_backend {
    ($($test:ident),* $(,)?) => {
        #[cfg(any(feature = "aws-lc-rs", feature = "fips"))]
        mod aws_lc {
            $(
                #[test]
                fn $test() {
                    super::$test::<crate::crypto::tests::AwsLc>();
                }
            )*
        }

        #[cfg(feature = "rustcrypto")]
        mod rust_crypto {
            $(
                #[test]
                fn $test() {
                    super::$test::<crate::crypto::tests::RustCrypto>();
                }
            )*
        }
    };
}

#[cfg(feature = "s3-format")]
mod aes;
#[cfg(all(any(feature = "aws-lc-rs", feature = "fips"), feature = "rustcrypto"))]
mod cross;
mod ecdh;
mod ecdsa;
mod gcm;
#[cfg(feature = "s3-format")]
mod gcm_stream;
mod hash;
#[cfg(feature = "s3-format")]
mod legacy;
mod nist;
mod pem;
pub(super) mod randomness;
mod rsa;

/// The items of a backend, so that a difference between their signatures does not compile.
trait Backend {
    type GcmKey: Debug + Send + Sync;
    type Hasher: Debug + Send + Sync;
    type Digest: AsRef<[u8]> + Debug + Send + Sync;
    type SigningKey: Debug + Send + Sync;
    type VerifyingKey: Debug + Send + Sync;
    type RsaPublicKey: Debug + Send + Sync;
    type RsaPrivateKey: Debug + Send + Sync;

    const NAME: &'static str;
    /// Whether wrong PKCS #1 v1.5 padding is an error, or decrypts to something unpredictable.
    const PKCS1_PADDING_ERRORS: bool;

    fn gcm_key(key: &[u8]) -> Result<Self::GcmKey, CryptoError>;
    fn seal(
        key: &Self::GcmKey,
        iv: &[u8; IV_LEN],
        aad: &[u8],
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<(), CryptoError>;
    fn open(
        key: &Self::GcmKey,
        iv: &[u8; IV_LEN],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8; TAG_LEN],
        out: &mut [u8],
    ) -> Result<(), CryptoError>;

    fn hkdf(
        hash: Hash,
        salt: &[u8],
        input_key: &[u8],
        info: &[&[u8]],
        out: &mut [u8],
    ) -> Result<(), CryptoError>;

    fn kbkdf_of_input(
        hash: Hash,
        key: &[u8],
        input: &[u8],
        out: &mut [u8],
    ) -> Result<(), CryptoError>;

    fn kbkdf(
        hash: Hash,
        key: &[u8],
        label: &[u8],
        context: &[u8],
        out: &mut [u8],
    ) -> Result<(), CryptoError> {
        Self::kbkdf_of_input(hash, key, &kbkdf_input(label, context, out.len())?, out)
    }

    fn hasher(hash: Hash) -> Self::Hasher;
    fn update(hasher: &mut Self::Hasher, data: &[u8]);
    fn finish(hasher: Self::Hasher) -> Self::Digest;

    fn digest(hash: Hash, data: &[u8]) -> Self::Digest {
        let mut hasher = Self::hasher(hash);
        Self::update(&mut hasher, data);
        Self::finish(hasher)
    }

    fn generate_signing_key(curve: Curve) -> Result<Self::SigningKey, CryptoError>;
    fn signing_public_key(key: &Self::SigningKey) -> Result<Vec<u8>, CryptoError>;
    fn sign(key: &Self::SigningKey, digest: &Self::Digest) -> Result<Vec<u8>, CryptoError>;
    fn verifying_key(curve: Curve, point: &[u8]) -> Result<Self::VerifyingKey, CryptoError>;
    fn verify(
        key: &Self::VerifyingKey,
        digest: &Self::Digest,
        der: &[u8],
    ) -> Result<(), CryptoError>;

    fn rsa_public_key(spki: &[u8]) -> Result<Self::RsaPublicKey, CryptoError>;
    fn spki(key: &Self::RsaPublicKey) -> Result<Vec<u8>, CryptoError>;
    fn encrypt(
        key: &Self::RsaPublicKey,
        padding: RsaPadding,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError>;
    fn public_modulus_len(key: &Self::RsaPublicKey) -> usize;

    fn generate_rsa(bits: u32) -> Result<Self::RsaPrivateKey, CryptoError>;
    fn rsa_private_key(pkcs8: &[u8]) -> Result<Self::RsaPrivateKey, CryptoError>;
    fn pkcs8(key: &Self::RsaPrivateKey) -> Result<Zeroizing<Vec<u8>>, CryptoError>;
    fn rsa_public_half(key: &Self::RsaPrivateKey) -> Result<Self::RsaPublicKey, CryptoError>;
    fn decrypt(
        key: &Self::RsaPrivateKey,
        padding: RsaPadding,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError>;
    fn private_modulus_len(key: &Self::RsaPrivateKey) -> usize;
}

macro_rules! impl_backend {
    ($name:ident, $module:ident, pkcs1_padding_errors: $pkcs1_padding_errors:literal) => {
        struct $name;

        impl Backend for $name {
            type GcmKey = super::$module::GcmKey;
            type Hasher = super::$module::Hasher;
            type Digest = super::$module::Digest;
            type SigningKey = super::$module::SigningKey;
            type VerifyingKey = super::$module::VerifyingKey;
            type RsaPublicKey = super::$module::RsaPublicKey;
            type RsaPrivateKey = super::$module::RsaPrivateKey;

            const NAME: &'static str = stringify!($module);
            const PKCS1_PADDING_ERRORS: bool = $pkcs1_padding_errors;

            fn gcm_key(key: &[u8]) -> Result<Self::GcmKey, CryptoError> {
                Self::GcmKey::new(key)
            }

            fn seal(
                key: &Self::GcmKey,
                iv: &[u8; IV_LEN],
                aad: &[u8],
                plaintext: &[u8],
                out: &mut [u8],
            ) -> Result<(), CryptoError> {
                key.seal(iv, aad, plaintext, out)
            }

            fn open(
                key: &Self::GcmKey,
                iv: &[u8; IV_LEN],
                aad: &[u8],
                ciphertext: &[u8],
                tag: &[u8; TAG_LEN],
                out: &mut [u8],
            ) -> Result<(), CryptoError> {
                key.open(iv, aad, ciphertext, tag, out)
            }

            fn hkdf(
                hash: Hash,
                salt: &[u8],
                input_key: &[u8],
                info: &[&[u8]],
                out: &mut [u8],
            ) -> Result<(), CryptoError> {
                super::$module::Prk::extract(hash, salt, input_key).expand(info, out)
            }

            fn kbkdf_of_input(
                hash: Hash,
                key: &[u8],
                input: &[u8],
                out: &mut [u8],
            ) -> Result<(), CryptoError> {
                super::$module::kbkdf(hash, key, input, out)
            }

            fn hasher(hash: Hash) -> Self::Hasher {
                Self::Hasher::new(hash)
            }

            fn update(hasher: &mut Self::Hasher, data: &[u8]) {
                hasher.update(data);
            }

            fn finish(hasher: Self::Hasher) -> Self::Digest {
                hasher.finish()
            }

            fn generate_signing_key(curve: Curve) -> Result<Self::SigningKey, CryptoError> {
                Self::SigningKey::generate(curve)
            }

            fn signing_public_key(key: &Self::SigningKey) -> Result<Vec<u8>, CryptoError> {
                key.public_key()
            }

            fn sign(key: &Self::SigningKey, digest: &Self::Digest) -> Result<Vec<u8>, CryptoError> {
                key.sign(digest)
            }

            fn verifying_key(
                curve: Curve,
                point: &[u8],
            ) -> Result<Self::VerifyingKey, CryptoError> {
                Self::VerifyingKey::new(curve, point)
            }

            fn verify(
                key: &Self::VerifyingKey,
                digest: &Self::Digest,
                der: &[u8],
            ) -> Result<(), CryptoError> {
                key.verify(digest, der)
            }

            fn rsa_public_key(spki: &[u8]) -> Result<Self::RsaPublicKey, CryptoError> {
                Self::RsaPublicKey::from_spki_der(spki)
            }

            fn spki(key: &Self::RsaPublicKey) -> Result<Vec<u8>, CryptoError> {
                key.to_spki_der()
            }

            fn encrypt(
                key: &Self::RsaPublicKey,
                padding: RsaPadding,
                plaintext: &[u8],
            ) -> Result<Vec<u8>, CryptoError> {
                key.encrypt(padding, plaintext)
            }

            fn public_modulus_len(key: &Self::RsaPublicKey) -> usize {
                key.modulus_len()
            }

            fn generate_rsa(bits: u32) -> Result<Self::RsaPrivateKey, CryptoError> {
                Self::RsaPrivateKey::generate(bits)
            }

            fn rsa_private_key(pkcs8: &[u8]) -> Result<Self::RsaPrivateKey, CryptoError> {
                Self::RsaPrivateKey::from_pkcs8_der(pkcs8)
            }

            fn pkcs8(key: &Self::RsaPrivateKey) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
                key.to_pkcs8_der()
            }

            fn rsa_public_half(
                key: &Self::RsaPrivateKey,
            ) -> Result<Self::RsaPublicKey, CryptoError> {
                key.public_key()
            }

            fn decrypt(
                key: &Self::RsaPrivateKey,
                padding: RsaPadding,
                ciphertext: &[u8],
            ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
                key.decrypt(padding, ciphertext)
            }

            fn private_modulus_len(key: &Self::RsaPrivateKey) -> usize {
                key.modulus_len()
            }
        }
    };
}

#[cfg(any(feature = "aws-lc-rs", feature = "fips"))]
impl_backend!(AwsLc, aws_lc, pkcs1_padding_errors: true);
#[cfg(feature = "rustcrypto")]
impl_backend!(RustCrypto, rust_crypto, pkcs1_padding_errors: false);

/// How many cases of a Wycheproof file ran, and why the others did not.
#[derive(Debug, Default)]
struct Tally {
    ran: usize,
    skipped: std::collections::BTreeMap<&'static str, usize>,
}

impl Tally {
    fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    /// Every case of the file is accounted for, and no applicable case was skipped.
    fn check<B: Backend>(&self, file: &str, in_file: usize, applicable: usize) {
        println!("{} {file}: {self:?}", B::NAME);
        assert!(self.ran > 0, "{file}");
        assert_eq!(self.ran, applicable, "{file}");
        assert_eq!(self.ran + self.skipped.values().sum::<usize>(), in_file, "{file}");
    }
}

/// The content of the first PEM block of a text, read without our own reader.
fn der(pem: &str) -> Vec<u8> {
    let block = &pem[pem.find("-----BEGIN").unwrap()..];
    pkcs8::der::pem::decode_vec(block.as_bytes()).unwrap().1
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> =
        text.chars().map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn random_fills_everything_and_does_not_repeat() {
    let (mut a, mut b) = ([0; 64], [0; 64]);
    super::random(&mut a).unwrap();
    super::random(&mut b).unwrap();
    assert_ne!(a, b);
    // 64 bytes with 8 zeros at either end come up once in 2^63 runs.
    assert_ne!((a[..8].to_vec(), a[56..].to_vec()), (vec![0; 8], vec![0; 8]));
    super::random(&mut []).unwrap();
}

#[test]
fn an_error_says_nothing() {
    assert_eq!(CryptoError.to_string(), "a cryptographic operation failed");
}
