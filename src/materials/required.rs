//! Pairs that every message must be authenticated with, and that no message stores.

use std::collections::BTreeSet;

use crate::context::{EncryptionContext, is_reserved};
use crate::error::{ApiMisuse, Error, PolicyError};
use crate::materials::{
    BoxFuture, DecryptionMaterials, DecryptionRequest, EncryptionMaterials, EncryptionRequest,
    LocalMaterialsManager, MaterialsManager,
};

/// Has the values of some context keys authenticated with every message, but not stored in it: whoever
/// decrypts must know them.
///
/// To encrypt, the context must hold all of the keys. To decrypt, pairs with all of the keys must be
/// required; they are checked whether the message stores them or not.
///
/// ```
/// use waxseal::{AesKey, RawAesKeyring, RequiredContextManager};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let manager = RequiredContextManager::new(keyring, ["tenant"])?;
///
/// let message = waxseal::encrypt(b"hello", &manager).context([("tenant", "42")]).now()?;
/// assert_eq!(message.header().context().get("tenant"), None);
///
/// let opened = waxseal::decrypt(&message, &manager).require([("tenant", "42")]).now()?;
/// assert_eq!(opened.plaintext(), b"hello");
/// assert!(waxseal::decrypt(&message, &manager).now().is_err());
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: required-encryption-context-cmm.
#[derive(Debug)]
pub struct RequiredContextManager<M> {
    inner: M,
    keys: BTreeSet<String>,
}

impl<M: MaterialsManager> RequiredContextManager<M> {
    /// Puts these keys in front of a keyring or another manager.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if there is no key, or one that starts with `aws-crypto-`.
    pub fn new<K: Into<String>>(
        inner: M,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Self, Error> {
        let keys: BTreeSet<_> = keys.into_iter().map(Into::into).collect();
        if keys.is_empty() {
            let what = "set of required context keys";
            return Err(ApiMisuse::Setting { what, why: "it is empty" }.into());
        }
        if let Some(key) = keys.iter().find(|key| is_reserved(key)) {
            return Err(ApiMisuse::ReservedContextKey { key: key.clone() }.into());
        }
        Ok(Self { inner, keys })
    }

    /// The caller must give a value for each key.
    fn check_given(&self, context: &EncryptionContext) -> Result<(), Error> {
        match self.keys.iter().find(|key| context.get(key).is_none()) {
            Some(key) => Err(PolicyError::ContextNotGiven { key: key.clone() }.into()),
            None => Ok(()),
        }
    }

    async fn encrypt(&self, mut request: EncryptionRequest) -> Result<EncryptionMaterials, Error> {
        self.check_given(&request.context)?;
        request.required_context_keys.extend(self.keys.iter().cloned());
        let materials = self.inner.encryption_materials(request).await?;
        if !self.keys.is_subset(&materials.required_context_keys) {
            return Err(ApiMisuse::Materials("a required context key was dropped").into());
        }
        Ok(materials)
    }

    async fn decrypt(&self, request: DecryptionRequest<'_>) -> Result<DecryptionMaterials, Error> {
        self.check_given(request.reproduced_context)?;
        let materials = self.inner.decryption_materials(request).await?;
        // A manager below may have dropped a pair, which would then be authenticated by nobody.
        if self.keys.iter().any(|key| materials.context.get(key).is_none()) {
            return Err(ApiMisuse::Materials("a required context key was dropped").into());
        }
        Ok(materials)
    }
}

impl<M: MaterialsManager> MaterialsManager for RequiredContextManager<M> {
    fn encryption_materials<'a>(
        &'a self,
        request: EncryptionRequest,
    ) -> BoxFuture<'a, Result<EncryptionMaterials, Error>> {
        Box::pin(self.encrypt(request))
    }

    fn decryption_materials<'a>(
        &'a self,
        request: DecryptionRequest<'a>,
    ) -> BoxFuture<'a, Result<DecryptionMaterials, Error>> {
        Box::pin(self.decrypt(request))
    }
}

/// It waits only where what it asks waits.
impl<M: LocalMaterialsManager> LocalMaterialsManager for RequiredContextManager<M> {}
