//! Frames that were opened, and may be asked for again.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use crate::secret::SecretBuffer;

/// The frames that were used last, up to so many bytes, and one that is as long as that in any case. A frame is wiped
/// when it has to go, unless the next one is to overwrite it.
pub(super) struct FrameCache {
    max_len: usize,
    /// Bytes of all frames, with what it takes to keep them.
    len: usize,
    frames: HashMap<u32, Kept>,
    /// Number of each frame by when it was used last.
    order: BTreeMap<u64, u32>,
    /// Goes up with each use.
    now: u64,
}

struct Kept {
    plaintext: Arc<SecretBuffer>,
    used: u64,
}

impl FrameCache {
    pub(super) fn new(max_len: usize) -> Self {
        Self { max_len, len: 0, frames: HashMap::new(), order: BTreeMap::new(), now: 0 }
    }

    /// The plaintext of a frame, if it is there. Whoever has it may use it without the cache.
    pub(super) fn find(&mut self, number: u32) -> Option<Arc<SecretBuffer>> {
        self.now = self.now.saturating_add(1);
        let kept = self.frames.get_mut(&number)?;
        self.order.remove(&kept.used);
        kept.used = self.now;
        self.order.insert(kept.used, number);
        Some(Arc::clone(&kept.plaintext))
    }

    /// Keeps a frame, if it is not longer than all that may be kept. Gives the memory of one that had to go for it, for
    /// the next one: wiping that as well as overwriting it would show in the time of each read. A frame that is not kept
    /// comes back wiped.
    pub(super) fn keep(&mut self, number: u32, mut plaintext: SecretBuffer) -> SecretBuffer {
        if plaintext.len() > self.max_len {
            plaintext.wipe();
            return plaintext;
        }
        self.now = self.now.saturating_add(1);
        self.len = self.len.saturating_add(cost(&plaintext));
        let kept = Kept { plaintext: Arc::new(plaintext), used: self.now };
        self.order.insert(kept.used, number);
        // Another thread may have kept the same.
        let mut gone = self.frames.insert(number, kept).map(|before| self.forget(before));
        while self.len > self.max_len
            && self.frames.len() > 1
            && let Some((_, oldest)) = self.order.pop_first()
        {
            gone = self.frames.remove(&oldest).map(|oldest| self.forget(oldest)).or(gone);
        }
        gone.flatten().unwrap_or_default()
    }

    /// Gives its memory back, unless somebody still reads it; whoever is last wipes it.
    fn forget(&mut self, kept: Kept) -> Option<SecretBuffer> {
        let Kept { plaintext, used } = kept;
        self.order.remove(&used);
        self.len = self.len.saturating_sub(cost(&plaintext));
        Arc::into_inner(plaintext)
    }
}

impl fmt::Debug for FrameCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameCache({} frames)", self.frames.len())
    }
}

/// Bytes that count for a frame: short frames cost more than their content.
fn cost(plaintext: &SecretBuffer) -> usize {
    plaintext.capacity().saturating_add(ENTRY_LEN)
}

/// What a frame costs besides its content, in bytes.
const ENTRY_LEN: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(byte: u8) -> SecretBuffer {
        let mut frame = SecretBuffer::default();
        frame.prepare(100).fill(byte);
        frame
    }

    fn numbers(cache: &FrameCache) -> Vec<u32> {
        let len: usize = cache.frames.values().map(|kept| cost(&kept.plaintext)).sum();
        assert_eq!(cache.len, len);
        assert_eq!(cache.order.len(), cache.frames.len());
        cache.order.values().copied().collect()
    }

    #[test]
    fn the_frame_that_was_used_longest_ago_goes_first() {
        let mut cache = FrameCache::new(3 * 228);
        for number in [1, 2, 3] {
            assert!(cache.keep(number, frame(7)).is_empty());
        }
        assert_eq!(cache.find(1).unwrap().expose(), [7; 100]);
        let gone = cache.keep(4, frame(8));
        assert_eq!(gone.len(), 100);
        assert_eq!(numbers(&cache), [3, 1, 4]);
        assert!(cache.find(2).is_none());
    }

    #[test]
    fn a_frame_that_two_threads_kept_is_there_once() {
        let mut cache = FrameCache::new(1000);
        assert!(cache.keep(1, frame(7)).is_empty());
        let read = cache.find(1).unwrap();
        assert!(cache.keep(1, frame(7)).is_empty());
        assert_eq!(cache.keep(1, frame(7)).len(), 100);
        assert_eq!((numbers(&cache), read.expose()), (vec![1], &[7; 100][..]));
    }

    #[test]
    fn what_is_longer_than_the_bound_is_wiped() {
        for max_len in [0, 1, 99] {
            let mut cache = FrameCache::new(max_len);
            assert_eq!(cache.keep(1, frame(7)).expose(), [0; 100]);
            assert!(numbers(&cache).is_empty());
        }
        let mut cache = FrameCache::new(100);
        assert!(cache.keep(1, frame(7)).is_empty());
        assert_eq!(cache.keep(2, frame(8)).len(), 100);
        assert_eq!(numbers(&cache), [2]);
    }

    #[test]
    fn no_byte_is_shown() {
        let mut cache = FrameCache::new(1000);
        cache.keep(1, frame(7));
        assert_eq!(format!("{cache:?}"), "FrameCache(1 frames)");
    }
}
