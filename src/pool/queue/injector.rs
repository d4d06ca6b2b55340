//! Jobs from outside the pool, in the order of arrival.
//!
//! A queue under a lock, taken from by the batch: a pushing thread meets a worker once in a batch,
//! not once a job. A lock-free channel hands the cache lines of its two ends back and forth with
//! every job; on two cores that cost more than the lock (`docs/DESIGN.md`).

use super::jobs::{Jobs, Swept, Work};
use super::local::LocalQueue;
use crate::executor::Origin;
use crate::limits::INJECTOR_BATCH;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering};

// Lock order: injector -> local queue.
pub(super) struct Injector {
    jobs: Mutex<Jobs>,
    /// The length of `jobs`, for looking without the lock. Written under the lock.
    len: AtomicUsize,
    /// The oldest of `jobs` goes before the jobs of all queues. A hint, written under the lock.
    has_first: AtomicBool,
}

impl Injector {
    pub(super) fn new() -> Injector {
        Injector {
            jobs: Mutex::new(Jobs::new()),
            len: AtomicUsize::new(0),
            has_first: AtomicBool::new(false),
        }
    }

    /// How many there are, at a glance.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// How many there are, counted under the lock: a thread that pushes later sees what the calling
    /// thread did before.
    pub(super) fn count(&self) -> usize {
        self.jobs.lock().len()
    }

    /// The tasks of the oldest jobs, up to `limit`.
    pub(super) fn origins(&self, limit: usize) -> Vec<Option<Origin>> {
        self.jobs.lock().origins(limit)
    }

    pub(super) fn push(&self, job: Work) -> Swept {
        let mut jobs = self.jobs.lock();
        let swept = jobs.push(job);
        self.len.store(jobs.len(), Ordering::Relaxed);
        swept
    }

    /// Puts a job before all others, but behind those that came here in the same way.
    pub(super) fn push_first(&self, job: Work) -> Swept {
        let mut jobs = self.jobs.lock();
        let swept = jobs.push_first(job);
        self.len.store(jobs.len(), Ordering::Relaxed);
        self.has_first.store(true, Ordering::Relaxed);
        swept
    }

    /// Returns true if the oldest job goes before the jobs of all queues, at a glance.
    pub(super) fn has_first(&self) -> bool {
        // A model finds it in the order of the queues, and has fewer interleavings.
        !cfg!(loom) && self.has_first.load(Ordering::Relaxed)
    }

    /// Takes the oldest job.
    pub(super) fn pop(&self) -> Option<Work> {
        let mut jobs = self.jobs.lock();
        let job = jobs.pop();
        self.len.store(jobs.len(), Ordering::Relaxed);
        if self.has_first() {
            self.has_first.store(jobs.first() > 0, Ordering::Relaxed);
        }
        job
    }

    /// Takes the oldest job, and moves up to half of the rest to the local queue.
    pub(super) fn pop_batch(&self, local: &LocalQueue) -> Option<Work> {
        if self.len() == 0 {
            return None;
        }
        let mut jobs = self.jobs.lock();
        let first = jobs.pop()?;
        // What goes first must not lie behind the jobs of one worker.
        let more = match jobs.first() {
            0 => (jobs.len() / 2).min(INJECTOR_BATCH),
            _ => 0,
        };
        if more > 0 {
            jobs.take(more, |taken| local.fill(taken));
        }
        self.len.store(jobs.len(), Ordering::Relaxed);
        Some(first)
    }
}
