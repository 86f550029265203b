//! A client from flags and environment.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use waxseal::s3::{
    Client, Fit, Policy, S3Keyring, UnwrapRequest, WrapRequest, Wrapped, WrappedDataKey,
};
use waxseal::{BoxFuture, DataKey, Error, KeyringError, UnwrapFailure};

use super::args::{Parts, Reading, Service};
use crate::failure::Failure;
use crate::service;
use crate::wait::Waiter;

impl Service {
    /// A client of the SDK, from the environment, with what the flags say instead.
    fn sdk(&self, waiter: &Waiter, silence: Duration) -> Result<aws_sdk_s3::Client, Failure> {
        let Self { endpoint_url, region, profile } = self;
        let config = aws_config::defaults(BehaviorVersion::latest());
        let config = service::load(config, region.clone(), profile.as_deref(), waiter);
        if config.region().is_none() {
            return Err(Failure::usage(
                "the region of the bucket is not known",
                "give --region, or set AWS_REGION",
            ));
        }
        let timeouts = TimeoutConfig::builder().read_timeout(silence).build();
        let mut builder = Builder::from(&config).timeout_config(timeouts);
        if let Some(url) = endpoint_url {
            builder = builder.endpoint_url(url);
        }
        // A name in front of the host is a matter of DNS, which only AWS is known to have.
        let elsewhere = endpoint_url.is_some()
            || config.endpoint_url().is_some()
            || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some_and(|url| !url.is_empty());
        Ok(aws_sdk_s3::Client::from_conf(builder.force_path_style(elsewhere).build()))
    }

    /// A client with these keys.
    pub(super) fn client(
        &self,
        waiter: &Waiter,
        keyring: Arc<dyn S3Keyring>,
        policy: Policy,
    ) -> Result<Client, Failure> {
        Ok(Client::new(self.sdk(waiter, SILENCE)?, keyring).policy(policy))
    }

    /// A client with these keys, that uploads such parts.
    pub(super) fn client_to_upload(
        &self,
        waiter: &Waiter,
        keyring: Arc<dyn S3Keyring>,
        policy: Policy,
        parts: &Parts,
    ) -> Result<Client, Failure> {
        Ok(Client::new(self.sdk(waiter, silence_of(parts))?, keyring).policy(policy))
    }

    /// A client that encrypts and decrypts nothing.
    pub(super) fn without_keys(&self, waiter: &Waiter) -> Result<Client, Failure> {
        Ok(Client::new(self.sdk(waiter, SILENCE)?, NoKeys))
    }
}

impl Reading {
    /// What may be read; nothing that is not authenticated.
    pub(super) fn policy(&self) -> Policy {
        Policy::default()
            .commitment(self.commitment.commitment_policy)
            .legacy_wrapping_algorithms(self.legacy_wrapping_algorithms)
    }
}

/// How long an answer may take. It begins with the request, so that the parts that share a line have to be sent by then, too.
fn silence_of(parts: &Parts) -> Duration {
    let Parts { part_size, parallelism } = parts;
    let part_size = part_size.map_or(DEFAULT_PART_SIZE, NonZeroUsize::get);
    let parallelism = parallelism.map_or(DEFAULT_PARALLELISM, NonZeroUsize::get);
    let bytes = u64::try_from(part_size.saturating_mul(parallelism)).unwrap_or(u64::MAX);
    SILENCE.saturating_add(Duration::from_secs(bytes / SLOWEST))
}

/// A server that does not answer should not keep a command forever; the SDK tries three times. A copy of 5 GiB has to be done
/// by then, too.
const SILENCE: Duration = Duration::from_secs(600);
/// What a line carries at least, in bytes a second.
const SLOWEST: u64 = 64 << 10;
const DEFAULT_PART_SIZE: usize = 8 << 20;
const DEFAULT_PARALLELISM: usize = 4;

/// For commands that need no key.
#[derive(Debug)]
struct NoKeys;

impl S3Keyring for NoKeys {
    fn wrap<'a>(&'a self, _: &'a WrapRequest<'a>) -> BoxFuture<'a, Result<Wrapped, Error>> {
        let error = KeyringError::wrap(self.describe(), "there is none");
        Box::pin(std::future::ready(Err(error.into())))
    }

    fn fit(&self, _: &WrappedDataKey) -> Fit {
        Fit::No
    }

    fn unwrap<'a>(
        &'a self,
        _: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<DataKey, UnwrapFailure>> {
        let failure = UnwrapFailure::Unable("there is none".to_owned());
        Box::pin(std::future::ready(Err(failure)))
    }

    fn describe(&self) -> String {
        "no key".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_server_is_not_waited_for_without_end() {
        let service = Service {
            endpoint_url: Some("http://127.0.0.1:1".to_owned()),
            region: Some("eu-west-1".to_owned()),
            profile: None,
        };
        let sdk = service.sdk(&Waiter::new().unwrap(), SILENCE).unwrap();
        assert_eq!(sdk.config().timeout_config().unwrap().read_timeout(), Some(SILENCE));
        assert!(sdk.config().timeout_config().unwrap().connect_timeout().is_some());
    }

    #[test]
    fn long_parts_have_long_to_be_sent() {
        let some = NonZeroUsize::new;
        for (part_size, parallelism, more) in
            [(None, None, 512), (some(1 << 30), some(2), 32_768), (some(6 << 20), some(1), 96)]
        {
            let parts = Parts { part_size, parallelism };
            assert_eq!(silence_of(&parts), SILENCE + Duration::from_secs(more));
        }
    }
}
