//! What stands in for a data key that did not unwrap, where saying so would help an attacker.

use std::fmt;

use subtle::{Choice, ConditionallySelectable};
use zeroize::Zeroizing;

use crate::crypto::{Hash, Prk, random};
use crate::error::{Error, UnwrapFailure};
use crate::s3::suite::DATA_KEY_LEN;
use crate::secret::{DataKey, Secret};

/// A secret of one keyring, from which it derives other data keys: always the same for the same bytes, and not
/// to be told from a right one without the content.
///
/// PKCS #1 v1.5 and AES in ECB mode do not authenticate. Whoever learns which bytes have a valid padding can
/// decrypt with the key, one question at a time; so there is no such answer.
pub(super) struct Rejection(Secret);

impl Rejection {
    pub(super) fn new() -> Result<Self, Error> {
        let secret =
            Secret::fill(SECRET_LEN, random).map_err(|_| Error::Backend("get randomness"))?;
        Ok(Self(secret))
    }

    /// The data key that was opened; if none was, or none of the right length, another one. The work is the
    /// same.
    pub(super) fn settle(
        &self,
        wrapped: &[u8],
        opened: Option<&[u8]>,
    ) -> Result<DataKey, UnwrapFailure> {
        let mut other = Zeroizing::new([0; DATA_KEY_LEN]);
        Prk::extract(Hash::Sha256, self.0.expose(), wrapped)
            .expand(&[LABEL], &mut other[..])
            .map_err(|_| Error::Backend("derive a key"))?;
        let zeros = [0; DATA_KEY_LEN];
        let right: Option<&[u8; DATA_KEY_LEN]> = opened.and_then(|key| key.try_into().ok());
        let is_right = Choice::from(u8::from(right.is_some()));
        let right = right.unwrap_or(&zeros);
        let key = Secret::fill(DATA_KEY_LEN, |out| {
            for ((out, other), right) in out.iter_mut().zip(&other[..]).zip(right) {
                *out = u8::conditional_select(other, right, is_right);
            }
            Ok::<_, UnwrapFailure>(())
        })?;
        Ok(DataKey::from_secret(key))
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rejection(..)")
    }
}

/// Length of the secret in bytes.
const SECRET_LEN: usize = 32;
/// Tells this use of the secret from any other.
const LABEL: &[u8] = b"waxseal implicit rejection";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_key_is_kept() {
        let key = [7; 32];
        let settled = Rejection::new().unwrap().settle(b"wrapped", Some(&key)).unwrap();
        assert_eq!(settled.expose(), key);
    }

    #[test]
    fn anything_else_gives_another_key_that_stays_the_same() {
        let (one, two) = (Rejection::new().unwrap(), Rejection::new().unwrap());
        let settle = |rejection: &Rejection, wrapped: &[u8], opened: Option<&[u8]>| {
            rejection.settle(wrapped, opened).unwrap().expose().to_vec()
        };
        let none = settle(&one, b"a", None);
        for len in [0, 16, 31, 33, 245] {
            assert_eq!(settle(&one, b"a", Some(&vec![7; len])), none, "{len}");
        }
        assert_eq!(none.len(), 32);
        assert_ne!(none, [0; 32]);
        assert_ne!(none, settle(&one, b"b", None));
        assert_ne!(none, settle(&two, b"a", None));
    }
}
