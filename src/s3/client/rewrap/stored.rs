//! What is stored of an object: before it is rewrapped, and after.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::get_object::builders::GetObjectInputBuilder;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::head_object::builders::HeadObjectInputBuilder;

use crate::error::{ApiMisuse, Error, ObjectError, S3Failure};
use crate::s3::INSTRUCTION_FILE_SUFFIX;
use crate::s3::client::call::Call;
use crate::s3::client::inputs::get_of_head;
use crate::s3::client::message::is_marked;
use crate::s3::client::{Client, InstructionFiles};
use crate::s3::metadata::{
    ContentMetadata, EncodedMetadata, Metadata, MetadataLocation, is_encryption_key,
};

/// An object as it is stored, without its content.
pub(super) struct Stored {
    /// Without conditions: for requests about the same object.
    pub(super) input: HeadObjectInputBuilder,
    pub(super) head: HeadObjectOutput,
    pub(super) metadata: ContentMetadata,
    /// The usual instruction file, if the wrapped data key is in there.
    pub(super) file: Option<StoredFile>,
}

/// An instruction file as it is stored.
pub(super) struct StoredFile {
    pub(super) text: Vec<u8>,
    /// What S3 says of it; its body was taken out.
    pub(super) output: GetObjectOutput,
}

impl Stored {
    /// Reads what says how an object is encrypted.
    pub(super) async fn read(
        client: &Client,
        call: Call<'_>,
        input: HeadObjectInputBuilder,
        head: HeadObjectOutput,
    ) -> Result<Self, Error> {
        let beside = get_of_head(&input);
        let input = without_conditions(&input);
        let partial = match Metadata::read(head.metadata.iter().flatten())? {
            Metadata::Complete(metadata) => {
                return Ok(Self { input, head, metadata, file: None });
            }
            Metadata::InInstructionFile(_) if is_marked(head.metadata.as_ref()) => {
                return Err(ObjectError::EsdkMessage.into());
            }
            Metadata::InInstructionFile(partial) => partial,
        };
        if client.instruction_files == InstructionFiles::Never {
            return Err(partial.without_instruction_file(None));
        }
        let key = format!("{}{INSTRUCTION_FILE_SUFFIX}", call.key);
        match StoredFile::read(client, call.key(&key), &beside).await? {
            Some(file) => {
                let metadata = partial.complete(&file.text)?;
                Ok(Self { input, head, metadata, file: Some(file) })
            }
            None => Err(partial.without_instruction_file(Some(&key))),
        }
    }

    /// The metadata that S3 stores with the object.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&String, &String)> {
        self.head.metadata.iter().flatten()
    }

    /// What an instruction file for this object says.
    pub(super) fn with_file(&self, text: &[u8]) -> Result<ContentMetadata, Error> {
        match Metadata::read(self.pairs())? {
            Metadata::InInstructionFile(partial) => partial.complete(text),
            Metadata::Complete(metadata) => Ok(metadata),
        }
    }

    /// The metadata that is to be stored: the user's own as it is, and what says how the object is encrypted.
    pub(super) fn pairs_with(&self, encoded: &EncodedMetadata) -> HashMap<String, String> {
        let kept = self.pairs().filter(|(key, _)| !is_replaced(key));
        let mut pairs: HashMap<_, _> =
            kept.map(|(key, value)| (key.clone(), value.clone())).collect();
        pairs.extend(encoded.object().map(|(key, value)| (key.to_owned(), value.to_owned())));
        pairs
    }

    /// Length of what is stored, in bytes.
    pub(super) fn len(&self) -> u64 {
        self.head.content_length.and_then(|len| u64::try_from(len).ok()).unwrap_or_default()
    }

    /// Its ETag, which conditions of writes need.
    pub(super) fn e_tag(&self, call: Call<'_>) -> Result<&str, Error> {
        e_tag(call, self.head.e_tag())
    }
}

impl StoredFile {
    /// Gets an instruction file, if there is one.
    pub(super) async fn read(
        client: &Client,
        call: Call<'_>,
        beside: &GetObjectInputBuilder,
    ) -> Result<Option<Self>, Error> {
        let found = client.stored_instruction_file(call, beside).await?;
        Ok(found.map(|(text, output)| Self { text, output }))
    }

    pub(super) fn e_tag(&self, call: Call<'_>) -> Result<&str, Error> {
        e_tag(call, self.output.e_tag())
    }
}

/// Asks about an object.
pub(super) async fn head(
    client: &Client,
    call: Call<'_>,
    input: &HeadObjectInputBuilder,
) -> Result<HeadObjectOutput, Error> {
    let call = call.operation("HeadObject");
    input.clone().send_with(&client.sdk).await.map_err(|error| call.sdk_error(error))
}

/// Whether something is an instruction file, and no object that has one.
pub(in crate::s3::client) fn is_instruction_file(
    key: &str,
    metadata: Option<&HashMap<String, String>>,
) -> bool {
    let (mark, _) = EncodedMetadata::instruction_file_metadata();
    let mut keys = metadata.into_iter().flat_map(HashMap::keys);
    // What is encrypted itself is nobody's instruction file, whatever it is called.
    if keys.any(|key| is_replaced(key)) {
        return false;
    }
    let mut keys = metadata.into_iter().flat_map(HashMap::keys);
    key.ends_with(INSTRUCTION_FILE_SUFFIX) || keys.any(|key| key.eq_ignore_ascii_case(mark))
}

/// Compares what is stored in the object's metadata with what was to be stored. Gives the ETag.
pub(super) async fn check_object(
    client: &Client,
    call: Call<'_>,
    before: &Stored,
    meant: &HashMap<String, String>,
) -> Result<Option<String>, Error> {
    let now = match head(client, call, &before.input).await {
        Err(Error::S3(error)) if *error.failure() == S3Failure::NoSuchKey => {
            return Err(not_as_written(described(&before.head), "nothing".to_owned()));
        }
        now => now?,
    };
    let pairs = now.metadata.as_ref();
    let same_pairs = pairs.map_or(meant.is_empty(), |pairs| pairs == meant);
    // How the content is encrypted is in the metadata, so that its IV and commitment are the same, too.
    if same_pairs && now.content_length == before.head.content_length {
        Ok(now.e_tag)
    } else {
        Err(not_as_written(described(&before.head), described(&now)))
    }
}

/// Compares what is stored as instruction file with what was to be stored. Gives the ETag.
pub(super) async fn check_file(
    client: &Client,
    call: Call<'_>,
    before: Option<&StoredFile>,
    beside: &GetObjectInputBuilder,
    meant: &str,
) -> Result<Option<String>, Error> {
    let text = |file: Option<&StoredFile>| match file {
        Some(file) => String::from_utf8_lossy(&file.text).into_owned(),
        None => "nothing".to_owned(),
    };
    match StoredFile::read(client, call, beside).await? {
        Some(file) if file.text == meant.as_bytes() => Ok(file.output.e_tag),
        now => Err(not_as_written(text(before), text(now.as_ref()))),
    }
}

/// Refuses an input that does not ask for the whole of an object as it is.
pub(super) fn refuse_other_answers(input: &HeadObjectInputBuilder) -> Result<(), Error> {
    let unusable = |what, why| Err(ApiMisuse::Setting { what, why }.into());
    if input.get_range().is_some() || input.get_part_number().is_some() {
        return unusable("setting `range` or `part_number`", "an object is rewrapped as a whole");
    }
    let overrides = [
        input.get_response_cache_control().is_some(),
        input.get_response_content_disposition().is_some(),
        input.get_response_content_encoding().is_some(),
        input.get_response_content_language().is_some(),
        input.get_response_content_type().is_some(),
        input.get_response_expires().is_some(),
    ];
    if overrides.contains(&true) {
        let what = "a setting `response_...`";
        return unusable(what, "it would be written in place of what is stored");
    }
    Ok(())
}

/// Refuses to rewrap an old version, where that would make it the current one.
pub(super) fn refuse_version(
    input: &HeadObjectInputBuilder,
    location: MetadataLocation,
) -> Result<(), Error> {
    if location == MetadataLocation::Object && input.get_version_id().is_some() {
        let what = "setting `version_id`";
        let why = "an old version would become the current one: copy it first, and rewrap that";
        return Err(ApiMisuse::Setting { what, why }.into());
    }
    Ok(())
}

/// The same object, whatever its ETag and time are.
fn without_conditions(input: &HeadObjectInputBuilder) -> HeadObjectInputBuilder {
    let input = input.clone().set_if_match(None).set_if_none_match(None);
    input.set_if_modified_since(None).set_if_unmodified_since(None)
}

/// Whether a key of the metadata is written anew. The length of the plaintext stays.
fn is_replaced(key: &str) -> bool {
    let (mark, _) = EncodedMetadata::instruction_file_metadata();
    is_encryption_key(key)
        && !key.eq_ignore_ascii_case(mark)
        && !key.eq_ignore_ascii_case(UNENCRYPTED_LEN)
}

fn e_tag<'a>(call: Call<'_>, e_tag: Option<&'a str>) -> Result<&'a str, Error> {
    let missing = || call.failed(S3Failure::WrongAnswer("it has no ETag".to_owned()));
    e_tag.filter(|e_tag| !e_tag.is_empty()).ok_or_else(missing)
}

fn not_as_written(before: String, now: String) -> Error {
    ObjectError::NotAsWritten { before, now }.into()
}

/// For the error: everything that it takes to put it back. Nothing of it is secret.
fn described(head: &HeadObjectOutput) -> String {
    let pairs: BTreeMap<_, _> = head.metadata.iter().flatten().collect();
    let len = head.content_length.unwrap_or_default();
    // A map of text is always JSON.
    let pairs = serde_json::to_string(&pairs).unwrap_or_default();
    format!("{len} bytes with the metadata {pairs}")
}

/// How long the plaintext is, where a client stated it.
const UNENCRYPTED_LEN: &str = "x-amz-unencrypted-content-length";
