//! Messages that other implementations wrote, through every way to decrypt.
//!
//! The vectors in `tests/vectors` and `tests/vectors_ecdh` belong to the project. If a larger set lies in
//! `../shared/vectors`, or where `WAXSEAL_VECTORS` says, it is run too.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use waxseal::{
    AesKey, CommitmentPolicy, ContentType, DecryptAt, EcPrivateKey, EcPublicKey, EncryptionContext,
    Error, LocalKeyring, LocalMultiKeyring, Malformed, Policy, PolicyError, RawAesKeyring,
    RawEcdhKeyring, RawRsaKeyring, RsaPadding, RsaPrivateKey, Stage,
};

mod vector_keyrings;
mod ways;

use ways::{AT_ONCE, STREAMS, at_random};

#[test]
fn own_vectors() {
    let counts = run(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors")));
    assert!(counts.opened >= 200 && counts.refused >= 150, "{counts:?}");
    assert!(counts.unsigned >= 2, "{counts:?}");
}

#[test]
fn ecdh_vectors() {
    let counts = run(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors_ecdh")));
    assert!(counts.opened == 18 && counts.refused == 5, "{counts:?}");
}

#[test]
fn shared_vectors() {
    let folder = std::env::var_os("WAXSEAL_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors"),
        PathBuf::from,
    );
    if !folder.join("manifest.json").exists() {
        println!("no vectors in {}", folder.display());
        return;
    }
    let counts = run(&folder);
    assert!(counts.opened > 0 && counts.refused > 0, "{counts:?}");
}

#[derive(Debug, Default)]
struct Counts {
    opened: usize,
    refused: usize,
    informational: usize,
    /// Only the signature is wrong, so that they open at random for those who give it up.
    unsigned: usize,
    /// They need a feature that is not on.
    skipped: usize,
}

#[derive(Deserialize)]
struct Manifest {
    cases: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Case {
    id: String,
    decrypt_keyring: Value,
    reproduced_encryption_context: Option<BTreeMap<String, String>>,
    max_encrypted_data_keys: Option<u16>,
    commitment_policy: String,
    ciphertext: PathBuf,
    expected: Expected,
    derived_from: Option<String>,
    plaintext: Option<PathBuf>,
    plaintext_sha256: Option<String>,
    frame_length: Option<usize>,
    frame_count: Option<usize>,
    signed: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Expected {
    result: String,
    kind: Option<Vec<String>>,
}

fn run(folder: &Path) -> Counts {
    let read = |name: &Path| fs::read(folder.join(name)).expect("a file of the vectors is missing");
    let manifest: Manifest =
        serde_json::from_slice(&read(Path::new("manifest.json"))).expect("manifest.json");
    let keys: Value = serde_json::from_slice(&read(Path::new("keys.json"))).expect("keys.json");
    let keys = &keys["keys"];
    let cases: Vec<Case> = manifest
        .cases
        .into_iter()
        .filter(|case| case["kind"] == "esdk")
        .map(|case| serde_json::from_value(case).expect("a case of the manifest"))
        .collect();
    let by_id: HashMap<&str, &Case> = cases.iter().map(|case| (case.id.as_str(), case)).collect();

    let mut counts = Counts::default();
    let mut failures = Vec::new();
    for case in &cases {
        if needs_testing(case) && !cfg!(feature = "testing") {
            counts.skipped += 1;
            continue;
        }
        let message = read(&case.ciphertext);
        let keyring = match keyring(&case.decrypt_keyring, keys) {
            Ok(keyring) => keyring,
            Err(error) => {
                failures.push(format!("{}: no keyring: {error}", case.id));
                continue;
            }
        };
        let mut policy = Policy::default().commitment(policy_of(&case.commitment_policy));
        if let Some(limit) = case.max_encrypted_data_keys {
            policy = policy.max_encrypted_data_keys(limit);
        }
        let context: EncryptionContext =
            case.reproduced_encryption_context.clone().unwrap_or_default().into_iter().collect();
        let parent = case.derived_from.as_deref().and_then(|id| by_id.get(id));
        let parent =
            parent.map(|parent| (*parent, read(parent.plaintext.as_ref().expect("parent"))));
        let mut ways = [AT_ONCE, STREAMS].concat();
        if let Some(verdict) = random_access_differs(case, &message, &*keyring, &policy, &context) {
            match verdict {
                Ok(true) => counts.unsigned += 1,
                Ok(false) => {}
                Err(why) => failures.push(format!("{} (at random): {why}", case.id)),
            }
        } else {
            ways.push(("at random", at_random));
        }
        for (way, decrypt) in ways {
            let (released, result) = decrypt(&message, &*keyring, &policy, &context);
            let verdict = match case.expected.result.as_str() {
                "success" => check_opened(case, &released, result),
                "error" => check_refused(case, parent.as_ref(), &released, result),
                "informational" => Ok(()),
                other => Err(format!("unknown expectation {other}")),
            };
            if let Err(why) = verdict {
                failures.push(format!("{} ({way}): {why}", case.id));
            }
        }
        match case.expected.result.as_str() {
            "success" => counts.opened += 1,
            "error" => counts.refused += 1,
            _ => counts.informational += 1,
        }
    }
    println!("{}: {counts:?}", folder.display());
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    counts
}

/// Whether AWS KMS has the key, for which `FakeKms` stands in.
fn needs_testing(case: &Case) -> bool {
    case.decrypt_keyring.to_string().contains("\"aws-kms\"")
}

fn check_opened(case: &Case, released: &[u8], result: Result<(), Error>) -> Result<(), String> {
    result.map_err(|error| format!("did not open: {error}"))?;
    let found = sha256(released);
    let expected = case.plaintext_sha256.as_deref().ok_or("no hash")?;
    if found != expected {
        return Err(format!("opened to other bytes: {found}"));
    }
    Ok(())
}

fn check_refused(
    case: &Case,
    parent: Option<&(&Case, Vec<u8>)>,
    released: &[u8],
    result: Result<(), Error>,
) -> Result<(), String> {
    let Err(error) = result else { return Err("opened, but must be refused".into()) };
    let kinds = case.expected.kind.as_deref().unwrap_or_default();
    if !kinds.iter().any(|kind| is_of_kind(&error, kind)) {
        return Err(format!("refused as {error:?}, not as {kinds:?}"));
    }
    if let Some((parent, plaintext)) = parent {
        if !plaintext.starts_with(released) {
            return Err("released what is not a prefix of the plaintext".into());
        }
        let frame_len = parent.frame_length.unwrap_or(0);
        let whole_frames = frame_len > 0 && released.len().is_multiple_of(frame_len);
        if !(whole_frames || released.is_empty() || released.len() == plaintext.len()) {
            return Err(format!("released {} bytes: a part of a frame", released.len()));
        }
        let regular = parent.frame_count.unwrap_or(1).saturating_sub(1).saturating_mul(frame_len);
        // Bytes after a message whose signature was verified change nothing about that message.
        let verified = matches!(&error, Error::InvalidMessage(invalid)
            if *invalid.reason() == Malformed::TrailingBytes);
        if parent.signed == Some(true) && released.len() > regular && !verified {
            return Err("released the final frame before the signature was verified".into());
        }
    }
    Ok(())
}

/// The variant that each class of the manifest has here.
fn is_of_kind(error: &Error, kind: &str) -> bool {
    match kind {
        "malformed"
        | "truncated"
        | "trailing_data"
        | "frame_sequence"
        | "unsupported_version"
        | "unsupported_suite"
        | "missing_public_key"
        | "unexpected_public_key" => {
            matches!(error, Error::InvalidMessage(_))
        }
        "footer" => {
            matches!(error, Error::InvalidMessage(_) | Error::Unauthentic(Stage::Signature))
        }
        "header_auth" => matches!(error, Error::Unauthentic(Stage::Header)),
        "commitment_mismatch" => matches!(error, Error::Unauthentic(Stage::Commitment)),
        "body_auth" => matches!(error, Error::Unauthentic(Stage::Frame(_) | Stage::Body)),
        "signature" => matches!(error, Error::Unauthentic(Stage::Signature)),
        "no_decryptable_edk" => matches!(error, Error::Keyring(_)),
        "ec_mismatch" | "commitment_policy" | "policy" | "too_many_edks" => {
            matches!(error, Error::Policy(_))
        }
        _ => false,
    }
}

fn policy_of(name: &str) -> CommitmentPolicy {
    let name = name.to_lowercase().replace('_', "-");
    name.parse().expect("a commitment policy of the manifest")
}

fn keyring(spec: &Value, keys: &Value) -> Result<Box<dyn LocalKeyring>, String> {
    if let Some(keyring) = vector_keyrings::keyring(spec, keys) {
        return Ok(keyring);
    }
    let text = |field: &str| spec[field].as_str().unwrap_or_default();
    let key = &keys[text("key")];
    let failed = |error: Error| error.to_string();
    Ok(match text("type") {
        "raw-aes" => {
            let bytes = unhex(key["material_hex"].as_str().unwrap_or_default());
            let key = AesKey::try_from(&bytes[..]).map_err(failed)?;
            Box::new(RawAesKeyring::new(text("namespace"), text("name"), key).map_err(failed)?)
        }
        "raw-rsa" => {
            let padding = match text("padding") {
                "pkcs1" => RsaPadding::Pkcs1,
                "oaep-sha1" => RsaPadding::OaepSha1,
                "oaep-sha256" => RsaPadding::OaepSha256,
                "oaep-sha384" => RsaPadding::OaepSha384,
                "oaep-sha512" => RsaPadding::OaepSha512,
                other => return Err(format!("padding {other}")),
            };
            // `public_only` describes the keyring that encrypted.
            let key =
                RsaPrivateKey::from_pem(key["private_pkcs8_pem"].as_str().unwrap_or_default());
            let key = key.map_err(failed)?;
            let (namespace, name) = (text("namespace"), text("name"));
            Box::new(RawRsaKeyring::private(namespace, name, padding, key).map_err(failed)?)
        }
        "raw-ecdh" => {
            let pem = |party, form| keys[text(party)][form].as_str().unwrap_or_default().to_owned();
            let private = |party| EcPrivateKey::from_pem(&pem(party, "private_pkcs8_pem"));
            let keyring = match text("schema") {
                "discovery" => {
                    RawEcdhKeyring::public_key_discovery(private("recipient").map_err(failed)?)
                }
                // Whoever decrypts may be either party.
                "static" => RawEcdhKeyring::raw_private_key_to_static_public_key(
                    private("sender").map_err(failed)?,
                    EcPublicKey::from_pem(&pem("recipient", "public_spki_pem")).map_err(failed)?,
                ),
                other => return Err(format!("schema {other}")),
            };
            Box::new(keyring.map_err(failed)?)
        }
        "multi" => {
            let children = spec["children"].as_array().cloned().unwrap_or_default();
            let all = spec["generator"].is_object().then(|| spec["generator"].clone());
            let mut all = all.into_iter().chain(children).map(|spec| keyring(&spec, keys));
            let first = all.next().ok_or("an empty multi-keyring")??;
            let mut multi = LocalMultiKeyring::without_generator(first);
            for child in all {
                multi = multi.child(child?);
            }
            Box::new(multi)
        }
        other => return Err(format!("type {other}")),
    })
}

/// What must hold where reading at random may not do as all other ways do; `None` if it must do the same.
///
/// There are two such messages. One without frames is refused. One of which only the signature is wrong opens, as nobody
/// verifies that here; but only if the caller gave it up, and only to what the frames hold. Whatever else is wrong must
/// be found. Gives whether that was so.
fn random_access_differs(
    case: &Case,
    message: &[u8],
    keyring: &dyn LocalKeyring,
    policy: &Policy,
    context: &EncryptionContext,
) -> Option<Result<bool, String>> {
    let header = waxseal::inspect(message).ok()?;
    let strictly = DecryptAt::open_with(message, policy.clone())
        .and_then(|locked| locked.unlock(keyring).require(context).now());
    if header.parsed().suite().signs() && strictly.is_ok() {
        return Some(Err("a signed message opened unasked".into()));
    }
    let (whole, result) = at_random(message, keyring, policy, context);
    if header.parsed().content_type() == ContentType::Unframed {
        let refused = matches!(result, Err(Error::Policy(PolicyError::RangeOfUnframedMessage)));
        let good = if case.expected.result == "success" { refused } else { result.is_err() };
        return Some(if good { Ok(false) } else { Err(format!("not refused, but {result:?}")) });
    }
    let (_, stream) = STREAMS[0];
    let (released, streamed) = stream(message, keyring, policy, context);
    if !matches!(streamed, Err(Error::Unauthentic(Stage::Signature))) {
        return None;
    }
    let frame_len = match header.parsed().content_type() {
        ContentType::Framed { frame_len } => usize::try_from(frame_len).expect("it is short"),
        _ => 0,
    };
    let kinds = case.expected.kind.as_deref().unwrap_or_default();
    let is_footer_wrong = kinds.iter().any(|kind| kind == "footer");
    // The stream holds the final frame back.
    let same = whole.starts_with(&released) && whole.len() - released.len() <= frame_len;
    Some(match result {
        Ok(()) if same => Ok(true),
        Ok(()) => Err("opened to other bytes than the stream released".into()),
        // A footer that does not fill the message to its end hides where the final frame is.
        Err(Error::InvalidMessage(_)) if is_footer_wrong => Ok(false),
        Err(error) => Err(format!("did not open: {error}")),
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("hex"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
