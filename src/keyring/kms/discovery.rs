//! Any key that a message names.

use std::collections::BTreeSet;

use aws_sdk_kms::Client;

use super::arn::KmsArn;
use super::client::{Decrypt, Kms, PROVIDER_ID};
use super::{data_key, each_own, settle};
use crate::error::{ApiMisuse, Attempt, Error, KeyringError};
use crate::events;
use crate::keyring::Keyring;
use crate::materials::{BoxFuture, EncryptionMaterials, UnwrapRequest, UnwrappedDataKey};

/// Unwraps data keys with whatever AWS KMS key the message names; never encrypts.
///
/// The message, which nobody has authenticated yet, chooses the key. Say with a [`DiscoveryFilter`]
/// whose keys may be asked: without one, a stranger's message opens with the stranger's key, whose records
/// then show who opened it. Each encrypted data key may cost a call, in each region;
/// [`Policy::max_encrypted_data_keys`](crate::Policy::max_encrypted_data_keys) limits them.
///
/// ```no_run
/// use waxseal::kms::{DiscoveryFilter, KmsDiscoveryKeyring};
///
/// # async fn example(client: aws_sdk_kms::Client, message: &[u8]) -> Result<(), waxseal::Error> {
/// let keyring =
///     KmsDiscoveryKeyring::new(client).filter(DiscoveryFilter::new("aws", ["111122223333"])?);
/// let opened = waxseal::decrypt(message, &keyring).await?;
/// # Ok(())
/// # }
/// ```
///
/// Spec: aws-kms-discovery-keyring, aws-kms-mrk-discovery-keyring.
#[derive(Debug, Clone)]
pub struct KmsDiscoveryKeyring {
    pub(super) kms: Kms,
    filter: Option<DiscoveryFilter>,
    /// The client's region, if replicas there stand in for multi-Region keys elsewhere.
    mrk_region: Option<String>,
}

impl KmsDiscoveryKeyring {
    /// Asks this client for every key, of whatever region.
    pub fn new(client: Client) -> Self {
        Self { kms: Kms::new(client), filter: None, mrk_region: None }
    }

    /// Asks this client for keys of its region, and for multi-Region keys of any, as the replica in its
    /// region.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if the client has no region.
    pub fn mrk_aware(client: Client) -> Result<Self, Error> {
        let keyring = Self::new(client);
        let region = keyring.kms.region().map(str::to_owned);
        let mrk_region = region.ok_or_else(|| {
            ApiMisuse::Kms("the AWS KMS client has no region: MRK discovery needs one".into())
        })?;
        Ok(Self { mrk_region: Some(mrk_region), ..keyring })
    }

    /// Only keys of these accounts.
    #[must_use]
    pub fn filter(mut self, filter: DiscoveryFilter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Sends these with every call.
    #[must_use]
    pub fn grant_tokens<T: Into<String>>(mut self, tokens: impl IntoIterator<Item = T>) -> Self {
        self.kms.grant_tokens = tokens.into_iter().map(Into::into).collect();
        self
    }

    pub(super) fn describe(&self) -> &'static str {
        match self.mrk_region {
            Some(_) => "AWS KMS MRK discovery keyring",
            None => "AWS KMS discovery keyring",
        }
    }

    pub(super) fn is_own(&self, key: &KmsArn) -> bool {
        let Self { kms: _, filter, mrk_region } = self;
        filter.as_ref().is_none_or(|filter| filter.allows(key))
            && mrk_region.as_ref().is_none_or(|own| key.is_multi_region() || key.region() == own)
    }

    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
    ) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        let own = each_own(request, self.describe(), PROVIDER_ID, |key| self.is_own(key))?;
        let mut attempts = Vec::new();
        for (index, edk, key) in own {
            let key = match &self.mrk_region {
                // Of those that are not multi-region, only the keys that are there are own.
                Some(region) => key.in_region(region),
                None => key,
            };
            let timer = events::start();
            let how = Decrypt::Symmetric(request.context());
            let opened = data_key(self.kms.decrypt(&key, edk.ciphertext(), how).await);
            match settle(request, timer, (index, edk, &key), &attempts, opened) {
                Ok(unwrapped) => return Ok(unwrapped),
                Err(failure) => attempts.push(Attempt::new(self.describe(), index, failure)),
            }
        }
        Err(attempts)
    }
}

impl Keyring for KmsDiscoveryKeyring {
    fn wrap<'a>(&'a self, _: &'a mut EncryptionMaterials) -> BoxFuture<'a, Result<(), Error>> {
        let reason = "discovery only decrypts: name the key to encrypt with in a `KmsKeyring`";
        let error = KeyringError::wrap(format!("the {}", self.describe()), reason);
        Box::pin(std::future::ready(Err(error.into())))
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<UnwrappedDataKey, Vec<Attempt>>> {
        Box::pin(self.unwrap_key(request))
    }
}

/// Whose keys a discovery keyring may ask for.
///
/// ```
/// use waxseal::kms::DiscoveryFilter;
///
/// let filter = DiscoveryFilter::new("aws", ["111122223333"])?;
/// # let _ = filter;
/// # Ok::<(), waxseal::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveryFilter {
    partition: String,
    accounts: BTreeSet<String>,
}

impl DiscoveryFilter {
    /// Takes a partition, such as `aws`, and account ids.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if one of them is empty, or there is no account.
    pub fn new<A: Into<String>>(
        partition: impl Into<String>,
        accounts: impl IntoIterator<Item = A>,
    ) -> Result<Self, Error> {
        let (partition, accounts) = (partition.into(), accounts.into_iter());
        let accounts: BTreeSet<String> = accounts.map(Into::into).collect();
        if partition.is_empty() || accounts.is_empty() || accounts.contains("") {
            let why = "a discovery filter needs a partition and at least one account id";
            return Err(ApiMisuse::Kms(why.into()).into());
        }
        Ok(Self { partition, accounts })
    }

    fn allows(&self, key: &KmsArn) -> bool {
        self.partition == key.partition() && self.accounts.contains(key.account())
    }
}
