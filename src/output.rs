//! The caller's output buffer, and the bytes that wait for room in it.

use std::fmt;

use crate::secret::wipe;

/// A caller's buffer and how much of it was written. Whatever fails, the count is right.
pub(crate) struct Output<'o> {
    buffer: &'o mut [u8],
    written: usize,
}

impl<'o> Output<'o> {
    pub(crate) fn new(buffer: &'o mut [u8]) -> Self {
        Self { buffer, written: 0 }
    }

    pub(crate) fn written(&self) -> usize {
        self.written
    }

    /// Lets `fill` write exactly `len` bytes, if there is room. They count only if it succeeds.
    pub(crate) fn fill<E>(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Option<Result<(), E>> {
        let end = self.written.checked_add(len)?;
        let result = fill(self.buffer.get_mut(self.written..end)?);
        if result.is_ok() {
            self.written = end;
        }
        Some(result)
    }

    /// How many bytes may still be written.
    pub(crate) fn room(&self) -> usize {
        self.buffer.len().saturating_sub(self.written)
    }

    /// Lets `fill` write at most `len` bytes, if there is room; it gives how many count.
    pub(crate) fn fill_some(&mut self, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) {
        let end = self.written.saturating_add(len);
        if let Some(to) = self.buffer.get_mut(self.written..end) {
            self.written = self.written.saturating_add(fill(to).min(len));
        }
    }
}

/// Bytes that are made but not yet taken.
#[derive(Default)]
pub(crate) struct Ready {
    bytes: Vec<u8>,
    taken: usize,
}

impl Ready {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, taken: 0 }
    }

    /// Moves as much as fits.
    pub(crate) fn drain(&mut self, output: &mut Output<'_>) {
        let waiting = self.bytes.get(self.taken..).unwrap_or_default();
        let len = waiting.len().min(output.room());
        let (now, _) = waiting.split_at(len);
        let filled = output.fill(len, |to| {
            to.copy_from_slice(now);
            Ok::<(), ()>(())
        });
        if filled.is_some() {
            self.taken = self.taken.saturating_add(len);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.taken == self.bytes.len()
    }

    /// How many bytes wait.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.taken)
    }

    /// Whether nothing was taken yet.
    pub(crate) fn is_whole(&self) -> bool {
        self.taken == 0
    }

    /// Makes room for `len` bytes where everything was taken before.
    pub(crate) fn prepare(&mut self, len: usize) -> &mut [u8] {
        self.taken = 0;
        if len > self.bytes.capacity() {
            // Growing in place would leave a copy of what was there behind.
            self.wipe();
            self.bytes = Vec::with_capacity(len);
        }
        self.bytes.resize(len, 0);
        &mut self.bytes
    }

    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Zeros and forgets everything.
    pub(crate) fn wipe(&mut self) {
        // All of it: what was there before may have been longer.
        self.bytes.resize(self.bytes.capacity(), 0);
        wipe(&mut self.bytes);
        self.bytes.clear();
        self.taken = 0;
    }
}

/// What waits may be plaintext.
impl Drop for Ready {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ready({} of {} bytes taken)", self.taken, self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_does_not_count() {
        let mut buffer = [0; 4];
        let mut output = Output::new(&mut buffer);
        assert_eq!(output.fill(3, |_| Err("no")), Some(Err("no")));
        assert_eq!(output.written(), 0);
        assert_eq!(output.fill(5, |_| Ok::<(), ()>(())), None);
        assert_eq!(output.fill(4, |_| Ok::<(), ()>(())), Some(Ok(())));
        assert_eq!(output.written(), 4);
    }

    #[test]
    fn drains_in_any_number_of_steps() {
        let mut ready = Ready::new(b"abcdef".to_vec());
        let mut taken = Vec::new();
        while !ready.is_empty() {
            let mut buffer = [0; 4];
            let mut output = Output::new(&mut buffer);
            ready.drain(&mut output);
            let written = output.written();
            taken.extend_from_slice(&buffer[..written]);
        }
        assert_eq!(taken, b"abcdef");
    }
}
