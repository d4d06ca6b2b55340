//! What workers have done, counted.

use crate::executor::RunResult;
use crate::sync::{AtomicU64, Ordering};

/// What one worker has done. Only that worker writes it, so plain stores are enough.
#[derive(Default)]
pub(crate) struct Counters {
    started: AtomicU64,
    completed: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
}

impl Counters {
    pub(crate) fn count_start(&self) {
        bump(&self.started);
    }

    pub(crate) fn count(&self, ran: RunResult) {
        match ran {
            RunResult::Completed => bump(&self.completed),
            RunResult::Failed => bump(&self.failed),
            RunResult::Cancelled => bump(&self.cancelled),
            RunResult::Other => {}
        }
    }

    /// Jobs that the worker has begun so far.
    pub(super) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }
}

fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// The counters of several workers, summed.
#[derive(Clone, Copy, Default)]
pub(crate) struct CounterTotals {
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
}

impl CounterTotals {
    pub(super) fn add(&mut self, counters: &Counters) {
        self.completed += counters.completed.load(Ordering::Relaxed);
        self.failed += counters.failed.load(Ordering::Relaxed);
        self.cancelled += counters.cancelled.load(Ordering::Relaxed);
    }
}
