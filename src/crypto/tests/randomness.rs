//! What happens when the operating system has no randomness: an error, and nothing encrypted.
//!
//! [`random`](crate::crypto::random) asks [`draw`] here before it asks the operating system, in tests only. There is
//! no such door to AWS-LC's own generator, which pads for RSA, signs, and makes RSA and elliptic-curve keys: it ends the
//! process when it has no entropy.

use std::cell::Cell;

use crate::crypto::CryptoError;
use crate::{
    AesKey, AlgorithmSuite, EcPrivateKey, EcdhCurve, Encryptor, Error, RawAesKeyring,
    RawEcdhKeyring, encryptor,
};

/// Fails if this thread is [without randomness](with_draws).
pub(in crate::crypto) fn draw() -> Result<(), CryptoError> {
    LEFT.with(|left| match left.get() {
        None => Ok(()),
        Some(0) => Err(CryptoError),
        Some(more) => {
            left.set(Some(more - 1));
            Ok(())
        }
    })
}

/// Runs this with so many draws of randomness, after which every one fails.
fn with_draws<T>(draws: usize, run: impl FnOnce() -> T) -> T {
    LEFT.set(Some(draws));
    let result = run();
    LEFT.set(None);
    result
}

/// Runs this with no draw, with one, and so on, until there are enough; gives how many that are.
fn fails_until_enough<T, E>(run: impl Fn() -> Result<T, E>, check: impl Fn(E)) -> usize {
    for draws in 0..100 {
        match with_draws(draws, &run) {
            Ok(_) => return draws,
            Err(error) => check(error),
        }
    }
    panic!("100 draws are not enough");
}

#[test]
fn a_message_needs_all_of_its_draws() {
    // Data key, message id, and the IV of the wrapped key.
    let keyring = aes_keyring();
    let run = || crate::encrypt(b"plaintext", &keyring).suite(UNSIGNED).now();
    assert_eq!(fails_until_enough(run, is_backend), 3);
    let run = || encryptor(&keyring).suite(UNSIGNED).now();
    assert_eq!(fails_until_enough(run, is_backend), 3);
}

#[test]
fn nothing_is_encrypted_without_randomness() {
    let keyring = aes_keyring();
    let mut message = Vec::new();
    let mut writer = with_draws(2, || {
        let builder = encryptor(&keyring).suite(UNSIGNED);
        builder.now().map(|encryptor| write_all(encryptor, &mut message))
    });
    assert!(matches!(writer, Err(Error::Backend(_))), "{writer:?}");
    assert!(message.is_empty());
    // And with all of it, the same code encrypts.
    writer = with_draws(3, || {
        encryptor(&keyring)
            .suite(UNSIGNED)
            .now()
            .map(|encryptor| write_all(encryptor, &mut message))
    });
    writer.unwrap();
    assert_eq!(crate::decrypt(&message, &keyring).now().unwrap().plaintext(), b"plaintext");
}

#[test]
fn keys_are_not_made_without_randomness() {
    for generate in [AesKey::generate_128, AesKey::generate_192, AesKey::generate_256] {
        assert_eq!(fails_until_enough(generate, is_backend), 1);
    }
}

#[test]
fn ecdh_keyrings_wrap_nothing_without_randomness() {
    let private = EcPrivateKey::generate(EcdhCurve::P256).unwrap();
    let keyring =
        RawEcdhKeyring::ephemeral_private_key_to_static_public_key(private.public_key().unwrap());
    let run = || crate::encrypt(b"plaintext", &keyring).suite(UNSIGNED).now();
    // Data key, message id and salt; the backend may make the ephemeral key with its own.
    assert!(fails_until_enough(run, is_backend) >= 3);
}

#[test]
fn caches_are_not_made_without_randomness() {
    use std::time::Duration;
    let cache = crate::MaterialsCache::new(10).unwrap();
    let run = || crate::CachingManager::new(aes_keyring(), &cache, Duration::from_secs(1));
    assert!(fails_until_enough(run, is_backend) >= 1);
}

/// Decrypting needs none, but for blinding in one backend.
#[test]
fn messages_are_read_without_randomness() {
    let keyring = aes_keyring();
    let message = crate::encrypt(b"plaintext", &keyring).now().unwrap();
    let opened = with_draws(0, || crate::decrypt(&message, &keyring).now());
    assert_eq!(opened.unwrap().plaintext(), b"plaintext");
}

#[cfg(feature = "s3-format")]
#[test]
fn objects_are_not_prepared_without_randomness() {
    use std::task::{Context, Poll, Waker};

    use crate::s3::{AesKeyring, prepare};
    let keyring = AesKeyring::new(AesKey::generate_256().unwrap()).unwrap();
    let run = || {
        let mut future = prepare(&keyring).into_future();
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(prepared) => prepared,
            Poll::Pending => panic!("local keyrings do not wait"),
        }
    };
    // Data key, its IV, and that of the content.
    assert_eq!(fails_until_enough(run, is_backend), 3);
}

/// The backend that takes all of its randomness from [`random`](crate::crypto::random).
#[cfg(feature = "rustcrypto")]
mod rust_crypto {
    use super::super::ecdh::EcdhBackend;
    use super::super::rsa::{PADDINGS, SIZES};
    use super::super::{Backend, Curve, RustCrypto, der};
    use super::*;

    #[test]
    fn keys_are_not_made_without_randomness() {
        for curve in [Curve::P256, Curve::P384] {
            let run = || RustCrypto::generate_signing_key(curve);
            assert!(fails_until_enough(run, is_opaque) >= 1);
        }
        for curve in [EcdhCurve::P256, EcdhCurve::P384, EcdhCurve::P521] {
            let run = || RustCrypto::generate(curve);
            assert!(fails_until_enough(run, is_opaque) >= 1);
        }
    }

    /// The crate cannot be told of a failure, at its first prime or at its second.
    #[test]
    fn rsa_keys_are_not_made_without_randomness() {
        for draws in [0, 1] {
            let key = with_draws(draws, || RustCrypto::generate_rsa(2048));
            assert!(key.is_err(), "{draws}");
        }
        assert!(with_draws(1_000_000, || RustCrypto::generate_rsa(2048)).is_ok());
    }

    #[test]
    fn nothing_is_signed_without_randomness() {
        for curve in [Curve::P256, Curve::P384] {
            let key = RustCrypto::generate_signing_key(curve).unwrap();
            let digest = RustCrypto::digest(curve.hash(), b"message");
            assert!(fails_until_enough(|| RustCrypto::sign(&key, &digest), is_opaque) >= 1);
        }
    }

    #[test]
    fn rsa_wraps_and_unwraps_nothing_without_randomness() {
        let (_, pkcs8, spki) = SIZES[2];
        let private = RustCrypto::rsa_private_key(&der(pkcs8)).unwrap();
        let public = RustCrypto::rsa_public_key(&der(spki)).unwrap();
        for (padding, _) in PADDINGS {
            let wrap = || RustCrypto::encrypt(&public, padding, &[7; 32]);
            assert!(fails_until_enough(wrap, is_opaque) >= 1, "{padding:?}");
            let wrapped = wrap().unwrap();
            // Blinding draws; what is not blinded is not decrypted.
            let unwrap = || RustCrypto::decrypt(&private, padding, &wrapped);
            assert!(fails_until_enough(unwrap, is_opaque) >= 1, "{padding:?}");
        }
    }
}

fn write_all(mut encryptor: Encryptor, message: &mut Vec<u8>) {
    let mut buffer = vec![0; 10_000];
    let progress = encryptor.update(b"plaintext", &mut buffer).unwrap();
    let last = encryptor.finish(&mut buffer[progress.written..]).unwrap();
    message.extend_from_slice(&buffer[..progress.written + last]);
}

fn is_backend(error: Error) {
    assert!(matches!(error, Error::Backend(_)), "{error:?}");
}

#[cfg(feature = "rustcrypto")]
fn is_opaque(CryptoError: CryptoError) {}

fn aes_keyring() -> RawAesKeyring {
    RawAesKeyring::new("tests", "key", AesKey::try_from(&[5; 32][..]).unwrap()).unwrap()
}

const UNSIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;

thread_local! {
    /// How many draws succeed before all fail; all of them if there is no number.
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
}
