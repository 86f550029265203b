//! Encrypts the plaintext of a body that is read once.

use crate::encrypt::Encryptor;
use crate::error::{ApiMisuse, Error};
use crate::s3::client::body::Seal;
use crate::secret::reserve;

/// Encrypts a message piece by piece, into buffers that grow.
pub(in crate::s3::client) struct MessageSealer(Encryptor);

impl MessageSealer {
    pub(super) fn new(encryptor: Encryptor) -> Self {
        Self(encryptor)
    }
}

impl Seal for MessageSealer {
    fn update(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut rest = plaintext;
        loop {
            let room = rest.len().max(MIN_ROOM);
            let (read, written) = append(out, room, |room| {
                let progress = self.0.update(rest, room)?;
                Ok((progress.read, progress.written))
            })?;
            rest = rest.get(read..).unwrap_or_default();
            if rest.is_empty() && written < room {
                return Ok(());
            }
            if (read, written) == (0, 0) {
                return Err(ApiMisuse::Poisoned.into());
            }
        }
    }

    fn finish(mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        while !self.0.is_finished() {
            append(out, MIN_ROOM, |room| Ok((0, self.0.finish(room)?)))?;
        }
        Ok(())
    }
}

/// Has at most `room` bytes written behind those that are there.
pub(super) fn append(
    out: &mut Vec<u8>,
    room: usize,
    write: impl FnOnce(&mut [u8]) -> Result<(usize, usize), Error>,
) -> Result<(usize, usize), Error> {
    let start = out.len();
    reserve(out, room);
    out.resize(start.saturating_add(room), 0);
    let result = write(out.get_mut(start..).unwrap_or_default());
    let written = result.as_ref().map_or(0, |(_, written)| *written);
    out.truncate(start.saturating_add(written));
    result
}

/// Room for the output of one call, in bytes.
pub(super) const MIN_ROOM: usize = 64 << 10;
