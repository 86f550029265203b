//! Which frames a body of known length has.

use std::ops::Range;

use crate::message::{FrameKind, to_u64};

/// The frames of a body that is there. There is one answer for each length, whether the last full frame is the final
/// one, or an empty one follows it: the lengths differ. Nothing of it is authentic before the final frame was opened
/// as the one that this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodyGeometry {
    body_start: u64,
    frame_len: u64,
    /// How many regular frames there are: less than 2^32 - 1, since the final one needs a number, too.
    regular: u32,
    /// Bytes of content in the final frame.
    last_len: u64,
}

impl BodyGeometry {
    /// Of the body between these two places in the message; `None` if no body has that length.
    pub(crate) fn new(body: Range<u64>, frame_len: u32) -> Option<Self> {
        let frame_len = u64::from(frame_len);
        let content = body
            .end
            .checked_sub(body.start)
            .and_then(|len| len.checked_sub(to_u64(FrameKind::Final.overhead())))?;
        let sealed_len = frame_len.saturating_add(to_u64(FrameKind::Regular.overhead()));
        let regular = content.checked_div(sealed_len)?;
        let last_len = content.checked_rem(sealed_len)?;
        let regular = u32::try_from(regular).ok().filter(|count| *count < u32::MAX)?;
        let geometry = Self { body_start: body.start, frame_len, regular, last_len };
        (last_len <= frame_len).then_some(geometry)
    }

    /// Length of a regular frame with all its parts, in bytes.
    pub(crate) fn sealed_regular_len(&self) -> u64 {
        self.frame_len.saturating_add(to_u64(FrameKind::Regular.overhead()))
    }

    /// Number of the final frame.
    pub(crate) fn last(&self) -> u32 {
        self.regular.saturating_add(1)
    }

    pub(crate) fn kind(&self, number: u32) -> FrameKind {
        if number > self.regular { FrameKind::Final } else { FrameKind::Regular }
    }

    /// Where a frame is in the message.
    pub(crate) fn ciphertext(&self, number: u32) -> Range<u64> {
        let before = u64::from(number.saturating_sub(1));
        let start = before.saturating_mul(self.sealed_regular_len());
        let start = self.body_start.saturating_add(start);
        let overhead = to_u64(self.kind(number).overhead());
        start..start.saturating_add(self.content_len(number)).saturating_add(overhead)
    }

    /// Where the content of a frame is in the plaintext.
    pub(crate) fn plaintext(&self, number: u32) -> Range<u64> {
        let start = u64::from(number.saturating_sub(1)).saturating_mul(self.frame_len);
        start..start.saturating_add(self.content_len(number))
    }

    pub(crate) fn plaintext_len(&self) -> u64 {
        self.plaintext(self.last()).end
    }

    /// The frame that holds a byte of the plaintext; for those beyond, the final one.
    pub(crate) fn frame_of(&self, plaintext_offset: u64) -> u32 {
        let before = plaintext_offset.checked_div(self.frame_len).unwrap_or_default();
        u32::try_from(before).unwrap_or(u32::MAX).min(self.regular).saturating_add(1)
    }

    fn content_len(&self, number: u32) -> u64 {
        match self.kind(number) {
            FrameKind::Final => self.last_len,
            FrameKind::Regular => self.frame_len,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::FrameLayout;

    #[test]
    fn frames_are_those_that_the_layout_has() {
        for (frame_len, len) in
            (1..=9).flat_map(|frame_len| (0..=40).map(move |len| (frame_len, len)))
        {
            let layout = FrameLayout::new(100, frame_len).unwrap();
            let body = 100..layout.message_len(len).unwrap();
            let frames = BodyGeometry::new(body, frame_len).unwrap();
            assert_eq!(frames.plaintext_len(), len);
            assert_eq!(frames.last(), layout.frame_count(len).unwrap());
            for number in 1..=frames.last() {
                let span = layout.frame(number, len).unwrap();
                assert_eq!(frames.kind(number), span.kind);
                assert_eq!(frames.ciphertext(number), span.ciphertext);
                assert_eq!(frames.plaintext(number), span.plaintext);
            }
            for at in 0..len {
                assert_eq!(frames.frame_of(at), layout.frame_of(at).unwrap());
            }
        }
    }

    #[test]
    fn an_empty_final_frame_after_full_ones_is_told_from_a_full_one() {
        let full = BodyGeometry::new(100..100 + 40 + 48, 8).unwrap();
        assert_eq!((full.last(), full.plaintext(2), full.plaintext_len()), (2, 8..16, 16));
        let empty = BodyGeometry::new(100..100 + 40 + 40 + 40, 8).unwrap();
        assert_eq!((empty.last(), empty.plaintext(3), empty.plaintext_len()), (3, 16..16, 16));
        assert_eq!(empty.frame_of(15), 2);
    }

    #[test]
    fn lengths_that_no_body_has_are_refused() {
        for end in [0, 99, 100, 139, 100 + 40 + 9, 100 + 40 + 39] {
            assert_eq!(BodyGeometry::new(100..end, 8), None, "{end}");
        }
        assert_eq!(BodyGeometry::new(0..u64::MAX, 1), None);
    }

    proptest! {
        #[test]
        fn arithmetic_is_total(start: u64, end: u64, frame_len in 1_u32.., n: u32, at: u64) {
            if let Some(frames) = BodyGeometry::new(start..end, frame_len) {
                prop_assert_eq!(frames.ciphertext(frames.last()).end, end);
                let number = frames.frame_of(at);
                prop_assert!(number >= 1 && number <= frames.last());
                prop_assert_eq!(frames.plaintext(number).contains(&at), at < frames.plaintext_len());
                let _ = (frames.ciphertext(n), frames.plaintext(n));
            }
        }
    }
}
