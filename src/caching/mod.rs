//! Data keys for several messages, so that a key service is asked less often.

mod cache;
mod flight;
mod identifier;
mod shared;

use std::fmt;
use std::panic::resume_unwind;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

pub use cache::{CacheStats, MaterialsCache};
use cache::{Cacheable, Found, Limits, Query};
use flight::{Call, Outcome};
use identifier::Identifier;

use crate::context::EncryptionContext;
use crate::crypto::random;
use crate::error::{ApiMisuse, Error};
use crate::events;
use crate::materials::{
    BoxFuture, DecryptionMaterials, DecryptionRequest, EncryptionMaterials, EncryptionRequest,
    MaterialsManager,
};
use crate::message::EncryptedDataKey;
use crate::policy::Policy;
use crate::suite::{AlgorithmSuite, Derivation};

/// Uses the data keys of a keyring, or of another manager, for several messages.
///
/// Fewer calls to a key service, for less security: who gets hold of one data key reads all messages under
/// it. So a data key is used for a limited time, for a limited number of messages and of bytes.
///
/// Requests share materials only if everything is the same that these depend on: context, suite, policy,
/// required context keys, and to decrypt also the encrypted data keys and the pairs given. A context with a
/// value of its own for each message defeats the cache.
///
/// When many callers miss the same entry at once, one call is made and all of them get its answer; if the
/// one who began it is cancelled, the others go on with it. If it fails, it fails for all of them, as
/// [`Error::Shared`]; whoever comes later calls anew. Works with any runtime, and needs none.
///
/// Some requests go past the cache: those for suites without key derivation (0x0014, 0x0046, 0x0078), and
/// those to encrypt a plaintext whose length is neither known nor bounded, or longer than the limit on bytes.
///
/// ```
/// use std::time::Duration;
/// use waxseal::{AesKey, CachingManager, MaterialsCache, RawAesKeyring};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), waxseal::Error> {
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let cache = MaterialsCache::new(100)?;
/// let manager = CachingManager::new(keyring, &cache, Duration::from_secs(300))?.max_messages(1000)?;
///
/// let one = waxseal::encrypt(b"one", &manager).await?;
/// let two = waxseal::encrypt(b"two", &manager).await?;
/// assert_eq!(one.header().encrypted_data_keys(), two.header().encrypted_data_keys());
/// assert_eq!(waxseal::decrypt(&two, &manager).await?.plaintext(), b"two");
/// # Ok(()) }
/// ```
///
/// Spec: caching-cmm.
pub struct CachingManager {
    inner: Arc<dyn MaterialsManager>,
    cache: MaterialsCache,
    partition: String,
    limits: Limits,
    refresh: Option<Refresh>,
}

struct Refresh {
    after: Duration,
    spawn: Box<dyn Fn(BoxFuture<'static, ()>) + Send + Sync>,
}

impl CachingManager {
    /// Puts a cache in front of a keyring or another manager. A data key is used up to this age.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if the age is zero; [`Error::Backend`] if there is no randomness for the
    /// partition id.
    pub fn new(
        inner: impl MaterialsManager + 'static,
        cache: &MaterialsCache,
        max_age: Duration,
    ) -> Result<Self, Error> {
        if max_age.is_zero() {
            return Err(unusable("maximum age of data keys", "it must be more than 0"));
        }
        let mut partition = [0; 16];
        random(&mut partition).map_err(|_| Error::Backend("get randomness"))?;
        Ok(Self {
            inner: Arc::new(inner),
            cache: cache.clone(),
            partition: format!("{:032x}", u128::from_be_bytes(partition)),
            limits: Limits { max_age, max_messages: MAX_MESSAGES, max_bytes: MAX_BYTES },
            refresh: None,
        })
    }

    /// How many messages one data key encrypts, 1 to 2^32. Default: 2^32.
    ///
    /// With a limit far below the number of messages that are encrypted at once, they wait for data keys one after another.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] for another number.
    pub fn max_messages(mut self, limit: u64) -> Result<Self, Error> {
        if !(1..=MAX_MESSAGES).contains(&limit) {
            return Err(unusable("limit on messages", "it must be 1 to 2^32"));
        }
        self.limits.max_messages = limit;
        Ok(self)
    }

    /// How many bytes one data key encrypts, 1 to 2^63 - 1. Default: 2^63 - 1. A single message that is
    /// longer gets a data key of its own.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] for another number.
    pub fn max_bytes(mut self, limit: u64) -> Result<Self, Error> {
        if !(1..=MAX_BYTES).contains(&limit) {
            return Err(unusable("limit on bytes", "it must be 1 to 2^63 - 1"));
        }
        self.limits.max_bytes = limit;
        Ok(self)
    }

    /// Shares entries with those managers on the same cache that have the same partition id. Do it only
    /// where what stands behind them is the same, keys and managers in between: an entry of one answers for
    /// the other, whatever rules its own would have. And never give it to two of which one stands behind the
    /// other: a call would wait for itself. Default: a random one, so that nothing is shared.
    #[must_use]
    pub fn partition(mut self, id: impl Into<String>) -> Self {
        self.partition = id.into();
        self
    }

    /// Replaces entries ahead: from this age on, the first hit also starts a call for a new entry, and does
    /// not wait for it. It is tried once for each entry; if it fails, the entry is used until it is too old.
    ///
    /// This crate starts no task by itself: `spawn` does, as in `|call| drop(tokio::spawn(call))`.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if the age is not below the maximum age.
    pub fn refresh_ahead(
        mut self,
        after: Duration,
        spawn: impl Fn(BoxFuture<'static, ()>) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        if after >= self.limits.max_age {
            return Err(unusable("age to refresh at", "it must be below the maximum age"));
        }
        self.refresh = Some(Refresh { after, spawn: Box::new(spawn) });
        Ok(self)
    }

    async fn encrypt(&self, mut request: EncryptionRequest) -> Result<EncryptionMaterials, Error> {
        let len = request.max_plaintext_len.filter(|len| *len <= self.limits.max_bytes);
        let len = len.filter(|_| request.suite.is_none_or(derives_keys));
        if len.is_none() {
            self.cache.bypassed();
            return self.inner.encryption_materials(request).await;
        }
        // Materials serve other messages, too, so they must not depend on the length of this one.
        request.max_plaintext_len = None;
        let id = Identifier::of_encryption(&self.partition, &request);
        let call = || -> Call<EncryptionMaterials> {
            let (inner, request) = (Arc::clone(&self.inner), request.clone());
            Box::pin(async move { inner.encryption_materials(request).await })
        };
        let (materials, is_reused) = self.obtain(&id, len, &call).await?;
        if is_reused && let Some(edk) = materials.encrypted_data_keys().first() {
            events::reused("encrypt", edk.provider_id(), edk.key_name());
        }
        Ok(materials)
    }

    async fn decrypt(&self, request: DecryptionRequest<'_>) -> Result<DecryptionMaterials, Error> {
        if !derives_keys(request.suite) {
            self.cache.bypassed();
            return self.inner.decryption_materials(request).await;
        }
        let id = Identifier::of_decryption(&self.partition, &request);
        let call = || -> Call<DecryptionMaterials> {
            let (inner, request) = (Arc::clone(&self.inner), OwnedRequest::from(&request));
            Box::pin(async move { inner.decryption_materials(request.borrow()).await })
        };
        let (materials, is_reused) = self.obtain(&id, None, &call).await?;
        let opened = request.encrypted_data_keys.get(materials.unwrapped.index());
        if is_reused && let Some(edk) = opened {
            events::reused("decrypt", edk.provider_id(), edk.key_name());
        }
        Ok(materials)
    }

    /// Gets materials from the cache or into it; also whether another's call brought them.
    async fn obtain<T: Cacheable>(
        &self,
        id: &Identifier,
        len: Option<u64>,
        call: &(dyn Fn() -> Call<T> + Send + Sync),
    ) -> Result<(T, bool), Error> {
        let limits = &self.limits;
        let refresh_after = self.refresh.as_ref().map(|refresh| refresh.after);
        let query = Query { id, len, limits, refresh_after, call };
        let mut is_first = true;
        loop {
            let (flight, joined) = match self.cache.look_up(&query, is_first) {
                Found::Materials { materials, refresh } => {
                    if let (Some(Refresh { spawn, .. }), Some(flight)) = (&self.refresh, refresh) {
                        spawn(Box::pin(async move { drop(flight.await) }));
                    }
                    return Ok((materials, true));
                }
                Found::Flight { flight, joined } => (flight, joined),
            };
            match flight.await {
                Outcome::Entry(entry) if entry.is_expired(self.cache.now(), limits) => break,
                Outcome::Entry(entry) => {
                    if let Some(materials) = entry.take(len, limits) {
                        return Ok((materials, joined));
                    }
                    // The others used it up; one of those who are left makes the next call.
                }
                Outcome::Single(materials) => {
                    let mut single = materials.lock().unwrap_or_else(PoisonError::into_inner);
                    match single.take() {
                        Some(materials) => {
                            self.cache.bypassed();
                            return Ok((materials, false));
                        }
                        None => break,
                    }
                }
                Outcome::Failed(error) => {
                    return Err(Arc::try_unwrap(error).unwrap_or_else(Error::Shared));
                }
                Outcome::Panicked(panic) => {
                    let panic = panic.lock().unwrap_or_else(PoisonError::into_inner).take();
                    if let Some(panic) = panic {
                        resume_unwind(panic);
                    }
                    // It is for one of those who waited; the others call anew.
                }
            }
            is_first = false;
        }
        // What came cannot be shared, or was too old at once: no other call would bring anything better.
        self.cache.bypassed();
        Ok((call().await?, false))
    }
}

impl MaterialsManager for CachingManager {
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

impl fmt::Debug for CachingManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner, cache, partition, limits, refresh } = self;
        f.debug_struct("CachingManager")
            .field("inner", inner)
            .field("cache", cache)
            .field("partition", partition)
            .field("limits", limits)
            .field("refresh_after", &refresh.as_ref().map(|refresh| refresh.after))
            .finish()
    }
}

/// A request for a call that may outlive the caller.
struct OwnedRequest {
    suite: AlgorithmSuite,
    context: EncryptionContext,
    reproduced_context: EncryptionContext,
    encrypted_data_keys: Vec<EncryptedDataKey>,
    policy: Policy,
}

impl From<&DecryptionRequest<'_>> for OwnedRequest {
    fn from(request: &DecryptionRequest<'_>) -> Self {
        let DecryptionRequest { suite, context, reproduced_context, encrypted_data_keys, policy } =
            request;
        Self {
            suite: *suite,
            context: EncryptionContext::clone(context),
            reproduced_context: EncryptionContext::clone(reproduced_context),
            encrypted_data_keys: encrypted_data_keys.to_vec(),
            policy: Policy::clone(policy),
        }
    }
}

impl OwnedRequest {
    fn borrow(&self) -> DecryptionRequest<'_> {
        let Self { suite, context, reproduced_context, encrypted_data_keys, policy } = self;
        DecryptionRequest {
            suite: *suite,
            context,
            reproduced_context,
            encrypted_data_keys,
            policy,
        }
    }
}

fn derives_keys(suite: AlgorithmSuite) -> bool {
    suite.derivation() != Derivation::Identity
}

fn unusable(what: &'static str, why: &'static str) -> Error {
    ApiMisuse::Setting { what, why }.into()
}

/// Spec: caching-cmm, "Limit Messages".
const MAX_MESSAGES: u64 = 1 << 32;
/// Spec: caching-cmm, "Limit Bytes".
const MAX_BYTES: u64 = (1 << 63) - 1;

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::*;
    use crate::clock::ManualClock;
    use crate::keyring::{AesKey, RawAesKeyring, now};

    const AGE: Duration = Duration::from_secs(60);

    fn request(tenant: &str) -> EncryptionRequest {
        EncryptionRequest {
            context: EncryptionContext::from([("tenant", tenant)]),
            required_context_keys: Default::default(),
            suite: None,
            policy: Policy::default(),
            max_plaintext_len: Some(1),
        }
    }

    fn manager(cache: &MaterialsCache) -> CachingManager {
        let keyring = RawAesKeyring::new("n", "k", AesKey::from([7; 32])).unwrap();
        CachingManager::new(keyring, cache, AGE).unwrap()
    }

    /// Secrets of one entry to encrypt and of one to decrypt, which nobody but the cache holds.
    fn secrets(manager: &CachingManager) -> Vec<Box<dyn Fn() -> bool>> {
        fn watch<T: 'static>(secret: &Arc<T>) -> Box<dyn Fn() -> bool> {
            let secret = Arc::downgrade(secret);
            Box::new(move || Weak::strong_count(&secret) > 0)
        }
        let materials = now(manager.encryption_materials(request("a"))).unwrap();
        let again = now(manager.encryption_materials(request("a"))).unwrap();
        let (Some(key), Some(other)) = (&materials.data_key, &again.data_key) else { panic!() };
        assert!(Arc::ptr_eq(key, other), "a secret is shared, not copied");
        let opened = now(manager.decryption_materials(DecryptionRequest {
            suite: materials.suite(),
            context: materials.context(),
            reproduced_context: &EncryptionContext::new(),
            encrypted_data_keys: materials.encrypted_data_keys(),
            policy: &Policy::default(),
        }))
        .unwrap();
        assert_eq!(opened.unwrapped.key(), &**key);
        let signing_key = materials.signing_key.as_ref().unwrap();
        vec![watch(key), watch(signing_key), watch(&opened.unwrapped.key)]
    }

    fn are_there(secrets: &[Box<dyn Fn() -> bool>]) -> Vec<bool> {
        secrets.iter().map(|is_there| is_there()).collect()
    }

    #[test]
    fn secrets_go_with_their_entry() {
        let clock = ManualClock::default();
        let ways: [fn(&MaterialsCache, &CachingManager, &ManualClock); 4] = [
            |cache, _, _| cache.clear(),
            |_, manager, clock| {
                clock.advance(AGE);
                drop(now(manager.encryption_materials(request("b"))).unwrap());
            },
            |cache, _, clock| {
                clock.advance(AGE);
                cache.remove_expired();
            },
            |_, manager, _| {
                for tenant in ["b", "c"] {
                    drop(now(manager.encryption_materials(request(tenant))).unwrap());
                }
            },
        ];
        for forget in ways {
            let cache = MaterialsCache::with_clock(2, clock.clone()).unwrap();
            let manager = manager(&cache);
            let secrets = secrets(&manager);
            assert_eq!(are_there(&secrets), [true; 3]);
            forget(&cache, &manager, &clock);
            assert_eq!(are_there(&secrets), [false; 3]);
        }
    }

    #[test]
    fn each_manager_has_a_partition_of_its_own() {
        let cache = MaterialsCache::new(1).unwrap();
        let [one, two] = [(); 2].map(|()| manager(&cache).partition);
        assert!(one.len() == 32 && one != two, "{one} {two}");
    }
}
