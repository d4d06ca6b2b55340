//! Ending a pool: drain or discard, wait for the threads, report what was left.

use super::registry::Registry;
use super::{current, ending};
use crate::error::ErrorKind;
use crate::sync::{Arc, Instant};

/// What [`Pool::shutdown`](super::Pool::shutdown) does with tasks that have not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// Runs them all.
    Drain,
    /// Settles them as [`Cancelled`](crate::ErrorKind::Cancelled).
    Discard,
}

/// What [`Pool::shutdown`](super::Pool::shutdown) left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "it says whether the pool has really ended"]
pub struct ShutdownReport {
    /// Tasks that were settled as cancelled because they had not started.
    pub discarded: usize,
    /// Tasks still queued when the deadline passed.
    pub queued: usize,
    /// Threads that were still running or blocked when the deadline passed. The calling thread, if
    /// it is one of the pool's, is not counted, nor are others of them that wait in `shutdown` too.
    pub threads: usize,
}

impl ShutdownReport {
    /// Returns true when nothing is queued and no thread is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Pool, Shutdown};
    ///
    /// let pool = Pool::new();
    /// pool.spawn(|| println!("saved")).detach();
    /// let report = pool.shutdown(Shutdown::Drain, Duration::from_secs(5));
    /// if !report.is_complete() {
    ///     eprintln!("{} tasks and {} threads are left", report.queued, report.threads);
    /// }
    /// ```
    pub fn is_complete(&self) -> bool {
        self.queued == 0 && self.threads == 0
    }
}

pub(super) fn shutdown(
    registry: &Arc<Registry>,
    mode: Shutdown,
    deadline: Option<Instant>,
    close: bool,
) -> ShutdownReport {
    if close {
        registry.close();
    }
    let mut report = ShutdownReport::default();
    if mode == Shutdown::Discard {
        // Jobs that are pushed later are not discarded by this call: others may push without end.
        report.discarded = registry.reject_queued(
            ErrorKind::Cancelled,
            "its pool was shut down before it started",
            registry.queues.len(),
        );
    }
    if close {
        report.threads = ending::await_end(registry, deadline);
        if registry.reject_if_no_workers() {
            // A later push rejects its job itself.
            return report;
        }
    } else if !ending::wait_idle(registry, deadline) {
        let counts = registry.idle.lock();
        report.threads = counts.active + counts.blocked - usize::from(current::counts_in(registry));
    }
    report.queued = registry.queues.len();
    report
}
