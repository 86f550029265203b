//! A public key keeps nothing of the private key that it was taken from. What a backend in C has is not seen by an
//! allocator of Rust, so that all memory of the process is searched.
#![cfg(all(target_os = "linux", feature = "aws-lc-rs"))]
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use base64ct::{Base64, Encoding as _};
use waxseal::{RawRsaKeyring, RsaPadding, RsaPrivateKey};
use zeroize::Zeroize as _;

/// So that what is looked for is nowhere but where it was found.
const MASK: u8 = 0x5a;
const NEEDLE_LEN: usize = 32;

/// The content of the first DER element, and what follows it.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (start, len) = match der[1] {
        len @ 0..=127 => (2, usize::from(len)),
        0x81 => (3, usize::from(der[2])),
        0x82 => (4, usize::from(u16::from_be_bytes([der[2], der[3]]))),
        other => panic!("a length of {other:#x}"),
    };
    der[start..].split_at(len)
}

/// A part of the first prime, masked, as big numbers lie in memory: the least significant byte first.
fn needle(pem: &str) -> [u8; NEEDLE_LEN] {
    let mut text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let mut der = Base64::decode_vec(&text).unwrap();
    text.zeroize();
    // SEQUENCE { version, algorithm, OCTET STRING { SEQUENCE { version, n, e, d, p, ... } } }
    let (sequence, _) = element(&der);
    let (_, after_version) = element(sequence);
    let (_, after_algorithm) = element(after_version);
    let (inner, _) = element(after_algorithm);
    let (mut integers, _) = element(inner);
    for _ in 0..4 {
        (_, integers) = element(integers);
    }
    let (prime, _) = element(integers);
    let middle = prime.len() / 2;
    let mut needle = [0; NEEDLE_LEN];
    for (to, from) in needle.iter_mut().zip(prime[..middle].iter().rev()) {
        *to = from ^ MASK;
    }
    der.zeroize();
    needle
}

/// How often it is in memory that can be written to.
fn count(needle: &[u8; NEEDLE_LEN]) -> usize {
    let memory = File::open("/proc/self/mem").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut count = 0;
    let mut chunk = vec![0; 1 << 20];
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, rest) = line.split_once('-').unwrap();
        let (end, _) = rest.split_once(' ').unwrap();
        let [mut at, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
        while at < end {
            let len = chunk.len().min(usize::try_from(end - at).unwrap());
            let len = memory.read_at(&mut chunk[..len], at).unwrap_or(0);
            let found = chunk[..len].windows(NEEDLE_LEN).filter(|window| {
                window.iter().zip(needle).all(|(byte, masked)| byte ^ MASK == *masked)
            });
            count += found.count();
            // What is here now must not be found in its turn.
            chunk.as_mut_slice().zeroize();
            // One that lies across the border is seen whole.
            let len = u64::try_from(len).unwrap();
            let overlap = u64::try_from(NEEDLE_LEN).unwrap();
            match len.checked_sub(overlap) {
                Some(step) if step > 0 && at + len < end => at += step,
                _ => break,
            }
        }
    }
    count
}

#[test]
fn a_public_key_keeps_nothing_of_the_private_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/crypto/tests/data/rsa2048.pkcs8.pem");
    let mut pem = fs::read_to_string(path).unwrap();
    let needle = needle(&pem);
    let private = RsaPrivateKey::from_pem(&pem).unwrap();
    pem.zeroize();
    let public = private.public_key().unwrap();
    assert_ne!(count(&needle), 0, "the search finds nothing");
    drop(private);
    assert_eq!(count(&needle), 0);
    // It is used, too: that is how long it lives.
    let keyring = RawRsaKeyring::public("tests", "key", RsaPadding::OaepSha256, public).unwrap();
    waxseal::encrypt(b"x", &keyring).now().unwrap();
    assert_eq!(count(&needle), 0);
}
