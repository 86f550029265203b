//! The keyrings of AWS KMS, against an AWS KMS in the process.
#![cfg(feature = "testing")]
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

mod discovery;
mod ecdh;
mod failures;
mod hostile;
mod multi;
mod rsa;
mod strict;
mod waiting;

use waxseal::kms::{KmsError, KmsFailure, KmsKeyring};
use waxseal::testing::{FakeKms, KeySpec, NewKey, Operation};
use waxseal::{Attempt, Encrypted, Error, Keyring, KeyringError, UnwrapFailure};

const IRELAND: &str = "eu-west-1";
const VIRGINIA: &str = "us-east-1";

/// An AWS KMS with one symmetric key in Ireland, and its keyring.
fn one_key() -> (FakeKms, String, KmsKeyring) {
    let kms = FakeKms::new();
    let arn = kms.create_key(IRELAND, KeySpec::Symmetric).unwrap();
    let keyring = KmsKeyring::new(kms.client(IRELAND), &arn).unwrap();
    (kms, arn, keyring)
}

/// A multi-Region key in Ireland and its replica in Virginia.
fn replicated(kms: &FakeKms) -> [String; 2] {
    let primary = kms.create_key(IRELAND, NewKey::new(KeySpec::Symmetric).multi_region()).unwrap();
    let replica = kms.replicate(&primary, VIRGINIA).unwrap();
    [primary, replica]
}

async fn encrypt<K: Keyring + ?Sized>(keyring: &K) -> Encrypted {
    waxseal::encrypt(PLAINTEXT, keyring).context([("tenant", "42")]).await.unwrap()
}

async fn opens<K: Keyring + ?Sized>(keyring: &K, message: &[u8]) {
    let opened = waxseal::decrypt(message, keyring).await.unwrap();
    assert_eq!(opened.plaintext(), PLAINTEXT);
    assert_eq!(opened.header().context().get("tenant"), Some("42"));
}

/// The attempts of a keyring that opens nothing.
async fn attempts<K: Keyring + ?Sized>(keyring: &K, message: &[u8]) -> Vec<Attempt> {
    match waxseal::decrypt(message, keyring).await {
        Err(Error::Keyring(KeyringError::NoDataKey { attempts, .. })) => attempts,
        other => panic!("{other:?}"),
    }
}

/// Why the only attempt failed.
async fn failure<K: Keyring + ?Sized>(keyring: &K, message: &[u8]) -> KmsFailure {
    let attempts = attempts(keyring, message).await;
    match &attempts[..] {
        [Attempt { failure: UnwrapFailure::Kms(error), .. }] => error.failure().clone(),
        other => panic!("{other:?}"),
    }
}

/// Why a data key could not be wrapped.
async fn wrap_error<K: Keyring + ?Sized>(keyring: &K) -> KmsError {
    match waxseal::encrypt(PLAINTEXT, keyring).await {
        Err(Error::Keyring(KeyringError::Kms { failure, .. })) => failure,
        other => panic!("{other:?}"),
    }
}

/// All operations called so far.
fn operations(kms: &FakeKms) -> Vec<Operation> {
    kms.calls().iter().map(|call| call.operation).collect()
}

const PLAINTEXT: &[u8] = b"hello";
