//! KEY texts of AWS KMS.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_kms::Client;
use aws_sdk_kms::config::Builder;
use waxseal::kms::{
    DiscoveryFilter, KmsArn, KmsDiscoveryKeyring, KmsEcdhKeyring, KmsKeyring, KmsRsaKeyring,
    RegionalKmsClients,
};
use waxseal::{Keyring, RsaPadding, RsaPublicKey};

use super::ecdh::{Read, curve_of};
use super::{Loader, Use, pem};
use crate::failure::{Failure, KEY_GIVEN, looks_like_key};
use crate::parameters::{Parameter, Parameters, quoted};
use crate::service;

/// Whether this kind of KEY is one of AWS KMS.
pub(crate) fn is_kind(kind: &str) -> bool {
    kind.split('-').next() == Some("kms")
}

pub(crate) fn load(
    kind: &str,
    parameters: &str,
    loader: &mut Loader<'_>,
) -> Result<Box<dyn Keyring>, Failure> {
    match kind {
        "kms" | "kms-mrk" => Ok(Box::new(strict(parameters, loader, kind == "kms-mrk")?)),
        "kms-discovery" | "kms-mrk-discovery" => {
            discovery(parameters, loader, kind == "kms-mrk-discovery")
        }
        "kms-rsa" => rsa(parameters, loader),
        "kms-ecdh" => ecdh(parameters, loader),
        kind => Err(Failure::usage(
            format!("there is no {}", quoted("kind of key", kind)),
            "the kinds of AWS KMS are kms, kms-mrk, kms-discovery, kms-mrk-discovery, kms-rsa and kms-ecdh",
        )),
    }
}

pub(super) fn strict(
    parameters: &str,
    loader: &Loader<'_>,
    mrk_aware: bool,
) -> Result<KmsKeyring, Failure> {
    let [key, region, profile, endpoint, tokens] = Parameters::read_repeated(
        parameters,
        ["key", "region", "profile", "endpoint", "grant-token"],
        &["grant-token"],
    )?
    .0;
    let key = key.required()?;
    let service = Service::new(region, profile, endpoint);
    let client = service.client(loader, arn_region(&key)?)?;
    let keyring = match mrk_aware {
        true => KmsKeyring::mrk_aware(client, &key)?,
        false => KmsKeyring::new(client, &key)?,
    };
    Ok(keyring.grant_tokens(tokens.all()))
}

fn discovery(
    parameters: &str,
    loader: &Loader<'_>,
    mrk_aware: bool,
) -> Result<Box<dyn Keyring>, Failure> {
    let Discovery { filter, clients, regions, tokens } = Discovery::read(parameters, loader)?;
    let keyring = match mrk_aware {
        true => KmsDiscoveryKeyring::mrk_aware_multi(&clients),
        false => KmsDiscoveryKeyring::multi(&clients),
    };
    let keyring = keyring.regions(regions).grant_tokens(tokens);
    let keyring = match filter {
        Some(filter) => keyring.filter(filter),
        None => keyring,
    };
    Ok(Box::new(keyring.build()?))
}

/// Whose keys may be asked, and where.
pub(super) struct Discovery {
    pub(super) filter: Option<DiscoveryFilter>,
    pub(super) clients: RegionalKmsClients,
    pub(super) regions: Vec<String>,
    pub(super) tokens: Vec<String>,
}

impl Discovery {
    pub(super) fn read(parameters: &str, loader: &Loader<'_>) -> Result<Self, Failure> {
        let [partition, accounts, regions, profile, endpoint, tokens] = Parameters::read_repeated(
            parameters,
            ["partition", "account", "region", "profile", "endpoint", "grant-token"],
            &["account", "region", "grant-token"],
        )?
        .0;
        let (accounts, regions, tokens) = (accounts.all(), regions.all(), tokens.all());
        let filter = match (partition.optional(), accounts.is_empty()) {
            (None, true) => None,
            (Some(partition), false) => Some(DiscoveryFilter::new(partition, accounts)?),
            (Some(_), true) | (None, false) => {
                return Err(Failure::usage(
                    "the key parameters `partition` and `account` need each other",
                    "give both, as in partition=aws,account=111122223333, or none to ask for any key",
                ));
            }
        };
        if loader.to == Use::Encrypt {
            return Err(Failure::usage(
                "a discovery key cannot encrypt: it names no key",
                "name the key with kms:key=ARN",
            ));
        }
        let region = regions.first().cloned();
        let (profile, endpoint) = (profile.optional(), endpoint.optional());
        let service = Service { region, profile, endpoint };
        let client = service.client(loader, None)?;
        let own = client.config().region().map(ToString::to_string);
        let regions = if regions.is_empty() { Vec::from_iter(own) } else { regions };
        Ok(Self { filter, clients: RegionalKmsClients::like(client), regions, tokens })
    }
}

fn rsa(parameters: &str, loader: &mut Loader<'_>) -> Result<Box<dyn Keyring>, Failure> {
    let [key, public, algorithm, region, profile, endpoint, tokens] = Parameters::read_repeated(
        parameters,
        ["key", "public", "algorithm", "region", "profile", "endpoint", "grant-token"],
        &["grant-token"],
    )?
    .0;
    let (key, tokens) = (key.required()?, tokens.all());
    let key_region = arn_region(&key)?;
    // The names that AWS KMS gives them, and those of raw keys.
    let padding = algorithm.choice(
        &[
            ("RSAES_OAEP_SHA_1", RsaPadding::OaepSha1),
            ("RSAES_OAEP_SHA_256", RsaPadding::OaepSha256),
            ("oaep-sha1", RsaPadding::OaepSha1),
            ("oaep-sha256", RsaPadding::OaepSha256),
        ],
        "use RSAES_OAEP_SHA_256 or RSAES_OAEP_SHA_1, the same on both sides",
    )?;
    let public = public.optional_path()?;
    loader.files.extend(public.clone());
    let public = public.map(|path| pem(&path, RsaPublicKey::from_pem)).transpose()?;
    let service = Service::new(region, profile, endpoint);
    let keyring = match (public, loader.to) {
        // Whoever only encrypts needs no AWS, not even credentials.
        (Some(public), Use::Encrypt) => KmsRsaKeyring::public(&key, padding, public)?,
        (_, Use::Decrypt) => {
            KmsRsaKeyring::new(service.client(loader, key_region)?, &key, padding)?
        }
        (None, Use::Encrypt) => {
            let client = service.client(loader, key_region)?;
            let tokens: Vec<_> = tokens.iter().map(String::as_str).collect();
            let public = KmsRsaKeyring::fetch_public_key(&client, &key, &tokens);
            KmsRsaKeyring::public(&key, padding, loader.waiter.wait(public)?)?
        }
    };
    Ok(Box::new(keyring.grant_tokens(tokens)))
}

fn ecdh(parameters: &str, loader: &mut Loader<'_>) -> Result<Box<dyn Keyring>, Failure> {
    const NAMES: [&str; 9] =
        ["schema", "key", "curve", "public", "own", "region", "profile", "endpoint", "grant-token"];
    let [schema, key, curve, public, own, region, profile, endpoint, tokens] =
        Parameters::read_repeated(parameters, NAMES, &["grant-token"])?.0;
    let is_static = schema.choice(&[("static", true), ("discovery", false)], ECDH_NEEDS)?;
    let (key, tokens) = (key.required()?, tokens.all());
    let curve = curve_of(curve)?;
    let mut read = Read { curve, files: &mut loader.files };
    let peer = match (is_static, public.is_given()) {
        (true, true) => Some(read.public(public)?),
        (false, false) => None,
        (true, false) | (false, true) => {
            let what = if is_static { "needs the" } else { "takes no" };
            return Err(Failure::usage(format!("it {what} key parameter `public`"), ECDH_NEEDS));
        }
    };
    if peer.is_none() && loader.to == Use::Encrypt {
        return Err(Failure::usage("schema=discovery only decrypts", ECDH_NEEDS));
    }
    let own = own.is_given().then(|| read.public(own)).transpose()?;
    let client = Service::new(region, profile, endpoint).client(loader, arn_region(&key)?)?;
    let own = match own {
        Some(own) => own,
        None => {
            let tokens: Vec<_> = tokens.iter().map(String::as_str).collect();
            loader.waiter.wait(KmsEcdhKeyring::fetch_public_key(&client, &key, &tokens))?
        }
    };
    if own.curve() != curve {
        let found = own.curve();
        return Err(Failure::usage(
            format!("the key in AWS KMS is on {found}, not on {curve}"),
            "give the curve that all keys are on",
        ));
    }
    let keyring = match peer {
        Some(peer) => {
            KmsEcdhKeyring::kms_private_key_to_static_public_key(client, &key, own, peer)?
        }
        None => KmsEcdhKeyring::kms_public_key_discovery(client, &key, own)?,
    };
    Ok(Box::new(keyring.grant_tokens(tokens)))
}

const ECDH_NEEDS: &str = "schema=static needs `key` (your own in AWS KMS) and `public` (the other \
    party's); schema=discovery, which only decrypts, `key`";

/// The region of a key that is named by its ARN.
fn arn_region(key: &str) -> Result<Option<String>, Failure> {
    if key.is_empty() {
        return Err(Failure::usage("the key parameter `key` is empty", "write key=ARN"));
    }
    if looks_like_key(key) && !key.starts_with("alias/") {
        return Err(Failure::usage("the key parameter `key` looks like a key itself", KEY_GIVEN));
    }
    let arn = key.starts_with("arn:").then(|| key.parse::<KmsArn>()).transpose()?;
    Ok(arn.map(|arn| arn.region().to_owned()))
}

/// Where AWS KMS is, and who asks.
struct Service {
    region: Option<String>,
    profile: Option<String>,
    endpoint: Option<String>,
}

impl Service {
    fn new(region: Parameter, profile: Parameter, endpoint: Parameter) -> Self {
        let [region, profile, endpoint] = [region, profile, endpoint].map(Parameter::optional);
        Self { region, profile, endpoint }
    }

    /// A client from the environment, profile and all, with what the KEY says instead. The region is
    /// that of the KEY, else of the key, else of the environment.
    fn client(&self, loader: &Loader<'_>, key_region: Option<String>) -> Result<Client, Failure> {
        let Self { region, profile, endpoint } = self;
        let config = aws_config::defaults(BehaviorVersion::latest())
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build());
        let region = region.clone().or(key_region);
        let config = service::load(config, region, profile.as_deref(), loader.waiter);
        if config.region().is_none() {
            return Err(Failure::usage(
                "the region of AWS KMS is not known",
                "give region=R in the key, or set AWS_REGION",
            ));
        }
        let mut builder = Builder::from(&config);
        if let Some(endpoint) = endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        Ok(Client::from_conf(builder.build()))
    }
}

/// A server that does not answer should not keep a command forever; the SDK tries three times.
const ATTEMPT: Duration = Duration::from_secs(20);
