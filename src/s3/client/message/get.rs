//! Gets an object that is a message: all of it, verified or as it comes.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::get_object::builders::GetObjectInputBuilder;
use aws_sdk_s3::primitives::ByteStream;
use zeroize::Zeroizing;

use super::Client;
use super::open::MessageOpener;
use crate::api::decrypt;
use crate::context::EncryptionContext;
use crate::error::{Error, PolicyError, S3Failure};
use crate::message::to_u64;
use crate::s3::client::body::opened_stream;
use crate::s3::client::call::Call;

impl Client {
    /// All of a message, released when it is authentic to its end.
    pub(in crate::s3::client) async fn get_message(
        &self,
        call: Call<'_>,
        input: GetObjectInputBuilder,
        context: &EncryptionContext,
    ) -> Result<GetObjectOutput, Error> {
        let keys = self.message_keys()?;
        let mut output = self.whole(call, input).await?;
        let limit = self.buffer_limit;
        let too_long = || Error::from(PolicyError::BufferLimit { limit });
        let stated = output.content_length.and_then(|len| u64::try_from(len).ok());
        if stated.is_some_and(|len| len > limit) {
            return Err(too_long());
        }
        let mut body = std::mem::take(&mut output.body);
        let mut message = Vec::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| call.body_failed(error))?;
            if to_u64(message.len().saturating_add(chunk.len())) > limit {
                return Err(too_long());
            }
            message.extend_from_slice(&chunk);
        }
        let policy = self.messages.policy.clone();
        let opened = decrypt(&message, keys).policy(policy).require(context).await?;
        let plaintext = opened.into_plaintext();
        output.content_length = i64::try_from(plaintext.len()).ok();
        output.body = ByteStream::from(plaintext);
        Ok(output)
    }

    /// A message frame by frame, as it comes: each is authentic, but the body ends with an error if one of those
    /// after it is not, or if the end is missing.
    pub(in crate::s3::client) async fn stream_message(
        &self,
        call: Call<'_>,
        input: GetObjectInputBuilder,
        context: &EncryptionContext,
    ) -> Result<GetObjectOutput, Error> {
        let mut opener =
            MessageOpener::new(self.message_keys()?, context, self.messages.policy.clone());
        let mut output = self.whole(call, input).await?;
        let mut body = std::mem::take(&mut output.body);
        let mut first = Zeroizing::new(Vec::new());
        while !opener.is_unlocked() {
            let Some(chunk) = body.next().await else { break };
            opener.update(&chunk.map_err(|error| call.body_failed(error))?, &mut first).await?;
        }
        // How long it is depends on what comes.
        output.content_length = None;
        output.body = opened_stream(opener.into_body()?, first, body);
        Ok(output)
    }

    async fn whole(
        &self,
        call: Call<'_>,
        input: GetObjectInputBuilder,
    ) -> Result<GetObjectOutput, Error> {
        let input = input.set_range(None);
        let output = input.send_with(&self.sdk).await.map_err(|error| call.sdk_error(error))?;
        if output.content_range.is_some() {
            let wrong = "it is a range, but the whole object was asked for".to_owned();
            return Err(call.failed(S3Failure::WrongAnswer(wrong)));
        }
        Ok(output)
    }
}
