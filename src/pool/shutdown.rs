//! Waiting for a pool to come to rest, and ending it: drain or discard, wait for the threads, report what was left.

use super::shared::Shared;
use super::worker;
use crate::error::ErrorKind;
use crate::sync::{Arc, Instant, Ordering, wait_until};

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

impl Shared {
    /// Accepts nothing more; threads end when the queues are empty.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let seats = {
            let mut roster = self.roster.lock();
            let seats = std::mem::take(&mut roster.idle);
            roster.active += seats.len();
            self.mirror(&roster);
            seats
        };
        for seat in seats {
            seat.call();
        }
        self.sentinel.stop();
        if let Some(room) = &self.room {
            room.open_up();
        }
    }

    /// On a closed pool without threads nobody would ever look at what was queued at the last
    /// moment. True if this pool is one.
    pub(super) fn sweep_if_deserted(&self) -> bool {
        let is_deserted = self.roster.lock().threads == 0;
        if is_deserted {
            self.refuse_queued(
                ErrorKind::Rejected,
                "its pool is shut down; spawn it on an open pool",
            );
        }
        is_deserted
    }

    /// Takes every queued job out, settles its task with the given reason, and says how many there
    /// were.
    pub(super) fn refuse_queued(&self, kind: ErrorKind, why: &'static str) -> usize {
        let mut refused = 0;
        loop {
            let job = self
                .take_injected(None)
                .or_else(|| self.lanes.lock().iter().find_map(|lane| lane.pop()));
            match job {
                Some(job) => job.refuse(kind, why),
                None => return refused,
            }
            refused += 1;
        }
    }

    pub(super) fn wait_idle(self: &Arc<Self>, deadline: Option<Instant>) -> bool {
        let wait = |counted: bool| {
            let mut roster = self.roster.lock();
            roster.idle_waiters += usize::from(counted);
            let idle = loop {
                if roster.is_quiet() && self.backlog() == 0 {
                    break true;
                }
                if wait_until(&self.changed, &mut roster, deadline) {
                    break roster.is_quiet() && self.backlog() == 0;
                }
            };
            roster.idle_waiters -= usize::from(counted);
            idle
        };
        // Another task that waits in here too may be what this one waits for.
        if worker::is_on(self) {
            super::blocking(|| {
                self.changed.notify_all();
                wait(true)
            })
        } else {
            super::blocking(|| wait(false))
        }
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
        if shared.sweep_if_deserted() {
            // A job that comes later is refused by whoever brings it.
            return report;
        }
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
