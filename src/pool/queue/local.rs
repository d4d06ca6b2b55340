//! One worker's own queue, and what others may see of that worker.

use super::counters::Counters;
use super::jobs::{Jobs, Work};
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Mutex, Ordering, Thread, thread};

/// The owner pushes and unpushes at the tail; every worker, including the owner, takes the oldest
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
    /// The owner is blocked and does not sleep by its [`Thread`], so other threads cannot see
    /// whether it is about to wake.
    pub(crate) waits_unseen: AtomicBool,
    /// The owner's present job alternates spawn and wait, so it is likely to take a single job in
    /// this queue back. Other workers do not steal that job while this is set. The monitor clears
    /// this at its next tick.
    ///
    /// Invariant: while this is set and `jobs` is not empty, the monitor is awake, or the thread
    /// that could not wake it has cleared this. Both ways into that state notify the monitor:
    /// `try_unpush` sets this, and `push` finds it set.
    // ORDERING: relaxed, for each access. It is advice: a thief that reads an old value leaves one
    // job, which the monitor makes stealable, or takes a job that the owner then does not find.
    pub(crate) reserved: AtomicBool,
    /// The monitor has found the owner blocked, with jobs behind the one that it runs. A worker
    /// that searches takes these first.
    // ORDERING: relaxed, for each access. It is a hint, and no thread sleeps because of it.
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
            waits_unseen: AtomicBool::new(false),
            reserved: AtomicBool::new(false),
            owner_blocked: AtomicBool::new(false),
            system_id: AtomicU64::new(0),
        }
    }

    /// How many jobs there are, at a glance.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// How many there are, counted under the lock: a thread that pushes later sees what the calling
    /// thread did before.
    pub(crate) fn count(&self) -> usize {
        self.jobs.lock().len()
    }

    /// Jobs that the owner has begun so far.
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

    /// Appends a job. Returns false when the job is reserved, so that no other worker is to be
    /// woken for it.
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
