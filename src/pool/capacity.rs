//! The bound on queued jobs.

use super::registry::Registry;
use super::worker;
use crate::dispatch;
use crate::sync::{Arc, Condvar, Mutex, Ordering, wait_until};

/// Counts the jobs from outside that no worker has begun, up to a limit.
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

    /// A place beyond the limit, for work that goes on rather than begins.
    pub(super) fn take(&self) {
        *self.queued.lock() += 1;
    }

    /// Lets everybody who waits look again, because the pool has closed.
    pub(super) fn close(&self) {
        // Through the lock, so that nobody is between its look and its sleep.
        drop(self.queued.lock());
        self.freed.notify_all();
    }
}

impl Registry {
    /// True when a place was taken: the caller notes that at the job, which gives it back.
    pub(super) fn acquire_slot(self: &Arc<Self>) -> bool {
        let Some(capacity) = &self.capacity else {
            return false;
        };
        if worker::is_on(self) {
            return false;
        }
        // What this thread has settled may be what makes room (Contract: W1). A look is enough: a
        // list is of this thread alone.
        if *capacity.queued.lock() >= capacity.limit {
            dispatch::hand_off_all();
        }
        let mut queued = capacity.queued.lock();
        while *queued >= capacity.limit
            && !super::on_worker()
            && !self.closed.load(Ordering::Acquire)
        {
            wait_until(&capacity.freed, &mut queued, None);
        }
        *queued += 1;
        true
    }

    /// `None`: there is no room. Else whether a place was taken.
    pub(super) fn try_acquire_slot(self: &Arc<Self>) -> Option<bool> {
        if self.closed.load(Ordering::Acquire) {
            return None;
        }
        let Some(capacity) = &self.capacity else {
            return Some(false);
        };
        if worker::is_on(self) {
            return Some(false);
        }
        let mut queued = capacity.queued.lock();
        let free = *queued < capacity.limit;
        *queued += usize::from(free);
        free.then_some(true)
    }

    /// A job that held a place was begun, cancelled or refused.
    pub(super) fn release_slot(&self) {
        if let Some(capacity) = &self.capacity {
            let mut queued = capacity.queued.lock();
            *queued = queued.saturating_sub(1);
            drop(queued);
            capacity.freed.notify_one();
        }
    }
}
