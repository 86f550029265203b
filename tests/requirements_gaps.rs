//! Requirements of the specification that no other test covers; `requirements.md` says which is which.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use std::cell::Cell;
use std::sync::{Arc, LazyLock, Mutex};

use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::aes::{Aes128, Aes192, Aes256};
use base64ct::{Base64, Encoding};
use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha384, Sha512};
use waxseal::{
    AesKey, AlgorithmSuite, ApiMisuse, Attempt, BoxFuture, CommitmentPolicy, ContextError, DataKey,
    DecryptionMaterials, DecryptionRequest, EncryptedDataKey, EncryptionContext,
    EncryptionMaterials, EncryptionRequest, Error, HeaderReader, KeyringError, LocalKeyring,
    LocalMultiKeyring, Malformed, MaterialsManager, Policy, PolicyError, RawAesKeyring,
    RawRsaKeyring, RsaPadding, RsaPrivateKey, UnwrapFailure, UnwrapRequest, UnwrappedDataKey,
    check_keyring, encryptor,
};

const UNSIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
const SIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384;
const WEAK: AlgorithmSuite = AlgorithmSuite::Aes256GcmIv12Tag16HkdfSha256;
const LAX: CommitmentPolicy = CommitmentPolicy::ForbidEncryptAllowDecrypt;

fn aes(name: &str) -> RawAesKeyring {
    RawAesKeyring::new("tests", name, AesKey::from([7; 32])).unwrap()
}

fn policy(suite: AlgorithmSuite) -> Policy {
    Policy::default().commitment(if suite.commits() {
        CommitmentPolicy::RequireEncryptRequireDecrypt
    } else {
        LAX
    })
}

/// Always the same data key, so that a test can do by itself what the crate does with it.
#[derive(Debug)]
struct Known;

impl LocalKeyring for Known {
    fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        let len = materials.suite().data_key_len();
        materials.set_data_key(DataKey::try_from(&DATA_KEY[..len])?)?;
        materials.push_encrypted_data_key(EncryptedDataKey::new("known", "key", b"wrapped"))
    }

    fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        let key = DataKey::try_from(&DATA_KEY[..request.suite().data_key_len()]).unwrap();
        Ok(UnwrappedDataKey::new(key, 0))
    }
}

const DATA_KEY: [u8; 32] = *b"thirty-two bytes that are a key!";

/// What a materials manager was asked to decrypt: suite, stored pairs, given pairs, keys, policy.
type Asked = (AlgorithmSuite, EncryptionContext, EncryptionContext, Vec<EncryptedDataKey>, Policy);

/// Notes every request, changes it, and passes it on.
#[derive(Debug)]
struct Recording {
    inner: RawAesKeyring,
    change_encrypt: fn(&mut EncryptionRequest),
    change_decrypt: fn(&mut DecryptionRequest<'_>),
    encrypt: Mutex<Vec<EncryptionRequest>>,
    decrypt: Mutex<Vec<Asked>>,
}

impl Recording {
    fn new() -> Self {
        Self {
            inner: aes("a"),
            change_encrypt: |_| {},
            change_decrypt: |_| {},
            encrypt: Mutex::default(),
            decrypt: Mutex::default(),
        }
    }

    /// The one request to encrypt that came since the last call.
    fn take_encrypt(&self) -> EncryptionRequest {
        let mut all = self.encrypt.lock().unwrap();
        assert_eq!(all.len(), 1);
        all.pop().unwrap()
    }
}

impl MaterialsManager for Recording {
    fn encryption_materials<'a>(
        &'a self,
        mut request: EncryptionRequest,
    ) -> BoxFuture<'a, Result<EncryptionMaterials, Error>> {
        self.encrypt.lock().unwrap().push(request.clone());
        (self.change_encrypt)(&mut request);
        self.inner.encryption_materials(request)
    }

    fn decryption_materials<'a>(
        &'a self,
        mut request: DecryptionRequest<'a>,
    ) -> BoxFuture<'a, Result<DecryptionMaterials, Error>> {
        self.decrypt.lock().unwrap().push((
            request.suite,
            request.context.clone(),
            request.reproduced_context.clone(),
            request.encrypted_data_keys.to_vec(),
            request.policy.clone(),
        ));
        (self.change_decrypt)(&mut request);
        self.inner.decryption_materials(request)
    }
}

#[tokio::test]
async fn a_reserved_context_key_is_refused_before_the_manager_is_asked() {
    let manager = Recording::new();
    for key in ["aws-crypto-", "aws-crypto-public-key", "aws-crypto-x"] {
        let error = waxseal::encrypt(b"x", &manager).context([(key, "v")]).await.unwrap_err();
        assert!(matches!(error, Error::ApiMisuse(ApiMisuse::ReservedContextKey { .. })));
        let error = encryptor(&manager).context([(key, "v")]).await.unwrap_err();
        assert!(matches!(error, Error::ApiMisuse(ApiMisuse::ReservedContextKey { .. })));
    }
    assert!(manager.encrypt.lock().unwrap().is_empty());
    // The default materials manager refuses one that another manager slipped in.
    let manager = Recording {
        change_encrypt: |request| {
            request.context.insert("aws-crypto-public-key", "v");
        },
        ..Recording::new()
    };
    let error = waxseal::encrypt(b"x", &manager).suite(UNSIGNED).await.unwrap_err();
    assert!(matches!(error, Error::ApiMisuse(ApiMisuse::ReservedContextKey { .. })));
}

#[tokio::test]
async fn a_suite_that_the_policy_forbids_is_refused_before_the_manager_is_asked() {
    let manager = Recording::new();
    let error = waxseal::encrypt(b"x", &manager).suite(WEAK).await.unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::Commitment { .. })), "{error:?}");
    let lax = Policy::default().commitment(LAX);
    let error = waxseal::encrypt(b"x", &manager).suite(SIGNED).policy(lax.clone()).await;
    assert!(matches!(error, Err(Error::Policy(PolicyError::Commitment { .. }))), "{error:?}");
    assert!(manager.encrypt.lock().unwrap().is_empty());

    let message = waxseal::encrypt(b"x", &aes("a")).suite(WEAK).policy(lax).now().unwrap();
    let error = waxseal::decrypt(&message, &manager).await.unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::Commitment { .. })), "{error:?}");
    assert!(manager.decrypt.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_manager_is_told_what_encryption_needs() {
    let manager = Recording::new();
    waxseal::encrypt(b"12345", &manager).await.unwrap();
    let request = manager.take_encrypt();
    assert_eq!((request.suite, request.max_plaintext_len), (None, Some(5)));
    assert!(request.context.is_empty() && request.required_context_keys.is_empty());
    assert_eq!(request.policy, Policy::default());

    let policy = Policy::default().commitment(CommitmentPolicy::RequireEncryptAllowDecrypt);
    let encryptor = || encryptor(&manager).context([("k", "v")]).suite(UNSIGNED);
    encryptor().policy(policy.clone()).plaintext_bound(9).await.unwrap();
    let request = manager.take_encrypt();
    assert_eq!((request.suite, request.max_plaintext_len), (Some(UNSIGNED), Some(9)));
    assert_eq!(request.context, EncryptionContext::from([("k", "v")]));
    assert_eq!(request.policy, policy);

    encryptor().await.unwrap();
    assert_eq!(manager.take_encrypt().max_plaintext_len, None);
}

#[tokio::test]
async fn the_manager_is_told_what_decryption_needs() {
    let keyring = LocalMultiKeyring::generator(aes("a")).child(aes("b"));
    let message = waxseal::encrypt(b"x", &keyring).context([("k", "v")]).now().unwrap();
    let manager = Recording::new();
    let policy = Policy::default().max_encrypted_data_keys(7);
    let required = EncryptionContext::from([("k", "v")]);
    let decrypt = waxseal::decrypt(&message, &manager).policy(policy);
    decrypt.require(&required).await.unwrap();
    let asked = manager.decrypt.lock().unwrap().pop().unwrap();
    let header = message.header();
    assert_eq!((asked.0, &asked.1, &asked.2), (SIGNED, header.context(), &required));
    assert_eq!(asked.3, header.encrypted_data_keys());
    assert_eq!(asked.4, Policy::default().max_encrypted_data_keys(7));
}

#[tokio::test]
async fn the_suite_of_the_materials_is_the_one_used() {
    let manager =
        Recording { change_encrypt: |request| request.suite = Some(UNSIGNED), ..Recording::new() };
    let message = waxseal::encrypt(b"x", &manager).suite(SIGNED).await.unwrap();
    assert_eq!(message.header().suite(), UNSIGNED);
    assert_eq!(message[..3], [2, 4, 0x78]);
    assert!(message.header().context().is_empty());
    assert_eq!(waxseal::decrypt(&message, &aes("a")).now().unwrap().plaintext(), b"x");
}

#[tokio::test]
async fn a_manager_cannot_change_the_suite_of_a_message() {
    static LAX_POLICY: LazyLock<Policy> = LazyLock::new(|| Policy::default().commitment(LAX));
    let message = waxseal::encrypt(b"x", &aes("a")).suite(UNSIGNED).now().unwrap();
    let weak = Recording {
        change_decrypt: |request| {
            request.suite = WEAK;
            request.policy = &LAX_POLICY;
        },
        ..Recording::new()
    };
    let error = waxseal::decrypt(&message, &weak).await.unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::Commitment { .. })), "{error:?}");
    let other = Recording { change_decrypt: |request| request.suite = SIGNED, ..Recording::new() };
    let error = waxseal::decrypt(&message, &other).await.unwrap_err();
    assert!(matches!(error, Error::ApiMisuse(ApiMisuse::Materials(_))), "{error:?}");
}

#[tokio::test]
async fn a_default_manager_holds_the_policy_of_its_request() {
    static STRICT: LazyLock<Policy> = LazyLock::new(Policy::default);
    let manager = Recording {
        change_encrypt: |request| request.policy = Policy::default(),
        change_decrypt: |request| request.policy = &STRICT,
        ..Recording::new()
    };
    let encrypt = |keys| waxseal::encrypt(b"x", keys).suite(WEAK).policy(policy(WEAK));
    let error = encrypt(&manager).await.unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::Commitment { .. })), "{error:?}");
    let message = encrypt(&Recording::new()).await.unwrap();
    let error = waxseal::decrypt(&message, &manager).policy(policy(WEAK)).await.unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::Commitment { .. })), "{error:?}");
}

#[test]
fn decrypting_tells_the_header() {
    let keyring = LocalMultiKeyring::generator(aes("a")).child(aes("b"));
    let message = waxseal::encrypt(b"x", &keyring).context([("k", "v")]).now().unwrap();
    let mut reader = HeaderReader::new(Policy::default());
    for byte in &message[..usize::try_from(message.header().len()).unwrap()] {
        assert!(!reader.is_complete());
        assert_eq!(reader.push(&[*byte]).unwrap(), 1);
    }
    assert!(reader.is_complete());
    let decryptor = reader.finish().unwrap().unlock(&aes("b")).now().unwrap();
    let opened = waxseal::decrypt(&message, &aes("b")).now().unwrap();
    for header in [decryptor.header(), opened.header()] {
        assert_eq!(header.parsed(), message.header());
        assert_eq!((header.suite(), header.context()), (SIGNED, message.header().context()));
        assert_eq!(header.opened_by(), &message.header().encrypted_data_keys()[1]);
    }
}

#[tokio::test]
async fn a_required_key_must_be_in_the_context() {
    let manager = Recording {
        change_encrypt: |request| {
            request.required_context_keys.insert("missing".into());
        },
        ..Recording::new()
    };
    let error = waxseal::encrypt(b"x", &manager).context([("k", "v")]).await.unwrap_err();
    assert!(matches!(error, Error::ApiMisuse(ApiMisuse::Materials(_))), "{error:?}");
}

fn of_keys(count: usize) -> LocalMultiKeyring {
    (1..count).fold(LocalMultiKeyring::generator(aes("k")), |keyring, _| keyring.child(aes("k")))
}

#[test]
fn too_many_encrypted_data_keys_are_not_written() {
    let three = of_keys(3);
    let encrypt = |limit| {
        waxseal::encrypt(b"x", &three)
            .policy(Policy::default().max_encrypted_data_keys(limit))
            .now()
    };
    assert_eq!(encrypt(3).unwrap().header().encrypted_data_keys().len(), 3);
    let Err(Error::Policy(PolicyError::TooManyEncryptedDataKeys { found: 3, limit: 2 })) =
        encrypt(2)
    else {
        panic!("another result");
    };
}

/// By default there is a limit, unlike what the specification says; it can be taken away.
#[test]
fn the_largest_key_limit_is_no_limit() {
    let many = of_keys(101);
    let too_many = |error| {
        matches!(error, Error::Policy(PolicyError::TooManyEncryptedDataKeys { limit: 100, .. }))
    };
    assert!(too_many(waxseal::encrypt(b"x", &many).now().unwrap_err()));
    let unlimited = Policy::default().max_encrypted_data_keys(u16::MAX);
    let message = waxseal::encrypt(b"x", &many).policy(unlimited.clone()).now().unwrap();
    assert!(too_many(waxseal::decrypt(&message, &aes("k")).now().unwrap_err()));
    assert!(waxseal::decrypt(&message, &aes("k")).policy(unlimited).now().is_ok());
}

#[test]
fn too_many_keys_are_refused_at_the_byte_that_tells() {
    let message = waxseal::encrypt(b"x", &of_keys(3)).suite(UNSIGNED).now().unwrap();
    // Version, suite, message id, empty context; the count ends here.
    let count_end = 1 + 2 + 32 + 2 + 2;
    assert_eq!(message[count_end - 2..count_end], [0, 3]);
    let mut reader = HeaderReader::new(Policy::default().max_encrypted_data_keys(2));
    for byte in &message[..count_end - 1] {
        assert_eq!(reader.push(&[*byte]).unwrap(), 1);
    }
    let error = reader.push(&message[count_end - 1..count_end]).unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::TooManyEncryptedDataKeys { .. })));
}

#[test]
fn the_frame_length_is_4096_by_default_and_never_0() {
    let frame_len = |message: &[u8]| waxseal::inspect(message).unwrap().parsed().content_type();
    let framed = waxseal::ContentType::Framed { frame_len: 4096 };
    assert_eq!(frame_len(&waxseal::encrypt(b"x", &aes("a")).now().unwrap()), framed);
    assert_eq!(encryptor(&aes("a")).now().unwrap().header().content_type(), framed);
    let misuse =
        |error| assert!(matches!(error, Error::ApiMisuse(ApiMisuse::FrameLenZero)), "{error:?}");
    misuse(waxseal::encrypt(b"x", &aes("a")).frame_len(0).unwrap_err());
    misuse(encryptor(&aes("a")).frame_len(0).unwrap_err());
}

#[test]
fn every_policy_has_the_default_suite_of_official_clients() {
    for (commitment, id) in [
        // The specification says 0x0078, but no client does that.
        (CommitmentPolicy::ForbidEncryptAllowDecrypt, 0x0378),
        (CommitmentPolicy::RequireEncryptAllowDecrypt, 0x0578),
        (CommitmentPolicy::RequireEncryptRequireDecrypt, 0x0578),
    ] {
        let policy = Policy::default().commitment(commitment);
        let message = waxseal::encrypt(b"x", &aes("a")).policy(policy).now().unwrap();
        assert_eq!(message.header().suite().id(), id);
    }
    assert_eq!(CommitmentPolicy::default(), CommitmentPolicy::RequireEncryptRequireDecrypt);
}

#[test]
fn what_must_be_fresh_is_fresh() {
    let keyring = aes("a");
    let [a, b] = [(), ()].map(|()| waxseal::encrypt(b"x", &keyring).now().unwrap());
    let (a, b) = (a.header(), b.header());
    assert_ne!(a.message_id(), b.message_id());
    let iv = |header: &waxseal::Header| {
        let info = header.encrypted_data_keys()[0].provider_info();
        info[info.len() - 12..].to_vec()
    };
    assert_ne!(iv(a), iv(b));
    let ciphertext =
        |header: &waxseal::Header| header.encrypted_data_keys()[0].ciphertext().to_vec();
    assert_ne!(ciphertext(a), ciphertext(b));
    let signer = |header: &waxseal::Header| {
        header.context().get("aws-crypto-public-key").unwrap().to_owned()
    };
    assert_ne!(signer(a), signer(b));

    let data_keys = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..2 {
        let seen = Arc::clone(&data_keys);
        let peek = Peek(Box::new(move |materials| {
            seen.lock().unwrap().push(materials.data_key().unwrap().expose().to_vec());
            Ok(())
        }));
        let both = LocalMultiKeyring::generator(aes("a")).child(peek);
        waxseal::encrypt(b"x", &both).now().unwrap();
    }
    let data_keys = data_keys.lock().unwrap();
    assert_ne!(data_keys[0], data_keys[1]);
}

/// Does this when it should wrap, and opens nothing.
struct Peek(Box<Wrap>);

type Wrap = dyn Fn(&mut EncryptionMaterials) -> Result<(), Error> + Send + Sync;

impl std::fmt::Debug for Peek {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Peek")
    }
}

impl LocalKeyring for Peek {
    fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        (self.0)(materials)
    }

    fn unwrap_now(&self, _: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        let failure = UnwrapFailure::Malformed("it only peeks");
        Err(vec![Attempt::new("peek", 0, failure)])
    }
}

#[test]
fn materials_keep_their_own_rules() {
    let key = |len| DataKey::try_from(&DATA_KEY[..len]).unwrap();
    let edk = || EncryptedDataKey::new("p", "i", b"c");
    let peek = Peek(Box::new(move |materials| {
        assert!(materials.data_key().is_none() && materials.encrypted_data_keys().is_empty());
        assert!(materials.push_encrypted_data_key(edk()).is_err(), "there is no data key yet");
        assert!(materials.set_data_key(key(16)).is_err(), "it does not fit the suite");
        assert!(materials.data_key().is_none() && materials.encrypted_data_keys().is_empty());
        materials.set_data_key(key(32)).unwrap();
        assert!(materials.set_data_key(key(32)).is_err(), "it is set already");
        assert_eq!(materials.data_key_or_generate().unwrap(), &key(32));
        materials.push_encrypted_data_key(edk())
    }));
    assert!(waxseal::encrypt(b"x", &peek).now().is_ok());
    let idle = Peek(Box::new(|_| Ok(())));
    let error = waxseal::encrypt(b"x", &idle).now().unwrap_err();
    assert!(matches!(error, Error::ApiMisuse(ApiMisuse::Materials(_))), "{error:?}");
    let unwrapped = Peek(Box::new(|materials| materials.data_key_or_generate().map(drop)));
    let error = waxseal::encrypt(b"x", &unwrapped).now().unwrap_err();
    assert!(matches!(error, Error::ApiMisuse(ApiMisuse::Materials(_))), "{error:?}");
}

#[test]
fn an_encrypted_data_key_must_fit_its_lengths() {
    let wrapping = |id: usize, info: usize, ciphertext: usize| {
        let keyring = Peek(Box::new(move |materials| {
            materials.data_key_or_generate()?;
            let parts = [id, info, ciphertext].map(|len| vec![b'x'; len]);
            let [id, info, ciphertext] = parts;
            materials.push_encrypted_data_key(EncryptedDataKey::new(id, info, ciphertext))
        }));
        waxseal::encrypt(b"x", &keyring).now()
    };
    assert!(wrapping(65_535, 65_535, 65_535).is_ok());
    for (id, info, ciphertext) in [(65_536, 1, 1), (1, 65_536, 1), (1, 1, 65_536)] {
        let error = wrapping(id, info, ciphertext).unwrap_err();
        assert!(matches!(error, Error::ApiMisuse(ApiMisuse::Materials(_))), "{error:?}");
    }
}

/// Looser than the specification, on purpose: the header tag covers the bytes as they came.
#[test]
fn contexts_in_another_form_are_read() {
    let message = waxseal::encrypt(b"x", &Known).suite(UNSIGNED).now().unwrap().into_bytes();
    let (start, end) = message.split_at(1 + 2 + 32);
    let with = |context: &[u8]| [start, context, &end[2..]].concat();
    let read =
        |context: &[u8]| waxseal::inspect(&with(context)).unwrap().parsed().context().clone();
    assert_eq!(read(b"\0\0"), EncryptionContext::new());
    assert_eq!(read(b"\0\x02\0\0"), EncryptionContext::new());
    let unsorted = b"\0\x0e\0\x02\0\x01b\0\x012\0\x01a\0\x011";
    assert_eq!(read(unsorted), EncryptionContext::from([("a", "1"), ("b", "2")]));
}

/// A changed header does not verify anyway; here it is the rule itself that must refuse it.
#[test]
fn a_header_is_refused_for_the_rule_that_it_breaks() {
    let message = |suite| {
        let encrypt = waxseal::encrypt(b"x", &Known).suite(suite).policy(policy(suite));
        encrypt.now().unwrap().into_bytes()
    };
    let reason = |message: &[u8]| match waxseal::inspect(message) {
        Err(Error::InvalidMessage(invalid)) => invalid.reason().clone(),
        other => panic!("{other:?}"),
    };
    // The one encrypted data key has 21 bytes.
    let v1 = |at: usize, bytes: &[u8]| {
        let mut message = message(WEAK);
        message[at..at + bytes.len()].copy_from_slice(bytes);
        reason(&message)
    };
    assert_eq!(v1(0, &[3]), Malformed::UnknownVersion { found: 3 });
    assert_eq!(v1(1, &[0x81]), Malformed::UnknownType { found: 0x81 });
    assert_eq!(v1(2, &[0, 0]), Malformed::UnknownSuite { found: 0 });
    assert_eq!(v1(2, &[0, 0x72]), Malformed::UnknownSuite { found: 0x72 });
    assert_eq!(v1(2, &[4, 0x78]), Malformed::SuiteVersion { suite: 0x0478, version: 1 });
    assert_eq!(v1(22, &[0, 0]), Malformed::NoEncryptedDataKeys);
    assert_eq!(v1(45, &[3]), Malformed::UnknownContentType { found: 3 });
    for at in 46..50 {
        assert_eq!(v1(at, &[1]), Malformed::Reserved);
    }
    assert_eq!(v1(50, &[16]), Malformed::IvLen { found: 16 });
    assert_eq!(v1(45, &[1]), Malformed::FrameLen { found: 4096 });
    assert_eq!(v1(51, &[0; 4]), Malformed::FrameLen { found: 0 });

    let v2 = |at: usize, bytes: &[u8]| {
        let mut message = message(UNSIGNED);
        message[at..at + bytes.len()].copy_from_slice(bytes);
        reason(&message)
    };
    assert_eq!(v2(1, &[1, 0x78]), Malformed::SuiteVersion { suite: 0x0178, version: 2 });
    assert_eq!(v2(37, &[0, 0]), Malformed::NoEncryptedDataKeys);
    assert_eq!(v2(60, &[1]), Malformed::FrameLen { found: 4096 });
    assert_eq!(v2(61, &[0; 4]), Malformed::FrameLen { found: 0 });
}

#[test]
fn base64_text_is_recognised_in_every_version() {
    for suite in AlgorithmSuite::ALL {
        let message =
            waxseal::encrypt(b"x", &aes("a")).suite(suite).policy(policy(suite)).now().unwrap();
        let text = Base64::encode_string(&message);
        let Err(Error::InvalidMessage(invalid)) = waxseal::decrypt(&text, &aes("a")).now() else {
            panic!("another result");
        };
        assert_eq!(invalid.reason(), &Malformed::Base64);
    }
}

#[test]
fn a_public_key_is_there_exactly_if_the_suite_signs() {
    let reason = |message: &[u8]| match waxseal::decrypt(message, &Known).now() {
        Err(Error::InvalidMessage(invalid)) => invalid.reason().clone(),
        other => panic!("{other:?}"),
    };
    let mut signed = waxseal::encrypt(b"x", &Known).suite(SIGNED).now().unwrap().into_bytes();
    let value = signed.windows(10).position(|bytes| bytes == b"public-key").unwrap() + 12;
    let mut invalid = signed.clone();
    invalid[value..value + 4].copy_from_slice(b"////");
    assert_eq!(reason(&invalid), Malformed::PublicKeyInvalid);
    signed[1] = 4;
    assert_eq!(reason(&signed), Malformed::PublicKeyUnexpected);
    let mut unsigned = waxseal::encrypt(b"x", &Known).suite(UNSIGNED).now().unwrap().into_bytes();
    unsigned[1] = 5;
    assert_eq!(reason(&unsigned), Malformed::PublicKeyMissing);
}

fn unwrap(keyring: &dyn LocalKeyring, edks: &[EncryptedDataKey]) -> Result<usize, Vec<Attempt>> {
    let context = EncryptionContext::new();
    let request = UnwrapRequest::new(UNSIGNED, &context, edks);
    keyring.unwrap_now(&request).map(|unwrapped| unwrapped.index())
}

#[test]
fn raw_aes_tries_only_what_has_its_names_and_lengths() {
    let message = waxseal::encrypt(b"x", &aes("a")).suite(UNSIGNED).now().unwrap();
    let edk = message.header().encrypted_data_keys()[0].clone();
    let info = edk.provider_info();
    assert_eq!(info[..9], *b"a\0\0\0\x80\0\0\0\x0c");
    assert_eq!((info.len(), edk.ciphertext().len(), edk.provider_id()), (21, 48, &b"tests"[..]));
    let with = |id: &[u8], info: &[u8]| EncryptedDataKey::new(id, info, edk.ciphertext());
    let changed = |at: usize, byte: u8| {
        let mut info = info.to_vec();
        info[at] = byte;
        with(b"tests", &info)
    };
    let foreign = [
        with(b"test", info),
        with(b"tests2", info),
        changed(0, b'b'),
        with(b"tests", &[b"a", info].concat()),
        changed(4, 120),
        changed(8, 16),
        with(b"tests", &info[..20]),
        with(b"tests", b"a"),
    ];
    for edk in &foreign {
        let attempts = unwrap(&aes("a"), std::slice::from_ref(edk)).unwrap_err();
        assert!(attempts.is_empty(), "it tried {edk:?}");
    }
    let short = EncryptedDataKey::new("tests", info, &edk.ciphertext()[..15]);
    let attempts = unwrap(&aes("a"), std::slice::from_ref(&short)).unwrap_err();
    assert!(matches!(attempts[0].failure, UnwrapFailure::Malformed(_)), "{attempts:?}");
    // It looks past all of them.
    let all = [&foreign[..], &[short, edk]].concat();
    assert_eq!(unwrap(&aes("a"), &all).unwrap(), 9);
}

#[test]
fn a_context_that_cannot_be_encoded_is_neither_wrapped_nor_unwrapped_under() {
    let long = EncryptionContext::from([("k", "x".repeat(65_536))]);
    let error = waxseal::encrypt(b"x", &aes("a")).context(&long).now().unwrap_err();
    let Error::ApiMisuse(ApiMisuse::Context(ContextError::ValueTooLong { .. })) = error else {
        panic!("{error:?}");
    };
    let message = waxseal::encrypt(b"x", &aes("a")).suite(UNSIGNED).now().unwrap();
    let request = UnwrapRequest::new(UNSIGNED, &long, message.header().encrypted_data_keys());
    let attempts = aes("a").unwrap_now(&request).unwrap_err();
    assert!(matches!(attempts[0].failure, UnwrapFailure::Other(_)), "{attempts:?}");
}

#[tokio::test]
async fn raw_rsa_does_with_each_half_what_that_half_can() {
    let private = || {
        RsaPrivateKey::from_pem(include_str!("../src/crypto/tests/data/rsa2048.pkcs8.pem")).unwrap()
    };
    let public = || private().public_key().unwrap();
    let padding = RsaPadding::OaepSha256;
    let writer = RawRsaKeyring::public("tests", "rsa", padding, public()).unwrap();
    let reader = RawRsaKeyring::private("tests", "rsa", padding, private()).unwrap();
    let both = RawRsaKeyring::key_pair("tests", "rsa", padding, public(), private()).unwrap();
    check_keyring(&both, false).await.unwrap();

    let error = waxseal::encrypt(b"x", &reader).now().unwrap_err();
    assert!(matches!(error, Error::Keyring(KeyringError::Wrap { .. })), "{error:?}");
    let message = waxseal::encrypt(b"x", &writer).suite(UNSIGNED).now().unwrap();
    let edk = message.header().encrypted_data_keys()[0].clone();
    assert_eq!((edk.provider_id(), edk.provider_info()), (&b"tests"[..], &b"rsa"[..]));
    let attempts = unwrap(&writer, std::slice::from_ref(&edk)).unwrap_err();
    assert!(matches!(attempts[0].failure, UnwrapFailure::NoPrivateKey), "{attempts:?}");

    let with = |id: &[u8], info: &[u8]| EncryptedDataKey::new(id, info, edk.ciphertext());
    let foreign = [with(b"test", b"rsa"), with(b"tests", b"rs"), with(b"tests", b"rsa2")];
    assert!(unwrap(&reader, &foreign).unwrap_err().is_empty());
    let damaged = EncryptedDataKey::new("tests", "rsa", [0; 256]);
    assert_eq!(unwrap(&reader, &[damaged, edk.clone(), edk]).unwrap(), 1);
}

#[test]
fn names_are_as_long_as_the_message_can_hold() {
    let named = |len: usize| RawAesKeyring::new("n", "k".repeat(len), AesKey::from([7; 32]));
    let longest = named(65_515).unwrap();
    let message = waxseal::encrypt(b"x", &longest).now().unwrap();
    assert_eq!(message.header().encrypted_data_keys()[0].provider_info().len(), 65_535);
    assert_eq!(waxseal::decrypt(&message, &longest).now().unwrap().plaintext(), b"x");
    let error = named(65_516).unwrap_err();
    assert!(matches!(error, Error::ApiMisuse(ApiMisuse::KeyName { .. })), "{error:?}");
}

#[tokio::test]
async fn built_in_keyrings_do_what_every_keyring_must() {
    check_keyring(&aes("a"), true).await.unwrap();
    check_keyring(&LocalMultiKeyring::generator(aes("a")).child(aes("b")), true).await.unwrap();
    for namespace in ["aws-kms", "aws-kms-x"] {
        let error = RawAesKeyring::new(namespace, "n", AesKey::from([7; 32])).unwrap_err();
        assert!(matches!(error, Error::ApiMisuse(ApiMisuse::KeyName { .. })), "{error:?}");
    }
}

/// Counts its calls, and opens everything or fails.
#[derive(Debug, Clone)]
struct Probe {
    name: &'static str,
    opens: bool,
    log: Arc<Mutex<Vec<&'static str>>>,
}

impl LocalKeyring for Probe {
    fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        self.log.lock().unwrap().push(self.name);
        if !self.opens {
            return Err(KeyringError::wrap(self.name, "it never does").into());
        }
        materials.data_key_or_generate()?;
        materials.push_encrypted_data_key(EncryptedDataKey::new(self.name, "", b""))
    }

    fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        self.log.lock().unwrap().push(self.name);
        if !self.opens {
            let failure = UnwrapFailure::Malformed("it never does");
            return Err(vec![Attempt::new(self.name, 0, failure)]);
        }
        assert_eq!(request.encrypted_data_keys().len(), 3);
        Ok(UnwrappedDataKey::new(DataKey::try_from(&DATA_KEY[..]).unwrap(), 2))
    }
}

#[test]
fn a_multi_keyring_wraps_with_all_in_order_or_fails() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let probe = |name, opens| Probe { name, opens, log: Arc::clone(&log) };
    let names = || std::mem::take(&mut *log.lock().unwrap());
    let generator = |opens| LocalMultiKeyring::generator(probe("g", opens));

    let all = generator(true).child(probe("a", true)).child(probe("b", true));
    let message = waxseal::encrypt(b"x", &all).now().unwrap();
    assert_eq!(names(), ["g", "a", "b"]);
    let found: Vec<_> = message
        .header()
        .encrypted_data_keys()
        .iter()
        .map(|edk| edk.provider_id().to_vec())
        .collect();
    assert_eq!(found, [b"g", b"a", b"b"]);

    let failing = generator(false).child(probe("a", true));
    let error = waxseal::encrypt(b"x", &failing).now().unwrap_err();
    assert!(matches!(error, Error::Keyring(KeyringError::Wrap { .. })), "{error:?}");
    assert_eq!(names(), ["g"]);
    let failing = generator(true).child(probe("a", false)).child(probe("b", true));
    let error = waxseal::encrypt(b"x", &failing).now().unwrap_err();
    assert!(matches!(error, Error::Keyring(KeyringError::Wrap { .. })), "{error:?}");
    assert_eq!(names(), ["g", "a"]);

    let misuse = |keyring: &LocalMultiKeyring| {
        let error = waxseal::encrypt(b"x", keyring).now().unwrap_err();
        assert!(matches!(error, Error::ApiMisuse(ApiMisuse::Materials(_))), "{error:?}");
        names()
    };
    // A generator that makes nothing; no generator where there is no key; one where there is a key.
    let idle = LocalMultiKeyring::generator(Peek(Box::new(|_| Ok(())))).child(probe("a", true));
    assert!(misuse(&idle).is_empty());
    assert!(misuse(&LocalMultiKeyring::without_generator(probe("a", true))).is_empty());
    assert_eq!(misuse(&generator(true).child(generator(true))), ["g"]);
    let nested = LocalMultiKeyring::without_generator(probe("a", true));
    assert!(waxseal::encrypt(b"x", &generator(true).child(nested)).now().is_ok());
}

#[test]
fn a_multi_keyring_unwraps_with_the_first_that_can() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let probe = |name, opens| Probe { name, opens, log: Arc::clone(&log) };
    let names = || std::mem::take(&mut *log.lock().unwrap());
    let edks = [(); 3].map(|()| EncryptedDataKey::new("x", "y", b"z"));
    let multi = |opens: [bool; 3]| {
        LocalMultiKeyring::generator(probe("g", opens[0]))
            .child(probe("a", opens[1]))
            .child(probe("b", opens[2]))
    };
    for (opens, asked) in [
        ([true, true, true], &["g"][..]),
        ([false, true, true], &["g", "a"]),
        ([false, false, true], &["g", "a", "b"]),
    ] {
        assert_eq!(unwrap(&multi(opens), &edks).unwrap(), 2);
        assert_eq!(names(), asked);
    }
    let attempts = unwrap(&multi([false; 3]), &edks).unwrap_err();
    let failed: Vec<_> = attempts.iter().map(|attempt| &*attempt.keyring).collect();
    assert_eq!(failed, ["g", "a", "b"]);
}

#[tokio::test]
async fn the_default_manager_asks_its_keyring_every_time() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let probe = Probe { name: "p", opens: true, log: Arc::clone(&log) };
    for _ in 0..2 {
        waxseal::encrypt(b"x", &probe).await.unwrap();
    }
    assert_eq!(log.lock().unwrap().len(), 2);
}

/// The specification followed a second time, with other cryptography: every byte of a message is told.
#[tokio::test]
async fn messages_are_byte_for_byte_what_the_specification_says() {
    #[derive(Debug)]
    struct Requiring;
    impl MaterialsManager for Requiring {
        fn encryption_materials<'a>(
            &'a self,
            mut request: EncryptionRequest,
        ) -> BoxFuture<'a, Result<EncryptionMaterials, Error>> {
            request.required_context_keys.insert("only".into());
            Known.encryption_materials(request)
        }

        fn decryption_materials<'a>(
            &'a self,
            request: DecryptionRequest<'a>,
        ) -> BoxFuture<'a, Result<DecryptionMaterials, Error>> {
            Known.decryption_materials(request)
        }
    }

    for suite in AlgorithmSuite::ALL {
        for len in [0, 1, 7, 8, 9, 16, 20] {
            let plaintext: Vec<u8> = (0..len).collect();
            let encrypt = |keys| {
                waxseal::encrypt(&plaintext, keys).suite(suite).policy(policy(suite)).frame_len(8)
            };
            check_bytes(suite, &encrypt(&Known).unwrap().now().unwrap(), &[], &plaintext);
            let message = waxseal::encrypt(&plaintext, &Requiring)
                .suite(suite)
                .policy(policy(suite))
                .frame_len(8)
                .unwrap()
                .context([("z", "2"), ("only", "3"), ("a", "1")])
                .await
                .unwrap();
            check_bytes(suite, &message, &[("a", "1"), ("z", "2")], &plaintext);
        }
    }
}

#[track_caller]
fn check_bytes(suite: AlgorithmSuite, message: &[u8], pairs: &[(&str, &str)], plaintext: &[u8]) {
    let id = suite.id().to_be_bytes();
    let at = Cell::new(0);
    let take = |len: usize| {
        let start = at.replace(at.get() + len);
        &message[start..at.get()]
    };

    // The header body.
    let commits = id[0] >= 4;
    assert_eq!(take(1), [if commits { 2 } else { 1 }]);
    if !commits {
        assert_eq!(take(1), [0x80]);
    }
    assert_eq!(take(2), id);
    let message_id = take(if commits { 32 } else { 16 });
    let context_len = u16::from_be_bytes(take(2).try_into().unwrap());
    let context = take(context_len.into());
    let public_key_len = match suite.id() {
        0x0214 => Some(33),
        0x0346 | 0x0378 | 0x0578 => Some(49),
        _ => None,
    };
    let public_key = public_key_len.map(|len: usize| {
        let start = context.windows(21).position(|b| b == b"aws-crypto-public-key").unwrap() + 23;
        let text = &context[start..start + len.div_ceil(3) * 4];
        let point = Base64::decode_vec(std::str::from_utf8(text).unwrap()).unwrap();
        assert!(point.len() == len && matches!(point[0], 2 | 3), "{point:?}");
        std::str::from_utf8(text).unwrap()
    });
    let public_key = public_key.map(|text| ("aws-crypto-public-key", text));
    let mut stored: Vec<_> = pairs.iter().copied().chain(public_key).collect();
    stored.sort_unstable();
    assert_eq!(context, encode(&stored));
    assert_eq!(take(2), [0, 1]);
    assert_eq!(take(21), b"\0\x05known\0\x03key\0\x07wrapped");
    assert_eq!(take(1), [2]);
    if !commits {
        assert_eq!(take(4 + 1), [0, 0, 0, 0, 12]);
    }
    assert_eq!(take(4), [0, 0, 0, 8]);
    let key = derive(suite, message_id);
    if commits {
        let commitment = hkdf::<Hmac<Sha512>>(message_id, &DATA_KEY, b"COMMITKEY", 32);
        assert_eq!(take(32), commitment);
    }

    // Its authentication.
    let header_body = &message[..at.get()];
    if !commits {
        assert_eq!(take(12), [0; 12]);
    }
    let only = if pairs.is_empty() { Vec::new() } else { encode(&[("only", "3")]) };
    let aad = [header_body, &only].concat();
    assert_eq!(open(&key, &[0; 12], &aad, take(16)), b"");

    // The frames.
    let mut opened = Vec::new();
    let regular = plaintext.len().saturating_sub(1) / 8;
    for n in 1..=regular + 1 {
        let number = u32::try_from(n).unwrap().to_be_bytes();
        let iv = [&[0; 8][..], &number].concat();
        let (content, len): (&[u8], usize) = if n > regular {
            assert_eq!(take(4), [0xff; 4]);
            (b"AWSKMSEncryptionClient Final Frame", plaintext.len() - regular * 8)
        } else {
            (b"AWSKMSEncryptionClient Frame", 8)
        };
        assert_eq!(take(4), number);
        assert_eq!(take(12), iv);
        if n > regular {
            assert_eq!(take(4), u32::try_from(len).unwrap().to_be_bytes());
        }
        let long_len = u64::try_from(len).unwrap().to_be_bytes();
        let aad = [message_id, content, &number, &long_len].concat();
        opened.extend(open(&key, &iv, &aad, take(len + 16)));
    }
    assert_eq!(opened, plaintext);

    // The footer, in as much as it can be told without the curve.
    if public_key.is_some() {
        let len = u16::from_be_bytes(take(2).try_into().unwrap());
        let signature = take(len.into());
        assert_eq!((signature[0], usize::from(signature[1])), (0x30, signature.len() - 2));
    }
    assert_eq!(at.get(), message.len());
}

fn encode(pairs: &[(&str, &str)]) -> Vec<u8> {
    if pairs.is_empty() {
        return Vec::new();
    }
    let len = |len: usize| u16::try_from(len).unwrap().to_be_bytes();
    let mut bytes = len(pairs.len()).to_vec();
    for text in pairs.iter().flat_map(|(key, value)| [key, value]) {
        bytes.extend(len(text.len()));
        bytes.extend(text.as_bytes());
    }
    bytes
}

fn derive(suite: AlgorithmSuite, message_id: &[u8]) -> Vec<u8> {
    let id = suite.id().to_be_bytes();
    let data_key = &DATA_KEY[..suite.data_key_len()];
    let info = [&id, message_id].concat();
    match suite.id() {
        0x0014 | 0x0046 | 0x0078 => data_key.to_vec(),
        0x0114 | 0x0146 | 0x0178 | 0x0214 => {
            hkdf::<Hmac<Sha256>>(&[0; 32], data_key, &info, data_key.len())
        }
        0x0346 | 0x0378 => hkdf::<Hmac<Sha384>>(&[0; 48], data_key, &info, data_key.len()),
        _ => hkdf::<Hmac<Sha512>>(message_id, data_key, &[&id, &b"DERIVEKEY"[..]].concat(), 32),
    }
}

/// RFC 5869, for outputs of one block.
fn hkdf<M: Mac + KeyInit>(salt: &[u8], key: &[u8], info: &[u8], len: usize) -> Vec<u8> {
    let mac = |key: &[u8], data: &[u8]| {
        let mut mac = <M as KeyInit>::new_from_slice(key).unwrap();
        mac.update(data);
        mac.finalize().into_bytes().to_vec()
    };
    let mut block = mac(&mac(salt, key), &[info, &[1]].concat());
    assert!(len <= block.len());
    block.truncate(len);
    block
}

fn open(key: &[u8], iv: &[u8], aad: &[u8], msg: &[u8]) -> Vec<u8> {
    fn with<C: Aead + KeyInit>(key: &[u8], iv: &[u8], payload: Payload<'_, '_>) -> Vec<u8> {
        let cipher = C::new_from_slice(key).unwrap();
        cipher.decrypt(iv.try_into().unwrap(), payload).expect("it is authentic")
    }
    let payload = Payload { msg, aad };
    match key.len() {
        16 => with::<AesGcm<Aes128, U12>>(key, iv, payload),
        24 => with::<AesGcm<Aes192, U12>>(key, iv, payload),
        _ => with::<AesGcm<Aes256, U12>>(key, iv, payload),
    }
}
