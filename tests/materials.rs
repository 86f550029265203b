//! Materials managers and keyrings that break their contract, and what a caller requires all the same.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use waxseal::{
    AesKey, AlgorithmSuite, ApiMisuse, Attempt, BoxFuture, CommitmentPolicy, DataKey,
    DecryptionMaterials, DecryptionRequest, EncryptionContext, EncryptionMaterials,
    EncryptionRequest, Error, KeyringError, LocalKeyring, MaterialsManager, Policy, PolicyError,
    RawAesKeyring, RequiredContextManager, Stage, UnwrapFailure, UnwrapRequest, UnwrappedDataKey,
};

fn aes(name: &str) -> RawAesKeyring {
    RawAesKeyring::new("tests", name, AesKey::from([7; 32])).unwrap()
}

/// Passes everything on, with requests changed on the way.
#[derive(Debug)]
struct Changing {
    inner: RawAesKeyring,
    encrypt: fn(&mut EncryptionRequest),
    decrypt: fn(&mut DecryptionRequest<'_>),
}

impl MaterialsManager for Changing {
    fn encryption_materials<'a>(
        &'a self,
        mut request: EncryptionRequest,
    ) -> BoxFuture<'a, Result<EncryptionMaterials, Error>> {
        (self.encrypt)(&mut request);
        self.inner.encryption_materials(request)
    }

    fn decryption_materials<'a>(
        &'a self,
        mut request: DecryptionRequest<'a>,
    ) -> BoxFuture<'a, Result<DecryptionMaterials, Error>> {
        (self.decrypt)(&mut request);
        self.inner.decryption_materials(request)
    }
}

fn encrypting(encrypt: fn(&mut EncryptionRequest)) -> Changing {
    Changing { inner: aes("a"), encrypt, decrypt: |_| {} }
}

fn decrypting(decrypt: fn(&mut DecryptionRequest<'_>)) -> Changing {
    Changing { inner: aes("a"), encrypt: |_| {}, decrypt }
}

fn require_tenant(request: &mut EncryptionRequest) {
    request.required_context_keys.insert("tenant".into());
}

#[tokio::test]
async fn pairs_can_be_authenticated_without_being_stored() {
    let message = waxseal::encrypt(b"x", &encrypting(require_tenant))
        .context([("tenant", "42"), ("stored", "1")])
        .await
        .unwrap();
    assert_eq!(message.header().context().get("tenant"), None);
    assert_eq!(message.context().get("tenant"), Some("42"));
    assert_eq!(message.context().get("stored"), Some("1"));
    let opened = waxseal::decrypt(&message, &aes("a")).require([("tenant", "42")]).now().unwrap();
    assert_eq!(opened.header().context().get("tenant"), Some("42"));
    assert_eq!(opened.header().context().get("stored"), Some("1"));

    for wrong in ["43", ""] {
        let error = waxseal::decrypt(&message, &aes("a")).require([("tenant", wrong)]).now();
        let Err(Error::Policy(PolicyError::ContextNotAuthenticated { keys, source })) = error
        else {
            panic!("{error:?}");
        };
        assert_eq!(keys, ["tenant"]);
        assert!(matches!(*source, Error::Keyring(_)), "{source:?}");
    }
    let error = waxseal::decrypt(&message, &aes("a")).now().unwrap_err();
    assert!(matches!(error, Error::Keyring(_)), "{error:?}");
}

#[tokio::test]
async fn a_missing_key_is_not_blamed_on_the_context() {
    let message = waxseal::encrypt(b"x", &aes("a")).now().unwrap();
    let error = waxseal::decrypt(&message, &aes("other")).require([("tenant", "42")]).now();
    let Err(Error::Keyring(KeyringError::NoDataKey { attempts, offered, .. })) = error else {
        panic!("{error:?}");
    };
    assert!(attempts.is_empty());
    assert_eq!(offered, ["tests/a"]);
}

#[tokio::test]
async fn a_manager_cannot_forget_what_the_caller_requires() {
    static NOTHING: EncryptionContext = EncryptionContext::new();
    let message = waxseal::encrypt(b"x", &aes("a")).now().unwrap();
    let forgetful = decrypting(|request| request.reproduced_context = &NOTHING);
    assert!(waxseal::decrypt(&message, &forgetful).await.is_ok());
    let error = waxseal::decrypt(&message, &forgetful).require([("tenant", "42")]).await;
    assert!(matches!(error, Err(Error::ApiMisuse(ApiMisuse::Materials(_)))), "{error:?}");
}

#[tokio::test]
async fn a_manager_cannot_contradict_the_header() {
    let message = waxseal::encrypt(b"x", &aes("a")).context([("tenant", "a")]).now().unwrap();
    static OTHER: LazyLock<EncryptionContext> =
        LazyLock::new(|| EncryptionContext::from([("tenant", "b")]));
    let contradicting = decrypting(|request| request.reproduced_context = &OTHER);
    let error = waxseal::decrypt(&message, &contradicting).await.unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::ContextMismatch { .. })), "{error:?}");
}

/// So no key is used, and no service asked, for a message that nobody wants.
#[tokio::test]
async fn what_contradicts_the_caller_is_told_before_a_manager_is_asked() {
    let message = waxseal::encrypt(b"x", &aes("a")).context([("tenant", "a")]).now().unwrap();
    let unasked = decrypting(|_| panic!("the manager was asked"));
    let error = waxseal::decrypt(&message, &unasked).require([("tenant", "b")]).await.unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::ContextMismatch { .. })), "{error:?}");
}

#[tokio::test]
async fn a_manager_cannot_weaken_the_suite() {
    let weak = AlgorithmSuite::Aes256GcmIv12Tag16HkdfSha256;
    #[derive(Debug)]
    struct Weak(RawAesKeyring);
    impl MaterialsManager for Weak {
        fn encryption_materials<'a>(
            &'a self,
            mut request: EncryptionRequest,
        ) -> BoxFuture<'a, Result<EncryptionMaterials, Error>> {
            request.suite = Some(AlgorithmSuite::Aes256GcmIv12Tag16HkdfSha256);
            request.policy =
                Policy::default().commitment(CommitmentPolicy::ForbidEncryptAllowDecrypt);
            self.0.encryption_materials(request)
        }
        fn decryption_materials<'a>(
            &'a self,
            request: DecryptionRequest<'a>,
        ) -> BoxFuture<'a, Result<DecryptionMaterials, Error>> {
            self.0.decryption_materials(request)
        }
    }
    let error = waxseal::encrypt(b"x", &Weak(aes("a"))).await.unwrap_err();
    let Error::Policy(PolicyError::Commitment { suite, .. }) = &error else { panic!("{error:?}") };
    assert_eq!(*suite, weak.name());
}

#[tokio::test]
async fn reserved_keys_cannot_be_left_unstored() {
    let error = waxseal::encrypt(
        b"x",
        &encrypting(|request| {
            request.required_context_keys = BTreeSet::from(["aws-crypto-public-key".to_owned()]);
        }),
    )
    .await
    .unwrap_err();
    assert!(matches!(error, Error::ApiMisuse(ApiMisuse::ReservedContextKey { .. })), "{error:?}");
}

#[test]
fn requirements_add_up() {
    let message = waxseal::encrypt(b"x", &aes("a"))
        .context([("tenant", "43"), ("purpose", "p")])
        .now()
        .unwrap();
    let keyring = aes("a");
    let decrypt = || waxseal::decrypt(&message, &keyring);
    let error = decrypt().require([("tenant", "42")]).require([("purpose", "p")]).now();
    assert!(matches!(error, Err(Error::Policy(PolicyError::ContextMismatch { .. }))), "{error:?}");
    let error = decrypt().require_keys(["nope"]).require_keys(["tenant"]).now();
    assert!(matches!(error, Err(Error::Policy(PolicyError::ContextMissing { .. }))), "{error:?}");
    let error = decrypt().require([("tenant", "42")]).require([("tenant", "43")]).now();
    assert!(matches!(error, Err(Error::ApiMisuse(ApiMisuse::RequiredTwice { .. }))), "{error:?}");
    let both = decrypt().require([("tenant", "43")]).require([("tenant", "43"), ("purpose", "p")]);
    assert!(both.require_keys(["tenant"]).now().is_ok());
}

#[test]
fn a_signer_can_be_required() {
    let message = waxseal::encrypt(b"x", &aes("a")).now().unwrap();
    let signer = message.header().context().get("aws-crypto-public-key").unwrap().to_owned();
    let keyring = aes("a");
    let pin = |message| {
        waxseal::decrypt(message, &keyring).require([("aws-crypto-public-key", &*signer)]).now()
    };
    assert!(pin(&message[..]).is_ok());
    let other = waxseal::encrypt(b"x", &keyring).now().unwrap();
    assert!(matches!(pin(&other), Err(Error::Policy(PolicyError::ContextMismatch { .. }))));
    let unsigned = waxseal::encrypt(b"x", &keyring)
        .suite(AlgorithmSuite::Aes256GcmHkdfSha512CommitKey)
        .now()
        .unwrap();
    assert!(matches!(pin(&unsigned), Err(Error::Policy(PolicyError::ContextMissing { .. }))));
}

/// Opens everything to what it is told.
#[derive(Debug)]
struct Lying {
    key: [u8; 32],
    len: usize,
    index: usize,
}

impl LocalKeyring for Lying {
    fn wrap_now(&self, _: &mut EncryptionMaterials) -> Result<(), Error> {
        Ok(())
    }

    fn unwrap_now(&self, _: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        let key = DataKey::try_from(&self.key[..self.len]).unwrap();
        Ok(UnwrappedDataKey::new(key, self.index))
    }
}

#[test]
fn a_keyring_that_lies_opens_nothing() {
    let message = waxseal::encrypt(b"x", &aes("a")).now().unwrap();
    let decrypt = |len, index| {
        waxseal::decrypt(&message, &Lying { key: [0; 32], len, index }).now().unwrap_err()
    };
    assert!(matches!(decrypt(32, 0), Error::Unauthentic(Stage::Commitment)));
    assert!(matches!(decrypt(32, 1), Error::ApiMisuse(ApiMisuse::Materials(_))));
    assert!(matches!(decrypt(16, 0), Error::ApiMisuse(ApiMisuse::Materials(_))));
    // It wraps nothing either.
    let error = waxseal::encrypt(b"x", &Lying { key: [0; 32], len: 32, index: 0 }).now();
    assert!(matches!(error, Err(Error::ApiMisuse(ApiMisuse::Materials(_)))), "{error:?}");
}

#[test]
fn the_error_tells_every_attempt() {
    let namesake = RawAesKeyring::new("tests", "a", AesKey::from([8; 32])).unwrap();
    let message = waxseal::encrypt(b"x", &aes("a")).now().unwrap();
    let error = waxseal::decrypt(&message, &namesake).now().unwrap_err();
    let Error::Keyring(KeyringError::NoDataKey { attempts, .. }) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(attempts.len(), 1);
    assert!(matches!(attempts[0].failure, UnwrapFailure::Unauthentic));
    let text = error.to_string();
    assert!(
        text.contains("raw AES keyring `tests/a`") && text.contains("asks for tests/a"),
        "{text}"
    );
}

#[test]
fn a_header_that_could_not_be_read_is_not_written() {
    let long = "x".repeat(2000);
    let policy = Policy::default().max_header_len(1000);
    let error = waxseal::encrypt(b"x", &aes("a")).context([("k", &*long)]).policy(policy).now();
    assert!(
        matches!(error, Err(Error::Policy(PolicyError::HeaderLen { limit: 1000 }))),
        "{error:?}"
    );
}

fn requiring<M: MaterialsManager>(inner: M) -> RequiredContextManager<M> {
    RequiredContextManager::new(inner, ["tenant", "purpose"]).unwrap()
}

const BOTH: [(&str, &str); 2] = [("tenant", "42"), ("purpose", "backup")];

#[test]
fn required_keys_are_authenticated_but_not_stored() {
    let manager = requiring(aes("a"));
    let encrypt = waxseal::encrypt(b"x", &manager);
    let context = BOTH.into_iter().chain([("stored", "1")]).collect::<EncryptionContext>();
    let message = encrypt.context(context).now().unwrap();
    let stored: Vec<_> = message.header().context().iter().map(|(key, _)| key).collect();
    assert_eq!(stored, ["aws-crypto-public-key", "stored"]);
    assert_eq!(message.context().get("tenant"), Some("42"));

    // With the manager, and with the plain keyring, as official clients do it.
    let opened = waxseal::decrypt(&message, &manager).require(BOTH).now().unwrap();
    assert_eq!(opened.header().context().get("purpose"), Some("backup"));
    assert!(waxseal::decrypt(&message, &aes("a")).require(BOTH).now().is_ok());
    assert!(waxseal::decrypt(&message, &aes("a")).now().is_err());
    let wrong = [("tenant", "42"), ("purpose", "fun")];
    let error = waxseal::decrypt(&message, &manager).require(wrong).now().unwrap_err();
    let Error::Policy(PolicyError::ContextNotAuthenticated { .. }) = error else {
        panic!("{error:?}");
    };
}

#[test]
fn required_keys_must_be_given_both_ways() {
    let manager = requiring(aes("a"));
    let message = waxseal::encrypt(b"x", &aes("a")).context(BOTH).now().unwrap();
    // The message stores the pairs, which is not enough.
    let missing = [
        waxseal::decrypt(&message, &manager).now().map(drop),
        waxseal::decrypt(&message, &manager).require([("purpose", "backup")]).now().map(drop),
        waxseal::decrypt(&message, &manager).require_keys(["tenant", "purpose"]).now().map(drop),
        waxseal::encrypt(b"x", &manager).context([("purpose", "backup")]).now().map(drop),
        waxseal::encryptor(&manager).now().map(drop),
    ];
    for result in missing {
        let Err(Error::Policy(PolicyError::ContextNotGiven { .. })) = result else {
            panic!("{result:?}");
        };
    }
    assert!(waxseal::decrypt(&message, &manager).require(BOTH).now().is_ok());
    let other = [("tenant", "43"), ("purpose", "backup")];
    let error = waxseal::decrypt(&message, &manager).require(other).now().unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::ContextMismatch { .. })), "{error:?}");
}

#[tokio::test]
async fn a_manager_below_cannot_drop_required_keys() {
    static NOTHING: EncryptionContext = EncryptionContext::new();
    let dropping = requiring(encrypting(|request| request.required_context_keys.clear()));
    let error = waxseal::encrypt(b"x", &dropping).context(BOTH).await.unwrap_err();
    let Error::ApiMisuse(ApiMisuse::Materials("a required context key was dropped")) = error else {
        panic!("{error:?}");
    };

    let message = waxseal::encrypt(b"x", &requiring(aes("a"))).context(BOTH).now().unwrap();
    let opens_all = requiring(Changing {
        inner: aes("a"),
        encrypt: |_| {},
        decrypt: |request| request.reproduced_context = &NOTHING,
    });
    assert!(waxseal::decrypt(&message, &opens_all).require(BOTH).await.is_err());
    // Even where the message itself does not have them, and so opens; before the engine looks.
    let message = waxseal::encrypt(b"x", &aes("a")).now().unwrap();
    let error = waxseal::decrypt(&message, &opens_all).require(BOTH).await.unwrap_err();
    let Error::ApiMisuse(ApiMisuse::Materials("a required context key was dropped")) = error else {
        panic!("{error:?}");
    };
}

#[test]
fn required_keys_add_up_where_managers_are_nested() {
    let inner = RequiredContextManager::new(aes("a"), ["tenant"]).unwrap();
    let manager = RequiredContextManager::new(inner, ["purpose"]).unwrap();
    let message = waxseal::encrypt(b"x", &manager).context(BOTH).now().unwrap();
    assert_eq!(message.header().context().get("tenant"), None);
    assert_eq!(message.header().context().get("purpose"), None);
    assert!(waxseal::decrypt(&message, &manager).require(BOTH).now().is_ok());
}

#[test]
fn unusable_required_keys_are_refused() {
    let none: [&str; 0] = [];
    let error = RequiredContextManager::new(aes("a"), none).unwrap_err();
    assert!(matches!(error, Error::ApiMisuse(ApiMisuse::Setting { .. })), "{error:?}");
    let error = RequiredContextManager::new(aes("a"), ["aws-crypto-public-key"]).unwrap_err();
    assert!(matches!(error, Error::ApiMisuse(ApiMisuse::ReservedContextKey { .. })), "{error:?}");
}

/// A message that the official Python client made with its own required context manager.
#[test]
fn required_keys_of_an_official_message_open() {
    let read = |name| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
        std::fs::read(folder.join(name)).unwrap()
    };
    let keys: serde_json::Value = serde_json::from_slice(&read("keys.json")).unwrap();
    let hex = keys["keys"]["aes-256-a"]["material_hex"].as_str().unwrap();
    let key: Vec<_> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    let key = AesKey::try_from(&key[..]).unwrap();
    let keyring = RawAesKeyring::new("waxseal.tests", "name of aes-256-a", key).unwrap();
    let manager = RequiredContextManager::new(keyring, ["tenant", "region", "bücher"]).unwrap();
    let message = read("messages/required-context-3-0478-py.bin");
    let pairs = [("tenant", "42"), ("region", "eu"), ("bücher", "🔑")];
    let opened = waxseal::decrypt(&message, &manager).require(pairs).now().unwrap();
    assert_eq!(opened.plaintext(), read("plaintexts/200.bin"));
    let error = waxseal::decrypt(&message, &manager).require([pairs[0], pairs[1]]).now();
    assert!(matches!(error, Err(Error::Policy(PolicyError::ContextNotGiven { .. }))), "{error:?}");
}

/// What materials say of themselves.
#[tokio::test]
async fn materials_say_what_they_were_made_for() {
    #[derive(Debug)]
    struct Looking(RequiredContextManager<RawAesKeyring>);
    impl MaterialsManager for Looking {
        fn encryption_materials<'a>(
            &'a self,
            request: EncryptionRequest,
        ) -> BoxFuture<'a, Result<EncryptionMaterials, Error>> {
            Box::pin(async move {
                let materials = self.0.encryption_materials(request).await?;
                assert_eq!(materials.suite(), AlgorithmSuite::Aes256GcmHkdfSha512CommitKey);
                assert_eq!(materials.context(), &context());
                assert!(materials.required_context_keys().iter().eq(["tenant"]));
                Ok(materials)
            })
        }

        fn decryption_materials<'a>(
            &'a self,
            request: DecryptionRequest<'a>,
        ) -> BoxFuture<'a, Result<DecryptionMaterials, Error>> {
            Box::pin(async move {
                let materials = self.0.decryption_materials(request).await?;
                assert_eq!(materials.suite(), AlgorithmSuite::Aes256GcmHkdfSha512CommitKey);
                assert_eq!(materials.context(), &context());
                assert!(materials.required_context_keys().iter().eq(["tenant"]));
                Ok(materials)
            })
        }
    }
    fn context() -> EncryptionContext {
        [("tenant", "42"), ("stored", "1")].into()
    }
    let manager = Looking(RequiredContextManager::new(aes("a"), ["tenant"]).unwrap());
    let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
    let message = waxseal::encrypt(b"x", &manager).suite(suite).context(context()).await.unwrap();
    let decrypt = waxseal::decrypt(&message, &manager).require([("tenant", "42")]);
    assert_eq!(decrypt.await.unwrap().plaintext(), b"x");
}
