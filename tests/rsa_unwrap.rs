//! Nothing in an error tells why RSA did not unwrap a data key.
//!
//! Whoever learns which ciphertexts have a valid padding can decrypt with the key, by Bleichenbacher's attack or by
//! Manger's. `benches/timing` asks the same of the time.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

#[path = "../benches/timing/padding.rs"]
mod padding;

use padding::{MODULUS_LEN, Oaep, Pkcs1, TextbookRsa, oaep_sha256, pkcs1};
use waxseal::{
    AlgorithmSuite, EncryptedDataKey, EncryptionContext, Error, KeyringError, LocalKeyring, Locked,
    Policy, RawRsaKeyring, RsaPadding, RsaPrivateKey, Stage, UnwrapRequest,
};

#[test]
fn blocks_that_are_right_unwrap() {
    // Or else the wrong ones below might fail for another reason than theirs.
    let public = public_key();
    for n in 0..4 {
        let wrapped = public.encrypt(&pkcs1(Pkcs1::Valid, &fill(n), &DATA_KEY));
        assert_eq!(unwrapped(RsaPadding::Pkcs1, &wrapped), DATA_KEY);
        let wrapped = public.encrypt(&oaep_sha256(Oaep::Valid, &seed(n), &DATA_KEY));
        assert_eq!(unwrapped(RsaPadding::OaepSha256, &wrapped), DATA_KEY);
    }
}

#[test]
fn every_wrong_pkcs1_padding_is_one_error() {
    let public = public_key();
    let mut wrong = vec![[0xff; MODULUS_LEN], [0; MODULUS_LEN]];
    for kind in [
        Pkcs1::FirstByte,
        Pkcs1::SecondByte,
        Pkcs1::ShortPadding,
        Pkcs1::NoSeparator,
        Pkcs1::ContentLen(0),
        Pkcs1::ContentLen(16),
        Pkcs1::ContentLen(31),
        Pkcs1::ContentLen(33),
        Pkcs1::ContentLen(200),
    ] {
        wrong.extend((0..4).map(|n| public.encrypt(&pkcs1(kind, &fill(n), &DATA_KEY))));
    }
    one_error(RsaPadding::Pkcs1, &wrong);
}

#[test]
fn every_wrong_oaep_padding_is_one_error() {
    let public = public_key();
    let mut wrong = vec![[0xff; MODULUS_LEN], [0; MODULUS_LEN]];
    for kind in [
        Oaep::LeadingByte,
        Oaep::LabelHash,
        Oaep::Padding,
        Oaep::NoSeparator,
        Oaep::ContentLen(0),
        Oaep::ContentLen(16),
        Oaep::ContentLen(31),
        Oaep::ContentLen(33),
        Oaep::ContentLen(190),
    ] {
        wrong.extend((0..4).map(|n| public.encrypt(&oaep_sha256(kind, &seed(n), &DATA_KEY))));
    }
    one_error(RsaPadding::OaepSha256, &wrong);
}

/// The oracle that PKCS #1 v1.5 leaves, as SECURITY.md says: a data key of the right length is tried, and it
/// is the commitment that refuses it.
#[test]
fn a_data_key_that_is_not_the_messages_is_told_by_its_commitment() {
    let wrapped = public_key().encrypt(&pkcs1(Pkcs1::Valid, &fill(0), &DATA_KEY));
    let error = decrypt_with(RsaPadding::Pkcs1, &wrapped);
    assert!(matches!(error, Error::Unauthentic(Stage::Commitment)), "{error:?}");
}

/// Objects have a way out of it: what does not unwrap is a data key, too, and always the same.
#[cfg(feature = "s3-format")]
#[test]
fn objects_never_tell_a_wrong_pkcs1_padding() {
    use std::task::{Context, Poll, Waker};

    use waxseal::s3::{
        ContentSuite, RsaKeyring, S3Keyring, UnwrapRequest, WrappedDataKey, WrappingAlgorithm,
    };
    let keyring = RsaKeyring::private(RsaPrivateKey::from_pem(PRIVATE_KEY).unwrap()).unwrap();
    let context = EncryptionContext::new();
    let unwrap = |block: &[u8; MODULUS_LEN]| {
        let wrapped = public_key().encrypt(block);
        let wrapped = WrappedDataKey::new(WrappingAlgorithm::RsaPkcs1, wrapped);
        let request = UnwrapRequest::new(ContentSuite::Aes256GcmIv12Tag16NoKdf, &wrapped, &context);
        let mut future = keyring.unwrap(&request);
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(key) => key.unwrap(),
            Poll::Pending => panic!("a local keyring waits"),
        }
    };
    assert_eq!(unwrap(&pkcs1(Pkcs1::Valid, &fill(0), &DATA_KEY)).expose(), DATA_KEY);
    for kind in [
        Pkcs1::FirstByte,
        Pkcs1::SecondByte,
        Pkcs1::ShortPadding,
        Pkcs1::NoSeparator,
        Pkcs1::ContentLen(31),
        Pkcs1::ContentLen(33),
    ] {
        let block = pkcs1(kind, &fill(0), &DATA_KEY);
        let key = unwrap(&block);
        assert_ne!(key.expose(), DATA_KEY, "{kind:?}");
        assert_eq!(key, unwrap(&block), "{kind:?}");
    }
}

/// Each of these ends in the same error, to the last letter of it and of its sources.
fn one_error(padding: RsaPadding, wrapped: &[[u8; MODULUS_LEN]]) {
    let expected = decrypt_with(padding, &wrapped[0]);
    let no_data_key = matches!(&expected, Error::Keyring(KeyringError::NoDataKey { .. }));
    assert!(no_data_key, "{expected:?}");
    for (n, wrapped) in wrapped.iter().enumerate() {
        let error = decrypt_with(padding, wrapped);
        assert_eq!(format!("{error:?}"), format!("{expected:?}"), "{n}");
        assert_eq!(texts(&error), texts(&expected), "{n}");
    }
}

fn texts(error: &Error) -> Vec<String> {
    let first: Option<&dyn std::error::Error> = Some(error);
    std::iter::successors(first, |error| error.source()).map(ToString::to_string).collect()
}

/// The error of a whole message whose only data key is wrapped so.
fn decrypt_with(padding: RsaPadding, wrapped: &[u8; MODULUS_LEN]) -> Error {
    let keyring = keyring(padding);
    let message = waxseal::encrypt(b"plaintext", &keyring).suite(SUITE).now().unwrap();
    let mut message = message.into_bytes();
    let (locked, _) = Locked::read(&message, Policy::default()).unwrap();
    let own = locked.encrypted_data_keys()[0].ciphertext().to_vec();
    let at = message.windows(own.len()).position(|bytes| bytes == own).unwrap();
    message[at..at + own.len()].copy_from_slice(wrapped);
    waxseal::decrypt(&message, &keyring).now().unwrap_err()
}

fn unwrapped(padding: RsaPadding, wrapped: &[u8]) -> Vec<u8> {
    let context = EncryptionContext::new();
    let edks = [EncryptedDataKey::new("tests", "key", wrapped)];
    let request = UnwrapRequest::new(SUITE, &context, &edks);
    keyring(padding).unwrap_now(&request).unwrap().key().expose().to_vec()
}

fn keyring(padding: RsaPadding) -> RawRsaKeyring {
    let private = RsaPrivateKey::from_pem(PRIVATE_KEY).unwrap();
    let public = private.public_key().unwrap();
    RawRsaKeyring::key_pair("tests", "key", padding, public, private).unwrap()
}

fn public_key() -> TextbookRsa {
    let private = RsaPrivateKey::from_pem(PRIVATE_KEY).unwrap();
    TextbookRsa::new(&private.public_key().unwrap().to_pem().unwrap())
}

/// Always the same, since one backend answers a wrong padding with junk that depends on the ciphertext, and one
/// time in some 250 it is as long as a data key.
fn fill(n: u8) -> [u8; MODULUS_LEN] {
    let mut byte = n;
    [(); MODULUS_LEN].map(|()| {
        byte = byte.wrapping_mul(5).wrapping_add(113);
        byte
    })
}

fn seed(n: u8) -> [u8; 32] {
    *fill(n).first_chunk().unwrap()
}

const PRIVATE_KEY: &str = include_str!("../src/crypto/tests/data/rsa2048.pkcs8.pem");
const DATA_KEY: [u8; 32] = [7; 32];
const SUITE: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
