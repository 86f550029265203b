//! One future on which any number of callers wait, each of whom drives it.
//!
//! That of `futures_util` can lose a wake-up that comes while a caller polls: it reaches another one, who finds the
//! future being polled and waits; if the first is then dropped or not polled again, nobody goes on
//! (futures-rs issue 2706).

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use crate::materials::BoxFuture;

/// One of those who wait. The future is dropped when nobody is left.
pub(super) struct Shared<T> {
    inner: Arc<Inner<T>>,
    number: u64,
}

/// Whoever has it may join those who wait, as long as there are some.
pub(super) struct WeakShared<T>(Weak<Inner<T>>);

struct Inner<T> {
    state: Mutex<State<T>>,
    waiting: Arc<Waiting>,
}

enum State<T> {
    Idle(BoxFuture<'static, T>),
    /// It is with one of those who wait.
    Polled,
    Done(T),
}

/// Those who wait, and whether they have been woken since the future was polled.
#[derive(Default)]
struct Waiting(Mutex<Wakers>);

#[derive(Default)]
struct Wakers {
    callers: u64,
    of: HashMap<u64, Waker>,
    woken: bool,
}

impl<T: Clone> Shared<T> {
    /// Nothing of the future, which must not panic, runs before one of those who wait is polled.
    pub(super) fn new(future: BoxFuture<'static, T>) -> Self {
        let state = Mutex::new(State::Idle(future));
        Self::join(Arc::new(Inner { state, waiting: Arc::default() }))
    }

    pub(super) fn downgrade(&self) -> WeakShared<T> {
        WeakShared(Arc::downgrade(&self.inner))
    }

    fn join(inner: Arc<Inner<T>>) -> Self {
        let mut wakers = inner.waiting.lock();
        wakers.callers = wakers.callers.saturating_add(1);
        let number = wakers.callers;
        drop(wakers);
        Self { inner, number }
    }
}

impl<T: Clone> WeakShared<T> {
    pub(super) fn upgrade(&self) -> Option<Shared<T>> {
        self.0.upgrade().map(Shared::join)
    }
}

impl<T: Clone> Future for Shared<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Self { inner: shared, number } = &*self;
        let Inner { state, waiting } = &**shared;
        // Before looking: who finishes polling wakes those who are in the list by then.
        let replaced = waiting.lock().of.insert(*number, cx.waker().clone());
        // Not under the lock, as it may be the last that holds a task.
        drop(replaced);
        let mut future = {
            let mut state = lock(state);
            match std::mem::replace(&mut *state, State::Polled) {
                State::Idle(future) => future,
                State::Polled => return Poll::Pending,
                State::Done(outcome) => {
                    *state = State::Done(outcome.clone());
                    return Poll::Ready(outcome);
                }
            }
        };
        waiting.lock().woken = false;
        let waker = Waker::from(Arc::clone(waiting));
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => {
                drop(future);
                *lock(state) = State::Done(outcome.clone());
                waiting.wake_all();
                Poll::Ready(outcome)
            }
            Poll::Pending => {
                *lock(state) = State::Idle(future);
                // Those who came meanwhile for that found it being polled.
                if waiting.lock().woken {
                    waiting.wake_all();
                }
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let waker = self.inner.waiting.lock().of.remove(&self.number);
        // Not under the lock, as it may be the last that holds a task.
        drop(waker);
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Wakers> {
        lock(&self.0)
    }

    /// All of them: who is woken first may be dropped, or not be polled for long. Nothing is locked meanwhile, as a
    /// waker may poll at once.
    fn wake_all(&self) {
        let wakers = {
            let mut wakers = self.lock();
            wakers.woken = true;
            std::mem::take(&mut wakers.of)
        };
        wakers.into_values().for_each(Waker::wake);
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Woken {
        fn count(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }

        fn poll<T: Clone>(self: &Arc<Self>, shared: &mut Shared<T>) -> Poll<T> {
            let waker = Waker::from(Arc::clone(self));
            Pin::new(shared).poll(&mut Context::from_waker(&waker))
        }
    }

    /// A future that is done when it is told, and the waker of whoever polled it last.
    #[derive(Default)]
    struct Told {
        done: Mutex<bool>,
        waker: Mutex<Option<Waker>>,
    }

    impl Told {
        fn future(self: &Arc<Self>) -> BoxFuture<'static, u32> {
            let told = Arc::clone(self);
            Box::pin(poll_fn(move |cx| {
                *lock(&told.waker) = Some(cx.waker().clone());
                if *lock(&told.done) { Poll::Ready(7) } else { Poll::Pending }
            }))
        }

        fn tell(&self) {
            *lock(&self.done) = true;
            let waker = lock(&self.waker).take();
            waker.expect("somebody polled").wake();
        }
    }

    #[test]
    fn all_get_the_outcome_whoever_drives() {
        let told = Arc::new(Told::default());
        let mut first = Shared::new(told.future());
        let mut second = first.downgrade().upgrade().unwrap();
        let mut late = first.downgrade().upgrade().unwrap();
        let woken = [(); 3].map(|()| Arc::new(Woken::default()));
        assert!(woken[0].poll(&mut first).is_pending());
        assert!(woken[1].poll(&mut second).is_pending());
        told.tell();
        assert_eq!([woken[0].count(), woken[1].count(), woken[2].count()], [1, 1, 0]);
        assert_eq!(woken[1].poll(&mut second), Poll::Ready(7));
        assert_eq!(woken[0].poll(&mut first), Poll::Ready(7));
        assert_eq!(woken[2].poll(&mut late), Poll::Ready(7));
    }

    #[test]
    fn who_is_dropped_leaves_it_to_the_others() {
        let told = Arc::new(Told::default());
        let mut first = Shared::new(told.future());
        let mut second = first.downgrade().upgrade().unwrap();
        let [one, two] = [(); 2].map(|()| Arc::new(Woken::default()));
        assert!(two.poll(&mut second).is_pending());
        assert!(one.poll(&mut first).is_pending());
        drop(first);
        told.tell();
        assert_eq!((one.count(), two.count()), (0, 1));
        assert_eq!(two.poll(&mut second), Poll::Ready(7));
    }

    #[test]
    fn it_ends_with_the_last_who_waits() {
        let told = Arc::new(Told::default());
        let first = Shared::new(told.future());
        let weak = first.downgrade();
        let second = weak.upgrade().unwrap();
        drop(first);
        assert_eq!(Arc::strong_count(&told), 2);
        drop(second);
        assert_eq!(Arc::strong_count(&told), 1);
        assert!(weak.upgrade().is_none());
    }

    /// The answer comes while the first polls, the second hears of it, finds it being polled, and the first is given up.
    #[test]
    fn a_wake_up_while_another_polls_is_not_lost() {
        for wakes_first in [true, false] {
            let second: Arc<Mutex<Option<Shared<u32>>>> = Arc::default();
            let [one, two] = [(); 2].map(|()| Arc::new(Woken::default()));
            let mut polls = 0;
            let inside = (Arc::clone(&second), Arc::clone(&two));
            let future = poll_fn(move |cx| {
                polls += 1;
                if polls == 2 {
                    return Poll::Ready(7);
                }
                let (second, two) = &inside;
                let poll_second = || {
                    let mut second = lock(second);
                    assert!(two.poll(second.as_mut().unwrap()).is_pending());
                };
                if wakes_first {
                    cx.waker().wake_by_ref();
                    poll_second();
                } else {
                    poll_second();
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            });
            let mut first = Shared::new(Box::pin(future));
            *lock(&second) = first.downgrade().upgrade();
            assert!(one.poll(&mut first).is_pending());
            drop(first);
            assert_ne!(two.count(), 0);
            // Taken out, for the future has it, too.
            let mut second = lock(&second).take().unwrap();
            assert_eq!(two.poll(&mut second), Poll::Ready(7));
        }
    }

    /// Nobody wakes another one for nothing: two would keep each other busy for ever.
    #[test]
    fn who_finds_it_being_polled_is_not_woken_without_reason() {
        let second: Arc<Mutex<Option<Shared<u32>>>> = Arc::default();
        let [one, two] = [(); 2].map(|()| Arc::new(Woken::default()));
        let inside = (Arc::clone(&second), Arc::clone(&two));
        let future = poll_fn(move |_| {
            let mut second = lock(&inside.0);
            assert!(inside.1.poll(second.as_mut().unwrap()).is_pending());
            Poll::Pending
        });
        let mut first = Shared::new(Box::pin(future));
        *lock(&second) = first.downgrade().upgrade();
        assert!(one.poll(&mut first).is_pending());
        assert_eq!((one.count(), two.count()), (0, 0));
        let second = lock(&second).take();
        drop(second);
    }
}
