//! Decrypts the bytes of an object as they come, from the header on.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Client;
use super::seal::{MIN_ROOM, append};
use crate::context::EncryptionContext;
use crate::decrypt::Decryptor;
use crate::error::{ApiMisuse, Error};
use crate::materials::{
    BoxFuture, DecryptionMaterials, DecryptionRequest, EncryptionMaterials, EncryptionRequest,
    MaterialsManager,
};
use crate::policy::{Policy, SignedStreaming};
use crate::s3::client::body::Open;
use crate::unlock::HeaderReader;

/// Decrypts a message from its first byte on; what comes out is authentic frames.
pub(super) struct MessageOpener<'a> {
    keys: &'a dyn MaterialsManager,
    context: &'a EncryptionContext,
    state: State,
}

enum State {
    Header(Box<HeaderReader>),
    Body(Box<BodyOpener>),
    Failed,
}

impl<'a> MessageOpener<'a> {
    pub(super) fn new(
        keys: &'a dyn MaterialsManager,
        context: &'a EncryptionContext,
        policy: Policy,
    ) -> Self {
        Self { keys, context, state: State::Header(Box::new(HeaderReader::new(policy))) }
    }

    /// Takes the next piece of the message, of any size, and appends the plaintext of the frames that are whole.
    /// Gets the data key when the header is. After an error no call succeeds, and what was appended is not to be used.
    pub(super) async fn update(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Header(mut reader) => {
                let taken = reader.push(piece)?;
                if !reader.is_complete() {
                    self.state = State::Header(reader);
                    return Ok(());
                }
                let locked = reader.finish()?;
                let decryptor = locked.unlock(self.keys).require(self.context).await?;
                let mut body = Box::new(BodyOpener(decryptor));
                body.update(piece.get(taken..).unwrap_or_default(), out)?;
                self.state = State::Body(body);
            }
            State::Body(mut body) => {
                body.update(piece, out)?;
                self.state = State::Body(body);
            }
            State::Failed => return Err(ApiMisuse::Poisoned.into()),
        }
        Ok(())
    }

    /// Whether the header was read and unlocked.
    pub(super) fn is_unlocked(&self) -> bool {
        matches!(self.state, State::Body(_))
    }

    /// Tells whether the message was whole, and signed as its suite says.
    pub(super) fn finish(self) -> Result<(), Error> {
        self.into_body()?.0.finish().map(drop)
    }

    /// What opens the rest, behind the header.
    ///
    /// # Errors
    /// That the message ends in its header.
    pub(super) fn into_body(self) -> Result<BodyOpener, Error> {
        match self.state {
            State::Body(body) => Ok(*body),
            State::Header(reader) => match reader.finish() {
                Err(error) => Err(error),
                Ok(_) => Err(ApiMisuse::Poisoned.into()),
            },
            State::Failed => Err(ApiMisuse::Poisoned.into()),
        }
    }
}

/// Decrypts what follows the header of a message. What comes out is whole frames, each of them authentic; that none is
/// missing at the end is known only when it is finished.
pub(super) struct BodyOpener(Decryptor);

impl Open for BodyOpener {
    fn update(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut rest = piece;
        loop {
            let room = rest.len().max(MIN_ROOM);
            let (read, written) = append(out, room, |room| {
                let progress = self.0.update(rest, room)?;
                Ok((progress.read, progress.written))
            })?;
            rest = rest.get(read..).unwrap_or_default();
            // A failure behind authentic frames is told by the call after them.
            match written {
                0 if rest.is_empty() => return Ok(()),
                0 if read == 0 => return Err(ApiMisuse::Poisoned.into()),
                _ => {}
            }
        }
    }

    fn finish(self, _: &mut Vec<u8>) -> Result<(), Error> {
        self.0.finish().map(drop)
    }
}

impl Client {
    /// The policy where nothing is released before the end was verified: that is no stream.
    pub(super) fn whole_message_policy(&self) -> Policy {
        self.messages.policy.clone().signed_streaming(SignedStreaming::Allow)
    }
}

/// Asks for a data key once, and gives the same answer to the one who reads the same message again.
#[derive(Debug)]
pub(super) struct AskedOnce<'a> {
    keys: &'a dyn MaterialsManager,
    answer: Mutex<Option<DecryptionMaterials>>,
}

impl<'a> AskedOnce<'a> {
    pub(super) fn new(keys: &'a dyn MaterialsManager) -> Self {
        Self { keys, answer: Mutex::new(None) }
    }

    fn answer(&self) -> MutexGuard<'_, Option<DecryptionMaterials>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MaterialsManager for AskedOnce<'_> {
    fn encryption_materials<'a>(
        &'a self,
        request: EncryptionRequest,
    ) -> BoxFuture<'a, Result<EncryptionMaterials, Error>> {
        self.keys.encryption_materials(request)
    }

    fn decryption_materials<'a>(
        &'a self,
        request: DecryptionRequest<'a>,
    ) -> BoxFuture<'a, Result<DecryptionMaterials, Error>> {
        Box::pin(async move {
            let known = self.answer().as_ref().map(DecryptionMaterials::share);
            if let Some(materials) = known {
                return Ok(materials);
            }
            let materials = self.keys.decryption_materials(request).await?;
            let shared = materials.share();
            *self.answer() = Some(materials);
            Ok(shared)
        })
    }
}
