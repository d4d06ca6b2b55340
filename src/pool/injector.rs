//! Jobs from outside the pool, in the order in which they came.
//!
//! A queue under a lock, taken from by the batch: whoever pushes meets a worker once in a batch,
//! not once a job. A lock-free channel hands the cache lines of its two ends back and forth with
//! every job; on two cores that cost more than the lock (`docs/DESIGN.md`).

use std::collections::VecDeque;

use super::lane::Lane;
use crate::executor::Runnable;
use crate::sync::{Arc, AtomicUsize, Mutex, Ordering};

/// Jobs that one worker takes at once; the others can steal them from its lane.
const BATCH: usize = 64;
/// Places that an empty queue keeps.
const KEPT: usize = 1024;

// Lock order: injector -> lane.
pub(super) struct Injector {
    jobs: Mutex<VecDeque<Arc<dyn Runnable>>>,
    /// The length of `jobs`, for looking without the lock. Written under the lock.
    len: AtomicUsize,
}

impl Injector {
    pub(super) fn new() -> Injector {
        Injector {
            jobs: Mutex::new(VecDeque::new()),
            len: AtomicUsize::new(0),
        }
    }

    /// How many there are, at a glance.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// How many there are, counted under the lock: whoever pushes later knows what the calling thread
    /// has done before.
    pub(super) fn count(&self) -> usize {
        self.jobs.lock().len()
    }

    pub(super) fn push(&self, job: Arc<dyn Runnable>) {
        let mut jobs = self.jobs.lock();
        jobs.push_back(job);
        self.len.store(jobs.len(), Ordering::Relaxed);
    }

    /// Takes the oldest job.
    pub(super) fn pop(&self) -> Option<Arc<dyn Runnable>> {
        let mut jobs = self.jobs.lock();
        let job = jobs.pop_front();
        self.len.store(jobs.len(), Ordering::Relaxed);
        shrink(&mut jobs);
        job
    }

    /// Takes the oldest job, and moves up to half of those behind it to `lane`.
    pub(super) fn pop_batch(&self, lane: &Lane) -> Option<Arc<dyn Runnable>> {
        if self.len() == 0 {
            return None;
        }
        let mut jobs = self.jobs.lock();
        let first = jobs.pop_front()?;
        let more = (jobs.len() / 2).min(BATCH);
        if more > 0 {
            lane.fill(jobs.drain(..more));
        }
        self.len.store(jobs.len(), Ordering::Relaxed);
        shrink(&mut jobs);
        Some(first)
    }
}

/// A flood does not keep its memory for ever.
pub(super) fn shrink(jobs: &mut VecDeque<Arc<dyn Runnable>>) {
    if jobs.is_empty() && jobs.capacity() > KEPT {
        jobs.shrink_to(KEPT);
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::executor::Ran;

    struct Nothing;

    impl Runnable for Nothing {
        fn run(self: Arc<Self>) -> Ran {
            Ran::Other
        }
        fn hand_over(self: Arc<Self>) {}
        fn refuse(self: Arc<Self>, _: ErrorKind, _: &'static str) -> bool {
            false
        }
    }

    #[test]
    fn an_empty_queue_gives_back_what_a_flood_has_left() {
        let mut jobs = VecDeque::with_capacity(4 * KEPT);
        jobs.push_back(Arc::new(Nothing) as Arc<dyn Runnable>);
        shrink(&mut jobs);
        assert!(jobs.capacity() >= 4 * KEPT, "the flood may go on");
        jobs.clear();
        shrink(&mut jobs);
        assert!((KEPT..4 * KEPT).contains(&jobs.capacity()));
    }
}
