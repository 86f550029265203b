//! Decrypts the body of an object: after it was authenticated, or as it comes.

use std::fmt;
use std::sync::Arc;

use crate::crypto::{BLOCK_LEN, CbcKey, GcmStream, PieceHash, TAG_LEN};
use crate::error::{ApiMisuse, Error, ObjectError, PolicyError, Stage};
use crate::message::to_u64;
use crate::s3::suite::MAX_GCM_CONTENT_LEN;
use crate::secret::{reserve, wipe};

use super::key::{ContentCipher, ContentKey};

/// Holds the ciphertext until all of it is there, and gives plaintext only if it is authentic.
///
/// CBC authenticates nothing; of that it only checks the padding.
///
/// ```
/// use waxseal::Error;
/// use waxseal::s3::BufferedOpener;
///
/// fn plaintext(mut opener: BufferedOpener, pieces: &[&[u8]]) -> Result<Vec<u8>, Error> {
///     for piece in pieces {
///         opener.update(piece)?;
///     }
///     opener.finish()
/// }
/// ```
///
/// Spec: s3-encryption/decryption, "Content Decryption".
pub struct BufferedOpener {
    cipher: ContentCipher,
    /// None after a failure.
    ciphertext: Option<Vec<u8>>,
    limit: u64,
}

impl BufferedOpener {
    /// Holds at most `limit` bytes of ciphertext, with its tag.
    pub(crate) fn new(key: ContentKey, limit: u64) -> Self {
        Self { cipher: key.0, ciphertext: Some(Vec::new()), limit }
    }

    /// Takes the next piece of the body, of any size.
    ///
    /// # Errors
    /// [`PolicyError::BufferLimit`] if that is more than may be held, [`Error::ApiMisuse`] after an error.
    pub fn update(&mut self, ciphertext: &[u8]) -> Result<(), Error> {
        let mut held = self.ciphertext.take().ok_or(ApiMisuse::Poisoned)?;
        if to_u64(held.len().saturating_add(ciphertext.len())) > self.limit {
            return Err(PolicyError::BufferLimit { limit: self.limit }.into());
        }
        held.extend_from_slice(ciphertext);
        self.ciphertext = Some(held);
        Ok(())
    }

    /// The plaintext, decrypted in place after its tag was verified.
    ///
    /// # Errors
    /// [`Error::Unauthentic`] if the body was changed, cut or extended, or the key is wrong;
    /// [`Error::ApiMisuse`] after an error. No plaintext is left then.
    pub fn finish(self) -> Result<Vec<u8>, Error> {
        let mut body = self.ciphertext.ok_or(ApiMisuse::Poisoned)?;
        match open_whole(&self.cipher, &mut body) {
            Some(len) => {
                body.truncate(len);
                Ok(body)
            }
            None => {
                wipe(&mut body);
                Err(unauthentic())
            }
        }
    }
}

/// Gives plaintext away as it comes, **before anything has authenticated it**.
///
/// Whoever changed the object chose what comes out, so nothing may be done with it that cannot be undone
/// when [`finish`](Self::finish) fails: write it to a temporary file that nobody else sees, say.
///
/// With CBC nothing is ever authenticated. Tell nobody who can change objects whether `finish` failed: from
/// enough such answers they get the plaintext.
///
/// ```
/// use waxseal::Error;
/// use waxseal::s3::UnauthenticatedOpener;
///
/// fn plaintext(mut opener: UnauthenticatedOpener, pieces: &[&[u8]]) -> Result<Vec<u8>, Error> {
///     let mut not_yet_authentic = Vec::new();
///     for piece in pieces {
///         opener.update(piece, &mut not_yet_authentic)?;
///     }
///     opener.finish(&mut not_yet_authentic)?;
///     Ok(not_yet_authentic)
/// }
/// ```
///
/// Spec: s3-encryption/decryption, "Content Decryption" and "CBC Decryption".
pub struct UnauthenticatedOpener {
    /// None after a failure.
    state: Option<Opening>,
    held: HeldBack,
}

/// What the next piece is opened with.
enum Opening {
    /// The key and the block of ciphertext before the next one.
    Cbc(Box<CbcKey>, [u8; BLOCK_LEN]),
    /// The key and the hash of all before.
    Gcm(Arc<GcmStream>, PieceHash),
}

impl UnauthenticatedOpener {
    pub(crate) fn new(key: ContentKey) -> Self {
        let held = HeldBack::new(&key.0);
        let state = match key.0 {
            ContentCipher::Cbc(key, iv) => Opening::Cbc(key, iv),
            ContentCipher::Gcm(gcm) => Opening::Gcm(gcm, PieceHash::empty()),
        };
        Self { state: Some(state), held }
    }

    /// Takes the next piece of the body, of any size, and appends to `out` what it makes of it: **nothing of
    /// that is authenticated yet**. The last 16 bytes so far are held back, and perhaps a few before them.
    ///
    /// # Errors
    /// [`Error::Object`] if the body is longer than 2^36 - 32 bytes and a tag, [`Error::Backend`] if the
    /// backend fails, and [`Error::ApiMisuse`] after an error. Then nothing was appended.
    pub fn update(&mut self, ciphertext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        // What fails does not put it back.
        let state = self.state.take().ok_or(ApiMisuse::Poisoned)?;
        let start = out.len();
        self.held.pass(ciphertext, out);
        let blocks = out.get_mut(start..).unwrap_or_default();
        match state.open(blocks) {
            Ok(state) => {
                self.state = Some(state);
                Ok(())
            }
            Err(error) => {
                wipe(blocks);
                out.truncate(start);
                Err(error)
            }
        }
    }

    /// Verifies the tag, and appends the last few bytes. With CBC it only checks the padding.
    ///
    /// # Errors
    /// [`Error::Unauthentic`] if the body was changed, cut or extended, or the key is wrong: **what was given
    /// away before must not be used**. [`Error::ApiMisuse`] after an error. Then nothing was appended.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let state = self.state.take().ok_or(ApiMisuse::Poisoned)?;
        let rest = &mut self.held.bytes;
        let len = state.open_last(rest).ok_or_else(unauthentic)?;
        reserve(out, len);
        out.extend_from_slice(rest.get(..len).unwrap_or_default());
        wipe(rest);
        Ok(())
    }
}

impl Opening {
    /// Opens whole blocks in place.
    fn open(self, blocks: &mut [u8]) -> Result<Self, Error> {
        match self {
            Self::Cbc(key, previous) => {
                let next = blocks.last_chunk().copied().unwrap_or(previous);
                key.open_blocks(&previous, blocks).map_err(|_| unopened())?;
                Ok(Self::Cbc(key, next))
            }
            Self::Gcm(gcm, before) => {
                check_len(&before, blocks)?;
                let piece = gcm.open_piece(before.len(), blocks).map_err(|_| unopened())?;
                let hash = gcm.join(before, piece).map_err(|_| unopened())?;
                Ok(Self::Gcm(gcm, hash))
            }
        }
    }

    /// Opens the rest in place, if all was authentic; gives the length of the plaintext at its beginning.
    fn open_last(self, rest: &mut [u8]) -> Option<usize> {
        match self {
            Self::Cbc(key, previous) => key.open_last(&previous, rest).ok(),
            Self::Gcm(gcm, before) => open_authentic(&gcm, before, rest),
        }
    }
}

/// What may be the tag or the last block, and what is before it of a block that is not whole yet.
pub(super) struct HeldBack {
    pub(super) bytes: Vec<u8>,
    /// How many bytes at the end are not for `pass`.
    end_len: usize,
}

impl HeldBack {
    pub(super) fn new(cipher: &ContentCipher) -> Self {
        let end_len = match cipher {
            // That there is one more byte tells that a block is not the last.
            ContentCipher::Cbc(..) => 1,
            ContentCipher::Gcm(_) => TAG_LEN,
        };
        Self { bytes: Vec::new(), end_len }
    }

    /// Takes the next piece of the body, and appends all whole blocks to `out` that are not at the end.
    pub(super) fn pass(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let ready = self.bytes.len().saturating_add(piece.len()).saturating_sub(self.end_len);
        let whole = ready.saturating_sub(ready % BLOCK_LEN);
        let held = whole.min(self.bytes.len());
        // `held` is less only if it is `whole`, so this takes no more than there is.
        let now_len = whole.saturating_sub(held);
        let (now, later) = piece.split_at_checked(now_len).unwrap_or((piece, &[]));
        reserve(out, whole);
        out.extend(self.bytes.drain(..held));
        out.extend_from_slice(now);
        self.bytes.extend_from_slice(later);
    }
}

fn open_whole(cipher: &ContentCipher, body: &mut [u8]) -> Option<usize> {
    match cipher {
        ContentCipher::Cbc(key, iv) => key.open_last(iv, body).ok(),
        ContentCipher::Gcm(gcm) => open_authentic(gcm, PieceHash::empty(), body),
    }
}

/// Decrypts what is before the tag, if all of the body was authentic; gives its length.
fn open_authentic(gcm: &GcmStream, before: PieceHash, rest: &mut [u8]) -> Option<usize> {
    let offset = before.len();
    let len = authentic_len(gcm, before, rest)?;
    gcm.apply_keystream(offset, rest.get_mut(..len)?).ok()?;
    Some(len)
}

/// How much is before the tag, if all of the body was authentic.
pub(super) fn authentic_len(gcm: &GcmStream, before: PieceHash, rest: &[u8]) -> Option<usize> {
    let (ciphertext, tag) = rest.split_last_chunk::<TAG_LEN>()?;
    let piece = gcm.hash_piece(before.len(), ciphertext).ok()?;
    gcm.verify(&gcm.join(before, piece).ok()?, tag).ok()?;
    Some(ciphertext.len())
}

impl fmt::Debug for BufferedOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.ciphertext.as_ref().map_or(0, Vec::len);
        f.debug_struct("BufferedOpener")
            .field("held", &held)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for UnauthenticatedOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnauthenticatedOpener")
            .field("failed", &self.state.is_none())
            .finish_non_exhaustive()
    }
}

pub(super) fn check_len(before: &PieceHash, piece: &[u8]) -> Result<(), Error> {
    match before.len().checked_add(to_u64(piece.len())) {
        Some(len) if len <= MAX_GCM_CONTENT_LEN => Ok(()),
        _ => Err(ObjectError::ContentTooLong { limit: MAX_GCM_CONTENT_LEN }.into()),
    }
}

/// One error for whatever is wrong, so that it tells an attacker nothing more.
pub(super) fn unauthentic() -> Error {
    Error::Unauthentic(Stage::Body)
}

pub(super) fn unopened() -> Error {
    Error::Backend("decrypt the content")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::content::StoredOpener;
    use crate::s3::suite::ContentSuite;
    use crate::secret::DataKey;

    #[test]
    fn a_body_longer_than_the_cipher_allows_is_refused_before_its_end() {
        for more in [32, 48, 49, 64, 100] {
            // The tag, and what is not a whole block, are not passed on yet.
            let fits = more < 32 + 16 + 16;
            let mut opener = UnauthenticatedOpener::new(key());
            let Some(Opening::Gcm(_, before)) = &mut opener.state else { panic!("it is GCM") };
            *before = PieceHash::wrong(MAX_GCM_CONTENT_LEN - 32);
            let mut out = b"before".to_vec();
            let opened = opener.update(&vec![1; more], &mut out);
            assert_eq!(opened.is_ok(), fits, "{more}");

            let mut stored = StoredOpener::new(key());
            stored.verified = Some(PieceHash::wrong(MAX_GCM_CONTENT_LEN - 32));
            assert_eq!(stored.verify(&vec![1; more]).is_ok(), fits, "{more}");

            if let Err(error) = opened {
                assert!(matches!(error, Error::Object(ObjectError::ContentTooLong { .. })));
                assert_eq!(out, b"before");
                let again = opener.update(b"", &mut out);
                assert!(matches!(again, Err(Error::ApiMisuse(ApiMisuse::Poisoned))));
                let again = stored.verify(b"");
                assert!(matches!(again, Err(Error::ApiMisuse(ApiMisuse::Poisoned))));
                assert!(matches!(stored.verified(), Err(Error::ApiMisuse(ApiMisuse::Poisoned))));
            }
            let end = opener.finish(&mut out).unwrap_err();
            assert_eq!(matches!(end, Error::Unauthentic(Stage::Body)), fits, "{more}");
        }
    }

    fn key() -> ContentKey {
        let data_key = DataKey::try_from([7; 32].as_slice()).unwrap();
        let suite = ContentSuite::Aes256GcmIv12Tag16NoKdf;
        ContentKey::for_decryption(suite, &data_key, &[7; 12], None).unwrap()
    }
}
