//! Keyrings wrap and unwrap data keys.

pub(crate) mod conformance;
mod ecdh;
#[cfg(feature = "kms")]
pub(crate) mod kms;
mod multi;
mod raw_aes;
mod raw_ecdh;
mod raw_rsa;

use std::fmt::{self, Debug};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

pub use multi::{LocalMultiKeyring, Multi, MultiKeyring};
pub use raw_aes::{AesKey, RawAesKeyring};
pub use raw_ecdh::{EcPrivateKey, EcPublicKey, RawEcdhKeyring};
pub use raw_rsa::{RawRsaKeyring, RsaPrivateKey, RsaPublicKey};

use crate::error::{ApiMisuse, Attempt, Error, KeyringError, UnwrapFailure};
use crate::events;
use crate::materials::{
    BoxFuture, DecryptionMaterials, DecryptionRequest, EncryptionMaterials, EncryptionRequest,
    LocalMaterialsManager, MaterialsManager, UnwrapRequest, UnwrappedDataKey,
};
use crate::message::EncryptedDataKey;
use crate::secret::DataKey;

/// Wraps and unwraps data keys without waiting: raw keys, or a device that answers at once.
///
/// This is the trait to implement for a custom keyring that needs no `async`; every one is also a
/// [`Keyring`]. The example `custom_keyring` in the repository shows a whole one, and
/// [`check_keyring`](crate::check_keyring) tests what each must do.
///
/// Spec: keyring-interface.
#[diagnostic::on_unimplemented(
    message = "`{Self}` may have to wait for a service, so it cannot run `.now()`",
    note = "use `.await` instead"
)]
pub trait LocalKeyring: Debug + Send + Sync {
    /// Makes the data key if there is none yet, and adds at least one wrapped form of it.
    ///
    /// # Errors
    /// Whatever keeps it from doing so; encryption then fails.
    fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error>;

    /// Finds an encrypted data key of its own, in the order of the message, and opens it. One that is
    /// not its own it passes over; one that is and does not open becomes an [`Attempt`].
    /// [`UnwrapRequest::first_opened`] does both.
    ///
    /// # Errors
    /// The attempts, if none opened; empty if none was its own.
    fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>>;
}

/// Wraps and unwraps data keys; may call a service. Dyn-safe.
///
/// Spec: keyring-interface.
pub trait Keyring: Debug + Send + Sync {
    /// See [`LocalKeyring::wrap_now`].
    ///
    /// # Errors
    /// Whatever keeps it from doing so; encryption then fails.
    fn wrap<'a>(
        &'a self,
        materials: &'a mut EncryptionMaterials,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// See [`LocalKeyring::unwrap_now`].
    ///
    /// # Errors
    /// The attempts, if none opened; empty if none was its own.
    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<UnwrappedDataKey, Vec<Attempt>>>;
}

impl<K: LocalKeyring + ?Sized> Keyring for K {
    fn wrap<'a>(
        &'a self,
        materials: &'a mut EncryptionMaterials,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(std::future::ready(self.wrap_now(materials)))
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<UnwrappedDataKey, Vec<Attempt>>> {
        Box::pin(std::future::ready(self.unwrap_now(request)))
    }
}

/// The default materials manager of the specification: a keyring, nothing else.
///
/// Spec: default-cmm.
impl<K: Keyring + ?Sized> MaterialsManager for K {
    fn encryption_materials<'a>(
        &'a self,
        request: EncryptionRequest,
    ) -> BoxFuture<'a, Result<EncryptionMaterials, Error>> {
        Box::pin(EncryptionMaterials::from_keyring(self, request))
    }

    fn decryption_materials<'a>(
        &'a self,
        request: DecryptionRequest<'a>,
    ) -> BoxFuture<'a, Result<DecryptionMaterials, Error>> {
        Box::pin(DecryptionMaterials::from_keyring(self, request))
    }
}

/// A keyring that never waits makes a manager that never waits.
impl<K: LocalKeyring + ?Sized> LocalMaterialsManager for K {}

impl EncryptionMaterials {
    /// Starts [`new`](Self::new) materials and lets a keyring make and wrap the data key.
    ///
    /// # Errors
    /// As [`new`](Self::new), and whatever keeps the keyring from wrapping.
    pub async fn from_keyring<K: Keyring + ?Sized>(
        keyring: &K,
        request: EncryptionRequest,
    ) -> Result<Self, Error> {
        let mut materials = Self::new(request)?;
        keyring.wrap(&mut materials).await?;
        Ok(materials)
    }
}

impl DecryptionMaterials {
    /// Checks what can be checked without a data key, then lets a keyring unwrap it.
    ///
    /// Pairs that the caller gave and the header does not have are authenticated as if they were stored.
    ///
    /// # Errors
    /// [`Error::Policy`] if the suite is not allowed or a pair has two values; [`Error::Keyring`] if the
    /// keyring opens none of the encrypted data keys.
    ///
    /// Spec: default-cmm, "Decrypt Materials".
    pub async fn from_keyring<K: Keyring + ?Sized>(
        keyring: &K,
        request: DecryptionRequest<'_>,
    ) -> Result<Self, Error> {
        let (context, required_context_keys) = Self::all_pairs(&request)?;
        let DecryptionRequest { suite, encrypted_data_keys, .. } = request;
        let unwrap = UnwrapRequest::new(suite, &context, encrypted_data_keys);
        let unwrapped = keyring.unwrap(&unwrap).await.map_err(|attempts| {
            let offered = encrypted_data_keys.iter().map(EncryptedDataKey::to_string).collect();
            KeyringError::NoDataKey { attempts, offered }
        })?;
        Ok(Self { suite, context, required_context_keys, unwrapped })
    }
}

impl UnwrapRequest<'_> {
    /// Tries encrypted data keys in order until one opens: `open` is called for those that `is_own`
    /// picks. A data key of the wrong length counts as not opened.
    ///
    /// # Errors
    /// The failed attempts.
    pub fn first_opened(
        &self,
        keyring: impl fmt::Display,
        is_own: impl Fn(&EncryptedDataKey) -> bool,
        open: impl Fn(&EncryptedDataKey) -> Result<DataKey, UnwrapFailure>,
    ) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        let mut attempts = Vec::new();
        let own = self.encrypted_data_keys().iter().enumerate().filter(|(_, edk)| is_own(edk));
        for (index, edk) in own {
            let timer = events::start();
            let opened = open(edk).and_then(|key| self.unwrapped(key, index));
            let attempt = attempts.len().saturating_add(1);
            events::unwrapped(&timer, edk.provider_id(), edk.key_name(), attempt, &opened);
            match opened {
                Ok(unwrapped) => return Ok(unwrapped),
                Err(failure) => attempts.push(Attempt::new(keyring.to_string(), index, failure)),
            }
        }
        Err(attempts)
    }

    /// Takes a data key from the encrypted data key with this index, counted from 0, if it fits the suite.
    ///
    /// # Errors
    /// [`UnwrapFailure::WrongLen`] if it does not.
    pub fn unwrapped(&self, key: DataKey, index: usize) -> Result<UnwrappedDataKey, UnwrapFailure> {
        let (expected, found) = (self.suite().data_key_len(), key.len());
        if found != expected {
            return Err(UnwrapFailure::WrongLen { expected, found });
        }
        Ok(UnwrappedDataKey::new(key, index))
    }
}

/// Shared and boxed keyrings are keyrings, and managers managers.
macro_rules! forward {
    ($($pointer:ident),*) => {$(
        impl<K: LocalKeyring + ?Sized> LocalKeyring for $pointer<K> {
            fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
                (**self).wrap_now(materials)
            }

            fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
                (**self).unwrap_now(request)
            }
        }

        impl Keyring for $pointer<dyn Keyring> {
            fn wrap<'a>(
                &'a self,
                materials: &'a mut EncryptionMaterials,
            ) -> BoxFuture<'a, Result<(), Error>> {
                (**self).wrap(materials)
            }

            fn unwrap<'a>(
                &'a self,
                request: &'a UnwrapRequest<'a>,
            ) -> BoxFuture<'a, Result<UnwrappedDataKey, Vec<Attempt>>> {
                (**self).unwrap(request)
            }
        }

        impl MaterialsManager for $pointer<dyn MaterialsManager> {
            fn encryption_materials<'a>(
                &'a self,
                request: EncryptionRequest,
            ) -> BoxFuture<'a, Result<EncryptionMaterials, Error>> {
                (**self).encryption_materials(request)
            }

            fn decryption_materials<'a>(
                &'a self,
                request: DecryptionRequest<'a>,
            ) -> BoxFuture<'a, Result<DecryptionMaterials, Error>> {
                (**self).decryption_materials(request)
            }
        }
    )*};
}

forward!(Arc, Box);

/// Runs what cannot wait. A future that waits all the same is an error, not a blocked thread.
pub(crate) fn now<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(ApiMisuse::WouldWait.into()),
    }
}

/// Namespace and name of a raw key.
#[derive(Debug, Clone)]
pub(crate) struct KeyName {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl KeyName {
    /// Spec: keyring-interface, "key provider ID".
    pub(crate) fn new(
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Result<Self, Error> {
        let (namespace, name) = (namespace.into(), name.into());
        let unusable = |what, why| Err(ApiMisuse::KeyName { what, why }.into());
        if namespace.starts_with("aws-kms") {
            return unusable("namespace", "`aws-kms` belongs to the AWS KMS keyrings");
        }
        if u16::try_from(namespace.len()).is_err() {
            return unusable("namespace", "it is longer than 65535 bytes");
        }
        if name.len() > MAX_NAME_LEN {
            return unusable("name", "it is longer than 65515 bytes");
        }
        Ok(Self { namespace, name })
    }

    /// Wraps, and tells of it.
    pub(crate) fn wrap_telling(
        &self,
        materials: &mut EncryptionMaterials,
        wrap: impl FnOnce(&mut EncryptionMaterials) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Self { namespace, name } = self;
        let timer = events::start();
        let is_new = materials.data_key().is_none();
        let result = wrap(materials);
        let (provider, key) = (namespace.as_bytes(), name.as_bytes());
        if is_new {
            events::generated(&timer, provider, key, &result);
        } else {
            events::wrapped(&timer, provider, key, &result);
        }
        result
    }

    /// How errors name a keyring of this kind.
    pub(crate) fn describe<'a>(&'a self, kind: &'a str) -> Description<'a> {
        Description { kind, key_name: self }
    }
}

/// A keyring's name in errors, put together only where there is one.
pub(crate) struct Description<'a> {
    kind: &'a str,
    key_name: &'a KeyName,
}

impl fmt::Display for Description<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, key_name: KeyName { namespace, name } } = self;
        write!(f, "{kind} keyring `{}/{}`", namespace.escape_debug(), name.escape_debug())
    }
}

/// What the 16-bit length leaves when a raw AES keyring has added its 20 bytes.
const MAX_NAME_LEN: usize = 65_535 - 20;
