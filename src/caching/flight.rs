//! One request to the underlying manager, on which any number of callers wait.
//!
//! Whoever waits drives it: it goes on when the one who began it is cancelled, and ends when nobody is left.

use std::any::Any;
use std::future::{Future as _, poll_fn};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use crate::caching::cache::{Cacheable, Entry, MaterialsCache};
use crate::caching::identifier::Identifier;
use crate::caching::shared::{Shared, WeakShared};
use crate::error::Error;
use crate::materials::BoxFuture;

/// The request itself. Nothing of it runs before it is polled.
pub(super) type Call<T> = BoxFuture<'static, Result<T, Error>>;
pub(super) type Flight<T> = Shared<Outcome<T>>;
pub(super) type WeakFlight<T> = WeakShared<Outcome<T>>;

/// What all who waited get.
pub(super) enum Outcome<T> {
    /// Materials for as many as the limits allow.
    Entry(Arc<Entry<T>>),
    /// Materials that must not be shared, for whoever takes them first.
    Single(Arc<Mutex<Option<T>>>),
    Failed(Arc<Error>),
    /// With what it panicked, for whoever takes it first.
    Panicked(Arc<Mutex<Option<Box<dyn Any + Send>>>>),
}

impl<T> Clone for Outcome<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Entry(entry) => Self::Entry(Arc::clone(entry)),
            Self::Single(materials) => Self::Single(Arc::clone(materials)),
            Self::Failed(error) => Self::Failed(Arc::clone(error)),
            Self::Panicked(panic) => Self::Panicked(Arc::clone(panic)),
        }
    }
}

pub(super) fn take_off<T: Cacheable>(landing: Landing<T>, call: Call<T>) -> Flight<T> {
    let flight = async move {
        let result = call.await;
        landing.land(result)
    };
    let mut flight = Box::pin(flight);
    // Those who wait are to hear of a panic, too. Nothing is used of the call afterwards.
    Shared::new(Box::pin(poll_fn(move |cx| {
        catch_unwind(AssertUnwindSafe(|| flight.as_mut().poll(cx))).unwrap_or_else(|panic| {
            Poll::Ready(Outcome::Panicked(Arc::new(Mutex::new(Some(panic)))))
        })
    })))
}

/// Where a flight ends, one way or another: no later caller joins it.
pub(super) struct Landing<T: Cacheable> {
    pub(super) cache: MaterialsCache,
    pub(super) id: Identifier,
    pub(super) number: u64,
    pub(super) max_age: Duration,
    pub(super) materials: PhantomData<fn() -> T>,
}

impl<T: Cacheable> Landing<T> {
    fn land(self, result: Result<T, Error>) -> Outcome<T> {
        match result {
            Ok(materials) if !materials.may_be_shared() => {
                Outcome::Single(Arc::new(Mutex::new(Some(materials))))
            }
            Ok(materials) => {
                let Self { cache, id, number, max_age, .. } = &self;
                Outcome::Entry(cache.put(id, *number, *max_age, materials))
            }
            Err(error) => Outcome::Failed(Arc::new(error)),
        }
    }
}

/// Also when the call panics, or when nobody waits any more.
impl<T: Cacheable> Drop for Landing<T> {
    fn drop(&mut self) {
        self.cache.forget_flight::<T>(&self.id, self.number);
    }
}
