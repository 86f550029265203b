//! Objects of Amazon S3, without a client: keyrings, sealers, openers, and what old clients wrote.

use std::fs;
use std::future::IntoFuture;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use waxseal::s3::{
    AesKeyring, ByteRange, ContentMetadata, Fit, Metadata, MultiKeyring, Policy, RsaKeyring,
    S3Keyring, UnwrapRequest, WrapRequest, Wrapped, WrappedDataKey, open, prepare, unwrap_data_key,
};
use waxseal::{
    AesKey, BoxFuture, CommitmentPolicy, DataKey, EncryptionContext, Error, RsaPrivateKey,
    UnwrapFailure,
};

use crate::secrets::{Plaintext, Secrets, freed_by_async, hmac_sha512, random};

/// Tells each data key that passes through it.
#[derive(Debug)]
pub(crate) struct TellingOfObjects<K>(pub(crate) K, pub(crate) Arc<Mutex<Vec<Vec<u8>>>>);

impl<K: S3Keyring> S3Keyring for TellingOfObjects<K> {
    fn wrap<'a>(&'a self, request: &'a WrapRequest<'a>) -> BoxFuture<'a, Result<Wrapped, Error>> {
        Box::pin(async move {
            let wrapped = self.0.wrap(request).await?;
            let made = wrapped.data_key().or_else(|| request.data_key()).unwrap();
            self.1.lock().unwrap().push(made.expose().to_vec());
            Ok(wrapped)
        })
    }

    fn fit(&self, wrapped: &WrappedDataKey) -> Fit {
        self.0.fit(wrapped)
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<DataKey, UnwrapFailure>> {
        Box::pin(async move {
            let key = self.0.unwrap(request).await?;
            self.1.lock().unwrap().push(key.expose().to_vec());
            Ok(key)
        })
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

/// Data key and content key of an object.
pub(crate) async fn add_object_keys(
    secrets: &mut Secrets,
    keyring: &dyn S3Keyring,
    of: &ContentMetadata,
    context: &EncryptionContext,
) {
    let data_key = unwrap_data_key(keyring, &everything(), of, context).await.unwrap();
    secrets.add_with_forms("data key", data_key.expose());
    if of.commitment().is_some() {
        let prk = hmac_sha512(of.iv(), &[data_key.expose()]);
        secrets.add("extracted key", &prk);
        let [content, commitment] = [&b"DERIVEKEY"[..], b"COMMITKEY"]
            .map(|label| hmac_sha512(&prk, &[b"\x00\x73", label, &[1]]));
        assert!(commitment.starts_with(of.commitment().unwrap()), "the derivation is another");
        secrets.add("content key", &content[..32]);
    }
}

fn everything() -> Policy {
    Policy::default()
        .commitment(CommitmentPolicy::ForbidEncryptAllowDecrypt)
        .legacy_wrapping_algorithms(true)
        .legacy_unauthenticated_modes(true)
}

/// Encrypts in every way, and opens in every way, with success and failure.
fn leaves_nothing(mut secrets: Secrets, make: &dyn Fn() -> Box<dyn S3Keyring>) {
    let plaintext = Plaintext::new(100_005);
    for policy in [Policy::default(), everything()] {
        let (begun, told) = (Mutex::new(Vec::new()), Arc::default());
        let freed = freed_by_async(async {
            let keyring =
                Arc::new(TellingOfObjects(Arc::<dyn S3Keyring>::from(make()), Arc::clone(&told)));
            let plaintext = &plaintext.bytes[..];
            let start = async || {
                let prepared = prepare(&*keyring).policy(policy.clone()).await.unwrap();
                begun.lock().unwrap().push(prepared.content_metadata().clone());
                prepared
            };
            let prepared = start().await;
            let metadata = prepared.content_metadata().clone();
            let mut body = Vec::with_capacity(plaintext.len() + 16);
            let mut sealer = prepared.into_sealer();
            plaintext.chunks(1_021).for_each(|piece| sealer.update(piece, &mut body).unwrap());
            sealer.finish(&mut body).unwrap();
            // Dropped in the middle, and one that grows its output.
            let mut sealer = start().await.into_sealer();
            let mut out = Vec::new();
            plaintext.chunks(77).take(50).for_each(|piece| sealer.update(piece, &mut out).unwrap());
            drop((sealer, out));
            drop(start().await);
            drop(prepare(&*keyring).policy(policy.clone()).into_future());

            let parts = start().await.into_part_sealer();
            let mut part = plaintext[..4_096].to_vec();
            let sealed = parts.next_part(part.len()).unwrap().seal(&mut part).unwrap();
            let mut last = plaintext[4_096..][..77].to_vec();
            let sealed = vec![parts.next_part(77).unwrap().seal(&mut last).unwrap(), sealed];
            parts.finish(sealed).unwrap();

            let opened = || open(&metadata, &*keyring).policy(everything());
            let mut changed = body.clone();
            changed[50_000] ^= 1;
            for body in [&body, &changed] {
                let mut opener = opened().await.unwrap().buffered(1 << 20);
                body.chunks(1_021).for_each(|piece| opener.update(piece).unwrap());
                std::mem::forget(opener.finish());
                let mut opener = opened().await.unwrap().release_unauthenticated();
                // The caller's, but it grows here.
                let mut out = Vec::new();
                body.chunks(7).for_each(|piece| opener.update(piece, &mut out).unwrap());
                drop(opener.finish(&mut out));
                std::mem::forget(out);
            }
            let mut opener = opened().await.unwrap().buffered(1_000);
            opener.update(&body).unwrap_err();
            let mut opener = opened().await.unwrap().release_unauthenticated();
            let mut out = Vec::with_capacity(body.len());
            opener.update(&body[..1_001], &mut out).unwrap();
            drop(opener);
            std::mem::forget(out);
            let range: ByteRange = "bytes=1001-70001".parse().unwrap();
            let stored_len = u64::try_from(body.len()).unwrap();
            let opener = opened().await.unwrap().unauthenticated_range(range, stored_len);
            let mut opener = opener.unwrap();
            let span = opener.span();
            let [start, end] = [span.start, span.end].map(|at| usize::try_from(at).unwrap());
            let mut out = Vec::new();
            for piece in body[start..end].chunks(1_021) {
                opener.update(piece, &mut out).unwrap();
            }
            opener.finish().unwrap();
            std::mem::forget(out);
        });
        plaintext.add_to(&mut secrets);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (keyring, context) = (make(), EncryptionContext::new());
        told.lock().unwrap().iter().for_each(|key| secrets.add_with_forms("data key", key));
        for metadata in begun.into_inner().unwrap() {
            runtime.block_on(add_object_keys(&mut secrets, &*keyring, &metadata, &context));
        }
        secrets.assert_not_in(&freed);
    }
}

#[test]
fn under_an_aes_key() {
    for len in [16, 24, 32] {
        let key = random(len);
        let mut secrets = Secrets::new();
        secrets.add_with_forms("wrapping key", &key);
        leaves_nothing(secrets, &|| {
            Box::new(AesKeyring::new(AesKey::try_from(&key[..]).unwrap()).unwrap())
        });
    }
}

#[test]
fn under_rsa_keys() {
    let pem = RsaPrivateKey::generate(2048).unwrap().to_pem().unwrap();
    let mut secrets = Secrets::new();
    secrets.add_rsa_key(pem.expose());
    leaves_nothing(secrets, &|| {
        let private = RsaPrivateKey::from_pem(pem.expose()).unwrap();
        let public = private.public_key().unwrap();
        Box::new(RsaKeyring::key_pair(public, private).unwrap())
    });
}

#[test]
fn under_one_of_several_keys() {
    let keys = [random(32), random(32)];
    let mut secrets = Secrets::new();
    keys.iter().for_each(|key| secrets.add_with_forms("wrapping key", key));
    leaves_nothing(secrets, &|| {
        let [one, other] = [0, 1].map(|index| AesKey::try_from(&keys[index][..]).unwrap());
        let other = AesKeyring::new(other).unwrap();
        Box::new(MultiKeyring::new(AesKeyring::new(one).unwrap()).also(other))
    });
}

/// With the wrapping algorithms and ciphers that are only read any more.
#[test]
fn that_old_clients_wrote() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors_s3");
    let read = |path: &Value| fs::read(folder.join(PathBuf::from(path.as_str().unwrap()))).unwrap();
    let parsed = |name: &str| -> Value { serde_json::from_slice(&read(&name.into())).unwrap() };
    let (manifest, keys) = (parsed("manifest.json"), parsed("keys.json"));
    let mut ran = 0;
    for case in manifest["cases"].as_array().unwrap() {
        let kind = case["keyring"]["type"].as_str().unwrap();
        if kind == "s3-kms" || case["expected"]["result"] != "success" {
            continue;
        }
        let key = &keys["keys"][case["keyring"]["key"].as_str().unwrap()];
        let mut secrets = Secrets::new();
        secrets.add_with_forms("data key", &unhex(&case["plaintext_data_key_hex"]));
        let plaintext = read(&case["plaintext"]);
        if plaintext.len() >= 100 {
            secrets.add("plaintext", &plaintext);
        }
        let (aes, pem) = (unhex(&key["material_hex"]), key["private_pkcs8_pem"].as_str());
        match pem {
            Some(pem) => secrets.add_rsa_key_as_written(pem),
            None => secrets.add_with_forms("wrapping key", &aes),
        }
        let stored: Vec<_> = case["object"]["metadata"].as_object().unwrap().iter().collect();
        let stored = stored.into_iter().map(|(key, value)| (key, value.as_str().unwrap()));
        let metadata = match Metadata::read(stored).unwrap() {
            Metadata::Complete(metadata) => metadata,
            Metadata::InInstructionFile(rest) => {
                rest.complete(&read(&case["instruction_file"]["body"])).unwrap()
            }
        };
        let mut body = read(&case["object"]["body"]);
        let freed = freed_by_async(async {
            let keyring: Box<dyn S3Keyring> = match pem {
                Some(pem) => {
                    let key = RsaPrivateKey::from_pem(pem).unwrap();
                    Box::new(RsaKeyring::private(key).unwrap())
                }
                None => Box::new(AesKeyring::new(AesKey::try_from(&aes[..]).unwrap()).unwrap()),
            };
            for last in [0, 1] {
                let opened = || open(&metadata, &*keyring).policy(everything());
                *body.last_mut().unwrap() ^= last;
                let mut opener = opened().await.unwrap().buffered(1 << 20);
                opener.update(&body).unwrap();
                std::mem::forget(opener.finish());
                let mut opener = opened().await.unwrap().release_unauthenticated();
                let mut out = Vec::with_capacity(body.len());
                body.chunks(7).for_each(|piece| opener.update(piece, &mut out).unwrap());
                drop(opener.finish(&mut out));
                std::mem::forget(out);
            }
        });
        secrets.assert_not_in(&freed);
        ran += 1;
    }
    assert_eq!(ran, 23);
}

fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap_or_default();
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}
