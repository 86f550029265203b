//! Objects of any size, to a writer, in parallel.

use std::fs::File;
use std::future::IntoFuture;
use std::io::{self, Read, Seek, SeekFrom, Write};

use aws_sdk_s3::operation::get_object::builders::GetObjectInputBuilder;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use zeroize::Zeroizing;

use super::Client;
use super::call::Call;
use super::inputs::head_of_get;
use super::message;
use crate::context::EncryptionContext;
use crate::error::{ApiMisuse, Error, ObjectError, S3Failure};
use crate::materials::BoxFuture;
use crate::message::to_u64;
use crate::s3::INSTRUCTION_FILE_SUFFIX;
use crate::s3::content::{ContentKey, StoredOpener, UnauthenticatedOpener};
use crate::s3::format::Format;
use crate::s3::metadata::ContentMetadata;

impl Client {
    /// Downloads an object of any size and writes its plaintext.
    ///
    /// Nothing is written before all of the object is there and authentic: its ciphertext waits in memory up to
    /// [`buffer_limit`](Self::buffer_limit), and in a temporary file without a name beyond it. Ranges of it are
    /// requested at the same time, of the one version that was there at the beginning.
    ///
    /// # Errors
    /// As [`get_object`](Self::get_object); [`Error::Io`] if the writer or the temporary file fails. What was
    /// written before an error of the writer is authentic.
    pub fn download<W>(&self, input: GetObjectInputBuilder, writer: W) -> Download<'_, W>
    where
        W: AsyncWrite + Unpin + Send,
    {
        Download {
            client: self,
            input,
            writer,
            context: EncryptionContext::default(),
            unauthenticated: false,
            suffix: INSTRUCTION_FILE_SUFFIX.to_owned(),
            format: Format::default(),
            part_len: DEFAULT_PART_LEN,
            parallelism: DEFAULT_PARALLELISM,
        }
    }
}

/// A request to download an encrypted object: see [`Client::download`].
#[must_use = "nothing is sent before `.await`"]
pub struct Download<'a, W> {
    client: &'a Client,
    input: GetObjectInputBuilder,
    writer: W,
    context: EncryptionContext,
    unauthenticated: bool,
    suffix: String,
    format: Format,
    part_len: u64,
    parallelism: usize,
}

impl<'a, W: AsyncWrite + Unpin + Send> Download<'a, W> {
    /// The encryption context that the object was encrypted with.
    pub fn context<N: Into<String>, V: Into<String>>(
        mut self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.context = EncryptionContext::from_iter(pairs);
        self
    }

    /// Writes plaintext as it comes, before anything is known to be authentic.
    ///
    /// If the object was changed, the call ends with an error; whoever used what was written must undo it. Right
    /// for a file that nobody sees before the call has returned.
    ///
    /// Of a [message](Format::EsdkMessage) each frame is written when it is authentic, so that what was written is
    /// right if its suite does not sign; but the end may be missing, and then the call ends with an error, too.
    pub fn release_unauthenticated(mut self) -> Self {
        self.unauthenticated = true;
        self
    }

    /// The suffix of the instruction file, where rewrapping wrote one beside the usual one.
    pub fn instruction_file_suffix(mut self, suffix: impl Into<String>) -> Self {
        self.suffix = suffix.into();
        self
    }

    /// In which format the object is read. Default: [`Format::Object`].
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Length of one range in bytes. Default: 8 MiB.
    pub fn part_len(mut self, bytes: u64) -> Self {
        self.part_len = bytes.max(1);
        self
    }

    /// How many ranges may be under way, and in memory, at once. Default: 4.
    pub fn parallelism(mut self, parts: usize) -> Self {
        self.parallelism = parts.max(1);
        self
    }

    async fn run(self) -> Result<Downloaded, Error> {
        let Self {
            client,
            input,
            mut writer,
            context,
            unauthenticated,
            suffix,
            format,
            part_len,
            parallelism,
        } = self;
        let (bucket, key) = (input.get_bucket().clone(), input.get_key().clone());
        let call = Call::new("GetObject", &bucket, &key)?;
        if input.get_range().is_some() || input.get_part_number().is_some() {
            let why = "a download is of the whole object: use `get_object`";
            return Err(ApiMisuse::Setting { what: "setting `range` or `part_number`", why }.into());
        }
        let (output, stored_len, metadata, key) = match format {
            Format::Object => {
                let head = client.head_with(head_of_get(&input), &suffix).await?;
                let (output, stored_len, metadata) = head.into_parts();
                let metadata = metadata.ok_or(ObjectError::EsdkMessage)?;
                let key = client.opened(&metadata, &context).await?.into_key();
                (output, stored_len, Some(metadata), Some(key))
            }
            Format::EsdkMessage => {
                // Without materials nothing needs to be asked for.
                client.message_keys()?;
                let head = head_of_get(&input).send_with(&client.sdk).await;
                let output = head.map_err(|error| call.operation("HeadObject").sdk_error(error))?;
                let len = output.content_length.and_then(|len| u64::try_from(len).ok());
                (output, len.unwrap_or_default(), None, None)
            }
        };
        let Some(e_tag) = output.e_tag.clone() else {
            return Err(call
                .operation("HeadObject")
                .failed(S3Failure::WrongAnswer("it has no ETag".to_owned())));
        };
        // What was asked about: what another writer puts meanwhile is an error, not a mixture. By its ETag, as naming
        // its version would need another permission.
        let version = input
            .set_if_modified_since(None)
            .set_if_unmodified_since(None)
            .set_if_none_match(None)
            .if_match(e_tag);
        let starts = (0..stored_len).step_by(usize::try_from(part_len).unwrap_or(usize::MAX));
        let pieces = starts.map(|start| {
            let end = start.saturating_add(part_len).min(stored_len);
            client.piece(call, version.clone(), start, end, stored_len)
        });
        let mut pieces = stream::iter(pieces).buffered(parallelism);

        let mut sink = Sink { writer: &mut writer, written: 0 };
        match key {
            Some(key) if unauthenticated => release(key, &mut pieces, &mut sink).await?,
            None if unauthenticated => {
                message::release(client, &context, &mut pieces, &mut sink).await?;
            }
            key => {
                let store = Store::new(stored_len, client.buffer_limit)?;
                match key {
                    Some(key) => verify_and_write(key, &mut pieces, store, &mut sink).await?,
                    None => {
                        let pieces = &mut pieces;
                        message::verify_and_write(client, &context, pieces, store, &mut sink)
                            .await?;
                    }
                }
            }
        }
        let written = sink.written;
        writer.flush().await.map_err(|error| Error::io("writing the plaintext", error))?;
        Ok(Downloaded { output, metadata, plaintext_len: written })
    }
}

impl<'a, W: AsyncWrite + Unpin + Send + 'a> IntoFuture for Download<'a, W> {
    type Output = Result<Downloaded, Error>;
    type IntoFuture = BoxFuture<'a, Result<Downloaded, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<W> std::fmt::Debug for Download<'_, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download").field("key", self.input.get_key()).finish_non_exhaustive()
    }
}

impl Client {
    /// One range of what is stored; tried again when the connection breaks in the middle of the body, which the
    /// SDK does not do.
    pub(super) async fn piece(
        &self,
        call: Call<'_>,
        version: GetObjectInputBuilder,
        start: u64,
        end: u64,
        stored_len: u64,
    ) -> Result<Bytes, Error> {
        let mut attempt = 1;
        loop {
            let last = end.saturating_sub(1);
            let input = version.clone().range(format!("bytes={start}-{last}"));
            let mut output =
                input.send_with(&self.sdk).await.map_err(|error| call.sdk_error(error))?;
            // Not every server that calls itself S3 heeds `If-Match`.
            if output.e_tag() != version.get_if_match().as_deref() {
                return Err(call.failed(S3Failure::PreconditionFailed));
            }
            let expected = format!("bytes {start}-{last}/{stored_len}");
            let whole = start == 0 && end == stored_len && output.content_range.is_none();
            if !whole && output.content_range.as_deref() != Some(&expected) {
                let wrong = "it is another range than the one that was asked for".to_owned();
                return Err(call.failed(S3Failure::WrongAnswer(wrong)));
            }
            let len = end.saturating_sub(start);
            // At once, as growing would take twice as much; but what S3 claims reserves no more than that.
            let claimed = usize::try_from(len.min(MAX_RESERVED_LEN)).unwrap_or_default();
            // Not more than was asked for, whatever comes.
            let mut piece = Vec::with_capacity(claimed);
            let broken = loop {
                match output.body.next().await {
                    None => break None,
                    Some(Err(error)) => break Some(call.body_failed(error)),
                    Some(Ok(chunk)) => piece.extend_from_slice(&chunk),
                }
                if to_u64(piece.len()) > len {
                    let wrong = "it is longer than what was asked for".to_owned();
                    return Err(call.failed(S3Failure::WrongAnswer(wrong)));
                }
            };
            match broken {
                None if to_u64(piece.len()) == len => return Ok(piece.into()),
                Some(error) if attempt == MAX_ATTEMPTS => return Err(error),
                None if attempt == MAX_ATTEMPTS => {
                    let wrong = "it ends too early".to_owned();
                    return Err(call.failed(S3Failure::WrongAnswer(wrong)));
                }
                _ => attempt = attempt.saturating_add(1),
            }
        }
    }
}

/// Writes the plaintext of each piece, **before it is authentic**.
async fn release<W: AsyncWrite + Unpin + Send>(
    key: ContentKey,
    mut pieces: impl Stream<Item = Result<Bytes, Error>> + Unpin,
    sink: &mut Sink<'_, W>,
) -> Result<(), Error> {
    let mut opener = UnauthenticatedOpener::new(key);
    // One buffer for all plaintext, zeroed at the end.
    let mut out = Zeroizing::new(Vec::new());
    while let Some(piece) = pieces.next().await {
        for chunk in piece?.chunks(CHUNK_LEN) {
            out.clear();
            opener.update(chunk, &mut out)?;
            sink.write(&out).await?;
        }
    }
    out.clear();
    opener.finish(&mut out)?;
    sink.write(&out).await
}

/// Keeps the ciphertext until all of it is there and authentic, and then writes its plaintext.
async fn verify_and_write<W: AsyncWrite + Unpin + Send>(
    key: ContentKey,
    mut pieces: impl Stream<Item = Result<Bytes, Error>> + Unpin,
    mut store: Store,
    sink: &mut Sink<'_, W>,
) -> Result<(), Error> {
    let mut opener = StoredOpener::new(key);
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        opener.verify(&piece)?;
        store = store.push(piece).await?;
    }
    let mut opener = opener.verified()?;
    let mut out = Zeroizing::new(Vec::new());
    let mut stored = store.rewind().await?;
    loop {
        let piece;
        (stored, piece) = stored.next().await?;
        let Some(piece) = piece else { break };
        for chunk in piece.chunks(CHUNK_LEN) {
            out.clear();
            opener.update(chunk, &mut out)?;
            sink.write(&out).await?;
        }
    }
    out.clear();
    opener.finish(&mut out)?;
    sink.write(&out).await
}

/// What was downloaded: see [`Client::download`].
#[derive(Debug)]
pub struct Downloaded {
    output: HeadObjectOutput,
    metadata: Option<ContentMetadata>,
    plaintext_len: u64,
}

impl Downloaded {
    /// What S3 says about the object.
    pub fn output(&self) -> &HeadObjectOutput {
        &self.output
    }

    /// How the object is encrypted; `None` for [`Format::EsdkMessage`], where the body says it.
    pub fn content_metadata(&self) -> Option<&ContentMetadata> {
        self.metadata.as_ref()
    }

    /// How many bytes of plaintext were written.
    pub fn plaintext_len(&self) -> u64 {
        self.plaintext_len
    }
}

/// Where plaintext goes.
pub(super) struct Sink<'a, W> {
    writer: &'a mut W,
    written: u64,
}

impl<W: AsyncWrite + Unpin + Send> Sink<'_, W> {
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.writer
            .write_all(bytes)
            .await
            .map_err(|error| Error::io("writing the plaintext", error))?;
        self.written = self.written.saturating_add(to_u64(bytes.len()));
        Ok(())
    }
}

/// Ciphertext that waits: in memory, or in a file without a name.
pub(super) enum Store {
    Memory(Vec<Bytes>),
    File(File),
}

impl Store {
    fn new(len: u64, limit: u64) -> Result<Self, Error> {
        if len <= limit {
            return Ok(Self::Memory(Vec::new()));
        }
        tempfile::tempfile().map(Self::File).map_err(failed)
    }

    pub(super) async fn push(self, piece: Bytes) -> Result<Self, Error> {
        match self {
            Self::Memory(mut pieces) => {
                pieces.push(piece);
                Ok(Self::Memory(pieces))
            }
            Self::File(mut file) => {
                blocking(move || file.write_all(&piece).map(|()| Self::File(file))).await
            }
        }
    }

    pub(super) async fn rewind(self) -> Result<Stored, Error> {
        match self {
            Self::Memory(pieces) => Ok(Stored::Memory(pieces.into_iter())),
            Self::File(mut file) => {
                blocking(move || file.seek(SeekFrom::Start(0)).map(|_| Stored::File(file))).await
            }
        }
    }
}

/// Ciphertext that is read back.
pub(super) enum Stored {
    Memory(std::vec::IntoIter<Bytes>),
    File(File),
}

impl Stored {
    pub(super) async fn next(self) -> Result<(Self, Option<Bytes>), Error> {
        match self {
            Self::Memory(mut pieces) => {
                let next = pieces.next();
                Ok((Self::Memory(pieces), next))
            }
            Self::File(mut file) => {
                blocking(move || {
                    let mut chunk = Vec::new();
                    (&mut file).take(READ_BACK_LEN).read_to_end(&mut chunk)?;
                    let chunk = (!chunk.is_empty()).then(|| chunk.into());
                    Ok((Self::File(file), chunk))
                })
                .await
            }
        }
    }
}

/// File input and output where it does not keep the runtime from other work.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(failed),
        Err(stopped) => Err(failed(io::Error::other(stopped))),
    }
}

fn failed(error: io::Error) -> Error {
    Error::io("using a temporary file", error)
}

const DEFAULT_PART_LEN: u64 = 8 << 20;
const DEFAULT_PARALLELISM: usize = 4;
/// How often one range is tried when its body breaks off.
const MAX_ATTEMPTS: u32 = 3;
/// Bytes decrypted, and written, at once.
pub(super) const CHUNK_LEN: usize = 256 << 10;
/// Bytes that are reserved for a range before any of it is there.
const MAX_RESERVED_LEN: u64 = 64 << 20;
/// Bytes read back from a temporary file at once.
const READ_BACK_LEN: u64 = 1 << 20;
