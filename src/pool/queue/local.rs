//! One worker's own queue, and what others may see of that worker.

use super::counters::Counters;
use super::jobs::{Jobs, Work};
use crate::executor::Origin;
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Instant, Mutex, Ordering, Thread, thread};

/// The owner pushes and unpushes at the tail; every worker, including the owner, takes the oldest
/// job at the head.
pub(crate) struct LocalQueue {
    /// The owner.
    pub(crate) thread: Thread,
    own: Mutex<Own>,
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
    /// The number of the owner in its pool, from 0.
    pub(crate) number: usize,
}

/// The jobs, and the one that the owner has taken last. One lock guards both, so that the owner
/// records what it takes at no cost.
struct Own {
    jobs: Jobs,
    present: Present,
}

/// A job of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Present {
    /// `None`: a job of no task, or none yet.
    pub(crate) origin: Option<Origin>,
    /// When the worker took it. It looks at the clock a few times in a millisecond, not for each
    /// job.
    pub(crate) since: Instant,
}

impl Present {
    fn note(&mut self, job: &Work, now: Instant) {
        self.origin = job.origin();
        self.since = now;
    }
}

impl LocalQueue {
    /// The local queue of the calling thread.
    pub(crate) fn new(number: usize) -> LocalQueue {
        let present = Present {
            origin: None,
            since: Instant::now(),
        };
        LocalQueue {
            thread: thread::current(),
            own: Mutex::new(Own {
                jobs: Jobs::new(),
                present,
            }),
            len: AtomicUsize::new(0),
            counters: Counters::default(),
            busy: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            waits_unseen: AtomicBool::new(false),
            reserved: AtomicBool::new(false),
            owner_blocked: AtomicBool::new(false),
            system_id: AtomicU64::new(0),
            number,
        }
    }

    /// How many jobs there are, at a glance.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// How many there are, counted under the lock: a thread that pushes later sees what the calling
    /// thread did before.
    pub(crate) fn count(&self) -> usize {
        self.own.lock().jobs.len()
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
        let mut own = self.own.lock();
        let swept = own.jobs.push(job);
        let len = own.jobs.len();
        self.len.store(len, Ordering::Relaxed);
        drop(own);
        drop(swept);
        self.stealable(len) > 0
    }

    /// Appends jobs that came from outside.
    pub(super) fn fill(&self, more: impl Iterator<Item = Work>) {
        let jobs = &mut self.own.lock().jobs;
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

    /// Takes the oldest job for the owner, who alone adds to them, and records it.
    pub(super) fn pop_own(&self, now: Instant) -> Option<Work> {
        if self.len() == 0 {
            return None;
        }
        let mut own = self.own.lock();
        let job = own.jobs.pop();
        self.len.store(own.jobs.len(), Ordering::Relaxed);
        if let Some(job) = &job {
            own.present.note(job, now);
        }
        job
    }

    /// Records a job that the owner has taken from another queue.
    pub(super) fn note(&self, job: &Work, now: Instant) {
        self.own.lock().present.note(job, now);
    }

    /// Returns the job that the owner has taken last, and up to `limit` of those in the queue.
    pub(crate) fn look(&self, limit: usize) -> (Present, Vec<Option<Origin>>) {
        let own = self.own.lock();
        (own.present.clone(), own.jobs.origins(limit))
    }

    pub(crate) fn pop(&self) -> Option<Work> {
        let jobs = &mut self.own.lock().jobs;
        let job = jobs.pop();
        self.len.store(jobs.len(), Ordering::Relaxed);
        job
    }

    /// Takes `wanted` out again if it is among the newest or the oldest jobs.
    pub(crate) fn try_unpush(&self, wanted: *const ()) -> Option<Work> {
        let jobs = &mut self.own.lock().jobs;
        let job = jobs.try_unpush(wanted)?;
        self.len.store(jobs.len(), Ordering::Relaxed);
        Some(job)
    }
}
