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
    pub(super) fn wait_for_room(self: &Arc<Self>) {
        let Some(room) = &self.room else { return };
        if worker::is_on(self) {
            return;
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
    }

    pub(super) fn try_room(self: &Arc<Self>) -> bool {
        if self.closed.load(Ordering::Acquire) {
            return false;
        }
        let Some(room) = &self.room else { return true };
        if worker::is_on(self) {
            return true;
        }
        let mut queued = room.queued.lock();
        let free = *queued < room.limit;
        *queued += usize::from(free);
        free
    }

    pub(super) fn free_room(&self) {
        if let Some(room) = &self.room {
            let mut queued = room.queued.lock();
            *queued = queued.saturating_sub(1);
            drop(queued);
            room.freed.notify_one();
        }
    }
}
