use proptest::prelude::*;

use super::{GCM_SUITES, body, pattern, to_decrypt};
use crate::error::{ApiMisuse, Error, ObjectError, PolicyError, Stage};
use crate::s3::content::UnauthenticatedRangeOpener;
use crate::s3::suite::{ContentSuite, MAX_GCM_CONTENT_LEN};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_range_is_that_part_of_the_plaintext(
        suite in prop::sample::select(GCM_SUITES.to_vec()),
        len in 1..300_usize,
        first in 0..300_usize,
        last in 0..400_usize,
        size in 1..50_usize,
    ) {
        prop_assume!(first < len && first <= last);
        let (plaintext, body) = (pattern(len), body(suite, &pattern(len)));
        let mut opener = open(suite, &format!("bytes={first}-{last}"), body.len()).unwrap();
        let span = opener.span();
        let range = usize::try_from(span.start).unwrap()..usize::try_from(span.end).unwrap();
        let mut out = b"before".to_vec();
        for piece in body[range].chunks(size) {
            opener.update(piece, &mut out).unwrap();
        }
        opener.finish().unwrap();
        let expected = &plaintext[first..len.min(last + 1)];
        prop_assert_eq!(out, [b"before", expected].concat());
    }
}

#[test]
fn the_tag_is_in_no_range() {
    let suite = ContentSuite::default();
    for header in ["bytes=0-", "bytes=-16", "bytes=84-115", "bytes=99-99"] {
        let opener = open(suite, header, 116).unwrap();
        assert_eq!(opener.span().end, 100, "{header}");
    }
    for header in ["bytes=100-", "bytes=100-115"] {
        let error = open(suite, header, 116).unwrap_err();
        assert!(matches!(error, Error::ApiMisuse(ApiMisuse::Range { len: 100, .. })), "{header}");
    }
}

#[test]
fn a_range_must_come_whole_and_alone() {
    let suite = ContentSuite::default();
    let body = body(suite, &pattern(100));
    let mut out = Vec::new();
    let mut opener = open(suite, "bytes=10-19", 116).unwrap();
    opener.update(&body[10..19], &mut out).unwrap();
    assert!(is_unauthentic(opener.finish().unwrap_err()));
    let mut opener = open(suite, "bytes=10-19", 116).unwrap();
    assert!(is_unauthentic(opener.update(&body[10..21], &mut out).unwrap_err()));
    assert_eq!(out, &pattern(100)[10..19]);
    opener.update(&body[10..20], &mut out).unwrap();
    opener.finish().unwrap();
}

#[test]
fn lengths_that_no_body_has_are_errors() {
    let suite = ContentSuite::default();
    for len in 0..16 {
        assert!(is_unauthentic(open(suite, "bytes=0-0", len).unwrap_err()));
    }
    let error = open(suite, "bytes=0-0", 16).unwrap_err();
    assert!(matches!(error, Error::ApiMisuse(ApiMisuse::Range { len: 0, .. })), "{error}");
    let most = usize::try_from(MAX_GCM_CONTENT_LEN).unwrap() + 16;
    let mut opener = open(suite, "bytes=-1", most).unwrap();
    opener.update(&[0], &mut Vec::new()).unwrap();
    let error = open(suite, "bytes=-1", most + 1).unwrap_err();
    assert!(matches!(error, Error::Object(ObjectError::ContentTooLong { .. })), "{error}");
}

#[test]
fn no_range_of_cbc_is_read() {
    let error = open(ContentSuite::Aes256CbcIv16NoKdf, "bytes=0-0", 32).unwrap_err();
    let Error::Policy(PolicyError::RangeOfLegacyContent { suite }) = error else {
        panic!("{error}")
    };
    assert_eq!(suite, "ALG_AES_256_CBC_IV16_NO_KDF");
}

#[test]
fn debug_shows_no_key() {
    let opener = open(ContentSuite::default(), "bytes=1-2", 116).unwrap();
    let expected =
        "UnauthenticatedRangeOpener { span: ByteSpan { start: 1, end: 3 }, next: 1, .. }";
    assert_eq!(format!("{opener:?}"), expected);
}

fn open(
    suite: ContentSuite,
    header: &str,
    stored_len: usize,
) -> Result<UnauthenticatedRangeOpener, Error> {
    let stored_len = u64::try_from(stored_len).unwrap();
    UnauthenticatedRangeOpener::new(to_decrypt(suite), header.parse().unwrap(), stored_len)
}

fn is_unauthentic(error: Error) -> bool {
    matches!(error, Error::Unauthentic(Stage::Body))
}
