//! Data keys wrapped by what two key pairs on an elliptic curve agree on.

use std::fmt;

use crate::context::EncryptionContext;
use crate::crypto::{self, CryptoError, EcdhCurve, EcdhPrivateKey, EcdhPublicKey, PemError};
use crate::error::{ApiMisuse, Attempt, Error, KeyringError, UnwrapFailure};
use crate::events;
use crate::keyring::LocalKeyring;
use crate::keyring::ecdh::{self, Parties, RAW_PROVIDER_ID};
use crate::materials::{EncryptionMaterials, UnwrapRequest, UnwrappedDataKey};
use crate::message::EncryptedDataKey;
use crate::secret::{DataKey, SecretText};

/// A public key on an elliptic curve, for key agreement.
///
/// It is a point on its curve, and not the point at infinity.
///
/// ```
/// use waxseal::{EcPrivateKey, EcPublicKey, EcdhCurve};
///
/// let private = EcPrivateKey::generate(EcdhCurve::P384)?;
/// let pem = private.public_key()?.to_pem()?;
/// assert_eq!(EcPublicKey::from_pem(&pem)?.curve(), EcdhCurve::P384);
/// # Ok::<(), waxseal::Error>(())
/// ```
#[derive(Debug)]
pub struct EcPublicKey(pub(crate) EcdhPublicKey);

impl EcPublicKey {
    /// Reads PEM: SPKI (`PUBLIC KEY`).
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if it is something else, with what it is.
    pub fn from_pem(text: &str) -> Result<Self, Error> {
        crypto::ecdh_public_key_from_pem(text).map(Self).map_err(unusable)
    }

    /// Reads SPKI in DER, which is what AWS KMS gives.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if it is something else.
    pub fn from_der(spki: &[u8]) -> Result<Self, Error> {
        crypto::ecdh_public_key_from_der(spki).map(Self).map_err(unusable)
    }

    /// Writes PEM: SPKI (`PUBLIC KEY`).
    ///
    /// # Errors
    /// [`Error::Backend`] if the backend cannot encode it.
    pub fn to_pem(&self) -> Result<String, Error> {
        crypto::ecdh_public_key_to_pem(&self.0).map_err(|_| Error::Backend("encode the key"))
    }

    /// Writes SPKI in DER.
    ///
    /// # Errors
    /// [`Error::Backend`] if the backend cannot encode it.
    pub fn to_der(&self) -> Result<Vec<u8>, Error> {
        self.0.to_spki_der().map_err(|_| Error::Backend("encode the key"))
    }

    /// The curve that it is on.
    pub fn curve(&self) -> EcdhCurve {
        self.0.curve()
    }
}

/// A private key on an elliptic curve, for key agreement.
///
/// ```
/// use waxseal::{EcPrivateKey, EcdhCurve};
///
/// let key = EcPrivateKey::generate(EcdhCurve::P256)?;
/// assert!(EcPrivateKey::from_pem(key.to_pem()?.expose()).is_ok());
/// # Ok::<(), waxseal::Error>(())
/// ```
#[derive(Debug)]
pub struct EcPrivateKey(EcdhPrivateKey);

impl EcPrivateKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`Error::Backend`] if the backend cannot make one.
    pub fn generate(curve: EcdhCurve) -> Result<Self, Error> {
        EcdhPrivateKey::generate(curve)
            .map(Self)
            .map_err(|_| Error::Backend("make an elliptic-curve key"))
    }

    /// Reads PEM: PKCS#8 (`PRIVATE KEY`) or SEC 1 (`EC PRIVATE KEY`), not encrypted.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if it is something else, with what it is.
    pub fn from_pem(text: &str) -> Result<Self, Error> {
        crypto::ecdh_private_key_from_pem(text).map(Self).map_err(unusable)
    }

    /// Writes PEM: PKCS#8 (`PRIVATE KEY`). Whoever calls this answers for every copy.
    ///
    /// # Errors
    /// [`Error::Backend`] if the backend cannot encode it.
    pub fn to_pem(&self) -> Result<SecretText, Error> {
        crypto::ecdh_private_key_to_pem(&self.0)
            .map(SecretText::new)
            .map_err(|_| Error::Backend("encode the key"))
    }

    /// Its public key.
    ///
    /// # Errors
    /// [`Error::Backend`] if the backend cannot make it.
    pub fn public_key(&self) -> Result<EcPublicKey, Error> {
        self.0.public_key().map(EcPublicKey).map_err(|_| Error::Backend("make the public key"))
    }

    /// The curve that it is on.
    pub fn curve(&self) -> EcdhCurve {
        self.0.curve()
    }
}

/// Wraps data keys with what a private key and another party's public key agree on (ECDH).
///
/// Whose keys these are is the key agreement schema; there is a constructor for each:
///
/// | schema | encrypts | decrypts |
/// |---|---|---|
/// | [`raw_private_key_to_static_public_key`](Self::raw_private_key_to_static_public_key) | yes | what either of the two wrote for the other |
/// | [`ephemeral_private_key_to_static_public_key`](Self::ephemeral_private_key_to_static_public_key) | yes | no |
/// | [`public_key_discovery`](Self::public_key_discovery) | no | what anybody wrote for its key |
///
/// Only the first tells who the sender is, and only to the recipient: the two have the same secret.
///
/// ```
/// use waxseal::{EcPrivateKey, EcdhCurve, RawEcdhKeyring};
///
/// let private = EcPrivateKey::generate(EcdhCurve::P256)?;
/// let public = private.public_key()?;
/// let writer = RawEcdhKeyring::ephemeral_private_key_to_static_public_key(public);
/// let reader = RawEcdhKeyring::public_key_discovery(private)?;
///
/// let message = waxseal::encrypt(b"hello", &writer).now()?;
/// assert_eq!(waxseal::decrypt(&message, &reader).now()?.plaintext(), b"hello");
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: raw-ecdh-keyring, key-agreement-schemas.
#[derive(Debug)]
pub struct RawEcdhKeyring(Schema);

#[derive(Debug)]
enum Schema {
    RawPrivateKeyToStaticPublicKey {
        private: EcdhPrivateKey,
        own: EcdhPublicKey,
        peer: EcdhPublicKey,
    },
    EphemeralPrivateKeyToStaticPublicKey {
        recipient: EcdhPublicKey,
    },
    PublicKeyDiscovery {
        private: EcdhPrivateKey,
        own: EcdhPublicKey,
    },
}

impl RawEcdhKeyring {
    /// Takes one's own private key and the public key of the other party: `RawPrivateKeyToStaticPublicKey`.
    ///
    /// It encrypts for the other party, and decrypts what either of the two encrypted for the other.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if the keys are on two curves; [`Error::Backend`] if the backend cannot make the
    /// public key.
    pub fn raw_private_key_to_static_public_key(
        own: EcPrivateKey,
        peer: EcPublicKey,
    ) -> Result<Self, Error> {
        if own.curve() != peer.curve() {
            let (own, peer) = (own.curve(), peer.curve());
            let why = format!("the private key is on {own}, but the public key on {peer}");
            return Err(ApiMisuse::Key(why).into());
        }
        let EcPublicKey(public) = own.public_key()?;
        Ok(Self(Schema::RawPrivateKeyToStaticPublicKey {
            private: own.0,
            own: public,
            peer: peer.0,
        }))
    }

    /// Takes the recipient's public key: `EphemeralPrivateKeyToStaticPublicKey`.
    ///
    /// It only encrypts, each time with a fresh key pair of which it forgets the private half: nobody
    /// but the recipient can decrypt, and nobody can tell who the sender was.
    pub fn ephemeral_private_key_to_static_public_key(recipient: EcPublicKey) -> Self {
        Self(Schema::EphemeralPrivateKeyToStaticPublicKey { recipient: recipient.0 })
    }

    /// Takes one's own private key: `PublicKeyDiscovery`.
    ///
    /// It only decrypts, whoever the sender was.
    ///
    /// # Errors
    /// [`Error::Backend`] if the backend cannot make the public key.
    pub fn public_key_discovery(own: EcPrivateKey) -> Result<Self, Error> {
        let EcPublicKey(public) = own.public_key()?;
        Ok(Self(Schema::PublicKeyDiscovery { private: own.0, own: public }))
    }

    fn describe(&self) -> Description<'_> {
        Description(self.public())
    }

    /// By which it is known.
    fn public(&self) -> &EcdhPublicKey {
        match &self.0 {
            Schema::RawPrivateKeyToStaticPublicKey { own, .. } => own,
            Schema::EphemeralPrivateKeyToStaticPublicKey { recipient } => recipient,
            Schema::PublicKeyDiscovery { own, .. } => own,
        }
    }

    /// Spec: raw-ecdh-keyring, "OnEncrypt".
    fn wrap(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        let ephemeral;
        let (private, own, recipient) = match &self.0 {
            Schema::RawPrivateKeyToStaticPublicKey { private, own, peer } => {
                (private, own.compressed(), peer)
            }
            Schema::EphemeralPrivateKeyToStaticPublicKey { recipient } => {
                let EcPrivateKey(private) = EcPrivateKey::generate(recipient.curve())?;
                let own =
                    private.public_key().map_err(|_| Error::Backend("make the public key"))?;
                ephemeral = (private, own);
                (&ephemeral.0, ephemeral.1.compressed(), recipient)
            }
            Schema::PublicKeyDiscovery { .. } => {
                let reason = "its schema, PublicKeyDiscovery, only decrypts";
                return Err(KeyringError::wrap(self.describe().to_string(), reason).into());
            }
        };
        let secret = private.agree(recipient).map_err(|_| Error::Backend("agree on a secret"))?;
        let parties = Parties { recipient: recipient.compressed(), sender: own };
        let context = materials.context().encode()?;
        let data_key = materials.data_key_or_generate()?;
        let curve = private.curve();
        let edk = ecdh::wrap(RAW_PROVIDER_ID, &secret, curve, &parties, &context, data_key)?;
        materials.push_encrypted_data_key(edk)
    }

    /// Spec: raw-ecdh-keyring, "OnDecrypt".
    fn is_own(&self, edk: &EncryptedDataKey) -> bool {
        Parties::of(edk).is_some_and(|parties| match &self.0 {
            Schema::RawPrivateKeyToStaticPublicKey { own, peer, .. } => {
                let (own, peer) = (own.compressed(), peer.compressed());
                parties == Parties { recipient: own, sender: peer }
                    || parties == Parties { recipient: peer, sender: own }
            }
            Schema::EphemeralPrivateKeyToStaticPublicKey { recipient: own }
            | Schema::PublicKeyDiscovery { own, .. } => parties.recipient == own.compressed(),
        })
    }

    fn open(
        &self,
        edk: &EncryptedDataKey,
        context: &EncryptionContext,
    ) -> Result<DataKey, UnwrapFailure> {
        let parties = Parties::of(edk).ok_or(UnwrapFailure::Malformed("it names no two keys"))?;
        let failed = |CryptoError| Error::Backend("agree on a secret");
        let (private, secret) = match &self.0 {
            Schema::EphemeralPrivateKeyToStaticPublicKey { .. } => {
                return Err(UnwrapFailure::NoPrivateKey);
            }
            Schema::RawPrivateKeyToStaticPublicKey { private, peer, .. } => {
                (private, private.agree(peer).map_err(failed)?)
            }
            Schema::PublicKeyDiscovery { private, .. } => {
                let sender =
                    EcdhPublicKey::from_sec1(private.curve(), parties.sender).map_err(|_| {
                        UnwrapFailure::Malformed("the sender's public key is not valid")
                    })?;
                (private, private.agree(&sender).map_err(failed)?)
            }
        };
        ecdh::unwrap(&secret, private.curve(), &parties, &context.encode()?, edk.ciphertext())
    }
}

impl LocalKeyring for RawEcdhKeyring {
    fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        let timer = events::start();
        let is_new = materials.data_key().is_none();
        let result = self.wrap(materials);
        let edk = materials.encrypted_data_keys().last().filter(|_| result.is_ok());
        // What failed has not always two keys to name.
        let key = edk.map_or_else(|| self.public().compressed(), EncryptedDataKey::key_name);
        if is_new {
            events::generated(&timer, RAW_PROVIDER_ID, key, &result);
        } else {
            events::wrapped(&timer, RAW_PROVIDER_ID, key, &result);
        }
        result
    }

    fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        request.first_opened(
            self.describe(),
            |edk| self.is_own(edk),
            |edk| self.open(edk, request.context()),
        )
    }
}

/// How errors name a keyring: by the start of the public key that is stored in its messages.
struct Description<'a>(&'a EcdhPublicKey);

impl fmt::Display for Description<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "raw ECDH keyring `{} ", self.0.curve())?;
        for byte in self.0.compressed().iter().take(DESCRIPTION_BYTES) {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("...`")
    }
}

fn unusable(error: PemError) -> Error {
    ApiMisuse::Key(error.to_string()).into()
}

/// Enough to tell two keys apart.
const DESCRIPTION_BYTES: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_keys_are_read_as_they_were_written() {
        for curve in [EcdhCurve::P256, EcdhCurve::P384, EcdhCurve::P521] {
            let key = EcPrivateKey::generate(curve).unwrap().public_key().unwrap();
            let der = key.to_der().unwrap();
            let again = EcPublicKey::from_pem(&key.to_pem().unwrap()).unwrap();
            assert_eq!((again.curve(), again.to_der().unwrap()), (curve, der.clone()));
            let again = EcPublicKey::from_der(&der).unwrap();
            assert_eq!((again.curve(), again.to_der().unwrap()), (curve, der));
        }
    }
}
