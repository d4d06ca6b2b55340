//! Waiting until no task of a pool runs, for a virtual clock that is about to move.

use super::blocking::blocking;
use super::counts::ThreadCounts;
use super::ending::await_change;
use super::registry::Registry;
use crate::sync::{Duration, Ordering, deadline_after, thread_id};
use crate::timer::Still;

/// How often it looks while a thread that blocks is about to sleep, of which nothing tells.
const LOOK: Duration = Duration::from_micros(200);

impl Registry {
    /// No job is queued, and none runs but on threads that sleep in waits of this crate, or on the
    /// calling one. `counts` is that of this pool.
    fn is_still(&self, counts: &ThreadCounts) -> bool {
        if counts.active > 0 || self.queues.count() > 0 {
            return false;
        }
        let me = thread_id();
        let mut blocked = 0;
        let mut sleeps = true;
        for local in self.queues.locals() {
            if local.blocked.load(Ordering::Relaxed) {
                blocked += 1;
                sleeps &= local.thread.id() == me
                    || local.waits_unseen.load(Ordering::Relaxed)
                    || local.thread.is_asleep();
            }
        }
        // One that begins to block, or comes back, is counted and not marked.
        sleeps && blocked == counts.blocked
    }
}

impl Still for Registry {
    fn await_still(&self) -> bool {
        blocking(|place| {
            let mut waited = false;
            let mut counts = self.idle.lock();
            loop {
                let until = deadline_after(LOOK);
                let is_still = |counts: &mut ThreadCounts| self.is_still(counts);
                if self.is_still(&counts) {
                    return waited;
                }
                waited = true;
                let (now, is_there) = await_change(self, place, counts, until, is_still);
                if is_there {
                    return true;
                }
                counts = now;
            }
        })
    }
}
