//! Which workers sleep, how many are active, and how many should be: the sleep protocol.
//!
//! This file knows neither queues nor threads: its methods get the look at them as closures.

// Lock: `counts`. The closures are called under it, and may take the locks of queues.

use super::counts::{Claim, Sleeper, ThreadCounts};
use crate::sync::{
    Arc, AtomicBool, AtomicUsize, Condvar, Duration, Instant, JoinHandle, Mutex, MutexGuard,
    Ordering, chaos_point, deadline_after, wait_until,
};
use crate::{room, unhandled};

pub(super) struct Idle {
    counts: Mutex<ThreadCounts>,
    /// Signalled when the pool may have become quiet, or a thread has ended.
    changed: Condvar,
    /// `counts.active` and `counts.target`, for the push path. Written under the lock.
    active: AtomicUsize,
    target: AtomicUsize,
    /// A worker is awake and searches for a job. At most one does at a time, and it counts the jobs
    /// once more after it has cleared this.
    searching: AtomicBool,
    /// The core count of the pool.
    core: usize,
    keep_alive: Duration,
}

/// Why a worker goes idle.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// It has searched for a job and found none.
    NoJob,
    /// More workers are active than should be.
    OverTarget,
}

impl Idle {
    pub(super) fn new(core: usize, max: usize, keep_alive: Duration) -> Idle {
        let target = core.clamp(1, max);
        Idle {
            counts: Mutex::new(ThreadCounts::new(target, max)),
            changed: Condvar::new(),
            active: AtomicUsize::new(0),
            target: AtomicUsize::new(target),
            searching: AtomicBool::new(false),
            core,
            keep_alive,
        }
    }

    /// Locks the counts, to read them or to change unpublished ones.
    pub(super) fn lock(&self) -> MutexGuard<'_, ThreadCounts> {
        self.counts.lock()
    }

    /// Waits until something has changed, or until `deadline`; true when that has passed.
    pub(super) fn wait(
        &self,
        counts: &mut MutexGuard<'_, ThreadCounts>,
        deadline: Option<Instant>,
    ) -> bool {
        wait_until(&self.changed, counts, deadline)
    }

    /// Has all threads in `wait` ask again.
    pub(super) fn notify_changed(&self) {
        self.changed.notify_all();
    }

    /// The same for a change that was made without the lock.
    pub(super) fn notify_changed_elsewhere(&self) {
        // The lock is taken so that no thread is between its question and its sleep.
        drop(self.counts.lock());
        self.changed.notify_all();
    }

    /// Writes the counts that the push path reads. Called before the lock is released whenever they
    /// have changed.
    fn publish(&self, counts: &ThreadCounts) {
        #[cfg(all(test, any(loom, shuttle)))]
        assert!(
            counts.adds_up(),
            "threads = active + idle + blocked + leaving"
        );
        self.active.store(counts.active, Ordering::Relaxed);
        self.target.store(counts.target, Ordering::Relaxed);
        if counts.active == 0 {
            // A virtual clock may wait for that.
            self.changed.notify_all();
        }
    }

    // ORDERING: relaxed, for `active`, `target` and `searching`. A worker writes that it is no
    // longer active (or searching), and then counts the jobs under the lock of each queue. A push
    // queues its job under such a lock, and then reads these. Either the worker counts the job, or
    // the lock makes what the worker wrote visible to the push.

    /// Some worker is active.
    pub(super) fn has_active(&self) -> bool {
        self.active.load(Ordering::Relaxed) > 0
    }

    /// Fewer workers are active than should be.
    pub(super) fn is_short(&self) -> bool {
        self.active.load(Ordering::Relaxed) < self.target.load(Ordering::Relaxed)
    }

    /// More workers are active than should be.
    pub(super) fn is_over_target(&self) -> bool {
        self.active.load(Ordering::Relaxed) > self.target.load(Ordering::Relaxed)
    }

    pub(super) fn is_searched(&self) -> bool {
        self.searching.load(Ordering::Relaxed)
    }

    /// True for the one worker that may search a little before it sleeps.
    pub(super) fn begin_search(&self) -> bool {
        self.searching
            .compare_exchange(false, true, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// Ends the search. Pushes during the search relied on the searcher, so it notifies another
    /// worker, or counts the jobs again before it sleeps.
    pub(super) fn end_search(&self) {
        // Search.1
        self.searching.store(false, Ordering::Relaxed);
    }

    /// A worker sleeps until it is woken. False: it is to end.
    ///
    /// `must_end` returns true when the pool is closed and has no job left. `has_work` is called
    /// without the lock, after the worker has entered the idle list: true when there is a job that
    /// the worker could take.
    pub(super) fn go_idle(
        &self,
        sleeper: &Arc<Sleeper>,
        reason: Reason,
        must_end: impl FnOnce() -> bool,
        has_work: impl FnOnce() -> bool,
    ) -> bool {
        let mut counts = self.counts.lock();
        if reason == Reason::OverTarget && counts.active <= counts.target {
            return true;
        }
        // Close.4
        if must_end() {
            counts.active -= 1;
            counts.leaving += 1;
            self.publish_fewer_active(&counts);
            return false;
        }
        // Sleep.1
        // ORDERING: relaxed. A thread that sets the flag has taken the sleeper from the list under
        // the lock, and so after this.
        sleeper.notified.store(false, Ordering::Relaxed);
        let base = self.base_target(counts.max);
        counts.add_sleeper(sleeper, reason == Reason::NoJob, base);
        self.publish_fewer_active(&counts);
        drop(counts);
        chaos_point();

        // Sleep.2
        if has_work() {
            return self.get_up(sleeper);
        }
        self.sleep(sleeper)
    }

    fn publish_fewer_active(&self, counts: &ThreadCounts) {
        self.publish(counts);
        if counts.is_quiet() {
            self.changed.notify_all();
        }
    }

    fn sleep(&self, sleeper: &Arc<Sleeper>) -> bool {
        let retires_at = deadline_after(self.keep_alive);
        loop {
            let is_surplus = self.is_over_core(&self.counts.lock());
            if sleeper.is_notified() {
                return true;
            }
            let left = retires_at.map(|at| at.saturating_duration_since(Instant::now()));
            match left {
                Some(left) if is_surplus && !left.is_zero() => {
                    sleeper.thread.park_timeout(left);
                    continue;
                }
                Some(_) if is_surplus => {}
                _ => match unhandled::due_in() {
                    None => {
                        sleeper.thread.park();
                        continue;
                    }
                    Some(left) if !left.is_zero() => {
                        sleeper.thread.park_timeout(left);
                        continue;
                    }
                    // It reports what is due.
                    Some(_) => return self.get_up(sleeper),
                },
            }
            let mut counts = self.counts.lock();
            if !self.is_over_core(&counts) {
                continue;
            }
            // Retire.1
            if counts.remove_sleeper(sleeper) {
                counts.leaving += 1;
                self.publish(&counts);
                return false;
            }
            drop(counts);
            // Retire.2
            sleeper.consume();
            return true;
        }
    }

    /// A worker continues without having been woken.
    fn get_up(&self, sleeper: &Arc<Sleeper>) -> bool {
        let mut counts = self.counts.lock();
        if counts.remove_sleeper(sleeper) {
            counts.active += 1;
            self.publish(&counts);
            return true;
        }
        drop(counts);
        sleeper.consume();
        true
    }

    /// Claims a worker, if fewer are active than should be and `may_come` returns true, which is
    /// called with the number of threads.
    pub(super) fn claim(&self, may_come: impl FnOnce(usize) -> bool) -> Claim {
        let mut counts = self.counts.lock();
        if counts.active >= counts.target || !may_come(counts.threads) {
            return Claim::None;
        }
        let claim = counts.claim();
        self.publish(&counts);
        claim
    }

    /// The system has granted a thread that was claimed.
    pub(super) fn grant(&self, handle: JoinHandle<()>) {
        let mut counts = self.counts.lock();
        counts.unstored_handles -= 1;
        counts.grant();
        counts.handles.push(handle);
    }

    /// The system has refused a thread that was claimed. Returns true when there is no other.
    pub(super) fn refuse(&self, is_spare: bool) -> bool {
        let mut counts = self.counts.lock();
        counts.unclaim(is_spare);
        self.publish(&counts);
        counts.threads == 0
    }

    /// A thread has begun to live. `enter` makes it known, under the lock.
    pub(super) fn register(&self, enter: impl FnOnce()) {
        let mut counts = self.counts.lock();
        counts.starting -= 1;
        counts.peak = counts.peak.max(counts.alive());
        enter();
    }

    /// A thread has ended. `leave` makes it unknown, under the lock, and returns true when the pool
    /// is closed: then the others are woken, because this may have been the last job.
    pub(super) fn deregister(&self, leave: impl FnOnce() -> bool) {
        let mut counts = self.counts.lock();
        let is_closed = leave();
        counts.threads -= 1;
        counts.leaving -= 1;
        counts.handles.retain(|handle| !handle.is_finished());
        room::give_back(&mut counts.handles);
        room::give_back(&mut counts.idle);
        let sleepers = if is_closed {
            counts.take_sleepers()
        } else {
            Vec::new()
        };
        self.publish(&counts);
        drop(counts);
        wake(sleepers);
        self.changed.notify_all();
    }

    /// Wakes all sleepers.
    pub(super) fn wake_all(&self) {
        let mut counts = self.counts.lock();
        let sleepers = counts.take_sleepers();
        self.publish(&counts);
        drop(counts);
        wake(sleepers);
    }

    /// An active worker is about to block. `at_start`: in its start hook.
    pub(super) fn block(&self, at_start: bool) {
        let mut counts = self.counts.lock();
        counts.blocked += 1;
        counts.active -= 1;
        counts.blocked_at_start += usize::from(at_start);
        self.publish(&counts);
    }

    /// It counts as active again. `counts` are the counts of this pool.
    pub(super) fn unblock(&self, counts: &mut ThreadCounts, at_start: bool) {
        counts.blocked -= 1;
        counts.active += 1;
        counts.blocked_at_start -= usize::from(at_start);
        self.publish(counts);
    }

    /// Has up to `by` more workers than now be active, at most the maximum.
    pub(super) fn raise_target(&self, by: usize) {
        let mut counts = self.counts.lock();
        let wanted = counts.active.saturating_add(by);
        counts.target = wanted.min(counts.max).max(counts.target.min(counts.max));
        self.publish(&counts);
    }

    pub(super) fn set_max(&self, max: usize) {
        let mut counts = self.counts.lock();
        counts.max = max;
        counts.target = counts.target.clamp(self.base_target(max), max);
        self.publish(&counts);
        // Some of them sleep without a time limit, and may be too many now.
        for sleeper in &counts.idle {
            sleeper.thread.unpark();
        }
    }

    fn is_over_core(&self, counts: &ThreadCounts) -> bool {
        counts.is_over_core(self.base_target(counts.max))
    }

    fn base_target(&self, max: usize) -> usize {
        self.core.clamp(1, max)
    }
}

fn wake(sleepers: Vec<Arc<Sleeper>>) {
    for sleeper in sleepers {
        sleeper.wake();
    }
}
