//! Decrypting a range of an object without the rest.

use std::fmt;
use std::sync::Arc;

use crate::byte_range::{ByteRange, ByteSpan};
use crate::crypto::{GcmStream, TAG_LEN};
use crate::error::{Error, ObjectError, PolicyError, Stage};
use crate::message::to_u64;
use crate::s3::suite::{ContentSuite, MAX_GCM_CONTENT_LEN};
use crate::secret::{reserve, wipe};

use super::key::ContentKey;

/// Decrypts a range of an object, **which nothing authenticates**.
///
/// Only the whole object has a tag. Whoever can change the object can flip any bit of what comes out here.
///
/// ```
/// use waxseal::Error;
/// use waxseal::s3::UnauthenticatedRangeOpener;
///
/// fn decrypt(mut opener: UnauthenticatedRangeOpener, stored: &[u8]) -> Result<Vec<u8>, Error> {
///     let span = opener.span();
///     let mut never_authentic = Vec::new();
///     opener.update(&stored[span.start as usize..span.end as usize], &mut never_authentic)?;
///     opener.finish()?;
///     Ok(never_authentic)
/// }
/// ```
///
/// Spec: s3-encryption/decryption, "Ranged Gets".
pub struct UnauthenticatedRangeOpener {
    gcm: Arc<GcmStream>,
    span: ByteSpan,
    /// Where the next byte belongs in the plaintext.
    next: u64,
}

impl UnauthenticatedRangeOpener {
    /// `stored_len` is the length of the whole body in bytes, with its tag.
    ///
    /// # Errors
    /// [`ApiMisuse::Range`](crate::ApiMisuse::Range) if the range is not satisfiable, [`PolicyError::RangeOfLegacyContent`] for CBC,
    /// [`Error::Unauthentic`] and [`ObjectError::ContentTooLong`] if no body has that length.
    pub(crate) fn new(key: ContentKey, range: ByteRange, stored_len: u64) -> Result<Self, Error> {
        let suite = ContentSuite::Aes256CbcIv16NoKdf.name();
        let gcm = key.into_gcm().ok_or(PolicyError::RangeOfLegacyContent { suite })?;
        let len = stored_len.checked_sub(to_u64(TAG_LEN)).ok_or_else(unauthentic)?;
        if len > MAX_GCM_CONTENT_LEN {
            return Err(ObjectError::ContentTooLong { limit: MAX_GCM_CONTENT_LEN }.into());
        }
        let span = range.within(len)?;
        Ok(Self { gcm, span, next: span.start })
    }

    /// Which bytes of the body to give it: the same as of the plaintext, and never the tag.
    pub fn span(&self) -> ByteSpan {
        self.span
    }

    /// Takes the next piece of the range, of any size, and appends its plaintext to `out`: **it is never
    /// authenticated**.
    ///
    /// # Errors
    /// [`Error::Unauthentic`] if that is more than the range, [`Error::Backend`] if the backend fails. Then
    /// nothing was appended.
    pub fn update(&mut self, ciphertext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let end = self.next.saturating_add(to_u64(ciphertext.len()));
        if end > self.span.end {
            return Err(unauthentic());
        }
        let start = out.len();
        reserve(out, ciphertext.len());
        out.extend_from_slice(ciphertext);
        let piece = out.get_mut(start..).unwrap_or_default();
        if self.gcm.apply_keystream(self.next, piece).is_err() {
            wipe(piece);
            out.truncate(start);
            return Err(Error::Backend("decrypt the content"));
        }
        self.next = end;
        Ok(())
    }

    /// Checks that all of the range came.
    ///
    /// # Errors
    /// [`Error::Unauthentic`] if it was cut.
    pub fn finish(self) -> Result<(), Error> {
        if self.next == self.span.end { Ok(()) } else { Err(unauthentic()) }
    }
}

impl fmt::Debug for UnauthenticatedRangeOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gcm: _, span, next } = self;
        f.debug_struct("UnauthenticatedRangeOpener")
            .field("span", span)
            .field("next", next)
            .finish_non_exhaustive()
    }
}

fn unauthentic() -> Error {
    Error::Unauthentic(Stage::Body)
}
