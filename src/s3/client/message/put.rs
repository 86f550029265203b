//! Puts a message as an object, and encrypts what is uploaded as one.

use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::operation::put_object::builders::PutObjectInputBuilder;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use tokio::io::AsyncRead;

use super::{Client, MessageSealer, marked};
use crate::api::encrypt;
use crate::context::EncryptionContext;
use crate::error::{ApiMisuse, Error, ObjectError};
use crate::io::tokio::EncryptReader;
use crate::message::{FrameLayout, to_u64};
use crate::s3::client::body::sealed_stream;
use crate::s3::client::call::Call;

impl Client {
    /// Encrypts a body of known length as one message, and puts it.
    pub(in crate::s3::client) async fn put_message(
        &self,
        call: Call<'_>,
        input: PutObjectInputBuilder,
        (body, plaintext_len): (ByteStream, u64),
        context: &EncryptionContext,
    ) -> Result<PutObjectOutput, Error> {
        let metadata = marked(input.get_metadata().clone())?;
        let input = input.set_metadata(Some(metadata));
        if let Some(plaintext) = body.bytes() {
            // In memory already: a message that stays there can be sent again, bit by bit the same.
            let settings = &self.messages;
            let message = encrypt(plaintext, self.message_keys()?)
                .context(context)
                .suite(settings.suite)
                .frame_len(settings.frame_len)?
                .policy(settings.policy.clone())
                .await?;
            return self.put_encrypted(call, input, message.into_bytes()).await;
        }
        let encryptor = self.encryptor(context, Some(plaintext_len)).await?;
        let header = encryptor.header();
        // Whatever was asked for, a materials manager may have chosen another suite.
        if header.suite().signs() {
            let what = "suite of the message";
            let why = "it signs, so that the length of the message is not known before its end: use `upload`, \
                       or a body in memory";
            return Err(ApiMisuse::Setting { what, why }.into());
        }
        let layout = FrameLayout::new(header.len(), self.messages.frame_len)?;
        let len = layout.message_len(plaintext_len)?;
        let body = sealed_stream(MessageSealer::new(encryptor), body, plaintext_len, len);
        self.send(call, input, body, len).await
    }

    /// Puts a message that is whole.
    pub(in crate::s3::client) async fn put_encrypted(
        &self,
        call: Call<'_>,
        input: PutObjectInputBuilder,
        message: Vec<u8>,
    ) -> Result<PutObjectOutput, Error> {
        let len = to_u64(message.len());
        let body = ByteStream::new(SdkBody::from(Bytes::from(message)));
        self.send(call, input, body, len).await
    }

    async fn send(
        &self,
        call: Call<'_>,
        input: PutObjectInputBuilder,
        body: ByteStream,
        len: u64,
    ) -> Result<PutObjectOutput, Error> {
        let limit = u64::try_from(i64::MAX).unwrap_or(u64::MAX);
        let len =
            i64::try_from(len).map_err(|_| Error::from(ObjectError::ContentTooLong { limit }))?;
        let input = input.content_length(len).body(body);
        input.send_with(&self.sdk).await.map_err(|error| call.sdk_error(error))
    }

    /// The message of all that a reader gives, read as it is encrypted.
    pub(in crate::s3::client) async fn message_reader<R: AsyncRead + Unpin>(
        &self,
        reader: R,
        context: &EncryptionContext,
    ) -> Result<EncryptReader<R>, Error> {
        Ok(EncryptReader::new(self.encryptor(context, None).await?, reader))
    }
}
