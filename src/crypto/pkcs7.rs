//! The padding of block modes: as many bytes as are missing, each of which says how many.

use subtle::{ConstantTimeEq, ConstantTimeGreater};

use super::{BLOCK_LEN, CryptoError};

/// The length of what is before the padding of these blocks; there is at least one block.
///
/// It takes the same time whatever the last block holds, so that the time tells nobody how much of a wrong
/// padding was right.
pub(super) fn unpadded_len(blocks: &[u8]) -> Result<usize, CryptoError> {
    if !blocks.len().is_multiple_of(BLOCK_LEN) {
        return Err(CryptoError);
    }
    let last = blocks.last_chunk::<BLOCK_LEN>().ok_or(CryptoError)?;
    let [.., padding_len] = *last;
    let mut valid = padding_len.ct_ne(&0) & !padding_len.ct_gt(&MAX_PADDING_LEN);
    for (distance, byte) in (1..=MAX_PADDING_LEN).zip(last.iter().rev()) {
        valid &= distance.ct_gt(&padding_len) | byte.ct_eq(&padding_len);
    }
    if !bool::from(valid) {
        return Err(CryptoError);
    }
    blocks.len().checked_sub(padding_len.into()).ok_or(CryptoError)
}

/// A whole block, after content that fills its last one.
const MAX_PADDING_LEN: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_padding_of_a_block_is_taken_off() {
        for padding_len in 1..=16 {
            let mut blocks = vec![0xaa; 48 - padding_len];
            blocks.resize(48, u8::try_from(padding_len).unwrap());
            assert_eq!(unpadded_len(&blocks), Ok(48 - padding_len));
        }
    }

    #[test]
    fn one_wrong_byte_in_a_padding_is_an_error() {
        for padding_len in 1..=16_u8 {
            for wrong in 1..=usize::from(padding_len) {
                let mut block = vec![padding_len; 16];
                block[16 - wrong] ^= 0x40;
                assert_eq!(unpadded_len(&block), Err(CryptoError), "{padding_len} {wrong}");
            }
        }
    }

    #[test]
    fn lengths_that_no_padding_has_are_errors() {
        for padding_len in (17..=255).chain([0]) {
            assert_eq!(unpadded_len(&[padding_len; 256]), Err(CryptoError), "{padding_len}");
        }
        for len in [0, 1, 15, 17, 31] {
            assert_eq!(unpadded_len(&vec![1; len]), Err(CryptoError), "{len}");
        }
    }
}
