//! Holds calls in flight, without a runtime.

use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// Where calls wait while anybody holds them.
#[derive(Default)]
pub(super) struct Gate(Mutex<State>);

#[derive(Default)]
struct State {
    holders: usize,
    waiting: usize,
    /// Of calls, and of those who wait for calls.
    wakers: Vec<Waker>,
}

impl Gate {
    /// Waits until nobody holds calls.
    pub(super) async fn pass(&self) {
        let mut place = None;
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.holders == 0 {
                return Poll::Ready(());
            }
            let mut others = Vec::new();
            if place.is_none() {
                state.waiting = state.waiting.saturating_add(1);
                place = Some(Place(self));
                others = mem::take(&mut state.wakers);
            }
            state.wakers.push(cx.waker().clone());
            drop(state);
            others.into_iter().for_each(Waker::wake);
            Poll::Pending
        })
        .await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a waiting call for as long as it waits, however that ends.
struct Place<'a>(&'a Gate);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.waiting = state.waiting.saturating_sub(1);
    }
}

/// Holds every call of a [`FakeKms`](super::FakeKms) in flight until it is dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use waxseal::testing::{FakeKms, KeySpec};
///
/// let kms = FakeKms::new();
/// let key = kms.create_key("eu-west-1", KeySpec::Symmetric)?;
/// let held = kms.hold();
/// let call = tokio::spawn(kms.client("eu-west-1").describe_key().key_id(key).send());
/// held.until(1).await;
/// assert!(!call.is_finished());
/// drop(held);
/// call.await??;
/// # Ok(())
/// # }
/// ```
#[must_use = "calls are held only until this is dropped"]
pub struct Held(Arc<Gate>);

impl Held {
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        {
            let mut state = gate.lock();
            state.holders = state.holders.saturating_add(1);
        }
        Self(gate)
    }

    /// How many calls are waiting now.
    pub fn waiting(&self) -> usize {
        self.0.lock().waiting
    }

    /// Waits until at least so many calls are waiting.
    pub async fn until(&self, calls: usize) {
        poll_fn(|cx| {
            let mut state = self.0.lock();
            if state.waiting >= calls {
                return Poll::Ready(());
            }
            state.wakers.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.0.lock();
            state.holders = state.holders.saturating_sub(1);
            mem::take(&mut state.wakers)
        };
        // Not while locked: a waker may poll at once.
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("waiting", &self.waiting()).finish()
    }
}
