//! Downloads an object that is a message to a writer.

use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt as _};
use tokio::io::AsyncWrite;
use zeroize::Zeroizing;

use super::Client;
use super::open::{AskedOnce, MessageOpener};
use crate::context::EncryptionContext;
use crate::error::Error;
use crate::s3::client::download::{CHUNK_LEN, Sink, Store};

/// Writes the plaintext of each frame when that frame is authentic.
pub(in crate::s3::client) async fn release<W: AsyncWrite + Unpin + Send>(
    client: &Client,
    context: &EncryptionContext,
    mut pieces: impl Stream<Item = Result<Bytes, Error>> + Unpin,
    sink: &mut Sink<'_, W>,
) -> Result<(), Error> {
    let policy = client.messages.policy.clone();
    let mut opener = MessageOpener::new(client.message_keys()?, context, policy);
    // One buffer for all plaintext, zeroed at the end.
    let mut plaintext = Zeroizing::new(Vec::new());
    while let Some(piece) = pieces.next().await {
        for chunk in piece?.chunks(CHUNK_LEN) {
            plaintext.clear();
            opener.update(chunk, &mut plaintext).await?;
            sink.write(&plaintext).await?;
        }
    }
    opener.finish()
}

/// Keeps a message until all of it is there and authentic, and then writes its plaintext.
pub(in crate::s3::client) async fn verify_and_write<W: AsyncWrite + Unpin + Send>(
    client: &Client,
    context: &EncryptionContext,
    mut pieces: impl Stream<Item = Result<Bytes, Error>> + Unpin,
    mut store: Store,
    sink: &mut Sink<'_, W>,
) -> Result<(), Error> {
    // It is read twice, but the key service is asked once.
    let keys = AskedOnce::new(client.message_keys()?);
    let mut opener = MessageOpener::new(&keys, context, client.whole_message_policy());
    let mut plaintext = Zeroizing::new(Vec::new());
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        for chunk in piece.chunks(CHUNK_LEN) {
            plaintext.clear();
            opener.update(chunk, &mut plaintext).await?;
        }
        store = store.push(piece).await?;
    }
    opener.finish()?;

    let mut opener = MessageOpener::new(&keys, context, client.whole_message_policy());
    let mut stored = store.rewind().await?;
    loop {
        let piece;
        (stored, piece) = stored.next().await?;
        let Some(piece) = piece else { break };
        for chunk in piece.chunks(CHUNK_LEN) {
            plaintext.clear();
            opener.update(chunk, &mut plaintext).await?;
            sink.write(&plaintext).await?;
        }
    }
    opener.finish()
}
