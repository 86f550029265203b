//! AES-256 without authentication, on the RustCrypto crates.

use std::fmt;

use aes::Aes256;
use aes::cipher::{
    Array, BlockModeDecrypt, InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper,
};
use ctr::{CtrCore, flavors};

use super::BLOCKS_LEN;
use crate::crypto::stack::{self, KEYS_LEN};
use crate::crypto::{BLOCK_LEN, CryptoError, pkcs7, redacted};

/// An AES-256 key in counter mode. The same operation encrypts and decrypts.
pub(crate) struct CtrKey(Box<Aes256>);

impl CtrKey {
    /// Expands a key of 32 bytes.
    pub(crate) fn new(key: &[u8]) -> Result<Self, CryptoError> {
        stack::cleared::<KEYS_LEN, _>(|| {
            Ok(Self(Box::new(Aes256::new_from_slice(key).map_err(super::opaque)?)))
        })
    }

    /// Combines `in_out` with the keystream that begins with the encryption of `counter`, which counts
    /// up as one number of 128 bits.
    pub(crate) fn apply(
        &self,
        counter: [u8; BLOCK_LEN],
        in_out: &mut [u8],
    ) -> Result<(), CryptoError> {
        stack::cleared::<BLOCKS_LEN, _>(|| {
            let core: CtrCore<&Aes256, flavors::Ctr128BE> =
                CtrCore::inner_iv_init(&*self.0, &counter.into());
            // The check that this leaves out would refuse the last counter, which AWS-LC takes.
            StreamCipherCoreWrapper::from_core(core).unchecked_apply_keystream(in_out);
        });
        Ok(())
    }
}

impl fmt::Debug for CtrKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted(f, "CtrKey")
    }
}

/// An AES-256 key in cipher block chaining; it only decrypts.
pub(crate) struct CbcKey(Box<Aes256>);

impl CbcKey {
    /// Expands a key of 32 bytes.
    pub(crate) fn new(key: &[u8]) -> Result<Self, CryptoError> {
        stack::cleared::<KEYS_LEN, _>(|| {
            Ok(Self(Box::new(Aes256::new_from_slice(key).map_err(super::opaque)?)))
        })
    }

    /// Decrypts whole blocks. `iv` is the block of ciphertext before them, or the IV before the first.
    pub(crate) fn open_blocks(
        &self,
        iv: &[u8; BLOCK_LEN],
        in_out: &mut [u8],
    ) -> Result<(), CryptoError> {
        let (blocks, rest) = Array::slice_as_chunks_mut(in_out);
        if !rest.is_empty() {
            return Err(CryptoError);
        }
        stack::cleared::<BLOCKS_LEN, _>(|| {
            cbc::Decryptor::inner_iv_init(&*self.0, &(*iv).into()).decrypt_blocks(blocks);
        });
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
