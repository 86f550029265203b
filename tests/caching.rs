//! Data keys for several messages: when they are used again, when not, and who waits for whom.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};
use waxseal::{
    AesKey, AlgorithmSuite, ApiMisuse, Attempt, BoxFuture, CachingManager, CommitmentPolicy,
    DecryptionMaterials, DecryptionRequest, EncryptionContext, EncryptionMaterials,
    EncryptionRequest, Error, Keyring, KeyringError, LocalKeyring, LocalMultiKeyring, ManualClock,
    MaterialsCache, MaterialsManager, Policy, PolicyError, RawAesKeyring, RequiredContextManager,
    UnwrapRequest, UnwrappedDataKey,
};

/// A key service: counts its calls, lets them wait at a gate, and can fail.
#[derive(Debug, Clone)]
struct Service(Arc<ServiceState>);

#[derive(Debug)]
struct ServiceState {
    keyring: RawAesKeyring,
    gate: Semaphore,
    wraps: AtomicU64,
    unwraps: AtomicU64,
    fails: AtomicBool,
    panics: AtomicBool,
    inside: AtomicU64,
    most_inside: AtomicU64,
}

impl Service {
    fn with_gate(permits: usize) -> Self {
        Self(Arc::new(ServiceState {
            keyring: aes(),
            gate: Semaphore::new(permits),
            wraps: AtomicU64::new(0),
            unwraps: AtomicU64::new(0),
            fails: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            inside: AtomicU64::new(0),
            most_inside: AtomicU64::new(0),
        }))
    }

    fn open() -> Self {
        Self::with_gate(100_000)
    }

    fn closed() -> Self {
        Self::with_gate(0)
    }

    /// Lets so many calls through.
    fn let_through(&self, calls: usize) {
        self.0.gate.add_permits(calls);
    }

    fn wraps(&self) -> u64 {
        self.0.wraps.load(Ordering::SeqCst)
    }

    fn unwraps(&self) -> u64 {
        self.0.unwraps.load(Ordering::SeqCst)
    }

    fn fail(&self, fails: bool) {
        self.0.fails.store(fails, Ordering::SeqCst);
    }

    async fn pass(&self) -> Result<(), Error> {
        let state = &self.0;
        let inside = state.inside.fetch_add(1, Ordering::SeqCst) + 1;
        state.most_inside.fetch_max(inside, Ordering::SeqCst);
        let leave = Leave(&state.inside);
        state.gate.acquire().await.unwrap().forget();
        drop(leave);
        assert!(!state.panics.load(Ordering::SeqCst), "the service panics");
        if state.fails.load(Ordering::SeqCst) {
            return Err(KeyringError::wrap("service", "it is down").into());
        }
        Ok(())
    }
}

struct Leave<'a>(&'a AtomicU64);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Keyring for Service {
    fn wrap<'a>(
        &'a self,
        materials: &'a mut EncryptionMaterials,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.0.wraps.fetch_add(1, Ordering::SeqCst);
            self.pass().await?;
            self.0.keyring.wrap_now(materials)
        })
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<UnwrappedDataKey, Vec<Attempt>>> {
        Box::pin(async move {
            self.0.unwraps.fetch_add(1, Ordering::SeqCst);
            self.pass().await.map_err(|_| Vec::new())?;
            self.0.keyring.unwrap_now(request)
        })
    }
}

fn aes() -> RawAesKeyring {
    RawAesKeyring::new("tests", "a", AesKey::from([7; 32])).unwrap()
}

const AGE: Duration = Duration::from_secs(60);
const LAX: CommitmentPolicy = CommitmentPolicy::ForbidEncryptAllowDecrypt;

fn cache() -> MaterialsCache {
    MaterialsCache::new(100).unwrap()
}

fn manager(service: &Service, cache: &MaterialsCache) -> CachingManager {
    CachingManager::new(service.clone(), cache, AGE).unwrap()
}

async fn encrypt(manager: &CachingManager, plaintext: &[u8]) -> Vec<u8> {
    waxseal::encrypt(plaintext, manager).await.unwrap().into_bytes()
}

/// What tells one data key from another.
fn wrapped_key(message: &[u8]) -> Vec<u8> {
    waxseal::inspect(message).unwrap().parsed().encrypted_data_keys()[0].ciphertext().to_vec()
}

/// Until so many requests found nothing and either call or wait.
async fn until_misses(cache: &MaterialsCache, misses: u64) {
    while cache.stats().misses < misses {
        yield_now().await;
    }
}

#[tokio::test]
async fn one_data_key_serves_several_messages_both_ways() {
    for suite in AlgorithmSuite::ALL.into_iter().filter(|suite| suite.id() > 0x0100) {
        let (service, cache) = (Service::open(), cache());
        let (plain, manager) = (aes(), manager(&service, &cache));
        let policy = Policy::default().commitment(if suite.commits() {
            CommitmentPolicy::default()
        } else {
            LAX
        });
        let mut ids = BTreeSet::new();
        for i in 0..10_u8 {
            let encrypt = waxseal::encrypt(std::slice::from_ref(&i), &manager).suite(suite);
            let message = encrypt.policy(policy.clone()).context([("k", "v")]).await.unwrap();
            ids.insert(message.header().message_id().to_vec());
            let decrypt = waxseal::decrypt(&message, &plain).policy(policy.clone());
            assert_eq!(decrypt.now().unwrap().plaintext(), [i]);
            let decrypt = waxseal::decrypt(&message, &manager).policy(policy.clone());
            let opened = decrypt.await.unwrap();
            assert_eq!(opened.plaintext(), [i]);
            assert_eq!(opened.header().context(), message.context());
        }
        assert_eq!(ids.len(), 10, "each message has an id of its own");
        assert_eq!((service.wraps(), service.unwraps()), (1, 1), "{suite}");
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.calls, stats.bypasses), (18, 2, 2, 0));
        assert_eq!(cache.len(), 2);
    }
}

#[tokio::test]
async fn streams_use_the_cache_if_their_length_is_bounded() {
    let (service, cache) = (Service::open(), cache());
    let manager = manager(&service, &cache).max_bytes(100).unwrap();
    for (bound, wraps) in [(60, 1), (40, 1), (1, 2), (101, 3), (101, 4), (100, 5)] {
        drop(waxseal::encryptor(&manager).plaintext_bound(bound).await.unwrap());
        assert_eq!(service.wraps(), wraps, "after a bound of {bound}");
    }
    let before = cache.stats();
    assert_eq!(before.bypasses, 2);
    for _ in 0..2 {
        drop(waxseal::encryptor(&manager).await.unwrap());
    }
    assert_eq!(service.wraps(), 7);
    assert_eq!(cache.stats().bypasses, before.bypasses + 2);
    assert_eq!(cache.stats().hits, before.hits);
}

#[tokio::test]
async fn a_data_key_encrypts_no_more_messages_than_the_limit() {
    for limit in 1..4 {
        let service = Service::open();
        let manager = manager(&service, &cache()).max_messages(limit).unwrap();
        let mut keys = Vec::new();
        for _ in 0..7 {
            keys.push(wrapped_key(&encrypt(&manager, b"x").await));
        }
        assert_eq!(service.wraps(), 7_u64.div_ceil(limit));
        for (i, key) in (0..).zip(&keys) {
            let first = keys.iter().position(|other| other == key).unwrap();
            assert_eq!(u64::try_from(first).unwrap(), i / limit * limit);
        }
        // Decryption is not counted.
        let message = encrypt(&manager, b"x").await;
        for _ in 0..7 {
            waxseal::decrypt(&message, &manager).await.unwrap();
        }
        assert_eq!(service.unwraps(), 1);
    }
}

#[tokio::test]
async fn a_data_key_encrypts_no_more_bytes_than_the_limit() {
    let service = Service::open();
    let manager = manager(&service, &cache()).max_bytes(10).unwrap();
    // Bytes of a message, and how many data keys were made after it.
    for (len, wraps) in [(4, 1), (6, 1), (0, 1), (1, 2), (10, 3), (1, 4), (9, 4), (11, 5), (0, 5)] {
        encrypt(&manager, &vec![1; len]).await;
        assert_eq!(service.wraps(), wraps, "after {len} bytes");
    }
}

#[tokio::test]
async fn a_data_key_is_not_used_when_it_is_too_old() {
    let clock = ManualClock::default();
    clock.advance(Duration::from_secs(1000));
    let cache = MaterialsCache::with_clock(10, clock.clone()).unwrap();
    let service = Service::open();
    let manager = manager(&service, &cache);
    let message = encrypt(&manager, b"x").await;
    waxseal::decrypt(&message, &manager).await.unwrap();
    clock.advance(AGE - Duration::from_nanos(1));
    encrypt(&manager, b"x").await;
    waxseal::decrypt(&message, &manager).await.unwrap();
    assert_eq!((service.wraps(), service.unwraps()), (1, 1));
    clock.advance(Duration::from_nanos(1));
    encrypt(&manager, b"x").await;
    waxseal::decrypt(&message, &manager).await.unwrap();
    assert_eq!((service.wraps(), service.unwraps()), (2, 2));
    assert_eq!(cache.stats().expirations, 2);
    // Use does not make it younger.
    clock.advance(AGE);
    encrypt(&manager, b"x").await;
    assert_eq!(service.wraps(), 3);
}

#[tokio::test]
async fn what_is_too_old_is_dropped_when_the_cache_is_used_next() {
    let clock = ManualClock::default();
    let cache = MaterialsCache::with_clock(10, clock.clone()).unwrap();
    let manager = manager(&Service::open(), &cache);
    let with =
        async |value: &str| waxseal::encrypt(b"x", &manager).context([("k", value)]).await.unwrap();
    with("a").await;
    with("b").await;
    clock.advance(AGE);
    assert_eq!(cache.len(), 2);
    with("c").await;
    assert_eq!(cache.len(), 1);
    clock.advance(AGE);
    cache.remove_expired();
    assert!(cache.is_empty());
    assert_eq!(cache.stats().expirations, 3);
}

/// However many are younger, and were used longer ago.
#[tokio::test]
async fn what_is_too_old_does_not_hide_among_others() {
    let clock = ManualClock::default();
    let cache = MaterialsCache::with_clock(100, clock.clone()).unwrap();
    let service = Service::open();
    let old = manager(&service, &cache);
    for value in 0..20 {
        waxseal::encrypt(b"x", &old).context([("k", value.to_string())]).await.unwrap();
    }
    let young = CachingManager::new(service.clone(), &cache, AGE / 2).unwrap();
    encrypt(&young, b"x").await;
    assert_eq!(cache.len(), 21);
    clock.advance(AGE / 2);
    encrypt(&old, b"x").await;
    assert_eq!((cache.len(), cache.stats().expirations), (21, 1));
}

#[tokio::test]
async fn the_stricter_of_two_ages_counts() {
    let clock = ManualClock::default();
    let cache = MaterialsCache::with_clock(10, clock.clone()).unwrap();
    let service = Service::open();
    let young = CachingManager::new(service.clone(), &cache, AGE / 2).unwrap().partition("p");
    let old = manager(&service, &cache).partition("p");
    encrypt(&old, b"x").await;
    clock.advance(AGE / 2);
    encrypt(&old, b"x").await;
    assert_eq!(service.wraps(), 1);
    encrypt(&young, b"x").await;
    assert_eq!(service.wraps(), 2);
    // What the younger one stored is no older for the other.
    clock.advance(AGE / 2);
    encrypt(&old, b"x").await;
    assert_eq!(service.wraps(), 3);
}

#[tokio::test]
async fn the_least_recently_used_makes_room() {
    let cache = MaterialsCache::new(2).unwrap();
    let service = Service::open();
    let manager = manager(&service, &cache);
    let with =
        async |value: &str| waxseal::encrypt(b"x", &manager).context([("k", value)]).await.unwrap();
    for (value, wraps) in [("a", 1), ("b", 2), ("a", 2), ("c", 3), ("a", 3), ("b", 4), ("c", 5)] {
        with(value).await;
        assert_eq!(service.wraps(), wraps, "after {value}");
        assert!(cache.len() <= 2);
    }
    assert_eq!(cache.stats().evictions, 3);
    // Entries to decrypt take room as well.
    let message = with("c").await;
    waxseal::decrypt(&message, &manager).await.unwrap();
    assert_eq!((cache.len(), cache.stats().evictions), (2, 4));
    with("c").await;
    assert_eq!(service.wraps(), 5);
    with("b").await;
    assert_eq!(service.wraps(), 6);
}

#[tokio::test]
async fn entries_are_shared_only_within_a_partition() {
    let (service, cache) = (Service::open(), cache());
    let [one, two] = [(); 2].map(|()| manager(&service, &cache));
    encrypt(&one, b"x").await;
    let message = encrypt(&two, b"x").await;
    assert_eq!(service.wraps(), 2, "each has a partition of its own");
    waxseal::decrypt(&message, &one).await.unwrap();
    waxseal::decrypt(&message, &two).await.unwrap();
    assert_eq!(service.unwraps(), 2);

    let [one, two] = [one, two].map(|manager| manager.partition("p"));
    let message = encrypt(&one, b"x").await;
    assert_eq!(wrapped_key(&message), wrapped_key(&encrypt(&two, b"x").await));
    waxseal::decrypt(&message, &one).await.unwrap();
    waxseal::decrypt(&message, &two).await.unwrap();
    assert_eq!((service.wraps(), service.unwraps()), (3, 3));
    let other_cache = manager(&service, &MaterialsCache::new(1).unwrap()).partition("p");
    encrypt(&other_cache, b"x").await;
    assert_eq!(service.wraps(), 4);
}

#[tokio::test]
async fn other_requests_get_other_materials() {
    let (service, cache) = (Service::open(), cache());
    let manager = manager(&service, &cache);
    let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384;
    waxseal::encrypt(b"x", &manager).await.unwrap();
    let with_pair = waxseal::encrypt(b"x", &manager).context([("k", "v")]).await.unwrap();
    assert_eq!(with_pair.header().context().get("k"), Some("v"));
    waxseal::encrypt(b"x", &manager).suite(suite).await.unwrap();
    let lax = Policy::default().commitment(LAX);
    waxseal::encrypt(b"x", &manager).policy(lax).await.unwrap();
    assert_eq!((service.wraps(), cache.stats().hits), (4, 0));
}

/// Required keys are no input of the specification's formula, though materials depend on them.
#[tokio::test]
async fn required_context_keys_tell_requests_apart() {
    let (service, cache) = (Service::open(), cache());
    let pairs = [("tenant", "42")];
    let plain = manager(&service, &cache).partition("p");
    let inner = manager(&service, &cache).partition("p");
    let requiring = RequiredContextManager::new(inner, ["tenant"]).unwrap();
    for _ in 0..2 {
        let stored = waxseal::encrypt(b"x", &plain).context(pairs).await.unwrap();
        assert_eq!(stored.header().context().get("tenant"), Some("42"));
        let unstored = waxseal::encrypt(b"x", &requiring).context(pairs).await.unwrap();
        assert_eq!(unstored.header().context().get("tenant"), None);
    }
    assert_eq!((service.wraps(), cache.stats().hits), (2, 2));
}

/// Pairs given to decrypt are no input of the specification's formula either.
#[tokio::test]
async fn pairs_given_to_decrypt_tell_requests_apart() {
    let (service, cache) = (Service::open(), cache());
    let requiring = RequiredContextManager::new(aes(), ["tenant"]).unwrap();
    let message = waxseal::encrypt(b"x", &requiring).context([("tenant", "42")]).now().unwrap();
    let manager = manager(&service, &cache);
    for _ in 0..2 {
        let right = waxseal::decrypt(&message, &manager).require([("tenant", "42")]).await;
        assert_eq!(right.unwrap().header().context().get("tenant"), Some("42"));
        let error = waxseal::decrypt(&message, &manager).await.unwrap_err();
        assert!(matches!(error, Error::Keyring(_)), "{error:?}");
        let error = waxseal::decrypt(&message, &manager).require([("tenant", "43")]).await;
        let Err(Error::Policy(PolicyError::ContextNotAuthenticated { .. })) = error else {
            panic!("{error:?}");
        };
    }
    assert_eq!(cache.stats().hits, 1);
}

/// A shared cache once gave a client with a strict policy what one with a lax policy had put there.
#[tokio::test]
async fn what_a_lax_policy_stored_is_nothing_for_a_strict_one_and_the_other_way_round() {
    let (lax, strict) = (Policy::default().commitment(LAX), Policy::default());
    for order in [[&lax, &strict], [&strict, &lax]] {
        let (service, cache) = (Service::open(), cache());
        let managers = order.map(|_| manager(&service, &cache).partition("p"));
        let mut messages = Vec::new();
        for (policy, manager) in order.into_iter().zip(&managers) {
            for _ in 0..2 {
                let encrypt = waxseal::encrypt(b"x", manager).policy(policy.clone());
                let message = encrypt.await.unwrap();
                assert_eq!(message.header().suite().commits(), *policy == strict);
                messages.push(message);
            }
        }
        assert_eq!((service.wraps(), cache.stats().hits), (2, 2));

        for (policy, manager) in order.into_iter().zip(&managers) {
            for message in &messages {
                let result = waxseal::decrypt(message, manager).policy(policy.clone()).await;
                if message.header().suite().commits() || *policy == lax {
                    assert_eq!(result.unwrap().plaintext(), b"x");
                } else {
                    let error = result.unwrap_err();
                    let is_refused = matches!(error, Error::Policy(PolicyError::Commitment { .. }));
                    assert!(is_refused, "{error:?}");
                }
            }
        }
    }
}

/// Whatever is asked for, it answers with this suite.
#[derive(Debug)]
struct Answering {
    suite: AlgorithmSuite,
    inner: Service,
}

impl MaterialsManager for Answering {
    fn encryption_materials<'a>(
        &'a self,
        mut request: EncryptionRequest,
    ) -> BoxFuture<'a, Result<EncryptionMaterials, Error>> {
        request.suite = Some(self.suite);
        if !self.suite.commits() {
            request.policy = Policy::default().commitment(LAX);
        }
        self.inner.encryption_materials(request)
    }

    fn decryption_materials<'a>(
        &'a self,
        request: DecryptionRequest<'a>,
    ) -> BoxFuture<'a, Result<DecryptionMaterials, Error>> {
        self.inner.decryption_materials(request)
    }
}

#[tokio::test]
async fn the_policy_is_checked_again_where_cached_materials_are_used() {
    let (service, cache) = (Service::open(), cache());
    let suite = AlgorithmSuite::Aes256GcmIv12Tag16HkdfSha256;
    let weak = Answering { suite, inner: service.clone() };
    let manager = CachingManager::new(weak, &cache, AGE).unwrap();
    for _ in 0..2 {
        let error = waxseal::encrypt(b"x", &manager).await.unwrap_err();
        assert!(matches!(error, Error::Policy(PolicyError::Commitment { .. })), "{error:?}");
    }
    assert_eq!((service.wraps(), cache.stats().hits), (1, 1));

    let two = LocalMultiKeyring::generator(aes()).child(aes());
    let manager = CachingManager::new(two, &cache, AGE).unwrap();
    let message = waxseal::encrypt(b"x", &manager).await.unwrap();
    let one = Policy::default().max_encrypted_data_keys(1);
    let error = waxseal::encrypt(b"x", &manager).policy(one.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::TooManyEncryptedDataKeys { .. })));
    assert_eq!(cache.stats().hits, 2, "there was an entry");
    waxseal::decrypt(&message, &manager).await.unwrap();
    let error = waxseal::decrypt(&message, &manager).policy(one).await.unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::TooManyEncryptedDataKeys { .. })));
}

/// Two messages with one data key would share nonces.
#[tokio::test]
async fn suites_without_key_derivation_go_past_the_cache() {
    let lax = Policy::default().commitment(LAX);
    for suite in AlgorithmSuite::ALL.into_iter().filter(|suite| suite.id() < 0x0100) {
        // Asked for by the caller, and chosen by the manager below.
        for asked in [true, false] {
            let (service, cache) = (Service::open(), cache());
            let answering = Answering { suite, inner: service.clone() };
            let manager = Arc::new(CachingManager::new(answering, &cache, AGE).unwrap());
            let mut tasks = JoinSet::new();
            for _ in 0..5 {
                let (manager, policy) = (Arc::clone(&manager), lax.clone());
                tasks.spawn(async move {
                    let encrypt = waxseal::encrypt(b"x", &*manager).policy(policy);
                    let encrypt = if asked { encrypt.suite(suite) } else { encrypt };
                    encrypt.await.unwrap().into_bytes()
                });
            }
            let messages = tasks.join_all().await;
            let keys: BTreeSet<_> = messages.iter().map(|message| wrapped_key(message)).collect();
            assert_eq!(keys.len(), 5, "each message has a data key of its own");
            for _ in 0..2 {
                let decrypt = waxseal::decrypt(&messages[0], &*manager).policy(lax.clone());
                assert_eq!(decrypt.await.unwrap().plaintext(), b"x");
            }
            assert_eq!((service.wraps(), service.unwraps()), (5, 2));
            assert!(cache.is_empty());
            assert_eq!((cache.stats().hits, cache.stats().bypasses), (0, 7));
            assert_eq!(cache.stats().misses == 0, asked, "known ones are not even looked up");
        }
    }
}

/// They serve other messages, too. Past the cache everything goes down as it came.
#[tokio::test]
async fn materials_to_be_shared_do_not_depend_on_the_length_of_one_message() {
    #[derive(Debug, Clone, Default)]
    struct Noting(Arc<Mutex<Vec<Option<u64>>>>);
    impl MaterialsManager for Noting {
        fn encryption_materials<'a>(
            &'a self,
            request: EncryptionRequest,
        ) -> BoxFuture<'a, Result<EncryptionMaterials, Error>> {
            self.0.lock().unwrap().push(request.max_plaintext_len);
            Box::pin(EncryptionMaterials::from_keyring(&*KEYRING, request))
        }
        fn decryption_materials<'a>(
            &'a self,
            _: DecryptionRequest<'a>,
        ) -> BoxFuture<'a, Result<DecryptionMaterials, Error>> {
            unreachable!("nothing is decrypted")
        }
    }
    static KEYRING: LazyLock<RawAesKeyring> = LazyLock::new(aes);
    let noting = Noting::default();
    let manager = CachingManager::new(noting.clone(), &cache(), AGE).unwrap();
    let manager = manager.max_bytes(10).unwrap();
    encrypt(&manager, &[0; 10]).await;
    encrypt(&manager, &[0; 11]).await;
    assert_eq!(*noting.0.lock().unwrap(), [None, Some(11)]);
}

async fn a_hundred_misses() {
    let (service, cache) = (Service::closed(), cache());
    let manager = Arc::new(manager(&service, &cache));
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let manager = Arc::clone(&manager);
        tasks.spawn(async move { encrypt(&manager, b"x").await });
    }
    until_misses(&cache, 100).await;
    service.let_through(1);
    let messages = tasks.join_all().await;
    assert_eq!(messages.len(), 100);
    assert_eq!(service.wraps(), 1);
    let stats = cache.stats();
    assert_eq!((stats.misses, stats.waits, stats.calls, stats.hits), (100, 99, 1, 0));
    for message in &messages {
        assert_eq!(wrapped_key(message), wrapped_key(&messages[0]));
        assert_eq!(waxseal::decrypt(message, &aes()).now().unwrap().plaintext(), b"x");
    }

    let mut tasks = JoinSet::new();
    for message in messages {
        let manager = Arc::clone(&manager);
        tasks.spawn(async move { waxseal::decrypt(&message, &*manager).await.unwrap() });
    }
    until_misses(&cache, 200).await;
    service.let_through(1);
    assert_eq!(tasks.join_all().await.len(), 100);
    assert_eq!(service.unwraps(), 1);
}

#[tokio::test]
async fn a_hundred_misses_make_one_call() {
    a_hundred_misses().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_misses_make_one_call_with_threads() {
    a_hundred_misses().await;
}

/// All who wait are counted: an entry serves no more of them than the limit, and the next call follows the
/// one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_cannot_serve_all_who_wait_makes_no_storm() {
    for (limit, calls) in [(1, 20), (7, 3)] {
        let (service, cache) = (Service::closed(), cache());
        let manager = Arc::new(manager(&service, &cache).max_messages(limit).unwrap());
        let mut tasks = JoinSet::new();
        for _ in 0..20 {
            let manager = Arc::clone(&manager);
            tasks.spawn(async move { wrapped_key(&encrypt(&manager, b"x").await) });
        }
        until_misses(&cache, 20).await;
        service.let_through(20);
        let mut uses = BTreeMap::<_, u64>::new();
        for key in tasks.join_all().await {
            *uses.entry(key).or_default() += 1;
        }
        assert!(uses.values().all(|uses| *uses <= limit), "{:?}", uses.values());
        assert_eq!(service.wraps(), calls);
        assert_eq!(service.0.most_inside.load(Ordering::SeqCst), 1, "one call at a time");
    }
}

#[test]
fn usage_is_exact_under_concurrency() {
    let (service, cache) = (Service::open(), cache());
    let manager = manager(&service, &cache).max_messages(50).unwrap().max_bytes(10_000).unwrap();
    let uses = Mutex::new(BTreeMap::<Vec<u8>, u64>::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let key = wrapped_key(&block_on(encrypt(&manager, b"x")));
                    *uses.lock().unwrap().entry(key).or_default() += 1;
                }
            });
        }
    });
    let uses = uses.into_inner().unwrap();
    assert!(uses.values().all(|uses| *uses == 50), "{:?}", uses.values());
    assert_eq!((uses.len(), service.wraps()), (32, 32));
}

/// A runtime of a few lines.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn threads_without_a_runtime_wait_for_each_other() {
    let (service, cache) = (Service::closed(), cache());
    let manager = manager(&service, &cache);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| block_on(encrypt(&manager, b"x")));
        }
        while cache.stats().misses < 8 {
            std::thread::yield_now();
        }
        service.let_through(1);
    });
    assert_eq!((service.wraps(), cache.stats().waits), (1, 7));
}

#[tokio::test]
async fn when_the_first_is_cancelled_the_others_go_on() {
    let (service, cache) = (Service::closed(), cache());
    let manager = Arc::new(manager(&service, &cache));
    let spawn = || {
        let manager = Arc::clone(&manager);
        tokio::spawn(async move { encrypt(&manager, b"x").await })
    };
    let first = spawn();
    until_misses(&cache, 1).await;
    let others = [spawn(), spawn(), spawn()];
    until_misses(&cache, 4).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    // One who waits may be cancelled as well.
    let [second, third, fourth] = others;
    third.abort();
    assert!(third.await.unwrap_err().is_cancelled());
    service.let_through(1);
    let messages = [second.await.unwrap(), fourth.await.unwrap()];
    assert_eq!(wrapped_key(&messages[0]), wrapped_key(&messages[1]));
    assert_eq!(service.wraps(), 1, "what was begun was not lost");
}

#[tokio::test]
async fn when_all_are_cancelled_the_next_begins_anew() {
    let (service, cache) = (Service::closed(), cache());
    let manager = Arc::new(manager(&service, &cache));
    for i in 1..4 {
        let manager = Arc::clone(&manager);
        let task = tokio::spawn(async move { encrypt(&manager, b"x").await });
        until_misses(&cache, i).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(service.wraps(), i);
    }
    service.let_through(1);
    encrypt(&manager, b"x").await;
    assert_eq!((service.wraps(), cache.stats().waits), (4, 0));
}

/// Takes a few turns for each call.
#[derive(Debug, Clone)]
struct Slow(Service);

impl Keyring for Slow {
    fn wrap<'a>(
        &'a self,
        materials: &'a mut EncryptionMaterials,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            for _ in 0..3 {
                yield_now().await;
            }
            self.0.wrap(materials).await
        })
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<UnwrappedDataKey, Vec<Attempt>>> {
        self.0.unwrap(request)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cancelling_at_any_moment_leaves_nobody_waiting() {
    let (service, cache) = (Service::open(), MaterialsCache::new(3).unwrap());
    let manager = CachingManager::new(Slow(service.clone()), &cache, AGE).unwrap();
    let manager = Arc::new(manager.max_messages(5).unwrap());
    let mut uses = BTreeMap::<_, u64>::new();
    for round in 0..50_usize {
        let mut tasks = JoinSet::new();
        let handles: Vec<_> = (0..40_usize)
            .map(|i| {
                let manager = Arc::clone(&manager);
                let value = (i % 4).to_string();
                tasks.spawn(async move {
                    let encrypt = waxseal::encrypt(b"x", &*manager).context([("k", value)]);
                    wrapped_key(&encrypt.await.unwrap())
                })
            })
            .collect();
        for (i, handle) in handles.iter().enumerate() {
            if (i * 7 + round) % 3 == 0 {
                handle.abort();
            }
            if (i + round) % 5 == 0 {
                yield_now().await;
            }
        }
        let all = async {
            while let Some(result) = tasks.join_next().await {
                match result {
                    Ok(key) => *uses.entry(key).or_default() += 1,
                    Err(error) => assert!(error.is_cancelled(), "{error}"),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), all).await.expect("nobody waits for ever");
    }
    assert!(uses.values().all(|uses| *uses <= 5), "{:?}", uses.values());
    assert!(uses.values().sum::<u64>() >= 50 * 26, "{:?}", uses.values());
    assert!(cache.len() <= 3);
}

#[tokio::test]
async fn a_first_one_that_is_not_polled_holds_nobody_up() {
    let (service, cache) = (Service::closed(), cache());
    let manager = manager(&service, &cache);
    let mut first: Pin<Box<dyn Future<Output = Vec<u8>>>> = Box::pin(encrypt(&manager, b"x"));
    let polled = first.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    service.let_through(1);
    let second = encrypt(&manager, b"x").await;
    assert_eq!(wrapped_key(&first.await), wrapped_key(&second));
    assert_eq!(service.wraps(), 1);
}

#[tokio::test]
async fn a_failure_is_that_of_all_who_waited_and_of_nobody_later() {
    let (service, cache) = (Service::closed(), cache());
    service.fail(true);
    let manager = Arc::new(manager(&service, &cache));
    let mut tasks = JoinSet::new();
    for _ in 0..10 {
        let manager = Arc::clone(&manager);
        tasks.spawn(async move { waxseal::encrypt(b"x", &*manager).await.unwrap_err() });
    }
    until_misses(&cache, 10).await;
    service.let_through(1);
    let errors = tasks.join_all().await;
    assert_eq!((errors.len(), service.wraps()), (10, 1));
    let down = |error: &Error| matches!(error, Error::Keyring(KeyringError::Wrap { .. }));
    assert!(errors.iter().all(|error| down(error.unshared())), "{errors:?}");
    let shared: Vec<_> = errors.iter().filter(|error| matches!(error, Error::Shared(_))).collect();
    assert!(shared.len() >= 9, "{errors:?}");
    assert!(shared.iter().all(|error| std::ptr::eq(error.unshared(), shared[0].unshared())));
    assert_eq!(shared[0].to_string(), "service could not wrap the data key: it is down");

    service.let_through(2);
    let alone = waxseal::encrypt(b"x", &*manager).await.unwrap_err();
    assert!(down(&alone), "who is alone has the failure for himself: {alone:?}");
    service.fail(false);
    encrypt(&manager, b"x").await;
    assert_eq!((service.wraps(), cache.len()), (3, 1));
}

#[tokio::test]
async fn a_failure_is_over_even_while_somebody_has_not_looked_at_it_yet() {
    let (service, cache) = (Service::closed(), cache());
    service.fail(true);
    let manager = manager(&service, &cache);
    let mut first = Box::pin(async { waxseal::encrypt(b"x", &manager).await });
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    service.let_through(1);
    waxseal::encrypt(b"x", &manager).await.unwrap_err();
    service.fail(false);
    service.let_through(1);
    encrypt(&manager, b"x").await;
    first.await.unwrap_err();
    assert_eq!(service.wraps(), 2);
}

#[tokio::test]
async fn a_panic_leaves_nothing_behind() {
    let (service, cache) = (Service::open(), cache());
    service.0.panics.store(true, Ordering::SeqCst);
    let manager = Arc::new(manager(&service, &cache));
    let panicking = Arc::clone(&manager);
    let task = tokio::spawn(async move { encrypt(&panicking, b"x").await });
    assert!(task.await.unwrap_err().is_panic());
    service.0.panics.store(false, Ordering::SeqCst);
    encrypt(&manager, b"x").await;
    assert_eq!(service.wraps(), 2);
}

#[tokio::test]
async fn what_is_dropped_from_the_cache_stays_with_those_who_hold_it() {
    let cache = MaterialsCache::new(1).unwrap();
    let manager = manager(&Service::open(), &cache);
    let encryptor = waxseal::encryptor(&manager).plaintext_bound(10).await.unwrap();
    let message = waxseal::encrypt(b"x", &manager).context([("k", "v")]).await.unwrap();
    let (locked, header_len) = waxseal::Locked::read(&message, Policy::default()).unwrap();
    let mut decryptor = locked.unlock(&manager).await.unwrap();
    assert_eq!(cache.stats().evictions, 2);
    cache.clear();

    let mut writer = waxseal::EncryptWriter::new(encryptor, Vec::new());
    std::io::Write::write_all(&mut writer, b"plaintext").unwrap();
    let other = writer.finish().unwrap();
    assert_eq!(waxseal::decrypt(&other, &aes()).now().unwrap().plaintext(), b"plaintext");
    let mut plaintext = [0; 10];
    let progress = decryptor.update(&message[header_len..], &mut plaintext).unwrap();
    assert_eq!(plaintext[..progress.written], *b"x");
}

#[tokio::test]
async fn what_was_on_its_way_when_the_cache_was_cleared_is_not_stored() {
    let (service, cache) = (Service::closed(), cache());
    let manager = Arc::new(manager(&service, &cache));
    let cloned = Arc::clone(&manager);
    let task = tokio::spawn(async move { encrypt(&cloned, b"x").await });
    until_misses(&cache, 1).await;
    cache.clear();
    service.let_through(2);
    let before = task.await.unwrap();
    assert!(cache.is_empty());
    assert_ne!(wrapped_key(&encrypt(&manager, b"x").await), wrapped_key(&before));
    assert_eq!(service.wraps(), 2);
}

/// Calls that wait to be driven.
type Spawned = Arc<Mutex<Vec<BoxFuture<'static, ()>>>>;

fn refreshing(service: &Service, cache: &MaterialsCache) -> (CachingManager, Spawned) {
    let spawned = Spawned::default();
    let list = Arc::clone(&spawned);
    let manager = manager(service, cache)
        .refresh_ahead(AGE / 2, move |call| list.lock().unwrap().push(call))
        .unwrap();
    (manager, spawned)
}

#[tokio::test]
async fn an_entry_is_replaced_ahead_and_nobody_waits() {
    let clock = ManualClock::default();
    let cache = MaterialsCache::with_clock(10, clock.clone()).unwrap();
    let service = Service::with_gate(1);
    let (manager, spawned) = refreshing(&service, &cache);
    let count = || spawned.lock().unwrap().len();
    let old = wrapped_key(&encrypt(&manager, b"x").await);
    clock.advance(AGE / 2 - Duration::from_nanos(1));
    encrypt(&manager, b"x").await;
    assert_eq!(count(), 0);

    clock.advance(Duration::from_nanos(1));
    for _ in 0..5 {
        assert_eq!(wrapped_key(&encrypt(&manager, b"x").await), old);
    }
    assert_eq!((count(), cache.stats().refreshes), (1, 1), "one for each entry");
    let refresh = tokio::spawn(spawned.lock().unwrap().pop().unwrap());
    while service.wraps() < 2 {
        yield_now().await;
    }
    assert_eq!(wrapped_key(&encrypt(&manager, b"x").await), old, "until the new one is there");
    service.let_through(1);
    refresh.await.unwrap();
    let new = wrapped_key(&encrypt(&manager, b"x").await);
    assert_ne!(new, old);

    // The new one is young.
    clock.advance(AGE / 2 - Duration::from_nanos(1));
    assert_eq!(wrapped_key(&encrypt(&manager, b"x").await), new);
    assert_eq!((count(), service.wraps(), cache.len()), (0, 2, 1));
    let stats = cache.stats();
    assert_eq!((stats.misses, stats.calls, stats.expirations), (1, 2, 0));
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_the_entry_until_it_is_too_old() {
    let clock = ManualClock::default();
    let cache = MaterialsCache::with_clock(10, clock.clone()).unwrap();
    let service = Service::open();
    let (manager, spawned) = refreshing(&service, &cache);
    let old = wrapped_key(&encrypt(&manager, b"x").await);
    clock.advance(AGE / 2);
    encrypt(&manager, b"x").await;
    service.fail(true);
    let call = spawned.lock().unwrap().pop().unwrap();
    call.await;
    clock.advance(AGE / 2 - Duration::from_nanos(1));
    assert_eq!(wrapped_key(&encrypt(&manager, b"x").await), old);
    assert!(spawned.lock().unwrap().is_empty(), "it is tried once");
    clock.advance(Duration::from_nanos(1));
    waxseal::encrypt(b"x", &manager).await.unwrap_err();
    service.fail(false);
    assert_ne!(wrapped_key(&encrypt(&manager, b"x").await), old);
    assert_eq!(service.wraps(), 4);
}

#[tokio::test]
async fn who_needs_a_refresh_that_is_on_its_way_waits_for_it() {
    let clock = ManualClock::default();
    let cache = MaterialsCache::with_clock(10, clock.clone()).unwrap();
    let service = Service::open();
    let (manager, spawned) = refreshing(&service, &cache);
    encrypt(&manager, b"x").await;
    clock.advance(AGE / 2);
    encrypt(&manager, b"x").await;
    clock.advance(AGE / 2);
    // Nobody drives the refresh but the one who needs it.
    encrypt(&manager, b"x").await;
    assert_eq!((service.wraps(), cache.stats().waits), (2, 1));
    // A refresh that is dropped is no call that others could wait for.
    clock.advance(AGE / 2);
    encrypt(&manager, b"x").await;
    spawned.lock().unwrap().clear();
    clock.advance(AGE / 2);
    encrypt(&manager, b"x").await;
    assert_eq!((service.wraps(), cache.stats().refreshes), (3, 2));
}

#[tokio::test]
async fn what_is_too_old_at_once_is_for_one_message_only() {
    /// Time passes whenever it is asked for.
    #[derive(Debug)]
    struct Racing(ManualClock);
    impl waxseal::Clock for Racing {
        fn now(&self) -> Duration {
            self.0.advance(AGE);
            waxseal::Clock::now(&self.0)
        }
    }
    let cache = MaterialsCache::with_clock(10, Racing(ManualClock::default())).unwrap();
    let service = Service::open();
    let manager = manager(&service, &cache);
    let one = wrapped_key(&encrypt(&manager, b"x").await);
    assert_ne!(wrapped_key(&encrypt(&manager, b"x").await), one);
    // Each got a data key that the cache never held.
    assert_eq!((cache.stats().hits, cache.stats().bypasses), (0, 2));
}

#[test]
fn unusable_settings_are_refused() {
    fn refused<T>(result: Result<T, Error>) {
        let Err(error) = result else { panic!("it was taken") };
        assert!(matches!(error, Error::ApiMisuse(ApiMisuse::Setting { .. })), "{error:?}");
    }
    let new = || manager(&Service::open(), &cache());
    refused(MaterialsCache::new(0));
    refused(CachingManager::new(aes(), &cache(), Duration::ZERO));
    refused(new().max_messages(0));
    refused(new().max_messages((1 << 32) + 1));
    refused(new().max_bytes(0));
    refused(new().max_bytes(1 << 63));
    refused(new().refresh_ahead(AGE, drop));
    assert!(new().max_messages(1 << 32).is_ok());
    assert!(new().max_bytes((1 << 63) - 1).is_ok());
    assert!(new().refresh_ahead(AGE - Duration::from_nanos(1), drop).is_ok());
}

/// Works for so long that another caller joins, and then panics.
#[derive(Debug)]
struct PanicsWhenJoined {
    keyring: RawAesKeyring,
    cache: MaterialsCache,
    calls: AtomicU64,
}

impl LocalKeyring for PanicsWhenJoined {
    fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        if self.calls.fetch_add(1, Ordering::SeqCst) == 0 {
            while self.cache.stats().waits == 0 {
                std::thread::yield_now();
            }
            // The other one has joined, and is about to wait.
            std::thread::sleep(Duration::from_millis(50));
            panic!("in the middle of a call");
        }
        self.keyring.wrap_now(materials)
    }

    fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        self.keyring.unwrap_now(request)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_panic_is_that_of_one_caller_and_holds_nobody_up() {
    let cache = cache();
    let service = PanicsWhenJoined { keyring: aes(), cache: cache.clone(), calls: 0.into() };
    let manager = Arc::new(CachingManager::new(service, &cache, AGE).unwrap());
    let task = || {
        let manager = Arc::clone(&manager);
        tokio::spawn(async move { encrypt(&manager, b"x").await })
    };
    let first = task();
    until_misses(&cache, 1).await;
    let second = task();
    let both = async { [first.await, second.await] };
    let both = tokio::time::timeout(Duration::from_secs(10), both).await;
    let ends = both.expect("one waits for ever");
    // Whoever looks at it first has the panic; the other called anew.
    let panics: Vec<_> = ends.into_iter().filter_map(Result::err).collect();
    let [panic] = <[_; 1]>::try_from(panics).unwrap().map(tokio::task::JoinError::into_panic);
    assert_eq!(panic.downcast_ref(), Some(&"in the middle of a call"));
    assert_eq!((cache.stats().calls, cache.len()), (2, 1));
}

/// What is required holds whichever of the two managers stands in front, and whatever the cache has.
#[tokio::test]
async fn no_entry_answers_for_other_requirements() {
    let pairs = [("tenant", "42"), ("user", "7")];
    // In front of one cache, each with keys of its own.
    let (service, cache) = (Service::open(), cache());
    let shared: Arc<dyn MaterialsManager> = Arc::new(manager(&service, &cache));
    let sets = [&["tenant"][..], &["tenant", "user"], &["user"]];
    for _ in 0..2 {
        for keys in sets {
            let required = RequiredContextManager::new(Arc::clone(&shared), keys.to_vec()).unwrap();
            let message = waxseal::encrypt(b"x", &required).context(pairs).await.unwrap();
            waxseal::decrypt(&message, &required).require(pairs).await.unwrap();
            for (key, value) in pairs {
                let is_stored = message.header().context().get(key).is_some();
                assert_eq!(is_stored, !keys.contains(&key));
                // Although the cache has what opens it.
                let one = waxseal::decrypt(&message, &required).require([(key, value)]).await;
                match one {
                    Ok(_) => assert_eq!(keys, [key]),
                    Err(Error::Policy(PolicyError::ContextNotGiven { .. })) => {
                        assert_ne!(keys, [key]);
                    }
                    Err(error) => panic!("{error:?}"),
                }
                let wrong = pairs.map(|(k, v)| (k, if k == key { "no" } else { v }));
                waxseal::decrypt(&message, &required).require(wrong).await.unwrap_err();
            }
        }
    }
    // To encrypt: 3 misses. To decrypt each of 3 messages: both pairs, and the one that is enough.
    let hits = cache.stats().hits;
    assert_eq!((service.wraps(), hits), (3, 3 + 3 + 2));

    // Behind the cache, which must not answer for who did not give what another gave.
    let (service, cache) = (Service::open(), self::cache());
    let required = RequiredContextManager::new(service.clone(), ["tenant"]).unwrap();
    let caching = CachingManager::new(required, &cache, AGE).unwrap();
    for _ in 0..2 {
        let message = waxseal::encrypt(b"x", &caching).context(pairs).await.unwrap();
        assert_eq!(message.header().context().get("tenant"), None);
        waxseal::decrypt(&message, &caching).require(pairs).await.unwrap();
        waxseal::decrypt(&message, &caching).require([("tenant", "42")]).await.unwrap();
        for given in [EncryptionContext::new(), EncryptionContext::from([("user", "7")])] {
            let refused = waxseal::decrypt(&message, &caching).require(given).await.unwrap_err();
            let Error::Policy(PolicyError::ContextNotGiven { .. }) = refused.unshared() else {
                panic!("{refused:?}");
            };
        }
        let wrong = waxseal::decrypt(&message, &caching).require([("tenant", "43")]).await;
        wrong.unwrap_err();
        let missing = waxseal::encrypt(b"x", &caching).context([("user", "7")]).await;
        missing.unwrap_err();
    }
    assert_eq!(cache.stats().hits, 3);
}

#[tokio::test]
async fn extreme_ages_and_clocks_do_no_harm() {
    /// Goes wherever it is told to, backwards as well.
    #[derive(Debug, Clone, Default)]
    struct Anywhere(Arc<Mutex<Duration>>);
    impl waxseal::Clock for Anywhere {
        fn now(&self) -> Duration {
            *self.0.lock().unwrap()
        }
    }
    let clock = Anywhere::default();
    let cache = MaterialsCache::with_clock(1, clock.clone()).unwrap();
    let (service, set) = (Service::open(), |to| *clock.0.lock().unwrap() = to);
    let manager = CachingManager::new(service.clone(), &cache, Duration::MAX).unwrap();
    let nearly = Duration::MAX - Duration::from_nanos(1);
    let manager = manager.refresh_ahead(nearly, drop).unwrap();
    for to in [Duration::ZERO, Duration::from_secs(9), Duration::from_secs(1), nearly] {
        set(to);
        encrypt(&manager, b"x").await;
        assert_eq!(service.wraps(), 1, "{to:?}");
    }
    // The age of an entry that was made at the last moment cannot be told any more.
    set(Duration::MAX);
    encrypt(&manager, b"x").await;
    cache.remove_expired();
    encrypt(&manager, b"x").await;
    set(Duration::ZERO);
    encrypt(&manager, b"x").await;
    // A clock that goes back makes nothing older, and an entry that was too old is gone.
    let cache = MaterialsCache::with_clock(1, clock.clone()).unwrap();
    let manager = self::manager(&service, &cache);
    set(AGE * 10);
    let old = wrapped_key(&encrypt(&manager, b"x").await);
    set(Duration::ZERO);
    assert_eq!(wrapped_key(&encrypt(&manager, b"x").await), old);
    set(AGE * 11);
    assert_ne!(wrapped_key(&encrypt(&manager, b"x").await), old);
    assert_eq!(cache.len(), 1);
}

/// Whatever is done with a refresh: dropped, driven on the spot, or a panic.
#[tokio::test]
async fn any_spawner_of_refreshes_will_do() {
    let spawners: [fn(BoxFuture<'static, ()>); 3] = [
        drop,
        |call| block_on(call),
        |call| {
            drop(call);
            panic!("no room for one more task")
        },
    ];
    for (i, spawn) in spawners.into_iter().enumerate() {
        let clock = ManualClock::default();
        let cache = MaterialsCache::with_clock(1, clock.clone()).unwrap();
        let service = Service::open();
        let manager = Arc::new(manager(&service, &cache).refresh_ahead(AGE / 2, spawn).unwrap());
        let old = wrapped_key(&encrypt(&manager, b"x").await);
        clock.advance(AGE / 2);
        let again = Arc::clone(&manager);
        let due = tokio::spawn(async move { encrypt(&again, b"x").await }).await;
        assert_eq!(due.is_err(), i == 2);
        let next = wrapped_key(&encrypt(&manager, b"x").await);
        assert_eq!((next == old, service.wraps()), if i == 1 { (false, 2) } else { (true, 1) });
        // Nobody waits for what was dropped.
        clock.advance(AGE / 2);
        encrypt(&manager, b"x").await;
        assert_eq!(service.wraps(), 2 + u64::from(i == 1));
    }
}

/// A manager below may use the same cache: it has a partition of its own.
#[tokio::test]
async fn one_cache_can_serve_managers_on_two_levels() {
    let (service, cache) = (Service::open(), cache());
    let below = manager(&service, &cache);
    let above = CachingManager::new(below, &cache, AGE).unwrap();
    let message = encrypt(&above, b"x").await;
    encrypt(&above, b"x").await;
    waxseal::decrypt(&message, &above).await.unwrap();
    // What the one above wants to share has no length, so the one below has none of it.
    assert_eq!((service.wraps(), service.unwraps(), cache.len()), (1, 1, 3));
}
