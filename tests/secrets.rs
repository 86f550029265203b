//! Nothing secret is printed: by `Debug` of any type, by any error, by a panic.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use std::error::Error as StdError;
use std::fmt::Debug;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;
use waxseal::{
    AesKey, AlgorithmSuite, Attempt, BoxFuture, CachingManager, DataKey, DecryptAt, DecryptReader,
    DecryptionMaterials, DecryptionRequest, EcPrivateKey, EcdhCurve, EncryptReader, EncryptWriter,
    EncryptionMaterials, EncryptionRequest, Error, Header, LocalKeyring, LocalMultiKeyring, Locked,
    MaterialsCache, MaterialsManager, MultiKeyring, Policy, RawAesKeyring, RawEcdhKeyring,
    RawRsaKeyring, RequiredContextManager, RsaPadding, RsaPrivateKey, UnwrapRequest,
    UnwrappedDataKey,
};

/// Every piece of eight bytes of the secrets, in every form that text can have.
struct Secrets(Vec<String>);

impl Secrets {
    fn new(secrets: &[&[u8]]) -> Self {
        let pieces = secrets.iter().flat_map(|secret| secret.windows(8));
        let forms = pieces.flat_map(|piece| {
            let list = |separator: &str| {
                let bytes: Vec<_> = piece.iter().map(u8::to_string).collect();
                bytes.join(separator)
            };
            let hex: String = piece.iter().map(|byte| format!("{byte:02x}")).collect();
            let upper = hex.to_uppercase();
            let escaped = piece.escape_ascii().to_string();
            let raw = String::from_utf8_lossy(piece).into_owned();
            let base64 = Base64::encode_string(&piece[..6]);
            // Of the pretty form, the indentation is not known.
            let lines = list(",\n");
            [list(", "), lines, hex, upper, escaped, raw, base64]
        });
        Self(forms.collect())
    }

    #[track_caller]
    fn assert_not_in(&self, text: &str) {
        // Lists of bytes in the pretty form come out as in the other.
        let flat: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for form in &self.0 {
            assert!(!text.contains(form) && !flat.contains(form), "{form} is in {text}");
        }
        assert!(text.len() < 20_000, "{} bytes of text", text.len());
    }

    #[track_caller]
    fn assert_hidden_by(&self, what: &dyn Debug) {
        self.assert_not_in(&format!("{what:?}"));
        self.assert_not_in(&format!("{what:#?}"));
    }

    /// All that an error and those behind it say.
    #[track_caller]
    fn assert_hidden_by_error(&self, error: &(dyn StdError + 'static)) {
        let mut next = Some(error);
        while let Some(error) = next {
            self.assert_hidden_by(&error);
            self.assert_not_in(&error.to_string());
            next = error.source();
        }
    }
}

#[test]
fn the_search_finds_every_form() {
    // Nothing of the other tests, one of which listens to what panics.
    let secret = b"\x00\xfe9876543210";
    let secrets = Secrets::new(&[secret]);
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    for text in [
        format!("{secret:?}"),
        format!("{secret:#?}"),
        hex.to_uppercase(),
        hex,
        "key: 9876543210".to_owned(),
        Base64::encode_string(secret),
        secret.escape_ascii().to_string(),
    ] {
        assert!(catch_unwind(AssertUnwindSafe(|| secrets.assert_not_in(&text))).is_err(), "{text}");
    }
}

const KEY: [u8; 32] = *b"k0123456789abcdef0123456789ABCDE";
const PLAINTEXT: &[u8] = b"the attack begins at dawn, whatever the weather may be";

fn aes() -> RawAesKeyring {
    RawAesKeyring::new("n", "k", AesKey::from(KEY)).unwrap()
}

/// What is secret of a message: both its keys, too, of a suite that commits.
fn secrets_of_message(header: &Header) -> Secrets {
    let suite = header.suite();
    let request = UnwrapRequest::new(suite, header.context(), header.encrypted_data_keys());
    let data_key = aes().unwrap_now(&request).unwrap().key().expose().to_vec();
    let extracted = hmac_sha512(header.message_id(), &[&data_key]);
    let info = [&suite.id().to_be_bytes()[..], b"DERIVEKEY", &[1]];
    let content_key = &hmac_sha512(&extracted, &info)[..32];
    let commitment = &hmac_sha512(&extracted, &[b"COMMITKEY", &[1]])[..32];
    let text = format!("{header:?}");
    assert!(text.contains(&format!("{commitment:?}")), "the derivation is another: {text}");
    Secrets::new(&[&KEY, PLAINTEXT, &data_key, content_key])
}

fn hmac_sha512(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha512>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

#[test]
fn keys() {
    let secrets = Secrets::new(&[&KEY]);
    secrets.assert_hidden_by(&AesKey::from(KEY));
    assert_eq!(format!("{:?}", AesKey::from(KEY)), "AesKey(32 bytes)");
    let data_key = DataKey::try_from(&KEY[..]).unwrap();
    secrets.assert_hidden_by(&data_key);
    secrets.assert_hidden_by(&UnwrappedDataKey::new(data_key, 0));
    secrets.assert_hidden_by(&aes());
    secrets.assert_hidden_by(&LocalMultiKeyring::generator(aes()).child(aes()));
    secrets.assert_hidden_by(&MultiKeyring::generator(aes()).child(aes()));
    secrets.assert_hidden_by(&RequiredContextManager::new(aes(), ["tenant"]).unwrap());
    for refused in
        [AesKey::try_from(&KEY[..31]).map(|_| ()), DataKey::try_from(&KEY[..9]).map(|_| ())]
    {
        secrets.assert_hidden_by_error(&refused.unwrap_err());
    }
    let refused = RawAesKeyring::new("aws-kms", "k", AesKey::from(KEY)).unwrap_err();
    secrets.assert_hidden_by_error(&refused);
}

/// The text is secret, and so is what it says.
fn secrets_of(pem: &str) -> Secrets {
    let der = pkcs8::der::pem::decode_vec(pem.as_bytes()).unwrap().1;
    let info: pkcs8::PrivateKeyInfoRef<'_> = der[..].try_into().unwrap();
    let inner = info.private_key.as_bytes();
    let lines: Vec<_> =
        pem.lines().filter(|line| !line.starts_with('-')).map(str::as_bytes).collect();
    Secrets::new(&[&lines[..], &[inner]].concat())
}

#[test]
fn rsa_keys() {
    let key = RsaPrivateKey::generate(2048).unwrap();
    let pem = key.to_pem().unwrap();
    let secrets = secrets_of(pem.expose());
    secrets.assert_hidden_by(&key);
    secrets.assert_hidden_by(&pem);
    assert_eq!(format!("{pem:?}"), "SecretText(..)");
    // Cut and broken texts, and texts of something else.
    let text = pem.expose();
    let middle = text.len() / 2;
    for (at, byte) in [(middle, "!"), (middle, "A"), (100, "B")] {
        let broken = [&text[..at], byte, &text[at + 1..]].concat();
        for text in [&text[..at], &broken, text] {
            let errors = [
                RsaPrivateKey::from_pem(text).err(),
                EcPrivateKey::from_pem(text).err(),
                waxseal::RsaPublicKey::from_pem(text).err(),
                waxseal::EcPublicKey::from_pem(text).err(),
            ];
            errors.iter().flatten().for_each(|error| secrets.assert_hidden_by_error(error));
        }
    }
    let keyring = RawRsaKeyring::private("n", "k", RsaPadding::OaepSha256, key).unwrap();
    secrets.assert_hidden_by(&keyring);
    let error = waxseal::encrypt(PLAINTEXT, &keyring).now().unwrap_err();
    secrets.assert_hidden_by_error(&error);
}

#[test]
fn elliptic_curve_keys() {
    for curve in [EcdhCurve::P256, EcdhCurve::P384, EcdhCurve::P521] {
        let key = EcPrivateKey::generate(curve).unwrap();
        let pem = key.to_pem().unwrap();
        let secrets = secrets_of(pem.expose());
        secrets.assert_hidden_by(&key);
        secrets.assert_hidden_by(&pem);
        let peer = EcPrivateKey::generate(curve).unwrap().public_key().unwrap();
        let copy = EcPrivateKey::from_pem(pem.expose()).unwrap();
        let keyring = RawEcdhKeyring::raw_private_key_to_static_public_key(key, peer).unwrap();
        // The public half may be named; of the private key the first bytes are the number.
        let der = pkcs8::der::pem::decode_vec(pem.expose().as_bytes()).unwrap().1;
        let info: pkcs8::PrivateKeyInfoRef<'_> = der[..].try_into().unwrap();
        let number = Secrets::new(&[&info.private_key.as_bytes()[8..38]]);
        number.assert_hidden_by(&keyring);
        number.assert_hidden_by(&RawEcdhKeyring::public_key_discovery(copy).unwrap());
        let other = waxseal::encrypt(PLAINTEXT, &aes()).now().unwrap();
        number.assert_hidden_by_error(&waxseal::decrypt(&other, &keyring).now().unwrap_err());
    }
}

#[test]
fn engines_and_streams_that_encrypt() {
    let keyring = aes();
    let secrets = Secrets::new(&[&KEY, PLAINTEXT]);
    let start = || {
        let encryptor = waxseal::encryptor(&keyring).now().unwrap();
        let secrets = secrets_of_message(encryptor.header());
        (encryptor, secrets)
    };
    secrets.assert_hidden_by(&waxseal::encryptor(&keyring));
    secrets.assert_hidden_by(&waxseal::encrypt(PLAINTEXT, &keyring));
    // What was in the buffer before.
    let mut buffer = PLAINTEXT.repeat(100);
    secrets.assert_hidden_by(&waxseal::encrypt(PLAINTEXT, &keyring).into_buffer(&mut buffer));
    secrets.assert_hidden_by(&waxseal::encrypt_value("the attack begins at dawn", &keyring));

    let (mut encryptor, secrets) = start();
    let _ = encryptor.update(PLAINTEXT, &mut [0; 5_000]).unwrap();
    secrets.assert_hidden_by(&encryptor);
    let (encryptor, secrets) = start();
    secrets.assert_hidden_by(&encryptor.into_frames().unwrap());
    let (encryptor, secrets) = start();
    let mut writer = EncryptWriter::new(encryptor, Vec::new());
    writer.write_all(PLAINTEXT).unwrap();
    secrets.assert_hidden_by(&writer);
    // The reader has read everything and given out the start of the header. Its source is the caller's.
    struct Source(&'static [u8]);
    impl Debug for Source {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Source")
        }
    }
    impl Read for Source {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(out)
        }
    }
    let (encryptor, secrets) = start();
    let mut reader = EncryptReader::new(encryptor, Source(PLAINTEXT));
    reader.read_exact(&mut [0; 600]).unwrap_or_default();
    secrets.assert_hidden_by(&reader);
}

#[test]
fn engines_and_streams_that_decrypt() {
    let keyring = aes();
    for suite in [
        AlgorithmSuite::Aes256GcmHkdfSha512CommitKey,
        AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384,
    ] {
        let message = waxseal::encrypt(PLAINTEXT, &keyring).suite(suite).now().unwrap();
        let secrets = secrets_of_message(message.header());
        secrets.assert_hidden_by(&waxseal::decrypt(&message, &keyring));
        secrets.assert_hidden_by(&waxseal::decrypt_value::<String, _, _>(&message, &keyring));
        secrets.assert_hidden_by(&waxseal::decrypt(&message, &keyring).now().unwrap());
        let mut buffer = PLAINTEXT.repeat(100);
        secrets.assert_hidden_by(&waxseal::decrypt(&message, &keyring).into_buffer(&mut buffer));
        secrets.assert_hidden_by(message.header());

        let (locked, header_len) = Locked::read(&message, Policy::default()).unwrap();
        secrets.assert_hidden_by(&locked);
        let mut decryptor = locked.unlock(&keyring).now().unwrap();
        // Of a signed message the plaintext waits in it.
        let body = &message[header_len..message.len() - 1];
        let _ = decryptor.update(body, &mut [0; 10]).unwrap();
        secrets.assert_hidden_by(&decryptor);
        if !suite.signs() {
            secrets.assert_hidden_by_error(&decryptor.finish().unwrap_err());
            let source = DecryptAt::open(&message[..]).unwrap();
            let at = source.unlock(&keyring).now().unwrap().cache_len(10_000);
            at.read_at(&mut [0; 10], 0).unwrap();
            let mut reader = at.reader();
            reader.read_exact(&mut [0; 5]).unwrap();
            secrets.assert_not_in(&format!("{reader:?}"));
        }
        let mut reader = DecryptReader::open(&message[..]).unwrap().unlock(&keyring).now().unwrap();
        reader.read_exact(&mut [0; 5]).unwrap();
        secrets.assert_not_in(&format!("{reader:?}"));

        // Every byte may be the one that an error is about.
        let mut changed = message.to_vec();
        for at in 0..message.len() {
            changed[at] ^= 1;
            let error = waxseal::decrypt(&changed, &keyring).now().unwrap_err();
            if at % 5 == 0 {
                secrets.assert_hidden_by_error(&error);
            }
            changed[at] ^= 1;
        }
    }
}

#[test]
fn materials_and_caches() {
    /// Shows the materials that pass through it.
    #[derive(Debug)]
    struct Showing(RawAesKeyring, Mutex<Vec<(String, Vec<u8>)>>);
    impl MaterialsManager for Showing {
        fn encryption_materials<'a>(
            &'a self,
            request: EncryptionRequest,
        ) -> BoxFuture<'a, Result<EncryptionMaterials, Error>> {
            Box::pin(async move {
                let materials = self.0.encryption_materials(request).await?;
                let key = materials.data_key().unwrap().expose().to_vec();
                self.1.lock().unwrap().push((format!("{materials:?} {materials:#?}"), key));
                Ok(materials)
            })
        }

        fn decryption_materials<'a>(
            &'a self,
            request: DecryptionRequest<'a>,
        ) -> BoxFuture<'a, Result<DecryptionMaterials, Error>> {
            Box::pin(async move {
                let materials = self.0.decryption_materials(request).await?;
                let key = self.1.lock().unwrap()[0].1.clone();
                self.1.lock().unwrap().push((format!("{materials:?} {materials:#?}"), key));
                Ok(materials)
            })
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let showing = Arc::new(Showing(aes(), Mutex::default()));
    let cache = MaterialsCache::new(10).unwrap();
    let shared: Arc<dyn MaterialsManager> = Arc::<Showing>::clone(&showing);
    let manager = CachingManager::new(shared, &cache, Duration::from_secs(60)).unwrap();
    runtime.block_on(async {
        let message = waxseal::encrypt(PLAINTEXT, &manager).await.unwrap();
        waxseal::decrypt(&message, &manager).await.unwrap();
    });
    let shown = showing.1.lock().unwrap();
    assert_eq!(shown.len(), 2);
    for (text, key) in shown.iter() {
        let secrets = Secrets::new(&[&KEY, key]);
        secrets.assert_not_in(text);
        secrets.assert_hidden_by(&cache);
    }
    drop(shown);
    let shown = format!("{manager:?}");
    let key = showing.1.lock().unwrap()[0].1.clone();
    // The manager's own text is that of the one behind it, which here holds texts of its own.
    Secrets::new(&[&KEY, &key[..]]).assert_not_in(&shown[..shown.len().min(200)]);
}

#[cfg(feature = "s3-format")]
#[test]
fn objects() {
    use waxseal::s3::{AesKeyring, ContentMetadata, RsaKeyring, open, prepare, unwrap_data_key};

    async fn secrets_of_object(keyring: &AesKeyring, metadata: &ContentMetadata) -> Secrets {
        let policy = waxseal::s3::Policy::default();
        let data_key = unwrap_data_key(keyring, &policy, metadata, &Default::default()).await;
        let data_key = data_key.unwrap();
        let extracted = hmac_sha512(metadata.iv(), &[data_key.expose()]);
        let [content_key, commitment] = [b"DERIVEKEY", b"COMMITKEY"]
            .map(|label| hmac_sha512(&extracted, &[b"\x00\x73", label, &[1]]));
        assert!(commitment.starts_with(metadata.commitment().unwrap()), "another derivation");
        Secrets::new(&[&KEY, PLAINTEXT, data_key.expose(), &content_key[..32]])
    }

    let secrets = Secrets::new(&[&KEY, PLAINTEXT]);
    let keyring = AesKeyring::new(AesKey::from(KEY)).unwrap();
    secrets.assert_hidden_by(&keyring);
    let private = RsaPrivateKey::generate(2048).unwrap();
    let pem = private.to_pem().unwrap();
    secrets_of(pem.expose()).assert_hidden_by(&RsaKeyring::private(private).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        secrets.assert_hidden_by(&prepare(&keyring));
        let parts = prepare(&keyring).await.unwrap();
        let of_parts = secrets_of_object(&keyring, parts.content_metadata()).await;
        let prepared = prepare(&keyring).await.unwrap();
        let metadata = prepared.content_metadata().clone();
        let secrets = secrets_of_object(&keyring, &metadata).await;
        secrets.assert_hidden_by(&prepared);
        secrets.assert_hidden_by(&metadata);
        let mut sealer = prepared.into_sealer();
        let mut body = Vec::new();
        sealer.update(PLAINTEXT, &mut body).unwrap();
        secrets.assert_hidden_by(&sealer);
        sealer.finish(&mut body).unwrap();
        let parts = parts.into_part_sealer();
        of_parts.assert_hidden_by(&parts);
        let ticket = parts.next_part(PLAINTEXT.len()).unwrap();
        of_parts.assert_hidden_by(&ticket);
        of_parts.assert_hidden_by(&ticket.seal(&mut PLAINTEXT.to_vec()).unwrap());

        let opened = || open(&metadata, &keyring);
        secrets.assert_hidden_by(&opened());
        secrets.assert_hidden_by(&opened().await.unwrap());
        let mut opener = opened().await.unwrap().buffered(1_000);
        opener.update(&body).unwrap();
        secrets.assert_hidden_by(&opener);
        let mut opener = opened().await.unwrap().release_unauthenticated();
        opener.update(&body, &mut Vec::new()).unwrap();
        secrets.assert_hidden_by(&opener);
        let mut opener = opened().await.unwrap().buffered(1_000);
        opener.update(&body[1..]).unwrap();
        secrets.assert_hidden_by_error(&opener.finish().unwrap_err());
        let mut other = KEY;
        other[0] ^= 1;
        let stranger = AesKeyring::new(AesKey::from(other)).unwrap();
        secrets.assert_hidden_by_error(&open(&metadata, &stranger).await.unwrap_err());
    });
}

/// What the hook is given when this crate's types are in what panics.
#[test]
fn panics() {
    #[derive(Debug)]
    struct Broken(RawAesKeyring);
    impl LocalKeyring for Broken {
        fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
            self.0.wrap_now(materials)?;
            panic!("{self:?} {materials:?}");
        }

        fn unwrap_now(
            &self,
            request: &UnwrapRequest<'_>,
        ) -> Result<UnwrappedDataKey, Vec<Attempt>> {
            panic!("{:?}", self.0.unwrap_now(request));
        }
    }
    let told = Arc::new(Mutex::new(String::new()));
    let hook = std::panic::take_hook();
    let telling = Arc::clone(&told);
    std::panic::set_hook(Box::new(move |panic| {
        telling.lock().unwrap().push_str(&panic.to_string())
    }));
    let message = waxseal::encrypt(PLAINTEXT, &aes()).now().unwrap();
    let broken = Broken(aes());
    let outcomes = [
        catch_unwind(AssertUnwindSafe(|| drop(waxseal::encrypt(PLAINTEXT, &broken).now()))),
        catch_unwind(AssertUnwindSafe(|| drop(waxseal::decrypt(&message, &broken).now()))),
        catch_unwind(AssertUnwindSafe(|| drop(AesKey::try_from(&KEY[..31]).unwrap()))),
        catch_unwind(AssertUnwindSafe(|| {
            waxseal::decrypt(&message, &aes()).now().expect_err("it opens");
        })),
    ];
    std::panic::set_hook(hook);
    assert!(outcomes.iter().all(Result::is_err));
    let told = told.lock().unwrap();
    assert!(told.contains("DataKey(32 bytes)"), "{told}");
    secrets_of_message(message.header()).assert_not_in(&told);
}
