//! The only place that asks what time it is.

use std::fmt::Debug;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Tells how much time has passed, for the age of what a cache holds.
pub trait Clock: Debug + Send + Sync {
    /// Time since some fixed moment. It never goes back. A cache is locked while it asks.
    fn now(&self) -> Duration;
}

/// The clock of the operating system that never goes back.
///
/// On some systems, Linux among them, it stands still while the machine sleeps. There is none on
/// wasm32-unknown-unknown: asking panics there.
///
/// ```
/// use waxseal::{Clock, SystemClock};
///
/// let before = SystemClock.now();
/// assert!(SystemClock.now() >= before);
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to set")]
pub struct SystemClock;

impl SystemClock {
    /// Whether this system has one.
    #[cfg(feature = "tracing")]
    pub(crate) const IS_THERE: bool = !cfg!(all(target_arch = "wasm32", target_os = "unknown"));
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        #[expect(clippy::disallowed_methods, reason = "this is the place for it")]
        static FIRST_ASKED: LazyLock<Instant> = LazyLock::new(Instant::now);
        FIRST_ASKED.elapsed()
    }
}

/// A clock that goes when it is told to, for tests. Its clones go with it.
///
/// ```
/// use std::time::Duration;
/// use waxseal::{Clock, ManualClock};
///
/// let clock = ManualClock::default();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now(), Duration::from_secs(60));
/// ```
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<Mutex<Duration>>);

impl ManualClock {
    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(time);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
