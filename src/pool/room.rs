//! The bound on queued jobs.

use super::shared::Shared;
use super::worker;
use crate::dispatch;
use crate::sync::{Arc, Condvar, Mutex, Ordering, wait_until};

/// Counts the jobs from outside that no worker has begun, up to a limit.
pub(super) struct Room {
    limit: usize,
    queued: Mutex<usize>,
    freed: Condvar,
}

impl Room {
    pub(super) fn new(limit: usize) -> Room {
        Room {
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
    pub(super) fn open_up(&self) {
        // Through the lock, so that nobody is between its look and its sleep.
        drop(self.queued.lock());
        self.freed.notify_all();
    }
}

impl Shared {
    /// True when a place was taken: the caller notes that at the job, which gives it back.
    pub(super) fn wait_for_room(self: &Arc<Self>) -> bool {
        let Some(room) = &self.room else { return false };
        if worker::is_on(self) {
            return false;
        }
        // What this thread has settled may be what makes room (Contract: W1). A look is enough: a
        // list is of this thread alone.
        if *room.queued.lock() >= room.limit {
            dispatch::hand_off_all();
        }
        let mut queued = room.queued.lock();
        while *queued >= room.limit && !super::on_worker() && !self.closed.load(Ordering::Acquire) {
            wait_until(&room.freed, &mut queued, None);
        }
        *queued += 1;
        true
    }

    /// `None`: there is no room. Else whether a place was taken.
    pub(super) fn try_room(self: &Arc<Self>) -> Option<bool> {
        if self.closed.load(Ordering::Acquire) {
            return None;
        }
        let Some(room) = &self.room else {
            return Some(false);
        };
        if worker::is_on(self) {
            return Some(false);
        }
        let mut queued = room.queued.lock();
        let free = *queued < room.limit;
        *queued += usize::from(free);
        free.then_some(true)
    }

    /// A job that held a place was begun, cancelled or refused.
    pub(super) fn free_room(&self) {
        if let Some(room) = &self.room {
            let mut queued = room.queued.lock();
            *queued = queued.saturating_sub(1);
            drop(queued);
            room.freed.notify_one();
        }
    }
}
