//! Waiting for keys that others hold.

use std::io;

use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;

/// Waits on the thread that asks. Several may: one of them drives what all wait for.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn several_threads_wait_at_once_even_for_each_other() {
        let waiter = Waiter::new().unwrap();
        let (first, for_second) = oneshot::channel();
        let (second, for_first) = oneshot::channel();
        let sum = std::thread::scope(|scope| {
            let waiter = &waiter;
            let one = scope.spawn(move || {
                waiter.wait(async {
                    tokio::spawn(async {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        first.send(1).unwrap();
                    });
                    for_first.await.unwrap()
                })
            });
            let two = waiter.wait(async {
                let got = for_second.await.unwrap();
                tokio::time::sleep(Duration::from_millis(10)).await;
                second.send(got + 1).unwrap();
                got
            });
            one.join().unwrap() + two
        });
        assert_eq!(sum, 3);
    }
}
