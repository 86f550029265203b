//! Keyrings that the crate does not have, for the test vectors that need them. They are written with
//! what the crate makes public, as anyone could write them, and only decrypt.

use std::fmt::Debug;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;
use waxseal::{
    AesKey, Attempt, DataKey, EncryptedDataKey, EncryptionContext, EncryptionMaterials, Error,
    KeyringError, LocalKeyring, UnwrapFailure, UnwrapRequest, UnwrappedDataKey,
};
use zeroize::Zeroizing;

/// The keyring that a test vector asks for; `None` if it is of another type. `keys` are all keys of
/// the vectors by name.
///
/// # Panics
/// If the description of a known type, or its key, is not as it should be.
pub(crate) fn keyring(spec: &Value, keys: &Value) -> Option<Box<dyn LocalKeyring>> {
    let key = |field| &keys[text(spec, field)];
    Some(match text(spec, "type") {
        "static-data-key" => Box::new(DecryptOnly(StaticDataKey::new(spec))),
        #[cfg(feature = "testing")]
        "aws-kms" => Box::new(FakeAwsKms::new(key("key"))),
        "kms-hierarchy-static" => Box::new(DecryptOnly(BranchKey::new(key("key")))),
        _ => return None,
    })
}

/// Opens one encrypted data key.
trait Unwrap: Debug + Send + Sync {
    const DESCRIPTION: &'static str;

    fn is_own(&self, edk: &EncryptedDataKey) -> bool;

    fn unwrap(
        &self,
        edk: &EncryptedDataKey,
        context: &EncryptionContext,
    ) -> Result<DataKey, UnwrapFailure>;
}

#[derive(Debug)]
struct DecryptOnly<K>(K);

impl<K: Unwrap> LocalKeyring for DecryptOnly<K> {
    fn wrap_now(&self, _: &mut EncryptionMaterials) -> Result<(), Error> {
        Err(KeyringError::wrap(K::DESCRIPTION, "it only decrypts").into())
    }

    fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        request.first_opened(
            K::DESCRIPTION,
            |edk| self.0.is_own(edk),
            |edk| self.0.unwrap(edk, request.context()),
        )
    }
}

/// Knows the data key, whatever the message says.
#[derive(Debug)]
struct StaticDataKey(DataKey);

impl StaticDataKey {
    fn new(spec: &Value) -> Self {
        let bytes = hex(text(spec, "data_key_hex"));
        Self(DataKey::try_from(&bytes[..]).expect("data_key_hex has the length of a data key"))
    }
}

impl Unwrap for StaticDataKey {
    const DESCRIPTION: &'static str = "static data key keyring";

    fn is_own(&self, _: &EncryptedDataKey) -> bool {
        true
    }

    fn unwrap(
        &self,
        _: &EncryptedDataKey,
        _: &EncryptionContext,
    ) -> Result<DataKey, UnwrapFailure> {
        data_key(self.0.expose())
    }
}

/// The keyring of AWS KMS itself, on an AWS KMS in the process that has the key.
#[cfg(feature = "testing")]
#[derive(Debug)]
struct FakeAwsKms(waxseal::kms::KmsKeyring);

#[cfg(feature = "testing")]
impl FakeAwsKms {
    fn new(key: &Value) -> Self {
        use waxseal::testing::{FakeKms, KeySpec, NewKey};
        let kms = FakeKms::new();
        let arn: waxseal::kms::KmsArn = text(key, "arn").parse().expect("arn is one of a key");
        let new = NewKey::new(KeySpec::Symmetric)
            .id(text(key, "key_id"))
            .account(arn.account())
            .material(&hex(text(key, "material_hex")));
        let made = kms.create_key(arn.region(), new).expect("the key can be made");
        assert_eq!(made, text(key, "arn"));
        Self(
            waxseal::kms::KmsKeyring::new(kms.client(arn.region()), &made).expect("made is an ARN"),
        )
    }
}

/// Local for the sake of the ways to decrypt that do not wait: another thread waits for them.
#[cfg(feature = "testing")]
impl LocalKeyring for FakeAwsKms {
    fn wrap_now(&self, _: &mut EncryptionMaterials) -> Result<(), Error> {
        Err(KeyringError::wrap("AWS KMS keyring", "it only decrypts").into())
    }

    fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
        let unwrap = || {
            let unwrap = waxseal::Keyring::unwrap(&self.0, request);
            runtime().expect("a runtime can be made").block_on(unwrap)
        };
        std::thread::scope(|scope| scope.spawn(unwrap).join()).expect("no panic")
    }
}

/// The hierarchical keyring with one branch key in one version.
///
/// Spec: aws-kms-hierarchical-keyring.
#[derive(Debug)]
struct BranchKey {
    id: String,
    version: Vec<u8>,
    key: AesKey,
}

impl BranchKey {
    fn new(key: &Value) -> Self {
        Self {
            id: text(key, "branch_key_id").to_owned(),
            version: hex(&text(key, "branch_key_version").replace('-', "")),
            key: aes_key(key, "branch_key_hex"),
        }
    }
}

impl Unwrap for BranchKey {
    const DESCRIPTION: &'static str = "hierarchical keyring";

    fn is_own(&self, edk: &EncryptedDataKey) -> bool {
        edk.provider_id() == HIERARCHY && edk.provider_info() == self.id.as_bytes()
    }

    fn unwrap(
        &self,
        edk: &EncryptedDataKey,
        context: &EncryptionContext,
    ) -> Result<DataKey, UnwrapFailure> {
        let parts = edk.ciphertext().split_first_chunk::<16>();
        let parts = parts.and_then(|(salt, rest)| Some((salt, rest.split_first_chunk()?)));
        let Some((salt, (iv, rest))) = parts else {
            return Err(UnwrapFailure::Malformed("it is too short"));
        };
        let Some(ciphertext) = rest.strip_prefix(&self.version[..]) else {
            return Err(UnwrapFailure::Malformed("it is of another version of the key"));
        };
        let context = context.encode()?;
        let aad = [HIERARCHY, self.id.as_bytes(), &self.version, &context].concat();
        let key = derive::<Hmac<Sha256>, 32>(self.key.expose(), HIERARCHY, salt);
        open(&key[..], iv, &aad, ciphertext)
    }
}

const HIERARCHY: &[u8] = b"aws-kms-hierarchy";
const IV_LEN: usize = 12;

/// `ciphertext` ends with the tag.
fn open(
    key: &[u8],
    iv: &[u8; IV_LEN],
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<DataKey, UnwrapFailure> {
    let cipher = Aes256Gcm::new_from_slice(key).expect("the key has 32 bytes");
    let opened = cipher.decrypt(iv.into(), Payload { msg: ciphertext, aad });
    let opened = Zeroizing::new(opened.map_err(|_| UnwrapFailure::Unauthentic)?);
    data_key(&opened)
}

fn data_key(bytes: &[u8]) -> Result<DataKey, UnwrapFailure> {
    Ok(DataKey::try_from(bytes)?)
}

/// The key derivation of NIST SP 800-108 in counter mode.
fn derive<M: Mac + KeyInit, const LEN: usize>(
    key: &[u8],
    label: &[u8],
    context: &[u8],
) -> Zeroizing<[u8; LEN]> {
    let mut out = Zeroizing::new([0; LEN]);
    let bits = u32::try_from(LEN * 8).expect("the length is small");
    for (counter, block) in (1_u32..).zip(out.chunks_mut(M::output_size())) {
        let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(&counter.to_be_bytes());
        mac.update(label);
        mac.update(&[0]);
        mac.update(context);
        mac.update(&bits.to_be_bytes());
        block.copy_from_slice(&mac.finalize().into_bytes()[..block.len()]);
    }
    out
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_else(|| panic!("{field:?} is not a string in {object}"))
}

fn aes_key(object: &Value, field: &str) -> AesKey {
    AesKey::try_from(&hex(text(object, field))[..]).expect("it has the length of an AES key")
}

fn hex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two hexadecimal digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}
