//! Where frames are: pure arithmetic between offsets and sequence numbers.

use std::ops::Range;

use crate::error::{ApiMisuse, Error};
use crate::message::footer::MAX_FOOTER_LEN;
use crate::message::{FrameKind, to_u64};

/// The geometry of the framed body of one message, as this crate writes it: a plaintext that is a
/// multiple of the frame length ends in a full final frame. Some other clients end it in an empty one
/// after it; then the last frame of this layout is a regular one in the message, and fails to open.
///
/// ```
/// use waxseal::{FrameKind, FrameLayout};
///
/// let layout = FrameLayout::new(1000, 4096)?; // a header of 1,000 bytes, frames of 4,096
/// assert_eq!(layout.frame_count(10_000)?, 3);
/// assert_eq!(layout.frame_of(5_000)?, 2);
/// let span = layout.frame(2, 10_000)?;
/// assert_eq!(span.kind, FrameKind::Regular);
/// assert_eq!(span.plaintext, 4096..8192);
/// assert_eq!(span.ciphertext, 5128..9256);
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: message-body, "Framed Data".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLayout {
    body_start: u64,
    frame_len: u32,
}

/// Where one frame is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameSpan {
    /// Regular or final.
    pub kind: FrameKind,
    /// Which bytes of the plaintext it holds.
    pub plaintext: Range<u64>,
    /// Which bytes of the message it is.
    pub ciphertext: Range<u64>,
}

impl FrameLayout {
    /// `body_start` is the length of the header, `frame_len` the bytes of content in a regular frame.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if `frame_len` is 0.
    pub fn new(body_start: u64, frame_len: u32) -> Result<Self, Error> {
        if frame_len == 0 {
            return Err(ApiMisuse::FrameLenZero.into());
        }
        Ok(Self { body_start, frame_len })
    }

    /// How many frames this crate writes for a plaintext of so many bytes: a plaintext that is a
    /// multiple of the frame length ends in a full final frame, an empty one in an empty one.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if there would be more than 2^32 - 1.
    pub fn frame_count(&self, plaintext_len: u64) -> Result<u32, Error> {
        let count = plaintext_len.div_ceil(self.frame_len.into()).max(1);
        u32::try_from(count).map_err(|_| self.too_many_frames())
    }

    /// The frame that holds the plaintext byte at this offset, if the plaintext is that long.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if it would be a frame beyond 2^32 - 1.
    pub fn frame_of(&self, plaintext_offset: u64) -> Result<u32, Error> {
        plaintext_offset
            .checked_div(self.frame_len.into())
            .and_then(|index| u32::try_from(index).ok())
            .and_then(|index| index.checked_add(1))
            .ok_or_else(|| self.too_many_frames())
    }

    /// Where frame `sequence_number` (from 1) of a plaintext of so many bytes is.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if there is no such frame.
    pub fn frame(&self, sequence_number: u32, plaintext_len: u64) -> Result<FrameSpan, Error> {
        let count = self.frame_count(plaintext_len)?;
        let before = sequence_number
            .checked_sub(1)
            .filter(|_| sequence_number <= count)
            .ok_or(ApiMisuse::Order("there is no frame with this sequence number"))?;
        let frame_len = u64::from(self.frame_len);
        let overflow = || self.too_many_frames();
        let start = u64::from(before).checked_mul(frame_len).ok_or_else(overflow)?;
        let kind = if sequence_number == count { FrameKind::Final } else { FrameKind::Regular };
        let end = match kind {
            FrameKind::Final => plaintext_len,
            FrameKind::Regular => start.checked_add(frame_len).ok_or_else(overflow)?,
        };
        let ciphertext_start = u64::from(before)
            .checked_mul(self.sealed_regular_len())
            .and_then(|offset| offset.checked_add(self.body_start))
            .ok_or_else(overflow)?;
        let ciphertext_end = ciphertext_start
            .checked_add(end.saturating_sub(start))
            .and_then(|offset| offset.checked_add(to_u64(kind.overhead())))
            .ok_or_else(overflow)?;
        Ok(FrameSpan { kind, plaintext: start..end, ciphertext: ciphertext_start..ciphertext_end })
    }

    /// Length of header and body for a plaintext of so many bytes: the whole message if the suite does
    /// not sign, and without the footer if it does.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if there would be more than 2^32 - 1 frames.
    pub fn message_len(&self, plaintext_len: u64) -> Result<u64, Error> {
        let last = self.frame_count(plaintext_len)?;
        Ok(self.frame(last, plaintext_len)?.ciphertext.end)
    }

    /// The most bytes that a message with a plaintext of so many bytes has, whatever its suite: a footer
    /// has up to 106. Where `body_start` is no less than the length of the header, nor is this.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if there would be more than 2^32 - 1 frames.
    pub fn max_message_len(&self, plaintext_len: u64) -> Result<u64, Error> {
        Ok(self.message_len(plaintext_len)?.saturating_add(MAX_FOOTER_LEN))
    }

    /// Length of the plaintext of a message that ends (without footer) after so many bytes, by its
    /// length alone: nothing is authenticated. `None` if no body has that length.
    ///
    /// A plaintext that is a multiple of the frame length may end in a full final frame or in an empty
    /// one after a full regular frame; both lengths are understood.
    pub fn plaintext_len(&self, message_len: u64) -> Option<u64> {
        let content = message_len
            .checked_sub(self.body_start)?
            .checked_sub(to_u64(FrameKind::Final.overhead()))?;
        let regular = content.checked_div(self.sealed_regular_len())?;
        let last = content.checked_rem(self.sealed_regular_len())?;
        let fits = last <= u64::from(self.frame_len) && regular < u64::from(u32::MAX);
        fits.then(|| regular.checked_mul(self.frame_len.into())?.checked_add(last)).flatten()
    }

    /// Number of regular frames in a message that ends (without footer) after so many bytes, by its
    /// length alone.
    pub(crate) fn regular_frames(&self, message_len: u64) -> Option<u32> {
        let content = message_len
            .checked_sub(self.body_start)?
            .checked_sub(to_u64(FrameKind::Final.overhead()))?;
        u32::try_from(content.checked_div(self.sealed_regular_len())?).ok()
    }

    /// Length of a regular frame with all its parts, in bytes.
    fn sealed_regular_len(&self) -> u64 {
        u64::from(self.frame_len).saturating_add(to_u64(FrameKind::Regular.overhead()))
    }

    fn too_many_frames(&self) -> Error {
        ApiMisuse::TooManyFrames { frame_len: self.frame_len }.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every frame length and plaintext length up to a bound: frames tile both sides without a gap.
    #[test]
    fn frames_tile_plaintext_and_message() {
        for frame_len in 1..=9 {
            let layout = FrameLayout::new(100, frame_len).unwrap();
            for len in 0..=40 {
                let count = layout.frame_count(len).unwrap();
                let (mut plain, mut sealed) = (0, 100);
                for n in 1..=count {
                    let span = layout.frame(n, len).unwrap();
                    assert_eq!((span.plaintext.start, span.ciphertext.start), (plain, sealed));
                    assert_eq!(span.kind == FrameKind::Final, n == count);
                    let content = span.plaintext.end - span.plaintext.start;
                    assert_eq!(
                        span.ciphertext.end - sealed,
                        content + if n == count { 40 } else { 32 }
                    );
                    for byte in span.plaintext.clone() {
                        assert_eq!(layout.frame_of(byte).unwrap(), n);
                    }
                    (plain, sealed) = (span.plaintext.end, span.ciphertext.end);
                }
                assert_eq!(plain, len);
                assert_eq!(layout.message_len(len).unwrap(), sealed);
                assert_eq!(layout.plaintext_len(sealed), Some(len));
                assert!(layout.frame(0, len).is_err() && layout.frame(count + 1, len).is_err());
            }
        }
    }

    /// The number of the final frame counts, too.
    #[test]
    fn a_length_of_too_many_frames_is_none_of_a_message() {
        let layout = FrameLayout::new(100, 1).unwrap();
        let ending_after = |regular: u64| 100 + regular * 33 + 40 + 1;
        let most = u64::from(u32::MAX) - 1;
        assert_eq!(layout.plaintext_len(ending_after(most)), Some(most + 1));
        assert_eq!(layout.plaintext_len(ending_after(most + 1)), None);
    }

    #[test]
    fn an_empty_final_frame_is_understood() {
        let layout = FrameLayout::new(0, 8).unwrap();
        assert_eq!(layout.plaintext_len(8 + 32 + 40), Some(8));
        assert_eq!(layout.plaintext_len(40 + 9), None);
        assert_eq!(layout.plaintext_len(39), None);
    }

    #[test]
    fn the_last_frame_number_is_the_limit() {
        let layout = FrameLayout::new(0, 1).unwrap();
        let most = u64::from(u32::MAX);
        assert_eq!(layout.frame_count(most).unwrap(), u32::MAX);
        assert!(layout.frame_count(most + 1).is_err());
        assert!(layout.frame_of(most - 1).is_ok() && layout.frame_of(most).is_err());
    }

    proptest! {
        #[test]
        fn arithmetic_is_total(start: u64, frame_len in 1_u32.., n: u32, len: u64) {
            let layout = FrameLayout::new(start, frame_len).unwrap();
            let _ = (layout.frame(n, len), layout.frame_of(len), layout.plaintext_len(len));
            let _ = layout.message_len(len);
        }
    }
}
