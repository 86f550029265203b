//! Decrypts a body that is stored somewhere, after all of it was authenticated.

use std::fmt;

use crate::crypto::PieceHash;
use crate::error::{ApiMisuse, Error};

use super::key::{ContentCipher, ContentKey};
use super::open::{
    HeldBack, UnauthenticatedOpener, authentic_len, check_len, unauthentic, unopened,
};

/// Verifies ciphertext that is stored meanwhile, so that it is decrypted only when all of it is authentic.
///
/// CBC authenticates nothing, so of that it verifies nothing.
pub(crate) struct StoredOpener {
    cipher: ContentCipher,
    /// None after a failure.
    pub(super) verified: Option<PieceHash>,
    held: HeldBack,
}

impl StoredOpener {
    pub(crate) fn new(key: ContentKey) -> Self {
        let held = HeldBack::new(&key.0);
        Self { cipher: key.0, verified: Some(PieceHash::empty()), held }
    }

    /// Takes the next piece of the body, of any size.
    ///
    /// # Errors
    /// As [`UnauthenticatedOpener::update`].
    pub(crate) fn verify(&mut self, ciphertext: &[u8]) -> Result<(), Error> {
        let mut all = self.verified.take().ok_or(ApiMisuse::Poisoned)?;
        if let ContentCipher::Gcm(gcm) = &self.cipher {
            let mut blocks = Vec::new();
            // A piece may be as large as memory allows, so it is not copied as a whole.
            for chunk in ciphertext.chunks(CHUNK_LEN) {
                blocks.clear();
                self.held.pass(chunk, &mut blocks);
                check_len(&all, &blocks)?;
                let piece = gcm.hash_piece(all.len(), &blocks).map_err(|_| unopened())?;
                all = gcm.join(all, piece).map_err(|_| unopened())?;
            }
        }
        self.verified = Some(all);
        Ok(())
    }

    /// Verifies the tag. What this gives is to be fed with the same ciphertext from the beginning; it verifies
    /// that once more, so that what was changed where it is stored does not go unnoticed.
    ///
    /// # Errors
    /// [`Error::Unauthentic`] if the body was changed, cut or extended, or the key is wrong.
    pub(crate) fn verified(self) -> Result<UnauthenticatedOpener, Error> {
        let Self { cipher, verified, held } = self;
        let before = verified.ok_or(ApiMisuse::Poisoned)?;
        if let ContentCipher::Gcm(gcm) = &cipher {
            authentic_len(gcm, before, &held.bytes).ok_or_else(unauthentic)?;
        }
        Ok(UnauthenticatedOpener::new(ContentKey(cipher)))
    }
}

impl fmt::Debug for StoredOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredOpener").field("verified", &self.verified).finish_non_exhaustive()
    }
}

/// Bytes of a piece that are copied at once.
const CHUNK_LEN: usize = 64 * 1024;
