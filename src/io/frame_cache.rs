//! Frames that were opened, and may be asked for again.

use std::fmt;
use std::sync::Arc;

use crate::secret::SecretBuffer;

/// Frames by their numbers. Each has one place where it may be, so that finding it, and letting another go for it, takes
/// no time beside opening a frame; neighbours have different places.
pub(super) struct FrameCache {
    /// How many places there are.
    len: usize,
    /// Made when the first frame comes.
    places: Vec<Option<Kept>>,
}

struct Kept {
    number: u32,
    plaintext: Arc<SecretBuffer>,
}

impl FrameCache {
    /// Keeps at most `max_len` bytes of the `count` frames of `frame_len` that there are, or one if they are longer; 0
    /// keeps none.
    pub(super) fn new(max_len: usize, frame_len: usize, count: usize) -> Self {
        // Short frames cost more than their content.
        let len = max_len.checked_div(ENTRY_LEN.saturating_add(frame_len)).unwrap_or(0);
        // Places are made at once, and the bound may be one that nothing reaches.
        let len = len.min(count).max(1);
        Self { len: if max_len == 0 { 0 } else { len }, places: Vec::new() }
    }

    /// The plaintext of a frame, if it is there. Whoever has it may use it without the cache.
    pub(super) fn find(&self, number: u32) -> Option<Arc<SecretBuffer>> {
        let kept = self.places.get(self.place(number)?)?.as_ref()?;
        (kept.number == number).then(|| Arc::clone(&kept.plaintext))
    }

    /// Keeps a frame; gives what nobody needs any more, to be overwritten with the next one: wiping that as well would
    /// show in the time of each read. A frame that cannot be kept comes back wiped.
    pub(super) fn keep(&mut self, number: u32, plaintext: Arc<SecretBuffer>) -> Arc<SecretBuffer> {
        if self.places.is_empty() {
            self.places.resize_with(self.len, || None);
        }
        let place = self.place(number).and_then(|place| self.places.get_mut(place));
        let Some(place) = place else {
            return wiped(plaintext);
        };
        let before = place.replace(Kept { number, plaintext });
        before.map_or_else(Arc::default, |before| before.plaintext)
    }

    fn place(&self, number: u32) -> Option<usize> {
        usize::try_from(number).ok()?.checked_rem(self.len)
    }
}

/// Whoever else reads it is the last to have it, and wipes it.
fn wiped(mut plaintext: Arc<SecretBuffer>) -> Arc<SecretBuffer> {
    match Arc::get_mut(&mut plaintext) {
        Some(unshared) => {
            unshared.wipe();
            plaintext
        }
        None => Arc::default(),
    }
}

impl fmt::Debug for FrameCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameCache({} frames)", self.places.iter().flatten().count())
    }
}

/// What a frame costs besides its content, in bytes.
const ENTRY_LEN: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(byte: u8) -> Arc<SecretBuffer> {
        let mut frame = SecretBuffer::default();
        frame.prepare(100).fill(byte);
        Arc::new(frame)
    }

    #[test]
    fn as_many_are_there_as_the_bound_allows() {
        let mut cache = FrameCache::new(3 * 228, 100, 9);
        for (number, byte) in [(1, 1), (2, 2), (3, 3)] {
            assert!(cache.keep(number, frame(byte)).is_empty());
        }
        for (number, byte) in [(1, 1), (2, 2), (3, 3)] {
            assert_eq!(cache.find(number).unwrap().expose(), [byte; 100]);
        }
        // One has to go, and its memory is given back.
        assert_eq!(cache.keep(4, frame(4)).expose(), [1; 100]);
        assert!(cache.find(1).is_none());
        for (number, byte) in [(2, 2), (3, 3), (4, 4)] {
            assert_eq!(cache.find(number).unwrap().expose(), [byte; 100]);
        }
    }

    #[test]
    fn what_is_being_read_stays_as_it_is() {
        let mut cache = FrameCache::new(100, 100, 9);
        cache.keep(1, frame(7));
        let read = cache.find(1).unwrap();
        let gone = cache.keep(2, frame(8));
        assert_eq!(Arc::strong_count(&gone), 2, "nobody may overwrite it");
        assert_eq!(read.expose(), [7; 100]);
    }

    #[test]
    fn of_frames_longer_than_the_bound_one_is_there() {
        let mut cache = FrameCache::new(1, 100, 9);
        cache.keep(1, frame(7));
        assert_eq!(cache.find(1).unwrap().expose(), [7; 100]);
        assert_eq!(cache.keep(2, frame(8)).expose(), [7; 100]);
        assert!(cache.find(1).is_none());
    }

    #[test]
    fn without_a_bound_nothing_is_kept() {
        let mut cache = FrameCache::new(0, 100, 9);
        assert_eq!(cache.keep(1, frame(7)).expose(), [0; 100]);
        assert!(cache.find(1).is_none());
    }

    #[test]
    fn no_byte_is_shown() {
        let mut cache = FrameCache::new(1000, 100, 9);
        cache.keep(1, frame(7));
        assert_eq!(format!("{cache:?}"), "FrameCache(1 frames)");
    }
}
