//! Encrypts the body of an object, from beginning to end or in parts.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::crypto::{BLOCK_LEN, CryptoError, GcmStream, PieceHash, TAG_LEN};
use crate::error::{ApiMisuse, Error, ObjectError};
use crate::message::to_u64;
use crate::s3::suite::MAX_GCM_CONTENT_LEN;
use crate::secret::{SecretBuffer, wipe};

use super::key::ContentKey;

/// Encrypts a body from beginning to end, in pieces of any size.
///
/// ```
/// use waxseal::Error;
/// use waxseal::s3::Sealer;
///
/// fn body(mut sealer: Sealer, pieces: &[&[u8]]) -> Result<Vec<u8>, Error> {
///     let mut body = Vec::new();
///     for piece in pieces {
///         sealer.update(piece, &mut body)?;
///     }
///     sealer.finish(&mut body)?;
///     Ok(body)
/// }
/// ```
///
/// Spec: s3-encryption/encryption, "Content Encryption".
pub struct Sealer {
    /// None after a failure, and from the beginning for CBC, with which nothing is encrypted.
    gcm: Option<Arc<GcmStream>>,
    sealed: PieceHash,
    /// The beginning of a block that is not whole yet.
    pending: SecretBuffer,
}

impl Sealer {
    pub(crate) fn new(key: ContentKey) -> Self {
        let (sealed, pending) = (PieceHash::empty(), SecretBuffer::default());
        Self { gcm: key.into_gcm(), sealed, pending }
    }

    /// Appends to `out` what is ready of the ciphertext: all but the last few bytes.
    ///
    /// # Errors
    /// [`Error::Object`] if the body would be longer than 2^36 - 32 bytes, [`Error::Backend`] if the backend
    /// fails, and [`Error::ApiMisuse`] after an error. Then nothing was appended.
    pub fn update(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        // What fails does not put it back.
        let gcm = self.gcm.take().ok_or(ApiMisuse::Poisoned)?;
        self.seal_whole_blocks(&gcm, plaintext, out)?;
        self.gcm = Some(gcm);
        Ok(())
    }

    /// Appends the rest of the ciphertext and the tag.
    ///
    /// # Errors
    /// [`Error::Backend`] if the backend fails, [`Error::ApiMisuse`] after an error. Then nothing was appended.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let gcm = self.gcm.take().ok_or(ApiMisuse::Poisoned)?;
        let start = out.len();
        out.reserve(self.pending.len().saturating_add(TAG_LEN));
        out.extend_from_slice(self.pending.expose());
        self.seal_from(&gcm, start, out)?;
        let tag = gcm.tag(&self.sealed).map_err(|error| {
            out.truncate(start);
            unsealed(error)
        })?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    fn seal_whole_blocks(
        &mut self,
        gcm: &GcmStream,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let ready = self.pending.len().saturating_add(plaintext.len());
        check_len(self.sealed.len(), ready)?;
        let whole = ready.saturating_sub(ready % BLOCK_LEN);
        let Some((now, later)) = whole
            .checked_sub(self.pending.len())
            .and_then(|now_len| plaintext.split_at_checked(now_len))
        else {
            self.pending.extend(plaintext);
            return Ok(());
        };
        let start = out.len();
        // At once, so that growing leaves no plaintext behind.
        out.reserve(whole);
        out.extend_from_slice(self.pending.expose());
        out.extend_from_slice(now);
        self.pending.clear();
        self.pending.extend(later);
        self.seal_from(gcm, start, out)
    }

    /// Encrypts what was appended to `out`, and takes it away again if that fails.
    fn seal_from(&mut self, gcm: &GcmStream, start: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        let appended = out.get_mut(start..).unwrap_or_default();
        let sealed = std::mem::replace(&mut self.sealed, PieceHash::empty());
        match gcm.seal_piece(sealed.len(), appended).and_then(|piece| gcm.join(sealed, piece)) {
            Ok(all) => {
                self.sealed = all;
                Ok(())
            }
            Err(error) => {
                wipe(appended);
                out.truncate(start);
                Err(unsealed(error))
            }
        }
    }
}

/// Encrypts a body in parts, in any order and on any thread, to the bytes that a [`Sealer`] gives.
///
/// Parts are claimed in their order, and each claim seals once: two different parts at one place would give
/// away both.
///
/// ```
/// use waxseal::Error;
/// use waxseal::s3::PartSealer;
///
/// fn body(sealer: PartSealer, parts: &mut [Vec<u8>]) -> Result<Vec<u8>, Error> {
///     let tickets = parts.iter().map(|part| sealer.next_part(part.len()));
///     let tickets = tickets.collect::<Result<Vec<_>, _>>()?;
///     let sealed = std::thread::scope(|scope| {
///         let work = tickets.into_iter().zip(parts.iter_mut());
///         let threads: Vec<_> =
///             work.map(|(ticket, part)| scope.spawn(|| ticket.seal(part))).collect();
///         threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Result<Vec<_>, _>>()
///     })?;
///     let tag = sealer.finish(sealed)?;
///     Ok([parts.concat(), tag.to_vec()].concat())
/// }
/// ```
///
/// Spec: s3-encryption/encryption, "Content Encryption".
pub struct PartSealer {
    /// None for CBC, with which nothing is encrypted.
    gcm: Option<Arc<GcmStream>>,
    /// How much of the body has tickets, in bytes.
    claimed: Mutex<u64>,
}

impl PartSealer {
    pub(crate) fn new(key: ContentKey) -> Self {
        Self { gcm: key.into_gcm(), claimed: Mutex::new(0) }
    }

    /// Claims the next `len` bytes of the body. That is a multiple of 16 for all parts but the last.
    ///
    /// # Errors
    /// [`Error::Object`] if the body would be longer than 2^36 - 32 bytes, [`Error::ApiMisuse`] after a part
    /// whose length is no multiple of 16.
    pub fn next_part(&self, len: usize) -> Result<PartTicket, Error> {
        let gcm = self.gcm.as_ref().ok_or(ApiMisuse::Poisoned)?;
        // Nothing that holds the lock can panic.
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = *claimed;
        if !offset.is_multiple_of(to_u64(BLOCK_LEN)) {
            return Err(ApiMisuse::Order(
                "a part whose length is no multiple of 16 bytes must be the last",
            )
            .into());
        }
        *claimed = check_len(offset, len)?;
        Ok(PartTicket { gcm: Arc::clone(gcm), offset, len })
    }

    /// The tag, which follows the last part. Takes all parts, in whatever order they were sealed.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if a part is missing or belongs to another body.
    pub fn finish(self, mut parts: Vec<SealedPart>) -> Result<[u8; TAG_LEN], Error> {
        let gcm = self.gcm.ok_or(ApiMisuse::Poisoned)?;
        if parts.iter().any(|part| !Arc::ptr_eq(&part.gcm, &gcm)) {
            return Err(
                ApiMisuse::Order("a part of another body was given to finish this one").into()
            );
        }
        parts.sort_by_key(|part| (part.hash.offset(), part.hash.len()));
        let joined =
            parts.into_iter().try_fold(PieceHash::empty(), |all, part| gcm.join(all, part.hash));
        let claimed = self.claimed.into_inner().unwrap_or_else(PoisonError::into_inner);
        match joined {
            Ok(all) if all.len() == claimed => gcm.tag(&all).map_err(unsealed),
            _ => Err(ApiMisuse::Order("a part is missing to finish the body").into()),
        }
    }
}

/// The right to seal one part, once.
///
/// [`PartSealer`] shows it in use.
#[must_use = "a body without this part has no tag"]
pub struct PartTicket {
    gcm: Arc<GcmStream>,
    offset: u64,
    len: usize,
}

impl PartTicket {
    /// Where the part begins in the body, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Length of the part in bytes.
    #[expect(clippy::len_without_is_empty, reason = "it holds no bytes; it is for that many")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Encrypts the part in place. To send it again, keep what this gives.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if the part has another length than was claimed: then it is left as it is.
    /// [`Error::Backend`] if the backend fails: then it is all zeros. Without this part, the body cannot be
    /// finished.
    pub fn seal(self, part: &mut [u8]) -> Result<SealedPart, Error> {
        let Self { gcm, offset, len } = self;
        if part.len() != len {
            let (expected, found) = (to_u64(len), to_u64(part.len()));
            return Err(ApiMisuse::BufferLen { what: "the part", expected, found }.into());
        }
        let hash = gcm.seal_piece(offset, part).map_err(unsealed)?;
        Ok(SealedPart { gcm, hash })
    }
}

/// What a sealed part gives to the tag.
///
/// [`PartSealer`] shows it in use.
#[must_use = "a body without this part has no tag"]
pub struct SealedPart {
    gcm: Arc<GcmStream>,
    hash: PieceHash,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("sealed", &self.sealed.len())
            .field("failed", &self.gcm.is_none())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PartSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartSealer").field("claimed", &self.claimed).finish_non_exhaustive()
    }
}

impl fmt::Debug for PartTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gcm: _, offset, len } = self;
        f.debug_struct("PartTicket")
            .field("offset", offset)
            .field("len", len)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SealedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedPart")
            .field("offset", &self.hash.offset())
            .field("len", &self.hash.len())
            .finish_non_exhaustive()
    }
}

/// The length of the body with these bytes, in bytes.
fn check_len(before: u64, more: usize) -> Result<u64, Error> {
    match before.checked_add(to_u64(more)) {
        Some(len) if len <= MAX_GCM_CONTENT_LEN => Ok(len),
        _ => Err(ObjectError::ContentTooLong { limit: MAX_GCM_CONTENT_LEN }.into()),
    }
}

fn unsealed(_: CryptoError) -> Error {
    Error::Backend("encrypt the content")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::suite::ContentSuite;
    use crate::secret::DataKey;

    #[test]
    fn the_last_bytes_that_the_cipher_allows_are_sealed_and_no_more() {
        for (more, fits) in [(16, true), (31, true), (32, true), (33, false), (48, false)] {
            let mut sealer = sealer_near_the_end();
            let mut out = b"before".to_vec();
            let sealed = sealer.update(&vec![1; more], &mut out);
            assert_eq!(sealed.is_ok(), fits, "{more}");
            if fits {
                sealer.finish(&mut out).unwrap();
                assert_eq!(out.len(), 6 + more + 16);
                continue;
            }
            let error = sealed.unwrap_err();
            let Error::Object(ObjectError::ContentTooLong { limit }) = error else {
                panic!("{error}")
            };
            assert_eq!(limit, (1 << 36) - 32);
            assert_eq!(out, b"before");
            assert!(matches!(
                sealer.update(b"", &mut out),
                Err(Error::ApiMisuse(ApiMisuse::Poisoned))
            ));
            assert!(matches!(sealer.finish(&mut out), Err(Error::ApiMisuse(ApiMisuse::Poisoned))));
            assert_eq!(out, b"before");
        }
    }

    #[test]
    fn what_is_pending_counts() {
        let mut sealer = sealer_near_the_end();
        let mut out = Vec::new();
        sealer.update(&[1; 31], &mut out).unwrap();
        sealer.update(&[1; 1], &mut out).unwrap();
        assert!(matches!(sealer.update(&[1; 1], &mut out), Err(Error::Object(_))));
        assert_eq!(out.len(), 32);
    }

    fn sealer_near_the_end() -> Sealer {
        let data_key = DataKey::try_from([7; 32].as_slice()).unwrap();
        let suite = ContentSuite::default();
        let (key, _) = ContentKey::for_encryption(suite, &data_key, &[7; 28]).unwrap();
        let mut sealer = Sealer::new(key);
        sealer.sealed = PieceHash::wrong(MAX_GCM_CONTENT_LEN - 32);
        sealer
    }
}
