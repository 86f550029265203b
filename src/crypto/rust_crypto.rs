//! The backend on the RustCrypto crates: no C, no assembly to build.

#[cfg(feature = "s3-format")]
mod aes;
mod ecdh;
mod latching_rng;

use std::fmt;

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aes::Aes192;
use aes_gcm::{AeadInOut, Aes128Gcm, Aes256Gcm, AesGcm, KeyInit, Nonce, Tag};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use p256::elliptic_curve::Generate;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::{DecodePublicKey, EncodePrivateKey, EncodePublicKey, PrivateKeyInfoRef};
use rsa::signature::hazmat::{PrehashVerifier, RandomizedPrehashSigner};
use rsa::traits::{PaddingScheme, PublicKeyParts};
use rsa::{Oaep, Pkcs1v15Encrypt};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use zeroize::{Zeroize, Zeroizing};

#[cfg(feature = "s3-format")]
pub(crate) use aes::{CbcKey, CtrKey};
pub(crate) use ecdh::{EcdhPrivateKey, EcdhPublicKey};

use self::latching_rng::LatchingRng;
use super::stack::{self, KEYS_LEN};
use super::system_rng::SystemRng;
use super::{CryptoError, Curve, Hash, IV_LEN, RsaPadding, TAG_LEN, redacted, rsa_der};

/// An AES-GCM key whose key schedule is ready.
pub(crate) struct GcmKey(Gcm);

enum Gcm {
    Aes128(Box<Aes128Gcm>),
    Aes192(Box<AesGcm<Aes192, U12>>),
    Aes256(Box<Aes256Gcm>),
}

impl GcmKey {
    /// Expands a key of 16, 24 or 32 bytes.
    pub(crate) fn new(key: &[u8]) -> Result<Self, CryptoError> {
        stack::cleared::<KEYS_LEN, _>(|| {
            Ok(Self(match key.len() {
                16 => Gcm::Aes128(Box::new(KeyInit::new_from_slice(key).map_err(opaque)?)),
                24 => Gcm::Aes192(Box::new(KeyInit::new_from_slice(key).map_err(opaque)?)),
                32 => Gcm::Aes256(Box::new(KeyInit::new_from_slice(key).map_err(opaque)?)),
                _ => return Err(CryptoError),
            }))
        })
    }

    /// Writes the ciphertext and then the tag to `out`, exactly `TAG_LEN` longer than `plaintext`.
    pub(crate) fn seal(
        &self,
        iv: &[u8; IV_LEN],
        aad: &[u8],
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<(), CryptoError> {
        let (ciphertext, tag) = out.split_at_mut_checked(plaintext.len()).ok_or(CryptoError)?;
        let tag: &mut [u8; TAG_LEN] = tag.try_into().map_err(opaque)?;
        let iv = Nonce::from(*iv);
        let buffer = InOutBuf::new(plaintext, ciphertext).map_err(opaque)?;
        let sealed = stack::cleared::<BLOCKS_LEN, _>(|| match &self.0 {
            Gcm::Aes128(key) => key.encrypt_inout_detached(&iv, aad, buffer),
            Gcm::Aes192(key) => key.encrypt_inout_detached(&iv, aad, buffer),
            Gcm::Aes256(key) => key.encrypt_inout_detached(&iv, aad, buffer),
        });
        *tag = sealed.map_err(opaque)?.into();
        Ok(())
    }

    /// Writes the plaintext to `out`, exactly as long as `ciphertext`.
    ///
    /// `out` is all zeros when this fails, whatever the reason.
    pub(crate) fn open(
        &self,
        iv: &[u8; IV_LEN],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8; TAG_LEN],
        out: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.open_or_leave(iv, aad, ciphertext, tag, out).inspect_err(|_| out.fill(0))
    }

    fn open_or_leave(
        &self,
        iv: &[u8; IV_LEN],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8; TAG_LEN],
        out: &mut [u8],
    ) -> Result<(), CryptoError> {
        let (iv, tag) = (Nonce::from(*iv), Tag::from(*tag));
        let buffer = InOutBuf::new(ciphertext, out).map_err(opaque)?;
        let opened = stack::cleared::<BLOCKS_LEN, _>(|| match &self.0 {
            Gcm::Aes128(key) => key.decrypt_inout_detached(&iv, aad, buffer, &tag),
            Gcm::Aes192(key) => key.decrypt_inout_detached(&iv, aad, buffer, &tag),
            Gcm::Aes256(key) => key.decrypt_inout_detached(&iv, aad, buffer, &tag),
        });
        opened.map_err(opaque)
    }
}

impl fmt::Debug for GcmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted(f, "GcmKey")
    }
}

/// What HKDF extracted; several outputs can be expanded from it.
pub(crate) struct Prk(Extracted);

enum Extracted {
    Sha256(Box<Hkdf<Sha256>>),
    Sha384(Box<Hkdf<Sha384>>),
    Sha512(Box<Hkdf<Sha512>>),
}

impl Prk {
    pub(crate) fn extract(hash: Hash, salt: &[u8], input_key: &[u8]) -> Self {
        let salt = Some(salt);
        Self(stack::cleared::<KEYS_LEN, _>(|| match hash {
            Hash::Sha256 => Extracted::Sha256(Box::new(Hkdf::new(salt, input_key))),
            Hash::Sha384 => Extracted::Sha384(Box::new(Hkdf::new(salt, input_key))),
            Hash::Sha512 => Extracted::Sha512(Box::new(Hkdf::new(salt, input_key))),
        }))
    }

    /// Expands with the concatenation of `info` to the length of `out`.
    pub(crate) fn expand(&self, info: &[&[u8]], out: &mut [u8]) -> Result<(), CryptoError> {
        stack::cleared::<KEYS_LEN, _>(|| match &self.0 {
            Extracted::Sha256(prk) => prk.expand_multi_info(info, out),
            Extracted::Sha384(prk) => prk.expand_multi_info(info, out),
            Extracted::Sha512(prk) => prk.expand_multi_info(info, out),
        })
        .map_err(opaque)
    }
}

impl fmt::Debug for Prk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted(f, "Prk")
    }
}

/// HMAC in counter mode over all of `input`.
pub(crate) fn kbkdf(
    hash: Hash,
    key: &[u8],
    input: &[u8],
    out: &mut [u8],
) -> Result<(), CryptoError> {
    // AWS-LC refuses both.
    if key.is_empty() || out.is_empty() {
        return Err(CryptoError);
    }
    stack::cleared::<KEYS_LEN, _>(|| match hash {
        Hash::Sha256 => hmac_counter::<Hmac<Sha256>>(key, input, out),
        Hash::Sha384 => hmac_counter::<Hmac<Sha384>>(key, input, out),
        Hash::Sha512 => hmac_counter::<Hmac<Sha512>>(key, input, out),
    })
}

/// The crate `kbkdf` does the same, but has no release that is not a candidate, gives its output by
/// value and leaves copies of it behind. This is only a loop around its HMAC.
fn hmac_counter<M: Mac + KeyInit>(
    key: &[u8],
    input: &[u8],
    out: &mut [u8],
) -> Result<(), CryptoError> {
    let mut counter: u32 = 0;
    for part in out.chunks_mut(M::output_size()) {
        counter = counter.checked_add(1).ok_or(CryptoError)?;
        let mut mac = <M as KeyInit>::new_from_slice(key).map_err(opaque)?;
        mac.update(&counter.to_be_bytes());
        mac.update(input);
        let mut block = mac.finalize().into_bytes();
        for (to, from) in part.iter_mut().zip(&block) {
            *to = *from;
        }
        block.as_mut_slice().zeroize();
    }
    Ok(())
}

/// A digest in the making.
pub(crate) struct Hasher(State);

enum State {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hasher {
    pub(crate) fn new(hash: Hash) -> Self {
        Self(match hash {
            Hash::Sha256 => State::Sha256(Sha256::new()),
            Hash::Sha384 => State::Sha384(Sha384::new()),
            Hash::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    pub(crate) fn update(&mut self, data: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(data),
            State::Sha384(state) => state.update(data),
            State::Sha512(state) => state.update(data),
        }
    }

    pub(crate) fn finish(self) -> Digest {
        Digest(match self.0 {
            State::Sha256(state) => Output::Sha256(state.finalize().into()),
            State::Sha384(state) => Output::Sha384(state.finalize().into()),
            State::Sha512(state) => Output::Sha512(state.finalize().into()),
        })
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = match self.0 {
            State::Sha256(_) => Hash::Sha256,
            State::Sha384(_) => Hash::Sha384,
            State::Sha512(_) => Hash::Sha512,
        };
        f.debug_struct("Hasher").field("hash", &hash).finish_non_exhaustive()
    }
}

/// A finished digest, which remembers its hash function.
pub(crate) struct Digest(Output);

enum Output {
    Sha256([u8; 32]),
    Sha384([u8; 48]),
    Sha512([u8; 64]),
}

impl Digest {
    fn hash(&self) -> Hash {
        match self.0 {
            Output::Sha256(_) => Hash::Sha256,
            Output::Sha384(_) => Hash::Sha384,
            Output::Sha512(_) => Hash::Sha512,
        }
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        match &self.0 {
            Output::Sha256(bytes) => bytes,
            Output::Sha384(bytes) => bytes,
            Output::Sha512(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digest").field("hash", &self.hash()).finish_non_exhaustive()
    }
}

/// An ECDSA private key.
pub(crate) struct SigningKey(Signing);

enum Signing {
    P256(Box<p256::ecdsa::SigningKey>),
    P384(Box<p384::ecdsa::SigningKey>),
}

impl SigningKey {
    pub(crate) fn generate(curve: Curve) -> Result<Self, CryptoError> {
        let rng = &mut SystemRng;
        stack::cleared::<POINTS_LEN, _>(|| {
            Ok(Self(match curve {
                Curve::P256 => Signing::P256(Box::new(Generate::try_generate_from_rng(rng)?)),
                Curve::P384 => Signing::P384(Box::new(Generate::try_generate_from_rng(rng)?)),
            }))
        })
    }

    /// The public key as a compressed SEC 1 point.
    pub(crate) fn public_key(&self) -> Result<Vec<u8>, CryptoError> {
        Ok(match &self.0 {
            Signing::P256(key) => key.verifying_key().to_sec1_point(true).as_bytes().to_vec(),
            Signing::P384(key) => key.verifying_key().to_sec1_point(true).as_bytes().to_vec(),
        })
    }

    /// Signs a digest of the curve's own hash function; the signature is DER.
    pub(crate) fn sign(&self, digest: &Digest) -> Result<Vec<u8>, CryptoError> {
        // The nonce depends on the key, on the digest and on fresh randomness: neither a bad
        // generator nor a fault that repeats can reveal the key.
        stack::cleared::<POINTS_LEN, _>(|| match (&self.0, &digest.0) {
            (Signing::P256(key), Output::Sha256(digest)) => {
                let signature: p256::ecdsa::Signature =
                    key.sign_prehash_with_rng(&mut SystemRng, digest).map_err(opaque)?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
            (Signing::P384(key), Output::Sha384(digest)) => {
                let signature: p384::ecdsa::Signature =
                    key.sign_prehash_with_rng(&mut SystemRng, digest).map_err(opaque)?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
            _ => Err(CryptoError),
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted(f, "SigningKey")
    }
}

/// An ECDSA public key.
pub(crate) struct VerifyingKey(Verifying);

enum Verifying {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
}

impl VerifyingKey {
    /// Reads a compressed or uncompressed SEC 1 point.
    pub(crate) fn new(curve: Curve, point: &[u8]) -> Result<Self, CryptoError> {
        curve.check_point_form(point)?;
        Ok(Self(match curve {
            Curve::P256 => {
                Verifying::P256(p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(opaque)?)
            }
            Curve::P384 => {
                Verifying::P384(p384::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(opaque)?)
            }
        }))
    }

    /// Verifies a DER signature of a digest of the curve's own hash function.
    pub(crate) fn verify(&self, digest: &Digest, der: &[u8]) -> Result<(), CryptoError> {
        match (&self.0, &digest.0) {
            (Verifying::P256(key), Output::Sha256(digest)) => {
                let signature = p256::ecdsa::Signature::from_der(der).map_err(opaque)?;
                key.verify_prehash(digest, &signature).map_err(opaque)
            }
            (Verifying::P384(key), Output::Sha384(digest)) => {
                let signature = p384::ecdsa::Signature::from_der(der).map_err(opaque)?;
                key.verify_prehash(digest, &signature).map_err(opaque)
            }
            _ => Err(CryptoError),
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let curve = match self.0 {
            Verifying::P256(_) => Curve::P256,
            Verifying::P384(_) => Curve::P384,
        };
        f.debug_struct("VerifyingKey").field("curve", &curve).finish_non_exhaustive()
    }
}

/// An RSA public key.
pub(crate) struct RsaPublicKey(rsa::RsaPublicKey);

impl RsaPublicKey {
    pub(crate) fn from_spki_der(der: &[u8]) -> Result<Self, CryptoError> {
        rsa_der::check_spki(der)?;
        Ok(Self(rsa::RsaPublicKey::from_public_key_der(der).map_err(opaque)?))
    }

    pub(crate) fn to_spki_der(&self) -> Result<Vec<u8>, CryptoError> {
        Ok(self.0.to_public_key_der().map_err(opaque)?.into_vec())
    }

    pub(crate) fn encrypt(
        &self,
        padding: RsaPadding,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let (key, rng) = (&self.0, &mut SystemRng);
        match padding {
            RsaPadding::Pkcs1 => Pkcs1v15Encrypt.encrypt(rng, key, plaintext),
            RsaPadding::OaepSha1 => Oaep::<Sha1>::new().encrypt(rng, key, plaintext),
            RsaPadding::OaepSha256 => Oaep::<Sha256>::new().encrypt(rng, key, plaintext),
            RsaPadding::OaepSha384 => Oaep::<Sha384>::new().encrypt(rng, key, plaintext),
            RsaPadding::OaepSha512 => Oaep::<Sha512>::new().encrypt(rng, key, plaintext),
        }
        .map_err(opaque)
    }

    /// The length of the modulus, and so of every ciphertext.
    pub(crate) fn modulus_len(&self) -> usize {
        self.0.size()
    }
}

impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaPublicKey")
            .field("modulus_len", &self.modulus_len())
            .finish_non_exhaustive()
    }
}

/// An RSA private key.
pub(crate) struct RsaPrivateKey(rsa::RsaPrivateKey);

impl RsaPrivateKey {
    /// Makes a key of 2048, 3072 or 4096 bits.
    pub(crate) fn generate(bits: u32) -> Result<Self, CryptoError> {
        if !matches!(bits, 2048 | 3072 | 4096) {
            return Err(CryptoError);
        }
        let bits = usize::try_from(bits).map_err(opaque)?;
        let mut rng = LatchingRng::default();
        let key = rsa::RsaPrivateKey::new(&mut rng, bits).map_err(opaque);
        rng.check()?;
        Ok(Self(key?))
    }

    pub(crate) fn from_pkcs8_der(der: &[u8]) -> Result<Self, CryptoError> {
        rsa_der::check_pkcs8(der)?;
        let info = PrivateKeyInfoRef::try_from(der).map_err(opaque)?;
        let given = info.private_key.as_bytes();
        let key = rsa::RsaPrivateKey::try_from(info).map_err(opaque)?;
        // The values that follow from the others were recomputed, not read: refuse wrong ones, as
        // AWS-LC does.
        if key.to_pkcs1_der().map_err(opaque)?.as_bytes() != given {
            return Err(CryptoError);
        }
        Ok(Self(key))
    }

    pub(crate) fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        Ok(self.0.to_pkcs8_der().map_err(opaque)?.to_bytes())
    }

    pub(crate) fn public_key(&self) -> Result<RsaPublicKey, CryptoError> {
        Ok(RsaPublicKey(self.0.to_public_key()))
    }

    /// Decrypts, blinded with fresh randomness.
    ///
    /// Wrong PKCS #1 v1.5 padding is not an error here. The result is then pseudorandom bytes of a
    /// pseudorandom length, which depend on nothing but the key and the ciphertext, so that no error
    /// tells an attacker what the padding was.
    pub(crate) fn decrypt(
        &self,
        padding: RsaPadding,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        if ciphertext.len() != self.modulus_len() {
            return Err(CryptoError);
        }
        let (key, rng) = (&self.0, Some(&mut SystemRng));
        let plaintext = match padding {
            RsaPadding::Pkcs1 => Pkcs1v15Encrypt.decrypt(rng, key, ciphertext),
            RsaPadding::OaepSha1 => Oaep::<Sha1>::new().decrypt(rng, key, ciphertext),
            RsaPadding::OaepSha256 => Oaep::<Sha256>::new().decrypt(rng, key, ciphertext),
            RsaPadding::OaepSha384 => Oaep::<Sha384>::new().decrypt(rng, key, ciphertext),
            RsaPadding::OaepSha512 => Oaep::<Sha512>::new().decrypt(rng, key, ciphertext),
        };
        plaintext.map(Zeroizing::new).map_err(opaque)
    }

    /// The length of the modulus, and so of every ciphertext.
    pub(crate) fn modulus_len(&self) -> usize {
        self.0.size()
    }
}

impl fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted(f, "RsaPrivateKey")
    }
}

/// More of the stack than AES of some blocks at once uses with a schedule that is there, in bytes: round keys that did not
/// fit into registers. It is overwritten for each frame.
const BLOCKS_LEN: usize = if cfg!(debug_assertions) { 32 * 1024 } else { 4 * 1024 };
/// More of the stack than the tables of multiples of a point use, and what is made of them, in bytes.
const POINTS_LEN: usize = if cfg!(debug_assertions) { 256 * 1024 } else { 64 * 1024 };

fn opaque<E>(_: E) -> CryptoError {
    CryptoError
}
