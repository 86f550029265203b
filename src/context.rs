//! The encryption context: non-secret pairs that are authenticated with the message.

use std::collections::BTreeMap;

use crate::error::{ApiMisuse, ContextError, Error, Malformed};

/// Pairs of text that are authenticated with a message, and that anyone can read in its header.
///
/// Kept sorted by the UTF-8 bytes of the keys, which is the order that the format wants. Where the
/// same key is given twice, the last one counts.
///
/// ```
/// use waxseal::EncryptionContext;
///
/// let context = EncryptionContext::from([("tenant", "42"), ("purpose", "backup")]);
/// assert_eq!(context.get("tenant"), Some("42"));
/// assert_eq!(context.len(), 2);
/// ```
///
/// Spec: structures, "Encryption Context".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncryptionContext(BTreeMap<String, String>);

impl EncryptionContext {
    /// An empty context.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a pair; gives back the value that it replaces.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) -> Option<String> {
        self.0.insert(key.into(), value.into())
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The pairs, sorted by the UTF-8 bytes of the keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes that keyrings authenticate: no pair gives no byte, otherwise a count and the pairs.
    ///
    /// # Errors
    /// [`ContextError`] if a count or length does not fit the 16 bits that the format has for it.
    ///
    /// Spec: structures, "Serialization".
    pub fn encode(&self) -> Result<Vec<u8>, ContextError> {
        let Self(pairs) = self;
        if pairs.is_empty() {
            return Ok(Vec::new());
        }
        let count = u16::try_from(pairs.len())
            .map_err(|_| ContextError::TooManyPairs { count: pairs.len() })?;
        let mut out = Vec::with_capacity(64);
        out.extend_from_slice(&count.to_be_bytes());
        for (key, value) in pairs {
            let key_len = u16::try_from(key.len())
                .map_err(|_| ContextError::KeyTooLong { len: key.len() })?;
            let value_len = u16::try_from(value.len())
                .map_err(|_| ContextError::ValueTooLong { key: key.clone(), len: value.len() })?;
            out.extend_from_slice(&key_len.to_be_bytes());
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(&value_len.to_be_bytes());
            out.extend_from_slice(value.as_bytes());
        }
        // The header has 16 bits for the whole; a keyring must not wrap under more than that either.
        if u16::try_from(out.len()).is_err() {
            return Err(ContextError::TooLong { len: out.len() });
        }
        Ok(out)
    }

    /// Refuses keys that the format keeps for itself.
    pub(crate) fn check_not_reserved(&self) -> Result<(), Error> {
        match self.0.keys().find(|key| is_reserved(key)) {
            Some(key) => Err(ApiMisuse::ReservedContextKey { key: key.clone() }.into()),
            None => Ok(()),
        }
    }

    /// Splits into the pairs whose key is chosen and the others.
    pub(crate) fn partition(&self, mut chosen: impl FnMut(&str) -> bool) -> (Self, Self) {
        let (yes, no) = self
            .0
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .partition(|(key, _)| chosen(key));
        (Self(yes), Self(no))
    }

    /// Reads the bytes of [`encode`](Self::encode). An order other than the sorted one is accepted:
    /// some clients wrote it, and the header tag covers the bytes as they came.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut context = Self::new();
        let mut rest = bytes;
        let uneven =
            || Malformed::ContextLen { len: u16::try_from(bytes.len()).unwrap_or(u16::MAX) };
        let Some(count) = split_u16(&mut rest) else {
            return if bytes.is_empty() { Ok(context) } else { Err(uneven()) };
        };
        for _ in 0..count {
            let key = split_text(&mut rest).ok_or_else(uneven)??;
            let value = split_text(&mut rest).ok_or_else(uneven)??;
            if context.insert(key, value).is_some() {
                return Err(Malformed::DuplicateContextKey);
            }
        }
        if rest.is_empty() { Ok(context) } else { Err(uneven()) }
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for EncryptionContext {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for EncryptionContext {
    fn from(pairs: [(K, V); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<K: Into<String>, V: Into<String>> Extend<(K, V)> for EncryptionContext {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        self.0.extend(pairs.into_iter().map(|(key, value)| (key.into(), value.into())));
    }
}

impl From<&Self> for EncryptionContext {
    fn from(context: &Self) -> Self {
        context.clone()
    }
}

/// The context key under which signed messages carry their public key.
pub(crate) const PUBLIC_KEY: &str = "aws-crypto-public-key";

/// Whether the format keeps this key for itself.
pub(crate) fn is_reserved(key: &str) -> bool {
    key.starts_with("aws-crypto-")
}

fn split_u16(rest: &mut &[u8]) -> Option<u16> {
    let (bytes, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(u16::from_be_bytes(*bytes))
}

fn split_text(rest: &mut &[u8]) -> Option<Result<String, Malformed>> {
    let len = split_u16(rest)?;
    let (bytes, tail) = rest.split_at_checked(usize::from(len))?;
    *rest = tail;
    let text = std::str::from_utf8(bytes);
    Some(text.map(str::to_owned).map_err(|_| Malformed::ContextNotUtf8))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn empty_is_no_byte() {
        assert_eq!(EncryptionContext::new().encode(), Ok(vec![]));
        assert_eq!(EncryptionContext::read(&[]), Ok(EncryptionContext::new()));
    }

    /// U+FF5E sorts before U+1F600 by UTF-8 bytes and after it by UTF-16 units.
    #[test]
    fn order_is_by_utf8_bytes() {
        let context = EncryptionContext::from([("\u{1f600}", "b"), ("\u{ff5e}", "a")]);
        let keys: Vec<_> = context.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["\u{ff5e}", "\u{1f600}"]);
    }

    #[test]
    fn layout_of_one_pair() {
        let context = EncryptionContext::from([("k", "val")]);
        assert_eq!(context.encode().unwrap(), b"\0\x01\0\x01k\0\x03val");
    }

    #[test]
    fn limits_are_exact() {
        let long = |n| "x".repeat(n);
        // 2 bytes of count and 4 of lengths leave 65,529 for one pair.
        assert!(EncryptionContext::from([("", long(65_529))]).encode().is_ok());
        assert_eq!(
            EncryptionContext::from([("", long(65_530))]).encode(),
            Err(ContextError::TooLong { len: 65_536 })
        );
        assert_eq!(
            EncryptionContext::from([("k", long(65_536))]).encode(),
            Err(ContextError::ValueTooLong { key: "k".into(), len: 65_536 })
        );
        assert_eq!(
            EncryptionContext::from([(long(65_536), "")]).encode(),
            Err(ContextError::KeyTooLong { len: 65_536 })
        );
        let many: EncryptionContext = (0..65_536).map(|i| (i.to_string(), "")).collect();
        assert_eq!(many.encode(), Err(ContextError::TooManyPairs { count: 65_536 }));
    }

    #[test]
    fn broken_bytes_are_refused() {
        let read = EncryptionContext::read;
        let uneven = |len| Err(Malformed::ContextLen { len });
        assert_eq!(read(b"\0"), uneven(1));
        assert_eq!(read(b"\0\x01\0\x01k"), uneven(5));
        assert_eq!(read(b"\0\x01\0\x01k\0\x01vx"), uneven(9));
        assert_eq!(read(b"\0\x01\0\x01\xff\0\x01v"), Err(Malformed::ContextNotUtf8));
        assert_eq!(
            read(b"\0\x02\0\x01k\0\x01v\0\x01k\0\x01w"),
            Err(Malformed::DuplicateContextKey)
        );
    }

    #[test]
    fn reserved_keys_are_refused() {
        assert!(EncryptionContext::from([("aws-crypto-", "")]).check_not_reserved().is_err());
        assert!(EncryptionContext::from([("aws-crypt", "")]).check_not_reserved().is_ok());
    }

    proptest! {
        #[test]
        fn encode_and_read_are_inverse(pairs: BTreeMap<String, String>) {
            let context: EncryptionContext = pairs.into_iter().collect();
            prop_assert_eq!(EncryptionContext::read(&context.encode().unwrap()), Ok(context));
        }

        #[test]
        fn read_is_total(bytes: Vec<u8>) {
            let _ = EncryptionContext::read(&bytes);
        }
    }
}
