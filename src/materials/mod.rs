//! What a message is encrypted or decrypted with, and who provides it.

mod required;

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use base64ct::{Base64, Encoding};
pub use required::RequiredContextManager;

use crate::context::{EncryptionContext, PUBLIC_KEY, is_reserved};
use crate::crypto::{SigningKey, random};
use crate::error::{ApiMisuse, Error, PolicyError};
use crate::message::{EncryptedDataKey, Header};
use crate::policy::Policy;
use crate::secret::{DataKey, Secret};
use crate::suite::AlgorithmSuite;

/// A boxed future that may cross threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Provides the materials for one message; every [`Keyring`](crate::Keyring) is one.
///
/// Implement it to change the encryption context, to choose suites or to cache. What it returns is
/// checked where it is used: against policy, and against what the caller required. It may choose
/// another suite than the one asked for, as long as policy allows it. A data key must never serve two
/// messages under a suite without key derivation (0x0014, 0x0046, 0x0078): they would share nonces.
///
/// ```
/// use waxseal::{
///     BoxFuture, DecryptionMaterials, DecryptionRequest, EncryptionMaterials, EncryptionRequest,
///     Error, MaterialsManager, PolicyError,
/// };
///
/// /// Adds a tenant to the context of everything that is encrypted.
/// #[derive(Debug)]
/// struct ForTenant<M> {
///     tenant: &'static str,
///     inner: M,
/// }
///
/// impl<M: MaterialsManager> MaterialsManager for ForTenant<M> {
///     fn encryption_materials<'a>(
///         &'a self,
///         mut request: EncryptionRequest,
///     ) -> BoxFuture<'a, Result<EncryptionMaterials, Error>> {
///         request.context.insert("tenant", self.tenant);
///         self.inner.encryption_materials(request)
///     }
///
///     fn decryption_materials<'a>(
///         &'a self,
///         request: DecryptionRequest<'a>,
///     ) -> BoxFuture<'a, Result<DecryptionMaterials, Error>> {
///         if request.context.get("tenant") != Some(self.tenant) {
///             let key = "tenant".to_owned();
///             return Box::pin(async { Err(PolicyError::ContextMismatch { key }.into()) });
///         }
///         self.inner.decryption_materials(request)
///     }
/// }
/// ```
///
/// Spec: cmm-interface.
pub trait MaterialsManager: fmt::Debug + Send + Sync {
    /// Gets a fresh data key, wrapped.
    ///
    /// # Errors
    /// Whatever keeps it from doing so.
    fn encryption_materials<'a>(
        &'a self,
        request: EncryptionRequest,
    ) -> BoxFuture<'a, Result<EncryptionMaterials, Error>>;

    /// Gets the data key of a message.
    ///
    /// # Errors
    /// Whatever keeps it from doing so.
    fn decryption_materials<'a>(
        &'a self,
        request: DecryptionRequest<'a>,
    ) -> BoxFuture<'a, Result<DecryptionMaterials, Error>>;
}

/// A materials manager that never waits, so that `.now()` can use it: its futures are ready when they are
/// polled first. Every [`LocalKeyring`](crate::LocalKeyring) is one.
///
/// One that waits all the same makes `.now()` fail; it never blocks.
#[diagnostic::on_unimplemented(
    message = "`{Self}` may have to wait for a service, so it cannot run `.now()`",
    note = "use `.await` instead"
)]
pub trait LocalMaterialsManager: MaterialsManager {}

/// What encryption asks of a materials manager.
///
/// Spec: cmm-interface, "Encryption Materials Request".
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EncryptionRequest {
    /// The caller's pairs.
    pub context: EncryptionContext,
    /// Keys of pairs to authenticate but not to store.
    pub required_context_keys: BTreeSet<String>,
    /// The suite that the caller asked for.
    pub suite: Option<AlgorithmSuite>,
    /// What is allowed.
    pub policy: Policy,
    /// The plaintext has at most so many bytes, if known.
    pub max_plaintext_len: Option<u64>,
}

/// What decryption asks of a materials manager. But for what the caller gives (`reproduced_context`, `policy`), it comes
/// from a header that is not yet authenticated.
///
/// Spec: cmm-interface, "Decrypt Materials Request".
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DecryptionRequest<'a> {
    /// The message's suite.
    pub suite: AlgorithmSuite,
    /// The pairs stored in the header.
    pub context: &'a EncryptionContext,
    /// The pairs that the caller gave to be checked, or to be authenticated though they are not stored.
    pub reproduced_context: &'a EncryptionContext,
    /// The encrypted data keys, in order.
    pub encrypted_data_keys: &'a [EncryptedDataKey],
    /// What is allowed.
    pub policy: &'a Policy,
}

/// A data key in the making: keyrings add to it.
///
/// Spec: structures, "Encryption Materials".
#[derive(Debug)]
pub struct EncryptionMaterials {
    pub(crate) suite: AlgorithmSuite,
    pub(crate) context: EncryptionContext,
    pub(crate) required_context_keys: BTreeSet<String>,
    pub(crate) data_key: Option<Arc<DataKey>>,
    pub(crate) encrypted_data_keys: Vec<EncryptedDataKey>,
    pub(crate) signing_key: Option<Arc<SigningKey>>,
}

impl EncryptionMaterials {
    /// Starts without a data key. Chooses the policy's suite where none was asked for; if the suite
    /// signs, makes a signing key and puts its public key into the context.
    ///
    /// # Errors
    /// [`Error::Policy`] if the suite is not allowed; [`Error::ApiMisuse`] for reserved context keys or
    /// required keys that are not in the context.
    ///
    /// Spec: default-cmm, "Get Encryption Materials".
    pub fn new(request: EncryptionRequest) -> Result<Self, Error> {
        let EncryptionRequest {
            mut context,
            required_context_keys,
            suite,
            policy,
            max_plaintext_len: _,
        } = request;
        context.check_not_reserved()?;
        let suite = suite.unwrap_or_else(|| policy.commitment.default_suite());
        policy.check_encrypt(suite)?;
        let signing_key = match suite.signature() {
            None => None,
            Some(curve) => {
                let failed = |_| Error::Backend("make a signing key");
                let key = SigningKey::generate(curve).map_err(failed)?;
                let public_key = key.public_key().map_err(failed)?;
                context.insert(PUBLIC_KEY, Base64::encode_string(&public_key));
                Some(Arc::new(key))
            }
        };
        let materials = Self {
            suite,
            context,
            required_context_keys,
            data_key: None,
            encrypted_data_keys: Vec::new(),
            signing_key,
        };
        materials.check_required_keys()?;
        Ok(materials)
    }

    /// The suite.
    pub fn suite(&self) -> AlgorithmSuite {
        self.suite
    }

    /// All pairs, stored or not; what keyrings authenticate.
    pub fn context(&self) -> &EncryptionContext {
        &self.context
    }

    /// Keys of the pairs to authenticate but not to store.
    pub fn required_context_keys(&self) -> &BTreeSet<String> {
        &self.required_context_keys
    }

    /// The data key, once a keyring has set it.
    pub fn data_key(&self) -> Option<&DataKey> {
        self.data_key.as_deref()
    }

    /// The wrapped forms of the data key so far.
    pub fn encrypted_data_keys(&self) -> &[EncryptedDataKey] {
        &self.encrypted_data_keys
    }

    /// Sets the data key, for keyrings whose service makes it.
    ///
    /// It must be fresh: under a suite without key derivation (0x0014, 0x0046, 0x0078), two messages
    /// with one data key share nonces, which breaks both.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if there is one already or its length does not fit the suite.
    pub fn set_data_key(&mut self, key: DataKey) -> Result<(), Error> {
        if self.data_key.is_some() {
            return Err(ApiMisuse::Materials("the data key was set twice").into());
        }
        check_len(self.suite, &key)?;
        self.data_key = Some(Arc::new(key));
        Ok(())
    }

    /// The data key; makes it, fresh from the operating system, if there is none.
    ///
    /// # Errors
    /// [`Error::Backend`] if there is no randomness.
    pub fn data_key_or_generate(&mut self) -> Result<&DataKey, Error> {
        let key = match self.data_key.take() {
            Some(key) => key,
            None => {
                let secret = Secret::fill(self.suite.data_key_len(), random)
                    .map_err(|_| Error::Backend("get randomness"))?;
                Arc::new(DataKey::from_secret(secret))
            }
        };
        Ok(self.data_key.insert(key))
    }

    /// Adds a wrapped form of the data key.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if there is no data key yet, which this could not be a form of.
    pub fn push_encrypted_data_key(&mut self, edk: EncryptedDataKey) -> Result<(), Error> {
        if self.data_key.is_none() {
            return Err(
                ApiMisuse::Materials("an encrypted data key came before the data key").into()
            );
        }
        self.encrypted_data_keys.push(edk);
        Ok(())
    }

    /// The same materials once more; the secrets are shared, not copied, and zeroed with the last holder.
    pub(crate) fn share(&self) -> Self {
        let Self {
            suite,
            context,
            required_context_keys,
            data_key,
            encrypted_data_keys,
            signing_key,
        } = self;
        Self {
            suite: *suite,
            context: context.clone(),
            required_context_keys: required_context_keys.clone(),
            data_key: data_key.clone(),
            encrypted_data_keys: encrypted_data_keys.clone(),
            signing_key: signing_key.clone(),
        }
    }

    /// Everything that must hold before these materials encrypt a message.
    pub(crate) fn check(&self, policy: &Policy) -> Result<(), Error> {
        let Self {
            suite,
            context: _,
            required_context_keys: _,
            data_key,
            encrypted_data_keys,
            signing_key,
        } = self;
        policy.check_encrypt(*suite)?;
        let fault = |what| Err(ApiMisuse::Materials(what).into());
        let Some(data_key) = data_key else {
            return fault("there is no data key");
        };
        check_len(*suite, data_key)?;
        if encrypted_data_keys.is_empty() {
            return fault("there is no encrypted data key");
        }
        policy.check_key_count(encrypted_data_keys.len())?;
        if signing_key.is_some() != suite.signs() {
            return fault("there must be a signing key exactly if the suite signs");
        }
        self.check_required_keys()
    }

    fn check_required_keys(&self) -> Result<(), Error> {
        let Self { context, required_context_keys, .. } = self;
        if let Some(key) = required_context_keys.iter().find(|key| is_reserved(key)) {
            return Err(ApiMisuse::ReservedContextKey { key: key.clone() }.into());
        }
        if required_context_keys.iter().any(|key| context.get(key).is_none()) {
            return Err(ApiMisuse::Materials("a required context key is not in the context").into());
        }
        Ok(())
    }
}

/// A data key recovered.
///
/// Spec: structures, "Decryption Materials".
#[derive(Debug)]
pub struct DecryptionMaterials {
    pub(crate) suite: AlgorithmSuite,
    pub(crate) context: EncryptionContext,
    pub(crate) required_context_keys: BTreeSet<String>,
    pub(crate) unwrapped: UnwrappedDataKey,
}

impl DecryptionMaterials {
    /// Checks what can be checked without a data key; gives the pairs to authenticate, and the keys of
    /// those that are not stored.
    ///
    /// Spec: default-cmm, "Decrypt Materials".
    pub(crate) fn all_pairs(
        request: &DecryptionRequest<'_>,
    ) -> Result<(EncryptionContext, BTreeSet<String>), Error> {
        let DecryptionRequest {
            suite,
            context: stored,
            reproduced_context,
            encrypted_data_keys: _,
            policy,
        } = request;
        policy.check_decrypt(*suite)?;
        let (both, only_given) = reproduced_context.partition(|key| stored.get(key).is_some());
        if let Some((key, _)) = both.iter().find(|(key, value)| stored.get(key) != Some(value)) {
            return Err(PolicyError::ContextMismatch { key: key.to_owned() }.into());
        }
        only_given.check_not_reserved()?;
        let keys = only_given.iter().map(|(key, _)| key.to_owned()).collect();
        let mut context = EncryptionContext::clone(stored);
        context.extend(only_given.iter());
        Ok((context, keys))
    }

    /// The suite.
    pub fn suite(&self) -> AlgorithmSuite {
        self.suite
    }

    /// All pairs, stored or not.
    pub fn context(&self) -> &EncryptionContext {
        &self.context
    }

    /// Keys of the pairs that are authenticated but not stored.
    pub fn required_context_keys(&self) -> &BTreeSet<String> {
        &self.required_context_keys
    }

    /// The same materials once more; the data key is shared, not copied, and zeroed with the last holder.
    pub(crate) fn share(&self) -> Self {
        let Self { suite, context, required_context_keys, unwrapped } = self;
        let UnwrappedDataKey { key, index } = unwrapped;
        Self {
            suite: *suite,
            context: context.clone(),
            required_context_keys: required_context_keys.clone(),
            unwrapped: UnwrappedDataKey { key: Arc::clone(key), index: *index },
        }
    }

    /// Everything that must hold before these materials decrypt a message with this header, of which the
    /// caller required these pairs. Gives the pairs to authenticate that are not stored.
    pub(crate) fn check(
        &self,
        policy: &Policy,
        header: &Header,
        required: &EncryptionContext,
    ) -> Result<EncryptionContext, Error> {
        let Self { suite, context, required_context_keys, unwrapped } = self;
        policy.check_decrypt(*suite)?;
        let fault = |what| Err(ApiMisuse::Materials(what).into());
        if *suite != header.suite {
            return fault("the suite is not that of the message");
        }
        check_len(*suite, &unwrapped.key)?;
        if unwrapped.index >= header.encrypted_data_keys.len() {
            return fault("there is no encrypted data key with the index that was opened");
        }
        if required_context_keys.iter().any(|key| context.get(key).is_none()) {
            return fault("a required context key is not in the context");
        }
        let (unstored, _) = context.partition(|key| required_context_keys.contains(key));
        if unstored.iter().any(|(key, _)| header.context.get(key).is_some()) {
            return fault("a required context key is stored in the header");
        }
        // The caller's requirements hold whatever a materials manager made of them.
        let forgotten = |(key, value): (&str, &str)| {
            header.context.get(key).or_else(|| unstored.get(key)) != Some(value)
        };
        if required.iter().any(forgotten) {
            return fault("a pair that the caller required was dropped or changed");
        }
        Ok(unstored)
    }
}

/// What decryption asks of a keyring.
///
/// ```
/// use waxseal::{AlgorithmSuite, EncryptedDataKey, EncryptionContext, UnwrapRequest};
///
/// let context = EncryptionContext::new();
/// let offered = [EncryptedDataKey::new("my-app", "key-2026", [0; 48])];
/// let request = UnwrapRequest::new(
///     AlgorithmSuite::Aes256GcmHkdfSha512CommitKey,
///     &context,
///     &offered,
/// );
/// assert_eq!(request.encrypted_data_keys().len(), 1);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct UnwrapRequest<'a> {
    suite: AlgorithmSuite,
    context: &'a EncryptionContext,
    encrypted_data_keys: &'a [EncryptedDataKey],
}

impl<'a> UnwrapRequest<'a> {
    /// Puts one together, for tests of keyrings.
    pub fn new(
        suite: AlgorithmSuite,
        context: &'a EncryptionContext,
        encrypted_data_keys: &'a [EncryptedDataKey],
    ) -> Self {
        Self { suite, context, encrypted_data_keys }
    }

    /// The message's suite.
    pub fn suite(&self) -> AlgorithmSuite {
        self.suite
    }

    /// All pairs, stored or not; what keyrings authenticate.
    pub fn context(&self) -> &'a EncryptionContext {
        self.context
    }

    /// The encrypted data keys, in the order of the message.
    pub fn encrypted_data_keys(&self) -> &'a [EncryptedDataKey] {
        self.encrypted_data_keys
    }
}

/// A data key with the place of the encrypted data key that it came from.
#[derive(Debug)]
pub struct UnwrappedDataKey {
    pub(crate) key: Arc<DataKey>,
    pub(crate) index: usize,
}

impl UnwrappedDataKey {
    /// `index` counts the encrypted data keys of the message from 0.
    pub fn new(key: DataKey, index: usize) -> Self {
        Self { key: Arc::new(key), index }
    }

    /// The data key.
    pub fn key(&self) -> &DataKey {
        &self.key
    }

    /// Which encrypted data key it came from, counted from 0.
    pub fn index(&self) -> usize {
        self.index
    }
}

fn check_len(suite: AlgorithmSuite, key: &DataKey) -> Result<(), Error> {
    if key.len() != suite.data_key_len() {
        return Err(ApiMisuse::Materials("the data key's length does not fit the suite").into());
    }
    Ok(())
}
