//! AES-256 without authentication, on AWS-LC.

use std::fmt;

use aws_lc_rs::cipher::{AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

use crate::crypto::{BLOCK_LEN, CryptoError, pkcs7, redacted};

/// An AES-256 key in counter mode. The same operation encrypts and decrypts.
pub(crate) struct CtrKey(DecryptingKey);

impl CtrKey {
    /// Expands a key of 32 bytes.
    pub(crate) fn new(key: &[u8]) -> Result<Self, CryptoError> {
        Ok(Self(DecryptingKey::ctr(UnboundCipherKey::new(&AES_256, key)?)?))
    }

    /// Combines `in_out` with the keystream that begins with the encryption of `counter`, which counts
    /// up as one number of 128 bits.
    pub(crate) fn apply(
        &self,
        counter: [u8; BLOCK_LEN],
        in_out: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.0.decrypt(in_out, DecryptionContext::Iv128(FixedLength::from(counter)))?;
        Ok(())
    }
}

impl fmt::Debug for CtrKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted(f, "CtrKey")
    }
}

/// An AES-256 key in cipher block chaining; it only decrypts.
pub(crate) struct CbcKey(DecryptingKey);

impl CbcKey {
    /// Expands a key of 32 bytes.
    pub(crate) fn new(key: &[u8]) -> Result<Self, CryptoError> {
        Ok(Self(DecryptingKey::cbc(UnboundCipherKey::new(&AES_256, key)?)?))
    }

    /// Decrypts whole blocks. `iv` is the block of ciphertext before them, or the IV before the first.
    pub(crate) fn open_blocks(
        &self,
        iv: &[u8; BLOCK_LEN],
        in_out: &mut [u8],
    ) -> Result<(), CryptoError> {
        if !in_out.len().is_multiple_of(BLOCK_LEN) {
            return Err(CryptoError);
        }
        self.0.decrypt(in_out, DecryptionContext::Iv128(FixedLength::from(*iv)))?;
        Ok(())
    }

    /// Decrypts the last blocks, of which there is at least one; gives the length of what is before their
    /// padding.
    ///
    /// `in_out` is all zeros when the padding is wrong.
    pub(crate) fn open_last(
        &self,
        iv: &[u8; BLOCK_LEN],
        in_out: &mut [u8],
    ) -> Result<usize, CryptoError> {
        self.open_blocks(iv, in_out)?;
        pkcs7::unpadded_len(in_out).inspect_err(|_| in_out.fill(0))
    }
}

impl fmt::Debug for CbcKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted(f, "CbcKey")
    }
}
