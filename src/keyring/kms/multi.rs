//! Several AWS KMS keys, in several regions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_sdk_kms::Client;
use aws_sdk_kms::config::{BehaviorVersion, Region};

use super::arn::KmsArn;
use super::discovery::{DiscoveryFilter, KmsDiscoveryKeyring};
use super::strict::KmsKeyring;
use crate::error::{ApiMisuse, Error};
use crate::keyring::MultiKeyring;

/// Gives the client of a region. A closure that takes a region does, too.
///
/// ```
/// use waxseal::kms::{KmsClientSupplier, RegionalKmsClients};
///
/// /// Only regions of the European Union.
/// fn european(clients: RegionalKmsClients) -> impl KmsClientSupplier {
///     move |region: &str| match region.starts_with("eu-") {
///         true => clients.client(region),
///         false => Err(waxseal::kms::no_client(region, "it is outside of the European Union")),
///     }
/// }
/// ```
///
/// Spec: aws-kms-multi-keyrings.
pub trait KmsClientSupplier {
    /// The client of this region.
    ///
    /// # Errors
    /// Whatever keeps it from giving one; [`no_client`](crate::kms::no_client) makes an error.
    fn client(&self, region: &str) -> Result<Client, Error>;
}

impl<F: Fn(&str) -> Result<Client, Error>> KmsClientSupplier for F {
    fn client(&self, region: &str) -> Result<Client, Error> {
        self(region)
    }
}

/// The error of a supplier that has no client for a region.
pub fn no_client(region: &str, why: &str) -> Error {
    ApiMisuse::Kms(format!("there is no AWS KMS client for the region `{region}`: {why}")).into()
}

/// One client, and the same for other regions: credentials, endpoint and everything else stay.
///
/// ```no_run
/// use waxseal::kms::{KmsKeyring, RegionalKmsClients};
///
/// # async fn example(client: aws_sdk_kms::Client) -> Result<(), waxseal::Error> {
/// let clients = RegionalKmsClients::like(client);
/// let keyring = KmsKeyring::multi(&clients)
///     .generator("arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab")
///     .child("arn:aws:kms:us-east-1:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321")
///     .build()?;
/// let message = waxseal::encrypt(b"hello", &keyring).await?;
/// # Ok(())
/// # }
/// ```
pub struct RegionalKmsClients {
    first: Client,
    others: Mutex<HashMap<String, Client>>,
}

impl RegionalKmsClients {
    /// Makes clients like this one.
    pub fn like(client: Client) -> Self {
        Self { first: client, others: Mutex::default() }
    }

    /// Makes clients from what the environment says: variables, profiles, the machine's role. This is
    /// the only function of the library that looks there.
    pub async fn from_environment() -> Self {
        Self::like(Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await))
    }
}

impl KmsClientSupplier for RegionalKmsClients {
    fn client(&self, region: &str) -> Result<Client, Error> {
        let Self { first, others } = self;
        let config = first.config();
        if config.region().is_some_and(|own| own.as_ref() == region) {
            return Ok(first.clone());
        }
        // Nothing can be half done in there.
        let mut others = others.lock().unwrap_or_else(PoisonError::into_inner);
        let client = others.entry(region.to_owned()).or_insert_with(|| {
            Client::from_conf(config.to_builder().region(Region::new(region.to_owned())).build())
        });
        Ok(client.clone())
    }
}

impl fmt::Debug for RegionalKmsClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let region = self.first.config().region();
        f.debug_struct("RegionalKmsClients").field("first", &region).finish_non_exhaustive()
    }
}

/// A [`MultiKeyring`] of AWS KMS keys, each with the client of its region: what [`KmsKeyring::multi`] and
/// [`KmsKeyring::mrk_aware_multi`] start.
///
/// See [`RegionalKmsClients`] for an example.
///
/// Spec: aws-kms-multi-keyrings, aws-kms-mrk-multi-keyrings.
#[must_use = "nothing happens before `.build()`"]
pub struct KmsMultiKeyringBuilder<'a> {
    clients: &'a dyn KmsClientSupplier,
    mrk_aware: bool,
    generator: Option<String>,
    children: Vec<String>,
    grant_tokens: Vec<String>,
}

impl KmsKeyring {
    /// Starts a keyring of several keys: any of them opens the message.
    pub fn multi(clients: &dyn KmsClientSupplier) -> KmsMultiKeyringBuilder<'_> {
        KmsMultiKeyringBuilder {
            clients,
            mrk_aware: false,
            generator: None,
            children: Vec::new(),
            grant_tokens: Vec::new(),
        }
    }

    /// The same of [`mrk_aware`](Self::mrk_aware) keyrings. Of a multi-Region key, only one replica can
    /// be there.
    pub fn mrk_aware_multi(clients: &dyn KmsClientSupplier) -> KmsMultiKeyringBuilder<'_> {
        KmsMultiKeyringBuilder { mrk_aware: true, ..Self::multi(clients) }
    }
}

/// Without the grant tokens, which are not for logs.
impl fmt::Debug for KmsMultiKeyringBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsMultiKeyringBuilder")
            .field("generator", &self.generator)
            .field("children", &self.children)
            .finish_non_exhaustive()
    }
}

impl KmsMultiKeyringBuilder<'_> {
    /// The ARN of the key that makes data keys. Without one, the keyring only decrypts.
    pub fn generator(mut self, arn: impl Into<String>) -> Self {
        self.generator = Some(arn.into());
        self
    }

    /// The ARN of one more key that wraps data keys.
    pub fn child(mut self, arn: impl Into<String>) -> Self {
        self.children.push(arn.into());
        self
    }

    /// Sends these with every call.
    pub fn grant_tokens<T: Into<String>>(mut self, tokens: impl IntoIterator<Item = T>) -> Self {
        self.grant_tokens = tokens.into_iter().map(Into::into).collect();
        self
    }

    /// Gets the clients and puts it together.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if there is no key, one is no ARN, or, with MRK-aware keyrings, two are
    /// replicas of one key; whatever the client supplier says.
    pub fn build(self) -> Result<MultiKeyring, Error> {
        let Self { clients, mrk_aware, generator, children, grant_tokens } = self;
        let arns = |texts: &[String]| texts.iter().map(|text| text.parse()).collect();
        let generator: Option<KmsArn> = generator.map(|text| text.parse()).transpose()?;
        let children: Result<Vec<KmsArn>, Error> = arns(&children);
        let children = children?;
        if mrk_aware {
            check_unique(generator.iter().chain(&children))?;
        }
        let keyring = |arn: KmsArn| {
            let client = clients.client(arn.region())?;
            let keyring = match mrk_aware {
                true => KmsKeyring::mrk_aware(client, &arn.to_string())?,
                false => KmsKeyring::new(client, &arn.to_string())?,
            };
            Ok::<_, Error>(keyring.grant_tokens(grant_tokens.clone()))
        };
        let generator = generator.map(keyring).transpose()?;
        let children = children.into_iter().map(keyring).collect::<Result<_, _>>()?;
        MultiKeyring::of(generator, children)
            .ok_or_else(|| ApiMisuse::Kms("an AWS KMS multi-keyring needs a key".into()).into())
    }
}

/// Two replicas of one key would leave open which region to ask.
///
/// Spec: aws-kms-mrk-are-unique.
fn check_unique<'a>(arns: impl Iterator<Item = &'a KmsArn>) -> Result<(), Error> {
    let mut by_id: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for arn in arns.filter(|arn| arn.is_multi_region()) {
        by_id.entry(arn.id()).or_default().push(arn.to_string());
    }
    let twice: Vec<_> = by_id.into_values().filter(|arns| arns.len() > 1).flatten().collect();
    if twice.is_empty() {
        return Ok(());
    }
    let why = "these are one multi-Region key, of which an MRK-aware keyring takes one replica";
    Err(ApiMisuse::Kms(format!("{why}: {}", twice.join(", "))).into())
}

/// A [`MultiKeyring`] of discovery keyrings, one for each region: what [`KmsDiscoveryKeyring::multi`] and
/// [`KmsDiscoveryKeyring::mrk_aware_multi`] start.
///
/// ```no_run
/// use waxseal::kms::{DiscoveryFilter, KmsDiscoveryKeyring, RegionalKmsClients};
///
/// # async fn example(client: aws_sdk_kms::Client, message: &[u8]) -> Result<(), waxseal::Error> {
/// let clients = RegionalKmsClients::like(client);
/// let keyring = KmsDiscoveryKeyring::multi(&clients)
///     .regions(["eu-west-1", "us-east-1"])
///     .filter(DiscoveryFilter::new("aws", ["111122223333"])?)
///     .build()?;
/// let opened = waxseal::decrypt(message, &keyring).await?;
/// # Ok(())
/// # }
/// ```
///
/// Spec: aws-kms-multi-keyrings, aws-kms-mrk-multi-keyrings.
#[must_use = "nothing happens before `.build()`"]
pub struct KmsDiscoveryMultiKeyringBuilder<'a> {
    clients: &'a dyn KmsClientSupplier,
    mrk_aware: bool,
    regions: Vec<String>,
    filter: Option<DiscoveryFilter>,
    grant_tokens: Vec<String>,
}

impl KmsDiscoveryKeyring {
    /// Starts a keyring that asks in several regions, one after another.
    pub fn multi(clients: &dyn KmsClientSupplier) -> KmsDiscoveryMultiKeyringBuilder<'_> {
        KmsDiscoveryMultiKeyringBuilder {
            clients,
            mrk_aware: false,
            regions: Vec::new(),
            filter: None,
            grant_tokens: Vec::new(),
        }
    }

    /// The same of [`mrk_aware`](Self::mrk_aware) keyrings: each region is asked for its own keys and
    /// for replicas.
    pub fn mrk_aware_multi(clients: &dyn KmsClientSupplier) -> KmsDiscoveryMultiKeyringBuilder<'_> {
        KmsDiscoveryMultiKeyringBuilder { mrk_aware: true, ..Self::multi(clients) }
    }
}

/// Without the grant tokens, which are not for logs.
impl fmt::Debug for KmsDiscoveryMultiKeyringBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsDiscoveryMultiKeyringBuilder")
            .field("regions", &self.regions)
            .field("filter", &self.filter)
            .finish_non_exhaustive()
    }
}

impl KmsDiscoveryMultiKeyringBuilder<'_> {
    /// The regions, in the order in which they are asked.
    pub fn regions<R: Into<String>>(mut self, regions: impl IntoIterator<Item = R>) -> Self {
        self.regions.extend(regions.into_iter().map(Into::into));
        self
    }

    /// Only keys of these accounts.
    pub fn filter(mut self, filter: DiscoveryFilter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Sends these with every call.
    pub fn grant_tokens<T: Into<String>>(mut self, tokens: impl IntoIterator<Item = T>) -> Self {
        self.grant_tokens = tokens.into_iter().map(Into::into).collect();
        self
    }

    /// Gets the clients and puts it together.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if there is no region, or an empty one; whatever the client supplier says.
    pub fn build(self) -> Result<MultiKeyring, Error> {
        let Self { clients, mrk_aware, regions, filter, grant_tokens } = self;
        let mut seen = BTreeSet::new();
        let regions = regions.iter().filter(|region| seen.insert(region.as_str()));
        let keyring = |region: &String| {
            if region.is_empty() {
                return Err(ApiMisuse::Kms("a region is empty".into()).into());
            }
            let client = clients.client(region)?;
            let mut keyring = match mrk_aware {
                true => KmsDiscoveryKeyring::mrk_aware(client)?,
                false => KmsDiscoveryKeyring::new(client),
            };
            keyring = keyring.grant_tokens(grant_tokens.clone());
            Ok::<_, Error>(match &filter {
                Some(filter) => keyring.filter(filter.clone()),
                None => keyring,
            })
        };
        let keyrings = regions.map(keyring).collect::<Result<_, _>>()?;
        MultiKeyring::of(None, keyrings)
            .ok_or_else(|| ApiMisuse::Kms("discovery needs at least one region".into()).into())
    }
}
