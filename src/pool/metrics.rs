//! Counters of a pool to read.

use super::local_queue::Counters;
use super::registry::Registry;
use crate::sync::Ordering;

/// A snapshot of a pool's counters. Each is exact, but they are not read at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolMetrics {
    /// Threads alive.
    pub threads: usize,
    /// The greatest number of threads that were alive at once.
    pub peak_threads: usize,
    /// Threads asleep because there is no work.
    pub idle: usize,
    /// Threads blocked in a `wait` inside a task.
    pub blocked: usize,
    /// Jobs queued; one that was cancelled counts until a thread takes it off the queue.
    pub queued: usize,
    /// Tasks whose closure is running.
    pub running: usize,
    /// Tasks whose closure ran and succeeded.
    pub completed: u64,
    /// Tasks whose closure ran and failed.
    pub failed: u64,
    /// Tasks that were cancelled while their closure ran.
    pub cancelled: u64,
    /// How often a thread was added or woken to stand in for one that blocks in a `wait`.
    pub spares: u64,
}

/// What workers have done, summed.
#[derive(Clone, Copy, Default)]
pub(super) struct CounterTotals {
    pub(super) started: u64,
    pub(super) completed: u64,
    pub(super) failed: u64,
    pub(super) cancelled: u64,
}

impl CounterTotals {
    pub(super) fn add(&mut self, counters: &Counters) {
        self.started += counters.started.load(Ordering::Relaxed);
        self.completed += counters.completed.load(Ordering::Relaxed);
        self.failed += counters.failed.load(Ordering::Relaxed);
        self.cancelled += counters.cancelled.load(Ordering::Relaxed);
    }
}

impl Registry {
    pub(super) fn totals(&self) -> CounterTotals {
        let counts = self.counts.lock();
        let mut totals = counts.retired;
        for local in self.locals.lock().iter() {
            totals.add(&local.counters);
        }
        totals
    }

    pub(super) fn metrics(&self) -> PoolMetrics {
        let totals = self.totals();
        let running = self
            .locals
            .lock()
            .iter()
            .filter(|local| local.busy.load(Ordering::Relaxed))
            .count();
        let queued = self.backlog();
        let counts = self.counts.lock();
        PoolMetrics {
            threads: counts.alive(),
            peak_threads: counts.peak,
            idle: counts.idle.len(),
            blocked: counts.blocked,
            queued,
            running,
            completed: totals.completed,
            failed: totals.failed,
            cancelled: totals.cancelled,
            spares: counts.spares,
        }
    }
}
