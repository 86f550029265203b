//! Objects copied by the server, as they are: ciphertext and wrapped data key.

use std::collections::HashMap;

use aws_sdk_s3::operation::copy_object::CopyObjectOutput;
use aws_sdk_s3::operation::copy_object::builders::CopyObjectInputBuilder;
use aws_sdk_s3::operation::get_object::builders::GetObjectInputBuilder;
use aws_sdk_s3::operation::head_object::builders::HeadObjectInputBuilder;
use aws_sdk_s3::types::MetadataDirective;
use percent_encoding::percent_decode_str;

use super::call::{Call, named};
use super::inputs::{head_of_copy, head_of_get, instruction_file_of_copy};
use super::lost_answer::stored_after_all;
use super::message::is_marked;
use super::{Client, InstructionFiles};
use crate::error::{ApiMisuse, Error, S3Failure};
use crate::s3::INSTRUCTION_FILE_SUFFIX;
use crate::s3::metadata::{Metadata, check_metadata_len, is_encryption_key};

impl Client {
    /// Copies an object on the server, without decrypting it: the copy opens with the same keys and the same
    /// encryption context.
    ///
    /// Where the input replaces the metadata, what says how the object is encrypted is carried over; an instruction
    /// file is copied, too. To another wrapping key: [`rewrap`](Self::rewrap).
    ///
    /// # Errors
    /// [`Error::S3`] if S3 refuses, [`Error::ApiMisuse`] for a source that cannot be read as `bucket/key`, or that is an old
    /// version whose instruction file has been replaced,
    /// [`Error::Object`] if the source is not encrypted as a format says.
    pub async fn copy_object(
        &self,
        input: CopyObjectInputBuilder,
    ) -> Result<CopyObjectOutput, Error> {
        let (bucket, key) = (input.get_bucket().clone(), input.get_key().clone());
        let call = Call::new("CopyObject", &bucket, &key)?;
        let source = Source::parse(named("copy source", input.get_copy_source())?)?;
        let head = HeadObjectInputBuilder::default()
            .bucket(&source.bucket)
            .key(&source.key)
            .set_version_id(source.version_id.clone())
            .set_request_payer(input.get_request_payer().clone())
            .set_expected_bucket_owner(input.get_expected_source_bucket_owner().clone())
            .set_sse_customer_algorithm(input.get_copy_source_sse_customer_algorithm().clone())
            .set_sse_customer_key(input.get_copy_source_sse_customer_key().clone())
            .set_sse_customer_key_md5(input.get_copy_source_sse_customer_key_md5().clone());
        let from = Call { operation: "HeadObject", bucket: &source.bucket, key: &source.key };
        let beside = super::inputs::get_of_head(&head);
        let head = head.send_with(&self.sdk).await.map_err(|error| from.sdk_error(error))?;
        // What is copied has to be what was looked at, or a copy would get the metadata of another object.
        // S3 would not look at a date beside an ETag.
        let input = match input.get_copy_source_if_unmodified_since() {
            Some(_) => input,
            None => {
                let e_tag = input.get_copy_source_if_match().clone().or(head.e_tag);
                input.set_copy_source_if_match(e_tag)
            }
        };
        let len = head.content_length;
        let stored = head.metadata.unwrap_or_default();

        let file = match Metadata::read(&stored)? {
            Metadata::Complete(_) => None,
            // All of it is in the body.
            Metadata::InInstructionFile(_) if is_marked(Some(&stored)) => None,
            Metadata::InInstructionFile(partial)
                if self.instruction_files == InstructionFiles::Never =>
            {
                return Err(partial.without_instruction_file(None));
            }
            Metadata::InInstructionFile(partial) => {
                let key = format!("{}{INSTRUCTION_FILE_SUFFIX}", source.key);
                let file = self.instruction_file(from.key(&key), &beside).await?;
                // Afterwards: an object is stored before its file, so that a file of another version was not there yet.
                if let Some(version) = &source.version_id {
                    self.check_current(from, &beside, version).await?;
                }
                // What cannot be opened here will not be opened there: better to say so than to spread it.
                match file {
                    None => return Err(partial.without_instruction_file(Some(&key))),
                    Some(text) => {
                        partial.complete(&text)?;
                        // JSON was read from it, so it is text.
                        String::from_utf8(text).ok()
                    }
                }
            }
        };
        let input = if *input.get_metadata_directive() == Some(MetadataDirective::Replace) {
            let own = input.get_metadata().clone().unwrap_or_default();
            input.set_metadata(Some(with_encryption(own, &stored)?))
        } else {
            input
        };
        // After the object, as when it was put: a copy that fails must not change what opens the object there.
        if let Some(text) = file {
            let beside = instruction_file_of_copy(&input);
            let same = source.bucket == call.bucket && source.key == call.key;
            let head = head_of_copy(&input);
            if !same {
                self.check_instruction_file(call, &beside, INSTRUCTION_FILE_SUFFIX).await?;
            }
            let output = match input.send_with(&self.sdk).await {
                Ok(output) => output,
                Err(error) => {
                    let meant = stored.iter().map(|(key, value)| (key.as_str(), value.as_str()));
                    let error = call.sdk_error(error);
                    let there = stored_after_all(self, call, head, meant, len, &error).await;
                    // An earlier copy looks the same, so that this one may have failed; but none stays without its file.
                    if there.is_some() && !same {
                        let new = beside.if_none_match("*");
                        let _ = self
                            .put_instruction_file(call, new, INSTRUCTION_FILE_SUFFIX, text)
                            .await;
                    }
                    return Err(error);
                }
            };
            if !same {
                self.put_instruction_file(call, beside, INSTRUCTION_FILE_SUFFIX, text).await?;
            }
            return Ok(output);
        }
        input.send_with(&self.sdk).await.map_err(|error| call.sdk_error(error))
    }

    /// Refuses a version that is not the current one: the instruction file is that of another.
    async fn check_current(
        &self,
        call: Call<'_>,
        of_version: &GetObjectInputBuilder,
        version: &str,
    ) -> Result<(), Error> {
        let head = head_of_get(of_version).set_version_id(None);
        match head.send_with(&self.sdk).await.map_err(|error| call.sdk_error(error)) {
            // What is stored without versions is called so.
            Ok(head) if head.version_id.as_deref().unwrap_or("null") == version => return Ok(()),
            Ok(_) => {}
            // It was deleted, or is under another key of the caller's.
            Err(Error::S3(error))
                if *error.failure() == S3Failure::NoSuchKey || error.status() == Some(400) => {}
            Err(error) => return Err(error),
        }
        let why = "its wrapped data key is in an instruction file, and the one there is that of the current version";
        Err(ApiMisuse::Setting { what: "version of the copy source", why }.into())
    }
}

/// The user's new metadata, with what says how the object is encrypted.
fn with_encryption(
    mut own: HashMap<String, String>,
    stored: &HashMap<String, String>,
) -> Result<HashMap<String, String>, Error> {
    if own.keys().any(|key| is_encryption_key(key)) {
        let what = "metadata";
        let why = "it has a key of the encryption client, which is carried over from the source";
        return Err(ApiMisuse::Setting { what, why }.into());
    }
    for (key, value) in stored {
        if is_encryption_key(key) {
            own.insert(key.clone(), value.clone());
        }
    }
    check_metadata_len(own.iter().map(|(key, value)| (key.as_str(), value.as_str())))?;
    Ok(own)
}

/// The object that a copy is made of.
pub(super) struct Source {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) version_id: Option<String>,
}

impl Source {
    /// Reads `bucket/key`, `/bucket/key` or either with `?versionId=...`, percent-encoded as S3 wants it.
    fn parse(text: &str) -> Result<Self, Error> {
        let unusable = |why| Error::from(ApiMisuse::Setting { what: "copy source", why });
        let (path, version_id) = match text.split_once("?versionId=") {
            Some((path, id)) => (path, Some(id.to_owned())),
            None => (text, None),
        };
        if path.starts_with("arn:") {
            return Err(unusable(
                "access point ARNs are not read: use `unencrypted()`, or give `bucket/key`",
            ));
        }
        let path =
            percent_decode_str(path).decode_utf8().map_err(|_| unusable("it is not UTF-8"))?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        match path.split_once('/') {
            Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
                Ok(Self { bucket: bucket.to_owned(), key: key.to_owned(), version_id })
            }
            _ => Err(unusable("it is not `bucket/key`")),
        }
    }
}
