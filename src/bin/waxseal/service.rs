//! Where services of AWS are, and who asks them.

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;

use crate::wait::Waiter;

/// What the environment says, with what was given instead.
pub(crate) fn load(
    mut config: ConfigLoader,
    region: Option<String>,
    profile: Option<&str>,
    waiter: &Waiter,
) -> SdkConfig {
    if let Some(region) = region {
        config = config.region(Region::new(region));
    }
    let Some(profile) = profile else {
        return waiter.wait(config.load());
    };
    let config = waiter.wait(config.profile_name(profile).no_credentials().load());
    // Who names a profile does not mean what else is in the environment. A role is asked for in the same region.
    let asking = ProviderConfig::without_region()
        .with_region(config.region().cloned())
        .with_use_fips(config.use_fips())
        .with_use_dual_stack(config.use_dual_stack());
    let credentials =
        ProfileFileCredentialsProvider::builder().configure(&asking).profile_name(profile).build();
    let credentials = SharedCredentialsProvider::new(credentials);
    config.into_builder().credentials_provider(credentials).build()
}
