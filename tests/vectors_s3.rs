//! Objects that other S3 encryption clients wrote.
//!
//! Some lie in `vectors_s3`; many more in `../shared/vectors`, or where `WAXSEAL_VECTORS` says.

#![cfg(all(feature = "s3-format", feature = "testing"))]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use waxseal::kms::{KmsArn, KmsKeyring};
use waxseal::s3::{
    AesKeyring, ByteRange, ContentMetadata, Metadata, Open, Policy, RsaKeyring, S3Keyring, open,
    unwrap_data_key,
};
use waxseal::testing::{FakeKms, KeySpec, NewKey};
use waxseal::{
    AesKey, ApiMisuse, CommitmentPolicy, DataKey, EncryptionContext, Error, KeyringError,
    PolicyError, RsaPrivateKey, Stage,
};

#[tokio::test]
async fn objects_of_other_clients_open_or_are_refused() {
    let counts = run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors_s3")).await;
    assert_eq!((counts.opened, counts.refused), (37, 20));
}

#[tokio::test]
async fn shared_vectors() {
    let folder = std::env::var_os("WAXSEAL_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors"),
        PathBuf::from,
    );
    if !folder.join("manifest.json").exists() {
        println!("no vectors in {}", folder.display());
        return;
    }
    let counts = run(&folder).await;
    assert!(counts.opened >= 99 && counts.refused >= 110, "{counts:?}");
}

#[derive(Debug, Default)]
struct Counts {
    /// Data key and content came out as they should.
    opened: usize,
    /// Refused as they should be.
    refused: usize,
}

#[derive(Deserialize)]
struct Manifest {
    cases: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Case {
    id: String,
    config: Config,
    keyring: Value,
    request_encryption_context: BTreeMap<String, String>,
    object: Stored,
    instruction_file: Option<Stored>,
    expected: Expected,
    plaintext_data_key_hex: Option<String>,
    content_suite: Option<String>,
    wrap_algorithm: Option<String>,
    format_version: Option<String>,
    stored_context: Option<BTreeMap<String, String>>,
    plaintext: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Config {
    commitment_policy: String,
    enable_legacy_wrapping_algorithms: bool,
    enable_legacy_unauthenticated_modes: bool,
}

#[derive(Debug, Deserialize)]
struct Stored {
    key: String,
    body: PathBuf,
    metadata: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Expected {
    result: String,
    kind: Option<Vec<String>>,
}

async fn run(folder: &Path) -> Counts {
    let read = |name: &Path| fs::read(folder.join(name)).expect("a file of the vectors is missing");
    let manifest: Manifest =
        serde_json::from_slice(&read(Path::new("manifest.json"))).expect("manifest.json");
    let keys: Value = serde_json::from_slice(&read(Path::new("keys.json"))).expect("keys.json");
    let cases = manifest.cases.into_iter().filter(|case| case["kind"] == "s3");
    let cases: Vec<Case> =
        cases.map(|case| serde_json::from_value(case).expect("a case of the manifest")).collect();

    let mut counts = Counts::default();
    let mut failures = Vec::new();
    for case in &cases {
        let instruction_file = case.instruction_file.as_ref().map(|file| read(&file.body));
        let keyring = keyring(&case.keyring, &keys["keys"]);
        let body = read(&case.object.body);
        let verdict = match decrypt(case, instruction_file.as_deref(), &*keyring, &body).await {
            Err(why) => Err(why),
            Ok(opened) => match (case.expected.result.as_str(), opened) {
                ("success", Ok((metadata, data_key, plaintext))) => {
                    counts.opened += 1;
                    let expected = case.plaintext.as_ref().map(|name| read(name));
                    match expected {
                        Some(expected) if expected == plaintext => {
                            check_opened(case, &metadata, &data_key)
                        }
                        _ => Err("another plaintext".to_owned()),
                    }
                }
                ("success", Err(error)) => Err(format!("did not open: {error}")),
                ("error", Err(error)) => {
                    counts.refused += 1;
                    check_refused(case, &error)
                }
                ("error", Ok(_)) => {
                    Err(format!("opened, but must be refused as {:?}", case.expected.kind))
                }
                (other, _) => Err(format!("unknown expectation {other}")),
            },
        };
        if let Err(why) = verdict {
            failures.push(format!("{}: {why}", case.id));
        }
    }
    println!("{}: {} cases: {counts:?}", folder.display(), cases.len());
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    counts
}

/// What is made of an object by every way, which must agree: the outer error says where they do not.
async fn decrypt(
    case: &Case,
    instruction_file: Option<&[u8]>,
    keyring: &dyn S3Keyring,
    body: &[u8],
) -> Result<Result<(ContentMetadata, DataKey, Vec<u8>), Error>, String> {
    let (metadata, policy, context, data_key) = match unlock(case, instruction_file, keyring).await
    {
        Ok(unlocked) => unlocked,
        Err(error) => return Ok(Err(error)),
    };
    let opened = || open(&metadata, keyring).policy(policy.clone()).context(context.iter());
    let whole = match opened().await {
        Ok(opened) => {
            let mut opener = opened.buffered(1 << 30);
            // Odd pieces, so that none ends with a block.
            body.chunks(1021)
                .try_for_each(|piece| opener.update(piece))
                .and_then(|()| opener.finish())
        }
        Err(error) => return Ok(Err(error)),
    };
    let mut early = Vec::new();
    let mut opener = opened().await.map_err(|_| "opens only once")?.release_unauthenticated();
    let at_end = body
        .chunks(7)
        .try_for_each(|piece| opener.update(piece, &mut early))
        .and_then(|()| opener.finish(&mut early));
    match (&whole, &at_end) {
        (Ok(whole), Ok(())) if *whole == early => {}
        (Err(Error::Unauthentic(Stage::Body)), Err(Error::Unauthentic(Stage::Body))) => {}
        _ => return Err(format!("held: {whole:?}, at once: {at_end:?}")),
    }
    if let Ok(plaintext) = &whole
        && metadata.suite().authenticates()
    {
        check_ranges(plaintext, body, opened).await?;
    }
    Ok(whole.map(|plaintext| (metadata, data_key, plaintext)))
}

/// Ranges are those of the plaintext, or not satisfiable.
async fn check_ranges<'a, F: Fn() -> Open<'a>>(
    plaintext: &[u8],
    body: &[u8],
    opened: F,
) -> Result<(), String> {
    let len = plaintext.len();
    let bounds =
        [(0, 0), (0, len), (1, len / 2), (len / 3, len / 3 + 17), (len.saturating_sub(1), len)];
    for (first, last) in bounds.into_iter().filter(|(first, last)| first <= last) {
        let range: ByteRange = format!("bytes={first}-{last}").parse().map_err(|_| "a range")?;
        let stored_len = u64::try_from(body.len()).expect("a length");
        let opener =
            opened().await.map_err(|_| "opens only once")?.unauthenticated_range(range, stored_len);
        let mut opener = match opener {
            Ok(opener) => opener,
            Err(Error::ApiMisuse(ApiMisuse::Range { .. })) if first >= len => continue,
            Err(error) => return Err(format!("{range}: {error}")),
        };
        let index = |at: u64| usize::try_from(at).expect("an index");
        let mut found = Vec::new();
        let span = opener.span();
        let done = opener.update(&body[index(span.start)..index(span.end)], &mut found);
        done.and_then(|()| opener.finish()).map_err(|error| format!("{range}: {error}"))?;
        if found != plaintext[first..len.min(last + 1)] {
            return Err(format!("{range}: another plaintext"));
        }
    }
    Ok(())
}

/// All that comes before the body.
async fn unlock(
    case: &Case,
    instruction_file: Option<&[u8]>,
    keyring: &dyn S3Keyring,
) -> Result<(ContentMetadata, Policy, EncryptionContext, DataKey), Error> {
    let metadata = match Metadata::read(&case.object.metadata)? {
        Metadata::Complete(metadata) => metadata,
        Metadata::InInstructionFile(partial) => match instruction_file {
            Some(text) => partial.complete(text)?,
            None => {
                let looked_for = format!("{}.instruction", case.object.key);
                return Err(partial.without_instruction_file(Some(&looked_for)));
            }
        },
    };
    let Config {
        commitment_policy,
        enable_legacy_wrapping_algorithms,
        enable_legacy_unauthenticated_modes,
    } = &case.config;
    let commitment = commitment_policy.to_lowercase().replace('_', "-");
    let commitment: CommitmentPolicy = commitment.parse().expect("a commitment policy");
    let policy = Policy::default()
        .commitment(commitment)
        .legacy_wrapping_algorithms(*enable_legacy_wrapping_algorithms)
        .legacy_unauthenticated_modes(*enable_legacy_unauthenticated_modes);
    let context = EncryptionContext::from_iter(case.request_encryption_context.clone());
    let data_key = unwrap_data_key(keyring, &policy, &metadata, &context).await?;
    Ok((metadata, policy, context, data_key))
}

fn check_opened(case: &Case, metadata: &ContentMetadata, data_key: &DataKey) -> Result<(), String> {
    let compare = |what: &str, found: &str, expected: &Option<String>| match expected.as_deref() {
        Some(expected) if found != expected => Err(format!("{what} is {found}, not {expected}")),
        Some(_) => Ok(()),
        None => Err(format!("the manifest has no {what}")),
    };
    compare("data key", &hex(data_key.expose()), &case.plaintext_data_key_hex)?;
    compare("suite", metadata.suite().name(), &case.content_suite)?;
    compare("version", &format!("{:?}", metadata.format_version()), &case.format_version)?;
    if !case.wrap_algorithm.as_ref().is_some_and(|name| name.starts_with("(V1")) {
        compare("wrapping algorithm", metadata.wrapping_algorithm().name(), &case.wrap_algorithm)?;
    }
    let context = metadata.encryption_context().iter();
    let stored = context.chain(metadata.material_description().iter());
    let stored: BTreeMap<_, _> =
        stored.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    if Some(&stored) != case.stored_context.as_ref() {
        return Err(format!("stored is {stored:?}, not {:?}", case.stored_context));
    }
    if case.instruction_file.as_ref().is_some_and(|file| !file.key.starts_with(&case.object.key)) {
        return Err("the instruction file is of another object".to_owned());
    }
    // What is written again is the same, whichever client wrote it.
    let again = metadata.encode();
    let again = match (Metadata::read(again.object()), again.instruction_file()) {
        (Ok(Metadata::Complete(again)), None) => Ok(again),
        (Ok(Metadata::InInstructionFile(rest)), Some(text)) => rest.complete(text.as_bytes()),
        (Ok(other), _) => return Err(format!("written again, it is {other:?}")),
        (Err(error), _) => Err(error),
    };
    let again = again.map_err(|error| format!("written again, it cannot be read: {error}"))?;
    let same = again.iv() == metadata.iv()
        && again.commitment() == metadata.commitment()
        && again.suite() == metadata.suite()
        && again.wrapped_data_key() == metadata.wrapped_data_key();
    // Version 1 is not written.
    if !same && case.format_version.as_deref() != Some("V1") {
        return Err("written again, it is not the same".to_owned());
    }
    Ok(())
}

fn check_refused(case: &Case, error: &Error) -> Result<(), String> {
    let kinds = case.expected.kind.as_deref().unwrap_or_default();
    if kinds.iter().any(|kind| is_of_kind(error, kind)) {
        return Ok(());
    }
    Err(format!("refused as {error:?}, not as {kinds:?}"))
}

/// The variant that each class of the manifest has here.
fn is_of_kind(error: &Error, kind: &str) -> bool {
    match kind {
        "metadata" => matches!(error, Error::Object(_)),
        "commitment_policy" => matches!(error, Error::Policy(PolicyError::Commitment { .. })),
        "legacy_disabled" => matches!(
            error,
            Error::Policy(PolicyError::LegacyContent { .. } | PolicyError::LegacyWrapping { .. })
        ),
        "data_key_unwrap" => matches!(error, Error::Keyring(KeyringError::Object { .. })),
        "context_mismatch" => matches!(
            error,
            Error::Policy(
                PolicyError::ContextMismatch { .. }
                    | PolicyError::ContextMissing { .. }
                    | PolicyError::ContextUnexpected { .. }
            )
        ),
        "reserved_key" => {
            matches!(error, Error::ApiMisuse(ApiMisuse::ReservedObjectKey { .. }))
        }
        "body_auth" | "truncated" | "cbc_decrypt" => {
            matches!(error, Error::Unauthentic(Stage::Body))
        }
        "commitment_mismatch" => matches!(error, Error::Unauthentic(Stage::Commitment)),
        _ => false,
    }
}

fn keyring(spec: &Value, keys: &Value) -> Box<dyn S3Keyring> {
    let key = &keys[text(spec, "key")];
    match text(spec, "type") {
        "s3-raw-aes" => {
            let key = AesKey::try_from(&unhex(text(key, "material_hex"))[..]).expect("an AES key");
            Box::new(AesKeyring::new(key).expect("a keyring"))
        }
        "s3-raw-rsa" => {
            let key = RsaPrivateKey::from_pem(text(key, "private_pkcs8_pem")).expect("an RSA key");
            Box::new(RsaKeyring::private(key).expect("a keyring"))
        }
        "s3-kms" => {
            let kms = FakeKms::new();
            let arn: KmsArn = text(key, "arn").parse().expect("an ARN of a key");
            let new = NewKey::new(KeySpec::Symmetric)
                .id(text(key, "key_id"))
                .account(arn.account())
                .material(&unhex(text(key, "material_hex")));
            let made = kms.create_key(arn.region(), new).expect("the key can be made");
            assert_eq!(made, text(key, "arn"));
            Box::new(KmsKeyring::new(kms.client(arn.region()), &made).expect("made is an ARN"))
        }
        other => panic!("unknown keyring {other}"),
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("hex"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
