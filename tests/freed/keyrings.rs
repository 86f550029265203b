//! Keyrings that wait for nothing: what they free when they wrap, unwrap and fail.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use waxseal::{
    AesKey, AlgorithmSuite, Attempt, DataKey, EcPrivateKey, EcdhCurve, EncryptedDataKey,
    EncryptionMaterials, Error, Header, LocalKeyring, LocalMultiKeyring, RawAesKeyring,
    RawEcdhKeyring, RawRsaKeyring, RequiredContextManager, RsaPadding, RsaPrivateKey,
    UnwrapRequest, UnwrappedDataKey, check_keyring,
};

use crate::secrets::{
    Plaintext, Secrets, ec_scalar, ecdh_wrapping_key, freed_by, freed_by_async, random,
};

pub(crate) const UNSIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
pub(crate) const SIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384;

pub(crate) fn aes(key: impl AsRef<[u8]>) -> RawAesKeyring {
    RawAesKeyring::new("n", "aes", AesKey::try_from(key.as_ref()).unwrap()).unwrap()
}

/// A raw AES keyring that tells each data key that it was asked to wrap.
#[derive(Debug, Clone)]
pub(crate) struct Telling(Arc<RawAesKeyring>, Arc<Mutex<Vec<Vec<u8>>>>);

impl Telling {
    pub(crate) fn new(key: impl AsRef<[u8]>) -> Self {
        Self(Arc::new(aes(key)), Arc::default())
    }

    /// What it told so far.
    pub(crate) fn add_to(&self, secrets: &mut Secrets) {
        let told = self.1.lock().unwrap();
        assert!(!told.is_empty(), "there was no data key");
        told.iter().for_each(|key| secrets.add_with_forms("data key", key));
    }

    pub(crate) fn told(&self) -> usize {
        self.1.lock().unwrap().len()
    }
}

impl LocalKeyring for Telling {
    fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        self.0.wrap_now(materials)?;
        self.1.lock().unwrap().push(materials.data_key().unwrap().expose().to_vec());
        Ok(())
    }

    fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        self.0.unwrap_now(request)
    }
}

/// The data key of a message, through a keyring that opens it.
pub(crate) fn data_key_of(keyring: &dyn LocalKeyring, header: &Header) -> Vec<u8> {
    let edks = header.encrypted_data_keys();
    let unwrapped = keyring.unwrap_now(&UnwrapRequest::new(header.suite(), header.context(), edks));
    unwrapped.unwrap().key().expose().to_vec()
}

/// Makes and uses a keyring, with success and with each failure, and sees what is left in what was freed.
#[track_caller]
fn leaves_nothing(mut secrets: Secrets, make: &dyn Fn() -> Box<dyn LocalKeyring>) {
    for suite in [UNSIGNED, SIGNED] {
        let plaintext = Plaintext::new(10_000);
        let mut message = None;
        let encrypted = freed_by(|| {
            let keyring = make();
            let encrypt = waxseal::encrypt(&plaintext.bytes, &*keyring).suite(suite);
            message = Some(encrypt.now().unwrap());
        });
        let message = message.unwrap();
        let decrypted = freed_by(|| fail_and_succeed(&*make(), &message));
        plaintext.add_to(&mut secrets);
        secrets.add_derived(&data_key_of(&*make(), message.header()), message.header());
        secrets.assert_not_in(&encrypted);
        secrets.assert_not_in(&decrypted);
    }
}

/// Every byte of header and of first and last frame counts; so does every length.
fn fail_and_succeed(keyring: &dyn LocalKeyring, message: &[u8]) {
    let mut changed = message.to_vec();
    for at in (0..message.len()).filter(|at| *at < 600 || at % 397 == 0) {
        changed[at] ^= 1;
        waxseal::decrypt(&changed, keyring).now().unwrap_err();
        changed[at] ^= 1;
        if at % 7 == 0 {
            waxseal::decrypt(&message[..at], keyring).now().unwrap_err();
        }
    }
    let require = waxseal::decrypt(message, keyring).require([("tenant", "42")]);
    require.now().unwrap_err();
    waxseal::decrypt(message, keyring).into_buffer(&mut [0; 9_999]).now().unwrap_err();
    // The plaintext is the caller's, who may leave it where it is.
    std::mem::forget(waxseal::decrypt(message, keyring).now().unwrap());
}

#[test]
fn raw_aes() {
    for len in [16, 24, 32] {
        let key = random(len);
        let mut secrets = Secrets::new();
        secrets.add_with_forms("wrapping key", &key);
        leaves_nothing(secrets, &|| Box::new(aes(&key)));
    }
}

#[test]
fn raw_rsa_with_each_padding() {
    let pem = RsaPrivateKey::generate(2048).unwrap().to_pem().unwrap();
    for padding in [
        RsaPadding::Pkcs1,
        RsaPadding::OaepSha1,
        RsaPadding::OaepSha256,
        RsaPadding::OaepSha384,
        RsaPadding::OaepSha512,
    ] {
        let mut secrets = Secrets::new();
        secrets.add_rsa_key(pem.expose());
        leaves_nothing(secrets, &|| {
            let private = RsaPrivateKey::from_pem(pem.expose()).unwrap();
            let public = private.public_key().unwrap();
            Box::new(RawRsaKeyring::key_pair("n", "rsa", padding, public, private).unwrap())
        });
    }
}

#[test]
fn raw_ecdh_between_two_key_pairs() {
    for curve in CURVES {
        let [one, other] = [0, 1].map(|_| EcPrivateKey::generate(curve).unwrap().to_pem().unwrap());
        let mut secrets = Secrets::new();
        secrets.add_ec_key("own scalar", one.expose());
        secrets.add_ec_key("peer's scalar", other.expose());
        let shared = agree(curve, &ec_scalar(one.expose()), &compressed(other.expose()));
        secrets.add_with_forms("shared secret", &shared);
        leaves_nothing(secrets, &|| {
            let [own, peer] =
                [&one, &other].map(|pem| EcPrivateKey::from_pem(pem.expose()).unwrap());
            let peer = peer.public_key().unwrap();
            Box::new(RawEcdhKeyring::raw_private_key_to_static_public_key(own, peer).unwrap())
        });
    }
}

#[test]
fn raw_ecdh_with_keys_that_are_used_once() {
    for curve in CURVES {
        let pem = EcPrivateKey::generate(curve).unwrap().to_pem().unwrap();
        let plaintext = Plaintext::new(100);
        let private = || EcPrivateKey::from_pem(pem.expose()).unwrap();
        let mut message = None;
        let encrypted = freed_by(|| {
            let recipient = private().public_key().unwrap();
            let keyring = RawEcdhKeyring::ephemeral_private_key_to_static_public_key(recipient);
            let encrypt = waxseal::encrypt(&plaintext.bytes, &keyring).suite(UNSIGNED);
            message = Some(encrypt.now().unwrap());
            waxseal::decrypt(message.as_ref().unwrap(), &keyring).now().unwrap_err();
        });
        let message = message.unwrap();
        let discovery = || RawEcdhKeyring::public_key_discovery(private()).unwrap();
        let decrypted = freed_by(|| {
            waxseal::encrypt(b"", &discovery()).now().unwrap_err();
            std::mem::forget(waxseal::decrypt(&message, &discovery()).now().unwrap());
        });
        let mut secrets = Secrets::new();
        plaintext.add_to(&mut secrets);
        secrets.add_ec_key("recipient's scalar", pem.expose());
        secrets.add_derived(&data_key_of(&discovery(), message.header()), message.header());
        let edk = &message.header().encrypted_data_keys()[0];
        add_ecdh_keys(&mut secrets, curve, &ec_scalar(pem.expose()), edk);
        secrets.assert_not_in(&encrypted);
        secrets.assert_not_in(&decrypted);
    }
}

/// The shared secret of the two keys that this names, and the wrapping key. There is no context.
fn add_ecdh_keys(secrets: &mut Secrets, curve: EcdhCurve, scalar: &[u8], edk: &EncryptedDataKey) {
    let len = edk.provider_info().len() / 2 - 4;
    let (recipient, sender) = edk.provider_info()[1..].split_at(4 + len);
    let (recipient, sender) = (&recipient[4..], &sender[4..]);
    let shared = agree(curve, scalar, sender);
    secrets.add_with_forms("shared secret", &shared);
    let name = curve.to_string().replace('-', "").to_lowercase();
    let start = ["ecdh-key-derivation\0", &name, "\0HMAC_SHA384\0"].concat();
    let fixed_info = [start.as_bytes(), sender, recipient, &[0, 1, 0]].concat();
    let key = ecdh_wrapping_key(&shared, &edk.ciphertext()[..32], &fixed_info);
    // That the derivation is right is seen by opening with it what the keyring sealed.
    let sealed = aes_gcm::aead::Payload { msg: &edk.ciphertext()[64..], aad: &fixed_info };
    use aes_gcm::aead::{Aead, KeyInit};
    let opened = aes_gcm::Aes256Gcm::new_from_slice(&key).unwrap().decrypt(&[0; 12].into(), sealed);
    secrets.add("wrapping key", &key);
    secrets.add("data key", &opened.unwrap());
}

#[test]
fn several_keyrings_as_one() {
    let keys = [random(32), random(32)];
    let pem = RsaPrivateKey::generate(2048).unwrap().to_pem().unwrap();
    let mut secrets = Secrets::new();
    secrets.add_rsa_key(pem.expose());
    keys.iter().for_each(|key| secrets.add_with_forms("wrapping key", key));
    leaves_nothing(secrets, &|| {
        let private = RsaPrivateKey::from_pem(pem.expose()).unwrap();
        let public = private.public_key().unwrap();
        let rsa = RawRsaKeyring::key_pair("n", "r", RsaPadding::OaepSha256, public, private);
        let [one, other] = [0, 1].map(|index| aes(&keys[index]));
        Box::new(LocalMultiKeyring::generator(one).child(other).child(rsa.unwrap()))
    });
}

#[test]
fn a_custom_keyring_and_one_that_does_not_wrap() {
    let key = random(32);
    let mut secrets = Secrets::new();
    secrets.add_with_forms("wrapping key", &key);
    let data_keys: Vec<_> = (0..4).map(|_| random(32)).collect();
    data_keys.iter().for_each(|key| secrets.add_with_forms("data key", key));
    let custom = Custom(aes(&key), &data_keys, AtomicUsize::new(0));
    let mut messages = Vec::with_capacity(2);
    let freed = freed_by(|| {
        for _ in 0..2 {
            messages.push(waxseal::encrypt(b"x", &custom).now().unwrap());
            waxseal::decrypt(messages.last().unwrap(), &custom).now().unwrap();
        }
    });
    secrets.assert_not_in(&freed);

    #[derive(Debug)]
    struct Failing(Mutex<Option<Vec<u8>>>);
    impl LocalKeyring for Failing {
        fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
            *self.0.lock().unwrap() = Some(materials.data_key_or_generate()?.expose().to_vec());
            Err(Error::Backend("wrap"))
        }

        fn unwrap_now(&self, _: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
            Err(Vec::new())
        }
    }
    let failing = Failing(Mutex::default());
    let freed = freed_by(|| drop(waxseal::encrypt(b"x", &failing).now().unwrap_err()));
    let mut secrets = Secrets::new();
    secrets.add("data key", failing.0.lock().unwrap().as_ref().unwrap());
    secrets.assert_not_in(&freed);
}

/// A keyring of the user's, which takes data keys from a list.
#[derive(Debug)]
struct Custom<'a>(RawAesKeyring, &'a [Vec<u8>], AtomicUsize);

impl LocalKeyring for Custom<'_> {
    fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        let next = || &self.1[self.2.fetch_add(1, Ordering::SeqCst)][..];
        materials.set_data_key(DataKey::try_from(next())?)?;
        // A second one is refused, and must not stay behind.
        materials.set_data_key(DataKey::try_from(next())?).unwrap_err();
        self.0.wrap_now(materials)
    }

    fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        let unwrapped = self.0.unwrap_now(request)?;
        let shorter = DataKey::try_from(&unwrapped.key().expose()[..16]).unwrap();
        request.unwrapped(shorter, 0).unwrap_err();
        Ok(unwrapped)
    }
}

#[test]
fn context_that_is_required_but_not_stored() {
    let key = random(32);
    let plaintext = Plaintext::new(100);
    let mut message = None;
    let freed = freed_by(|| {
        let manager = RequiredContextManager::new(aes(&key), ["tenant"]).unwrap();
        let encrypt = waxseal::encrypt(&plaintext.bytes, &manager).context([("tenant", "42")]);
        message = Some(encrypt.suite(UNSIGNED).now().unwrap());
        let message = message.as_ref().unwrap();
        waxseal::encrypt(&plaintext.bytes, &manager).now().unwrap_err();
        waxseal::decrypt(message, &manager).now().unwrap_err();
        let decrypt = waxseal::decrypt(message, &manager);
        decrypt.require([("tenant", "43")]).now().unwrap_err();
        let decrypt = waxseal::decrypt(message, &manager);
        std::mem::forget(decrypt.require([("tenant", "42")]).now().unwrap());
    });
    let message = message.unwrap();
    let mut secrets = Secrets::new();
    secrets.add_with_forms("wrapping key", &key);
    plaintext.add_to(&mut secrets);
    let (suite, edks) = (message.header().suite(), message.header().encrypted_data_keys());
    let context = [("tenant", "42")].into();
    let unwrapped = aes(&key).unwrap_now(&UnwrapRequest::new(suite, &context, edks)).unwrap();
    secrets.add_derived(unwrapped.key().expose(), message.header());
    secrets.assert_not_in(&freed);
}

#[test]
fn the_conformance_suite() {
    let key = random(32);
    let mut secrets = Secrets::new();
    secrets.add_with_forms("wrapping key", &key);
    let freed = freed_by_async(async {
        check_keyring(&aes(&key), true).await.unwrap();
    });
    secrets.assert_not_in(&freed);
}

/// What two keys agree on, by the curves' own crates.
#[cfg(feature = "testing")]
pub(crate) fn shared_secret(private: &str, public: &str) -> Vec<u8> {
    let curve = EcPrivateKey::from_pem(private).unwrap().curve();
    let spki = pkcs8::der::pem::decode_vec(public.as_bytes()).unwrap().1;
    agree(curve, &ec_scalar(private), &spki[spki.len() - 1 - 2 * field_len(curve)..])
}

/// The x-coordinate of the shared point, by the curves' own crates.
fn agree(curve: EcdhCurve, scalar: &[u8], peer: &[u8]) -> Vec<u8> {
    macro_rules! on {
        ($curve:ident) => {{
            let own = $curve::SecretKey::from_slice(scalar).unwrap();
            let peer = $curve::PublicKey::from_sec1_bytes(peer).unwrap();
            let shared = $curve::ecdh::diffie_hellman(own.to_nonzero_scalar(), peer.as_affine());
            shared.raw_secret_bytes().to_vec()
        }};
    }
    match curve {
        EcdhCurve::P256 => on!(p256),
        EcdhCurve::P384 => on!(p384),
        _ => on!(p521),
    }
}

/// The point of a private key.
fn compressed(pem: &str) -> Vec<u8> {
    let key = EcPrivateKey::from_pem(pem).unwrap();
    let spki = key.public_key().unwrap().to_der().unwrap();
    let len = field_len(key.curve());
    let (x, y) = spki[spki.len() - 2 * len..].split_at(len);
    [&[2 + (y[len - 1] & 1)], x].concat()
}

fn field_len(curve: EcdhCurve) -> usize {
    match curve {
        EcdhCurve::P256 => 32,
        EcdhCurve::P384 => 48,
        _ => 66,
    }
}

const CURVES: [EcdhCurve; 3] = [EcdhCurve::P256, EcdhCurve::P384, EcdhCurve::P521];
