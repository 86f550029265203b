//! AES-256-GCM of one message, in pieces that may be sealed and opened anywhere and in any order.
//!
//! GCM encrypts with a keystream that can be entered at every block, and its hash is a polynomial in one key
//! `H`. So pieces can be hashed apart, and the hashes joined afterwards:
//!
//! ```text
//! hash(a || b) = hash(a) * H^(blocks of b) + hash(b)
//! ```
//!
//! The backend encrypts; the crate `ghash` multiplies. What is here only says which block is where.
//!
//! Spec: NIST SP 800-38D, sections 6 and 7.

use std::fmt;

use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{BLOCK_LEN, CryptoError, CtrKey, IV_LEN, TAG_LEN, redacted};

/// Key and IV of one message, and what is authenticated beside its content.
///
/// **Never seal two different pieces at one offset**: that gives away both, and the key that authenticates.
pub(crate) struct GcmStream {
    cipher: CtrKey,
    /// The counter blocks of this message, but for the count at their end.
    iv: [u8; IV_LEN],
    /// Has seen nothing; clones of it hash.
    hash: GHash,
    hash_key: Block,
    /// What hides the hash in the tag.
    tag_mask: Block,
    aad_hash: Block,
    aad_len: u64,
}

/// The hash of a piece of ciphertext, which knows where the piece belongs.
///
/// It is as secret as a key until it is in a tag.
pub(crate) struct PieceHash {
    hash: Block,
    offset: u64,
    len: u64,
}

impl GcmStream {
    /// Takes a key of 32 bytes.
    pub(crate) fn new(key: &[u8], iv: &[u8; IV_LEN], aad: &[u8]) -> Result<Self, CryptoError> {
        let cipher = CtrKey::new(key)?;
        let mut hash_key = Block::default();
        cipher.apply([0; BLOCK_LEN], hash_key.as_mut())?;
        let mut tag_mask = Block::default();
        cipher.apply(counter_block(iv, TAG_COUNT), tag_mask.as_mut())?;
        let hash = GHash::new(&(*hash_key).into());
        let aad_hash = padded(hash.clone(), aad);
        let aad_len = u64::try_from(aad.len()).map_err(|_| CryptoError)?;
        Ok(Self { cipher, iv: *iv, hash, hash_key, tag_mask, aad_hash, aad_len })
    }

    /// Encrypts a piece in place. `offset` is a multiple of 16 bytes, and so is the length of all but the
    /// last piece.
    ///
    /// Nothing is left of the plaintext when this fails.
    pub(crate) fn seal_piece(
        &self,
        offset: u64,
        in_out: &mut [u8],
    ) -> Result<PieceHash, CryptoError> {
        self.piece(offset, in_out, |cipher, counter, hash, chunk| {
            cipher.apply(counter, chunk)?;
            hash.update_padded(chunk);
            Ok(())
        })
        .inspect_err(|_| in_out.fill(0))
    }

    /// Decrypts a piece in place, **before anything can have authenticated it**. Offset and length are as in
    /// [`seal_piece`](Self::seal_piece).
    ///
    /// `in_out` is all zeros when this fails.
    pub(crate) fn open_piece(
        &self,
        offset: u64,
        in_out: &mut [u8],
    ) -> Result<PieceHash, CryptoError> {
        self.piece(offset, in_out, |cipher, counter, hash, chunk| {
            hash.update_padded(chunk);
            cipher.apply(counter, chunk)
        })
        .inspect_err(|_| in_out.fill(0))
    }

    /// Hashes a piece of ciphertext and leaves it as it is.
    pub(crate) fn hash_piece(
        &self,
        offset: u64,
        ciphertext: &[u8],
    ) -> Result<PieceHash, CryptoError> {
        let len = check_piece(offset, ciphertext)?;
        Ok(PieceHash { hash: padded(self.hash.clone(), ciphertext), offset, len })
    }

    /// The hash of two neighbours as one piece.
    ///
    /// Fails unless `right` begins where `left` ends, at a multiple of 16 bytes.
    pub(crate) fn join(&self, left: PieceHash, right: PieceHash) -> Result<PieceHash, CryptoError> {
        if left.end() != Some(right.offset) || !left.len.is_multiple_of(BLOCK) {
            return Err(CryptoError);
        }
        let len = left.len.checked_add(right.len).ok_or(CryptoError)?;
        let hash = sum(&self.shift(left.hash, right.len.div_ceil(BLOCK)), &right.hash);
        Ok(PieceHash { hash, offset: left.offset, len })
    }

    /// The tag of the message; `all` is the hash of its whole ciphertext.
    pub(crate) fn tag(&self, all: &PieceHash) -> Result<[u8; TAG_LEN], CryptoError> {
        if all.offset != 0 {
            return Err(CryptoError);
        }
        let bits = |len: u64| len.checked_mul(8).ok_or(CryptoError);
        let mut lens = Block::default();
        let (aad_bits, content_bits) = lens.split_at_mut(BLOCK_LEN / 2);
        aad_bits.copy_from_slice(&bits(self.aad_len)?.to_be_bytes());
        content_bits.copy_from_slice(&bits(all.len)?.to_be_bytes());
        let aad = self.shift(self.aad_hash.clone(), all.len.div_ceil(BLOCK));
        let hash = product(&self.hash_key, &sum(&sum(&aad, &all.hash), &lens));
        Ok(*sum(&hash, &self.tag_mask))
    }

    /// Checks the tag of the message in constant time.
    pub(crate) fn verify(&self, all: &PieceHash, tag: &[u8; TAG_LEN]) -> Result<(), CryptoError> {
        if bool::from(self.tag(all)?.ct_eq(tag)) { Ok(()) } else { Err(CryptoError) }
    }

    /// Encrypts or decrypts what is at any `offset`, and authenticates nothing.
    pub(crate) fn apply_keystream(
        &self,
        offset: u64,
        in_out: &mut [u8],
    ) -> Result<(), CryptoError> {
        check_end(offset, in_out)?;
        // A beginning within a block goes through a whole one.
        let within = usize::try_from(offset % BLOCK).map_err(|_| CryptoError)?;
        let head_len =
            if within == 0 { 0 } else { in_out.len().min(BLOCK_LEN.saturating_sub(within)) };
        let (head, rest) = in_out.split_at_mut_checked(head_len).ok_or(CryptoError)?;
        if !head.is_empty() {
            let mut block = Block::default();
            for (to, from) in block.iter_mut().skip(within).zip(&*head) {
                *to = *from;
            }
            self.cipher.apply(self.counter(offset)?, block.as_mut())?;
            for (to, from) in head.iter_mut().zip(block.iter().skip(within)) {
                *to = *from;
            }
        }
        if rest.is_empty() {
            return Ok(());
        }
        self.cipher.apply(self.counter(offset.next_multiple_of(BLOCK))?, rest)
    }

    /// Works through a piece in chunks that stay in the processor's cache between hash and cipher.
    fn piece(
        &self,
        offset: u64,
        in_out: &mut [u8],
        step: impl Fn(&CtrKey, [u8; BLOCK_LEN], &mut GHash, &mut [u8]) -> Result<(), CryptoError>,
    ) -> Result<PieceHash, CryptoError> {
        let len = check_piece(offset, in_out)?;
        let mut hash = self.hash.clone();
        for (chunk_offset, chunk) in (offset..).step_by(CHUNK_LEN).zip(in_out.chunks_mut(CHUNK_LEN))
        {
            step(&self.cipher, self.counter(chunk_offset)?, &mut hash, chunk)?;
        }
        Ok(PieceHash { hash: Block::new(hash.finalize().into()), offset, len })
    }

    /// The counter block of the block at `offset`.
    fn counter(&self, offset: u64) -> Result<[u8; BLOCK_LEN], CryptoError> {
        let block = u32::try_from(offset / BLOCK).map_err(|_| CryptoError)?;
        Ok(counter_block(&self.iv, block.checked_add(FIRST_COUNT).ok_or(CryptoError)?))
    }

    /// What a hash becomes when this many blocks of zeros follow, by square and multiply.
    fn shift(&self, mut hash: Block, mut blocks: u64) -> Block {
        let mut power = self.hash_key.clone();
        while blocks > 0 {
            if blocks % 2 == 1 {
                hash = product(&power, &hash);
            }
            power = product(&power, &power);
            blocks /= 2;
        }
        hash
    }
}

impl PieceHash {
    /// Of nothing, at the beginning of a message.
    pub(crate) fn empty() -> Self {
        Self { hash: Block::default(), offset: 0, len: 0 }
    }

    /// Of the first `len` bytes of a message that is too long for tests; no tag comes out right with it.
    #[cfg(test)]
    pub(crate) fn wrong(len: u64) -> Self {
        Self { hash: Block::default(), offset: 0, len }
    }

    /// Where the piece begins, in bytes.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Length of the piece in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.len)
    }
}

impl fmt::Debug for GcmStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted(f, "GcmStream")
    }
}

impl fmt::Debug for PieceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hash: _, offset, len } = self;
        f.debug_struct("PieceHash")
            .field("offset", offset)
            .field("len", len)
            .finish_non_exhaustive()
    }
}

/// Bytes from which the key of the hash could be computed.
type Block = Zeroizing<[u8; BLOCK_LEN]>;

fn counter_block(iv: &[u8; IV_LEN], count: u32) -> [u8; BLOCK_LEN] {
    let mut block = [0; BLOCK_LEN];
    for (to, from) in block.iter_mut().zip(iv.iter().chain(&count.to_be_bytes())) {
        *to = *from;
    }
    block
}

fn padded(mut hash: GHash, bytes: &[u8]) -> Block {
    hash.update_padded(bytes);
    Block::new(hash.finalize().into())
}

/// The hash of one block is its product with the key.
fn product(a: &Block, b: &Block) -> Block {
    padded(GHash::new(&(**a).into()), b.as_ref())
}

/// Addition has no carries in this field.
fn sum(a: &Block, b: &Block) -> Block {
    let mut sum = Block::default();
    for (to, (a, b)) in sum.iter_mut().zip(a.iter().zip(b.iter())) {
        *to = a ^ b;
    }
    sum
}

fn check_piece(offset: u64, piece: &[u8]) -> Result<u64, CryptoError> {
    if !offset.is_multiple_of(BLOCK) {
        return Err(CryptoError);
    }
    check_end(offset, piece)
}

/// Beyond the end of the keystream, the counter would begin anew.
fn check_end(offset: u64, bytes: &[u8]) -> Result<u64, CryptoError> {
    let len = u64::try_from(bytes.len()).map_err(|_| CryptoError)?;
    match offset.checked_add(len) {
        Some(end) if end <= MAX_LEN => Ok(len),
        _ => Err(CryptoError),
    }
}

/// The counter block of the tag has this count, with an IV of 12 bytes.
const TAG_COUNT: u32 = 1;
/// The first counter block of the content has this one.
const FIRST_COUNT: u32 = 2;
/// The most content of one message, in bytes: every 32-bit count but two.
const MAX_LEN: u64 = (1 << 36) - 32;
/// Length of a block in bytes, for offsets.
const BLOCK: u64 = 16;
/// What stays in the cache of any processor, in bytes; a multiple of 16.
const CHUNK_LEN: usize = 64 * 1024;
