use proptest::prelude::*;

use super::{GCM_SUITES, body, hex, iv, pattern, to_decrypt};
use crate::error::{ApiMisuse, Error, PolicyError, Stage};
use crate::s3::content::{BufferedOpener, ContentKey, StoredOpener, UnauthenticatedOpener};
use crate::s3::suite::ContentSuite;
use crate::secret::DataKey;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_split_of_a_body_gives_the_plaintext(
        suite in prop::sample::select(GCM_SUITES.to_vec()),
        len in 0..500_usize,
        sizes in prop::collection::vec(0..70_usize, 0..20),
    ) {
        let plaintext = pattern(len);
        let body = body(suite, &plaintext);
        prop_assert_eq!(&buffered(suite, split(&body, &sizes)).unwrap(), &plaintext);
        let mut out = b"before".to_vec();
        streamed(suite, split(&body, &sizes), &mut out).unwrap();
        prop_assert_eq!(out, [b"before", plaintext.as_slice()].concat());
        prop_assert_eq!(&stored(suite, split(&body, &sizes)).unwrap(), &plaintext);
    }

    #[test]
    fn every_split_of_a_cbc_body_gives_the_plaintext(
        sample in 0..CBC_BODIES.len(),
        sizes in prop::collection::vec(0..20_usize, 0..10),
    ) {
        let (len, body) = CBC_BODIES[sample];
        let (plaintext, body) = (pattern(len), hex(body));
        prop_assert_eq!(&buffered(CBC, split(&body, &sizes)).unwrap(), &plaintext);
        let mut out = Vec::new();
        streamed(CBC, split(&body, &sizes), &mut out).unwrap();
        prop_assert_eq!(&out, &plaintext);
        prop_assert_eq!(&stored(CBC, split(&body, &sizes)).unwrap(), &plaintext);
    }
}

#[test]
fn every_flipped_bit_fails() {
    for suite in GCM_SUITES {
        for len in [0, 1, 16, 33] {
            let body = body(suite, &pattern(len));
            for bit in 0..body.len() * 8 {
                let mut body = body.clone();
                body[bit / 8] ^= 1 << (bit % 8);
                assert_unauthentic(suite, &body);
            }
        }
    }
}

#[test]
fn every_cut_and_every_extension_fails() {
    for suite in GCM_SUITES {
        for len in [0, 1, 16, 33] {
            let body = body(suite, &pattern(len));
            for cut in 0..body.len() {
                assert_unauthentic(suite, &body[..cut]);
                assert_unauthentic(suite, &body[body.len() - cut..]);
            }
            for more in 1..=40 {
                assert_unauthentic(suite, &[body.as_slice(), &vec![0; more]].concat());
                assert_unauthentic(suite, &[&vec![0; more], body.as_slice()].concat());
            }
        }
    }
}

#[test]
fn another_key_or_iv_fails() {
    let suite = ContentSuite::Aes256GcmIv12Tag16NoKdf;
    let body = body(suite, &pattern(40));
    let other = DataKey::try_from([7; 32].as_slice()).unwrap();
    for key in [
        ContentKey::for_decryption(suite, &other, iv(suite), None),
        ContentKey::for_decryption(suite, &super::data_key(), &[7; 12], None),
    ] {
        let mut opener = BufferedOpener::new(key.unwrap(), 1000);
        opener.update(&body).unwrap();
        assert!(is_unauthentic(&opener.finish().unwrap_err()));
    }
}

#[test]
fn a_body_of_one_suite_is_none_of_the_other() {
    let [one, other] = GCM_SUITES;
    assert_unauthentic(one, &body(other, &pattern(40)));
    assert_unauthentic(other, &body(one, &pattern(40)));
}

#[test]
fn large_bodies_open() {
    for suite in GCM_SUITES {
        for len in [65_535, 65_536, 65_537, 300_001] {
            let plaintext = pattern(len);
            let body = body(suite, &plaintext);
            assert!(buffered(suite, body.chunks(10_000)).unwrap() == plaintext, "{len}");
            let mut out = Vec::new();
            streamed(suite, body.chunks(70_001), &mut out).unwrap();
            assert!(out == plaintext, "{len}");
        }
    }
}

#[test]
fn a_buffer_holds_its_limit_and_no_byte_more() {
    let suite = ContentSuite::default();
    let body = body(suite, &pattern(40));
    let mut opener = BufferedOpener::new(to_decrypt(suite), 56);
    opener.update(&body).unwrap();
    assert_eq!(opener.finish().unwrap(), pattern(40));

    let mut opener = BufferedOpener::new(to_decrypt(suite), 55);
    opener.update(&body[..50]).unwrap();
    let error = opener.update(&body[50..]).unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::BufferLimit { limit: 55 })), "{error}");
    assert!(is_poisoned(&opener.update(b"").unwrap_err()));
    assert!(is_poisoned(&opener.finish().unwrap_err()));
}

#[test]
fn early_plaintext_keeps_back_what_may_be_the_tag() {
    let suite = ContentSuite::default();
    let body = body(suite, &pattern(100));
    let mut opener = UnauthenticatedOpener::new(to_decrypt(suite));
    let mut out = Vec::new();
    for (taken, byte) in body.iter().enumerate() {
        opener.update(&[*byte], &mut out).unwrap();
        let whole = (taken + 1).saturating_sub(16) / 16 * 16;
        assert_eq!(out, pattern(whole), "{taken}");
    }
    opener.finish(&mut out).unwrap();
    assert_eq!(out, pattern(100));
}

#[test]
fn nothing_is_appended_by_an_end_that_fails() {
    for (suite, mut body) in [
        (ContentSuite::default(), body(ContentSuite::default(), &pattern(45))),
        (CBC, hex(CBC_BODIES[3].1)),
    ] {
        let last = body.len() - 1;
        body[last] ^= 1;
        let mut opener = UnauthenticatedOpener::new(to_decrypt(suite));
        let mut out = Vec::new();
        opener.update(&body, &mut out).unwrap();
        let released = out.clone();
        assert!(is_unauthentic(&opener.finish(&mut out).unwrap_err()));
        assert_eq!(out, released);
        assert_eq!(released, pattern(32));
    }
}

#[test]
fn what_is_stored_is_decrypted_only_when_all_is_authentic() {
    for suite in GCM_SUITES {
        let mut body = body(suite, &pattern(100));
        body[3] ^= 1;
        let mut opener = StoredOpener::new(to_decrypt(suite));
        opener.verify(&body).unwrap();
        assert!(is_unauthentic(&opener.verified().unwrap_err()));
    }
}

#[test]
fn what_changes_in_the_store_does_not_go_unnoticed() {
    for suite in GCM_SUITES {
        let mut body = body(suite, &pattern(100));
        let mut opener = StoredOpener::new(to_decrypt(suite));
        opener.verify(&body).unwrap();
        let (mut opener, mut out) = (opener.verified().unwrap(), Vec::new());
        body[3] ^= 1;
        opener.update(&body, &mut out).unwrap();
        assert!(is_unauthentic(&opener.finish(&mut out).unwrap_err()));
    }
}

#[test]
fn whatever_is_wrong_with_a_cbc_body_is_the_same_error() {
    let right = hex(CBC_BODIES[3].1);
    for cut in 0..right.len() {
        // What is left ends by chance in a padding of one byte, in no case here.
        assert_unauthentic(CBC, &right[..cut]);
    }
    // Each bit of the block before the last one flips one bit of the padding.
    for byte in 24..32 {
        let mut body = right.clone();
        body[byte] ^= 0x80;
        assert_unauthentic(CBC, &body);
    }
}

#[test]
fn debug_shows_no_plaintext() {
    let mut opener = BufferedOpener::new(to_decrypt(CBC), 9);
    opener.update(b"body").unwrap();
    assert_eq!(format!("{opener:?}"), "BufferedOpener { held: 4, limit: 9, .. }");
    let opener = UnauthenticatedOpener::new(to_decrypt(CBC));
    assert_eq!(format!("{opener:?}"), "UnauthenticatedOpener { failed: false, .. }");
}

fn buffered<'a>(
    suite: ContentSuite,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, Error> {
    buffered_with(to_decrypt(suite), pieces)
}

pub(super) fn buffered_with<'a>(
    key: ContentKey,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, Error> {
    let mut opener = BufferedOpener::new(key, 1 << 30);
    for piece in pieces {
        opener.update(piece).unwrap();
    }
    opener.finish()
}

fn streamed<'a>(
    suite: ContentSuite,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    streamed_with(to_decrypt(suite), pieces, out)
}

pub(super) fn streamed_with<'a>(
    key: ContentKey,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut opener = UnauthenticatedOpener::new(key);
    for piece in pieces {
        opener.update(piece, out).unwrap();
    }
    opener.finish(out)
}

fn stored(suite: ContentSuite, pieces: Vec<&[u8]>) -> Result<Vec<u8>, Error> {
    stored_with(to_decrypt(suite), pieces)
}

/// Through the store and back.
pub(super) fn stored_with(key: ContentKey, pieces: Vec<&[u8]>) -> Result<Vec<u8>, Error> {
    let mut opener = StoredOpener::new(key);
    for piece in &pieces {
        opener.verify(piece).unwrap();
    }
    let (mut opener, mut out) = (opener.verified()?, Vec::new());
    for piece in pieces {
        opener.update(piece, &mut out).unwrap();
    }
    opener.finish(&mut out)?;
    Ok(out)
}

fn assert_unauthentic(suite: ContentSuite, body: &[u8]) {
    assert!(is_unauthentic(&buffered(suite, [body]).unwrap_err()));
    assert!(is_unauthentic(&streamed(suite, [body], &mut Vec::new()).unwrap_err()));
    assert!(is_unauthentic(&stored(suite, vec![body]).unwrap_err()));
}

fn is_unauthentic(error: &Error) -> bool {
    matches!(error, Error::Unauthentic(Stage::Body))
}

fn is_poisoned(error: &Error) -> bool {
    matches!(error, Error::ApiMisuse(ApiMisuse::Poisoned))
}

fn split<'a>(mut rest: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for size in sizes {
        let (now, later) = rest.split_at((*size).min(rest.len()));
        pieces.push(now);
        rest = later;
    }
    pieces.push(rest);
    pieces
}

const CBC: ContentSuite = ContentSuite::Aes256CbcIv16NoKdf;
/// Length of the plaintext, which counts up from 0, and what `openssl enc -aes-256-cbc` makes of it.
const CBC_BODIES: [(usize, &str); 4] = [
    (0, "abe2df1c3125d030c8e6c4fae0d3e8db"),
    (15, "db08a9f61966877dafef1602d0816997"),
    (16, "4a96fe97f0a73fc42d538efa91cd3c84d8a5f28c7207e91bede68abb60b048da"),
    (
        40,
        "4a96fe97f0a73fc42d538efa91cd3c84a35afad9cc5487281850ad95cf71a8221c85373438e05f0fad934328caa80e0e",
    ),
];
