//! Gets a range of an object that is a message: authentic, from the frames that it touches.

use std::iter;
use std::ops::Range;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::get_object::builders::GetObjectInputBuilder;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use zeroize::Zeroizing;

use super::Client;
use crate::byte_range::{ByteRange, ByteSpan};
use crate::context::EncryptionContext;
use crate::error::{Error, InvalidMessage, Malformed, PolicyError, S3Failure};
use crate::message::to_u64;
use crate::range::RangeOpener;
use crate::s3::client::call::Call;
use crate::s3::client::get::{is_status, parse_content_range};
use crate::unlock::{HeaderReader, Locked};

impl Client {
    /// A range of a message.
    ///
    /// The first request brings the header and tells how long the object is. From that length follows which frames
    /// there are, and the final frame proves it: its number and its length are authentic, so that an object that
    /// was cut is noticed whatever range is asked for. All requests are for the one version that was there first.
    pub(in crate::s3::client) async fn get_message_range(
        &self,
        call: Call<'_>,
        input: GetObjectInputBuilder,
        context: &EncryptionContext,
        wanted: ByteRange,
    ) -> Result<GetObjectOutput, Error> {
        let keys = self.message_keys()?;
        let (mut output, stored) = self.first_bytes(call, input).await?;
        let locked = stored.header().await?;
        if locked.suite().signs() {
            return Err(PolicyError::RangeOfSignedMessage.into());
        }
        let decryptor = locked.unlock(keys).require(context).await?;
        let last = decryptor.into_ranges(stored.len)?;
        let ciphertext = last.ciphertext();
        stored.check_len(&ciphertext)?;
        let opener = last.open(&stored.bytes(ciphertext).await?)?;

        let len = opener.plaintext_len();
        let span = wanted.within(len)?;
        let plaintext = stored.range(&opener, span).await?;
        output.content_range = Some(span.content_range(len));
        output.content_length = i64::try_from(plaintext.len()).ok();
        output.body = ByteStream::from(plaintext);
        Ok(output)
    }

    /// Asks for the beginning of an object.
    async fn first_bytes<'a>(
        &'a self,
        call: Call<'a>,
        input: GetObjectInputBuilder,
    ) -> Result<(GetObjectOutput, Stored<'a>), Error> {
        let wrong = |what: &str| call.failed(S3Failure::WrongAnswer(what.to_owned()));
        let first = input.clone().range(format!("bytes=0-{}", FIRST_LEN.saturating_sub(1)));
        let mut output = match first.send_with(&self.sdk).await {
            Ok(output) => output,
            Err(error) => {
                let error = call.sdk_error(error);
                // There is no byte in it, and so no header.
                return Err(if is_status(&error, 416) {
                    truncated("the header", 0)
                } else {
                    error
                });
            }
        };
        let len = match output.content_range.as_deref().map(parse_content_range) {
            Some(Some((0, len))) => len,
            Some(_) => return Err(wrong("it is another range than the one that was asked for")),
            // A server may answer with everything.
            None => output
                .content_length
                .and_then(|len| u64::try_from(len).ok())
                .ok_or_else(|| wrong("it does not say how long it is"))?,
        };
        let e_tag = output.e_tag.clone().ok_or_else(|| wrong("it has no ETag"))?;
        let version = input
            .set_range(None)
            .set_if_modified_since(None)
            .set_if_unmodified_since(None)
            .set_if_none_match(None)
            .if_match(e_tag);
        let wanted = usize::try_from(len.min(FIRST_LEN)).unwrap_or(usize::MAX);
        let mut body = std::mem::take(&mut output.body);
        let mut head = Vec::new();
        while head.len() < wanted {
            match body.next().await {
                Some(Ok(chunk)) => head.extend_from_slice(&chunk),
                // Whoever reads on asks again for what is missing, and hears if that fails, too.
                None | Some(Err(_)) => break,
            }
        }
        head.truncate(wanted);
        Ok((output, Stored { client: self, call, version, len, head: head.into() }))
    }
}

/// An object that is read piece by piece.
struct Stored<'a> {
    client: &'a Client,
    call: Call<'a>,
    /// Asks for the version that was there at the beginning.
    version: GetObjectInputBuilder,
    /// Length of all that is stored, in bytes.
    len: u64,
    /// Its first bytes.
    head: Bytes,
}

impl Stored<'_> {
    /// Reads the header, with more requests if it is longer than what is there.
    async fn header(&self) -> Result<Locked, Error> {
        let mut reader = HeaderReader::new(self.client.messages.policy.clone());
        reader.push(&self.head)?;
        let mut at = to_u64(self.head.len());
        // As many bytes again as there were: the policy ends it, if the header does not.
        while !reader.is_complete() && at < self.len {
            let end = at.saturating_mul(2).max(FIRST_LEN).min(self.len);
            reader.push(&self.bytes(at..end).await?)?;
            at = end;
        }
        reader.finish()
    }

    /// The plaintext of a range, got with several requests at once if it is long.
    async fn range(&self, opener: &RangeOpener, span: ByteSpan) -> Result<Vec<u8>, Error> {
        let wanted = opener.plan(span.start..span.end)?;
        self.check_len(&wanted.ciphertext())?;
        let len = usize::try_from(wanted.plaintext_len());
        let len = len.map_err(|_| Error::Backend("hold the range in memory"))?;
        let mut plaintext = Zeroizing::new(vec![0; len]);
        let mut rest = wanted.plaintext();
        let pieces = iter::from_fn(|| {
            let piece = (!rest.is_empty()).then(|| opener.first_piece(&rest, PIECE_LEN))?;
            rest.start = piece.plaintext().end;
            Some(async move { Ok::<_, Error>((self.bytes(piece.ciphertext()).await?, piece)) })
        });
        let mut pieces = stream::iter(pieces).buffered(PARALLELISM);
        let mut room = plaintext.as_mut_slice();
        while let Some(piece) = pieces.next().await {
            let (ciphertext, plan) = piece?;
            let len = usize::try_from(plan.plaintext_len()).unwrap_or(usize::MAX);
            let left = std::mem::take(&mut room);
            let (to, after) = left.split_at_mut(len.min(left.len()));
            room = after;
            opener.open(&plan, &ciphertext, to)?;
        }
        Ok(std::mem::take(&mut *plaintext))
    }

    fn check_len(&self, range: &Range<u64>) -> Result<(), Error> {
        let limit = self.client.buffer_limit;
        if range.end.saturating_sub(range.start) > limit {
            return Err(PolicyError::BufferLimit { limit }.into());
        }
        Ok(())
    }

    /// These bytes, from what is there already or with a request.
    async fn bytes(&self, range: Range<u64>) -> Result<Bytes, Error> {
        let Range { start, end } = range;
        let here = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        if let Some(bytes) = here.and_then(|(start, end)| self.head.get(start..end)) {
            return Ok(self.head.slice_ref(bytes));
        }
        if start == end {
            return Ok(Bytes::new());
        }
        self.client.piece(self.call, self.version.clone(), start, end, self.len).await
    }
}

fn truncated(field: &'static str, offset: u64) -> Error {
    InvalidMessage::new(Malformed::Truncated { field }, offset).into()
}

/// What the first request asks for: most headers, and all of short objects.
const FIRST_LEN: u64 = 16 << 10;
/// Bytes of whole frames that one request asks for, unless one frame is longer.
const PIECE_LEN: u64 = 8 << 20;
/// How many requests are under way at once.
const PARALLELISM: usize = 4;
