//! The grow protocol: waking or creating a worker, and what happens when the system refuses one.

use super::counts::ThreadCounts;
use super::local_queue::LocalQueue;
use super::registry::Registry;
use super::worker;
use crate::error::ErrorKind;
use crate::sync::{Arc, Instant, Ordering, chaos_point};

/// How many threads the pools of a process may have together for one of them to get a thread beyond
/// its maximum. On Linux a thread takes four mappings of the 65,530 that a process may have unless
/// configured otherwise, and a thread that gets only some of them aborts the process.
#[cfg(not(all(test, any(loom, shuttle))))]
const SPARE_BOUND: usize = 8192;

/// The threads of all pools, those being created included. The models have no program with so many.
#[cfg(not(all(test, any(loom, shuttle))))]
static THREADS: crate::sync::AtomicUsize = crate::sync::AtomicUsize::new(0);

/// Counts a thread for as long as it lives.
pub(super) struct Counted(());

impl Counted {
    fn new() -> Counted {
        #[cfg(not(all(test, any(loom, shuttle))))]
        THREADS.fetch_add(1, Ordering::Relaxed);
        Counted(())
    }

    fn is_at_bound() -> bool {
        #[cfg(all(test, any(loom, shuttle)))]
        return false;
        #[cfg(not(all(test, any(loom, shuttle))))]
        return THREADS.load(Ordering::Relaxed) >= SPARE_BOUND;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        #[cfg(not(all(test, any(loom, shuttle))))]
        THREADS.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Registry {
    /// Wakes or creates one worker, if fewer are active than should be.
    pub(super) fn wake_or_spawn(self: &Arc<Self>) -> bool {
        let mut counts = self.counts.lock();
        if counts.active >= counts.target {
            return false;
        }
        // A closed pool whose last thread has left gets no new one: what comes late is swept. Nor
        // does one whose queues are empty: the monitor may have looked long ago.
        if self.closed.load(Ordering::SeqCst) && (counts.threads == 0 || self.count_backlog() == 0)
        {
            return false;
        }
        let is_spare = counts.blocked > 0;
        if let Some(sleeper) = counts.idle.pop() {
            counts.active += 1;
            counts.spares += u64::from(is_spare);
            self.publish_counts(&counts);
            drop(counts);
            chaos_point();
            sleeper.wake();
            return true;
        }
        // Whoever comes to live now would block in the same hook.
        if counts.blocked_at_start >= counts.max {
            return false;
        }
        if counts.threads >= counts.max && Counted::is_at_bound() {
            counts.reject(Instant::now(), true);
            return false;
        }
        // Refuse.1
        if counts.is_refused() {
            let deserted = counts.threads == 0;
            drop(counts);
            if deserted {
                self.reject_all();
            }
            return false;
        }
        // A model has no monitor, and no program with as many threads.
        if is_spare && !counts.spare_rate.take(Instant::now()) && !cfg!(any(loom, shuttle)) {
            drop(counts);
            self.monitor.unpark();
            return false;
        }
        counts.threads += 1;
        counts.starting += 1;
        counts.unstored_handles += 1;
        counts.active += 1;
        counts.spares += u64::from(is_spare);
        counts.next_number += 1;
        let number = counts.next_number;
        self.publish_counts(&counts);
        drop(counts);
        self.spawn_worker(number, is_spare)
    }

    fn spawn_worker(self: &Arc<Self>, number: usize, is_spare: bool) -> bool {
        match worker::spawn(self, number, Counted::new()) {
            Ok(handle) => {
                chaos_point();
                let mut counts = self.counts.lock();
                counts.unstored_handles -= 1;
                counts.grant();
                counts.handles.push(handle);
                drop(counts);
                if self.closed.load(Ordering::Relaxed) {
                    self.changed.notify_all();
                }
                true
            }
            Err(_) => {
                let mut counts = self.counts.lock();
                counts.threads -= 1;
                counts.starting -= 1;
                counts.unstored_handles -= 1;
                counts.active -= 1;
                counts.spares -= u64::from(is_spare);
                counts.reject(Instant::now(), false);
                // Refuse.3
                let deserted = counts.threads == 0;
                self.publish_counts(&counts);
                drop(counts);
                if deserted {
                    self.reject_all();
                    if self.is_over() {
                        self.monitor.unpark();
                    }
                }
                self.changed.notify_all();
                false
            }
        }
    }

    /// A thread has begun to live.
    pub(super) fn register_worker(&self, local: &Arc<LocalQueue>) {
        let mut counts = self.counts.lock();
        counts.starting -= 1;
        counts.peak = counts.peak.max(counts.alive());
        self.locals.lock().push(local.clone());
    }

    /// No monitor can be had. Threads that are blocked in a `wait` see to it that somebody works.
    pub(super) fn unpark_blocked(&self) {
        for local in self.locals.lock().iter() {
            if local.blocked.load(Ordering::Relaxed) {
                local.thread.unpark();
            }
        }
        // Through the lock, so that nobody is between its look and its sleep.
        drop(self.counts.lock());
        self.changed.notify_all();
    }

    fn reject_all(&self) {
        // Whoever counted on this thread has its job in a queue by now, or asks for a thread.
        self.reject_queued(
            ErrorKind::Rejected,
            "the system would not create a thread for it, and its pool has none",
            usize::MAX,
        );
        drop(self.counts.lock());
        self.changed.notify_all();
    }

    /// Writes the counts that the push path reads. Call it before the lock is released whenever
    /// they changed.
    pub(super) fn publish_counts(&self, counts: &ThreadCounts) {
        #[cfg(all(test, any(loom, shuttle)))]
        assert!(
            counts.adds_up(),
            "threads = active + idle + blocked + leaving"
        );
        self.active.store(counts.active, Ordering::Relaxed);
        self.target.store(counts.target, Ordering::Relaxed);
    }

    pub(super) fn set_max(self: &Arc<Self>, max: usize) {
        let mut counts = self.counts.lock();
        counts.max = max;
        counts.target = counts.target.clamp(self.base_target(max), max);
        self.publish_counts(&counts);
        // Some may have gone to sleep for ever, and are too many now.
        for sleeper in &counts.idle {
            sleeper.thread.unpark();
        }
        drop(counts);
        while self.count_backlog() > 0 && self.wake_or_spawn() {}
        self.monitor.unpark();
    }

    pub(super) fn base_target(&self, max: usize) -> usize {
        self.settings.core.clamp(1, max)
    }

    pub(super) fn max(&self) -> usize {
        self.counts.lock().max
    }
}
