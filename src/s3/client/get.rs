//! An object in one request, or a range of it.

use std::future::IntoFuture;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::get_object::builders::GetObjectInputBuilder;
use aws_sdk_s3::primitives::ByteStream;
use zeroize::Zeroizing;

use super::Client;
use super::body::opened_stream;
use super::call::Call;
use crate::byte_range::ByteRange;
use crate::context::EncryptionContext;
use crate::error::{ApiMisuse, Error, PolicyError, S3Failure};
use crate::materials::BoxFuture;
use crate::message::to_u64;
use crate::s3::INSTRUCTION_FILE_SUFFIX;
use crate::s3::format::Format;
use crate::s3::metadata::ContentMetadata;
use crate::s3::open::{Opened, open};

impl Client {
    /// Gets an object and decrypts it.
    ///
    /// Nothing is released before all of it is there and authentic; the bytes wait in memory, up to
    /// [`buffer_limit`](Self::buffer_limit). Larger objects: [`download`](Self::download).
    ///
    /// `body`, `content_length` and `content_range` of the output are of the plaintext; ETag and checksums are of
    /// what is stored.
    ///
    /// # Errors
    /// [`Error::Object`] if it is not encrypted as its format says, [`Error::Policy`] if it may not be read,
    /// [`Error::Keyring`] if its data key cannot be unwrapped, [`Error::Unauthentic`] if it was changed,
    /// [`Error::S3`] if S3 does not give it.
    ///
    /// Spec: s3-encryption/client, "Required API Operations"; s3-encryption/decryption.
    pub fn get_object(&self, input: GetObjectInputBuilder) -> GetObject<'_> {
        GetObject {
            client: self,
            input,
            context: EncryptionContext::default(),
            release: Release::Verified,
            range: RangeRule::Refused,
            suffix: INSTRUCTION_FILE_SUFFIX.to_owned(),
            format: Format::default(),
        }
    }
}

/// A request to get an encrypted object: see [`Client::get_object`].
#[derive(Debug)]
#[must_use = "nothing is sent before `.await`"]
pub struct GetObject<'a> {
    client: &'a Client,
    input: GetObjectInputBuilder,
    context: EncryptionContext,
    release: Release,
    range: RangeRule,
    suffix: String,
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Release {
    Verified,
    Unauthenticated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RangeRule {
    Refused,
    Verified,
    Unauthenticated,
}

impl<'a> GetObject<'a> {
    /// The encryption context that the object was encrypted with.
    pub fn context<N: Into<String>, V: Into<String>>(
        mut self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.context = EncryptionContext::from_iter(pairs);
        self
    }

    /// Gives plaintext away as it comes, before anything is known to be authentic: "delayed authentication".
    ///
    /// If the object was changed, the body ends with an error; whoever used what came before must undo it.
    ///
    /// Spec: s3-encryption/client, "Enable Delayed Authentication".
    pub fn release_unauthenticated(mut self) -> Self {
        self.release = Release::Unauthenticated;
        self
    }

    /// Allows a `range`, and authenticates it: the whole object is downloaded and verified, and the range of it
    /// is given.
    pub fn verified_range(mut self) -> Self {
        self.range = RangeRule::Verified;
        self
    }

    /// Allows a `range` that **nothing authenticates**: whoever can write to the bucket can flip any bit of it.
    /// Only the commitment of the key is checked.
    ///
    /// Spec: s3-encryption/decryption, "Ranged Gets".
    pub fn unauthenticated_range(mut self) -> Self {
        self.range = RangeRule::Unauthenticated;
        self
    }

    /// The suffix of the instruction file, where rewrapping wrote one beside the usual one.
    pub fn instruction_file_suffix(mut self, suffix: impl Into<String>) -> Self {
        self.suffix = suffix.into();
        self
    }

    /// In which format the object is read. Default: [`Format::Object`].
    ///
    /// A `range` of a message is authentic without [`verified_range`](Self::verified_range): the frames that it
    /// touches are got and verified, and the final one, which proves that nothing is missing.
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    async fn run(self) -> Result<GetObjectOutput, Error> {
        let Self { client, input, context, release, range, suffix, format } = self;
        let (bucket, key) = (input.get_bucket().clone(), input.get_key().clone());
        let call = Call::new("GetObject", &bucket, &key)?;
        if input.get_part_number().is_some() {
            let what = "setting `part_number`";
            return Err(ApiMisuse::Setting {
                what,
                why: "a part of an encrypted object cannot be decrypted",
            }
            .into());
        }
        let wanted = input.get_range().as_deref().map(str::parse::<ByteRange>).transpose()?;
        if format == Format::EsdkMessage {
            return match wanted {
                Some(_) if range == RangeRule::Unauthenticated => {
                    let what = "setting `unauthenticated_range`";
                    let why = "ranges of messages are always authenticated: leave it out";
                    Err(ApiMisuse::Setting { what, why }.into())
                }
                Some(wanted) => client.get_message_range(call, input, &context, wanted).await,
                None if release == Release::Unauthenticated => {
                    client.stream_message(call, input, &context).await
                }
                None => client.get_message(call, input, &context).await,
            };
        }
        let input = match (wanted, range) {
            (None, _) => input,
            (Some(_), RangeRule::Verified) => input.set_range(None),
            (Some(wanted), RangeRule::Unauthenticated) => {
                input.range(wanted.of_ciphertext().to_string())
            }
            (Some(_), RangeRule::Refused) => {
                let why = "an encrypted object is authentic only as a whole: choose `verified_range` or \
                           `unauthenticated_range`";
                return Err(ApiMisuse::Setting { what: "setting `range`", why }.into());
            }
        };
        let asked_for_range = input.get_range().is_some();
        let beside = input.clone();
        let output = match input.send_with(&client.sdk).await {
            Ok(output) => output,
            Err(error) => {
                let error = call.sdk_error(error);
                return Err(match wanted {
                    Some(wanted) if is_status(&error, 416) => {
                        client.not_satisfiable(call, &beside, wanted).await?
                    }
                    _ => error,
                });
            }
        };
        if output.content_range.is_some() && !asked_for_range {
            let wrong = "it is a range, but the whole object was asked for".to_owned();
            return Err(call.failed(S3Failure::WrongAnswer(wrong)));
        }
        let stored = output.metadata.as_ref();
        let metadata = client.content_metadata(call, stored, &beside, &suffix).await?;
        let opened = client.opened(&metadata, &context).await?;
        match wanted {
            Some(wanted) if asked_for_range => {
                unauthenticated(client, call, opened, output, wanted).await
            }
            _ if release == Release::Unauthenticated && wanted.is_none() => {
                Ok(streamed(&metadata, opened, output))
            }
            _ => client.verified(call, opened, output, wanted).await,
        }
    }
}

impl<'a> IntoFuture for GetObject<'a> {
    type Output = Result<GetObjectOutput, Error>;
    type IntoFuture = BoxFuture<'a, Result<GetObjectOutput, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl Client {
    pub(super) async fn opened(
        &self,
        metadata: &ContentMetadata,
        context: &EncryptionContext,
    ) -> Result<Opened, Error> {
        open(metadata, &*self.keyring).context(context.iter()).policy(self.policy.clone()).await
    }

    /// All of an object, released when it is authentic.
    async fn verified(
        &self,
        call: Call<'_>,
        opened: Opened,
        mut output: GetObjectOutput,
        wanted: Option<ByteRange>,
    ) -> Result<GetObjectOutput, Error> {
        let limit = self.buffer_limit;
        let stated =
            output.content_length.and_then(|len| u64::try_from(len).ok()).unwrap_or_default();
        if stated > limit {
            return Err(PolicyError::BufferLimit { limit }.into());
        }
        let mut opener = opened.buffered(limit);
        let mut body = std::mem::take(&mut output.body);
        while let Some(chunk) = body.next().await {
            opener.update(&chunk.map_err(|error| call.body_failed(error))?)?;
        }
        let mut plaintext = Zeroizing::new(opener.finish()?);
        let len = to_u64(plaintext.len());
        if let Some(wanted) = wanted {
            let span = wanted.within(len)?;
            output.content_range = Some(span.content_range(len));
            *plaintext = span.slice(std::mem::take(&mut *plaintext));
        }
        output.content_length = i64::try_from(plaintext.len()).ok();
        output.body = ByteStream::from(std::mem::take(&mut *plaintext));
        Ok(output)
    }

    /// What to say about a range that S3 refuses: the lengths it knows are those of the ciphertext.
    async fn not_satisfiable(
        &self,
        call: Call<'_>,
        beside: &GetObjectInputBuilder,
        wanted: ByteRange,
    ) -> Result<Error, Error> {
        let head = super::inputs::head_of_get(beside).send_with(&self.sdk).await;
        let head = head.map_err(|error| call.operation("HeadObject").sdk_error(error))?;
        let stored =
            head.content_length.and_then(|len| u64::try_from(len).ok()).unwrap_or_default();
        let len = stored.saturating_sub(16);
        Ok(ApiMisuse::Range { range: wanted.to_string(), len }.into())
    }
}

/// The plaintext as it comes.
fn streamed(
    metadata: &ContentMetadata,
    opened: Opened,
    mut output: GetObjectOutput,
) -> GetObjectOutput {
    let ciphertext = std::mem::take(&mut output.body);
    let stored = output.content_length.and_then(|len| u64::try_from(len).ok());
    // That of CBC depends on its padding, which comes last.
    output.content_length = match metadata.suite().tag_len() {
        0 => None,
        tag => stored.and_then(|len| i64::try_from(len.saturating_sub(tag)).ok()),
    };
    output.body = opened_stream(opened.release_unauthenticated(), Zeroizing::default(), ciphertext);
    output
}

/// A range, decrypted without being authenticated.
async fn unauthenticated(
    client: &Client,
    call: Call<'_>,
    opened: Opened,
    mut output: GetObjectOutput,
    wanted: ByteRange,
) -> Result<GetObjectOutput, Error> {
    let wrong = |what: &str| call.failed(S3Failure::WrongAnswer(what.to_owned()));
    // A server may answer with everything, but not with another range.
    let (start, stored_len) = match output.content_range.as_deref() {
        Some(text) => {
            let (_, stored_len) = parse_content_range(text)
                .ok_or_else(|| wrong("its `Content-Range` cannot be read"))?;
            let sent = wanted.of_ciphertext().within(stored_len)?;
            if text != sent.content_range(stored_len) {
                return Err(wrong("it is another range than the one that was asked for"));
            }
            (sent.start, stored_len)
        }
        None => {
            (0, output.content_length.and_then(|len| u64::try_from(len).ok()).unwrap_or_default())
        }
    };
    let mut opener = opened.unauthenticated_range(wanted, stored_len)?;
    let span = opener.span();
    if span.len() > client.buffer_limit {
        return Err(PolicyError::BufferLimit { limit: client.buffer_limit }.into());
    }
    let mut body = std::mem::take(&mut output.body);
    let mut plaintext = Zeroizing::new(Vec::new());
    let mut at = start;
    while let Some(chunk) = body.next().await {
        let mut chunk = chunk.map_err(|error| call.body_failed(error))?;
        // What was sent beyond what is wanted: the tag, or all of a server that knows no ranges.
        let skip = span.start.saturating_sub(at).min(to_u64(chunk.len()));
        at = at.saturating_add(to_u64(chunk.len()));
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let mut piece = chunk.split_off(skip.min(chunk.len()));
        let left = span.len().saturating_sub(to_u64(plaintext.len()));
        piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        opener.update(&piece, &mut plaintext)?;
    }
    opener.finish()?;
    output.content_range = Some(span.content_range(stored_len.saturating_sub(16)));
    output.content_length = i64::try_from(plaintext.len()).ok();
    output.body = ByteStream::from(std::mem::take(&mut *plaintext));
    Ok(output)
}

/// First byte and whole length of `bytes 0-15/48`.
pub(super) fn parse_content_range(text: &str) -> Option<(u64, u64)> {
    let (span, len) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = span.split_once('-')?;
    Some((start.parse().ok()?, len.parse().ok()?))
}

pub(super) fn is_status(error: &Error, status: u16) -> bool {
    matches!(error, Error::S3(error) if error.status() == Some(status))
}
