//! Frames and the unframed block.
//!
//! ```text
//! regular frame: sequence number (4) | IV (12) | content (frame length) | tag (16)
//! final frame:   FFFFFFFF | sequence number (4) | IV (12) | content length (4) | content | tag (16)
//! unframed:      IV (12) | content length (8) | content | tag (16)
//! ```

use crate::error::{Error, InvalidMessage, Malformed};
use crate::message::{to_u64, to_usize};
use crate::suite::{IV_LEN, TAG_LEN};

/// Which of the two kinds a frame is.
///
/// Spec: message-body, "Framed Data".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameKind {
    /// As long as the frame length says; others follow.
    Regular,
    /// The last one, at most as long.
    Final,
}

impl FrameKind {
    /// Bytes before the content.
    pub(crate) fn prefix_len(self) -> usize {
        match self {
            Self::Regular => REGULAR_PREFIX_LEN,
            Self::Final => FINAL_PREFIX_LEN,
        }
    }

    /// Bytes that a frame has besides its content: 32 or 40.
    pub(crate) fn overhead(self) -> usize {
        self.prefix_len().saturating_add(TAG_LEN)
    }
}

/// Everything before the content of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FramePrefix {
    pub(crate) kind: FrameKind,
    pub(crate) sequence_number: u32,
    pub(crate) iv: [u8; IV_LEN],
    pub(crate) content_len: u32,
}

impl FramePrefix {
    pub(crate) fn frame_len(&self) -> usize {
        to_usize(self.content_len).saturating_add(self.kind.overhead())
    }

    /// Writes itself to `out`, which has exactly the right length.
    pub(crate) fn encode(&self, out: &mut [u8]) {
        let Self { kind, sequence_number, iv, content_len } = self;
        let number = sequence_number.to_be_bytes();
        // Pieces of known length, one after the other: this is done for every frame.
        let mut rest = out;
        if *kind == FrameKind::Final {
            put(&mut rest, FINAL_MARKER);
        }
        put(&mut rest, number);
        put(&mut rest, *iv);
        if *kind == FrameKind::Final {
            put(&mut rest, content_len.to_be_bytes());
        }
    }

    /// Reads the prefix of the frame that should come next.
    ///
    /// `Ok(Err(n))` asks for at least `n` bytes. Whatever cannot become a frame is refused at the
    /// first byte that shows it; `at` is the frame's offset in the message, for the error.
    pub(crate) fn read(
        bytes: &[u8],
        expected: u32,
        frame_len: u32,
        at: u64,
    ) -> Result<Result<Self, usize>, Error> {
        let mut fields = bytes;
        let Some(first) = take::<4>(&mut fields) else {
            return Ok(Err(4));
        };
        let kind = if first == FINAL_MARKER { FrameKind::Final } else { FrameKind::Regular };
        let sequence_number = match kind {
            FrameKind::Regular => first,
            FrameKind::Final => match take::<4>(&mut fields) {
                Some(second) => second,
                None => return Ok(Err(8)),
            },
        };
        let found = u32::from_be_bytes(sequence_number);
        if found != expected {
            let reason = Malformed::Sequence { expected, found };
            return Err(InvalidMessage::new(reason, at).into());
        }
        let Some(iv) = take::<IV_LEN>(&mut fields) else {
            return Ok(Err(kind.prefix_len()));
        };
        let content_len = match kind {
            FrameKind::Regular => frame_len,
            FrameKind::Final => {
                let Some(len) = take::<4>(&mut fields) else {
                    return Ok(Err(kind.prefix_len()));
                };
                let found = u32::from_be_bytes(len);
                if found > frame_len {
                    let reason = Malformed::FinalFrameLen { found, frame_len };
                    return Err(InvalidMessage::new(reason, at).into());
                }
                found
            }
        };
        Ok(Ok(Self { kind, sequence_number: found, iv, content_len }))
    }
}

/// Length of the plaintext in a framed body, as its prefixes tell it: nothing is authenticated. `None` if
/// there is no whole final frame. Where frames follow each other need not be read for the first
/// `skipped` ones, if it is known that they are regular.
pub(crate) fn framed_plaintext_len(body: &[u8], frame_len: u32, skipped: u32) -> Option<u64> {
    // Where it does not fit into a size of this machine, only a message without regular frames does.
    let sealed_len = to_usize(frame_len).saturating_add(FrameKind::Regular.overhead());
    let (_, mut rest) = body.split_at_checked(to_usize(skipped).checked_mul(sealed_len)?)?;
    let mut len = u64::from(skipped).checked_mul(frame_len.into())?;
    for sequence_number in skipped.checked_add(1)?..=u32::MAX {
        let prefix = FramePrefix::read(rest, sequence_number, frame_len, 0).ok()?.ok()?;
        (_, rest) = rest.split_at_checked(prefix.frame_len())?;
        len = len.checked_add(prefix.content_len.into())?;
        if prefix.kind == FrameKind::Final {
            return Some(len);
        }
    }
    None
}

/// Everything before the content of an unframed body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnframedPrefix {
    pub(crate) iv: [u8; IV_LEN],
    pub(crate) content_len: u64,
}

impl UnframedPrefix {
    /// `Ok(Err(n))` asks for at least `n` bytes.
    pub(crate) fn read(bytes: &[u8], at: u64) -> Result<Result<Self, usize>, Error> {
        let mut fields = bytes;
        let (Some(iv), Some(len)) = (take::<IV_LEN>(&mut fields), take::<8>(&mut fields)) else {
            return Ok(Err(UNFRAMED_PREFIX_LEN));
        };
        let content_len = u64::from_be_bytes(len);
        if content_len > MAX_UNFRAMED_LEN {
            let reason = Malformed::UnframedLen { found: content_len };
            let offset = at.saturating_add(to_u64(IV_LEN));
            return Err(InvalidMessage::new(reason, offset).into());
        }
        Ok(Ok(Self { iv, content_len }))
    }
}

/// What a piece of content is authenticated with.
///
/// ```text
/// message id (16 or 32) | content string | sequence number (4) | content length (8)
/// ```
///
/// Spec: message-body-aad.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyAad {
    bytes: [u8; MAX_AAD_LEN],
    /// Where the two numbers start, which end it.
    numbers: usize,
}

impl BodyAad {
    /// For all frames of a kind; [`numbered`](Self::numbered) makes it that of one.
    pub(crate) fn frames(message_id: &[u8], kind: FrameKind) -> Self {
        let content: &[u8] = match kind {
            FrameKind::Regular => b"AWSKMSEncryptionClient Frame",
            FrameKind::Final => b"AWSKMSEncryptionClient Final Frame",
        };
        Self::new(message_id, content)
    }

    /// For an unframed body, whose number is 1.
    pub(crate) fn unframed(message_id: &[u8]) -> Self {
        Self::new(message_id, b"AWSKMSEncryptionClient Single Block")
    }

    /// For one piece.
    pub(crate) fn numbered(mut self, sequence_number: u32, len: u64) -> Self {
        let to = self.bytes.get_mut(self.numbers..).unwrap_or_default();
        if let Some((to, rest)) = to.split_first_chunk_mut() {
            *to = sequence_number.to_be_bytes();
            if let Some(to) = rest.first_chunk_mut() {
                *to = len.to_be_bytes();
            }
        }
        self
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.numbers.saturating_add(NUMBERS_LEN)).unwrap_or_default()
    }

    fn new(message_id: &[u8], content: &[u8]) -> Self {
        let mut aad = Self { bytes: [0; MAX_AAD_LEN], numbers: 0 };
        for part in [message_id, content] {
            let end = aad.numbers.saturating_add(part.len());
            if let Some(to) = aad.bytes.get_mut(aad.numbers..end) {
                to.copy_from_slice(part);
                aad.numbers = end;
            }
        }
        aad
    }
}

/// The IV that frames are written with: the sequence number, padded in front.
pub(crate) fn frame_iv(sequence_number: u32) -> [u8; IV_LEN] {
    let [a, b, c, d] = sequence_number.to_be_bytes();
    [0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]
}

pub(crate) const REGULAR_PREFIX_LEN: usize = 4 + IV_LEN;
pub(crate) const FINAL_PREFIX_LEN: usize = 4 + 4 + IV_LEN + 4;
pub(crate) const UNFRAMED_PREFIX_LEN: usize = IV_LEN + 8;
/// The most that AES-GCM encrypts under one IV.
const MAX_UNFRAMED_LEN: u64 = (1 << 36) - 32;
const FINAL_MARKER: [u8; 4] = [0xff; 4];
/// Sequence number and content length.
const NUMBERS_LEN: usize = 4 + 8;
/// A 32-byte message id, the longest content string, and the two numbers.
const MAX_AAD_LEN: usize = 32 + 35 + NUMBERS_LEN;

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (array, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*array)
}

/// Writes nothing where there is no room.
fn put<const N: usize>(out: &mut &mut [u8], bytes: [u8; N]) {
    if let Some((to, rest)) = std::mem::take(out).split_first_chunk_mut() {
        *to = bytes;
        *out = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_survive_encode_and_read() {
        for kind in [FrameKind::Regular, FrameKind::Final] {
            let content_len = match kind {
                FrameKind::Regular => 10,
                FrameKind::Final => 7,
            };
            let prefix = FramePrefix { kind, sequence_number: 3, iv: frame_iv(3), content_len };
            let mut bytes = vec![0; kind.prefix_len()];
            prefix.encode(&mut bytes);
            assert_eq!(FramePrefix::read(&bytes, 3, 10, 0).unwrap(), Ok(prefix));
            for cut in 0..bytes.len() {
                let needed = FramePrefix::read(&bytes[..cut], 3, 10, 0).unwrap().unwrap_err();
                assert!(needed > cut && needed <= bytes.len(), "{cut} {needed}");
            }
            assert!(FramePrefix::read(&bytes, 2, 10, 0).is_err());
            assert_eq!(FramePrefix::read(&bytes, 3, 6, 0).is_err(), kind == FrameKind::Final);
        }
    }

    #[test]
    fn the_longest_aad_fits() {
        let aad = BodyAad::unframed(&[9; 32]).numbered(1, 5);
        assert_eq!(aad.as_bytes().len(), MAX_AAD_LEN);
        assert!(aad.as_bytes().ends_with(b"Single Block\0\0\0\x01\0\0\0\0\0\0\0\x05"));
    }

    #[test]
    fn unframed_lengths_are_limited() {
        let with_len = |len: u64| [&[0; 12][..], &len.to_be_bytes()].concat();
        assert!(UnframedPrefix::read(&with_len(MAX_UNFRAMED_LEN), 0).is_ok());
        assert!(UnframedPrefix::read(&with_len(MAX_UNFRAMED_LEN + 1), 0).is_err());
        assert_eq!(UnframedPrefix::read(&[0; 19], 0).unwrap(), Err(20));
    }
}
