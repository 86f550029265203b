//! Bodies of objects in Amazon S3.

use super::choices::Choices;
use crate::byte_range::ByteRange;
use crate::error::{ApiMisuse, Error};
use crate::message::to_u64;
use crate::s3::{
    BufferedOpener, ContentKey, ContentSuite, PartSealer, Sealer, StoredOpener,
    UnauthenticatedOpener, UnauthenticatedRangeOpener,
};
use crate::secret::DataKey;

/// Edits and cuts of good bodies, and arbitrary ones, in pieces of any size: what is held back comes out only as it was
/// sealed, what comes out before ends in an error unless it was, and all openers agree. Parts that are sealed in any
/// order give the body that is sealed from start to end.
pub fn s3_content(data: &[u8]) {
    let mut choices = Choices::new(data);
    let suite = ContentSuite::ALL[choices.below(3)];
    let step = choices.size() + 1;
    let (plaintext, whole) = if suite.authenticates() {
        let len = choices.size();
        let plaintext = choices.bytes(len).to_vec();
        (plaintext.clone(), seal(suite, &plaintext, step))
    } else {
        let (plaintext, body) = CBC_BODIES[choices.below(CBC_BODIES.len())];
        (plaintext.to_vec(), body.to_vec())
    };
    if suite.authenticates() {
        assert_eq!(sealed_in_parts(suite, &plaintext, &mut choices), whole);
    }
    let mut body = whole.clone();
    match choices.below(8) {
        0 => body = choices.rest().to_vec(),
        1 => body = seal(suite_beside(suite), &plaintext, step),
        2 => {}
        _ => choices.edit(&mut body, 4),
    }
    let buffered = buffered(suite, &body, step, u64::MAX);
    match &buffered {
        Ok(opened) => assert!(body != whole || *opened == plaintext),
        Err(error) => {
            assert!(body != whole, "{error:?}");
            assert!(matches!(error, Error::Unauthentic(_)), "{error:?}");
        }
    }
    // The fuzzer may learn from comparisons what a good body is, and give that of another plaintext.
    if suite.authenticates()
        && let Ok(opened) = &buffered
    {
        assert_eq!(seal(suite, opened, step), body);
    }
    as_it_comes(suite, &body, step, &buffered);
    stored(suite, &body, step, &buffered);
    let limit = to_u64(choices.size());
    let limited = self::buffered(suite, &body, step, limit);
    assert_eq!(limited.is_ok(), buffered.is_ok() && to_u64(body.len()) <= limit);
    ranges(suite, &body, &whole, &plaintext, choices);
}

fn buffered(suite: ContentSuite, body: &[u8], step: usize, limit: u64) -> Result<Vec<u8>, Error> {
    let mut opener = BufferedOpener::new(to_decrypt(suite), limit);
    for piece in body.chunks(step) {
        if let Err(error) = opener.update(piece) {
            assert!(opener.update(b"").is_err());
            assert!(opener.finish().is_err());
            return Err(error);
        }
    }
    opener.finish()
}

fn as_it_comes(suite: ContentSuite, body: &[u8], step: usize, expected: &Result<Vec<u8>, Error>) {
    let mut opener = UnauthenticatedOpener::new(to_decrypt(suite));
    let (mut out, mut taken) = (b"before".to_vec(), 0);
    for piece in body.chunks(step) {
        opener.update(piece, &mut out).expect("it is short");
        taken += piece.len();
        // The last block, or what may be the tag, stays behind.
        assert!(out.len() - 6 <= taken.saturating_sub(if suite.authenticates() { 16 } else { 1 }));
    }
    let early = out.len();
    match (opener.finish(&mut out), expected) {
        (Ok(()), Ok(expected)) => assert_eq!(out[6..], expected[..]),
        (Err(_), Err(_)) => assert_eq!(out.len(), early),
        (found, expected) => panic!("{found:?} {expected:?}"),
    }
    assert_eq!(&out[..6], b"before");
}

/// Verified first, and decrypted from where it was stored meanwhile.
fn stored(suite: ContentSuite, body: &[u8], step: usize, expected: &Result<Vec<u8>, Error>) {
    let mut verifier = StoredOpener::new(to_decrypt(suite));
    body.chunks(step).for_each(|piece| verifier.verify(piece).expect("it is short"));
    let opener = verifier.verified();
    if suite.authenticates() {
        assert_eq!(opener.is_ok(), expected.is_ok());
    }
    let (Ok(mut opener), Ok(expected)) = (opener, expected) else { return };
    let mut out = Vec::new();
    opener.update(body, &mut out).expect("it is short");
    opener.finish(&mut out).expect("it was verified");
    assert_eq!(out, *expected);
}

fn ranges(
    suite: ContentSuite,
    body: &[u8],
    whole: &[u8],
    plaintext: &[u8],
    mut choices: Choices<'_>,
) {
    let (from, to) = (choices.number(), choices.number());
    let text = match choices.below(3) {
        0 => format!("bytes={from}-{to}"),
        1 => format!("bytes={from}-"),
        _ => format!("bytes=-{to}"),
    };
    let Ok(range) = text.parse::<ByteRange>() else { return };
    let stored_len = if choices.flag() { to_u64(body.len()) } else { choices.number() };
    let opener = UnauthenticatedRangeOpener::new(to_decrypt(suite), range, stored_len);
    let Ok(mut opener) = opener else { return };
    assert!(suite.authenticates());
    let span = opener.span();
    assert!(span.start <= span.end && span.end <= stored_len - 16);
    let index = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
    let stored = body.get(index(span.start)..index(span.end)).unwrap_or_default();
    let mut out = Vec::new();
    for piece in stored.chunks(choices.size() + 1) {
        opener.update(piece, &mut out).expect("it is in the range");
    }
    assert_eq!(out.len(), stored.len());
    // Nothing is authentic, but nothing is misplaced.
    if body == whole
        && let Some(plaintext) = plaintext.get(index(span.start)..index(span.end))
    {
        assert_eq!(out, plaintext);
    }
    let len = out.len();
    let all = to_u64(stored.len()) == span.end - span.start;
    if all {
        assert!(opener.update(b"1", &mut out).is_err());
        assert_eq!(out.len(), len);
    }
    assert_eq!(opener.finish().is_ok(), all);
}

fn seal(suite: ContentSuite, plaintext: &[u8], step: usize) -> Vec<u8> {
    let (mut sealer, mut body) = (Sealer::new(to_encrypt(suite)), Vec::new());
    for piece in plaintext.chunks(step) {
        sealer.update(piece, &mut body).expect("it is short");
    }
    sealer.finish(&mut body).expect("it is short");
    body
}

fn sealed_in_parts(suite: ContentSuite, plaintext: &[u8], choices: &mut Choices<'_>) -> Vec<u8> {
    let sealer = PartSealer::new(to_encrypt(suite));
    let mut body = plaintext.to_vec();
    let (mut rest, mut parts) = (&mut body[..], Vec::new());
    while !rest.is_empty() {
        // All parts but the last have whole blocks.
        let len = ((choices.below(8) + 1) * 16).min(rest.len());
        let (part, after) = rest.split_at_mut(len);
        parts.push((sealer.next_part(len).expect("it is short"), part));
        rest = after;
    }
    let last = parts.len().max(1);
    parts.rotate_left(choices.below(last.min(256)));
    let sealed = parts.into_iter().map(|(ticket, part)| ticket.seal(part).expect("it fits"));
    let sealed = sealed.collect();
    body.extend(sealer.finish(sealed).expect("all parts are there"));
    body
}

fn suite_beside(suite: ContentSuite) -> ContentSuite {
    match suite {
        ContentSuite::Aes256GcmIv12Tag16NoKdf => ContentSuite::Aes256GcmHkdfSha512CommitKey,
        _ => ContentSuite::Aes256GcmIv12Tag16NoKdf,
    }
}

fn to_encrypt(suite: ContentSuite) -> ContentKey {
    ContentKey::for_encryption(suite, &data_key(), iv(suite)).expect("all lengths fit").0
}

/// The commitment is that of the metadata: it is compared before anything is decrypted.
fn to_decrypt(suite: ContentSuite) -> ContentKey {
    let commitment = suite.commits().then(|| {
        let sealed = ContentKey::for_encryption(suite, &data_key(), iv(suite));
        sealed.expect("all lengths fit").1.expect("it commits")
    });
    if let Some(mut wrong) = commitment {
        wrong[27] ^= 1;
        let refused = ContentKey::for_decryption(suite, &data_key(), iv(suite), Some(&wrong));
        assert!(matches!(refused, Err(Error::Unauthentic(_))));
        let missing = ContentKey::for_decryption(suite, &data_key(), iv(suite), None);
        assert!(matches!(missing, Err(Error::ApiMisuse(ApiMisuse::BufferLen { .. }))));
    }
    let commitment = commitment.as_ref().map(<[u8; 28]>::as_slice);
    ContentKey::for_decryption(suite, &data_key(), iv(suite), commitment).expect("it is its key")
}

fn data_key() -> DataKey {
    DataKey::try_from(KEY).expect("it has 32 bytes")
}

fn iv(suite: ContentSuite) -> &'static [u8] {
    match suite {
        ContentSuite::Aes256CbcIv16NoKdf => b"sixteen bytes...",
        ContentSuite::Aes256GcmIv12Tag16NoKdf => b"twelve bytes",
        ContentSuite::Aes256GcmHkdfSha512CommitKey => b"a message id of 28 bytes....",
    }
}

const KEY: &[u8] = b"a key of thirty-two bytes in all";
/// Plaintexts and what `openssl enc -aes-256-cbc` makes of them: this crate does not encrypt with CBC.
const CBC_BODIES: [(&[u8], &[u8]); 3] = [
    (b"", b"\xab\xe2\xdf\x1c\x31\x25\xd0\x30\xc8\xe6\xc4\xfa\xe0\xd3\xe8\xdb"),
    (b"a block of text.", b"\x84\x3b\xda\x91\xf0\x71\x8a\x0b\x8a\x0f\x2c\xfd\xaf\xa0\xc7\x01\xba\xd5\x1c\x2a\x9d\xca\x8d\xa7\x21\xf0\xae\xe7\x58\xc1\xdc\x64"),
    (b"two blocks of text, and some more of them", b"\xd5\xe0\xf8\x33\xba\x76\xfc\x89\x45\xba\x61\x6b\x9b\x8e\x1a\xc4\x1c\xcb\xd2\xa4\x77\x28\xc5\x70\x2b\xf0\x99\x48\x3b\xcd\xfc\x63\xfe\x3e\x98\x93\x49\x80\x9e\x86\x1b\x86\xa0\xca\x37\xe8\x85\x16"),
];
