//! All objects of a prefix, rewrapped several at once.

use std::fmt;
use std::sync::Arc;

use aws_sdk_s3::operation::head_object::builders::HeadObjectInputBuilder;
use aws_sdk_s3::types::Object;
use futures_util::stream::{BoxStream, StreamExt as _};

use super::settings::{Settings, setters};
use super::{OneObject, Rewrapped, is_instruction_file, stored};
use crate::context::EncryptionContext;
use crate::error::{Error, ObjectError};
use crate::s3::client::Client;
use crate::s3::client::call::Call;
use crate::s3::client::walk::{DEFAULT_PARALLELISM, walk};
use crate::s3::keyring::S3Keyring;

impl Client {
    /// Rewraps all objects whose keys begin with a prefix, as [`rewrap`](Self::rewrap) does one.
    ///
    /// What fails for one object does not stop the others. Objects that are not encrypted are
    /// [`ObjectError::NotEncrypted`], and stay as they are; instruction files go with their objects. Whenever it is
    /// stopped, each object has either its old wrapping or its new one, and doing it again does the rest. Only a
    /// copy in parts that was under way may leave an upload behind.
    pub fn rewrap_all<'a>(
        &'a self,
        bucket: impl Into<String>,
        prefix: impl Into<String>,
        to: impl S3Keyring + 'a,
    ) -> RewrapAll<'a> {
        RewrapAll {
            client: self,
            bucket: bucket.into(),
            prefix: prefix.into(),
            to: Box::new(to),
            start_after: None,
            parallelism: DEFAULT_PARALLELISM,
            settings: Settings::default(),
        }
    }
}

/// A request to rewrap all objects of a prefix: see [`Client::rewrap_all`].
///
/// ```no_run
/// use waxseal::s3::{Client, S3Keyring};
///
/// # async fn run(client: Client, new_keyring: impl S3Keyring) -> Result<(), waxseal::Error> {
/// let mut results = client.rewrap_all("bucket", "2026/", new_keyring).parallelism(16).start();
/// while let Some(result) = results.next().await {
///     let result = result?;
///     match result.rewrapped() {
///         Ok(rewrapped) => println!("{}: {}", result.key(), rewrapped.outcome().as_str()),
///         Err(error) => eprintln!("{}: {error}", result.key()),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent before `start` and `next`"]
pub struct RewrapAll<'a> {
    client: &'a Client,
    bucket: String,
    prefix: String,
    to: Box<dyn S3Keyring + 'a>,
    start_after: Option<String>,
    parallelism: usize,
    settings: Settings,
}

impl<'a> RewrapAll<'a> {
    setters!();

    /// How many objects are worked on at once. Default: 8.
    pub fn parallelism(mut self, objects: usize) -> Self {
        self.parallelism = objects.max(1);
        self
    }

    /// Leaves out keys up to this one: the last that was reported, to go on where it stopped.
    pub fn start_after(mut self, key: impl Into<String>) -> Self {
        self.start_after = Some(key.into());
        self
    }

    /// The results, one at a time; nothing is done ahead of `parallelism`, nor while nobody asks.
    pub fn start(self) -> RewrapResults<'a> {
        let Self { client, bucket, prefix, to, start_after, parallelism, settings } = self;
        let objects = walk(client.clone(), bucket.clone(), prefix, start_after);
        let all = Arc::new(All { client, bucket, to, settings });
        let results = objects.map(move |object| {
            let all = Arc::clone(&all);
            async move {
                match object {
                    Ok(object) => all.rewrap(object).await.map(Ok),
                    Err(error) => Some(Err(error)),
                }
            }
        });
        // In order, so that the last key that was reported is the one to go on after.
        let results = results.buffered(parallelism).filter_map(std::future::ready);
        RewrapResults(results.boxed())
    }
}

/// The results of rewrapping, in order of their keys: see [`Client::rewrap_all`].
pub struct RewrapResults<'a>(BoxStream<'a, Result<RewrapResult, Error>>);

impl RewrapResults<'_> {
    /// The next one; `None` after the last.
    ///
    /// # Errors
    /// [`Error::S3`] if the objects cannot be listed; it is the last then. What fails for one object is in its
    /// result.
    pub async fn next(&mut self) -> Option<Result<RewrapResult, Error>> {
        self.0.next().await
    }
}

impl fmt::Debug for RewrapResults<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RewrapResults").finish_non_exhaustive()
    }
}

/// What came of one object of many: see [`Client::rewrap_all`].
#[derive(Debug)]
pub struct RewrapResult {
    key: String,
    rewrapped: Result<Rewrapped, Error>,
}

impl RewrapResult {
    /// The key of the object.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What came of it.
    ///
    /// # Errors
    /// As [`Client::rewrap`].
    pub fn rewrapped(&self) -> Result<&Rewrapped, &Error> {
        self.rewrapped.as_ref()
    }

    /// Whether there is nothing to rewrap, as the object is not encrypted.
    pub fn is_unencrypted(&self) -> bool {
        matches!(self.rewrapped, Err(Error::Object(ObjectError::NotEncrypted { .. })))
    }

    /// The result by itself.
    ///
    /// # Errors
    /// As [`Client::rewrap`].
    pub fn into_rewrapped(self) -> Result<Rewrapped, Error> {
        self.rewrapped
    }
}

/// What all objects have in common.
struct All<'a> {
    client: &'a Client,
    bucket: String,
    to: Box<dyn S3Keyring + 'a>,
    settings: Settings,
}

impl All<'_> {
    /// `None` for what is passed over.
    async fn rewrap(&self, object: Object) -> Option<RewrapResult> {
        let key = object.key.unwrap_or_default();
        let rewrapped = self.rewrap_key(&key).await.transpose()?;
        Some(RewrapResult { key, rewrapped })
    }

    async fn rewrap_key(&self, key: &str) -> Result<Option<Rewrapped>, Error> {
        let Self { client, bucket, to, settings } = self;
        settings.check()?;
        let call = Call { operation: "HeadObject", bucket, key };
        let input = HeadObjectInputBuilder::default().bucket(bucket).key(key);
        let head = stored::head(client, call, &input).await?;
        if is_instruction_file(key, head.metadata.as_ref()) {
            return Ok(None);
        }
        OneObject { client, call, to: &**to, settings }.rewrap(input, head).await.map(Some)
    }
}
