//! A small message costs few allocations: in number they weigh more than its bytes.
#![cfg(all(feature = "aws-lc-rs", not(feature = "fips")))]
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use allocation_counter::{AllocationInfo, measure};
use waxseal::{AesKey, AlgorithmSuite, RawAesKeyring};

const SUITE: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
const PLAINTEXT: [u8; 1024] = [7; 1024];

/// Those of a new `Vec` are one more.
const ENCRYPT: u64 = 11;
const DECRYPT: u64 = 11;

#[test]
fn a_small_message_is_encrypted_with_few_allocations() {
    let keyring = keyring();
    let mut buffer = [0; 2048];
    let to_vec = || drop(waxseal::encrypt(&PLAINTEXT, &keyring).suite(SUITE).now().unwrap());
    let into_buffer = |buffer: &mut [u8]| {
        let encrypt = waxseal::encrypt(&PLAINTEXT, &keyring).suite(SUITE);
        drop(encrypt.into_buffer(buffer).now().unwrap());
    };
    // What happens once in a process does not count.
    to_vec();
    check(measure(to_vec), ENCRYPT + 1);
    check(measure(|| into_buffer(&mut buffer)), ENCRYPT);
}

#[test]
fn a_small_message_is_decrypted_with_few_allocations() {
    let keyring = keyring();
    let message = waxseal::encrypt(&PLAINTEXT, &keyring).suite(SUITE).now().unwrap();
    let mut buffer = [0; 1024];
    let to_vec = || drop(waxseal::decrypt(&message, &keyring).now().unwrap());
    let into_buffer = |buffer: &mut [u8]| {
        drop(waxseal::decrypt(&message, &keyring).into_buffer(buffer).now().unwrap());
    };
    to_vec();
    check(measure(to_vec), DECRYPT + 1);
    check(measure(|| into_buffer(&mut buffer)), DECRYPT);
}

/// A buffer of the caller's is not copied to one of our own.
#[test]
fn no_allocation_grows_with_a_message_between_buffers() {
    let keyring = keyring();
    let plaintext = vec![7; 1 << 20];
    let (mut message, mut opened) = (vec![0; (1 << 20) + 16_384], vec![0; 1 << 20]);
    let mut written = 0;
    let info = measure(|| {
        let encrypt = waxseal::encrypt(&plaintext, &keyring).suite(SUITE);
        written = encrypt.into_buffer(&mut message).now().unwrap().written();
    });
    assert!(info.bytes_max < 8192, "{info:?}");
    let info = measure(|| {
        drop(waxseal::decrypt(&message[..written], &keyring).into_buffer(&mut opened).now());
    });
    assert!(info.bytes_max < 8192, "{info:?}");
    assert!(opened == plaintext);
}

fn check(info: AllocationInfo, most: u64) {
    assert!(info.count_total > 0, "nothing was counted");
    assert!(info.count_total <= most, "{info:?}, not {most}");
    assert_eq!(info.count_current, 0, "{info:?}");
}

fn keyring() -> RawAesKeyring {
    RawAesKeyring::new("tests", "key", AesKey::from([5; 32])).unwrap()
}
