//! What a target chooses, from the end of its input, and edits that an input asks for.

/// Takes choices from the end of an input. When nothing is left, every choice is the first.
#[derive(Debug, Clone, Copy)]
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// All of the input is for choices, or as much of it as is not taken with [`rest`](Self::rest).
    pub fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_last() else { return 0 };
        self.0 = rest;
        *byte
    }

    /// A number below `count`, which is at least 1 and at most 256.
    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    /// Yes or no.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    /// A size: mostly small, sometimes up to some thousands.
    pub fn size(&mut self) -> usize {
        match self.byte() {
            low @ 0..=239 => usize::from(low),
            high => (usize::from(high) - 239) * 256 + usize::from(self.byte()),
        }
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        match self.byte() {
            low @ 0..=199 => low.into(),
            200..=227 => u64::from(u32::MAX) - u64::from(self.byte()),
            228..=239 => u64::MAX - u64::from(self.byte()),
            _ => u64::from_be_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    /// So many bytes, or what there is.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (rest, bytes) = self.0.split_at(self.0.len().saturating_sub(len));
        self.0 = rest;
        bytes
    }

    /// Half of what is left, for somebody else.
    pub fn split(&mut self) -> Self {
        Self(self.bytes(self.0.len() / 2))
    }

    /// Whether there is more to choose.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is left.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Changes bytes as the input says: up to `most` edits.
    pub fn edit(&mut self, bytes: &mut Vec<u8>, most: usize) {
        for _ in 0..self.below(most + 1) {
            let wide = usize::from(self.byte()) | usize::from(self.byte()) << 8;
            let at = wide % bytes.len().max(1);
            match self.below(8) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at.min(bytes.len()), self.byte()),
                2 => drop((at < bytes.len()).then(|| bytes.remove(at))),
                3 => {
                    let len = self.below(40);
                    let end = (at + len).min(bytes.len());
                    bytes.splice(at.min(end)..end, self.bytes(len).iter().copied());
                }
                4 => {
                    let end = (at + self.below(64)).min(bytes.len());
                    let again = bytes.get(at..end).unwrap_or_default().to_vec();
                    bytes.splice(end..end, again);
                }
                5 => bytes.extend_from_slice(self.bytes(16)),
                _ => {
                    let by = self.byte();
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= by;
                    }
                }
            }
        }
    }
}
