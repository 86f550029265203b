//! Ranges of bytes, as HTTP has them.

use std::fmt;
use std::str::FromStr;

use crate::error::{ApiMisuse, Error};
#[cfg(feature = "s3-format")]
use crate::message::to_u64;
#[cfg(any(feature = "s3", test))]
use crate::secret::wipe;
#[cfg(feature = "s3-format")]
use crate::suite::TAG_LEN;

/// One range of bytes, as the HTTP header `Range` has it: `bytes=0-99`, `bytes=100-` or `bytes=-100`.
///
/// ```
/// use waxseal::ByteRange;
///
/// let range: ByteRange = "bytes=2-5".parse()?;
/// assert_eq!(range.within(10)?.len(), 4);
/// assert_eq!(range.within(4)?.len(), 2);
/// assert!(range.within(2).is_err());
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: RFC 9110, "Byte Ranges".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange(Asked);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// From here to the end.
    From(u64),
    /// From the first to the last of these, and with both.
    Between(u64, u64),
    /// This many at the end.
    Last(u64),
}

impl ByteRange {
    /// Which bytes that is of a plaintext of `len` bytes; never none.
    ///
    /// # Errors
    /// [`ApiMisuse::Range`] where S3 would answer with status 416: if the range begins at the end or after
    /// it, as every range of an empty plaintext does, and if it asks for the last 0 bytes.
    pub fn within(&self, len: u64) -> Result<ByteSpan, Error> {
        let (start, end) = match self.0 {
            Asked::From(first) => (first, len),
            Asked::Between(first, last) => (first, last.saturating_add(1).min(len)),
            Asked::Last(count) => (len.saturating_sub(count), len),
        };
        if start >= end {
            return Err(ApiMisuse::Range { range: self.to_string(), len }.into());
        }
        Ok(ByteSpan { start, end })
    }

    /// What to ask S3 for, which counts the bytes of the tag, too, as long as the length of the object is not
    /// known. The answer has all of the range, and may have bytes of the tag behind it or more before it.
    #[cfg(feature = "s3-format")]
    pub fn of_ciphertext(&self) -> Self {
        match self.0 {
            Asked::Last(count) => Self(Asked::Last(count.saturating_add(to_u64(TAG_LEN)))),
            Asked::From(_) | Asked::Between(..) => *self,
        }
    }
}

impl FromStr for ByteRange {
    type Err = Error;

    /// # Errors
    /// [`Error::ApiMisuse`] for anything but one well-formed range. S3 ignores a malformed one and gives the
    /// whole object; that is refused here.
    fn from_str(header: &str) -> Result<Self, Error> {
        let malformed = |why| Error::from(ApiMisuse::Setting { what: "range", why });
        let (unit, range) = header.split_once('=').ok_or_else(|| malformed(MALFORMED))?;
        // Names of units do not care for case.
        if !unit.eq_ignore_ascii_case("bytes") {
            return Err(malformed("only `bytes` can be counted"));
        }
        if range.contains(',') {
            return Err(malformed("only one range can be asked for at once"));
        }
        let (first, last) = range.split_once('-').ok_or_else(|| malformed(MALFORMED))?;
        let number = |digits| number(digits).ok_or_else(|| malformed(MALFORMED));
        match (first, last) {
            ("", count) => Ok(Self(Asked::Last(number(count)?))),
            (first, "") => Ok(Self(Asked::From(number(first)?))),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                if first > last {
                    return Err(malformed("it ends before it begins"));
                }
                Ok(Self(Asked::Between(first, last)))
            }
        }
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Asked::From(first) => write!(f, "bytes={first}-"),
            Asked::Between(first, last) => write!(f, "bytes={first}-{last}"),
            Asked::Last(count) => write!(f, "bytes=-{count}"),
        }
    }
}

/// Bytes of a plaintext that has a known length; at least one.
///
/// ```
/// use waxseal::ByteRange;
///
/// let span = "bytes=-4".parse::<ByteRange>()?.within(10)?;
/// assert_eq!((span.start, span.end), (6, 10));
/// assert_eq!(span.content_range(10), "bytes 6-9/10");
/// # Ok::<(), waxseal::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ByteSpan {
    /// The first byte, counted from 0.
    pub start: u64,
    /// The byte after the last.
    pub end: u64,
}

impl ByteSpan {
    /// How many bytes.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The HTTP header `Content-Range`, for an object of `len` bytes.
    pub fn content_range(&self, len: u64) -> String {
        format!("bytes {}-{}/{len}", self.start, self.end.saturating_sub(1))
    }

    /// Leaves only these bytes of a plaintext.
    #[cfg(any(feature = "s3", test))]
    pub(crate) fn slice(&self, mut plaintext: Vec<u8>) -> Vec<u8> {
        let index = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        let end = index(self.end).min(plaintext.len());
        let start = index(self.start).min(end);
        let len = end.saturating_sub(start);
        plaintext.copy_within(start..end, 0);
        wipe(plaintext.get_mut(len..).unwrap_or_default());
        plaintext.truncate(len);
        plaintext
    }
}

/// A number that is too large for any object is as good as the largest.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

const MALFORMED: &str =
    "it must be `bytes=` with first and last, with first and a dash, or with a dash and a count";

#[cfg(test)]
mod tests {
    use super::*;

    fn within(header: &str, len: u64) -> Result<ByteSpan, Error> {
        header.parse::<ByteRange>()?.within(len)
    }

    #[test]
    fn satisfiable_ranges_are_what_s3_gives() {
        for (header, len, expected) in [
            ("bytes=0-0", 1, 0..1),
            ("bytes=0-0", 10, 0..1),
            ("bytes=0-9", 10, 0..10),
            ("bytes=0-10", 10, 0..10),
            ("bytes=9-9", 10, 9..10),
            ("bytes=9-1000", 10, 9..10),
            ("bytes=3-5", 10, 3..6),
            ("bytes=03-005", 10, 3..6),
            ("bytes=0-", 10, 0..10),
            ("bytes=9-", 10, 9..10),
            ("bytes=-1", 10, 9..10),
            ("bytes=-9", 10, 1..10),
            ("bytes=-10", 10, 0..10),
            ("bytes=-11", 10, 0..10),
            ("bytes=-99999999999999999999999", 10, 0..10),
            ("bytes=0-18446744073709551615", 10, 0..10),
            ("bytes=5-99999999999999999999999", 10, 5..10),
            ("Bytes=0-1", 10, 0..2),
        ] {
            assert_eq!(
                within(header, len).unwrap(),
                ByteSpan { start: expected.start, end: expected.end },
                "{header} of {len}"
            );
        }
    }

    #[test]
    fn ranges_that_begin_after_the_end_are_416() {
        for (header, len) in [
            ("bytes=10-10", 10),
            ("bytes=10-", 10),
            ("bytes=11-20", 10),
            ("bytes=-0", 10),
            ("bytes=99999999999999999999999-", 10),
            ("bytes=18446744073709551615-18446744073709551615", u64::MAX),
            ("bytes=0-0", 0),
            ("bytes=0-", 0),
            ("bytes=-1", 0),
            ("bytes=-0", 0),
        ] {
            let error = within(header, len).unwrap_err();
            let Error::ApiMisuse(ApiMisuse::Range { len: found, .. }) = error else {
                panic!("{header}: {error}")
            };
            assert_eq!(found, len);
        }
    }

    #[test]
    fn malformed_ranges_are_refused() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=--1",
            "bytes=1",
            "bytes=2-1",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=0-1,3-4",
            "bytes=0-1,",
            "bytes= 0-1",
            "bytes=0-1 ",
            "bytes=0 - 1",
            " bytes=0-1",
            "bytes =0-1",
            "bits=0-1",
            "0-1",
            "bytes=1-2-3",
            "bytes=-1-2",
            "bytes=0x1-2",
            "bytes=1.0-2",
            "bytes=\u{661}-2",
            "bytes:0-1",
        ] {
            let error = header.parse::<ByteRange>().unwrap_err();
            assert!(matches!(error, Error::ApiMisuse(ApiMisuse::Setting { .. })), "{header}");
        }
    }

    #[test]
    fn a_range_is_printed_as_it_was_read() {
        for header in ["bytes=0-9", "bytes=7-", "bytes=-3"] {
            assert_eq!(header.parse::<ByteRange>().unwrap().to_string(), header);
        }
    }

    /// What a server makes of a range of the ciphertext, by counting.
    #[cfg(feature = "s3-format")]
    #[test]
    fn what_is_asked_of_s3_has_all_of_the_range() {
        for len in 0..20_u64 {
            for header in (0..24).flat_map(|a| {
                let between = (a..24).map(move |b| format!("bytes={a}-{b}"));
                between.chain([format!("bytes={a}-"), format!("bytes=-{a}")])
            }) {
                let range: ByteRange = header.parse().unwrap();
                let (Ok(wanted), sent) =
                    (range.within(len), range.of_ciphertext().within(len + 16))
                else {
                    continue;
                };
                let sent = sent.unwrap();
                assert!(sent.start <= wanted.start && wanted.end <= sent.end, "{header} of {len}");
            }
        }
    }

    #[test]
    fn a_span_is_cut_out_of_the_plaintext() {
        let cut = |start, end| ByteSpan { start, end }.slice(b"0123456789".to_vec());
        assert_eq!(cut(0, 10), b"0123456789");
        assert_eq!(cut(0, 1), b"0");
        assert_eq!(cut(3, 6), b"345");
        assert_eq!(cut(9, 10), b"9");
        assert_eq!(cut(8, 12), b"89");
        assert_eq!(cut(12, u64::MAX), b"");
    }
}
