//! Runs of whole frames, sealed or opened on several threads.
//!
//! Jobs of some frames are handed out one by one, and what became of them is seen in order by the thread
//! that called, which does jobs, too, when it has nothing else to do. So signatures are made over finished frames
//! in order while others are sealed, and the result is that of one thread, whatever the number.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use crate::error::Error;
use crate::frames::{FrameOpener, FrameSealer};
use crate::message::body::FramePrefix;
use crate::message::{FrameKind, to_usize};
use crate::secret::wipe;
use crate::transcript::Transcript;

/// Seals regular frames that stand one after the other. `plaintext` is that of whole frames, `sealed` as long as they
/// will be, and all of their numbers are in range.
pub(crate) fn seal_run<K: Send>(
    sealer: &FrameSealer,
    threads: NonZeroUsize,
    first: u32,
    plaintext: &[u8],
    sealed: &mut [u8],
    transcript: &mut Transcript<K>,
) -> Result<(), Error> {
    let run = Run::new(first, sealer.frame_len(), JOB_LEN);
    let threads = useful(threads, plaintext.len());
    seal_run_of(&run, sealer, threads, plaintext, sealed, transcript)
}

fn seal_run_of<K: Send>(
    run: &Run,
    sealer: &FrameSealer,
    threads: NonZeroUsize,
    plaintext: &[u8],
    sealed: &mut [u8],
    transcript: &mut Transcript<K>,
) -> Result<(), Error> {
    let jobs = plaintext.chunks(run.plaintext_len).zip(sealed.chunks_mut(run.sealed_len));
    let seal = |job, (plaintext, sealed)| run.seal(sealer, job, plaintext, sealed);
    in_order(threads, jobs, seal, |sealed: Result<&[u8], Error>| {
        transcript.update(sealed?);
        Ok(())
    })
}

/// Opens regular frames that stand one after the other, as long as they are what they should be; gives their
/// number.
///
/// `frames` is that many whole frames, `out` as long as their content. What stopped it is not told: the frame
/// that stands there is to be looked at by itself. Behind the content of the frames that opened, `out` is
/// as it was, or zeros.
pub(crate) fn open_run<K>(
    opener: &FrameOpener,
    threads: NonZeroUsize,
    first: u32,
    frames: &[u8],
    out: &mut [u8],
    transcript: &mut Transcript<K>,
) -> usize {
    let run = Run::new(first, opener.frame_len(), JOB_LEN);
    let threads = useful(threads, frames.len());
    open_run_of(&run, opener, threads, frames, out, transcript)
}

fn open_run_of<K>(
    run: &Run,
    opener: &FrameOpener,
    threads: NonZeroUsize,
    frames: &[u8],
    out: &mut [u8],
    transcript: &mut Transcript<K>,
) -> usize {
    let mut opened = 0_usize;
    let jobs = frames.chunks(run.sealed_len).zip(out.chunks_mut(run.plaintext_len));
    let open = |job, (sealed, out)| (sealed, run.open(opener, job, sealed, out));
    let _ = in_order(threads, jobs, open, |(sealed, content): (&[u8], Opened<'_>)| {
        let count = content.keep().checked_div(run.frame_len).unwrap_or_default();
        opened = opened.saturating_add(count);
        let len = count.saturating_mul(run.sealed_frame_len);
        let (good, rest) = sealed.split_at_checked(len).unwrap_or((sealed, &[]));
        transcript.update(good);
        if rest.is_empty() { Ok(()) } else { Err(()) }
    });
    opened
}

/// Content of frames that one job opened. It is wiped unless all before it turned out to be good.
struct Opened<'o>(&'o mut [u8]);

impl Opened<'_> {
    /// It is to be used; gives its length in bytes.
    fn keep(mut self) -> usize {
        std::mem::take(&mut self.0).len()
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        wipe(self.0);
    }
}

/// Lengths of a run, in bytes, and the number of its first frame.
struct Run {
    first: u32,
    frame_len: usize,
    sealed_frame_len: usize,
    frames_per_job: usize,
    /// Content of a job.
    plaintext_len: usize,
    /// Frames of a job.
    sealed_len: usize,
}

impl Run {
    /// Jobs have at most `job_len` bytes of content, if frames are not longer.
    fn new(first: u32, frame_len: u32, job_len: usize) -> Self {
        let frame_len = to_usize(frame_len).max(1);
        let sealed_frame_len = frame_len.saturating_add(FrameKind::Regular.overhead());
        let frames_per_job = job_len.checked_div(frame_len).unwrap_or_default().max(1);
        Self {
            first,
            frame_len,
            sealed_frame_len,
            frames_per_job,
            plaintext_len: frame_len.saturating_mul(frames_per_job),
            sealed_len: sealed_frame_len.saturating_mul(frames_per_job),
        }
    }

    /// Number of the first frame of a job.
    fn first_of(&self, job: usize) -> u32 {
        let before = u32::try_from(job.saturating_mul(self.frames_per_job)).unwrap_or(u32::MAX);
        self.first.saturating_add(before)
    }

    /// Seals the frames of a job; gives them.
    fn seal<'s>(
        &self,
        sealer: &FrameSealer,
        job: usize,
        plaintext: &[u8],
        sealed: &'s mut [u8],
    ) -> Result<&'s [u8], Error> {
        let frames = plaintext.chunks(self.frame_len).zip(sealed.chunks_mut(self.sealed_frame_len));
        // The numbers come second, so that none is asked for beyond the last.
        for ((plaintext, sealed), number) in frames.zip(self.first_of(job)..) {
            sealer.seal(number, FrameKind::Regular, plaintext, sealed)?;
        }
        Ok(sealed)
    }

    /// Opens the frames of a job up to the first that is not as it should be.
    fn open<'o>(
        &self,
        opener: &FrameOpener,
        job: usize,
        sealed: &[u8],
        out: &'o mut [u8],
    ) -> Opened<'o> {
        let frames = sealed.chunks(self.sealed_frame_len).zip(out.chunks_mut(self.frame_len));
        let opened = frames.zip(self.first_of(job)..).map_while(|((frame, out), number)| {
            let prefix = FramePrefix::read(frame, number, opener.frame_len(), 0).ok()?.ok()?;
            let fits = prefix.kind == FrameKind::Regular && prefix.frame_len() == frame.len();
            fits.then(|| opener.open_frame(&prefix, frame, out).ok()).flatten()
        });
        let len = opened.count().saturating_mul(self.frame_len);
        Opened(out.get_mut(..len).unwrap_or_default())
    }
}

/// How many threads are worth it.
fn useful(threads: NonZeroUsize, len: usize) -> NonZeroUsize {
    NonZeroUsize::new(len / LEN_FOR_THREAD).map_or(NonZeroUsize::MIN, |most| threads.min(most))
}

/// Does all jobs on up to so many threads, this one included, and shows what came of each to `each`: in order, on
/// this thread, until it fails.
///
/// A thread that cannot be had is done without.
fn in_order<J: Send, T: Send, E>(
    threads: NonZeroUsize,
    jobs: impl ExactSizeIterator<Item = J> + Send,
    work: impl Fn(usize, J) -> T + Sync,
    mut each: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let count = jobs.len();
    let threads = threads.get().min(count);
    if threads < 2 {
        return jobs.enumerate().try_for_each(|(number, job)| each(work(number, job)));
    }
    let jobs = Mutex::new(jobs.enumerate());
    let stopped = AtomicBool::new(false);
    let take = || {
        let mut jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if stopped.load(Ordering::Relaxed) { None } else { jobs.next() }
    };
    let (done, finished) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 1..threads {
            let (done, take, work) = (done.clone(), &take, &work);
            let thread = thread::Builder::new().name("waxseal".to_owned());
            let started = thread.spawn_scoped(scope, move || {
                while let Some((number, job)) = take() {
                    if done.send((number, work(number, job))).is_err() {
                        break;
                    }
                }
            });
            if started.is_err() {
                break;
            }
        }
        drop(done);
        let mut waiting = BTreeMap::new();
        for number in 0..count {
            let result = loop {
                waiting.extend(finished.try_iter());
                if let Some(result) = waiting.remove(&number) {
                    break result;
                }
                match take() {
                    Some((number, job)) => drop(waiting.insert(number, work(number, job))),
                    None => match finished.recv() {
                        Ok((number, result)) => drop(waiting.insert(number, result)),
                        // A thread panicked, and so will this scope.
                        Err(_) => return Ok(()),
                    },
                }
            };
            if let Err(error) = each(result) {
                stopped.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(())
    })
}

/// Bytes of content in a job, if frames are not longer: long enough that handing it out does not count, and short
/// enough for the caches of a core.
const JOB_LEN: usize = if cfg!(fuzzing) { 40 } else { 128 << 10 };
/// What a thread must have to do, in bytes: to start one takes as long as to seal some hundred KiB.
const LEN_FOR_THREAD: usize = if cfg!(fuzzing) { 100 } else { 1 << 20 };

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::{GcmKey, SigningKey};
    use crate::suite::AlgorithmSuite;

    fn threads(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    const MESSAGE_ID: [u8; 32] = [7; 32];
    const SUITE: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;

    fn transcript() -> Transcript<std::sync::Arc<SigningKey>> {
        Transcript::new(SUITE, None)
    }

    fn sealer(frame_len: u32) -> FrameSealer {
        FrameSealer::new(GcmKey::new(&[5; 32]).unwrap(), &MESSAGE_ID, frame_len)
    }

    fn opener(frame_len: u32) -> FrameOpener {
        FrameOpener::new(GcmKey::new(&[5; 32]).unwrap(), &MESSAGE_ID, frame_len)
    }

    /// Frame by frame, without what is tested.
    fn one_by_one(sealer: &FrameSealer, first: u32, plaintext: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        for (number, frame) in (first..).zip(plaintext.chunks(to_usize(sealer.frame_len()))) {
            let start = sealed.len();
            sealed.resize(start + sealer.sealed_len(FrameKind::Regular, frame.len()), 0);
            sealer.seal(number, FrameKind::Regular, frame, &mut sealed[start..]).unwrap();
        }
        sealed
    }

    fn case() -> impl Strategy<Value = (u32, usize, u32, usize, usize)> {
        (1..40_u32, 0..60_usize, 1..1000_u32, 1..9_usize, 1..200_usize)
    }

    proptest! {
        #[test]
        fn frames_are_those_of_one_thread((frame_len, frames, first, count, job_len) in case()) {
            let plaintext: Vec<u8> =
                (0..=255).cycle().take(to_usize(frame_len) * frames).collect();
            let sealer = sealer(frame_len);
            let expected = one_by_one(&sealer, first, &plaintext);
            let run = Run::new(first, frame_len, job_len);
            let mut sealed = vec![0; expected.len()];
            seal_run_of(&run, &sealer, threads(count), &plaintext, &mut sealed, &mut transcript())
                .unwrap();
            prop_assert_eq!(&sealed, &expected);
            let mut opened = vec![0xee; plaintext.len()];
            let count = open_run_of(
                &run, &opener(frame_len), threads(count), &sealed, &mut opened, &mut transcript(),
            );
            prop_assert_eq!(count, frames);
            prop_assert_eq!(opened, plaintext);
        }

        /// Whatever other threads did meanwhile.
        #[test]
        fn nothing_behind_a_spoiled_frame_comes_out(
            (frame_len, frames, first, count, job_len) in case(),
            place in any::<prop::sample::Index>(),
            more in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            prop_assume!(frames > 0);
            let plaintext = vec![1; to_usize(frame_len) * frames];
            let mut sealed = one_by_one(&sealer(frame_len), first, &plaintext);
            let sealed_len = to_usize(frame_len) + 32;
            let (place, more) = (place.index(sealed.len()), more.index(sealed.len()));
            sealed[place] ^= 1 << bit;
            if place != more {
                sealed[more] ^= 1 << bit;
            }
            let mut opened = vec![0xee; plaintext.len()];
            let run = Run::new(first, frame_len, job_len);
            let count = open_run_of(
                &run, &opener(frame_len), threads(count), &sealed, &mut opened, &mut transcript(),
            );
            prop_assert_eq!(count, place.min(more) / sealed_len);
            let good = count * to_usize(frame_len);
            prop_assert!(opened[..good].iter().all(|byte| *byte == 1));
            prop_assert!(opened[good..].iter().all(|byte| matches!(byte, 0 | 0xee)));
        }
    }

    /// The signature covers frames in order, whatever the order in which they were sealed.
    #[test]
    fn signatures_are_made_over_frames_in_order() {
        let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384;
        let curve = suite.signature().unwrap();
        let sealer = sealer(10);
        let plaintext = vec![3; 5000];
        let expected = one_by_one(&sealer, 1, &plaintext);
        for count in [1, 2, 3, 8] {
            let key = std::sync::Arc::new(SigningKey::generate(curve).unwrap());
            let point = key.public_key().unwrap();
            let mut signed = Transcript::new(suite, Some(key));
            let mut sealed = vec![0; expected.len()];
            let run = Run::new(1, 10, 70);
            seal_run_of(&run, &sealer, threads(count), &plaintext, &mut sealed, &mut signed)
                .unwrap();
            assert_eq!(sealed, expected);
            let footer = signed.sign().unwrap();
            let signature = crate::message::footer::read_footer(&footer).unwrap();

            let key = || crate::crypto::VerifyingKey::new(curve, &point).unwrap();
            let mut one_by_one = Transcript::new(suite, Some(key()));
            one_by_one.update(&expected);
            one_by_one.verify(signature).unwrap();
            let mut opened = Transcript::new(suite, Some(key()));
            let mut out = vec![0; 5000];
            let opener = opener(10);
            assert_eq!(
                open_run_of(&run, &opener, threads(count), &sealed, &mut out, &mut opened),
                500
            );
            opened.verify(signature).unwrap();
        }
    }

    /// The highest number that a regular frame can have.
    #[test]
    fn the_last_numbers_are_in_range() {
        let sealer = sealer(1);
        let first = u32::MAX - 3;
        let mut sealed = vec![0; 3 * 33];
        let run = Run::new(first, 1, 1);
        seal_run_of(&run, &sealer, threads(2), b"abc", &mut sealed, &mut transcript()).unwrap();
        let mut out = [0; 3];
        let count = open_run_of(&run, &opener(1), threads(2), &sealed, &mut out, &mut transcript());
        assert_eq!((count, &out), (3, b"abc"));
    }

    /// The same comes out on one thread, so that nothing else would notice.
    #[test]
    fn threads_are_used_where_there_is_enough_to_do() {
        let useful = |count, len| useful(threads(count), len).get();
        assert_eq!(useful(4, 100 * LEN_FOR_THREAD), 4);
        assert_eq!(useful(4, 3 * LEN_FOR_THREAD), 3);
        assert_eq!(useful(4, LEN_FOR_THREAD - 1), 1);
        assert_eq!(useful(1, 100 * LEN_FOR_THREAD), 1);

        for count in [2, 3] {
            let jobs = (0..1000).collect::<Vec<usize>>().into_iter();
            let mut seen = std::collections::BTreeSet::new();
            let work = |_, _| {
                thread::sleep(std::time::Duration::from_micros(100));
                format!("{:?}", thread::current().id())
            };
            let done = in_order(threads(count), jobs, work, |id| {
                seen.insert(id);
                Ok::<_, ()>(())
            });
            assert_eq!((done, seen.len()), (Ok(()), count));
        }
    }

    #[test]
    fn everything_is_done_once_and_seen_in_order() {
        for count in [0, 1, 3, 4, 5, 100] {
            for threads in [1, 2, 3, 8, 200].map(threads) {
                let mut seen = Vec::new();
                let jobs = (0..count).collect::<Vec<_>>().into_iter();
                let result = in_order(
                    threads,
                    jobs,
                    |number, job| {
                        assert_eq!(number, job);
                        // Later jobs are done sooner.
                        thread::yield_now();
                        job
                    },
                    |job| {
                        seen.push(job);
                        Ok::<_, ()>(())
                    },
                );
                assert_eq!(result, Ok(()));
                assert_eq!(seen, (0..count).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn the_first_failure_in_order_is_the_one_that_counts() {
        for threads in [1, 2, 5].map(threads) {
            let mut seen = Vec::new();
            let jobs = (0..50).collect::<Vec<usize>>().into_iter();
            let work = |_, job| if job % 20 == 17 { Err(job) } else { Ok(job) };
            let result = in_order(threads, jobs, work, |result| {
                seen.push(result?);
                Ok(())
            });
            assert_eq!(result, Err(17));
            assert_eq!(seen, (0..17).collect::<Vec<_>>());
        }
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_on_another_thread_is_not_lost() {
        let caller = thread::current().id();
        let work = |_, job: usize| {
            assert!(thread::current().id() == caller || job == usize::MAX, "another thread");
            thread::sleep(std::time::Duration::from_millis(1));
        };
        let _ = in_order(threads(4), (0..100).collect::<Vec<_>>().into_iter(), work, |()| {
            Ok::<_, ()>(())
        });
    }
}
