//! The sleep protocol: looking around, settling down, being called, and leaving.

use super::counts::Sleeper;
use super::local_queue::LocalQueue;
use super::registry::Registry;
use crate::sync::{Arc, Ordering, chaos_point};
use crate::unhandled;

impl Registry {
    /// True for the one worker that may look around a little before it sleeps.
    pub(super) fn begin_search(&self) -> bool {
        self.searching
            .compare_exchange(0, 1, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
    }

    /// Ends the search. Whoever pushed meanwhile relied on the searcher: it passes on, or looks
    /// again before it sleeps.
    pub(super) fn end_search(&self) {
        // Search.1
        self.searching.store(0, Ordering::Relaxed);
    }

    /// More workers are active than should be.
    pub(super) fn is_over_target(&self) -> bool {
        self.active.load(Ordering::Relaxed) > self.target.load(Ordering::Relaxed)
    }

    /// A worker without work, or one too many, sleeps until it is called. False: it shall end.
    pub(super) fn go_idle(self: &Arc<Self>, sleeper: &Arc<Sleeper>, over_target: bool) -> bool {
        // Calls the user's subscriber, so not on a thread that counts as idle.
        unhandled::say_due();
        let mut counts = self.counts.lock();
        if over_target && counts.active <= counts.target {
            return true;
        }
        // Close.4
        if self.closed.load(Ordering::Acquire) && self.count_backlog() == 0 {
            counts.active -= 1;
            counts.leaving += 1;
            self.publish_counts(&counts);
            if counts.is_quiet() {
                self.changed.notify_all();
            }
            return false;
        }
        // Sleep.1
        sleeper.notified.store(false, Ordering::Relaxed);
        counts.active -= 1;
        counts.idle.push(sleeper.clone());
        if !over_target {
            counts.target = counts
                .target
                .saturating_sub(1)
                .max(self.base_target(counts.max));
        }
        self.publish_counts(&counts);
        if counts.is_quiet() {
            self.changed.notify_all();
        }
        drop(counts);
        chaos_point();

        if over_target {
            // It may have been called for this backlog; the others may be about to block.
            if self.count_backlog() > 0 {
                self.monitor.notify(self);
            }
        } else if self.count_stealable() > 0 && !cfg!(planted = "lost_wakeup") {
            // Sleep.2
            let mut counts = self.counts.lock();
            if counts.remove_sleeper(sleeper) {
                counts.active += 1;
                self.publish_counts(&counts);
                return true;
            }
            #[cfg(planted = "stale_call")]
            return true;
            // Wake.2 Somebody has taken the sleeper and counted this worker as active. Its call
            // must be heard here: left over, it would end the next sleep while the sleeper is on
            // the list, and a call spent on a sleeper whose owner is awake wakes nobody.
        }
        self.sleep(sleeper)
    }

    fn sleep(&self, sleeper: &Arc<Sleeper>) -> bool {
        let tired = crate::sync::deadline_after(self.settings.keep_alive);
        loop {
            let surplus = {
                let counts = self.counts.lock();
                counts.is_over_core(self.base_target(counts.max))
            };
            if sleeper.notified.load(Ordering::Acquire) {
                return true;
            }
            let left =
                tired.map(|tired| tired.saturating_duration_since(crate::sync::Instant::now()));
            match left {
                Some(left) if surplus && !left.is_zero() => {
                    sleeper.thread.park_timeout(left);
                    continue;
                }
                Some(_) if surplus => {}
                _ => match unhandled::due_in() {
                    None => {
                        sleeper.thread.park();
                        continue;
                    }
                    Some(left) if !left.is_zero() => {
                        sleeper.thread.park_timeout(left);
                        continue;
                    }
                    // It gets up to say the counts.
                    Some(_) => return self.get_up(sleeper),
                },
            }
            let mut counts = self.counts.lock();
            if !counts.is_over_core(self.base_target(counts.max)) {
                continue;
            }
            // Retire.1
            if counts.remove_sleeper(sleeper) {
                counts.leaving += 1;
                self.publish_counts(&counts);
                return false;
            }
            drop(counts);
            // Retire.2, Wake.2
            // Somebody has taken the sleeper: the call comes as soon as they get to it.
            while !sleeper.notified.load(Ordering::Acquire) {
                sleeper.thread.park();
            }
            return true;
        }
    }

    /// A worker goes on without having been called.
    fn get_up(&self, sleeper: &Arc<Sleeper>) -> bool {
        let mut counts = self.counts.lock();
        if counts.remove_sleeper(sleeper) {
            counts.active += 1;
            self.publish_counts(&counts);
            return true;
        }
        drop(counts);
        // Another thread has taken the sleeper: its call is heard here, or it would end the next
        // sleep.
        while !sleeper.notified.load(Ordering::Acquire) {
            sleeper.thread.park();
        }
        true
    }

    /// A worker has ended.
    pub(super) fn deregister_worker(self: &Arc<Self>, local: &Arc<LocalQueue>) {
        // The local queue and its counters change hands under both locks, so that sums never miss
        // or double them.
        while let Some(job) = local.pop() {
            if let Some(capacity) = &self.capacity {
                capacity.take();
            }
            self.forget(self.injector.push(job));
        }
        let mut counts = self.counts.lock();
        {
            let mut locals = self.locals.lock();
            locals.retain(|other| !Arc::ptr_eq(other, local));
            give_room_back(&mut locals);
        }
        counts.retired.add(&local.counters);
        counts.threads -= 1;
        counts.leaving -= 1;
        counts.handles.retain(|handle| !handle.is_finished());
        give_room_back(&mut counts.handles);
        give_room_back(&mut counts.idle);
        let sleepers = if self.closed.load(Ordering::SeqCst) {
            let sleepers = std::mem::take(&mut counts.idle);
            counts.active += sleepers.len();
            sleepers
        } else {
            Vec::new()
        };
        self.publish_counts(&counts);
        drop(counts);
        for sleeper in sleepers {
            sleeper.wake();
        }
        self.changed.notify_all();
        if self.is_over() {
            self.monitor.unpark();
        }
        // Close.5
        // A push may have counted on this thread.
        if self.count_backlog() > 0
            && !(self.closed.load(Ordering::Relaxed) && self.reject_if_no_workers())
        {
            self.notify();
        }
    }
}

/// A list whose threads have gone keeps at most four times the room it needs.
fn give_room_back<T>(list: &mut Vec<T>) {
    if list.capacity() > 64 && list.len() < list.capacity() / 4 {
        list.shrink_to((2 * list.len()).max(16));
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::give_room_back;

    #[test]
    fn a_list_gives_room_back_when_most_have_gone() {
        let mut list: Vec<u32> = (0..4_000).collect();
        list.truncate(2_000);
        give_room_back(&mut list);
        assert!(list.capacity() >= 4_000, "they may come again");
        list.truncate(3);
        give_room_back(&mut list);
        assert!(list.capacity() < 64 && list == [0, 1, 2]);
    }
}
