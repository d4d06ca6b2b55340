//! The counts of a pool's threads: plain data, changed under one lock.

use crate::sync::{Arc, AtomicBool, Instant, JoinHandle, Ordering, Thread};

use super::metrics::Totals;

/// Invariant: `threads == active + idle.len() + blocked`.
///
/// `active` and `target` are mirrored in atomics of [`Shared`](super::shared::Shared), written
/// under this lock, for the push path.
pub(super) struct Roster {
    /// Threads that exist, or are being created.
    pub(super) threads: usize,
    /// Those of them that the system has been asked for and has not granted yet.
    pub(super) asked_for: usize,
    /// Those of them that have decided to retire and are about to leave; counted as active.
    pub(super) retiring: usize,
    /// Threads that run a job or look for one.
    pub(super) active: usize,
    /// Threads asleep for want of work, the warmest last.
    pub(super) idle: Vec<Arc<Seat>>,
    /// Threads blocked in a `wait` inside a job; others may stand in for them.
    pub(super) blocked: usize,
    /// How many of the blocked are themselves waiting for the pool to become idle.
    pub(super) idle_waiters: usize,
    /// How many threads should be active: the core count, more while jobs block, never above `max`.
    pub(super) target: usize,
    pub(super) max: usize,
    /// The greatest number of threads that were alive at once.
    pub(super) peak: usize,
    /// Stand-ins created or woken for blocked threads, ever.
    pub(super) spares: u64,
    pub(super) next_number: usize,
    /// No thread is created before this moment, because the system refused one.
    pub(super) refused_until: Option<Instant>,
    pub(super) capped: bool,
    /// Counters of threads that are gone.
    pub(super) past: Totals,
    pub(super) handles: Vec<JoinHandle<()>>,
}

impl Roster {
    pub(super) fn new(target: usize, max: usize) -> Roster {
        Roster {
            threads: 0,
            asked_for: 0,
            retiring: 0,
            active: 0,
            idle: Vec::new(),
            blocked: 0,
            idle_waiters: 0,
            target,
            max,
            peak: 0,
            spares: 0,
            next_number: 0,
            refused_until: None,
            capped: false,
            past: Totals::default(),
            handles: Vec::new(),
        }
    }

    /// Takes a seat off the idle list; false when it has been taken already, by somebody who
    /// counted it as active.
    pub(super) fn unseat(&mut self, seat: &Arc<Seat>) -> bool {
        match self.idle.iter().position(|other| Arc::ptr_eq(other, seat)) {
            Some(place) => {
                self.idle.remove(place);
                true
            }
            None => false,
        }
    }

    /// There are more threads than `core`, those not counted that are about to leave: two that tire
    /// at the same moment must not both count on the other to stay.
    pub(super) fn has_surplus(&self, core: usize) -> bool {
        self.threads.saturating_sub(self.retiring) > core
    }

    #[cfg(all(test, any(loom, shuttle)))]
    pub(super) fn adds_up(&self) -> bool {
        self.threads == self.active + self.idle.len() + self.blocked
    }

    /// No job is running: the condition `wait_idle` waits for, next to empty queues.
    pub(super) fn is_quiet(&self) -> bool {
        self.active == 0 && self.blocked == self.idle_waiters
    }
}

/// Where one thread sleeps.
pub(super) struct Seat {
    pub(super) thread: Thread,
    /// Set by whoever took the seat off the idle list; the thread sleeps until it is.
    pub(super) called: AtomicBool,
}

impl Seat {
    /// Wakes the sleeper. Call it after its seat was taken off the idle list, without holding the
    /// lock.
    pub(super) fn call(&self) {
        self.called.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
