//! What lies in the bucket: objects of other clients, from the test vectors, and changes as an attacker makes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use waxseal::kms::KmsKeyring;
use waxseal::s3::{AesKeyring, Client, Policy, RsaKeyring, S3Keyring};
use waxseal::testing::{FakeKms, KeySpec, NewKey};
use waxseal::{AesKey, CommitmentPolicy, Error, RsaPrivateKey};

use super::client::get;
use super::server::{BUCKET, World};

/// An object as it is stored, with its instruction file.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) body: Vec<u8>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) instruction_file: Option<BTreeMap<String, String>>,
}

impl Stored {
    /// An object that another client wrote, by its id in `vectors_s3/manifest.json`.
    pub(crate) fn of_vector(id: &str) -> Self {
        let case = case(id);
        let file = &case["instruction_file"]["body"];
        let text = file.as_str().map(read);
        Self {
            body: read(case["object"]["body"].as_str().unwrap()),
            metadata: pairs(&case["object"]["metadata"]),
            instruction_file: text.map(|text| serde_json::from_slice(&text).unwrap()),
        }
    }

    /// An object that is in the bucket.
    pub(crate) async fn at(world: &World, key: &str) -> Self {
        let head = world.sdk().head_object().bucket(BUCKET).key(key).send().await.unwrap();
        let file = format!("{key}.instruction");
        Self {
            body: world.stored(key),
            metadata: head.metadata.unwrap_or_default().into_iter().collect(),
            instruction_file: world
                .keys()
                .contains(&file)
                .then(|| serde_json::from_slice(&world.stored(&file)).unwrap()),
        }
    }

    /// Puts it into the bucket, and takes an instruction file away that is no longer there.
    pub(crate) async fn store(&self, world: &World, key: &str) {
        let put = world.sdk().put_object().bucket(BUCKET).key(key).body(self.body.clone().into());
        let metadata = self.metadata.clone().into_iter().collect();
        put.set_metadata(Some(metadata)).send().await.unwrap();
        let file = format!("{key}.instruction");
        match &self.instruction_file {
            Some(pairs) => {
                world.put(&file, &serde_json::to_vec(pairs).unwrap()).await;
            }
            None => {
                world.sdk().delete_object().bucket(BUCKET).key(file).send().await.unwrap();
            }
        }
    }

    /// The same with this pair in the metadata.
    pub(crate) fn with(&self, key: &str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.metadata.insert(key.to_owned(), value.to_owned());
        changed
    }

    pub(crate) fn without(&self, key: &str) -> Self {
        let mut changed = self.clone();
        changed.metadata.remove(key).expect("it was there");
        changed
    }

    /// The same with this pair in the instruction file.
    pub(crate) fn with_in_file(&self, key: &str, value: &str) -> Self {
        let mut changed = self.clone();
        let file = changed.instruction_file.get_or_insert_default();
        file.insert(key.to_owned(), value.to_owned());
        changed
    }

    /// The value of a key, wherever it is.
    pub(crate) fn value(&self, key: &str) -> &str {
        let in_file = self.instruction_file.as_ref().and_then(|pairs| pairs.get(key));
        self.metadata.get(key).or(in_file).expect("it is stored")
    }

    /// The same with another value for a key, wherever it is.
    pub(crate) fn change(&self, key: &str, value: &str) -> Self {
        if self.metadata.contains_key(key) {
            self.with(key, value)
        } else {
            self.with_in_file(key, value)
        }
    }

    /// The same with another body.
    pub(crate) fn body(&self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut changed = self.clone();
        change(&mut changed.body);
        changed
    }
}

/// The keyring that opens an object of the vectors, with its AWS KMS if it has one.
pub(crate) fn keyring_of(id: &str) -> (Arc<dyn S3Keyring>, FakeKms) {
    let name = case(id)["keyring"]["key"].as_str().unwrap().to_owned();
    let keys: Value = serde_json::from_slice(&read("keys.json")).unwrap();
    let key = &keys["keys"][&name];
    let text = |field: &str| key[field].as_str().unwrap();
    let kms = FakeKms::new();
    let keyring: Arc<dyn S3Keyring> = match case(id)["keyring"]["type"].as_str().unwrap() {
        "s3-raw-aes" => {
            let key = AesKey::try_from(&unhex(text("material_hex"))[..]).unwrap();
            Arc::new(AesKeyring::new(key).unwrap())
        }
        "s3-raw-rsa" => {
            let private = RsaPrivateKey::from_pem(text("private_pkcs8_pem")).unwrap();
            Arc::new(RsaKeyring::key_pair(private.public_key().unwrap(), private).unwrap())
        }
        _ => {
            let arn = text("arn");
            let (region, account) = (part(arn, 3), part(arn, 4));
            let new = NewKey::new(KeySpec::Symmetric).id(text("key_id")).account(account);
            let made = kms.create_key(region, new.material(&unhex(text("material_hex")))).unwrap();
            assert_eq!(made, arn);
            Arc::new(KmsKeyring::new(kms.client(region), arn).unwrap())
        }
    };
    (keyring, kms)
}

/// What an object of the vectors has to come out as.
pub(crate) fn plaintext_of(id: &str) -> Vec<u8> {
    read(case(id)["plaintext"].as_str().unwrap())
}

/// The encryption context that an object of the vectors has to be given.
pub(crate) fn context_of(id: &str) -> BTreeMap<String, String> {
    pairs(&case(id)["request_encryption_context"])
}

/// Everything allowed that can be allowed.
pub(crate) fn everything() -> Policy {
    Policy::default()
        .commitment(CommitmentPolicy::ForbidEncryptAllowDecrypt)
        .legacy_wrapping_algorithms(true)
        .legacy_unauthenticated_modes(true)
}

/// Every policy that there is.
pub(crate) fn policies() -> Vec<Policy> {
    let switches = [(false, false), (true, false), (false, true), (true, true)];
    let policy = |commitment, (wrapping, modes)| {
        let policy = Policy::default().commitment(commitment);
        policy.legacy_wrapping_algorithms(wrapping).legacy_unauthenticated_modes(modes)
    };
    let of = |commitment| switches.map(|switches| policy(commitment, switches));
    CommitmentPolicy::ALL.into_iter().flat_map(of).collect()
}

/// Reads an object by one request.
pub(crate) async fn opened(s3: &Client, key: &str) -> Result<Vec<u8>, Error> {
    let got = s3.get_object(get(key)).await?;
    Ok(got.body.collect().await.unwrap().to_vec())
}

/// Why an object is refused before anything of its body is read; it must be refused by every way to read it.
pub(crate) async fn refused_by_every_way(
    s3: &Client,
    key: &str,
    context: &[(&str, &str)],
) -> [Error; 6] {
    let get_object = || s3.get_object(get(key)).context(context.to_vec());
    let range = || s3.get_object(get(key).range("bytes=0-0")).context(context.to_vec());
    let (mut late, mut early) = (Vec::new(), Vec::new());
    let errors = [
        get_object().await.unwrap_err(),
        get_object().release_unauthenticated().await.unwrap_err(),
        range().verified_range().await.unwrap_err(),
        range().unauthenticated_range().await.unwrap_err(),
        s3.download(get(key), &mut late).context(context.to_vec()).await.unwrap_err(),
        s3.download(get(key), &mut early)
            .context(context.to_vec())
            .release_unauthenticated()
            .await
            .unwrap_err(),
    ];
    assert!(late.is_empty() && early.is_empty());
    errors
}

/// Everything that an error tells.
pub(crate) fn told(error: &Error) -> String {
    format!("{error}\n{error:?}")
}

/// Base64 with one bit changed of the byte at `at`, counted from the end where it is negative.
pub(crate) fn flipped(base64: &str, at: isize) -> String {
    let mut bytes = unbase64(base64);
    let at = at.rem_euclid(bytes.len().try_into().unwrap());
    bytes[usize::try_from(at).unwrap()] ^= 1;
    to_base64(&bytes)
}

pub(crate) fn unbase64(text: &str) -> Vec<u8> {
    let value = |c: u8| ALPHABET.iter().position(|&each| each == c);
    let digits: Vec<_> = text.bytes().map_while(value).collect();
    let mut bytes = Vec::new();
    for four in digits.chunks(4) {
        let bits = four.iter().enumerate().fold(0, |all, (i, digit)| all | digit << (18 - 6 * i));
        bytes.extend([bits >> 16, bits >> 8, bits].map(|byte| u8::try_from(byte & 255).unwrap()));
        bytes.truncate(bytes.len() - (4 - four.len()));
    }
    bytes
}

pub(crate) fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |all, i| all << 8 | usize::from(*three.get(i).unwrap_or(&0)));
        for digit in 0..4 {
            let c =
                if digit > three.len() { b'=' } else { ALPHABET[bits >> (18 - 6 * digit) & 63] };
            text.push(char::from(c));
        }
    }
    text
}

fn case(id: &str) -> Value {
    let manifest: Value = serde_json::from_slice(&read("manifest.json")).unwrap();
    let cases = manifest["cases"].as_array().unwrap();
    cases.iter().find(|case| case["id"] == id).expect("a case of that id").clone()
}

fn pairs(value: &Value) -> BTreeMap<String, String> {
    serde_json::from_value(value.clone()).unwrap()
}

fn part(arn: &str, number: usize) -> &str {
    arn.split(':').nth(number).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn read(name: impl AsRef<Path>) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors_s3").join(name)).unwrap()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
