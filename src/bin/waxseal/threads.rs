//! How many threads there are, and how they share what is to be done.

use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::failure::Failure;

/// As many as were asked for, or one for each core.
pub(crate) fn count(asked: Option<NonZeroU16>) -> NonZeroUsize {
    match asked {
        Some(count) => count.into(),
        // Where the system does not tell, one is right anywhere.
        None => thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    }
}

/// Does `one` for each item, with several at once and so many threads in all; `one` is told how many it
/// may have.
///
/// Items are begun in order, none after a failure, and those under way are finished. So everything before
/// the failure that is told was done, and it is the same failure whoever was faster.
pub(crate) fn each<T: Send>(
    mut items: impl Iterator<Item = Result<T, Failure>> + Send,
    threads: NonZeroUsize,
    one: impl Fn(T, NonZeroUsize) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    let at_once = threads.get().min(MAX_AT_ONCE);
    let ahead: Vec<_> = items.by_ref().take(at_once).collect();
    let shares = shares(threads, ahead.len());
    let queue = Queue::new(ahead.into_iter().chain(items));
    let work = |share| {
        while let Some((number, item)) = queue.next() {
            if let Err(failure) = one(item, share) {
                queue.fail(number, failure);
            }
        }
    };
    thread::scope(|scope| {
        let work = &work;
        for share in shares.iter().copied().skip(1) {
            // The others do what this one would have done.
            let _ = thread::Builder::new().spawn_scoped(scope, move || work(share));
        }
        work(shares.first().copied().unwrap_or(NonZeroUsize::MIN));
    });
    queue.end()
}

/// How many threads each of `count` workers has.
fn shares(threads: NonZeroUsize, count: usize) -> Vec<NonZeroUsize> {
    let Some(count) = NonZeroUsize::new(count) else { return Vec::new() };
    let (each, more) = (threads.get() / count, threads.get() % count);
    (0..count.get())
        .map(|number| each.saturating_add(usize::from(number < more)))
        .map(|share| NonZeroUsize::new(share).unwrap_or(NonZeroUsize::MIN))
        .collect()
}

/// What is to be done, and what failed first.
struct Queue<I>(Mutex<State<I>>);

struct State<I> {
    items: I,
    begun: u64,
    failed: Option<(u64, Failure)>,
}

impl<T, I: Iterator<Item = Result<T, Failure>>> Queue<I> {
    fn new(items: I) -> Self {
        Self(Mutex::new(State { items, begun: 0, failed: None }))
    }

    /// The next item and its number, if nothing failed.
    fn next(&self) -> Option<(u64, T)> {
        let mut state = self.lock();
        if state.failed.is_some() {
            return None;
        }
        let number = state.begun;
        match state.items.next()? {
            Ok(item) => {
                state.begun = number.saturating_add(1);
                Some((number, item))
            }
            Err(failure) => {
                state.failed = Some((number, failure));
                None
            }
        }
    }

    fn fail(&self, number: u64, failure: Failure) {
        let failed = &mut self.lock().failed;
        if failed.as_ref().is_none_or(|(first, _)| number < *first) {
            *failed = Some((number, failure));
        }
    }

    fn end(self) -> Result<(), Failure> {
        let State { failed, .. } = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        failed.map_or(Ok(()), |(_, failure)| Err(failure))
    }

    fn lock(&self) -> MutexGuard<'_, State<I>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file needs three descriptors, and many systems give a process no more than 256 or 1,024.
const MAX_AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, Mutex};

    use super::*;

    fn threads(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    fn failure(number: usize) -> Failure {
        Failure::usage(format!("item {number}"), "")
    }

    fn is_about(failure: &Failure, number: usize) -> bool {
        format!("{failure:?}").contains(&format!("\"item {number}\""))
    }

    #[test]
    fn threads_are_shared_out() {
        let given = |count, items| {
            shares(threads(count), items).into_iter().map(NonZeroUsize::get).collect::<Vec<_>>()
        };
        assert_eq!(given(8, 0), [0; 0]);
        assert_eq!(given(8, 1), [8]);
        assert_eq!(given(8, 3), [3, 3, 2]);
        assert_eq!(given(8, 8), [1; 8]);
    }

    #[test]
    fn all_are_done_once() {
        for count in [1, 2, 7, 1000] {
            for items in [0, 1, 2, 50] {
                let done = Mutex::new(Vec::new());
                let result = each((0..items).map(Ok), threads(count), |item, _| {
                    done.lock().unwrap().push(item);
                    Ok(())
                });
                assert!(result.is_ok());
                let mut done = done.into_inner().unwrap();
                done.sort_unstable();
                assert_eq!(done, (0..items).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn no_more_are_under_way_than_there_are_threads() {
        for count in [1, 3, 1000] {
            let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let done = each((0..500).map(Ok), threads(count), |_, share| {
                let before = now.fetch_add(share.get(), Ordering::SeqCst);
                most.fetch_max(before + share.get(), Ordering::SeqCst);
                thread::yield_now();
                now.fetch_sub(share.get(), Ordering::SeqCst);
                Ok(())
            });
            assert!(done.is_ok());
            assert!(most.into_inner() <= count);
        }
    }

    #[test]
    fn the_first_failure_is_told_even_if_a_later_one_is_faster() {
        let later = Barrier::new(2);
        let result = each((0..9).map(Ok), threads(2), |item, _| match item {
            3 => {
                later.wait();
                Err(failure(3))
            }
            4 => {
                later.wait();
                Err(failure(4))
            }
            item => {
                assert!(item < 3, "{item} was begun after a failure");
                Ok(())
            }
        });
        assert!(is_about(&result.unwrap_err(), 3));
    }

    #[test]
    fn nothing_is_begun_after_a_failure() {
        for count in [1, 2, 8] {
            let begun = Mutex::new(Vec::new());
            let result = each((0..1000).map(Ok), threads(count), |item, _| {
                begun.lock().unwrap().push(item);
                if item == 5 { Err(failure(5)) } else { Ok(()) }
            });
            assert!(is_about(&result.unwrap_err(), 5));
            let begun = begun.into_inner().unwrap();
            assert!((0..=5).all(|item| begun.contains(&item)));
            if count == 1 {
                assert_eq!(begun, [0, 1, 2, 3, 4, 5]);
            }
        }
    }

    #[test]
    fn what_comes_before_an_item_that_cannot_be_found_is_done() {
        for count in [1, 2, 8] {
            let done = AtomicUsize::new(0);
            let items = (0..5).map(|item| if item == 3 { Err(failure(3)) } else { Ok(item) });
            let result = each(items, threads(count), |item, _| {
                assert!(item < 3);
                done.fetch_add(1, Ordering::SeqCst);
                Ok(())
            });
            assert!(is_about(&result.unwrap_err(), 3));
            assert_eq!(done.into_inner(), 3, "{count} threads");
        }
    }

    #[test]
    fn items_are_not_looked_for_long_before_they_are_begun() {
        let (found, begun) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let items = (0..100).map(|item| {
            found.fetch_add(1, Ordering::SeqCst);
            Ok(item)
        });
        let result = each(items, threads(4), |_, _| {
            let begun = begun.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(found.load(Ordering::SeqCst) <= begun + 4);
            Ok(())
        });
        assert!(result.is_ok());
    }
}
