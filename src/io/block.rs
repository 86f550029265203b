//! Bytes on their way between a source or sink and the engine.

use std::fmt;
use std::io;

use crate::secret::wipe;

/// A buffer that is filled at one end and used from the other. What is in it may be plaintext.
pub(super) struct Block {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// How long it may grow.
    limit: usize,
    /// Whether nothing more will come from the source.
    pub(super) ended: bool,
    /// Whether the source gave less than there was room for: it may take long until it gives more.
    pub(super) paused: bool,
    /// What the source failed with, to be told after what came before it.
    failure: Option<io::Error>,
}

impl Block {
    pub(super) fn new(len: usize) -> Self {
        Self {
            bytes: vec![0; len],
            start: 0,
            end: 0,
            limit: len,
            ended: false,
            paused: false,
            failure: None,
        }
    }

    /// One that is as long as what is put into it, up to `limit` bytes.
    pub(super) fn growing(limit: usize) -> Self {
        let mut block = Self::new(limit.min(FIRST_LEN));
        block.limit = limit;
        block
    }

    pub(super) fn unused(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unused().is_empty()
    }

    /// Whether there is no room for more.
    pub(super) fn is_full(&self) -> bool {
        self.unused().len() >= self.limit
    }

    pub(super) fn consume(&mut self, len: usize) {
        self.start = self.start.saturating_add(len).min(self.end);
    }

    /// Moves as much as fits to `out`.
    pub(super) fn take_to(&mut self, out: &mut [u8]) -> usize {
        let len = self.unused().len().min(out.len());
        let (now, _) = self.unused().split_at(len);
        if let Some(out) = out.get_mut(..len) {
            out.copy_from_slice(now);
        }
        self.consume(len);
        len
    }

    /// Room for more, behind what is not used yet.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end = self.end.saturating_sub(self.start);
            self.start = 0;
        }
        if self.end == self.bytes.len() && self.end < self.limit {
            self.grow(self.end.saturating_mul(2).min(self.limit));
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// `len` bytes were put into [`room`](Self::room).
    pub(super) fn put(&mut self, len: usize) {
        self.end = self.end.saturating_add(len).min(self.bytes.len());
    }

    /// The source failed, and what it gave before is to come out first. One that only would block is asked again then.
    pub(super) fn failed(&mut self, error: io::Error) {
        self.failure = Some(error).filter(|error| error.kind() != io::ErrorKind::WouldBlock);
    }

    /// What the source failed with, once.
    pub(super) fn failure(&mut self) -> io::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// The source put `len` bytes into [`room`](Self::room); none means that it ended.
    ///
    /// # Errors
    /// If there is no room for so many: what is there now would count as from the source.
    pub(super) fn received(&mut self, len: usize) -> io::Result<()> {
        let room = self.bytes.len().saturating_sub(self.end);
        if len > room {
            return Err(io::Error::other("the source told of more bytes than it had room for"));
        }
        self.paused = len < room;
        self.put(len);
        self.ended = len == 0;
        Ok(())
    }

    /// Takes as much as there is room for.
    pub(super) fn fill_from(&mut self, bytes: &[u8]) -> usize {
        let room = self.room();
        let len = room.len().min(bytes.len());
        let (now, _) = bytes.split_at(len);
        if let Some(room) = room.get_mut(..len) {
            room.copy_from_slice(now);
        }
        self.put(len);
        len
    }

    /// Room for `len` bytes, if the limit allows it.
    pub(super) fn room_for(&mut self, len: usize) -> &mut [u8] {
        let needed = self.unused().len().saturating_add(len).min(self.limit);
        if needed > self.bytes.len() {
            self.grow(needed);
        }
        self.room()
    }

    /// Raises the limit, and makes that much room, once everything is used.
    pub(super) fn grow_when_empty(&mut self, len: usize) {
        if len > self.limit && self.is_empty() {
            self.limit = len;
            self.grow(len);
        }
    }

    /// Leaves no copy behind.
    fn grow(&mut self, len: usize) {
        let mut larger = vec![0; len];
        let unused = self.unused();
        if let Some(to) = larger.get_mut(..unused.len()) {
            to.copy_from_slice(unused);
        }
        self.end = unused.len();
        self.start = 0;
        wipe(&mut std::mem::replace(&mut self.bytes, larger));
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        wipe(&mut self.bytes);
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} bytes unused)", self.unused().len())
    }
}

/// What a block that grows begins with.
const FIRST_LEN: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_its_limit_and_loses_nothing() {
        let mut block = Block::growing(FIRST_LEN * 3 + 1);
        let mut at = 0_u8;
        while !block.is_full() {
            let next: Vec<u8> = (0..100).map(|n| at.wrapping_add(n)).collect();
            let put = block.fill_from(&next);
            assert!(put > 0);
            at = at.wrapping_add(u8::try_from(put).unwrap());
        }
        assert_eq!(block.bytes.len(), FIRST_LEN * 3 + 1);
        assert_eq!(block.unused().len(), FIRST_LEN * 3 + 1);
        assert!(block.unused().iter().zip((0..=255).cycle()).all(|(found, byte)| *found == byte));
    }

    #[test]
    fn what_goes_in_comes_out_in_order() {
        let mut block = Block::new(5);
        let (mut given, mut taken) = (0_u8..200, Vec::new());
        while taken.len() < 200 {
            let next: Vec<u8> = given.clone().take(3).collect();
            let put = block.fill_from(&next);
            given.by_ref().take(put).for_each(drop);
            let mut out = [0; 2];
            let len = block.take_to(&mut out);
            taken.extend_from_slice(&out[..len]);
        }
        assert_eq!(taken, (0..200).collect::<Vec<u8>>());
    }

    #[test]
    fn it_is_full_when_nothing_more_fits() {
        let mut block = Block::new(4);
        assert_eq!(block.fill_from(b"abcdef"), 4);
        assert!(block.is_full() && block.room().is_empty());
        block.consume(1);
        assert!(!block.is_full());
        assert_eq!(block.fill_from(b"ef"), 1);
        assert_eq!(block.unused(), b"bcde");
    }
}
