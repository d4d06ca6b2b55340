//! Waiting for a pool to come to rest, and ending it: drain or discard, wait for the threads,
//! report what was left.

use super::registry::Registry;
use super::{ending, worker};
use crate::error::ErrorKind;
use crate::sync::{Arc, Instant, Ordering};

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
#[must_use = "it says whether the pool has really come to rest"]
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

impl Registry {
    /// Accepts nothing more; threads end when the queues are empty.
    pub(super) fn close(&self) {
        // Close.1
        self.closed.store(true, Ordering::SeqCst);
        // Close.2
        let sleepers = {
            let mut counts = self.counts.lock();
            let sleepers = std::mem::take(&mut counts.idle);
            counts.active += sleepers.len();
            self.publish_counts(&counts);
            sleepers
        };
        for sleeper in sleepers {
            sleeper.wake();
        }
        self.monitor.unpark();
        if let Some(capacity) = &self.capacity {
            capacity.close();
        }
    }

    /// On a closed pool without threads nobody would ever look at what was queued at the last
    /// moment. True if this pool is one.
    pub(super) fn reject_if_no_workers(&self) -> bool {
        let has_no_worker = self.counts.lock().threads == 0;
        if has_no_worker {
            self.reject_queued(
                ErrorKind::Rejected,
                "its pool is shut down; spawn it on an open pool",
                usize::MAX,
            );
        }
        has_no_worker
    }

    /// Takes queued jobs out, at most so many, settles their tasks with the given reason, and says
    /// how many tasks that were: some may have been cancelled, or run by whoever waited for them.
    pub(super) fn reject_queued(&self, kind: ErrorKind, why: &'static str, limit: usize) -> usize {
        let mut rejected = 0;
        for _ in 0..limit {
            let job = self
                .take_injected(None)
                .or_else(|| self.locals.lock().iter().find_map(|local| local.pop()));
            match job {
                Some(job) => rejected += usize::from(job.reject(kind, why)),
                None => break,
            }
        }
        rejected
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
        // What comes later is none of this call's: others may push without end.
        report.discarded = registry.reject_queued(
            ErrorKind::Cancelled,
            "its pool was shut down before it started",
            registry.backlog(),
        );
    }
    if close {
        report.threads = ending::await_end(registry, deadline);
        if registry.reject_if_no_workers() {
            // A job that comes later is refused by whoever brings it.
            return report;
        }
    } else if !registry.wait_idle(deadline) {
        let counts = registry.counts.lock();
        report.threads = counts.active + counts.blocked - usize::from(worker::counts_in(registry));
    }
    report.queued = registry.backlog();
    report
}
