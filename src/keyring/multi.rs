//! Several keyrings as one: any of them opens the message.

use crate::error::{ApiMisuse, Attempt, Error};
use crate::keyring::{Keyring, LocalKeyring, now};
use crate::materials::{BoxFuture, EncryptionMaterials, UnwrapRequest, UnwrappedDataKey};

/// Several keyrings, some of which may wait, as one.
///
/// ```
/// use waxseal::{AesKey, MultiKeyring, RawAesKeyring};
///
/// let key = |name: &str| RawAesKeyring::new("my-app", name, AesKey::generate_256()?);
/// let keyring = MultiKeyring::generator(key("main")?).child(key("backup")?);
/// # let _ = keyring;
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: multi-keyring.
pub type MultiKeyring = Multi<dyn Keyring>;

/// Several keyrings that never wait, as one that never waits.
///
/// ```
/// use waxseal::{AesKey, LocalMultiKeyring, RawAesKeyring};
///
/// let key = |name: &str| RawAesKeyring::new("my-app", name, AesKey::generate_256()?);
/// let both = LocalMultiKeyring::generator(key("main")?).child(key("backup")?);
/// let message = waxseal::encrypt(b"hello", &both).now()?;
/// assert_eq!(message.header().encrypted_data_keys().len(), 2);
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: multi-keyring.
pub type LocalMultiKeyring = Multi<dyn LocalKeyring>;

/// A generator, which makes the data key, and children, which wrap it too.
///
/// Use it through [`MultiKeyring`] and [`LocalMultiKeyring`].
#[derive(Debug)]
pub struct Multi<K: ?Sized> {
    generator: Option<Box<K>>,
    children: Vec<Box<K>>,
}

impl MultiKeyring {
    /// Starts with the keyring that makes data keys.
    pub fn generator(keyring: impl Keyring + 'static) -> Self {
        Self { generator: Some(Box::new(keyring)), children: Vec::new() }
    }

    /// Starts with a child and no generator: such a keyring decrypts, and encrypts only as the child of
    /// one that has a generator.
    pub fn without_generator(keyring: impl Keyring + 'static) -> Self {
        Self { generator: None, children: vec![Box::new(keyring)] }
    }

    /// Adds a keyring that wraps the data key too.
    #[must_use]
    pub fn child(mut self, keyring: impl Keyring + 'static) -> Self {
        self.children.push(Box::new(keyring));
        self
    }
}

impl LocalMultiKeyring {
    /// Starts with the keyring that makes data keys.
    pub fn generator(keyring: impl LocalKeyring + 'static) -> Self {
        Self { generator: Some(Box::new(keyring)), children: Vec::new() }
    }

    /// Starts with a child and no generator: such a keyring decrypts, and encrypts only as the child of
    /// one that has a generator.
    pub fn without_generator(keyring: impl LocalKeyring + 'static) -> Self {
        Self { generator: None, children: vec![Box::new(keyring)] }
    }

    /// Adds a keyring that wraps the data key too.
    #[must_use]
    pub fn child(mut self, keyring: impl LocalKeyring + 'static) -> Self {
        self.children.push(Box::new(keyring));
        self
    }
}

impl MultiKeyring {
    /// One of at least one keyring.
    #[cfg(feature = "kms")]
    pub(crate) fn of<K: Keyring + 'static>(generator: Option<K>, children: Vec<K>) -> Option<Self> {
        let boxed = |keyring| -> Box<dyn Keyring> { Box::new(keyring) };
        let some = generator.is_some() || !children.is_empty();
        some.then(|| Self {
            generator: generator.map(boxed),
            children: children.into_iter().map(boxed).collect(),
        })
    }
}

impl<K: Keyring + ?Sized> Multi<K> {
    async fn wrap_with_all(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        let Self { generator, children } = self;
        let fault = |what| Err(ApiMisuse::Materials(what).into());
        match generator {
            None if materials.data_key().is_none() => {
                return fault("a multi-keyring without generator cannot make the data key");
            }
            None => {}
            Some(_) if materials.data_key().is_some() => {
                return fault("a multi-keyring's generator came after the data key was made");
            }
            Some(generator) => {
                generator.wrap(materials).await?;
                if materials.data_key().is_none() {
                    return fault("a multi-keyring's generator made no data key");
                }
            }
        }
        for child in children {
            child.wrap(materials).await?;
        }
        Ok(())
    }

    async fn unwrap_with_any(
        &self,
        request: &UnwrapRequest<'_>,
    ) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        let mut attempts = Vec::new();
        for keyring in self.generator.iter().chain(&self.children) {
            match keyring.unwrap(request).await {
                Ok(unwrapped) => return Ok(unwrapped),
                Err(failed) => attempts.extend(failed),
            }
        }
        Err(attempts)
    }
}

impl Keyring for MultiKeyring {
    fn wrap<'a>(
        &'a self,
        materials: &'a mut EncryptionMaterials,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.wrap_with_all(materials))
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<UnwrappedDataKey, Vec<Attempt>>> {
        Box::pin(self.unwrap_with_any(request))
    }
}

impl LocalKeyring for LocalMultiKeyring {
    fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        now(self.wrap_with_all(materials))
    }

    fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        // The outer `Result` is only about waiting, which local keyrings never do.
        now(async { Ok(self.unwrap_with_any(request).await) }).unwrap_or_else(|_| Err(Vec::new()))
    }
}
