//! An instruction file written anew.

use aws_sdk_s3::operation::put_object::builders::PutObjectInputBuilder;

use super::copy::{access, expires, kept, tags};
use super::stored::{Stored, StoredFile};
use crate::error::Error;
use crate::s3::client::Client;
use crate::s3::client::call::Call;
use crate::s3::client::inputs::{with_checksum, without_customer_key};
use crate::s3::metadata::EncodedMetadata;

/// Where an instruction file is written, and what is there now.
pub(super) struct FileAt<'a> {
    pub(super) key: String,
    /// What it replaces.
    pub(super) replaced: Option<&'a StoredFile>,
    /// What it is stored like.
    pub(super) model: &'a StoredFile,
    /// The key of that.
    pub(super) model_key: String,
}

/// Stores an instruction file, if what it replaces is still what was read, or nothing.
pub(super) async fn put(
    client: &Client,
    call: Call<'_>,
    old: &Stored,
    at: &FileAt<'_>,
    text: &str,
) -> Result<(), Error> {
    let FileAt { key, replaced, model, model_key } = at;
    let call = call.key(key).operation("PutObject");
    let (mark, value) = EncodedMetadata::instruction_file_metadata();
    let input = kept!(&model.output => PutObjectInputBuilder::default());
    let mut input = access!(&old.input => input)
        .key(call.key)
        .set_expires(expires(call, model.output.expires_string())?)
        .set_metadata(model.output.metadata.clone())
        // Not every client wrote it.
        .metadata(mark, value)
        .body(text.as_bytes().to_vec().into());
    if model.output.sse_customer_algorithm.is_none() {
        // The caller's key is that of the object alone.
        input = without_customer_key(input);
    }
    input = with_checksum(input, text);
    if model.output.tag_count.is_some_and(|tags| tags > 0) {
        let tags = tags(client, call.key(model_key), &old.input, model.output.tag_count);
        input = input.set_tagging(tags.await?);
    }
    let input = match replaced {
        Some(file) => input.if_match(file.e_tag(call)?),
        None => input.if_none_match("*"),
    };
    input.send_with(&client.sdk).await.map_err(|error| call.sdk_error(error))?;
    Ok(())
}
