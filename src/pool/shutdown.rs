//! Ending a pool: drain or discard, wait for the threads, report what was left.

use super::shared::Shared;
use super::worker;
use crate::error::ErrorKind;
use crate::sync::{Arc, Instant, wait_until};

/// What [`Pool::shutdown`](super::Pool::shutdown) does with tasks that have not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Run them all.
    Drain,
    /// Settle them as [`Cancelled`](crate::ErrorKind::Cancelled).
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
    /// Threads that were still running or blocked when the deadline passed; the calling thread, if
    /// it is one of the pool's, not counted.
    pub threads: usize,
}

impl ShutdownReport {
    /// Nothing is queued and no thread is left.
    pub fn is_complete(&self) -> bool {
        self.queued == 0 && self.threads == 0
    }
}

pub(super) fn shutdown(
    shared: &Arc<Shared>,
    mode: Shutdown,
    deadline: Option<Instant>,
    close: bool,
) -> ShutdownReport {
    if close {
        shared.close();
    }
    let mut report = ShutdownReport::default();
    if mode == Shutdown::Discard {
        report.discarded = shared.refuse_queued(
            ErrorKind::Cancelled,
            "its pool was shut down before it started",
        );
    }
    if close {
        await_end(shared, deadline);
        report.threads = survivors(shared);
    } else if !shared.wait_idle(deadline) {
        let roster = shared.roster.lock();
        report.threads = roster.active + roster.blocked;
    }
    report.queued = shared.backlog();
    report
}

/// Threads alive, the calling one not counted.
fn survivors(shared: &Arc<Shared>) -> usize {
    shared.roster.lock().threads - usize::from(worker::is_on(shared))
}

fn await_end(shared: &Arc<Shared>, deadline: Option<Instant>) {
    let own = usize::from(worker::is_on(shared));
    super::blocking(|| {
        let mut roster = shared.roster.lock();
        while roster.threads > own {
            if wait_until(&shared.changed, &mut roster, deadline) {
                return;
            }
        }
        // They have left the books, and end within moments; their thread-local destructors run in
        // between.
        let handles = std::mem::take(&mut roster.handles);
        drop(roster);
        let me = crate::sync::thread_id();
        for handle in handles {
            if handle.thread().id() != me {
                let _ = handle.join();
            }
        }
    });
}
