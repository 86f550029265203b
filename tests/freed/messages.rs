//! Whole messages in memory: with every suite, into the caller's buffer, on several threads, of values.

use std::num::NonZeroUsize;

use waxseal::{AlgorithmSuite, CommitmentPolicy, Encrypted, Error, Policy};

use crate::keyrings::{SIGNED, Telling, UNSIGNED, data_key_of};
use crate::secrets::{Plaintext, Secrets, freed_by, random};

/// A wrapping key, a plaintext, and a message of it that `encrypt` made.
struct Scene {
    keyring: Telling,
    plaintext: Plaintext,
    secrets: Secrets,
}

impl Scene {
    fn new(len: usize) -> Self {
        let key = random(32);
        let plaintext = Plaintext::new(len);
        let mut secrets = Secrets::new();
        secrets.add_with_forms("wrapping key", &key);
        plaintext.add_to(&mut secrets);
        Self { keyring: Telling::new(&key), plaintext, secrets }
    }

    fn add(&mut self, message: &Encrypted) {
        let data_key = data_key_of(&self.keyring, message.header());
        self.secrets.add_derived(&data_key, message.header());
        // Also those of messages that nobody got.
        self.keyring.add_to(&mut self.secrets);
    }
}

#[test]
fn every_suite() {
    for suite in AlgorithmSuite::ALL {
        let mut scene = Scene::new(9_000);
        let policy = Policy::default().commitment(CommitmentPolicy::ForbidEncryptAllowDecrypt);
        let policy = if suite.commits() { Policy::default() } else { policy };
        let mut message = None;
        let freed = freed_by(|| {
            let Scene { keyring, plaintext, .. } = &scene;
            let encrypt = waxseal::encrypt(&plaintext.bytes, keyring).policy(policy.clone());
            let made = encrypt.suite(suite).now().unwrap();
            let decrypt = waxseal::decrypt(&made, keyring).policy(policy.clone());
            std::mem::forget(decrypt.now().unwrap());
            if !suite.commits() {
                waxseal::decrypt(&made, keyring).now().unwrap_err();
            }
            for at in
                [made.len() - 1, made.len() / 2, usize::try_from(made.header().len()).unwrap() - 1]
            {
                let mut changed = made.to_vec();
                changed[at] ^= 1;
                waxseal::decrypt(&changed, keyring).policy(policy.clone()).now().unwrap_err();
            }
            message = Some(made);
        });
        scene.add(&message.unwrap());
        scene.secrets.assert_not_in(&freed);
    }
}

/// More than one thread has something to do, and each finds the frame that does not open.
#[test]
fn several_threads() {
    let threads = NonZeroUsize::new(3).unwrap();
    for suite in [UNSIGNED, SIGNED] {
        let mut scene = Scene::new(4 << 20);
        let mut message = None;
        let freed = freed_by(|| {
            let Scene { keyring, plaintext, .. } = &scene;
            let encrypt = waxseal::encrypt(&plaintext.bytes, keyring).threads(threads);
            let made = encrypt.suite(suite).now().unwrap();
            let decrypt = waxseal::decrypt(&made, keyring).threads(threads);
            std::mem::forget(decrypt.now().unwrap());
            let mut changed = made.to_vec();
            changed[3 << 20] ^= 1;
            waxseal::decrypt(&changed, keyring).threads(threads).now().unwrap_err();
            message = Some(made);
        });
        scene.add(&message.unwrap());
        scene.secrets.assert_not_in(&freed);
    }
}

/// What `decrypt` had opened before the failure is neither in its own buffer nor in the caller's.
#[test]
fn a_buffer_holds_nothing_after_a_failed_decryption() {
    for suite in [UNSIGNED, SIGNED] {
        let mut scene = Scene::new(20_000);
        let Scene { keyring, plaintext, .. } = &scene;
        let message = waxseal::encrypt(&plaintext.bytes, keyring).suite(suite).now().unwrap();
        let freed = freed_by(|| {
            let mut changed = message.to_vec();
            *changed.last_mut().unwrap() ^= 1;
            waxseal::decrypt(&changed, keyring).now().unwrap_err();
            let mut buffer = vec![7; 20_000];
            waxseal::decrypt(&changed, keyring).into_buffer(&mut buffer).now().unwrap_err();
            assert_eq!(buffer, vec![0; 20_000]);
        });
        scene.add(&message);
        scene.secrets.assert_not_in(&freed);
    }
}

#[test]
fn a_buffer_that_is_too_short_is_not_written_to() {
    let mut scene = Scene::new(20_000);
    let Scene { keyring, plaintext, .. } = &scene;
    let message = waxseal::encrypt(&plaintext.bytes, keyring).now().unwrap();
    let freed = freed_by(|| {
        let mut buffer = vec![7; 19_999];
        let decrypt = waxseal::decrypt(&message, keyring).into_buffer(&mut buffer);
        assert!(matches!(decrypt.now(), Err(Error::ApiMisuse(_))));
        let encrypt = waxseal::encrypt(&plaintext.bytes, keyring).into_buffer(&mut buffer);
        assert!(matches!(encrypt.now(), Err(Error::ApiMisuse(_))));
        assert_eq!(buffer, vec![7; 19_999]);
    });
    scene.add(&message);
    scene.secrets.assert_not_in(&freed);
}

#[test]
fn values_of_serde() {
    let mut scene = Scene::new(3_000);
    let Scene { keyring, plaintext, .. } = &scene;
    let text = waxseal_text(&plaintext.bytes);
    let value = [&*text, "and another"];
    let mut message = None;
    let freed = freed_by(|| {
        let made = waxseal::encrypt_value(&value, keyring).now().unwrap();
        // Cut, and of another type: the first fails before there is a value, the second while it is read.
        waxseal::decrypt_value::<u8, _, _>(&made, keyring).now().unwrap_err();
        waxseal::decrypt_value::<u8, _, _>(&made[..made.len() - 1], keyring).now().unwrap_err();
        waxseal::encrypt_value(&(&value, Unwritable), keyring).now().unwrap_err();
        drop(waxseal::encrypt_value(&value, keyring));
        let ignored: serde::de::IgnoredAny = waxseal::decrypt_value(&made, keyring).now().unwrap();
        let _ = ignored;
        message = Some(made);
    });
    scene.add(&message.unwrap());
    let text = text.into_bytes();
    scene.secrets.add("text", &text[..64]);
    scene.secrets.assert_not_in(&freed);
}

/// Text of the same length, without being all the same.
fn waxseal_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

/// It fails when what stands before it was written.
struct Unwritable;

impl serde::Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no"))
    }
}
