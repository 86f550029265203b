//! The backend on AWS-LC.

#[cfg(feature = "s3-format")]
mod aes;
mod ecdh;

use std::fmt;

use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::encoding::{
    AsBigEndian, AsDer, EcPublicKeyCompressedBin, Pkcs8V1Der, PublicKeyX509Der,
};
use aws_lc_rs::error::{KeyRejected, Unspecified};
#[cfg(not(feature = "fips"))]
use aws_lc_rs::hmac;
use aws_lc_rs::kdf::{KbkdfCtrHmacAlgorithmId, get_kbkdf_ctr_hmac_algorithm, kbkdf_ctr_hmac};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384,
    OAEP_SHA512_MGF1SHA512, OaepAlgorithm, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    Pkcs1PrivateDecryptingKey, Pkcs1PublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair, ParsedPublicKey};
use aws_lc_rs::{digest, hkdf as lc_hkdf};
use zeroize::Zeroizing;

#[cfg(feature = "s3-format")]
pub(crate) use aes::{CbcKey, CtrKey};
pub(crate) use ecdh::{EcdhPrivateKey, EcdhPublicKey};

use super::{CryptoError, Curve, Hash, IV_LEN, RsaPadding, TAG_LEN, redacted, rsa_der};

/// An AES-GCM key whose key schedule is ready.
pub(crate) struct GcmKey(LessSafeKey);

impl GcmKey {
    /// Expands a key of 16, 24 or 32 bytes.
    pub(crate) fn new(key: &[u8]) -> Result<Self, CryptoError> {
        let algorithm = match key.len() {
            16 => &AES_128_GCM,
            24 => &AES_192_GCM,
            32 => &AES_256_GCM,
            _ => return Err(CryptoError),
        };
        Ok(Self(LessSafeKey::new(UnboundKey::new(algorithm, key)?)))
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
        self.0.seal_out_of_place_scatter(
            Nonce::from(iv),
            Aad::from(aad),
            plaintext,
            ciphertext,
            &[],
            tag,
        )?;
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
        self.0.open_separate_gather(Nonce::from(iv), Aad::from(aad), ciphertext, tag, out).map_err(
            |error| {
                out.fill(0);
                error.into()
            },
        )
    }
}

impl fmt::Debug for GcmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted(f, "GcmKey")
    }
}

/// What HKDF extracted; several outputs can be expanded from it. If extracting failed, expanding does.
pub(crate) struct Prk(Result<lc_hkdf::Prk, CryptoError>);

impl Prk {
    /// The backend's own `Salt::extract` puts its work off and does it again for each output, so this
    /// takes the one HMAC that it is by definition (RFC 5869, 2.2).
    #[cfg(not(feature = "fips"))]
    pub(crate) fn extract(hash: Hash, salt: &[u8], input_key: &[u8]) -> Self {
        let (hkdf, hmac) = match hash {
            Hash::Sha256 => (lc_hkdf::HKDF_SHA256, hmac::HMAC_SHA256),
            Hash::Sha384 => (lc_hkdf::HKDF_SHA384, hmac::HMAC_SHA384),
            Hash::Sha512 => (lc_hkdf::HKDF_SHA512, hmac::HMAC_SHA512),
        };
        let mut extracted = Zeroizing::new([0; digest::MAX_OUTPUT_LEN]);
        // HMAC pads its key with zeros, so an empty salt is the zeros that HKDF puts in its place.
        let key = hmac::Key::new(hmac, salt);
        let result = hmac::sign_to_buffer(&key, input_key, &mut extracted[..]);
        Self(match result {
            Ok(extracted) => Ok(lc_hkdf::Prk::new_less_safe(hkdf, extracted)),
            Err(error) => Err(error.into()),
        })
    }

    /// The validated module counts only its own extraction as HKDF.
    #[cfg(feature = "fips")]
    pub(crate) fn extract(hash: Hash, salt: &[u8], input_key: &[u8]) -> Self {
        let algorithm = match hash {
            Hash::Sha256 => lc_hkdf::HKDF_SHA256,
            Hash::Sha384 => lc_hkdf::HKDF_SHA384,
            Hash::Sha512 => lc_hkdf::HKDF_SHA512,
        };
        Self(Ok(lc_hkdf::Salt::new(algorithm, salt).extract(input_key)))
    }

    /// Expands with the concatenation of `info` to the length of `out`.
    pub(crate) fn expand(&self, info: &[&[u8]], out: &mut [u8]) -> Result<(), CryptoError> {
        struct OutputLen(usize);

        impl lc_hkdf::KeyType for OutputLen {
            fn len(&self) -> usize {
                self.0
            }
        }

        let prk = self.0.as_ref().map_err(|error| *error)?;
        Ok(prk.expand(info, OutputLen(out.len()))?.fill(out)?)
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
    let id = match hash {
        Hash::Sha256 => KbkdfCtrHmacAlgorithmId::Sha256,
        Hash::Sha384 => KbkdfCtrHmacAlgorithmId::Sha384,
        Hash::Sha512 => KbkdfCtrHmacAlgorithmId::Sha512,
    };
    let algorithm = get_kbkdf_ctr_hmac_algorithm(id).ok_or(CryptoError)?;
    Ok(kbkdf_ctr_hmac(algorithm, key, input, out)?)
}

/// A digest in the making.
pub(crate) struct Hasher {
    hash: Hash,
    context: digest::Context,
}

impl Hasher {
    pub(crate) fn new(hash: Hash) -> Self {
        let algorithm = match hash {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha384 => &digest::SHA384,
            Hash::Sha512 => &digest::SHA512,
        };
        Self { hash, context: digest::Context::new(algorithm) }
    }

    pub(crate) fn update(&mut self, data: &[u8]) {
        self.context.update(data);
    }

    pub(crate) fn finish(self) -> Digest {
        Digest { hash: self.hash, digest: self.context.finish() }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("hash", &self.hash).finish_non_exhaustive()
    }
}

/// A finished digest, which remembers its hash function.
pub(crate) struct Digest {
    hash: Hash,
    digest: digest::Digest,
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        self.digest.as_ref()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digest").field("hash", &self.hash).finish_non_exhaustive()
    }
}

/// An ECDSA private key.
pub(crate) struct SigningKey {
    curve: Curve,
    key: EcdsaKeyPair,
}

impl SigningKey {
    pub(crate) fn generate(curve: Curve) -> Result<Self, CryptoError> {
        let algorithm = match curve {
            Curve::P256 => &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
            Curve::P384 => &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
        };
        Ok(Self { curve, key: EcdsaKeyPair::generate(algorithm)? })
    }

    /// The public key as a compressed SEC 1 point.
    pub(crate) fn public_key(&self) -> Result<Vec<u8>, CryptoError> {
        let point: EcPublicKeyCompressedBin<'_> = self.key.public_key().as_be_bytes()?;
        Ok(point.as_ref().to_vec())
    }

    /// Signs a digest of the curve's own hash function; the signature is DER.
    pub(crate) fn sign(&self, digest: &Digest) -> Result<Vec<u8>, CryptoError> {
        if digest.hash != self.curve.hash() {
            return Err(CryptoError);
        }
        Ok(self.key.sign_digest(&digest.digest)?.as_ref().to_vec())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted(f, "SigningKey")
    }
}

/// An ECDSA public key.
pub(crate) struct VerifyingKey {
    curve: Curve,
    key: ParsedPublicKey,
}

impl VerifyingKey {
    /// Reads a compressed or uncompressed SEC 1 point.
    pub(crate) fn new(curve: Curve, point: &[u8]) -> Result<Self, CryptoError> {
        curve.check_point_form(point)?;
        let algorithm = match curve {
            Curve::P256 => &signature::ECDSA_P256_SHA256_ASN1,
            Curve::P384 => &signature::ECDSA_P384_SHA384_ASN1,
        };
        Ok(Self { curve, key: ParsedPublicKey::new(algorithm, point)? })
    }

    /// Verifies a DER signature of a digest of the curve's own hash function.
    pub(crate) fn verify(&self, digest: &Digest, der: &[u8]) -> Result<(), CryptoError> {
        if digest.hash != self.curve.hash() {
            return Err(CryptoError);
        }
        Ok(self.key.verify_digest_sig(&digest.digest, der)?)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("curve", &self.curve).finish_non_exhaustive()
    }
}

/// An RSA public key.
pub(crate) struct RsaPublicKey(PublicEncryptingKey);

impl RsaPublicKey {
    pub(crate) fn from_spki_der(der: &[u8]) -> Result<Self, CryptoError> {
        rsa_der::check_spki(der)?;
        Ok(Self(PublicEncryptingKey::from_der(der)?))
    }

    pub(crate) fn to_spki_der(&self) -> Result<Vec<u8>, CryptoError> {
        let der: PublicKeyX509Der<'_> = self.0.as_der()?;
        Ok(der.as_ref().to_vec())
    }

    pub(crate) fn encrypt(
        &self,
        padding: RsaPadding,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let mut out = vec![0; self.modulus_len()];
        let len = match oaep(padding) {
            Some(oaep) => OaepPublicEncryptingKey::new(self.0.clone())?
                .encrypt(oaep, plaintext, &mut out, None)?
                .len(),
            None => {
                Pkcs1PublicEncryptingKey::new(self.0.clone())?.encrypt(plaintext, &mut out)?.len()
            }
        };
        out.truncate(len);
        Ok(out)
    }

    /// The length of the modulus, and so of every ciphertext.
    pub(crate) fn modulus_len(&self) -> usize {
        self.0.key_size_bytes()
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
pub(crate) struct RsaPrivateKey(PrivateDecryptingKey);

impl RsaPrivateKey {
    /// Makes a key of 2048, 3072 or 4096 bits.
    pub(crate) fn generate(bits: u32) -> Result<Self, CryptoError> {
        let size = match bits {
            2048 => KeySize::Rsa2048,
            3072 => KeySize::Rsa3072,
            4096 => KeySize::Rsa4096,
            _ => return Err(CryptoError),
        };
        Ok(Self(PrivateDecryptingKey::generate(size)?))
    }

    pub(crate) fn from_pkcs8_der(der: &[u8]) -> Result<Self, CryptoError> {
        rsa_der::check_pkcs8(der)?;
        Ok(Self(PrivateDecryptingKey::from_pkcs8(der)?))
    }

    pub(crate) fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let der: Pkcs8V1Der<'_> = self.0.as_der()?;
        Ok(Zeroizing::new(der.as_ref().to_vec()))
    }

    pub(crate) fn public_key(&self) -> Result<RsaPublicKey, CryptoError> {
        // Their public key is the private one under another name: it would stay in memory.
        let public = self.0.public_key();
        let der: PublicKeyX509Der<'_> = public.as_der()?;
        Ok(RsaPublicKey(PublicEncryptingKey::from_der(der.as_ref())?))
    }

    pub(crate) fn decrypt(
        &self,
        padding: RsaPadding,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        if ciphertext.len() != self.modulus_len() {
            return Err(CryptoError);
        }
        let mut out = Zeroizing::new(vec![0; self.modulus_len()]);
        let len = match oaep(padding) {
            Some(oaep) => OaepPrivateDecryptingKey::new(self.0.clone())?
                .decrypt(oaep, ciphertext, &mut out, None)?
                .len(),
            None => {
                Pkcs1PrivateDecryptingKey::new(self.0.clone())?.decrypt(ciphertext, &mut out)?.len()
            }
        };
        // The rest of the allocation is cleared together with what is returned.
        out.truncate(len);
        Ok(out)
    }

    /// The length of the modulus, and so of every ciphertext.
    pub(crate) fn modulus_len(&self) -> usize {
        self.0.key_size_bytes()
    }
}

impl fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted(f, "RsaPrivateKey")
    }
}

/// Random bytes from inside the validated module.
#[cfg(feature = "fips")]
pub(super) fn random(out: &mut [u8]) -> Result<(), CryptoError> {
    Ok(aws_lc_rs::rand::fill(out)?)
}

/// The OAEP parameters of a padding; `None` is PKCS #1 v1.5.
fn oaep(padding: RsaPadding) -> Option<&'static OaepAlgorithm> {
    match padding {
        RsaPadding::Pkcs1 => None,
        RsaPadding::OaepSha1 => Some(&OAEP_SHA1_MGF1SHA1),
        RsaPadding::OaepSha256 => Some(&OAEP_SHA256_MGF1SHA256),
        RsaPadding::OaepSha384 => Some(&OAEP_SHA384_MGF1SHA384),
        RsaPadding::OaepSha512 => Some(&OAEP_SHA512_MGF1SHA512),
    }
}

impl From<KeyRejected> for CryptoError {
    fn from(_: KeyRejected) -> Self {
        Self
    }
}

impl From<Unspecified> for CryptoError {
    fn from(_: Unspecified) -> Self {
        Self
    }
}
