//! Waiting for keys that others hold.

use std::io;

use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;

/// Waits on this thread: one command does one thing at a time.
#[derive(Debug)]
pub(crate) struct Waiter(Runtime);

impl Waiter {
    pub(crate) fn new() -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::io("cannot wait for keys", &error);
        Builder::new_current_thread().enable_all().build().map(Self).map_err(failed)
    }

    pub(crate) fn wait<F: IntoFuture>(&self, future: F) -> F::Output {
        // Made inside of the runtime, as clients look for it when they are made.
        self.0.block_on(async { future.await })
    }
}
