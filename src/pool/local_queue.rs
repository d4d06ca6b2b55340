//! One worker's own queue, and what others may see of that worker.

use super::jobs::{Jobs, Work};
use crate::executor::RunResult;
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Mutex, Ordering, Thread, thread};

/// The owner pushes and takes back at the tail; every worker, the owner included, takes the oldest
/// job at the head.
pub(super) struct LocalQueue {
    /// The owner.
    pub(super) thread: Thread,
    jobs: Mutex<Jobs>,
    /// The length of `jobs`, for looking without the lock. Written under the lock.
    len: AtomicUsize,
    pub(super) counters: Counters,
    /// True while the owner runs a job.
    pub(super) busy: AtomicBool,
    /// True while the owner is blocked in a `wait`; it counts as no worker then.
    pub(super) blocked: AtomicBool,
    /// The owner's present job spawns tasks and waits for them at once: a lone job here is about to
    /// be taken back, and others keep their hands off it. The monitor lifts this when the job lies
    /// here for longer.
    ///
    /// Invariant: while this is set and `jobs` is not empty, the monitor is awake, or whoever would
    /// have woken it has lifted this. Both ways into that state notify it: `try_unpush` sets this,
    /// and `push` finds it set.
    pub(super) reserved: AtomicBool,
    /// The owner was found blocked, with jobs behind the one it is at: advice to whoever looks for
    /// one.
    pub(super) owner_blocked: AtomicBool,
    /// The system's number of the owner's thread; 0 when unknown.
    pub(super) system_id: AtomicU64,
}

impl LocalQueue {
    /// The local queue of the calling thread.
    pub(super) fn new() -> LocalQueue {
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
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// How many there are, counted under the lock: whoever pushes later knows what the calling
    /// thread has done before.
    pub(super) fn count(&self) -> usize {
        self.jobs.lock().len()
    }

    /// Jobs that the owner has begun, ever.
    pub(super) fn started(&self) -> u64 {
        self.counters.started.load(Ordering::Relaxed)
    }

    /// How many of `jobs` jobs others may take.
    pub(super) fn stealable(&self, jobs: usize) -> usize {
        match jobs {
            1 if self.reserved.load(Ordering::Relaxed) => 0,
            len => len,
        }
    }

    /// Appends a job; false when nobody else needs to know, yet.
    pub(super) fn push(&self, job: Work) -> bool {
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

    pub(super) fn pop(&self) -> Option<Work> {
        let mut jobs = self.jobs.lock();
        let job = jobs.pop();
        self.len.store(jobs.len(), Ordering::Relaxed);
        job
    }

    /// Takes `wanted` out again if it is among the newest or the oldest jobs.
    pub(super) fn try_unpush(&self, wanted: *const ()) -> Option<Work> {
        let mut jobs = self.jobs.lock();
        let job = jobs.try_unpush(wanted)?;
        self.len.store(jobs.len(), Ordering::Relaxed);
        Some(job)
    }
}

/// What a worker has done; written by that worker alone, so plain stores are enough.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) started: AtomicU64,
    pub(super) completed: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) cancelled: AtomicU64,
}

impl Counters {
    pub(super) fn count_start(&self) {
        bump(&self.started);
    }

    pub(super) fn count(&self, ran: RunResult) {
        match ran {
            RunResult::Completed => bump(&self.completed),
            RunResult::Failed => bump(&self.failed),
            RunResult::Cancelled => bump(&self.cancelled),
            RunResult::Other => {}
        }
    }
}

fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}
