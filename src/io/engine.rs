//! Long work for a runtime: on one of the threads that it keeps for what would block it.

use std::io;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::Work;
use crate::error::{ApiMisuse, Error};

/// What works for a reader or writer: here, or at work elsewhere.
///
/// Dropped while it works elsewhere, it ends there, and is wiped as anywhere.
#[derive(Debug)]
pub(super) enum Engine<T> {
    Here(T),
    Away(JoinHandle<(T, Result<(), Error>)>),
    /// It did not come back.
    Lost,
}

impl<T: Work + Send + 'static> Engine<T> {
    /// Waits until it is here, and tells how its work went.
    pub(super) fn poll_here(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut T>> {
        if let Self::Away(task) = self {
            let joined = ready!(Pin::new(task).poll(cx));
            *self = Self::Lost;
            match joined {
                Ok((engine, result)) => {
                    *self = Self::Here(engine);
                    result?;
                }
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                Err(_) => {
                    return Poll::Ready(Err(io::Error::other("the runtime was shut down")));
                }
            }
        }
        Poll::Ready(match self {
            Self::Here(engine) => Ok(engine),
            Self::Away(_) | Self::Lost => Err(Error::from(ApiMisuse::Poisoned).into()),
        })
    }

    /// Has it work: elsewhere if that would be long, and if there is a runtime.
    pub(super) fn work(&mut self) -> Result<(), Error> {
        let Self::Here(mut engine) = std::mem::replace(self, Self::Lost) else {
            return Err(ApiMisuse::Poisoned.into());
        };
        match Handle::try_current() {
            // There, no thread can be had.
            Ok(runtime) if engine.is_long() && !cfg!(target_family = "wasm") => {
                *self = Self::Away(runtime.spawn_blocking(move || {
                    let result = engine.work();
                    (engine, result)
                }));
                Ok(())
            }
            _ => {
                let result = engine.work();
                *self = Self::Here(engine);
                result
            }
        }
    }
}
