//! Jobs from outside the pool, in the order of arrival.
//!
//! A queue under a lock, taken from by the batch: a pushing thread meets a worker once in a batch,
//! not once a job. A lock-free channel hands the cache lines of its two ends back and forth with
//! every job; on two cores that cost more than the lock (`docs/DESIGN.md`).

use super::jobs::{Jobs, Swept, Work};
use super::local::LocalQueue;
use crate::limits::INJECTOR_BATCH;
use crate::sync::{AtomicUsize, Mutex, Ordering};

// Lock order: injector -> local queue.
pub(super) struct Injector {
    jobs: Mutex<Jobs>,
    /// The length of `jobs`, for looking without the lock. Written under the lock.
    len: AtomicUsize,
}

impl Injector {
    pub(super) fn new() -> Injector {
        Injector {
            jobs: Mutex::new(Jobs::new()),
            len: AtomicUsize::new(0),
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

    pub(super) fn push(&self, job: Work) -> Swept {
        let mut jobs = self.jobs.lock();
        let swept = jobs.push(job);
        self.len.store(jobs.len(), Ordering::Relaxed);
        swept
    }

    /// Takes the oldest job.
    pub(super) fn pop(&self) -> Option<Work> {
        let mut jobs = self.jobs.lock();
        let job = jobs.pop();
        self.len.store(jobs.len(), Ordering::Relaxed);
        job
    }

    /// Takes the oldest job, and moves up to half of the rest to the local queue.
    pub(super) fn pop_batch(&self, local: &LocalQueue) -> Option<Work> {
        if self.len() == 0 {
            return None;
        }
        let mut jobs = self.jobs.lock();
        let first = jobs.pop()?;
        let more = (jobs.len() / 2).min(INJECTOR_BATCH);
        if more > 0 {
            jobs.take(more, |taken| local.fill(taken));
        }
        self.len.store(jobs.len(), Ordering::Relaxed);
        Some(first)
    }
}
