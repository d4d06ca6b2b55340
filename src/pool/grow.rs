//! The grow protocol: waking or creating a worker, and what happens when the system refuses one.

use super::roster::Roster;
use super::shared::Shared;
use super::worker;
use crate::error::ErrorKind;
use crate::sync::{Arc, Duration, Instant, Ordering, chaos_point, fence};

/// How many threads beyond the maximum may stand in for blocked ones.
const SPARE_CAP: usize = 256;
/// How long no thread is asked for after the system refused one.
const REFUSAL_PAUSE: Duration = Duration::from_millis(10);

impl Shared {
    /// Wakes or creates one worker, if fewer are active than should be.
    pub(super) fn recruit(self: &Arc<Self>) -> bool {
        let mut roster = self.roster.lock();
        if roster.active >= roster.target {
            return false;
        }
        // A closed pool whose last thread has left gets no new one: what comes late is swept.
        if roster.threads == 0 && self.closed.load(Ordering::SeqCst) {
            return false;
        }
        if roster.blocked > 0 {
            roster.spares += 1;
        }
        if let Some(seat) = roster.idle.pop() {
            roster.active += 1;
            self.mirror(&roster);
            drop(roster);
            chaos_point();
            seat.call();
            return true;
        }
        if roster.threads >= roster.max.saturating_add(SPARE_CAP) {
            if !std::mem::replace(&mut roster.capped, true) {
                drop(roster);
                crate::unhandled::warn(format_args!(
                    "pool `{}`: {SPARE_CAP} tasks beyond its maximum wait for other tasks at once; further ones wait without a stand-in. Chain with \
                     `and_then` instead of waiting inside tasks",
                    self.settings.name
                ));
            }
            return false;
        }
        if roster
            .refused_until
            .is_some_and(|until| Instant::now() < until)
        {
            let deserted = roster.threads == 0;
            drop(roster);
            if deserted {
                self.give_up();
            }
            return false;
        }
        roster.threads += 1;
        roster.asked_for += 1;
        roster.active += 1;
        roster.next_number += 1;
        let number = roster.next_number;
        self.mirror(&roster);
        drop(roster);
        self.start(number)
    }

    fn start(self: &Arc<Self>, number: usize) -> bool {
        match worker::spawn(self, number) {
            Ok(handle) => {
                let mut roster = self.roster.lock();
                roster.asked_for -= 1;
                roster.peak = roster.peak.max(roster.threads - roster.asked_for);
                roster.handles.retain(|handle| !handle.is_finished());
                roster.handles.push(handle);
                true
            }
            Err(_) => {
                let mut roster = self.roster.lock();
                roster.threads -= 1;
                roster.asked_for -= 1;
                roster.active -= 1;
                roster.refused_until = Some(Instant::now() + REFUSAL_PAUSE);
                let deserted = roster.threads == 0;
                self.mirror(&roster);
                drop(roster);
                if deserted {
                    self.give_up();
                }
                self.changed.notify_all();
                false
            }
        }
    }

    fn give_up(&self) {
        // Pairs with the fence in `notify`: whoever counted on this thread has its job
        // in the queue by now.
        fence(Ordering::SeqCst);
        self.refuse_queued(
            ErrorKind::Rejected,
            "the system would not create a thread for it, and its pool has none",
        );
        drop(self.roster.lock());
        self.changed.notify_all();
    }

    /// Writes the counts that the push path reads. Call it before the lock is released whenever
    /// they changed.
    pub(super) fn mirror(&self, roster: &Roster) {
        #[cfg(all(test, any(loom, shuttle)))]
        assert!(roster.adds_up(), "threads = active + idle + blocked");
        self.active.store(roster.active, Ordering::Relaxed);
        self.target.store(roster.target, Ordering::Relaxed);
    }

    pub(super) fn set_max(self: &Arc<Self>, max: usize) {
        let mut roster = self.roster.lock();
        roster.max = max;
        roster.target = self.base_target(max);
        self.mirror(&roster);
        drop(roster);
        while self.backlog() > 0 && self.recruit() {}
    }

    pub(super) fn base_target(&self, max: usize) -> usize {
        self.settings.core.clamp(1, max)
    }

    pub(super) fn max(&self) -> usize {
        self.roster.lock().max
    }
}
