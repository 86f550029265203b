//! AWS KMS in the process, for tests without a network.
//!
//! [`FakeKms`] is an HTTP client for the AWS SDK that answers as AWS KMS does, with real cryptography,
//! the error codes of AWS KMS and faults on demand. The SDK itself is the true one: it signs, encodes,
//! decodes and tries again.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use aws_sdk_kms::types::DataKeySpec;
//! use waxseal::testing::{FakeKms, Fault, KeySpec, Operation};
//!
//! let kms = FakeKms::new();
//! let key = kms.create_key("eu-west-1", KeySpec::Symmetric)?;
//! kms.inject(Fault::throttled());
//!
//! let client = kms.client("eu-west-1");
//! let made = client.generate_data_key().key_id(&key).key_spec(DataKeySpec::Aes256).send().await?;
//! let opened = client.decrypt().ciphertext_blob(made.ciphertext_blob.unwrap()).send().await?;
//! assert_eq!(opened.plaintext, made.plaintext);
//! assert_eq!(kms.count(Operation::GenerateDataKey), 2);
//! # Ok(())
//! # }
//! ```
//!
//! Programs in other languages can be tested against it, too: `examples/fake_kms_server.rs` serves it on loopback.
//!
//! # What it is not
//!
//! It protects nothing: whoever has the handle has the keys. Its ciphertexts have a layout of its own, which is not
//! that of AWS KMS and may change. Texts of errors are those that AWS KMS was seen to give, where they
//! are known; rely on the codes. There are no policies but [`FakeKms::deny`], no quotas and no clock.

mod calls;
mod fault;
mod fields;
mod gate;
mod http;
mod keys;
mod random;
mod refusal;
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_kms::config::{
    BehaviorVersion, Builder, Config, Credentials, Region, SharedHttpClient,
};

pub use calls::{Call, Operation, Outcome};
pub use fault::Fault;
pub use gate::Held;
pub use keys::{KeySpec, NewKey};

use crate::error::Error;
use crate::secret::Secret;
use fault::{Change, Effect};
use gate::Gate;
use http::{Arrived, Reply};
use keys::{ID_LEN, Key, KeyState, Material, partition, unusable};
use random::Random;
use refusal::Refusal;
use service::Service;

/// An AWS KMS in the process: all regions of one account, and of others if keys are made there.
///
/// A clone is a handle to the same. See the [module](self) for an example.
#[derive(Clone)]
pub struct FakeKms(Arc<Inner>);

struct Inner {
    gate: Arc<Gate>,
    state: Mutex<State>,
    retries: RetryPartition,
}

#[derive(Default)]
struct State {
    service: Service,
    faults: Vec<Fault>,
    down: BTreeSet<String>,
    calls: BTreeMap<u64, Call>,
    /// The number of the next call.
    next: u64,
}

impl Default for FakeKms {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeKms {
    /// Without keys, in the account 111122223333.
    pub fn new() -> Self {
        Self::in_account("111122223333")
    }

    /// Without keys, in another account.
    pub fn in_account(account: &str) -> Self {
        /// Clients of one fake must not use up the retries of another's.
        static FAKES: AtomicU64 = AtomicU64::new(0);
        let retries =
            RetryPartition::new(format!("FakeKms {}", FAKES.fetch_add(1, Ordering::Relaxed)));
        let service = Service { account: account.to_owned(), ..Service::default() };
        let state = Mutex::new(State { service, ..State::default() });
        Self(Arc::new(Inner { gate: Arc::default(), state, retries }))
    }

    /// A client for a region. It tries again as the SDK does by default, but does not wait in between.
    pub fn client(&self, region: &str) -> Client {
        Client::from_conf(self.config(region).build())
    }

    /// What [`client`](Self::client) is made from, to be changed.
    pub fn config(&self, region: &str) -> Builder {
        let at_once = RetryConfig::standard()
            .with_initial_backoff(Duration::ZERO)
            .with_max_backoff(Duration::ZERO);
        Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .credentials_provider(Credentials::new("AKIAFAKEKMS", "none", None, None, "FakeKms"))
            .retry_config(at_once)
            .retry_partition(self.0.retries.clone())
            .http_client(self.http_client())
    }

    /// For a configuration of one's own; the region is the one that requests are signed for.
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    /// Makes a key and gives its ARN.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if the id is taken or malformed, or the material does not fit;
    /// [`Error::Backend`] if the backend cannot make a key.
    pub fn create_key(&self, region: &str, key: impl Into<NewKey>) -> Result<String, Error> {
        let key = key.into();
        let mut state = self.lock();
        let Service { account, keys, materials, gone, random, .. } = &mut state.service;
        let id = match &key.id {
            Some(id) => id.clone(),
            None => random.key_id(key.multi_region)?,
        };
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if id.len() != ID_LEN || !id.bytes().all(is_id) {
            return Err(unusable(format!("its id must be 36 letters, digits and hyphens: {id:?}")));
        }
        if key.multi_region != id.starts_with("mrk-") {
            return Err(unusable(format!("only ids of multi-region keys start with `mrk-`: {id}")));
        }
        if materials.contains_key(&id) || gone.contains(&id) {
            return Err(unusable(format!("there is one with the id {id} already")));
        }
        let material = key.make_material(random)?;
        let account = key.account.as_ref().unwrap_or(account).clone();
        let made = Key {
            arn: format!("arn:{}:kms:{region}:{account}:key/{id}", partition(region)),
            id: id.clone(),
            account,
            region: region.to_owned(),
            spec: key.spec(),
            state: KeyState::Enabled,
            imported: key.is_imported(),
            primary_region: key.multi_region.then(|| region.to_owned()),
        };
        let arn = made.arn.clone();
        materials.insert(id, material);
        keys.insert(arn.clone(), made);
        Ok(arn)
    }

    /// Makes a replica of a multi-region key in another region, and gives its ARN.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if there is no such key, it is not a multi-region key, or it is in that region.
    pub fn replicate(&self, arn: &str, region: &str) -> Result<String, Error> {
        let mut state = self.lock();
        let keys = &mut state.service.keys;
        let key = keys.get(arn).ok_or_else(|| no_key(arn))?;
        if key.primary_region.is_none() {
            return Err(unusable(format!("{arn} is not a multi-region key")));
        }
        let Key { account, id, .. } = key;
        let replica = Key {
            arn: format!("arn:{}:kms:{region}:{account}:key/{id}", partition(region)),
            region: region.to_owned(),
            state: KeyState::Enabled,
            ..key.clone()
        };
        let arn = replica.arn.clone();
        if keys.contains_key(&arn) {
            return Err(unusable(format!("there is {arn} already")));
        }
        keys.insert(arn.clone(), replica);
        Ok(arn)
    }

    /// Makes an alias, or gives it another key.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if it does not start with `alias/`, or the key is not in the region.
    pub fn create_alias(&self, region: &str, alias: &str, arn: &str) -> Result<String, Error> {
        let mut state = self.lock();
        let Service { keys, aliases, .. } = &mut state.service;
        let key = keys.get(arn).filter(|key| key.region == region).ok_or_else(|| no_key(arn))?;
        if alias.strip_prefix("alias/").is_none_or(str::is_empty) {
            return Err(unusable(format!("an alias starts with `alias/`: {alias:?}")));
        }
        let name = format!("arn:{}:kms:{region}:{}:{alias}", partition(region), key.account);
        aliases.insert(name.clone(), arn.to_owned());
        Ok(name)
    }

    /// Gives a grant token for a key. Who sends it may do what is [denied](Self::deny) to others.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if there is no such key.
    pub fn create_grant(&self, arn: &str) -> Result<String, Error> {
        let mut state = self.lock();
        let Service { keys, grants, .. } = &mut state.service;
        keys.get(arn).ok_or_else(|| no_key(arn))?;
        let token = format!("grant-token-{}", grants.len());
        grants.insert(token.clone(), arn.to_owned());
        Ok(token)
    }

    /// Refuses an operation with a key from now on, with `AccessDeniedException`.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if there is no such key.
    pub fn deny(&self, arn: &str, operation: Operation) -> Result<(), Error> {
        let mut state = self.lock();
        let Service { keys, denied, .. } = &mut state.service;
        keys.get(arn).ok_or_else(|| no_key(arn))?;
        denied.insert((arn.to_owned(), operation));
        Ok(())
    }

    /// Gives a symmetric key, and its replicas, new material. What the old one encrypted stays readable.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if there is no such key or it is asymmetric.
    pub fn rotate(&self, arn: &str) -> Result<(), Error> {
        let mut state = self.lock();
        let Service { keys, materials, random, .. } = &mut state.service;
        let key = keys.get(arn).ok_or_else(|| no_key(arn))?;
        let Some(Material::Symmetric(versions)) = materials.get_mut(&key.id) else {
            return Err(unusable(format!("{arn} is asymmetric and does not rotate")));
        };
        versions.push(random.secret(32)?);
        Ok(())
    }

    /// Disables a key.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if there is no such key.
    pub fn disable(&self, arn: &str) -> Result<(), Error> {
        self.set_state(arn, KeyState::Disabled)
    }

    /// Enables a key, also one that is pending deletion.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if there is no such key.
    pub fn enable(&self, arn: &str) -> Result<(), Error> {
        self.set_state(arn, KeyState::Enabled)
    }

    /// Makes a key pending deletion; it stays so until it is enabled or deleted.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if there is no such key.
    pub fn schedule_deletion(&self, arn: &str) -> Result<(), Error> {
        self.set_state(arn, KeyState::PendingDeletion)
    }

    /// Deletes a key with its aliases; its material goes with its last replica.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if there is no such key.
    pub fn delete(&self, arn: &str) -> Result<(), Error> {
        let mut state = self.lock();
        let Service { keys, materials, gone, aliases, .. } = &mut state.service;
        let key = keys.remove(arn).ok_or_else(|| no_key(arn))?;
        aliases.retain(|_, target| target != arn);
        if keys.values().all(|other| other.id != key.id) {
            materials.remove(&key.id);
            gone.insert(key.id);
        }
        Ok(())
    }

    /// Makes everything that is random from now on follow from a seed, except asymmetric keys and what
    /// is encrypted to them.
    pub fn seed(&self, seed: &[u8]) {
        self.lock().service.random = Random::seeded(seed);
    }

    /// Has the next `GenerateDataKey` give this data key; several wait in line. One of another length
    /// than asked for is a `KMSInternalException`.
    pub fn next_data_key(&self, key: &[u8]) {
        self.lock().service.data_keys.push_back(Secret::copy_of(key));
    }

    /// Adds a fault. Of several that fit a call, the first that was added strikes.
    pub fn inject(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    /// Removes all faults that are left.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// Resets all connections to a region until it is [brought up](Self::bring_up).
    pub fn take_down(&self, region: &str) {
        self.lock().down.insert(region.to_owned());
    }

    /// Undoes [`take_down`](Self::take_down).
    pub fn bring_up(&self, region: &str) {
        self.lock().down.remove(region);
    }

    /// Holds every call in flight until what this returns is dropped.
    pub fn hold(&self) -> Held {
        Held::new(Arc::clone(&self.0.gate))
    }

    /// Every call so far, in the order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.values().cloned().collect()
    }

    /// How many calls of an operation arrived.
    pub fn count(&self, operation: Operation) -> usize {
        self.lock().calls.values().filter(|call| call.operation == operation).count()
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        self.lock().calls.clear();
    }

    fn set_state(&self, arn: &str, to: KeyState) -> Result<(), Error> {
        let mut state = self.lock();
        state.service.keys.get_mut(arn).ok_or_else(|| no_key(arn))?.state = to;
        Ok(())
    }

    fn gate(&self) -> &Gate {
        &self.0.gate
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call and gives its number.
    fn arrive(&self, request: &Arrived) -> u64 {
        let mut state = self.lock();
        let State { service, calls, next, .. } = &mut *state;
        let Arrived { operation, region, user_agent, fields } = request;
        let mut call = Call {
            operation: *operation,
            region: region.clone(),
            key_id: None,
            key: None,
            encryption_context: BTreeMap::new(),
            grant_tokens: Vec::new(),
            user_agent: user_agent.clone(),
            outcome: Outcome::Waiting,
        };
        if let Ok(fields) = fields {
            let first = |names: [&'static str; 2]| names.into_iter().find(|name| fields.has(name));
            let key_id = first(["KeyId", "DestinationKeyId"]);
            let context = first(["EncryptionContext", "DestinationEncryptionContext"]);
            call.key_id = key_id.and_then(|name| fields.text(name).ok()?.map(str::to_owned));
            call.encryption_context =
                context.and_then(|name| fields.context(name).ok()).unwrap_or_default();
            call.grant_tokens = fields.texts("GrantTokens").unwrap_or_default();
            call.key = service.subject(region, fields).map(str::to_owned);
        }
        let number = *next;
        *next = next.saturating_add(1);
        calls.insert(number, call);
        number
    }

    fn answer(&self, request: &Arrived) -> Reply {
        let mut state = self.lock();
        let State { service, faults, down, .. } = &mut *state;
        let Arrived { operation, region, user_agent: _, fields } = request;
        if down.contains(region) {
            return Reply::ConnectionReset;
        }
        let key = fields.as_ref().ok().and_then(|fields| service.subject(region, fields));
        let effect = faults.iter_mut().find_map(|fault| fault.strike(*operation, key, region));
        let change = match effect {
            Some(Effect::ConnectionReset) => return Reply::ConnectionReset,
            Some(Effect::Refused(refusal)) => return Reply::refused(&refusal),
            Some(Effect::Stalled) => return Reply::Never,
            Some(Effect::TimedOut) => return Reply::TimedOut,
            Some(Effect::Changed(change)) => Some(change),
            None => None,
        };
        if region.is_empty() {
            return Reply::refused(&Refusal::unsigned());
        }
        let answer = match fields {
            Ok(fields) => service.answer(*operation, region, fields),
            Err(refusal) => Err(refusal.clone()),
        };
        match answer {
            Ok(mut answer) => {
                change.iter().for_each(|change| change.apply(&mut answer));
                let cut = matches!(change, Some(Change::Truncated));
                Reply::answered(&answer.into_body(), cut)
            }
            Err(refusal) => Reply::refused(&refusal),
        }
    }

    /// Notes how a call ended.
    fn note(&self, number: u64, outcome: Outcome) {
        if let Some(call) = self.lock().calls.get_mut(&number) {
            call.outcome = outcome;
        }
    }
}

fn no_key(arn: &str) -> Error {
    unusable(format!("there is no {arn}"))
}

impl fmt::Debug for FakeKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        let Service { account, keys, .. } = &state.service;
        f.debug_struct("FakeKms")
            .field("account", account)
            .field("keys", &keys.keys())
            .field("calls", &state.calls.len())
            .finish_non_exhaustive()
    }
}
