//! The same keys in the fake and in an emulator.

use std::fmt::Debug;
use std::time::Duration;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{GrantOperation, KeySpec as SdkKeySpec, KeyUsageType};
use waxseal::testing::{FakeKms, KeySpec, NewKey};

pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const ELSEWHERE: &str = "us-east-1";
pub(crate) const ALIAS: &str = "alias/waxseal";

/// What was seen of a call, without what differs from run to run.
pub(crate) type Seen = Result<String, String>;

pub(crate) struct World {
    fake: Option<FakeKms>,
    pub(crate) client: Client,
    pub(crate) elsewhere: Client,
    pub(crate) key: String,
    pub(crate) other: String,
    pub(crate) disabled: String,
    pub(crate) pending: String,
    pub(crate) rotated: String,
    pub(crate) multi_region: String,
    pub(crate) rsa: String,
    pub(crate) ecc: String,
    /// What `disabled`, `pending` and `rotated` encrypted before they became it.
    pub(crate) before: [Blob; 3],
    pub(crate) grant_token: String,
}

impl World {
    pub(crate) async fn fake() -> Self {
        let kms = FakeKms::in_account("000000000000");
        Self::new(kms.client(REGION), kms.client(ELSEWHERE), Some(kms)).await
    }

    pub(crate) async fn server(endpoint: &str) -> Self {
        let client = |region| {
            let limit = Duration::from_secs(10);
            let limits = TimeoutConfig::builder().operation_timeout(limit).build();
            let config = Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new(region))
                .credentials_provider(Credentials::new("none", "none", None, None, "none"))
                .retry_config(RetryConfig::disabled())
                .timeout_config(limits)
                .endpoint_url(endpoint);
            Client::from_conf(config.build())
        };
        Self::new(client(REGION), client(ELSEWHERE), None).await
    }

    async fn new(client: Client, elsewhere: Client, fake: Option<FakeKms>) -> Self {
        let mut world = Self {
            fake,
            client,
            elsewhere,
            key: String::new(),
            other: String::new(),
            disabled: String::new(),
            pending: String::new(),
            rotated: String::new(),
            multi_region: String::new(),
            rsa: String::new(),
            ecc: String::new(),
            before: [(); 3].map(|()| Blob::new([])),
            grant_token: String::new(),
        };
        world.key = world.create(KeySpec::Symmetric, false).await;
        world.other = world.create(KeySpec::Symmetric, false).await;
        world.disabled = world.create(KeySpec::Symmetric, false).await;
        world.pending = world.create(KeySpec::Symmetric, false).await;
        world.rotated = world.create(KeySpec::Symmetric, false).await;
        world.multi_region = world.create(KeySpec::Symmetric, true).await;
        world.rsa = world.create(KeySpec::Rsa2048, false).await;
        world.ecc = world.create(KeySpec::EccP256, false).await;
        for (index, key) in
            [&world.disabled, &world.pending, &world.rotated].into_iter().enumerate()
        {
            let sealed =
                world.client.encrypt().key_id(key).plaintext(Blob::new("before")).send().await;
            world.before[index] =
                sealed.expect("a ciphertext").ciphertext_blob.expect("a ciphertext");
        }
        world.grant_token = world.prepare().await.expect("the keys can be prepared");
        world
    }

    async fn create(&self, spec: KeySpec, multi_region: bool) -> String {
        if let Some(fake) = &self.fake {
            let new = NewKey::new(spec);
            let new = if multi_region { new.multi_region() } else { new };
            return fake.create_key(REGION, new).expect("a key");
        }
        let (sdk_spec, usage) = match spec {
            KeySpec::Symmetric => (SdkKeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt),
            KeySpec::Rsa2048 => (SdkKeySpec::Rsa2048, KeyUsageType::EncryptDecrypt),
            KeySpec::EccP256 => (SdkKeySpec::EccNistP256, KeyUsageType::KeyAgreement),
            _ => panic!("{spec:?} is not compared"),
        };
        let request = self.client.create_key().key_spec(sdk_spec).key_usage(usage);
        let made = request.multi_region(multi_region).send().await.expect("a key");
        made.key_metadata.and_then(|metadata| metadata.arn).expect("an ARN")
    }

    async fn prepare(&self) -> Result<String, String> {
        let Self { client, disabled, pending, key, .. } = self;
        if let Some(fake) = &self.fake {
            let text = |error: waxseal::Error| error.to_string();
            fake.disable(disabled).map_err(text)?;
            fake.schedule_deletion(pending).map_err(text)?;
            fake.create_alias(REGION, ALIAS, key).map_err(text)?;
            return fake.create_grant(key).map_err(text);
        }
        // By id: moto knows no ARNs here.
        client.disable_key().key_id(id(disabled)).send().await.map_err(failed)?;
        client.schedule_key_deletion().key_id(id(pending)).send().await.map_err(failed)?;
        client.create_alias().alias_name(ALIAS).target_key_id(key).send().await.map_err(failed)?;
        let grant = client.create_grant().key_id(key).operations(GrantOperation::Decrypt);
        let grant = grant.grantee_principal("arn:aws:iam::000000000000:user/waxseal").send().await;
        Ok(grant.ok().and_then(|grant| grant.grant_token).unwrap_or_else(|| "none".to_owned()))
    }

    /// Gives a key new material.
    pub(crate) async fn rotate(&self, key: &str) -> Result<(), String> {
        match &self.fake {
            Some(fake) => fake.rotate(key).map_err(|error| error.to_string()),
            None => {
                let request = self.client.rotate_key_on_demand().key_id(key);
                request.send().await.map(drop).map_err(failed)
            }
        }
    }

    /// Makes a replica.
    pub(crate) async fn replicate(&self, key: &str) -> Result<String, String> {
        match &self.fake {
            Some(fake) => fake.replicate(key, ELSEWHERE).map_err(|error| error.to_string()),
            None => {
                let request = self.client.replicate_key().key_id(key).replica_region(ELSEWHERE);
                let made = request.send().await.map_err(failed)?;
                let metadata = made.replica_key_metadata.ok_or("no replica")?;
                metadata.arn.ok_or_else(|| "no ARN".to_owned())
            }
        }
    }

    /// Encrypts with the key of these tests, in the context `a=1`.
    pub(crate) async fn sealed(&self) -> Result<Blob, String> {
        let request = self.client.encrypt().key_id(&self.key).plaintext(Blob::new("plaintext"));
        let made = request.encryption_context("a", "1").send().await.map_err(failed)?;
        made.ciphertext_blob.ok_or_else(|| "no ciphertext".to_owned())
    }
}

/// The error code, or the status of an answer without one.
pub(crate) fn failed<E: Debug>(error: SdkError<E>) -> String
where
    SdkError<E>: ProvideErrorMetadata,
{
    match (error.code(), error.raw_response()) {
        (Some(code), _) => code.to_owned(),
        (None, Some(answer)) => format!("HTTP {}", answer.status().as_u16()),
        (None, None) => format!("no answer: {error:?}"),
    }
}

/// The last part of the ARN of a key.
pub(crate) fn id(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or_default().to_owned()
}

/// How a key is named in an answer.
pub(crate) fn named(found: Option<String>, expected: &str) -> String {
    match found {
        Some(found) if found == expected => "its ARN".to_owned(),
        Some(found) if expected.ends_with(&format!("/{found}")) => "its id".to_owned(),
        Some(_) => "another key".to_owned(),
        None => "no key".to_owned(),
    }
}
