//! Secrets are types: zeroed on drop, redacted in `Debug`, never cloned, compared in constant time.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::{ApiMisuse, Error};

/// A plaintext data key of 16, 24 or 32 bytes.
///
/// It lives on the heap, so that moving it leaves no copy behind.
///
/// ```
/// use waxseal::DataKey;
///
/// let key = DataKey::try_from(&[7; 32][..])?;
/// assert_eq!(format!("{key:?}"), "DataKey(32 bytes)");
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: structures, "Plaintext Data Key".
pub struct DataKey(Secret);

impl DataKey {
    pub(crate) fn from_secret(secret: Secret) -> Self {
        Self(secret)
    }

    /// The key itself. Whoever calls this answers for every copy.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// Length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a data key is never empty")]
    pub fn len(&self) -> usize {
        self.0.expose().len()
    }
}

impl TryFrom<&[u8]> for DataKey {
    type Error = Error;

    /// # Errors
    /// [`Error::ApiMisuse`] if the length is not 16, 24 or 32 bytes.
    fn try_from(bytes: &[u8]) -> Result<Self, Error> {
        Ok(Self(Secret::aes_key(bytes)?))
    }
}

impl TryFrom<Secret> for DataKey {
    type Error = Error;

    fn try_from(secret: Secret) -> Result<Self, Error> {
        check_aes_len(secret.expose().len())?;
        Ok(Self(secret))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({} bytes)", self.len())
    }
}

impl PartialEq for DataKey {
    /// In constant time for keys of the same length.
    fn eq(&self, other: &Self) -> bool {
        self.0.expose().ct_eq(other.0.expose()).into()
    }
}

impl Eq for DataKey {}

/// Secret bytes on the heap, zeroed on drop.
pub(crate) struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    /// Takes the bytes of an AES key: 16, 24 or 32.
    pub(crate) fn aes_key(bytes: &[u8]) -> Result<Self, Error> {
        check_aes_len(bytes.len())?;
        Ok(Self::copy_of(bytes))
    }

    pub(crate) fn copy_of(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// Makes `len` bytes in place with `fill`, so that no other copy ever exists.
    pub(crate) fn fill<E>(
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut bytes = Zeroizing::new(vec![0; len].into_boxed_slice());
        fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Secret text, such as the PEM form of a private key: zeroed on drop, redacted in `Debug`.
///
/// ```
/// use waxseal::RsaPrivateKey;
///
/// let pem = RsaPrivateKey::generate(2048)?.to_pem()?;
/// assert!(pem.expose().starts_with("-----BEGIN PRIVATE KEY-----"));
/// assert_eq!(format!("{pem:?}"), "SecretText(..)");
/// # Ok::<(), waxseal::Error>(())
/// ```
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(crate) fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text itself. Whoever calls this answers for every copy.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

fn check_aes_len(len: usize) -> Result<(), Error> {
    if matches!(len, 16 | 24 | 32) {
        return Ok(());
    }
    Err(ApiMisuse::Key(format!("an AES key has 16, 24 or 32 bytes, this one has {len}")).into())
}

/// Zeros plaintext. `zeroize` writes byte by byte, which for a whole frame costs a tenth of encrypting
/// it; filling is as fast as memory, and the compiler must take it that somebody looks at the result.
/// Keys are few and short, and are left to `zeroize`.
pub(crate) fn wipe(bytes: &mut [u8]) {
    // Buffers that hold nothing point nowhere, and there even filling no byte takes a processor with AVX-512 long.
    if bytes.is_empty() {
        return;
    }
    bytes.fill(0);
    std::hint::black_box(bytes);
}

/// Makes room for so many bytes more, and where it has to, for twice as many as there was. Unlike `Vec::reserve`, leaves
/// nothing behind of what is there, or was.
pub(crate) fn reserve(bytes: &mut Vec<u8>, more: usize) {
    if more > bytes.capacity().saturating_sub(bytes.len()) {
        let double = bytes.capacity().saturating_mul(2).saturating_sub(bytes.len());
        reserve_exact(bytes, more.max(double));
    }
}

/// As [`reserve`], but for no more than so many.
pub(crate) fn reserve_exact(bytes: &mut Vec<u8>, more: usize) {
    let needed = bytes.len().saturating_add(more);
    if needed <= bytes.capacity() {
        return;
    }
    let mut larger = Vec::with_capacity(needed);
    larger.extend_from_slice(bytes);
    let mut smaller = std::mem::replace(bytes, larger);
    // All of it: what was cleared may be longer than what is there now.
    smaller.resize(smaller.capacity(), 0);
    wipe(&mut smaller);
}

/// Plaintext that comes in pieces. It is zeroed on drop, and where it grows, it leaves no copy behind.
#[derive(Default)]
pub(crate) struct SecretBuffer(Vec<u8>);

impl SecretBuffer {
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        reserve(&mut self.0, bytes.len());
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets the bytes, but keeps their memory for the next ones.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Room for `len` bytes, where all that was there before may be overwritten.
    pub(crate) fn prepare(&mut self, len: usize) -> &mut [u8] {
        if len > self.0.capacity() {
            *self = Self(vec![0; len]);
        }
        self.0.resize(len, 0);
        &mut self.0
    }

    /// Zeros the bytes, also those that were cleared, and keeps their memory.
    pub(crate) fn wipe(&mut self) {
        self.0.resize(self.0.capacity(), 0);
        wipe(&mut self.0);
    }

    /// How many bytes it has memory for.
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl Drop for SecretBuffer {
    fn drop(&mut self) {
        // All of it: what was cleared may be longer than what is there now.
        self.wipe();
    }
}

impl fmt::Debug for SecretBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBuffer({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_aes_lengths_are_keys() {
        for len in 0..=64 {
            let fits = matches!(len, 16 | 24 | 32);
            assert_eq!(DataKey::try_from(&vec![1; len][..]).is_ok(), fits, "{len}");
        }
    }

    #[test]
    fn debug_shows_no_byte() {
        let key = DataKey::try_from(&[0xab; 16][..]).unwrap();
        assert_eq!(format!("{key:?}"), "DataKey(16 bytes)");
    }

    #[test]
    fn a_buffer_keeps_what_it_was_given() {
        let mut buffer = SecretBuffer::default();
        let mut expected = Vec::new();
        for len in 0..50 {
            buffer.extend(&vec![len; len.into()]);
            expected.extend(vec![len; len.into()]);
        }
        assert_eq!(buffer.expose(), expected);
        buffer.clear();
        assert!(buffer.is_empty());
        assert_eq!(format!("{buffer:?}"), "SecretBuffer(0 bytes)");
    }

    #[test]
    fn making_room_keeps_what_is_there() {
        let mut bytes = b"abc".to_vec();
        for more in [0, 1, 10, 10_000] {
            reserve(&mut bytes, more);
            assert!(bytes.capacity() - bytes.len() >= more, "{more}");
            assert_eq!(bytes, b"abc");
        }
        let (place, room) = (bytes.as_ptr(), bytes.capacity() - bytes.len());
        reserve(&mut bytes, room);
        assert_eq!(bytes.as_ptr(), place, "there was room");
        bytes.resize(bytes.capacity(), 1);
        let full = bytes.len();
        reserve(&mut bytes, 1);
        assert!(bytes.capacity() >= 2 * full && bytes.len() == full);
        let mut bytes = b"abc".to_vec();
        reserve_exact(&mut bytes, 7);
        assert_eq!((bytes.capacity(), &*bytes), (10, &b"abc"[..]));
    }

    #[test]
    fn equality_is_by_value() {
        let key = |byte, len| DataKey::try_from(&vec![byte; len][..]).unwrap();
        assert_eq!(key(1, 16), key(1, 16));
        assert_ne!(key(1, 16), key(2, 16));
        assert_ne!(key(1, 16), key(1, 24));
    }
}
