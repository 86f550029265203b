//! The data keys of objects, wrapped anew: the content stays as it is.

mod all;
mod copy;
mod copy_parts;
mod data_key;
mod instruction_file;
mod outcome;
mod settings;
mod stored;

use std::collections::HashMap;
use std::future::IntoFuture;

pub use all::{RewrapAll, RewrapResult, RewrapResults};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::head_object::builders::HeadObjectInputBuilder;
pub use outcome::{Outcome, Rewrapped, Wrapping};
pub(super) use stored::is_instruction_file;

use self::copy::{check_kept, copy_whole};
use self::copy_parts::copy_in_parts;
use self::data_key::{Keyrings, OpenedBy};
use self::instruction_file::FileAt;
use self::settings::{MAX_COPY_LEN, Settings, setters};
use self::stored::{Stored, StoredFile};
use super::Client;
use super::call::Call;
use super::inputs::get_of_head;
use crate::context::EncryptionContext;
use crate::error::{ApiMisuse, Error, KeyringError, ObjectError};
use crate::materials::BoxFuture;
use crate::s3::INSTRUCTION_FILE_SUFFIX;
use crate::s3::keyring::S3Keyring;
use crate::s3::metadata::{ContentMetadata, EncodedMetadata, Metadata, check_metadata_len};
use crate::secret::DataKey;

impl Client {
    /// Wraps the data key of an object with another keyring. The content is not touched, and not transferred.
    ///
    /// The client's keyring opens the data key, and `to` wraps it. Before anything is written, the commitment is
    /// checked, and what was wrapped is unwrapped again and compared. Afterwards what is stored is read back.
    /// An object that `to` opens already stays as it is, so that it does no harm to do it again; so `to` is one keyring that
    /// wraps, and not several. From one key of AWS KMS to another that makes four calls of it for each object, the first
    /// of which fails.
    ///
    /// Where the wrapped data key is in the object's metadata, S3 copies the object onto itself, and only if its
    /// ETag is still the same. Headers, tags, encryption by S3 and object locks are kept, as far as the
    /// credentials may see them; **access control lists and encryption contexts of SSE-KMS are not**, nor is
    /// metadata that somebody else changes in the meantime. In a bucket with versions there is a new one.
    /// S3 refuses a retention date that is over, and so an object whose retention has ended: it stays as it is.
    ///
    /// Old versions, copies and backups still open with the old key, and who had the data key has it still:
    /// against that only encrypting anew helps. That is also what objects need whose content is encrypted with
    /// AES-CBC, or whose data key is wrapped with AES in ECB mode or RSA with PKCS #1 v1.5: they are refused,
    /// as a wrong key would not be noticed.
    ///
    /// # Errors
    /// [`Error::Policy`] for what the client may not read; [`Error::Keyring`] if a keyring fails;
    /// [`ObjectError::NotRewrappable`]; [`ObjectError::MetadataTooLong`]; [`Error::S3`] if S3 refuses, with
    /// [`S3Failure::PreconditionFailed`](crate::s3::S3Failure::PreconditionFailed) if the object is another one
    /// by now. Until then nothing is changed. [`ObjectError::NotAsWritten`] if something else is stored in the
    /// end.
    ///
    /// Spec: s3-encryption/client, "Optional API Operations".
    pub fn rewrap<'a>(
        &'a self,
        input: HeadObjectInputBuilder,
        to: impl S3Keyring + 'a,
    ) -> Rewrap<'a> {
        Rewrap { client: self, input, to: Box::new(to), settings: Settings::default() }
    }
}

/// A request to wrap the data key of an object anew: see [`Client::rewrap`].
///
/// ```no_run
/// use aws_sdk_s3::operation::head_object::HeadObjectInput;
/// use waxseal::s3::{Client, S3Keyring};
///
/// # async fn run(client: Client, new_keyring: impl S3Keyring) -> Result<(), waxseal::Error> {
/// let input = HeadObjectInput::builder().bucket("b").key("k");
/// let rewrapped = client.rewrap(input, new_keyring).context([("tenant", "42")]).enforce_rotation().await?;
/// assert!(rewrapped.is_verified());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent before `.await`"]
pub struct Rewrap<'a> {
    client: &'a Client,
    input: HeadObjectInputBuilder,
    to: Box<dyn S3Keyring + 'a>,
    settings: Settings,
}

impl<'a> Rewrap<'a> {
    setters!();

    async fn run(self) -> Result<Rewrapped, Error> {
        let Self { client, input, to, settings } = self;
        let (bucket, key) = (input.get_bucket().clone(), input.get_key().clone());
        let call = Call::new("HeadObject", &bucket, &key)?;
        settings.check()?;
        stored::refuse_other_answers(&input)?;
        let head = stored::head(client, call, &input).await?;
        if is_instruction_file(call.key, head.metadata.as_ref()) {
            let why = "it is an instruction file: rewrap the object that it belongs to";
            return Err(ObjectError::NotRewrappable { why }.into());
        }
        OneObject { client, call, to: &*to, settings: &settings }.rewrap(input, head).await
    }
}

impl<'a> IntoFuture for Rewrap<'a> {
    type Output = Result<Rewrapped, Error>;
    type IntoFuture = BoxFuture<'a, Result<Rewrapped, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// One object, and what is to be done with it.
struct OneObject<'a> {
    client: &'a Client,
    call: Call<'a>,
    to: &'a dyn S3Keyring,
    settings: &'a Settings,
}

/// What is written.
enum Write<'a> {
    Object(HashMap<String, String>),
    File(FileAt<'a>, String),
}

impl OneObject<'_> {
    async fn rewrap(
        &self,
        input: HeadObjectInputBuilder,
        head: HeadObjectOutput,
    ) -> Result<Rewrapped, Error> {
        let Self { client, call, to, settings } = *self;
        let version = input.clone();
        let old = Stored::read(client, call, input, head).await?;
        stored::refuse_version(&version, old.metadata.location())?;
        let keyrings =
            Keyrings { old: &*client.keyring, new: to, policy: &client.policy, settings };
        keyrings.check(&old.metadata)?;

        let beside = self.file_beside(&old).await?;
        let data_key = match &beside {
            Some((_, found)) => {
                let data_key = keyrings.open_old(&old.metadata).await?;
                if let Some((_, metadata)) = found
                    && same_content(metadata, &old.metadata)
                    && keyrings.opens_new(metadata, &data_key).await
                {
                    keyrings.enforce_rotation(metadata).await?;
                    return Ok(self.already_done(metadata, true));
                }
                data_key
            }
            None => match keyrings.open(&old.metadata).await? {
                OpenedBy::Old(data_key) => data_key,
                OpenedBy::New { verified } => {
                    keyrings.enforce_rotation(&old.metadata).await?;
                    return Ok(self.already_done(&old.metadata, verified));
                }
            },
        };

        let (new, write) = self.write_for(&old, beside.as_ref(), &keyrings, &data_key).await?;
        let verified = keyrings.verify(&new, &data_key).await?;
        keyrings.enforce_rotation(&new).await?;
        drop(data_key);

        let mut rewrapped = Rewrapped {
            outcome: Outcome::WouldRewrap,
            from: wrapping(&old.metadata, &*client.keyring),
            to: wrapping(&new, to),
            location: new.location(),
            verified,
            e_tag: None,
        };
        if settings.dry_run {
            return Ok(rewrapped);
        }
        rewrapped.e_tag = self.written(&old, &write).await?;
        rewrapped.outcome = Outcome::Rewrapped;
        Ok(rewrapped)
    }

    /// Where another instruction file goes, and what it has now.
    async fn file_beside(
        &self,
        old: &Stored,
    ) -> Result<Option<(String, Option<(StoredFile, ContentMetadata)>)>, Error> {
        let Some(suffix) = self.settings.suffix.as_deref() else { return Ok(None) };
        if old.file.is_none() {
            let what = "instruction file suffix";
            let why = "the object has no instruction file: its wrapped data key is in its metadata";
            return Err(ApiMisuse::Setting { what, why }.into());
        }
        if self.settings.suffix_beside().is_none() {
            return Ok(None);
        }
        let key = format!("{}{suffix}", self.call.key);
        let beside = get_of_head(&old.input);
        let found = match StoredFile::read(self.client, self.call.key(&key), &beside).await? {
            // What is no instruction file of this format is somebody's object, which must not be replaced.
            Some(file) => {
                let metadata = old.with_file(&file.text)?;
                Some((file, metadata))
            }
            None => None,
        };
        Ok(Some((key, found)))
    }

    /// Wraps the data key, and finds out what is to be written for that.
    async fn write_for<'b>(
        &self,
        old: &'b Stored,
        beside: Option<&'b (String, Option<(StoredFile, ContentMetadata)>)>,
        keyrings: &Keyrings<'_>,
        data_key: &DataKey,
    ) -> Result<(ContentMetadata, Write<'b>), Error> {
        let wrapped = keyrings.wrap(&old.metadata, data_key).await?;
        let location = old.metadata.location();
        let new = old.metadata.clone().rewrapped(wrapped).located(location);
        let encoded = new.encode();
        let usual = || format!("{}{INSTRUCTION_FILE_SUFFIX}", self.call.key);
        let (write, read) = match (&old.file, encoded.instruction_file()) {
            (Some(model), Some(text)) => {
                let (key, replaced) = match beside {
                    Some((key, found)) => (key.clone(), found.as_ref().map(|(file, _)| file)),
                    None => (usual(), Some(model)),
                };
                let at = FileAt { key, replaced, model, model_key: usual() };
                (Write::File(at, text.to_owned()), old.with_file(text.as_bytes()).ok())
            }
            _ => {
                check_kept(self.call, old)?;
                let pairs = self.object_pairs(old, &encoded)?;
                let read = match Metadata::read(&pairs) {
                    Ok(Metadata::Complete(metadata)) => Some(metadata),
                    _ => None,
                };
                (Write::Object(pairs), read)
            }
        };
        // What nobody could read again must not take the place of what can be read.
        match read {
            Some(read) if same_wrapping(&read, &new) && same_content(&read, &new) => {
                Ok((read, write))
            }
            _ => {
                let why = "what it has stored beside the data key cannot be read again";
                Err(KeyringError::wrap(self.to.describe(), why).into())
            }
        }
    }

    fn object_pairs(
        &self,
        old: &Stored,
        encoded: &EncodedMetadata,
    ) -> Result<HashMap<String, String>, Error> {
        let pairs = old.pairs_with(encoded);
        check_metadata_len(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())))?;
        Ok(pairs)
    }

    /// Writes, and reads back. Gives the ETag of what is stored.
    async fn written(&self, old: &Stored, write: &Write<'_>) -> Result<Option<String>, Error> {
        let Self { client, call, to: _, settings } = *self;
        let limit = settings.multipart_copy_above.min(MAX_COPY_LEN);
        let (done, found) = match write {
            Write::Object(pairs) => {
                let done = if old.len() > limit {
                    copy_in_parts(client, call, old, pairs.clone(), limit).await
                } else {
                    copy_whole(client, call, old, pairs.clone()).await
                };
                (done, stored::check_object(client, call, old, pairs).await)
            }
            Write::File(at, text) => {
                let done = instruction_file::put(client, call, old, at, text).await;
                let (call, beside) = (call.key(&at.key), get_of_head(&old.input));
                (done, stored::check_file(client, call, at.replaced, &beside, text).await)
            }
        };
        match (done, found) {
            // Also if the answer was lost: no other request writes the same wrapped data key.
            (_, Ok(e_tag)) => Ok(e_tag),
            (Err(error), Err(_)) | (Ok(()), Err(error)) => Err(error),
        }
    }

    fn already_done(&self, metadata: &ContentMetadata, verified: bool) -> Rewrapped {
        let wrapping = wrapping(metadata, self.to);
        Rewrapped {
            outcome: Outcome::AlreadyDone,
            from: wrapping.clone(),
            to: wrapping,
            location: metadata.location(),
            verified,
            e_tag: None,
        }
    }
}

fn wrapping(metadata: &ContentMetadata, keyring: &dyn S3Keyring) -> Wrapping {
    Wrapping { algorithm: metadata.wrapping_algorithm(), keyring: keyring.describe() }
}

/// Whether two say the same about how the content is encrypted.
fn same_content(one: &ContentMetadata, other: &ContentMetadata) -> bool {
    one.suite() == other.suite()
        && one.iv() == other.iv()
        && one.commitment() == other.commitment()
        && one.location() == other.location()
}

/// Whether two say the same about how the data key is wrapped.
fn same_wrapping(one: &ContentMetadata, other: &ContentMetadata) -> bool {
    one.wrapped_data_key() == other.wrapped_data_key()
}
