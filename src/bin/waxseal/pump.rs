//! Bytes on their way from a reader to a writer.

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use zeroize::Zeroizing;

/// Which side of a copy failed.
#[derive(Debug)]
pub(crate) enum Side {
    Read(io::Error),
    Write(io::Error),
}

/// Moves everything through, as it comes: what was read before a failure is written.
///
/// With more than one thread, the next bytes are read, and with that encrypted or decrypted, while these
/// are written.
pub(crate) fn copy(
    reader: impl Read + Send + 'static,
    to: impl Write,
    threads: NonZeroUsize,
) -> Result<(), Side> {
    if threads == NonZeroUsize::MIN {
        copy_in_turn(reader, to)
    } else {
        copy_beside(reader, to, threads)
    }
}

/// Moves everything through, on this thread.
pub(crate) fn copy_in_turn(mut reader: impl Read, mut to: impl Write) -> Result<(), Side> {
    let mut block = Block::new(BUFFER_LEN);
    while block.fill(&mut reader).map_err(Side::Read)? {
        to.write_all(block.filled()).map_err(Side::Write)?;
    }
    Ok(())
}

/// It is the reader that has a thread of its own, and not one that this waits for in any case: it may wait
/// for somebody who never writes, when nobody can take what it would bring.
fn copy_beside(
    reader: impl Read + Send + 'static,
    mut to: impl Write,
    threads: NonZeroUsize,
) -> Result<(), Side> {
    // What all threads give at once, one that is written, and one between.
    let count = threads.get().saturating_add(2);
    let (full, blocks) = sync_channel(count);
    let (back, empty) = sync_channel(count);
    // Handed over once there is a thread, so that without one it is still here.
    let (hand, handed) = sync_channel(1);
    let reading = thread::Builder::new().spawn(move || match handed.recv() {
        Ok(reader) => read_all(reader, count, &empty, &full),
        Err(_) => Ok(()),
    });
    let Ok(reading) = reading else { return copy_in_turn(reader, to) };
    // It waits for just this.
    let _ = hand.send(reader);
    while let Ok(block) = blocks.recv() {
        if let Err(error) = to.write_all(block.filled()) {
            drop((blocks, back));
            wait_shortly(&reading);
            return Err(Side::Write(error));
        }
        // Nobody wants it when everything was read.
        let _ = back.send(block);
    }
    // Only now is it known why there is no more.
    match reading.join() {
        Ok(read) => read.map_err(Side::Read),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Reads up to the end, or until nobody takes it, with up to `count` blocks.
fn read_all(
    mut reader: impl Read,
    count: usize,
    empty: &Receiver<Block>,
    full: &SyncSender<Block>,
) -> io::Result<()> {
    let mut made = 0..count;
    loop {
        // A short input needs only one.
        let block = empty.try_recv().ok().or_else(|| made.next().map(|_| Block::new(BLOCK_LEN)));
        let Some(mut block) = block.or_else(|| empty.recv().ok()) else { return Ok(()) };
        if !block.fill(&mut reader)? || full.send(block).is_err() {
            return Ok(());
        }
    }
}

/// A file is read to the end of a block soon, and then its reader is dropped; a pipe may be silent forever.
fn wait_shortly(reading: &JoinHandle<io::Result<()>>) {
    for _ in 0..MAX_WAITS {
        if reading.is_finished() {
            return;
        }
        thread::sleep(WAIT);
    }
}

/// What one read gave. It may be plaintext.
struct Block {
    bytes: Zeroizing<Vec<u8>>,
    len: usize,
}

impl Block {
    fn new(len: usize) -> Self {
        Self { bytes: Zeroizing::new(vec![0; len]), len: 0 }
    }

    /// Reads once; `false` at the end. Nothing waits for more than there is now.
    fn fill(&mut self, reader: &mut impl Read) -> io::Result<bool> {
        loop {
            match reader.read(&mut self.bytes) {
                Ok(len) => {
                    self.len = len;
                    return Ok(len > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn filled(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Large enough that system calls do not count.
const BUFFER_LEN: usize = 256 * 1024;
/// Large enough that the threads seldom wait for each other.
const BLOCK_LEN: usize = 1024 * 1024;
const MAX_WAITS: u32 = 100;
const WAIT: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);
    const BOTH: [NonZeroUsize; 2] = [NonZeroUsize::MIN, TWO];

    /// Fails once it took so many bytes.
    struct Full {
        room: usize,
        taken: Vec<u8>,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let len = bytes.len().min(self.room);
            self.room -= len;
            self.taken.extend_from_slice(&bytes[..len]);
            Ok(len)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A source that is read once, and then never says anything until this is dropped.
    struct Silent {
        first: Option<u8>,
        forever: Receiver<()>,
    }

    impl Read for Silent {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.first.take() {
                Some(byte) => {
                    out[0] = byte;
                    Ok(1)
                }
                None => {
                    let _ = self.forever.recv();
                    Ok(0)
                }
            }
        }
    }

    /// Gives `len` bytes, some at a time, interrupted now and then, and fails at the end if it shall.
    struct Source {
        left: usize,
        given: u8,
        interrupted: bool,
        failure: Option<io::ErrorKind>,
    }

    impl Source {
        fn new(left: usize, failure: Option<io::ErrorKind>) -> Self {
            Self { left, given: 0, interrupted: false, failure }
        }
    }

    impl Read for Source {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.interrupted = !self.interrupted;
            if self.interrupted {
                return Err(io::ErrorKind::Interrupted.into());
            }
            match (self.left, self.failure) {
                (0, Some(failure)) => Err(failure.into()),
                (left, _) => {
                    let len = left.min(out.len()).min(70_001);
                    for byte in &mut out[..len] {
                        *byte = self.given;
                        self.given = self.given.wrapping_add(1);
                    }
                    self.left -= len;
                    Ok(len)
                }
            }
        }
    }

    fn expected(len: usize) -> Vec<u8> {
        (0..=255).cycle().take(len).collect()
    }

    #[test]
    fn everything_arrives_in_order() {
        for threads in BOTH {
            for len in [0, 1, BUFFER_LEN, 5 * BLOCK_LEN + 3] {
                let mut to = Vec::new();
                assert!(copy(Source::new(len, None), &mut to, threads).is_ok());
                assert!(to == expected(len), "{len} bytes, {threads} threads");
            }
        }
    }

    #[test]
    fn what_was_read_before_a_failure_is_written() {
        for threads in BOTH {
            let (mut to, len) = (Vec::new(), 3 * BLOCK_LEN + 1);
            let source = Source::new(len, Some(io::ErrorKind::InvalidData));
            let failed = copy(source, &mut to, threads);
            assert!(matches!(failed, Err(Side::Read(e)) if e.kind() == io::ErrorKind::InvalidData));
            assert!(to == expected(len), "{threads} threads");
        }
    }

    #[test]
    fn a_full_output_stops_an_endless_input() {
        for threads in BOTH {
            for room in [0, 1, 10 * BLOCK_LEN] {
                let mut to = Full { room, taken: Vec::new() };
                let failed = copy(Source::new(usize::MAX, None), &mut to, threads);
                let Err(Side::Write(error)) = failed else { panic!("{failed:?}") };
                assert_eq!(error.kind(), io::ErrorKind::StorageFull);
                assert!(to.taken == expected(room), "{threads} threads");
            }
        }
    }

    #[test]
    fn a_silent_input_does_not_hide_a_full_output() {
        let (silent, forever) = mpsc::channel();
        let source = Silent { first: Some(1), forever };
        let failed = copy(source, Full { room: 0, taken: Vec::new() }, TWO);
        assert!(matches!(failed, Err(Side::Write(_))));
        drop(silent);
    }

    #[test]
    fn bytes_do_not_wait_for_more() {
        /// Lets the source go on once it got something.
        struct Answer(Vec<u8>, Option<mpsc::Sender<()>>);
        impl Write for Answer {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1.take();
                self.0.write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        for threads in BOTH {
            let (silent, forever) = mpsc::channel();
            let mut answer = Answer(Vec::new(), Some(silent));
            assert!(copy(Silent { first: Some(7), forever }, &mut answer, threads).is_ok());
            assert_eq!(answer.0, [7]);
        }
    }

    #[test]
    #[should_panic(expected = "a fault")]
    fn a_reader_that_panics_is_no_end() {
        struct Faulty;
        impl Read for Faulty {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                panic!("a fault")
            }
        }
        let _ = copy(Faulty, Vec::new(), TWO);
    }
}
