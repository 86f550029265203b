//! Randomness, fresh or from a seed.

use crate::crypto::{CryptoError, Hash, Prk, random};
use crate::error::Error;
use crate::secret::Secret;

/// From the operating system, unless seeded.
#[derive(Debug, Default)]
pub(super) struct Random {
    seed: Option<Prk>,
    drawn: u64,
}

impl Random {
    pub(super) fn seeded(seed: &[u8]) -> Self {
        Self { seed: Some(Prk::extract(Hash::Sha256, b"waxseal FakeKms", seed)), drawn: 0 }
    }

    pub(super) fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        let Some(seed) = &self.seed else { return random(out) };
        self.drawn = self.drawn.saturating_add(1);
        seed.expand(&[&self.drawn.to_be_bytes()], out)
    }

    pub(super) fn secret(&mut self, len: usize) -> Result<Secret, Error> {
        Secret::fill(len, |bytes| self.fill(bytes)).map_err(|_| Error::Backend("get randomness"))
    }

    /// The id of a key.
    pub(super) fn key_id(&mut self, multi_region: bool) -> Result<String, Error> {
        let mut bytes = [0; 16];
        self.fill(&mut bytes).map_err(|_| Error::Backend("get randomness"))?;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        if multi_region {
            return Ok(format!("mrk-{hex}"));
        }
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
        let parts: Vec<_> = parts.into_iter().filter_map(|part| hex.get(part)).collect();
        Ok(parts.join("-"))
    }
}
