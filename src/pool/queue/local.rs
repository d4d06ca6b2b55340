//! One worker's own queue, and what others may see of that worker.

use super::counters::Counters;
use super::jobs::{Jobs, Work};
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Mutex, Ordering, Thread, thread};

/// The owner pushes and takes back at the tail; every worker, the owner included, takes the oldest
/// job at the head.
pub(crate) struct LocalQueue {
    /// The owner.
    pub(crate) thread: Thread,
    jobs: Mutex<Jobs>,
    /// The length of `jobs`, for looking without the lock. Written under the lock.
    len: AtomicUsize,
    pub(crate) counters: Counters,
    /// True while the owner runs a job.
    pub(crate) busy: AtomicBool,
    /// True while the owner is blocked in a `wait`; it counts as no worker then.
    pub(crate) blocked: AtomicBool,
    /// The owner's present job spawns tasks and waits for them at once: a lone job here is about to
    /// be taken back, and others keep their hands off it. The monitor lifts this when the job lies
    /// here for longer.
    ///
    /// Invariant: while this is set and `jobs` is not empty, the monitor is awake, or whoever would
    /// have woken it has lifted this. Both ways into that state notify it: `try_unpush` sets this,
    /// and `push` finds it set.
    pub(crate) reserved: AtomicBool,
    /// The owner was found blocked, with jobs behind the one it is at: advice to whoever looks for
    /// one.
    pub(crate) owner_blocked: AtomicBool,
    /// The system's number of the owner's thread; 0 when unknown.
    pub(crate) system_id: AtomicU64,
}

impl LocalQueue {
    /// The local queue of the calling thread.
    pub(crate) fn new() -> LocalQueue {
        LocalQueue {
            thread: thread::current(),
            jobs: Mutex::new(Jobs::new()),
            len: AtomicUsize::new(0),
            counters: Counters::default(),
            busy: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            reserved: AtomicBool::new(false),
            owner_blocked: AtomicBool::new(false),
            system_id: AtomicU64::new(0),
        }
    }

    /// How many jobs there are, at a glance.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// How many there are, counted under the lock: whoever pushes later knows what the calling
    /// thread has done before.
    pub(crate) fn count(&self) -> usize {
        self.jobs.lock().len()
    }

    /// Jobs that the owner has begun, ever.
    pub(crate) fn started(&self) -> u64 {
        self.counters.started()
    }

    /// How many of `jobs` jobs others may take.
    pub(super) fn stealable(&self, jobs: usize) -> usize {
        match jobs {
            1 if self.reserved.load(Ordering::Relaxed) => 0,
            len => len,
        }
    }

    /// Appends a job; false when nobody else needs to know, yet.
    pub(crate) fn push(&self, job: Work) -> bool {
        let mut jobs = self.jobs.lock();
        let swept = jobs.push(job);
        let len = jobs.len();
        self.len.store(len, Ordering::Relaxed);
        drop(jobs);
        drop(swept);
        self.stealable(len) > 0
    }

    /// Appends jobs that came from outside.
    pub(super) fn fill(&self, more: impl Iterator<Item = Work>) {
        let mut jobs = self.jobs.lock();
        jobs.extend(more);
        self.len.store(jobs.len(), Ordering::Relaxed);
    }

    /// Takes the oldest job for another worker.
    pub(super) fn steal(&self) -> Option<Work> {
        if self.stealable(self.len()) == 0 {
            None
        } else {
            self.pop()
        }
    }

    /// Takes the oldest job for the owner, who alone adds to them.
    pub(super) fn pop_own(&self) -> Option<Work> {
        if self.len() == 0 { None } else { self.pop() }
    }

    pub(crate) fn pop(&self) -> Option<Work> {
        let mut jobs = self.jobs.lock();
        let job = jobs.pop();
        self.len.store(jobs.len(), Ordering::Relaxed);
        job
    }

    /// Takes `wanted` out again if it is among the newest or the oldest jobs.
    pub(crate) fn try_unpush(&self, wanted: *const ()) -> Option<Work> {
        let mut jobs = self.jobs.lock();
        let job = jobs.try_unpush(wanted)?;
        self.len.store(jobs.len(), Ordering::Relaxed);
        Some(job)
    }
}
