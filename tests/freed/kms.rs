//! Keyrings of AWS KMS, against an AWS KMS in the process behind the true SDK.
//!
//! The SDK, and what stands for the service, hold data keys in buffers that they do not clear. Whose a freed block was
//! is told by the backtrace of its end: the innermost function that is not of the standard library. So what this crate
//! itself frees is searched as everywhere.

use std::future::IntoFuture;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use waxseal::kms::{
    KmsDiscoveryKeyring, KmsEcdhKeyring, KmsKeyring, KmsRsaKeyring, RegionalKmsClients,
};
use waxseal::testing::{FakeKms, Fault, KeySpec, NewKey};
use waxseal::{
    Attempt, BoxFuture, EcPrivateKey, EcdhCurve, EncryptionMaterials, Error, Keyring, MultiKeyring,
    RsaPadding, RsaPrivateKey, UnwrapRequest, UnwrappedDataKey,
};

use crate::allocator::{FreedBlock, Watch};
use crate::keyrings::UNSIGNED;
use crate::secrets::{Plaintext, Secrets};

pub(crate) const IRELAND: &str = "eu-west-1";
const VIRGINIA: &str = "us-east-1";

/// Tells each data key that passes through it, and what it was wrapped under.
#[derive(Debug)]
struct Telling<'a>(&'a Mutex<Vec<Vec<u8>>>, Box<dyn Keyring>);

impl Keyring for Telling<'_> {
    fn wrap<'a>(
        &'a self,
        materials: &'a mut EncryptionMaterials,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let result = self.1.wrap(materials).await;
            if let Some(key) = materials.data_key() {
                self.0.lock().unwrap().push(key.expose().to_vec());
            }
            result
        })
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<UnwrappedDataKey, Vec<Attempt>>> {
        self.1.unwrap(request)
    }
}

/// Encrypts and decrypts with success, with each fault in each call, and dropped after each number of polls.
fn leaves_nothing(kms: &FakeKms, mut secrets: Secrets, make: &dyn Fn() -> Box<dyn Keyring>) {
    let plaintext = Plaintext::new(5_000);
    let told = Mutex::new(Vec::with_capacity(1_000));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut message = None;
    let watch = Watch::start_tracing();
    runtime.block_on(async {
        let keyring = Telling(&told, make());
        let encrypt = || waxseal::encrypt(&plaintext.bytes, &keyring).suite(UNSIGNED);
        let made = encrypt().await.unwrap();
        let decrypt = || waxseal::decrypt(&made, &keyring);
        std::mem::forget(decrypt().await.unwrap());
        let faults: [fn() -> Fault; 8] = [
            || Fault::refused("AccessDeniedException", "no"),
            Fault::truncated,
            Fault::flipped_plaintext,
            || Fault::plaintext_len(31),
            || Fault::without("Plaintext"),
            || Fault::without("KeyId"),
            || Fault::without("CiphertextBlob"),
            || Fault::wrong_key_id("arn:aws:kms:eu-west-1:111122223333:key/other"),
        ];
        for fault in faults {
            kms.inject(fault());
            std::mem::forget(encrypt().await);
            kms.clear_faults();
            kms.inject(fault());
            std::mem::forget(decrypt().await);
            kms.clear_faults();
        }
        for polls in 0..3 {
            let held = kms.hold();
            poll(encrypt().into_future(), polls);
            poll(decrypt().into_future(), polls);
            drop(held);
        }
        message = Some(made);
    });
    let freed = watch.stop();
    plaintext.add_to(&mut secrets);
    let told = told.into_inner().unwrap();
    assert!(!told.is_empty());
    told.iter().for_each(|key| secrets.add_with_forms("data key", key));
    secrets.add_derived(&told[0], message.unwrap().header());
    secrets.assert_only_in(&freed, is_of_others);
}

/// Whether a block was freed by somebody else who may do so with a secret in it.
pub(crate) fn is_of_others(block: &FreedBlock) -> bool {
    let Some((name, file)) = owner(block) else { return false };
    OTHERS.iter().any(|(of_name, of_file)| name.starts_with(of_name) || file.contains(of_file))
}

pub(crate) fn poll(mut future: BoxFuture<'_, impl Sized>, polls: usize) {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return std::mem::forget(output);
        }
    }
}

/// The innermost function behind the end of a block that is not of the standard library, and its file. What is inlined
/// has but the last part of its name without whole debug information, and dependencies have no file.
pub(crate) fn owner(block: &FreedBlock) -> Option<(String, String)> {
    let trace = block.trace.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut frames: Vec<(String, String)> = Vec::new();
    for line in trace.lines().map(str::trim_start) {
        match (line.strip_prefix("at "), line.split_once(": ")) {
            (Some(at), _) => frames.last_mut()?.1 = at.to_owned(),
            (None, Some((_, name))) => {
                frames.push((name.trim_start_matches(['<', '&']).to_owned(), String::new()));
            }
            (None, None) => {}
        }
    }
    let freed = frames.iter().position(|(name, _)| name.contains("__rust_dealloc"))?;
    frames.drain(freed..).find(|(name, file)| {
        let std = ["__rust", "alloc::", "core::", "std::", "zeroize::", "freed::allocator"];
        let files = ["/library/alloc/", "/library/core/", "/library/std/"];
        !std.iter().any(|of_std| name.starts_with(of_std))
            && !files.iter().any(|of_std| file.contains(of_std))
    })
}

#[test]
fn of_symmetric_keys() {
    let kms = FakeKms::new();
    let arn = kms.create_key(IRELAND, KeySpec::Symmetric).unwrap();
    leaves_nothing(&kms, Secrets::new(), &|| {
        Box::new(KmsKeyring::new(kms.client(IRELAND), &arn).unwrap())
    });
}

#[test]
fn of_multi_region_keys_and_discovery() {
    let kms = FakeKms::new();
    let key = NewKey::new(KeySpec::Symmetric).multi_region();
    let primary = kms.create_key(IRELAND, key).unwrap();
    kms.replicate(&primary, VIRGINIA).unwrap();
    leaves_nothing(&kms, Secrets::new(), &|| {
        let writer = KmsKeyring::mrk_aware(kms.client(IRELAND), &primary).unwrap();
        let reader = KmsDiscoveryKeyring::mrk_aware(kms.client(VIRGINIA)).unwrap();
        Box::new(MultiKeyring::generator(Writing(writer)).child(Reading(reader)))
    });
}

#[test]
fn of_several_keys() {
    let kms = FakeKms::new();
    let arns = [IRELAND, VIRGINIA].map(|r| kms.create_key(r, KeySpec::Symmetric).unwrap());
    let clients = RegionalKmsClients::like(kms.client(IRELAND));
    leaves_nothing(&kms, Secrets::new(), &|| {
        let both = KmsKeyring::multi(&clients).generator(&arns[0]).child(&arns[1]);
        Box::new(both.build().unwrap())
    });
}

#[test]
fn of_rsa_keys() {
    let kms = FakeKms::new();
    let private = RsaPrivateKey::generate(2048).unwrap();
    let key = NewKey::new(KeySpec::Rsa2048).pem(private.to_pem().unwrap().expose());
    let arn = kms.create_key(IRELAND, key).unwrap();
    leaves_nothing(&kms, Secrets::new(), &|| {
        let keyring = KmsRsaKeyring::new(kms.client(IRELAND), &arn, RsaPadding::OaepSha256);
        Box::new(keyring.unwrap().public_key(private.public_key().unwrap()))
    });
}

#[test]
fn of_elliptic_curve_keys() {
    let kms = FakeKms::new();
    for (spec, curve) in [(KeySpec::EccP256, EcdhCurve::P256), (KeySpec::EccP521, EcdhCurve::P521)]
    {
        let arn = kms.create_key(IRELAND, spec).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = kms.client(IRELAND);
        let own = runtime.block_on(KmsEcdhKeyring::fetch_public_key(&client, &arn, &[])).unwrap();
        let peer = EcPrivateKey::generate(curve).unwrap();
        let mut secrets = Secrets::new();
        let (pem, own) = (peer.to_pem().unwrap(), own.to_pem().unwrap());
        secrets.add_ec_key("peer's scalar", pem.expose());
        let shared = crate::keyrings::shared_secret(pem.expose(), &own);
        secrets.add_with_forms("shared secret", &shared);
        leaves_nothing(&kms, secrets, &|| {
            let keyring = KmsEcdhKeyring::kms_private_key_to_static_public_key(
                kms.client(IRELAND),
                &arn,
                waxseal::EcPublicKey::from_pem(&own).unwrap(),
                peer.public_key().unwrap(),
            );
            Box::new(keyring.unwrap())
        });
    }
}

/// It wraps, and opens nothing.
#[derive(Debug)]
struct Writing(KmsKeyring);

impl Keyring for Writing {
    fn wrap<'a>(
        &'a self,
        materials: &'a mut EncryptionMaterials,
    ) -> BoxFuture<'a, Result<(), Error>> {
        self.0.wrap(materials)
    }

    fn unwrap<'a>(
        &'a self,
        _: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<UnwrappedDataKey, Vec<Attempt>>> {
        Box::pin(async { Err(Vec::new()) })
    }
}

/// It opens, and wraps nothing.
#[derive(Debug)]
struct Reading(KmsDiscoveryKeyring);

impl Keyring for Reading {
    fn wrap<'a>(&'a self, _: &'a mut EncryptionMaterials) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<UnwrappedDataKey, Vec<Attempt>>> {
        self.0.unwrap(request)
    }
}

/// Who may free a block with a secret: the fake service, and whose buffers requests and answers lie in on their way.
const OTHERS: [(&str, &str); 3] = [
    ("waxseal::testing::", "src/testing/"),
    ("bytes::", "/bytes-1."),
    ("aws_sdk_kms::protocol_serde::shape_encrypt_input", "/protocol_serde/shape_encrypt_input.rs"),
];
