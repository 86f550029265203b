//! A keyring of each kind, and an AWS KMS in the process for the one that needs it.

use std::sync::Arc;

use waxseal::kms::KmsKeyring;
use waxseal::s3::{AesKeyring, Client, RsaKeyring, S3Keyring};
use waxseal::testing::{FakeKms, KeySpec};
use waxseal::{AesKey, RsaPrivateKey};

use super::server::World;

/// One keyring of each kind that writes.
pub(crate) struct Keys {
    pub(crate) kms: FakeKms,
    pub(crate) aws: Arc<dyn S3Keyring>,
    pub(crate) aes: Arc<dyn S3Keyring>,
    pub(crate) rsa: Arc<dyn S3Keyring>,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let kms = FakeKms::new();
        let arn = kms.create_key(IRELAND, KeySpec::Symmetric).unwrap();
        let private = RsaPrivateKey::generate(2048).unwrap();
        let rsa = RsaKeyring::key_pair(private.public_key().unwrap(), private).unwrap();
        Self {
            aws: Arc::new(KmsKeyring::new(kms.client(IRELAND), &arn).unwrap()),
            kms,
            aes: aes(),
            rsa: Arc::new(rsa),
        }
    }

    pub(crate) fn all(&self) -> [&Arc<dyn S3Keyring>; 3] {
        let Self { kms: _, aws, aes, rsa } = self;
        [aws, aes, rsa]
    }
}

pub(crate) fn aes() -> Arc<dyn S3Keyring> {
    Arc::new(AesKeyring::new(AesKey::generate_256().unwrap()).unwrap())
}

/// A client with that keyring, and everything else as it is by default.
pub(crate) fn client(world: &World, keyring: &Arc<dyn S3Keyring>) -> Client {
    Client::new(world.sdk(), Arc::clone(keyring))
}

const IRELAND: &str = "eu-west-1";
