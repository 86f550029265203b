//! Unwrapping of data keys as only old objects need it.
//!
//! It is built on RustCrypto crates under both backends: AWS-LC's bindings have no key wrap for AES-192, and
//! no OAEP that uses SHA-256 itself but SHA-1 for MGF1. Nothing here wraps.

use aes::cipher::{Array, BlockCipherDecrypt, KeyInit, consts::U16};
use aes::{Aes128, Aes192, Aes256};
use aes_kw::AesKw;
use rsa::Oaep;
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::{PaddingScheme, PublicKeyParts};
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::stack::{self, KEYS_LEN};
use super::system_rng::SystemRng;
use super::{BLOCK_LEN, CryptoError, pkcs7};

/// Unwraps with AES, each block for itself, and takes PKCS #7 padding off. The key has 16, 24 or 32 bytes.
///
/// Nothing is authenticated: a wrong key, or a changed block, gives some other bytes or an error.
pub(crate) fn aes_ecb_unwrap(
    key: &[u8],
    wrapped: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    stack::cleared::<KEYS_LEN, _>(|| match key.len() {
        16 => ecb_unwrap::<Aes128>(key, wrapped),
        24 => ecb_unwrap::<Aes192>(key, wrapped),
        32 => ecb_unwrap::<Aes256>(key, wrapped),
        _ => Err(CryptoError),
    })
}

/// Unwraps as RFC 3394 says, with its default initial value. The key has 16, 24 or 32 bytes.
pub(crate) fn aes_key_unwrap(
    key: &[u8],
    wrapped: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    stack::cleared::<KEYS_LEN, _>(|| match key.len() {
        16 => key_unwrap::<Aes128>(key, wrapped),
        24 => key_unwrap::<Aes192>(key, wrapped),
        32 => key_unwrap::<Aes256>(key, wrapped),
        _ => Err(CryptoError),
    })
}

/// Decrypts RSA with OAEP of SHA-256 and an empty label, where MGF1 uses SHA-1: what Java's
/// `RSA/ECB/OAEPWithSHA-256AndMGF1Padding` does. The private key is PKCS #8.
pub(crate) fn rsa_oaep_sha256_mgf1_sha1_decrypt(
    pkcs8: &[u8],
    wrapped: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let key = rsa::RsaPrivateKey::from_pkcs8_der(pkcs8).map_err(opaque)?;
    if wrapped.len() != key.size() {
        return Err(CryptoError);
    }
    Oaep::<Sha256, Sha1>::new_with_mgf_hash()
        .decrypt(Some(&mut SystemRng), &key, wrapped)
        .map(Zeroizing::new)
        .map_err(opaque)
}

fn ecb_unwrap<C: KeyInit + BlockCipherDecrypt<BlockSize = U16>>(
    key: &[u8],
    wrapped: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let cipher = C::new_from_slice(key).map_err(opaque)?;
    let mut unwrapped = Zeroizing::new(wrapped.to_vec());
    let (blocks, rest) = Array::slice_as_chunks_mut(&mut unwrapped);
    if !rest.is_empty() {
        return Err(CryptoError);
    }
    cipher.decrypt_blocks(blocks);
    let len = pkcs7::unpadded_len(&unwrapped)?;
    // The rest of the allocation is cleared together with what is returned.
    unwrapped.truncate(len);
    Ok(unwrapped)
}

fn key_unwrap<C: KeyInit + BlockCipherDecrypt<BlockSize = U16>>(
    key: &[u8],
    wrapped: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    // What is wrapped has at least two halves of a block; the crate takes fewer.
    let len = wrapped.len().checked_sub(INTEGRITY_CHECK_LEN).ok_or(CryptoError)?;
    if len < BLOCK_LEN {
        return Err(CryptoError);
    }
    let mut unwrapped = Zeroizing::new(vec![0; len]);
    AesKw::<C>::new_from_slice(key)
        .map_err(opaque)?
        .unwrap_key(wrapped, &mut unwrapped)
        .map_err(opaque)?;
    Ok(unwrapped)
}

fn opaque<E>(_: E) -> CryptoError {
    CryptoError
}

/// How much longer RFC 3394 makes a key, in bytes.
const INTEGRITY_CHECK_LEN: usize = 8;
