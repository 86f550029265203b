//! Keys, and what is done with them.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::random::Random;
use super::refusal::Refusal;
use crate::crypto::{
    CryptoError, EcdhCurve, EcdhPrivateKey, EcdhPublicKey, GcmKey, IV_LEN, PemError, RsaPadding,
    RsaPrivateKey, TAG_LEN, ecdh_private_key_from_pem, rsa_private_key_from_pem,
};
use crate::error::{ApiMisuse, Error};
use crate::secret::Secret;

/// The kind of a key of a [`FakeKms`](super::FakeKms).
///
/// ```
/// # fn main() -> Result<(), waxseal::Error> {
/// use waxseal::testing::{FakeKms, KeySpec};
///
/// let kms = FakeKms::new();
/// let arn = kms.create_key("eu-west-1", KeySpec::Rsa2048)?;
/// assert!(arn.starts_with("arn:aws:kms:eu-west-1:111122223333:key/"));
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySpec {
    /// `SYMMETRIC_DEFAULT`: AES-256-GCM.
    Symmetric,
    /// `RSA_2048`, to encrypt and decrypt.
    Rsa2048,
    /// `RSA_3072`, to encrypt and decrypt.
    Rsa3072,
    /// `RSA_4096`, to encrypt and decrypt.
    Rsa4096,
    /// `ECC_NIST_P256`, to agree on secrets.
    EccP256,
    /// `ECC_NIST_P384`, to agree on secrets.
    EccP384,
    /// `ECC_NIST_P521`, to agree on secrets.
    EccP521,
}

impl KeySpec {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Symmetric => "SYMMETRIC_DEFAULT",
            Self::Rsa2048 => "RSA_2048",
            Self::Rsa3072 => "RSA_3072",
            Self::Rsa4096 => "RSA_4096",
            Self::EccP256 => "ECC_NIST_P256",
            Self::EccP384 => "ECC_NIST_P384",
            Self::EccP521 => "ECC_NIST_P521",
        }
    }

    pub(super) fn usage(self) -> &'static str {
        match self {
            Self::Symmetric | Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => "ENCRYPT_DECRYPT",
            Self::EccP256 | Self::EccP384 | Self::EccP521 => "KEY_AGREEMENT",
        }
    }

    /// The field that lists what a key of this kind does, and the list.
    pub(super) fn algorithms(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Symmetric => ("EncryptionAlgorithms", &["SYMMETRIC_DEFAULT"]),
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => {
                ("EncryptionAlgorithms", &["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"])
            }
            Self::EccP256 | Self::EccP384 | Self::EccP521 => ("KeyAgreementAlgorithms", &["ECDH"]),
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Symmetric => Kind::Symmetric,
            Self::Rsa2048 => Kind::Rsa { bits: 2048 },
            Self::Rsa3072 => Kind::Rsa { bits: 3072 },
            Self::Rsa4096 => Kind::Rsa { bits: 4096 },
            Self::EccP256 => Kind::Ecc(EcdhCurve::P256),
            Self::EccP384 => Kind::Ecc(EcdhCurve::P384),
            Self::EccP521 => Kind::Ecc(EcdhCurve::P521),
        }
    }
}

enum Kind {
    Symmetric,
    Rsa { bits: u32 },
    Ecc(EcdhCurve),
}

/// What a key is made with, where its kind alone does not say it.
///
/// ```
/// # fn main() -> Result<(), waxseal::Error> {
/// use waxseal::testing::{FakeKms, KeySpec, NewKey};
///
/// let kms = FakeKms::new();
/// let key = NewKey::new(KeySpec::Symmetric)
///     .id("1234abcd-12ab-34cd-56ef-1234567890ab")
///     .material(&[7; 32]);
/// let arn = kms.create_key("eu-west-1", key)?;
/// assert_eq!(
///     arn,
///     "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "it is no key before `create_key`"]
pub struct NewKey {
    spec: KeySpec,
    pub(super) id: Option<String>,
    pub(super) account: Option<String>,
    pub(super) multi_region: bool,
    imported: Option<Imported>,
}

enum Imported {
    Aes(Secret),
    Pem(Zeroizing<String>),
}

impl std::fmt::Debug for Imported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Imported(..)")
    }
}

impl From<KeySpec> for NewKey {
    fn from(spec: KeySpec) -> Self {
        Self::new(spec)
    }
}

impl NewKey {
    /// A key of this kind, in the account of the `FakeKms`, with a random id and fresh material.
    pub fn new(spec: KeySpec) -> Self {
        Self { spec, id: None, account: None, multi_region: false, imported: None }
    }

    /// With this id: 36 letters, digits and hyphens. One that starts with `mrk-` is multi-region.
    pub fn id(self, id: &str) -> Self {
        let multi_region = self.multi_region || id.starts_with("mrk-");
        Self { id: Some(id.to_owned()), multi_region, ..self }
    }

    /// In another account, which lets everybody use it.
    pub fn account(self, account: &str) -> Self {
        Self { account: Some(account.to_owned()), ..self }
    }

    /// A multi-region primary key; [`replicate`](super::FakeKms::replicate) makes its replicas.
    pub fn multi_region(self) -> Self {
        Self { multi_region: true, ..self }
    }

    /// With this material of 32 bytes, for a symmetric key.
    pub fn material(self, bytes: &[u8]) -> Self {
        Self { imported: Some(Imported::Aes(Secret::copy_of(bytes))), ..self }
    }

    /// With this private key, in PKCS#8 PEM, for an asymmetric key.
    pub fn pem(self, text: &str) -> Self {
        Self { imported: Some(Imported::Pem(Zeroizing::new(text.to_owned()))), ..self }
    }

    /// Makes or reads the material.
    pub(super) fn make_material(&self, random: &mut Random) -> Result<Material, Error> {
        let Self { spec, imported, .. } = self;
        let failed = |CryptoError| Error::Backend("make a key");
        let misfit = || unusable(format!("the material does not fit the kind {}", spec.name()));
        let pem = |error: PemError| unusable(error.to_string());
        match (spec.kind(), imported) {
            (Kind::Symmetric, None) => Ok(Material::Symmetric(vec![random.secret(32)?])),
            (Kind::Symmetric, Some(Imported::Aes(key))) if key.expose().len() == 32 => {
                Ok(Material::Symmetric(vec![Secret::copy_of(key.expose())]))
            }
            (Kind::Rsa { bits }, None) => {
                RsaPrivateKey::generate(bits).map(Material::Rsa).map_err(failed)
            }
            (Kind::Rsa { bits }, Some(Imported::Pem(text))) => {
                let key = rsa_private_key_from_pem(text).map_err(pem)?;
                let fits = key.modulus_len().checked_mul(8) == usize::try_from(bits).ok();
                if fits { Ok(Material::Rsa(key)) } else { Err(misfit()) }
            }
            (Kind::Ecc(curve), None) => {
                EcdhPrivateKey::generate(curve).map(Material::Ecc).map_err(failed)
            }
            (Kind::Ecc(curve), Some(Imported::Pem(text))) => {
                let key = ecdh_private_key_from_pem(text).map_err(pem)?;
                if key.curve() == curve { Ok(Material::Ecc(key)) } else { Err(misfit()) }
            }
            _ => Err(misfit()),
        }
    }

    pub(super) fn spec(&self) -> KeySpec {
        self.spec
    }

    pub(super) fn is_imported(&self) -> bool {
        self.imported.is_some()
    }
}

pub(super) fn unusable(why: String) -> Error {
    ApiMisuse::Key(why).into()
}

/// A key in one region.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) arn: String,
    pub(super) id: String,
    pub(super) account: String,
    pub(super) region: String,
    pub(super) spec: KeySpec,
    pub(super) state: KeyState,
    pub(super) imported: bool,
    /// The region of the primary key, if this is a multi-region key.
    pub(super) primary_region: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyState {
    Enabled,
    Disabled,
    PendingDeletion,
}

impl Key {
    /// `Origin`.
    pub(super) fn origin(&self) -> &'static str {
        if self.imported { "EXTERNAL" } else { "AWS_KMS" }
    }

    pub(super) fn check_enabled(&self) -> Result<(), Refusal> {
        match self.state {
            KeyState::Enabled => Ok(()),
            KeyState::Disabled => Err(Refusal::disabled(&self.arn)),
            KeyState::PendingDeletion => Err(Refusal::pending_deletion(&self.arn)),
        }
    }
}

/// The partition that a region belongs to.
pub(super) fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// The secret part of a key; replicas share it.
pub(super) enum Material {
    /// Every version, the newest last.
    Symmetric(Vec<Secret>),
    Rsa(RsaPrivateKey),
    Ecc(EcdhPrivateKey),
}

/// The length of a key id in a symmetric ciphertext.
pub(super) const ID_LEN: usize = 36;

/// A symmetric ciphertext, taken apart.
///
/// ```text
/// key id (36) | IV (12) | tag (16) | AES-256-GCM ciphertext
/// ```
pub(super) struct Blob<'a> {
    pub(super) id: &'a str,
    iv: &'a [u8; IV_LEN],
    tag: &'a [u8; TAG_LEN],
    ciphertext: &'a [u8],
}

impl<'a> Blob<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk::<ID_LEN>()?;
        let id = std::str::from_utf8(id).ok()?;
        let (iv, rest) = rest.split_first_chunk()?;
        let (tag, ciphertext) = rest.split_first_chunk()?;
        Some(Self { id, iv, tag, ciphertext })
    }
}

impl Material {
    /// Encrypts for the newest version of a symmetric key.
    pub(super) fn seal(
        &self,
        id: &str,
        context: &BTreeMap<String, String>,
        plaintext: &[u8],
        random: &mut Random,
    ) -> Result<Vec<u8>, Refusal> {
        let Self::Symmetric(versions) = self else { return Err(failed(CryptoError)) };
        let newest = versions.last().ok_or_else(|| failed(CryptoError))?;
        let key = GcmKey::new(newest.expose()).map_err(failed)?;
        let mut iv = [0; IV_LEN];
        random.fill(&mut iv).map_err(failed)?;
        let mut sealed = vec![0; plaintext.len().saturating_add(TAG_LEN)];
        key.seal(&iv, &additional_data(context), plaintext, &mut sealed).map_err(failed)?;
        let (ciphertext, tag) =
            sealed.split_last_chunk::<TAG_LEN>().ok_or_else(|| failed(CryptoError))?;
        Ok([id.as_bytes(), &iv, tag, ciphertext].concat())
    }

    /// Decrypts with whichever version it was.
    pub(super) fn open(
        &self,
        context: &BTreeMap<String, String>,
        blob: &Blob<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let Self::Symmetric(versions) = self else { return Err(Refusal::invalid_ciphertext()) };
        let Blob { id: _, iv, tag, ciphertext } = blob;
        let mut plaintext = Zeroizing::new(vec![0; ciphertext.len()]);
        for version in versions.iter().rev() {
            let key = GcmKey::new(version.expose()).map_err(failed)?;
            for aad in [additional_data(context), emulator_additional_data(context)] {
                if key.open(iv, &aad, ciphertext, tag, &mut plaintext).is_ok() {
                    return Ok(plaintext);
                }
            }
        }
        Err(Refusal::invalid_ciphertext())
    }

    pub(super) fn rsa_encrypt(
        &self,
        padding: RsaPadding,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        let Self::Rsa(key) = self else { return Err(failed(CryptoError)) };
        key.public_key().and_then(|key| key.encrypt(padding, plaintext)).map_err(failed)
    }

    pub(super) fn rsa_decrypt(
        &self,
        padding: RsaPadding,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let Self::Rsa(key) = self else { return Err(Refusal::invalid_ciphertext()) };
        key.decrypt(padding, ciphertext).map_err(|CryptoError| Refusal::invalid_ciphertext())
    }

    /// The length of an RSA modulus, in bytes.
    pub(super) fn modulus_len(&self) -> usize {
        match self {
            Self::Rsa(key) => key.modulus_len(),
            Self::Symmetric(_) | Self::Ecc(_) => 0,
        }
    }

    /// The public key as SPKI, in DER.
    pub(super) fn public_key(&self) -> Result<Vec<u8>, Refusal> {
        match self {
            Self::Symmetric(_) => Err(CryptoError),
            Self::Rsa(key) => key.public_key().and_then(|key| key.to_spki_der()),
            Self::Ecc(key) => key.public_key().and_then(|key| key.to_spki_der()),
        }
        .map_err(failed)
    }

    /// Agrees on a secret with the holder of a public key, which is SPKI in DER.
    pub(super) fn agree(&self, public_key: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let Self::Ecc(key) = self else { return Err(failed(CryptoError)) };
        let invalid = |CryptoError| Refusal::validation("The public key is not valid.");
        let peer = EcdhPublicKey::from_spki_der(public_key).map_err(invalid)?;
        if peer.curve() != key.curve() {
            return Err(Refusal::validation("The public key is not on the curve of the KMS key."));
        }
        key.agree(&peer).map_err(invalid)
    }
}

pub(super) fn failed(_: CryptoError) -> Refusal {
    Refusal::internal("the fake's own cryptography failed")
}

/// What a symmetric ciphertext is bound to: every pair, with lengths.
fn additional_data(context: &BTreeMap<String, String>) -> Vec<u8> {
    let mut data = Vec::new();
    for text in context.iter().flat_map(|(key, value)| [key, value]) {
        data.extend_from_slice(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        data.extend_from_slice(text.as_bytes());
    }
    data
}

/// What the emulator moto binds its ciphertexts to: every key followed by its value.
fn emulator_additional_data(context: &BTreeMap<String, String>) -> Vec<u8> {
    context.iter().flat_map(|(key, value)| [key.as_bytes(), value.as_bytes()].concat()).collect()
}
