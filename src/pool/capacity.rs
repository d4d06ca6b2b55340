//! The bound on queued jobs.

use crate::sync::{Condvar, Mutex, wait_until};

/// Counts the jobs from outside that no worker has begun, up to a limit. Each holds a place.
pub(super) struct Capacity {
    limit: usize,
    queued: Mutex<usize>,
    freed: Condvar,
}

impl Capacity {
    pub(super) fn new(limit: usize) -> Capacity {
        Capacity {
            limit,
            queued: Mutex::new(0),
            freed: Condvar::new(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        *self.queued.lock() >= self.limit
    }

    /// Takes a place, and waits for a free one while `may_wait` holds.
    pub(super) fn acquire(&self, may_wait: impl Fn() -> bool) {
        let mut queued = self.queued.lock();
        while *queued >= self.limit && may_wait() {
            wait_until(&self.freed, &mut queued, None);
        }
        *queued += 1;
    }

    /// Takes a place if one is free.
    pub(super) fn try_acquire(&self) -> bool {
        let mut queued = self.queued.lock();
        let is_free = *queued < self.limit;
        *queued += usize::from(is_free);
        is_free
    }

    /// Takes a place beyond the limit, for work that continues a task.
    pub(super) fn acquire_beyond(&self) {
        *self.queued.lock() += 1;
    }

    /// A job that held a place was begun, cancelled or rejected.
    pub(super) fn release(&self) {
        let mut queued = self.queued.lock();
        *queued = queued.saturating_sub(1);
        drop(queued);
        self.freed.notify_one();
    }

    /// Lets all threads that wait ask `may_wait` again.
    pub(super) fn wake_all(&self) {
        // The lock is taken so that no thread is between its question and its sleep.
        drop(self.queued.lock());
        self.freed.notify_all();
    }
}
