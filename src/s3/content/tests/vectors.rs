//! Bodies that other implementations wrote, with their data keys.

use std::fs;
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};
use serde_json::Value;

use super::hex;
use super::open::{buffered_with, stored_with, streamed_with};
use crate::s3::content::{ContentKey, PartSealer, Sealer, UnauthenticatedRangeOpener};
use crate::s3::suite::ContentSuite;
use crate::secret::DataKey;

/// Runs if the vectors lie in `../shared/vectors`, or where `WAXSEAL_VECTORS` says.
#[test]
fn bodies_of_other_implementations_open_and_are_what_is_sealed() {
    let folder = std::env::var_os("WAXSEAL_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors"),
        PathBuf::from,
    );
    let Ok(manifest) = fs::read(folder.join("manifest.json")) else {
        println!("no vectors in {}", folder.display());
        return;
    };
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let mut ran = [0; 3];
    for case in manifest["cases"].as_array().unwrap() {
        if let Some(case) = Case::read(&folder, case) {
            ran[ContentSuite::ALL.iter().position(|suite| *suite == case.suite).unwrap()] += 1;
            case.check();
        }
    }
    println!("{ran:?}");
    assert!(ran.iter().all(|&ran| ran > 0), "{ran:?}");
}

struct Case {
    id: String,
    suite: ContentSuite,
    data_key: DataKey,
    iv: Vec<u8>,
    commitment: Option<Vec<u8>>,
    body: Vec<u8>,
    plaintext: Vec<u8>,
}

impl Case {
    fn read(folder: &Path, case: &Value) -> Option<Self> {
        if case["kind"] != "s3" || case["expected"]["result"] != "success" {
            return None;
        }
        let file = |path: &Value| fs::read(folder.join(path.as_str().unwrap())).unwrap();
        let instruction_file = match &case["instruction_file"]["body"] {
            Value::String(path) => serde_json::from_slice(&file(&path.as_str().into())).unwrap(),
            _ => Value::Null,
        };
        let metadata = |key: &str| {
            let text = [&case["object"]["metadata"][key], &instruction_file[key]];
            text.into_iter().find_map(Value::as_str).map(|text| Base64::decode_vec(text).unwrap())
        };
        let suite = ContentSuite::ALL.iter().find(|suite| case["content_suite"] == suite.name());
        Some(Self {
            id: case["id"].to_string(),
            suite: *suite.unwrap(),
            data_key: hex(case["plaintext_data_key_hex"].as_str().unwrap())
                .as_slice()
                .try_into()
                .unwrap(),
            iv: metadata("x-amz-i").or_else(|| metadata("x-amz-iv")).unwrap(),
            commitment: metadata("x-amz-d"),
            body: file(&case["object"]["body"]),
            plaintext: file(&case["plaintext"]),
        })
    }

    fn check(&self) {
        let Self { id, suite, data_key, iv, commitment, body, plaintext } = self;
        let key = || {
            ContentKey::for_decryption(*suite, data_key, iv, commitment.as_deref())
                .unwrap_or_else(|error| panic!("{id}: {error}"))
        };
        let pieces = || body.chunks(4099).collect::<Vec<_>>();
        assert_eq!(&buffered_with(key(), pieces()).unwrap(), plaintext, "{id}");
        assert_eq!(&stored_with(key(), pieces()).unwrap(), plaintext, "{id}");
        let mut out = Vec::new();
        streamed_with(key(), pieces(), &mut out).unwrap();
        assert_eq!(&out, plaintext, "{id}");
        if !suite.authenticates() {
            return;
        }

        let (key, made) = ContentKey::for_encryption(*suite, data_key, iv).unwrap();
        assert_eq!(made.as_ref().map(<[u8; 28]>::as_slice), commitment.as_deref(), "{id}");
        let (mut sealer, mut out) = (Sealer::new(key), Vec::new());
        sealer.update(plaintext, &mut out).unwrap();
        sealer.finish(&mut out).unwrap();
        assert_eq!(&out, body, "{id}");

        let sealer = PartSealer::new(ContentKey::for_encryption(*suite, data_key, iv).unwrap().0);
        let mut parts = plaintext.clone();
        let sealed = parts.chunks_mut(32).map(|part| {
            let ticket = sealer.next_part(part.len()).unwrap();
            ticket.seal(part).unwrap()
        });
        let sealed = sealed.collect();
        parts.extend(sealer.finish(sealed).unwrap());
        assert_eq!(&parts, body, "{id}");

        if plaintext.len() > 20 {
            let stored_len = u64::try_from(body.len()).unwrap();
            let range = "bytes=5-18".parse().unwrap();
            let key =
                ContentKey::for_decryption(*suite, data_key, iv, commitment.as_deref()).unwrap();
            let mut opener = UnauthenticatedRangeOpener::new(key, range, stored_len).unwrap();
            let mut out = Vec::new();
            opener.update(&body[5..19], &mut out).unwrap();
            opener.finish().unwrap();
            assert_eq!(out, plaintext[5..19], "{id}");
        }
    }
}
