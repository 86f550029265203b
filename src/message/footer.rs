//! The footer of a signed message.
//!
//! ```text
//! signature length (2) | signature, ASN.1 DER
//! ```

use crate::error::{ApiMisuse, Error};

/// Spec: message-footer.
pub(crate) fn encode_footer(signature: &[u8]) -> Result<Vec<u8>, Error> {
    let len = u16::try_from(signature.len())
        .map_err(|_| ApiMisuse::Materials("the signature is longer than 65535 bytes"))?;
    Ok([&len.to_be_bytes(), signature].concat())
}

/// The signature, or the number of bytes needed at least.
pub(crate) fn read_footer(bytes: &[u8]) -> Result<&[u8], usize> {
    let Some((len, rest)) = bytes.split_first_chunk() else {
        return Err(LEN_LEN);
    };
    let len = usize::from(u16::from_be_bytes(*len));
    rest.get(..len).ok_or_else(|| LEN_LEN.saturating_add(len))
}

/// The longest footer that this crate writes: its length, and a DER signature of P-384, which is two
/// integers of 49 bytes with their headers.
pub(crate) const MAX_FOOTER_LEN: u64 = 2 + 2 + 2 * (2 + 49);
const LEN_LEN: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cut_asks_for_more() {
        let footer = encode_footer(b"sig").unwrap();
        assert_eq!(read_footer(&footer), Ok(&b"sig"[..]));
        assert_eq!(read_footer(&footer[..1]), Err(2));
        for cut in 2..footer.len() {
            assert_eq!(read_footer(&footer[..cut]), Err(5));
        }
        assert!(encode_footer(&vec![0; 65_536]).is_err());
    }
}
