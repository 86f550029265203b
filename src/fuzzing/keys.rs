//! Key material, as a user or a message gives it.

use std::sync::OnceLock;

use base64ct::{Base64, Encoding};

use super::choices::Choices;
use super::fixed::FixedKey;
use crate::context::EncryptionContext;
use crate::crypto::RsaPadding;
use crate::error::{ApiMisuse, Error};
use crate::keyring::{
    AesKey, EcPrivateKey, EcPublicKey, LocalKeyring, RawAesKeyring, RawEcdhKeyring, RawRsaKeyring,
    RsaPrivateKey, RsaPublicKey,
};
use crate::materials::{EncryptionMaterials, EncryptionRequest, UnwrapRequest};
use crate::message::EncryptedDataKey;
use crate::policy::Policy;
use crate::secret::DataKey;
use crate::suite::AlgorithmSuite;

/// PEM and DER of all kinds, encrypted data keys of all raw keyrings, and ARNs: arbitrary ones, and edits of good ones. What
/// is a key survives being written; what is none is refused without a word of it; and no keyring unwraps what it did not
/// wrap.
pub fn keys(data: &[u8]) {
    let mut choices = Choices::new(data);
    match choices.below(8) {
        0 => text(&String::from_utf8_lossy(choices.rest())),
        1 => {
            let mut pem = GOOD[choices.below(GOOD.len())].as_bytes().to_vec();
            choices.edit(&mut pem, 3);
            text(&String::from_utf8_lossy(&pem));
        }
        2 | 3 => edited_der(choices),
        4 => lengths(choices.rest()),
        #[cfg(feature = "kms")]
        5 => arn(&String::from_utf8_lossy(choices.rest())),
        _ => encrypted_data_keys(choices),
    }
}

/// A text that may be any kind of key, and is at most one.
fn text(pem: &str) {
    let mut kinds = 0;
    kinds += usize::from(survives(pem, RsaPublicKey::from_pem, |key| key.to_pem()));
    kinds += usize::from(survives(pem, EcPublicKey::from_pem, |key| key.to_pem()));
    kinds += usize::from(survives(pem, RsaPrivateKey::from_pem, |key| {
        key.to_pem().map(|text| text.expose().to_owned())
    }));
    kinds += usize::from(survives(pem, EcPrivateKey::from_pem, |key| {
        key.to_pem().map(|text| text.expose().to_owned())
    }));
    assert!(kinds <= 1, "{pem}");
}

fn survives<K>(
    pem: &str,
    read: impl Fn(&str) -> Result<K, Error>,
    write: impl Fn(&K) -> Result<String, Error>,
) -> bool {
    match read(pem) {
        Ok(key) => {
            let written = write(&key).expect("it was read");
            let again = read(&written).expect("it was written");
            assert_eq!(write(&again).expect("it was read"), written);
            true
        }
        Err(error) => {
            let Error::ApiMisuse(ApiMisuse::Key(said)) = &error else { panic!("{error:?}") };
            // A label is told, and a label is short. Of what is between the labels, nothing is.
            assert!(said.len() < 300, "{said}");
            let is_label = |piece: &&str| piece.starts_with("BEGIN ") || piece.starts_with("END ");
            let inner = pem.split("-----").filter(|piece| !is_label(piece));
            let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
            let runs = inner.flat_map(|piece| piece.split(|c| !is_base64(c)));
            for run in runs.filter(|run| run.len() > 20) {
                assert!(!said.contains(run), "{said}");
            }
            false
        }
    }
}

/// Good DER with a few bytes changed, or any bytes, under any label.
fn edited_der(mut choices: Choices<'_>) {
    let base = GOOD[choices.below(GOOD.len())];
    let (own, mut der) = block(base);
    let label = match choices.below(4) {
        0 => LABELS[choices.below(LABELS.len())],
        _ => own,
    };
    if choices.below(4) == 0 {
        der = choices.rest().to_vec();
    } else {
        choices.edit(&mut der, 3);
    }
    if let Ok(key) = EcPublicKey::from_der(&der) {
        let written = key.to_der().expect("it was read");
        let again = EcPublicKey::from_der(&written).expect("it was written");
        assert_eq!(again.to_der().expect("it was read"), written);
    }
    let body = Base64::encode_string(&der);
    let lines: Vec<_> = body.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    text(&format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")));
}

/// What says how long it is by being so long.
fn lengths(bytes: &[u8]) {
    let is_aes = matches!(bytes.len(), 16 | 24 | 32);
    assert_eq!(AesKey::try_from(bytes).is_ok(), is_aes);
    assert_eq!(DataKey::try_from(bytes).is_ok(), is_aes);
}

#[cfg(feature = "kms")]
fn arn(text: &str) {
    use crate::keyring::kms::KmsArn;

    if let Ok(arn) = text.parse::<KmsArn>() {
        assert_eq!(arn.to_string(), text);
        assert!(arn.matches(&arn));
        assert!(![arn.partition(), arn.region(), arn.account(), arn.id()].contains(&""));
        assert!(!(arn.is_alias() && arn.is_multi_region()));
    }
}

/// Encrypted data keys, changed, mixed and made up, to every keyring.
fn encrypted_data_keys(mut choices: Choices<'_>) {
    let Wrapped { keyrings, encrypted_data_keys } = wrapped();
    let mut offered = Vec::new();
    for _ in 0..choices.below(4) + 1 {
        let mut parts: [Vec<u8>; 3] = Default::default();
        for (n, part) in parts.iter_mut().enumerate() {
            // Parts of one, or of several.
            let edk = &encrypted_data_keys[choices.below(encrypted_data_keys.len())];
            *part = [edk.provider_id(), edk.provider_info(), edk.ciphertext()][n].to_vec();
        }
        let mut edk = encrypted_data_keys[choices.below(encrypted_data_keys.len())].clone();
        match choices.below(4) {
            0 => {
                let [id, info, ciphertext] = parts;
                edk = EncryptedDataKey::new(id, info, ciphertext);
            }
            1 => {
                let mut info = edk.provider_info().to_vec();
                choices.edit(&mut info, 2);
                edk = EncryptedDataKey::new(edk.provider_id(), info, edk.ciphertext());
            }
            2 => {
                let mut ciphertext = edk.ciphertext().to_vec();
                choices.edit(&mut ciphertext, 2);
                edk = EncryptedDataKey::new(edk.provider_id(), edk.provider_info(), ciphertext);
            }
            _ => {}
        }
        let _ = (edk.to_string(), edk.key_name());
        offered.push(edk);
    }
    let mut context = context();
    if choices.below(4) == 0 {
        context.insert("a", "c");
    }
    let suite = if choices.below(4) == 0 { OTHER_SUITE } else { SUITE };
    let keyring = &keyrings[choices.below(keyrings.len())];
    match keyring.unwrap_now(&UnwrapRequest::new(suite, &context, &offered)) {
        Ok(unwrapped) => {
            assert_eq!(unwrapped.key().expose(), FixedKey::data_key(suite).expose());
            assert!(encrypted_data_keys.contains(&offered[unwrapped.index()]));
        }
        Err(attempts) => assert!(attempts.len() <= offered.len()),
    }
}

struct Wrapped {
    keyrings: Vec<Box<dyn LocalKeyring>>,
    encrypted_data_keys: Vec<EncryptedDataKey>,
}

/// One data key, wrapped by each keyring: the same for as long as this process lives.
fn wrapped() -> &'static Wrapped {
    static WRAPPED: OnceLock<Wrapped> = OnceLock::new();
    WRAPPED.get_or_init(|| {
        let rsa = || RsaPrivateKey::from_pem(GOOD[0]).expect("it is good");
        let ec = |pem| EcPrivateKey::from_pem(pem).expect("it is good");
        let public = |key: &EcPrivateKey| key.public_key().expect("it has one");
        let rsa_keyring = |padding| {
            let public = rsa().public_key().expect("it has one");
            RawRsaKeyring::key_pair("fuzzing", "rsa", padding, public, rsa())
        };
        let peer = ec(PEER);
        let keyrings: [Result<Box<dyn LocalKeyring>, Error>; 6] = [
            RawAesKeyring::new("fuzzing", "aes", AesKey::from([7; 32])).map(boxed),
            RawAesKeyring::new("fuzzing", "short", AesKey::from([7; 16])).map(boxed),
            rsa_keyring(RsaPadding::OaepSha256).map(boxed),
            RawEcdhKeyring::raw_private_key_to_static_public_key(ec(GOOD[7]), public(&peer))
                .map(boxed),
            Ok(boxed(RawEcdhKeyring::ephemeral_private_key_to_static_public_key(public(&peer)))),
            RawEcdhKeyring::public_key_discovery(peer).map(boxed),
        ];
        let keyrings = keyrings.map(|keyring| keyring.expect("all is good")).into_iter();
        let keyrings: Vec<_> = keyrings.collect();
        let encrypted_data_keys = keyrings.iter().take(5).flat_map(|keyring| {
            let request = EncryptionRequest {
                context: context(),
                required_context_keys: Default::default(),
                suite: Some(SUITE),
                policy: Policy::default(),
                max_plaintext_len: None,
            };
            let mut materials = EncryptionMaterials::new(request).expect("all is allowed");
            materials.set_data_key(FixedKey::data_key(SUITE)).expect("it has none");
            keyring.wrap_now(&mut materials).expect("it can wrap");
            materials.encrypted_data_keys().to_vec()
        });
        let encrypted_data_keys = encrypted_data_keys.collect();
        Wrapped { keyrings, encrypted_data_keys }
    })
}

fn boxed(keyring: impl LocalKeyring + 'static) -> Box<dyn LocalKeyring> {
    Box::new(keyring)
}

fn context() -> EncryptionContext {
    EncryptionContext::from([("a", "b")])
}

/// Label and content of the last block: before a key, the name of its curve may have one of its own.
fn block(pem: &str) -> (&str, Vec<u8>) {
    let (_, last) = pem.rsplit_once("-----BEGIN ").expect("it is PEM");
    let (label, rest) = last.split_once("-----").expect("it is PEM");
    let base64: String = rest.lines().take_while(|line| !line.starts_with('-')).collect();
    (label, Base64::decode_vec(&base64).expect("it is PEM"))
}

const SUITE: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
/// Its data keys have another length.
const OTHER_SUITE: AlgorithmSuite = AlgorithmSuite::Aes128GcmIv12Tag16HkdfSha256;
const GOOD: [&str; 14] = [
    include_str!("../crypto/tests/data/rsa2048.pkcs8.pem"),
    include_str!("../crypto/tests/data/rsa2048.pkcs1.pem"),
    include_str!("../crypto/tests/data/rsa2048.pkcs1pub.pem"),
    include_str!("../crypto/tests/data/rsa2048.spki.pem"),
    include_str!("../crypto/tests/data/rsa2048.encrypted.pem"),
    include_str!("../crypto/tests/data/rsa2048.cert.pem"),
    include_str!("../crypto/tests/data/p256.sec1.pem"),
    include_str!("../crypto/tests/data/p256.pkcs8.pem"),
    include_str!("../crypto/tests/data/p256.spki.pem"),
    include_str!("../crypto/tests/data/p256.compressed.spki.pem"),
    include_str!("../crypto/tests/data/p256.explicit.pkcs8.pem"),
    include_str!("../crypto/tests/data/p521.pkcs8.pem"),
    include_str!("../crypto/tests/data/secp256k1.pkcs8.pem"),
    include_str!("../crypto/tests/data/ed25519.pkcs8.pem"),
];
/// On the same curve as the key above. Made with `openssl genpkey`, for this and for nothing else.
const PEER: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgfUeSP9IAaxVsu+fH
Uti1xcIQTsbqtyTJfWqeaExZyKWhRANCAARMNwcvvOdV4+sgpBgAJzVVHfixQfLT
z2kI6Ne534kr2DB52dJbHGYSW3W4qFoEnONHRII4VzGZKQn/G2wnVAyf
-----END PRIVATE KEY-----
";
const LABELS: [&str; 8] = [
    "PRIVATE KEY",
    "PUBLIC KEY",
    "RSA PRIVATE KEY",
    "RSA PUBLIC KEY",
    "EC PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "CERTIFICATE",
    "",
];
