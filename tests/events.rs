//! What the feature `tracing` tells of each use of a wrapping key, and what it never tells.
#![cfg(feature = "tracing")]
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use waxseal::{
    AesKey, CachingManager, EcPrivateKey, EcdhCurve, LocalKeyring, LocalMultiKeyring,
    MaterialsCache, RawAesKeyring, RawEcdhKeyring, RawRsaKeyring, RsaPadding, RsaPrivateKey,
    UnwrapRequest,
};

#[derive(Debug, Clone)]
struct Told {
    level: Level,
    target: String,
    fields: BTreeMap<&'static str, String>,
}

impl Told {
    /// Operation, provider, key and outcome, and that it took some time.
    fn what(&self) -> [&str; 4] {
        assert_eq!(self.target, "waxseal");
        assert!(self.fields["duration_us"].parse::<u64>().is_ok(), "{self:?}");
        ["operation", "provider", "key", "outcome"].map(|field| &*self.fields[field])
    }
}

#[derive(Debug, Clone, Default)]
struct Listener(Arc<Mutex<Vec<Told>>>);

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("waxseal")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let (level, target) = (*metadata.level(), metadata.target().to_owned());
        self.0.lock().unwrap().push(Told { level, target, fields: fields.0 });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

/// Everything that was told meanwhile.
fn listen(act: impl FnOnce()) -> Vec<Told> {
    let listener = Listener::default();
    tracing::subscriber::with_default(listener.clone(), act);
    let told = listener.0.lock().unwrap();
    told.clone()
}

const KEY: [u8; 32] = *b"0123456789abcdef0123456789ABCDEF";

fn aes(name: &str, key: [u8; 32]) -> RawAesKeyring {
    RawAesKeyring::new("my-app", name, AesKey::from(key)).unwrap()
}

fn rsa(name: &str) -> RawRsaKeyring {
    let private = RsaPrivateKey::generate(2048).unwrap();
    let public = private.public_key().unwrap();
    RawRsaKeyring::key_pair("my-app", name, RsaPadding::OaepSha256, public, private).unwrap()
}

#[test]
fn each_use_of_a_wrapping_key_is_told() {
    let rsa = Arc::new(rsa("backup"));
    let both = LocalMultiKeyring::generator(aes("key-2026", KEY)).child(Arc::clone(&rsa));
    let told = listen(|| {
        let message = waxseal::encrypt(b"attack at dawn", &both).now().unwrap();
        waxseal::decrypt(&message, &both).now().unwrap();
        waxseal::decrypt(&message, &rsa).now().unwrap();
    });
    let what: Vec<_> = told.iter().map(Told::what).collect();
    assert_eq!(
        what,
        [
            ["generate", "my-app", "key-2026", "ok"],
            ["wrap", "my-app", "backup", "ok"],
            ["unwrap", "my-app", "key-2026", "ok"],
            ["unwrap", "my-app", "backup", "ok"],
        ]
    );
    assert!(told.iter().all(|told| told.level == Level::DEBUG), "{told:?}");
    assert_eq!(told[2].fields["attempt"], "1");
}

/// Both name the two public keys, as the message does.
#[test]
fn each_use_of_an_ecdh_key_is_told() {
    let recipient = EcPrivateKey::generate(EcdhCurve::P256).unwrap();
    let writer =
        RawEcdhKeyring::ephemeral_private_key_to_static_public_key(recipient.public_key().unwrap());
    let reader = RawEcdhKeyring::public_key_discovery(recipient).unwrap();
    let second = LocalMultiKeyring::generator(aes("key-2026", KEY)).child(writer);
    let told = listen(|| {
        let message = waxseal::encrypt(b"attack at dawn", &second).now().unwrap();
        waxseal::decrypt(&message, &reader).now().unwrap();
        waxseal::encrypt(b"x", &reader).now().unwrap_err();
    });
    let key = &*told[1].fields["key"];
    assert!(key.starts_with("0x0100000021"), "{key}");
    let what: Vec<_> = told.iter().map(Told::what).collect();
    assert_eq!(what[1], ["wrap", "raw-ecdh", key, "ok"]);
    assert_eq!(what[2], ["unwrap", "raw-ecdh", key, "ok"]);
    assert_eq!(what[3][..2], ["generate", "raw-ecdh"]);
    assert_eq!(what[3][3], "keyring");
    assert_eq!(told.len(), 4, "{told:?}");
}

#[test]
fn each_failure_is_told_and_attempts_are_counted() {
    let namesakes = LocalMultiKeyring::generator(aes("key", KEY)).child(aes("key", [8; 32]));
    let stranger = aes("key", [9; 32]);
    let told = listen(|| {
        let message = waxseal::encrypt(b"x", &namesakes).now().unwrap();
        waxseal::decrypt(&message, &stranger).now().unwrap_err();
    });
    let failed: Vec<_> = told.iter().filter(|told| told.level == Level::WARN).collect();
    assert_eq!(failed.len(), 2, "{told:?}");
    for (told, attempt) in failed.iter().zip(["1", "2"]) {
        assert_eq!(told.what(), ["unwrap", "my-app", "key", "unauthentic"]);
        assert_eq!(told.fields["attempt"], attempt);
    }

    let private = RsaPrivateKey::generate(2048).unwrap();
    let reader = RawRsaKeyring::private("my-app", "r", RsaPadding::OaepSha256, private).unwrap();
    let told = listen(|| drop(waxseal::encrypt(b"x", &reader).now().unwrap_err()));
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].what(), ["generate", "my-app", "r", "keyring"]);
    assert_eq!(told[0].level, Level::WARN);
}

/// An alias is told as the key that it stood for, where AWS KMS said which.
#[cfg(all(feature = "s3-format", feature = "testing"))]
#[test]
fn data_keys_of_objects_are_told() {
    use waxseal::kms::KmsKeyring;
    use waxseal::testing::{FakeKms, KeySpec};

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let kms = FakeKms::new();
    let arn = kms.create_key("eu-west-1", KeySpec::Symmetric).unwrap();
    kms.create_alias("eu-west-1", "alias/x", &arn).unwrap();
    let keyring = KmsKeyring::new(kms.client("eu-west-1"), "alias/x").unwrap();
    let told = listen(|| {
        runtime.block_on(async {
            drop(waxseal::s3::prepare(&keyring).await.unwrap());
            kms.disable(&arn).unwrap();
            waxseal::s3::prepare(&keyring).await.unwrap_err();
        });
    });
    let what: Vec<_> = told.iter().map(Told::what).collect();
    assert_eq!(
        what,
        [["generate", "aws-kms", &arn, "ok"], ["generate", "aws-kms", "alias/x", "disabled"]]
    );
}

/// One event for each record that CloudTrail has, and one for each wrapping that it does not see.
#[cfg(feature = "testing")]
#[test]
fn calls_to_aws_kms_are_told() {
    use waxseal::kms::{KmsDiscoveryKeyring, KmsEcdhKeyring, KmsKeyring, KmsRsaKeyring};
    use waxseal::testing::{FakeKms, KeySpec, NewKey, Operation};
    use waxseal::{AlgorithmSuite, EcPrivateKey, EcdhCurve, MultiKeyring};

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let kms = FakeKms::new();
    let client = kms.client("eu-west-1");
    let multi_region = NewKey::new(KeySpec::Symmetric).multi_region();
    let primary = kms.create_key("us-east-1", multi_region).unwrap();
    let replica = kms.replicate(&primary, "eu-west-1").unwrap();
    let [rsa, curve] =
        [KeySpec::Rsa2048, KeySpec::EccP256].map(|spec| kms.create_key("eu-west-1", spec).unwrap());
    kms.create_alias("eu-west-1", "alias/x", &replica).unwrap();
    let public = KmsRsaKeyring::fetch_public_key(&client, &rsa, &[]);
    let public = runtime.block_on(public).unwrap();
    let rsa_keyring = KmsRsaKeyring::new(client.clone(), &rsa, RsaPadding::OaepSha256).unwrap();
    let own = runtime.block_on(KmsEcdhKeyring::fetch_public_key(&client, &curve, &[])).unwrap();
    let peer = EcPrivateKey::generate(EcdhCurve::P256).unwrap().public_key().unwrap();
    let ecdh =
        KmsEcdhKeyring::kms_private_key_to_static_public_key(client.clone(), &curve, own, peer);
    let all = MultiKeyring::generator(KmsKeyring::new(client.clone(), "alias/x").unwrap())
        .child(rsa_keyring.public_key(public))
        .child(ecdh.unwrap())
        .child(KmsKeyring::new(kms.client("us-east-1"), &primary).unwrap());
    let discovery = KmsDiscoveryKeyring::mrk_aware(client).unwrap();

    let told = listen(|| {
        runtime.block_on(async {
            let message = waxseal::encrypt(b"x", &all)
                .suite(AlgorithmSuite::Aes256GcmHkdfSha512CommitKey)
                .await
                .unwrap();
            waxseal::decrypt(&message, &discovery).await.unwrap();
            kms.deny(&replica, Operation::Decrypt).unwrap();
            waxseal::decrypt(&message, &discovery).await.unwrap_err();
            kms.disable(&replica).unwrap();
            waxseal::encrypt(b"x", &all).await.unwrap_err();
        });
    });
    let what: Vec<_> = told.iter().map(Told::what).collect();
    assert_eq!(
        what,
        [
            // The alias is told as the key that it stood for.
            ["generate", "aws-kms", &replica, "ok"],
            ["wrap", "aws-kms-rsa", &rsa, "ok"],
            ["wrap", "aws-kms-ecdh", &curve, "ok"],
            ["wrap", "aws-kms", &primary, "ok"],
            ["unwrap", "aws-kms", &replica, "ok"],
            // Both name replicas of one key, and the one here was asked twice.
            ["unwrap", "aws-kms", &replica, "access denied"],
            ["unwrap", "aws-kms", &replica, "access denied"],
            ["generate", "aws-kms", "alias/x", "disabled"],
        ]
    );
}

#[test]
fn what_a_cache_had_is_told_as_such() {
    let cache = MaterialsCache::new(10).unwrap();
    let age = std::time::Duration::from_secs(60);
    let manager = CachingManager::new(aes("key", KEY), &cache, age).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let told = listen(|| {
        runtime.block_on(async {
            waxseal::encrypt(b"x", &manager).await.unwrap();
            let message = waxseal::encrypt(b"x", &manager).await.unwrap();
            waxseal::decrypt(&message, &manager).await.unwrap();
            waxseal::decrypt(&message, &manager).await.unwrap();
        });
    });
    let field = |told: &Told, name| told.fields.get(name).cloned().unwrap_or_default();
    let what: Vec<_> = told
        .iter()
        .map(|told| ["operation", "key", "outcome", "purpose"].map(|name| field(told, name)))
        .collect();
    assert_eq!(
        what,
        [
            ["generate", "key", "ok", ""],
            ["reuse", "key", "ok", "encrypt"],
            ["unwrap", "key", "ok", ""],
            ["reuse", "key", "ok", "decrypt"],
        ]
    );
}

/// What is not this keyring's own costs nothing, and is not told.
#[test]
fn what_was_not_tried_is_not_told() {
    let message = waxseal::encrypt(b"x", &aes("a", KEY)).now().unwrap();
    let told = listen(|| drop(waxseal::decrypt(&message, &aes("b", KEY)).now().unwrap_err()));
    assert!(told.is_empty(), "{told:?}");
}

/// Names from a message are an attacker's text.
#[test]
fn names_are_escaped_and_cut() {
    let name = format!("\x1b[2J{}", "x".repeat(1000));
    let told = listen(|| drop(waxseal::encrypt(b"x", &aes(&name, KEY)).now().unwrap()));
    let key = &told[0].fields["key"];
    assert!(key.starts_with("\\u{1b}[2J") && key.len() < 300, "{key}");
}

#[test]
fn nothing_secret_is_told() {
    let wrapper = aes("key", KEY);
    let plaintext = b"the plaintext, which is long enough to be found";
    let mut secrets = vec![KEY.to_vec(), plaintext.to_vec(), b"value of the pair".to_vec()];
    let told = listen(|| {
        let encrypt = waxseal::encrypt(plaintext, &wrapper);
        let message = encrypt.context([("pair", "value of the pair")]).now().unwrap();
        let header = message.header();
        let request =
            UnwrapRequest::new(header.suite(), header.context(), header.encrypted_data_keys());
        secrets.push(wrapper.unwrap_now(&request).unwrap().key().expose().to_vec());
        waxseal::decrypt(&message, &wrapper).now().unwrap();
        waxseal::decrypt(&message, &aes("key", [9; 32])).now().unwrap_err();
    });
    assert_eq!(told.len(), 4, "{told:?}");
    let text = format!("{told:?} {told:#?}").to_lowercase();
    for secret in secrets {
        // A piece of it would be as bad.
        for piece in secret.chunks_exact(8) {
            let list: Vec<_> = piece.iter().map(u8::to_string).collect();
            let raw = String::from_utf8_lossy(piece).to_lowercase();
            for form in [raw, hex(piece), list.join(", "), base64(&piece[..6])] {
                assert!(!text.contains(&form.to_lowercase()), "{form} in {text}");
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Of whole groups of three bytes.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = bytes.chunks_exact(3).flat_map(|group| {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(LETTERS[bits >> shift & 63]))
    });
    groups.collect()
}

#[test]
fn the_search_for_secrets_finds_them() {
    assert_eq!(base64(b"foobar"), "Zm9vYmFy");
    assert_eq!(hex(b"\x00\xff"), "00ff");
}
