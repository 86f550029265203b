//! What the command line takes: its words, KEY texts and key files, the encryption context, byte ranges.
//!
//! The sources of the binary are part of this target as they are, without AWS KMS and S3, which need the AWS SDK. Nothing is
//! run: no message is read or written. Keys are read from a folder of their own, which no text leaves.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use base64ct::{Base64, Encoding};
use clap::Parser;
use libfuzzer_sys::fuzz_target;
use waxseal::fuzzing::Choices;
use waxseal::{AesKey, ByteRange, EncryptionContext, Policy, RawAesKeyring};

#[expect(dead_code, reason = "what runs a command is not called")]
#[path = "../../src/bin/waxseal"]
mod binary {
    pub(crate) mod args;
    pub(crate) mod beneath;
    pub(crate) mod caching;
    pub(crate) mod context;
    pub(crate) mod crypt;
    pub(crate) mod failure;
    pub(crate) mod input;
    pub(crate) mod inspect;
    pub(crate) mod key;
    pub(crate) mod keygen;
    pub(crate) mod manual;
    pub(crate) mod output;
    pub(crate) mod parameters;
    pub(crate) mod pump;
    pub(crate) mod range;
    pub(crate) mod threads;
    pub(crate) mod tree;
    pub(crate) mod unfinished;
    pub(crate) mod wait;
}

// The sources name each other from the root of the binary.
use binary::{
    args, beneath, caching, context, crypt, failure, input, key, output, parameters, pump, range,
    threads, tree, unfinished, wait,
};

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    match choices.below(8) {
        0 => words(choices),
        1 | 2 => key_text(choices),
        3 => key_file(choices),
        4 => pairs(choices),
        5 => context_file(choices),
        6 => byte_range(choices),
        _ => caching_text(choices),
    }
});

/// Whole command lines, one word on each line: what is taken is used as far as nothing is read.
fn words(choices: Choices<'_>) {
    let text = String::from_utf8_lossy(choices.rest());
    let words = std::iter::once("waxseal").chain(text.split('\n')).take(40);
    let Ok(args::Cli { command }) = args::Cli::try_parse_from(words) else { return };
    match command {
        args::Command::Encrypt(args) => {
            drop(context::to_store(&args.context, None));
            assert!(args.frame_length != Some(0) && !args.keys.is_empty());
        }
        args::Command::Decrypt(args) => {
            drop(context::to_require(&args.context, None));
            if args.range.is_none() {
                assert!(!args.unverified_signature);
            }
            drop(range::check(&args));
        }
        _ => {}
    }
}

/// KEY texts, any and near good ones. A key in the place of a path is not repeated.
fn key_text(mut choices: Choices<'_>) {
    let mut text = String::new();
    let arbitrary = choices.flag();
    let to = if choices.flag() { key::Use::Encrypt } else { key::Use::Decrypt };
    let secret = if arbitrary {
        text = String::from_utf8_lossy(choices.rest()).into_owned();
        None
    } else {
        let secret = SECRETS[choices.below(SECRETS.len())];
        text.push_str(KINDS[choices.below(KINDS.len())]);
        for n in 0..choices.below(7) {
            text.push(if n == 0 { ':' } else { ',' });
            text.push_str(NAMES[choices.below(NAMES.len())]);
            text.push('=');
            match choices.below(8) {
                0 => text.push_str(secret),
                1 => {
                    let len = choices.below(20);
                    text.push_str(&String::from_utf8_lossy(choices.bytes(len)));
                }
                _ => text.push_str(PARAMETERS[choices.below(PARAMETERS.len())]),
            }
        }
        Some(secret)
    };
    load(&[text], to, None, secret);
}

fn caching_text(choices: Choices<'_>) {
    let text = String::from_utf8_lossy(choices.rest());
    load(&[GOOD_KEY.to_owned()], key::Use::Encrypt, Some(&text), None);
}

/// Loads keys, if their text stays in the folder.
fn load(texts: &[String], to: key::Use, caching: Option<&str>, secret: Option<&str>) {
    enter_folder();
    let leaves = |text: &String| text.contains('/') || text.to_lowercase().contains("%2f");
    if texts.iter().any(leaves) {
        return;
    }
    if let Err(failure) = key::load(texts, to, caching) {
        let failure = format!("{failure:?}");
        // Of PEM, the line that has the key.
        let mut lines = secret.iter().flat_map(|secret| secret.lines());
        assert!(
            lines.all(|line| line.starts_with("-----") || !failure.contains(line)),
            "{failure}"
        );
    }
}

/// A file as an AES key, by the rule in `--help`, read a second time.
fn key_file(choices: Choices<'_>) {
    enter_folder();
    let file = choices.rest();
    std::fs::write("file", file).expect("the folder is ours");
    let loaded =
        key::load(&["raw-aes:namespace=n,name=k,file=file".to_owned()], key::Use::Decrypt, None);
    let text = file.strip_suffix(b"\r\n").or(file.strip_suffix(b"\n")).unwrap_or(file);
    let is_key = |bytes: &Vec<u8>| matches!(bytes.len(), 16 | 24 | 32);
    let hex = || {
        let text = std::str::from_utf8(text).ok()?;
        let whole = text.len() % 2 == 0 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).ok();
        whole.then(|| (0..text.len()).step_by(2).filter_map(byte).collect())
    };
    let base64 = || Base64::decode_vec(std::str::from_utf8(text).ok()?).ok();
    let bytes = hex().filter(is_key).or_else(|| base64().filter(is_key));
    let bytes = bytes.unwrap_or_else(|| file.to_vec());
    let Ok(key) = AesKey::try_from(&bytes[..]) else {
        assert!(loaded.is_err());
        return;
    };
    let keyring = RawAesKeyring::new("n", "k", key).expect("they are names");
    let message = waxseal::encrypt(b"", &keyring).suite(SUITE).now().expect("all is allowed");
    let keys = loaded.unwrap_or_else(|failure| panic!("{failure:?}"));
    let opened =
        keys.waiter.wait(waxseal::decrypt(&message, &*keys.manager).policy(Policy::default()));
    opened.expect("it is the same key");
}

/// `-c`, one on each line.
fn pairs(choices: Choices<'_>) {
    let text = String::from_utf8_lossy(choices.rest());
    let pairs: Vec<_> = text.split('\n').map(str::to_owned).collect();
    let (mut stored, mut names, mut good) = (BTreeMap::new(), BTreeSet::new(), true);
    for pair in &pairs {
        let name = match pair.find('=') {
            Some(at) => {
                good &= stored.insert(&pair[..at], &pair[at + 1..]).is_none();
                &pair[..at]
            }
            None => pair,
        };
        good &= !name.is_empty() && names.insert(name);
        good &= !is_key(pair);
    }
    names.retain(|name| !stored.contains_key(name));
    match context::to_require(&pairs, None) {
        Ok((context, required)) => {
            assert!(good);
            assert!(context.iter().eq(stored));
            assert!(required.iter().eq(names.iter()));
        }
        Err(_) => assert!(!good),
    }
    assert_eq!(context::to_store(&pairs, None).is_ok(), good && names.is_empty());
}

/// A key where a pair should be: a private one in PEM, or Base64 whose padding looks like an empty value.
fn is_key(pair: &str) -> bool {
    if pair.contains("PRIVATE KEY-----") {
        return true;
    }
    let text = pair.trim_end_matches('=');
    let padding = pair.len() - text.len();
    if padding == 0 || text.contains('=') {
        return false;
    }
    let is_base64 = text
        .bytes()
        .all(|c| matches!(c, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'+' | b'/' | b'-' | b'_'));
    let is_der = text.starts_with('M') && matches!(text.as_bytes().get(1), Some(b'A'..=b'P'));
    let is_secret = (text.len(), padding) == (22, 2) || (text.len(), padding) == (43, 1);
    let is_long = is_der && text.len() >= 58 && padding <= 2;
    text.contains("-----BEGIN ") || is_base64 && (is_secret || is_long)
}

/// `--context-file`: an object of texts, and no name twice.
fn context_file(choices: Choices<'_>) {
    enter_folder();
    let text = choices.rest();
    std::fs::write("context", text).expect("the folder is ours");
    let read = context::to_store(&[], Some(Path::new("context")));
    let value = serde_json::from_slice::<BTreeMap<String, String>>(text);
    match (read, value) {
        // A map takes the last of those that are there twice; this refuses them.
        (Err(_), _) => {}
        (Ok(context), Ok(value)) => assert_eq!(context, EncryptionContext::from_iter(value)),
        (Ok(context), Err(error)) => panic!("{context:?} {error}"),
    }
}

/// `--range`: the bytes are those that RFC 9110 names.
fn byte_range(mut choices: Choices<'_>) {
    let len = choices.number();
    let text = String::from_utf8_lossy(choices.rest());
    let Ok(range) = format!("bytes={text}").parse::<ByteRange>() else { return };
    assert_eq!(range.to_string().parse::<ByteRange>().expect("it was written"), range);
    let (first, last) = text.split_once('-').expect("it has a dash");
    let number = |digits: &str| digits.parse::<u128>().unwrap_or(u128::MAX);
    let len_128 = u128::from(len);
    let (start, end) = match (first, last) {
        ("", count) => (len_128.saturating_sub(number(count)), len_128),
        (first, "") => (number(first), len_128),
        (first, last) => (number(first), number(last).saturating_add(1).min(len_128)),
    };
    match range.within(len) {
        Ok(span) => assert_eq!((u128::from(span.start), u128::from(span.end)), (start, end)),
        Err(_) => assert!(start >= end),
    }
}

/// Goes to a folder with a key of each kind, once.
fn enter_folder() {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("there is room").keep();
        for (name, text) in FILES {
            std::fs::write(folder.join(name), text).expect("there is room");
        }
        std::env::set_current_dir(&folder).expect("it is there");
        folder
    });
}

const SUITE: waxseal::AlgorithmSuite = waxseal::AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
const GOOD_KEY: &str = "raw-aes:namespace=n,name=k,file=aes";
const FILES: [(&str, &str); 6] = [
    ("aes", "0123456789abcdef0123456789abcdef\n"),
    ("empty", ""),
    ("rsa", include_str!("../../src/crypto/tests/data/rsa2048.pkcs8.pem")),
    ("rsa.pub", include_str!("../../src/crypto/tests/data/rsa2048.spki.pem")),
    ("ec", include_str!("../../src/crypto/tests/data/p256.sec1.pem")),
    ("ec.pub", include_str!("../../src/crypto/tests/data/p256.spki.pem")),
];
const KINDS: [&str; 8] =
    ["raw-aes", "raw-rsa", "raw-ecdh", "raw", "kms", "kms-ecdh", "s3", "RAW-AES"];
const NAMES: [&str; 12] = [
    "namespace",
    "name",
    "file",
    "padding",
    "public",
    "private",
    "schema",
    "curve",
    "key",
    "",
    "Name",
    "name%3D",
];
const PARAMETERS: [&str; 24] = [
    "n",
    "aes",
    "rsa",
    "rsa.pub",
    "ec",
    "ec.pub",
    "empty",
    "file",
    "none",
    ".",
    "pkcs1",
    "oaep-sha1",
    "oaep-sha256",
    "oaep-sha512",
    "static",
    "ephemeral",
    "discovery",
    "p256",
    "p384",
    "p521",
    "",
    "a%2Cb",
    "%ff",
    "aws-kms",
];
/// Keys as somebody may write them in the place of a path or a name, by mistake.
const SECRETS: [&str; 5] = [
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    "oLjdLLfhi6oAWu18J-SpVMZbCP6FxJFCPjVSaZ38rnE=",
    "00112233445566778899aabbccddeeff",
    "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----\n",
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgABEiM0RVZneImaq7zN3uDw==",
];
