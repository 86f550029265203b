//! An allocator that keeps what is freed, so that it can be searched.
//!
//! While somebody watches, no block is given back: it stays as it was when its owner let go of it. So a block can be
//! searched later for secrets that were not known when it was freed, such as a data key that a keyring made.
#![expect(
    unsafe_code,
    reason = "an allocator cannot be written without, and freed blocks not be read"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The system's allocator, but that what is freed under a [`Watch`] is kept.
pub(crate) struct Keeping;

/// Blocks of the whole process are kept while this lives. One lives at a time; others wait for their turn.
pub(crate) struct Watch {
    _turn: MutexGuard<'static, ()>,
}

/// A block as it was when it was freed.
pub(crate) struct FreedBlock {
    pub(crate) bytes: Vec<u8>,
    /// Where it was freed, if that was asked for, perhaps by the environment variable `WAXSEAL_FREED_TRACE`.
    pub(crate) trace: Option<Box<Backtrace>>,
}

/// The copy must not be found by another watch.
impl Drop for FreedBlock {
    fn drop(&mut self) {
        self.bytes.fill(0);
    }
}

impl Watch {
    pub(crate) fn start() -> Self {
        Self::begin(std::env::var_os("WAXSEAL_FREED_TRACE").is_some())
    }

    /// Where each block is freed is kept as well, which takes long.
    #[cfg(feature = "testing")]
    pub(crate) fn start_tracing() -> Self {
        Self::begin(true)
    }

    fn begin(tracing: bool) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        TRACING.set(tracing);
        // What another thread was about to keep when the last watch ended.
        take_all(|_, _| ());
        WATCHING.store(true, Ordering::SeqCst);
        Self { _turn: turn }
    }

    /// Ends it, and gives all that was freed meanwhile.
    pub(crate) fn stop(self) -> Vec<FreedBlock> {
        WATCHING.store(false, Ordering::SeqCst);
        TRACING.set(false);
        let mut blocks = Vec::new();
        take_all(|bytes, trace| blocks.push(FreedBlock { bytes, trace }));
        blocks
    }
}

/// After a panic, too, memory is given back again.
impl Drop for Watch {
    fn drop(&mut self) {
        WATCHING.store(false, Ordering::SeqCst);
        TRACING.set(false);
        take_all(|_, _| ());
    }
}

// SAFETY: Every block comes from `System` with the layout that was asked for, and goes back to it with the same
// layout, once: at once, or from the list of kept blocks, whose entries are made here alone and taken by one. A
// kept block stays allocated, so nobody else gets its memory. Nothing here panics; what unwinding could begin in,
// the backtrace, runs only on demand.
unsafe impl GlobalAlloc for Keeping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that what C code left behind in this memory is not taken for the block's own.
        // SAFETY: The caller's promises are those that `System` asks for.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: As above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: The block is one of `System` with this layout, and its owner has let go of it.
        unsafe {
            if !keep(block, layout) {
                System.dealloc(block, layout);
            }
        }
    }

    /// Always into another block: whether a block can grow in place, and whether what was cut off is reused, is luck.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: The caller promises that the size, rounded up to the alignment, does not overflow, and that it is
        // not zero. The new block is as long as the copy, or longer, and apart from the old one.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(block, new, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

/// An entry of the list of kept blocks.
struct Kept {
    next: *mut Self,
    block: *mut u8,
    layout: Layout,
    trace: Option<Box<Backtrace>>,
}

/// Puts a block on the list, if somebody watches and there is memory for the entry.
///
/// # Safety
/// The block is one of `System` with this layout, and nobody uses it any more.
unsafe fn keep(block: *mut u8, layout: Layout) -> bool {
    if !WATCHING.load(Ordering::SeqCst) {
        return false;
    }
    // What a backtrace frees is not traced itself: the lock is held then. So is it where another thread prints one.
    let trace = TRACING.replace(false).then(|| {
        let trace = Box::new(Backtrace::force_capture());
        TRACING.set(true);
        trace
    });
    // SAFETY: An entry has a size. What is written to is new, aligned, and not null; the list's head is an entry
    // that is complete, or null.
    unsafe {
        let entry = System.alloc(Layout::new::<Kept>()).cast::<Kept>();
        if entry.is_null() {
            return false;
        }
        let mut next = KEPT.load(Ordering::SeqCst);
        entry.write(Kept { next, block, layout, trace });
        while let Err(head) =
            KEPT.compare_exchange_weak(next, entry, Ordering::SeqCst, Ordering::SeqCst)
        {
            next = head;
            (*entry).next = next;
        }
    }
    true
}

/// Empties the list, gives `see` a copy of each block, and gives the memory back.
fn take_all(mut see: impl FnMut(Vec<u8>, Option<Box<Backtrace>>)) {
    let mut at = KEPT.swap(ptr::null_mut(), Ordering::SeqCst);
    while !at.is_null() {
        // SAFETY: The swap made the whole list this function's own, so each entry and its block are read and given
        // back once.
        let Kept { next, block, layout, trace } = unsafe { at.read() };
        // SAFETY: Inside the block. Bytes that were never written are zeros from `alloc_zeroed`, but the compiler may
        // think of them, and of padding, as without a value: a volatile read takes from memory what is there.
        let byte = |index| unsafe { block.add(index).read_volatile() };
        // SAFETY: The same. Arrays of bytes need no alignment.
        let piece = |index| unsafe { block.add(index).cast::<[u8; PIECE_LEN]>().read_volatile() };
        let whole = layout.size() / PIECE_LEN * PIECE_LEN;
        let mut bytes = Vec::with_capacity(layout.size());
        (0..whole).step_by(PIECE_LEN).for_each(|index| bytes.extend_from_slice(&piece(index)));
        bytes.extend((whole..layout.size()).map(byte));
        see(bytes, trace);
        // SAFETY: As for the entry: both are this function's, and not used again.
        unsafe {
            System.dealloc(block, layout);
            System.dealloc(at.cast(), Layout::new::<Kept>());
        }
        at = next;
    }
}

/// Bytes that are read at once: one by one takes long without optimization.
const PIECE_LEN: usize = 256;

static TURN: Mutex<()> = Mutex::new(());
static WATCHING: AtomicBool = AtomicBool::new(false);
static KEPT: AtomicPtr<Kept> = AtomicPtr::new(ptr::null_mut());

thread_local! {
    /// Whether this thread's blocks are kept with their backtraces: only those of the thread that watches.
    static TRACING: Cell<bool> = const { Cell::new(false) };
}
