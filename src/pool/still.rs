//! Waiting until no task of a pool runs, for a virtual clock that is about to move.

use super::blocking::blocking;
use super::counts::ThreadCounts;
use super::ending::await_change;
use super::registry::Registry;
use crate::sync::{Duration, Ordering, deadline_after, thread_id};
use crate::timer::Still;

/// The interval of checks while a blocked thread is about to sleep, which nothing signals.
const LOOK: Duration = Duration::from_micros(200);

impl Registry {
    /// No job is queued, and none runs except on threads that sleep in waits of this crate, or on
    /// the calling one. `counts` are this pool's.
    fn counts_are_still(&self, counts: &ThreadCounts) -> bool {
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
        // A thread that begins to block, or returns, is counted and not marked.
        sleeps && blocked == counts.blocked
    }
}

impl Still for Registry {
    fn is_still(&self) -> bool {
        self.counts_are_still(&self.idle.lock())
    }

    fn await_still(&self) -> bool {
        blocking(|place| {
            let mut waited = false;
            let mut counts = self.idle.lock();
            loop {
                let until = deadline_after(LOOK);
                let is_still = |counts: &mut ThreadCounts| self.counts_are_still(counts);
                if self.counts_are_still(&counts) {
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
