//! Waiting for keys that others hold.

use std::io;

use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;

/// Waits on this thread: one command does one thing at a time.
#[derive(Debug)]
pub(crate) struct Waiter(Option<Runtime>);

impl Waiter {
    pub(crate) fn new() -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::io("cannot wait for keys", &error);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        Ok(Self(Some(runtime)))
    }

    pub(crate) fn wait<F: IntoFuture>(&self, future: F) -> F::Output {
        let runtime = self.0.as_ref().expect("only dropping takes it");
        // Made inside of the runtime, as clients look for it when they are made.
        runtime.block_on(async { future.await })
    }
}

/// A command that failed does not wait for an input that somebody else holds open.
impl Drop for Waiter {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
