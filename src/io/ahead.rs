//! The engine between two blocks that are long enough for several threads.

use std::fmt;
use std::num::NonZeroUsize;

use super::block::Block;
use crate::decrypt::Decryptor;
use crate::encrypt::Encryptor;
use crate::error::Error;
use crate::message::{ContentType, FrameKind, to_usize};

/// Seals blocks of whole frames. Nothing is copied in the engine: what is not a whole frame yet stays in the
/// block, in front of what comes next.
pub(super) struct SealAhead {
    pub(super) encryptor: Encryptor,
    pub(super) plaintext: Block,
    pub(super) sealed: Block,
    closing: bool,
    failed: bool,
}

impl SealAhead {
    pub(super) fn new(encryptor: Encryptor, frames: &Frames) -> Self {
        // One byte more shows that the last frame before it is not the final one.
        let plaintext_len = frames.plaintext_len().saturating_add(1);
        let sealed = Block::growing(encryptor.room_to_finish(plaintext_len));
        Self {
            encryptor,
            plaintext: Block::growing(plaintext_len),
            sealed,
            closing: false,
            failed: false,
        }
    }

    /// No plaintext comes any more.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    /// Whether there is nothing to do before more plaintext comes. A source that has no more for now is not waited for.
    pub(super) fn needs_input(&self) -> bool {
        let can_go_on = self.plaintext.paused && self.has_whole_frames();
        !self.closing && !self.plaintext.is_full() && !can_go_on
    }

    /// Whether there are frames that are known not to be the final one.
    pub(super) fn has_whole_frames(&self) -> bool {
        match self.encryptor.header().content_type() {
            ContentType::Framed { frame_len } => {
                self.plaintext.unused().len() > to_usize(frame_len)
            }
            ContentType::Unframed => false,
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Seals what is there, once everything sealed was taken.
    pub(super) fn work(&mut self) -> Result<(), Error> {
        let result = self.try_work();
        self.failed |= result.is_err();
        result
    }

    fn try_work(&mut self) -> Result<(), Error> {
        let Self { encryptor, plaintext, sealed, closing, failed: _ } = self;
        let room = sealed.room_for(encryptor.room_to_finish(plaintext.unused().len()));
        if *closing {
            if !encryptor.is_finished() {
                let written = encryptor.finish_with(plaintext.unused(), room)?;
                plaintext.consume(plaintext.unused().len());
                sealed.put(written);
            }
            return Ok(());
        }
        let progress = encryptor.update_ahead(plaintext.unused(), room)?;
        plaintext.consume(progress.read);
        sealed.put(progress.written);
        Ok(())
    }

    pub(super) fn is_finished(&self) -> bool {
        self.encryptor.is_finished() && self.sealed.is_empty()
    }
}

impl fmt::Debug for SealAhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealAhead").field("encryptor", &self.encryptor).finish_non_exhaustive()
    }
}

/// Opens blocks of whole frames.
#[derive(Debug)]
pub(super) struct OpenAhead {
    pub(super) decryptor: Decryptor,
    pub(super) message: Block,
    pub(super) plaintext: Block,
    verified: bool,
}

impl OpenAhead {
    /// `unused` is what was read behind the header.
    pub(super) fn new(decryptor: Decryptor, unused: &Block, frames: &Frames) -> Self {
        // What follows the header begins a frame, and so does each block after it.
        let mut message = Block::growing(frames.sealed_len().max(unused.unused().len()));
        message.room_for(unused.unused().len());
        message.fill_from(unused.unused());
        (message.ended, message.paused) = (unused.ended, unused.paused);
        let plaintext = Block::growing(frames.plaintext_len());
        Self { decryptor, message, plaintext, verified: false }
    }

    /// Whether there is nothing to do before more of the message comes. A source that has no more for now is not waited
    /// for.
    pub(super) fn needs_input(&self) -> bool {
        let can_go_on = self.message.paused && !self.message.is_empty();
        // A frame that came in parts may have had more plaintext than there was room for.
        let can_go_on = can_go_on || self.decryptor.can_go_on();
        !self.message.ended && !self.message.is_full() && !can_go_on
    }

    /// Opens what is there, once all plaintext was taken.
    pub(super) fn work(&mut self) -> Result<(), Error> {
        let Self { decryptor, message, plaintext, verified } = self;
        let room = plaintext.room_for(message.unused().len());
        let progress = decryptor.update(message.unused(), room)?;
        message.consume(progress.read);
        plaintext.put(progress.written);
        if progress.written == 0 && message.ended && message.is_empty() {
            decryptor.check_end()?;
            *verified = true;
        }
        Ok(())
    }

    /// Whether the message was verified to its end, and all of its plaintext taken.
    pub(super) fn is_finished(&self) -> bool {
        self.verified
    }
}

/// How much a block holds.
pub(super) struct Frames {
    count: usize,
    frame_len: usize,
}

impl Frames {
    /// Nothing if frames are too long for blocks, or if there is one thread.
    pub(super) fn new(content_type: ContentType, threads: NonZeroUsize) -> Option<Self> {
        let ContentType::Framed { frame_len } = content_type else { return None };
        let frame_len = to_usize(frame_len);
        if threads.get() == 1 || frame_len > MAX_FRAME_LEN {
            return None;
        }
        // Short frames are mostly what they carry beside their content.
        let sealed_len = frame_len.saturating_add(FrameKind::Regular.overhead());
        let for_each = LEN_FOR_EACH.checked_div(sealed_len)?.max(1);
        Some(Self { count: for_each.saturating_mul(threads.get()), frame_len })
    }

    fn plaintext_len(&self) -> usize {
        self.frame_len.saturating_mul(self.count)
    }

    fn sealed_len(&self) -> usize {
        let overhead = self.count.saturating_mul(FrameKind::Regular.overhead());
        self.plaintext_len().saturating_add(overhead)
    }
}

/// Bytes of frames in a block for each thread: long enough that starting the thread does not count.
const LEN_FOR_EACH: usize = 1 << 20;
/// Longer frames would make long blocks: they are gathered in the engine, one by one.
const MAX_FRAME_LEN: usize = 4 << 20;
