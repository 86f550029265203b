//! Randomness for crates that ask for a generator.

use rsa::rand_core::{TryCryptoRng, TryRng};

use super::{CryptoError, random};

/// [`random`] as the generator that the RustCrypto crates ask for.
pub(super) struct SystemRng;

impl TryRng for SystemRng {
    type Error = CryptoError;

    fn try_next_u32(&mut self) -> Result<u32, CryptoError> {
        let mut bytes = [0; 4];
        random(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, CryptoError> {
        let mut bytes = [0; 8];
        random(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        random(out)
    }
}

impl TryCryptoRng for SystemRng {}
