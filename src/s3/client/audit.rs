//! How the objects of a prefix are encrypted, and what they need.

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

use aws_sdk_s3::operation::head_object::builders::HeadObjectInputBuilder;
use aws_sdk_s3::types::Object;
use futures_util::stream::{BoxStream, StreamExt as _};

use super::call::Call;
use super::inputs::get_of_head;
use super::message::longest_plaintext;
use super::rewrap::is_instruction_file;
use super::walk::{DEFAULT_PARALLELISM, walk};
use super::{Client, PlaintextLen};
use crate::error::{Attempt, Error, KeyringError, ObjectError, UnwrapFailure};
use crate::policy::CommitmentPolicy;
use crate::s3::INSTRUCTION_FILE_SUFFIX;
use crate::s3::format::Format;
use crate::s3::keyring::{Fit, S3Keyring, unwrap_data_key};
use crate::s3::metadata::ContentMetadata;
use crate::s3::open::content_key;
use crate::s3::policy::Policy;

impl Client {
    /// Tells of all objects whose keys begin with a prefix how they are encrypted, and what they need to be up to
    /// date. Nothing is written, and no content is read.
    ///
    /// The client's policy does not matter: an audit is about what is there.
    pub fn audit(&self, bucket: impl Into<String>, prefix: impl Into<String>) -> Audit<'_> {
        Audit {
            client: self,
            bucket: bucket.into(),
            prefix: prefix.into(),
            start_after: None,
            parallelism: DEFAULT_PARALLELISM,
            try_keys: false,
        }
    }
}

/// A request to audit the objects of a prefix: see [`Client::audit`].
///
/// ```no_run
/// use waxseal::s3::Client;
///
/// # async fn run(client: Client) -> Result<(), waxseal::Error> {
/// let mut objects = client.audit("bucket", "2026/").try_keys(true).start();
/// while let Some(object) = objects.next().await {
///     let object = object?;
///     for need in object.needs() {
///         println!("{}: {}", object.key(), need.as_str());
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent before `start` and `next`"]
pub struct Audit<'a> {
    client: &'a Client,
    bucket: String,
    prefix: String,
    start_after: Option<String>,
    parallelism: usize,
    try_keys: bool,
}

impl<'a> Audit<'a> {
    /// Whether the client's keyrings try to open each object. Default: no. With AWS KMS, each try is a call.
    pub fn try_keys(mut self, yes: bool) -> Self {
        self.try_keys = yes;
        self
    }

    /// How many objects are asked about at once. Default: 8.
    pub fn parallelism(mut self, objects: usize) -> Self {
        self.parallelism = objects.max(1);
        self
    }

    /// Leaves out keys up to this one.
    pub fn start_after(mut self, key: impl Into<String>) -> Self {
        self.start_after = Some(key.into());
        self
    }

    /// The objects, one at a time; nothing is done ahead of `parallelism`, nor while nobody asks.
    pub fn start(self) -> AuditedObjects<'a> {
        let Self { client, bucket, prefix, start_after, parallelism, try_keys } = self;
        let objects = walk(client.clone(), bucket.clone(), prefix, start_after);
        let auditor = Arc::new(Auditor { client, bucket, try_keys });
        let audited = objects.map(move |object| {
            let auditor = Arc::clone(&auditor);
            async move {
                match object {
                    Ok(object) => auditor.audit(object).await.map(Ok),
                    Err(error) => Some(Err(error)),
                }
            }
        });
        let audited = audited.buffered(parallelism).filter_map(std::future::ready);
        AuditedObjects(audited.boxed())
    }
}

/// The objects of an audit, in order of their keys: see [`Client::audit`].
pub struct AuditedObjects<'a>(BoxStream<'a, Result<ObjectAudit, Error>>);

impl AuditedObjects<'_> {
    /// The next one; `None` after the last.
    ///
    /// # Errors
    /// [`Error::S3`] if the objects cannot be listed; it is the last then. What is wrong with one object is in its
    /// result.
    pub async fn next(&mut self) -> Option<Result<ObjectAudit, Error>> {
        self.0.next().await
    }
}

impl fmt::Debug for AuditedObjects<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditedObjects").finish_non_exhaustive()
    }
}

/// What is known of an object without its content: see [`Client::audit`].
#[derive(Debug)]
pub struct ObjectAudit {
    key: String,
    stored_len: u64,
    found: Result<Found, Error>,
    opened_by: Option<Result<String, NotOpened>>,
}

/// No keyring opened it.
#[derive(Debug)]
struct NotOpened {
    error: Error,
    /// Whether each of them can never do so.
    is_certain: bool,
}

/// How an object is encrypted.
#[derive(Debug)]
enum Found {
    Message,
    NotEncrypted,
    Object(ContentMetadata),
}

impl ObjectAudit {
    /// The key of the object.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Length of what is stored, in bytes.
    pub fn stored_len(&self) -> u64 {
        self.stored_len
    }

    /// In which format it is encrypted; `None` if it is not, or there is an [`error`](Self::error). Of messages a mark
    /// in the metadata tells, which nothing authenticates.
    pub fn format(&self) -> Option<Format> {
        match &self.found {
            Ok(Found::Message) => Some(Format::EsdkMessage),
            Ok(Found::Object(_)) => Some(Format::Object),
            Ok(Found::NotEncrypted) | Err(_) => None,
        }
    }

    /// How it is encrypted: format version, suite, wrapping algorithm, where the wrapped data key is, and what is
    /// stored beside it. `None` if it is not encrypted, if its body says it ([`Format::EsdkMessage`]), or there is an
    /// [`error`](Self::error).
    pub fn content_metadata(&self) -> Option<&ContentMetadata> {
        match &self.found {
            Ok(Found::Object(metadata)) => Some(metadata),
            _ => None,
        }
    }

    /// Length of its plaintext in bytes, if it is encrypted.
    pub fn plaintext_len(&self) -> Option<PlaintextLen> {
        match &self.found {
            Ok(Found::Object(metadata)) => Some(PlaintextLen::of(metadata, self.stored_len)),
            Ok(Found::Message) => Some(PlaintextLen::AtMost(longest_plaintext(self.stored_len))),
            Ok(Found::NotEncrypted) | Err(_) => None,
        }
    }

    /// The description of the keyring that opens it, with [`try_keys`](Audit::try_keys) only. Also `None` where
    /// the data key is wrapped with an algorithm that does not notice a wrong key: only the content would tell.
    ///
    /// # Errors
    /// Why none does: [`Error::Keyring`], with each that tried. One of them may still do, if
    /// [`is_unknown`](Self::is_unknown).
    pub fn opened_by(&self) -> Option<Result<&str, &Error>> {
        let by = self.opened_by.as_ref()?.as_ref();
        Some(by.map(String::as_str).map_err(|not_opened| &not_opened.error))
    }

    /// Whether a service did not answer: Amazon S3 on what the object is, or one behind a keyring, such as AWS KMS, on
    /// whether it opens the object, and no other keyring does. A refusal is no answer either.
    /// [`error`](Self::error) and [`opened_by`](Self::opened_by) tell why.
    pub fn is_unknown(&self) -> bool {
        let no_answer = self.error().is_some_and(|e| !matches!(e.unshared(), Error::Object(_)));
        no_answer || matches!(&self.opened_by, Some(Err(not_opened)) if !not_opened.is_certain)
    }

    /// What is wrong with it: its metadata is not as a format has it, or it could not be asked about.
    pub fn error(&self) -> Option<&Error> {
        self.found.as_ref().err()
    }

    /// What it needs to be up to date; nothing is known to be needed where there is an [`error`](Self::error).
    pub fn needs(&self) -> Vec<Need> {
        match &self.found {
            Ok(Found::Object(metadata)) => Need::of(metadata),
            Ok(Found::NotEncrypted) => vec![Need::Encryption],
            Ok(Found::Message) | Err(_) => Vec::new(),
        }
    }
}

/// What an object needs to be up to date.
///
/// All but [`CurrentWrapping`](Self::CurrentWrapping) take new content: get the object, and put it again.
///
/// ```
/// use waxseal::s3::Need;
///
/// assert_eq!(Need::KeyCommitment.as_str(), "key-commitment");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Need {
    /// Content that is authenticated: it is encrypted with AES-CBC.
    AuthenticatedContent,
    /// A data key that is wrapped with an algorithm that is not legacy: [`Client::rewrap`], if the algorithm
    /// notices a wrong key.
    CurrentWrapping,
    /// Encryption: there is none.
    Encryption,
    /// A suite that commits to its key.
    KeyCommitment,
}

impl Need {
    /// For programs: lower case, with hyphens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthenticatedContent => "authenticated-content",
            Self::CurrentWrapping => "current-wrapping",
            Self::Encryption => "encryption",
            Self::KeyCommitment => "key-commitment",
        }
    }

    fn of(metadata: &ContentMetadata) -> Vec<Self> {
        let suite = metadata.suite();
        let all = [
            (!suite.authenticates(), Self::AuthenticatedContent),
            (!suite.commits(), Self::KeyCommitment),
            (metadata.wrapping_algorithm().is_legacy(), Self::CurrentWrapping),
        ];
        all.into_iter().filter(|(needed, _)| *needed).map(|(_, need)| need).collect()
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What all objects of an audit have in common.
struct Auditor<'a> {
    client: &'a Client,
    bucket: String,
    try_keys: bool,
}

impl Auditor<'_> {
    /// `None` for instruction files, which are part of their objects.
    async fn audit(&self, object: Object) -> Option<ObjectAudit> {
        let listed_len = object.size.and_then(|len| u64::try_from(len).ok()).unwrap_or_default();
        let key = object.key.unwrap_or_default();
        let (found, stored_len) = match self.look(&key).await {
            Ok((found, stored_len)) => (Ok(found?), stored_len.unwrap_or(listed_len)),
            Err(error) => (Err(error), listed_len),
        };
        let opened_by = match &found {
            Ok(Found::Object(metadata))
                if self.try_keys && metadata.wrapping_algorithm().authenticates() =>
            {
                Some(opened_by(&*self.client.keyring, metadata).await)
            }
            _ => None,
        };
        Some(ObjectAudit { key, stored_len, found, opened_by })
    }

    /// `None` for an instruction file; and how long it is.
    async fn look(&self, key: &str) -> Result<(Option<Found>, Option<u64>), Error> {
        let call = Call { operation: "HeadObject", bucket: &self.bucket, key };
        let input = HeadObjectInputBuilder::default().bucket(call.bucket).key(call.key);
        let beside = get_of_head(&input);
        let head = input.send_with(&self.client.sdk).await;
        let head = head.map_err(|error| call.sdk_error(error))?;
        let stored_len = head.content_length.and_then(|len| u64::try_from(len).ok());
        let stored = head.metadata.as_ref();
        if is_instruction_file(key, stored) {
            return Ok((None, stored_len));
        }
        let metadata =
            self.client.content_metadata(call, stored, &beside, INSTRUCTION_FILE_SUFFIX).await;
        let found = match metadata {
            Ok(metadata) => Found::Object(metadata),
            Err(Error::Object(ObjectError::EsdkMessage)) => Found::Message,
            Err(Error::Object(ObjectError::NotEncrypted { .. })) => Found::NotEncrypted,
            Err(error) => return Err(error),
        };
        Ok((Some(found), stored_len))
    }
}

/// The keyring that opens an object, whatever the policy of the client and the context are.
async fn opened_by(
    keyring: &dyn S3Keyring,
    metadata: &ContentMetadata,
) -> Result<String, NotOpened> {
    let all_allowed = Policy::default()
        .commitment(CommitmentPolicy::RequireEncryptAllowDecrypt)
        .legacy_wrapping_algorithms(true)
        .legacy_unauthenticated_modes(true);
    let wrapped = metadata.wrapped_data_key();
    let context = wrapped.callers_context();
    let mut keyrings = Vec::new();
    members(keyring, &mut keyrings);
    keyrings.retain(|keyring| keyring.fit(wrapped) != Fit::No);
    keyrings.sort_by_key(|keyring| Reverse(keyring.fit(wrapped)));

    let (mut attempts, mut is_certain) = (Vec::new(), true);
    for keyring in keyrings {
        let opened = unwrap_data_key(keyring, &all_allowed, metadata, &context).await;
        match opened.and_then(|data_key| content_key(metadata, &data_key)) {
            Ok(_) => return Ok(keyring.describe()),
            Err(Error::Keyring(KeyringError::Object { attempts: failed, .. })) => {
                is_certain &= failed.iter().all(Attempt::is_certain);
                attempts.extend(failed);
            }
            Err(error) => {
                // What opened may be another data key than the one of the object, and what is stored beside it may be
                // what no client writes.
                is_certain &= matches!(error, Error::Unauthentic(_) | Error::Policy(_));
                attempts.push(Attempt::new(keyring.describe(), 0, error.into()));
            }
        }
    }
    if attempts.is_empty() {
        let unable = format!("it cannot unwrap with {}", wrapped.algorithm());
        attempts.push(Attempt::new(keyring.describe(), 0, UnwrapFailure::Unable(unable)));
    }
    let error = KeyringError::Object { attempts, asks_for: wrapped.asks_for() }.into();
    Err(NotOpened { error, is_certain })
}

/// The keyrings that one consists of, or itself.
fn members<'a>(keyring: &'a dyn S3Keyring, all: &mut Vec<&'a dyn S3Keyring>) {
    let parts = keyring.members();
    if parts.is_empty() {
        all.push(keyring);
    }
    for part in parts {
        members(part, all);
    }
}
