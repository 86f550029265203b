//! What is remembered, for how long, and who is asked meanwhile.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::caching::flight::{Call, Flight, Landing, WeakFlight, take_off};
use crate::caching::identifier::Identifier;
use crate::clock::{Clock, SystemClock};
use crate::error::{ApiMisuse, Error};
use crate::materials::{DecryptionMaterials, EncryptionMaterials};
use crate::suite::Derivation;

/// Remembers materials for [`CachingManager`](crate::CachingManager)s, in memory only.
///
/// Its clones are the same cache. Several managers may share it; they use each other's entries only if they
/// have the same partition id. When it is full, the entry that was used least recently makes room.
///
/// Secrets are zeroed when an entry is dropped and the last message that uses it is done. An entry that is
/// too old is never used, and dropped when the cache is used next; call
/// [`remove_expired`](Self::remove_expired) from time to time where a cache may stay unused for long.
///
/// ```
/// use waxseal::MaterialsCache;
///
/// let cache = MaterialsCache::new(100)?;
/// assert_eq!(cache.stats().hits, 0);
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: cryptographic-materials-cache; local-cryptographic-materials-cache.
#[derive(Clone)]
pub struct MaterialsCache {
    shared: Arc<Shared>,
}

struct Shared {
    capacity: usize,
    clock: Box<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    shelves: Shelves,
    /// Counts uses, to know which was last.
    tick: u64,
    /// Counts requests to underlying managers, to tell them apart.
    flights: u64,
    stats: CacheStats,
}

#[derive(Default)]
pub(super) struct Shelves {
    encryption: Shelf<EncryptionMaterials>,
    decryption: Shelf<DecryptionMaterials>,
}

/// What a cache did since it was made.
///
/// ```
/// use std::time::Duration;
/// use waxseal::{AesKey, CachingManager, MaterialsCache, RawAesKeyring};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), waxseal::Error> {
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let cache = MaterialsCache::new(100)?;
/// let manager = CachingManager::new(keyring, &cache, Duration::from_secs(300))?;
/// waxseal::encrypt(b"one", &manager).await?;
/// waxseal::encrypt(b"two", &manager).await?;
/// let stats = cache.stats();
/// assert_eq!((stats.misses, stats.hits, stats.calls), (1, 1, 1));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Requests that an entry answered.
    pub hits: u64,
    /// Requests that found no entry they could use.
    pub misses: u64,
    /// How many of the misses waited for another's call instead of making their own.
    pub waits: u64,
    /// Calls to underlying managers for misses and refreshes.
    pub calls: u64,
    /// Requests that went past the cache: their materials are not stored.
    pub bypasses: u64,
    /// Calls that were made before an entry was too old, to replace it.
    pub refreshes: u64,
    /// Entries dropped to make room.
    pub evictions: u64,
    /// Entries dropped because they were too old.
    pub expirations: u64,
}

impl MaterialsCache {
    /// Holds up to so many entries, for encryption and decryption together.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if it is 0.
    pub fn new(capacity: usize) -> Result<Self, Error> {
        Self::with_clock(capacity, SystemClock)
    }

    /// The same, with another clock than the system's.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if the capacity is 0.
    pub fn with_clock(capacity: usize, clock: impl Clock + 'static) -> Result<Self, Error> {
        if capacity == 0 {
            let why = "it must be at least 1 entry";
            return Err(ApiMisuse::Setting { what: "capacity of the cache", why }.into());
        }
        let shared = Shared { capacity, clock: Box::new(clock), state: Mutex::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What it did so far.
    pub fn stats(&self) -> CacheStats {
        self.lock().stats
    }

    /// Number of entries, with those that are too old and not dropped yet.
    pub fn len(&self) -> usize {
        self.lock().shelves.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops all entries. Calls on their way are not stored when they come back.
    pub fn clear(&self) {
        let all = std::mem::take(&mut self.lock().shelves);
        drop(all);
    }

    /// Drops all entries that are too old.
    pub fn remove_expired(&self) {
        self.lock().remove_expired(self.shared.clock.now());
    }

    pub(super) fn look_up<T: Cacheable>(&self, query: &Query<'_, T>, is_first: bool) -> Found<T> {
        let mut state = self.lock();
        // Asked under the lock: nobody may use an entry after waiting for its turn until it is too old.
        let now = self.shared.clock.now();
        state.remove_expired(now);
        let State { shelves, tick, flights, stats } = &mut *state;
        let shelf = T::shelf(shelves);
        let Query { id, len, limits, refresh_after, call } = query;

        *tick = tick.saturating_add(1);
        let is_in_flight = shelf.flights.contains_key(*id);
        if shelf.slots.get(*id).is_some_and(|slot| slot.entry.is_expired(now, limits)) {
            shelf.remove(id);
            stats.expirations = stats.expirations.saturating_add(1);
        }
        if let Some(slot) = shelf.slots.get_mut(*id)
            && let Some(materials) = slot.entry.take(*len, limits)
        {
            stats.hits = stats.hits.saturating_add(1);
            let is_due = refresh_after.is_some_and(|age| slot.entry.age(now) >= age);
            let refreshes = is_due && !slot.is_refreshed && !is_in_flight;
            slot.is_refreshed |= refreshes;
            shelf.touch(id, *tick);
            let refresh = refreshes.then(|| {
                stats.refreshes = stats.refreshes.saturating_add(1);
                stats.calls = stats.calls.saturating_add(1);
                self.begin(shelf, flights, id, limits, call())
            });
            return Found::Materials { materials, refresh };
        }

        let count = u64::from(is_first);
        stats.misses = stats.misses.saturating_add(count);
        // Other than a weak one, a flight must not be dropped under the lock: its landing takes it.
        let flight = shelf.flights.get(*id).and_then(|(_, flight)| flight.upgrade());
        let joined = flight.is_some();
        let flight = match flight {
            Some(flight) => {
                stats.waits = stats.waits.saturating_add(count);
                flight
            }
            None => {
                stats.calls = stats.calls.saturating_add(1);
                self.begin(shelf, flights, id, limits, call())
            }
        };
        Found::Flight { flight, joined }
    }

    /// Begins a call that later callers can join.
    fn begin<T: Cacheable>(
        &self,
        shelf: &mut Shelf<T>,
        flights: &mut u64,
        id: &Identifier,
        limits: &Limits,
        call: Call<T>,
    ) -> Flight<T> {
        *flights = flights.saturating_add(1);
        let landing = Landing {
            cache: self.clone(),
            id: id.clone(),
            number: *flights,
            max_age: limits.max_age,
            materials: PhantomData,
        };
        let flight = take_off(landing, call);
        shelf.flights.insert(id.clone(), (*flights, flight.downgrade()));
        flight
    }

    /// Stores what a flight brought, unless the cache was cleared meanwhile.
    pub(super) fn put<T: Cacheable>(
        &self,
        id: &Identifier,
        flight: u64,
        max_age: Duration,
        materials: T,
    ) -> Arc<Entry<T>> {
        let mut state = self.lock();
        let created = self.shared.clock.now();
        let expires = created.saturating_add(max_age);
        let entry = Arc::new(Entry { materials, created, expires, used: Mutex::default() });
        let State { shelves, tick, flights: _, stats } = &mut *state;
        let shelf = T::shelf(shelves);
        if shelf.forget_flight(id, flight) {
            *tick = tick.saturating_add(1);
            shelf.insert(id, Arc::clone(&entry), *tick);
            while shelves.len() > self.shared.capacity && shelves.remove_oldest() {
                stats.evictions = stats.evictions.saturating_add(1);
            }
        }
        entry
    }

    pub(super) fn forget_flight<T: Cacheable>(&self, id: &Identifier, flight: u64) {
        T::shelf(&mut self.lock().shelves).forget_flight(id, flight);
    }

    pub(super) fn bypassed(&self) {
        let mut state = self.lock();
        state.stats.bypasses = state.stats.bypasses.saturating_add(1);
    }

    pub(super) fn now(&self) -> Duration {
        self.shared.clock.now()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whatever panicked, each step leaves the state whole.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MaterialsCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaterialsCache")
            .field("capacity", &self.shared.capacity)
            .field("len", &self.len())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// How much one entry may be used.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) max_age: Duration,
    pub(super) max_messages: u64,
    pub(super) max_bytes: u64,
}

/// What is asked of a cache.
pub(super) struct Query<'a, T> {
    pub(super) id: &'a Identifier,
    /// Bytes to encrypt; none to decrypt, which is not counted.
    pub(super) len: Option<u64>,
    pub(super) limits: &'a Limits,
    /// From which age on an entry is replaced ahead.
    pub(super) refresh_after: Option<Duration>,
    pub(super) call: &'a (dyn Fn() -> Call<T> + Send + Sync),
}

pub(super) enum Found<T: Cacheable> {
    /// An entry had them; `refresh` is to be driven by somebody.
    Materials { materials: T, refresh: Option<Flight<T>> },
    /// They are on their way; `joined` if another caller began it.
    Flight { flight: Flight<T>, joined: bool },
}

/// Materials of either kind.
pub(super) trait Cacheable: Sized + Send + Sync + 'static {
    fn shelf(shelves: &mut Shelves) -> &mut Shelf<Self>;
    fn share(&self) -> Self;
    /// Under a suite without key derivation, two messages with one data key would share nonces.
    fn may_be_shared(&self) -> bool;
}

impl Cacheable for EncryptionMaterials {
    fn shelf(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.encryption
    }

    fn share(&self) -> Self {
        Self::share(self)
    }

    fn may_be_shared(&self) -> bool {
        self.suite().derivation() != Derivation::Identity
    }
}

impl Cacheable for DecryptionMaterials {
    fn shelf(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.decryption
    }

    fn share(&self) -> Self {
        Self::share(self)
    }

    fn may_be_shared(&self) -> bool {
        self.suite().derivation() != Derivation::Identity
    }
}

/// Materials, and how much they were used.
///
/// Spec: cryptographic-materials-cache, "Cache Entry".
pub(super) struct Entry<T> {
    materials: T,
    created: Duration,
    /// What the manager that stored them wants; others may want less.
    expires: Duration,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    messages: u64,
    bytes: u64,
}

impl<T: Cacheable> Entry<T> {
    fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.created)
    }

    pub(super) fn is_expired(&self, now: Duration, limits: &Limits) -> bool {
        now >= self.expires || self.age(now) >= limits.max_age
    }

    /// Counts one more use and gives the materials, if the limits allow it: both in one step.
    pub(super) fn take(&self, len: Option<u64>, limits: &Limits) -> Option<T> {
        if let Some(len) = len {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            let messages = used.messages.checked_add(1)?;
            let bytes = used.bytes.checked_add(len)?;
            if messages > limits.max_messages || bytes > limits.max_bytes {
                return None;
            }
            *used = Used { messages, bytes };
        }
        Some(self.materials.share())
    }
}

struct Slot<T> {
    entry: Arc<Entry<T>>,
    last_used: u64,
    is_refreshed: bool,
}

/// Entries of one kind, and the calls for more of them.
pub(super) struct Shelf<T> {
    slots: HashMap<Identifier, Slot<T>>,
    /// Least recently used first.
    order: BTreeMap<u64, Identifier>,
    /// First those that will be too old first.
    by_age: BTreeSet<(Duration, Identifier)>,
    flights: HashMap<Identifier, (u64, WeakFlight<T>)>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        let (slots, flights) = (HashMap::new(), HashMap::new());
        Self { slots, order: BTreeMap::new(), by_age: BTreeSet::new(), flights }
    }
}

impl<T> Shelf<T> {
    fn insert(&mut self, id: &Identifier, entry: Arc<Entry<T>>, tick: u64) {
        self.remove(id);
        self.by_age.insert((entry.expires, id.clone()));
        self.slots.insert(id.clone(), Slot { entry, last_used: tick, is_refreshed: false });
        self.order.insert(tick, id.clone());
    }

    fn touch(&mut self, id: &Identifier, tick: u64) {
        if let Some(slot) = self.slots.get_mut(id) {
            self.order.remove(&slot.last_used);
            slot.last_used = tick;
            self.order.insert(tick, id.clone());
        }
    }

    fn remove(&mut self, id: &Identifier) {
        if let Some(slot) = self.slots.remove(id) {
            self.order.remove(&slot.last_used);
            self.by_age.remove(&(slot.entry.expires, id.clone()));
        }
    }

    /// Drops those that are too old; gives their number.
    fn remove_expired(&mut self, now: Duration) -> u64 {
        let mut count: u64 = 0;
        while self.by_age.first().is_some_and(|(expires, _)| now >= *expires)
            && let Some((_, id)) = self.by_age.pop_first()
        {
            self.remove(&id);
            count = count.saturating_add(1);
        }
        count
    }

    /// Whether it was still known.
    fn forget_flight(&mut self, id: &Identifier, flight: u64) -> bool {
        let is_known = self.flights.get(id).is_some_and(|(number, _)| *number == flight);
        if is_known {
            self.flights.remove(id);
        }
        is_known
    }

    fn oldest(&self) -> Option<u64> {
        self.order.first_key_value().map(|(tick, _)| *tick)
    }

    fn remove_oldest(&mut self) {
        if let Some((_, id)) = self.order.pop_first() {
            self.remove(&id);
        }
    }
}

impl Shelves {
    fn len(&self) -> usize {
        self.encryption.slots.len().saturating_add(self.decryption.slots.len())
    }

    /// Drops the entry that was used least recently, of either kind; whether there was one.
    fn remove_oldest(&mut self) -> bool {
        match (self.encryption.oldest(), self.decryption.oldest()) {
            (None, None) => return false,
            (Some(encryption), Some(decryption)) if encryption < decryption => {
                self.encryption.remove_oldest();
            }
            (Some(_), None) => self.encryption.remove_oldest(),
            (_, Some(_)) => self.decryption.remove_oldest(),
        }
        true
    }
}

impl State {
    fn remove_expired(&mut self, now: Duration) {
        let Self { shelves: Shelves { encryption, decryption }, stats, .. } = self;
        let encryption = encryption.remove_expired(now);
        let decryption = decryption.remove_expired(now);
        stats.expirations = stats.expirations.saturating_add(encryption).saturating_add(decryption);
    }
}
