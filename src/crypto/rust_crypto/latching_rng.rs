//! Randomness for crates whose generators cannot fail.

use std::convert::Infallible;

use rsa::rand_core::{TryCryptoRng, TryRng};

use super::{CryptoError, SystemRng};

/// [`random`](crate::crypto::random) for an algorithm that cannot be told of a failure, where the only other way out
/// would be a panic.
///
/// **Use nothing that was made with it before [`check`](Self::check) passed.** After a failure it gives numbers
/// that are not random at all, but change, so that a search among them ends.
#[derive(Default)]
pub(super) struct LatchingRng {
    failed: bool,
    state: u64,
}

impl LatchingRng {
    /// Fails if the randomness ever did.
    pub(super) fn check(&self) -> Result<(), CryptoError> {
        if self.failed { Err(CryptoError) } else { Ok(()) }
    }

    fn latched<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    fn fill(&mut self, out: &mut [u8]) {
        if !self.failed && SystemRng.try_fill_bytes(out).is_ok() {
            return;
        }
        self.failed = true;
        for byte in out {
            self.state = self.state.wrapping_mul(FACTOR).wrapping_add(1);
            [*byte, ..] = self.state.to_be_bytes();
        }
    }
}

impl TryRng for LatchingRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.latched()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.latched()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for LatchingRng {}

/// Of a congruential generator of 64 bits; any that is 5 more than a multiple of 8 has the full period.
const FACTOR: u64 = 6_364_136_223_846_793_005;
