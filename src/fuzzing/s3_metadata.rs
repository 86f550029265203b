//! Metadata and instruction files of objects in Amazon S3.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::choices::Choices;
use super::fixed::PLAINTEXT;
use crate::error::{Error, PolicyError};
use crate::keyring::{AesKey, RsaPrivateKey, now};
use crate::policy::CommitmentPolicy;
use crate::s3::{
    AesKeyring, ContentMetadata, FormatVersion, Metadata, MetadataLocation, MultiKeyring, Policy,
    RsaKeyring, open, prepare,
};

/// Arbitrary metadata and instruction files, and edits of good ones: what is read is what is written, and nothing opens
/// that was not sealed. What Amazon S3 makes of text that is not ASCII is undone.
pub fn s3_metadata(data: &[u8]) {
    let mut choices = Choices::new(data);
    match choices.below(8) {
        0 => raw_pairs(choices),
        1 => instruction_file(choices),
        2 => encoded_twice(choices),
        _ => edited(choices),
    }
}

/// Lines of text, each a key and a value.
fn raw_pairs(choices: Choices<'_>) {
    let text = String::from_utf8_lossy(choices.rest());
    let pairs = text.lines().map(|line| line.split_once(": ").unwrap_or((line, "")));
    if let Ok(Metadata::Complete(metadata)) = Metadata::read(pairs) {
        check(&metadata, &objects()[0].body);
    }
}

/// An arbitrary text beside the metadata of each kind of object.
fn instruction_file(mut choices: Choices<'_>) {
    let object = &objects()[choices.below(OBJECTS)];
    let kept = if choices.flag() { &object.pairs[..] } else { &[] };
    let read = Metadata::read(kept.iter().cloned()).expect("it is as it was written");
    let text = choices.rest();
    if let Metadata::InInstructionFile(partial) = read
        && let Ok(metadata) = partial.complete(text)
    {
        assert_eq!(metadata.location(), MetadataLocation::InstructionFile);
        check(&metadata, &object.body);
    }
}

/// A description as Amazon S3 gives it back, if it is not ASCII.
fn encoded_twice(mut choices: Choices<'_>) {
    let (q, len) = (choices.flag(), choices.below(60) + 1);
    let raw = choices.rest();
    let (key, value) = raw.split_at(raw.len() / 2);
    let (key, value) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
    let description = BTreeMap::from([(key.as_ref(), value.as_ref())]);
    let json = serde_json::to_string(&description).expect("it is text");
    let latin1: String = json.bytes().map(char::from).collect();
    let word = |bytes: &[u8]| {
        if q {
            let q: String = bytes.iter().map(|byte| format!("={byte:02X}")).collect();
            format!("=?UTF-8?Q?{q}?=")
        } else {
            let b = <base64ct::Base64 as base64ct::Encoding>::encode_string(bytes);
            format!("=?UTF-8?B?{b}?=")
        }
    };
    let words: Vec<_> = latin1.as_bytes().chunks(len).map(word).collect();
    let words = words.join(" ");
    let pairs = objects()[1].pairs.iter();
    let pairs = pairs.map(|(key, value)| {
        (key.as_str(), if key == "x-amz-matdesc" { words.as_str() } else { value.as_str() })
    });
    let Ok(Metadata::Complete(metadata)) = Metadata::read(pairs) else {
        panic!("{words} is not read");
    };
    assert!(metadata.material_description().iter().eq(description));
}

/// Known keys with values of their own, of others, and of none.
fn edited(mut choices: Choices<'_>) {
    let object = &objects()[choices.below(OBJECTS)];
    let mut pairs = object.pairs.clone();
    let mut file = object.instruction_file.clone().unwrap_or_default();
    for _ in 0..choices.below(6) {
        let target = if choices.flag() { &mut file } else { &mut pairs };
        edit(&mut choices, target);
    }
    let unchanged =
        pairs == object.pairs && file == object.instruction_file.clone().unwrap_or_default();
    let read = Metadata::read(pairs);
    let metadata = match read {
        Ok(Metadata::Complete(metadata)) => metadata,
        Ok(Metadata::InInstructionFile(partial)) => {
            let text = serde_json::to_vec(&file.into_iter().collect::<BTreeMap<_, _>>());
            match partial.complete(&text.expect("it is text")) {
                Ok(metadata) => metadata,
                Err(error) => return assert!(!unchanged, "{error}"),
            }
        }
        Err(error) => return assert!(!unchanged, "{error}"),
    };
    let opened = check(&metadata, &object.body);
    assert!(opened || !unchanged);
}

fn edit(choices: &mut Choices<'_>, pairs: &mut Vec<(String, String)>) {
    let at = choices.below(pairs.len().clamp(1, 256));
    let key = KEYS[choices.below(KEYS.len())];
    let value = match choices.below(4) {
        0 => VALUES[choices.below(VALUES.len())].to_owned(),
        1 => {
            let other = &objects()[choices.below(OBJECTS)];
            let all: Vec<_> =
                other.pairs.iter().chain(other.instruction_file.iter().flatten()).collect();
            let same = all.iter().find(|(name, _)| name == key);
            let any = all[choices.below(all.len())];
            same.map_or(any, |same| *same).1.clone()
        }
        2 => {
            let len = choices.size();
            String::from_utf8_lossy(choices.bytes(len)).into_owned()
        }
        _ => {
            let mut value = pairs.get(at).map(|(_, value)| value.clone().into_bytes());
            let value = value.get_or_insert_default();
            choices.edit(value, 2);
            String::from_utf8_lossy(value).into_owned()
        }
    };
    match choices.below(5) {
        0 => drop((at < pairs.len()).then(|| pairs.remove(at))),
        1 => pairs.push((key.to_uppercase(), value)),
        2 => pairs.push((key.to_owned(), value)),
        3 => {
            if let Some((name, _)) = pairs.get_mut(at) {
                *name = key.to_owned();
            }
        }
        _ => {
            if let Some((_, old)) = pairs.get_mut(at) {
                *old = value;
            }
        }
    }
}

/// What was read survives being written; what opens is what was sealed. Tells whether it opened.
fn check(metadata: &ContentMetadata, body: &[u8]) -> bool {
    let encoded = metadata.encode();
    let read = Metadata::read(encoded.object()).expect("it was written");
    let again = match (read, encoded.instruction_file()) {
        (Metadata::Complete(metadata), None) => metadata,
        (Metadata::InInstructionFile(partial), Some(text)) => {
            partial.complete(text.as_bytes()).expect("it was written")
        }
        (read, text) => panic!("{read:?} {text:?}"),
    };
    assert_eq!(again.suite(), metadata.suite());
    assert_eq!(again.wrapped_data_key(), metadata.wrapped_data_key());
    assert_eq!(again.iv(), metadata.iv());
    assert_eq!(again.commitment(), metadata.commitment());
    assert_eq!(again.location(), metadata.location());
    let version = metadata.format_version().max(FormatVersion::V2);
    assert_eq!(again.format_version(), version);

    let strict = now(async { open(metadata, keyring()).await });
    let lax = Policy::default()
        .commitment(CommitmentPolicy::ForbidEncryptAllowDecrypt)
        .legacy_wrapping_algorithms(true)
        .legacy_unauthenticated_modes(true);
    let opened = now(async { open(metadata, keyring()).policy(lax).await });
    if let Ok(strict) = strict {
        assert!(metadata.suite().commits() && !metadata.wrapping_algorithm().is_legacy());
        assert!(opened.is_ok());
        drop(strict);
    }
    let opened = match opened {
        Ok(opened) => opened,
        Err(Error::Policy(PolicyError::LegacyContent { .. })) => panic!("it is allowed"),
        Err(_) => return false,
    };
    let mut opener = opened.buffered(1 << 20);
    opener.update(body).expect("it is short");
    match opener.finish() {
        // AES-CBC authenticates nothing.
        Ok(plaintext) if metadata.suite().authenticates() => {
            assert_eq!(plaintext, PLAINTEXT);
            true
        }
        _ => false,
    }
}

/// An object as it is stored.
struct Object {
    pairs: Vec<(String, String)>,
    instruction_file: Option<Vec<(String, String)>>,
    body: Vec<u8>,
}

/// Both suites, with and without instruction file, by both kinds of key: the same for as long as this process lives.
fn objects() -> &'static [Object; OBJECTS] {
    static OBJECTS_ONCE: OnceLock<[Object; OBJECTS]> = OnceLock::new();
    OBJECTS_ONCE.get_or_init(|| {
        std::array::from_fn(|n| {
            let policy = Policy::default().commitment(if n & 1 == 0 {
                CommitmentPolicy::RequireEncryptRequireDecrypt
            } else {
                CommitmentPolicy::ForbidEncryptAllowDecrypt
            });
            let (aes, rsa) = (aes_keyring(), rsa_keyring());
            let prepared = now(async {
                if n & 4 == 0 {
                    prepare(&aes).policy(policy).instruction_file(n & 2 != 0).await
                } else {
                    prepare(&rsa).policy(policy).instruction_file(n & 2 != 0).await
                }
            });
            let prepared = prepared.expect("all is allowed");
            let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
            let pairs = prepared.metadata().object().map(owned).collect();
            let instruction_file = prepared.metadata().instruction_file().map(|text| {
                let pairs: BTreeMap<_, _> = serde_json::from_str(text).expect("it is JSON");
                pairs.into_iter().collect()
            });
            let (mut sealer, mut body) = (prepared.into_sealer(), Vec::new());
            sealer.update(PLAINTEXT, &mut body).expect("it is short");
            sealer.finish(&mut body).expect("it is short");
            Object { pairs, instruction_file, body }
        })
    })
}

fn keyring() -> &'static MultiKeyring {
    static KEYRING: OnceLock<MultiKeyring> = OnceLock::new();
    KEYRING.get_or_init(|| MultiKeyring::new(aes_keyring()).also(rsa_keyring()))
}

fn aes_keyring() -> AesKeyring {
    AesKeyring::new(AesKey::from([7; 32])).expect("it has 32 bytes").description([("key", "aes")])
}

fn rsa_keyring() -> RsaKeyring {
    let pem = include_str!("../crypto/tests/data/rsa2048.pkcs8.pem");
    let private = RsaPrivateKey::from_pem(pem).expect("it is good");
    let public = private.public_key().expect("it has one");
    RsaKeyring::key_pair(public, private).expect("they are a pair")
}

const OBJECTS: usize = 8;
/// Those of the format, and one of the user's own.
const KEYS: [&str; 18] = [
    "x-amz-key",
    "x-amz-key-v2",
    "x-amz-iv",
    "x-amz-matdesc",
    "x-amz-wrap-alg",
    "x-amz-cek-alg",
    "x-amz-tag-len",
    "x-amz-c",
    "x-amz-3",
    "x-amz-d",
    "x-amz-i",
    "x-amz-w",
    "x-amz-m",
    "x-amz-t",
    "x-amz-unencrypted-content-length",
    "x-amz-crypto-instr-file",
    "waxseal-format",
    "own",
];
const VALUES: [&str; 30] = [
    "",
    "{}",
    "{\"a\":\"b\"}",
    "{\"a\":1}",
    "{\"a\":\"b\",\"a\":\"c\"}",
    "{\"aws:x-amz-cek-alg\":\"AES/GCM/NoPadding\"}",
    "=?UTF-8?Q?={=7D?=",
    "AES/GCM",
    "AES",
    "AESWrap",
    "kms",
    "kms+context",
    "RSA",
    "RSA-OAEP-SHA1",
    "RSA/ECB/OAEPWithSHA-256AndMGF1Padding",
    "AES/GCM/NoPadding",
    "AES/CBC/PKCS5Padding",
    "115",
    "114",
    "02",
    "12",
    "22",
    "128",
    "96",
    "AAAA",
    "AAAAAAAAAAAAAAAA",
    "AAAAAAAAAAAAAAAAAAAAAA==",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
    "18446744073709551616",
    "5",
];
