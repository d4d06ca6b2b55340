//! The queues of one pool: jobs from outside, and one queue for each worker.

// Map for maintainers, from the ground up: counters.rs what workers have done jobs.rs the jobs of
// one queue, without spent ones local.rs one worker's own queue injector.rs jobs from outside
// mod.rs Queues: find, steal, count
//
// Locks, in the order in which they may be taken together: list of local queues -> one local queue,
// and injector -> one local queue. No job is dropped under any of them.

mod counters;
mod injector;
mod jobs;
mod local;

pub(crate) use counters::CounterTotals;
use injector::Injector;
pub(crate) use jobs::{Swept, Work};
pub(crate) use local::LocalQueue;

use crate::executor::Origin;
use crate::room;
use crate::sync::{Arc, AtomicBool, Instant, Mutex, Ordering};

/// All queues of a pool.
pub(super) struct Queues {
    injector: Injector,
    locals: Mutex<Locals>,
    /// A local queue is marked as `owner_blocked`. Cleared by a worker that finds no job to steal
    /// from such a queue.
    has_blocked_owner: AtomicBool,
    /// Whether a worker takes jobs from outside in batches.
    takes_batches: bool,
}

struct Locals {
    /// The local queues of the threads that live.
    list: Vec<Arc<LocalQueue>>,
    /// The counters of threads that have ended.
    retired: CounterTotals,
}

impl Queues {
    pub(super) fn new(takes_batches: bool) -> Queues {
        Queues {
            injector: Injector::new(),
            locals: Mutex::new(Locals {
                list: Vec::new(),
                retired: CounterTotals::default(),
            }),
            has_blocked_owner: AtomicBool::new(false),
            takes_batches,
        }
    }

    /// Queues a job from outside. The caller drops the jobs that are returned: they were settled by
    /// other means.
    pub(super) fn inject(&self, job: Work) -> Swept {
        self.injector.push(job)
    }

    /// The same before all other jobs of the pool.
    pub(super) fn inject_first(&self, job: Work) -> Swept {
        self.injector.push_first(job)
    }

    /// A thread has begun to live.
    pub(super) fn add(&self, local: &Arc<LocalQueue>) {
        self.locals.lock().list.push(local.clone());
    }

    /// A thread has ended, and its local queue is empty.
    pub(super) fn remove(&self, local: &Arc<LocalQueue>) {
        // The queue and its counters change hands under one lock, so that a sum has them once.
        let mut locals = self.locals.lock();
        locals.list.retain(|other| !Arc::ptr_eq(other, local));
        room::give_back(&mut locals.list);
        locals.retired.add(&local.counters);
    }

    /// Returns the next job for the owner of `own`: one that goes before all others, then its own
    /// oldest, then one behind a blocked job, then one from outside, then another worker's oldest.
    /// `now`: when it was taken, for people who look at the pool.
    pub(super) fn find(&self, own: &LocalQueue, turn: u64, now: Instant) -> Option<Work> {
        if self.injector.has_first()
            && let Some(job) = self.injector.pop()
        {
            own.note(&job, now);
            return Some(job);
        }
        let from_others = || {
            self.take_behind_blocked()
                .or_else(|| match self.takes_batches {
                    true => self.injector.pop_batch(own),
                    false => self.injector.pop(),
                })
        };
        // Every 64th time the other queues are first: tasks that spawn tasks without end must not
        // starve them.
        let others_first = turn.is_multiple_of(64);
        let job = match others_first {
            true => None,
            false => own.pop_own(now),
        };
        if job.is_some() {
            return job;
        }
        let job = from_others()
            .or_else(|| match others_first {
                true => own.pop_own(now),
                false => None,
            })
            .or_else(|| self.steal(|local| !std::ptr::eq(local, own)))?;
        own.note(&job, now);
        Some(job)
    }

    /// The tasks of queued jobs, up to `limit`: those from outside, which are the oldest, first.
    pub(super) fn origins(&self, limit: usize) -> Vec<Option<Origin>> {
        let mut found = self.injector.origins(limit);
        for local in self.locals() {
            let left = limit - found.len();
            found.extend(local.look(left).1);
        }
        found
    }

    /// Takes the oldest job of a local queue whose owner is blocked. It came from outside before
    /// the present jobs there, which may never end.
    fn take_behind_blocked(&self) -> Option<Work> {
        if !self.has_blocked_owner.load(Ordering::Relaxed) {
            return None;
        }
        let job = self.steal(|local| local.owner_blocked.load(Ordering::Relaxed));
        if job.is_none() {
            self.has_blocked_owner.store(false, Ordering::Relaxed);
        }
        job
    }

    /// Some local queue is marked as `owner_blocked`.
    pub(super) fn note_blocked_owner(&self) {
        self.has_blocked_owner.store(true, Ordering::Relaxed);
    }

    /// The oldest job of a local queue for which `is_meant` holds.
    fn steal(&self, is_meant: impl Fn(&LocalQueue) -> bool) -> Option<Work> {
        let locals = self.locals.lock();
        let mut meant = locals.list.iter().filter(|local| is_meant(local));
        meant.find_map(|local| local.steal())
    }

    /// Any job, reserved ones too.
    pub(super) fn take_any(&self) -> Option<Work> {
        let from_locals = || self.locals.lock().list.iter().find_map(|local| local.pop());
        self.injector.pop().or_else(from_locals)
    }

    /// How many jobs are queued. A hint, read without the locks of the queues.
    pub(super) fn len(&self) -> usize {
        let injected = self.injector.len();
        let locals = self.locals.lock();
        injected + locals.list.iter().map(|local| local.len()).sum::<usize>()
    }

    /// How many jobs are queued, counted under the lock of each queue: a thread that queues a job
    /// later sees what the calling thread did before.
    pub(super) fn count(&self) -> usize {
        let injected = self.injector.count();
        let locals = self.locals.lock();
        injected + locals.list.iter().map(|local| local.count()).sum::<usize>()
    }

    /// The same without reserved jobs, which a searching worker cannot take.
    pub(super) fn count_stealable(&self) -> usize {
        let injected = self.injector.count();
        let locals = self.locals.lock();
        let stealable = |local: &Arc<LocalQueue>| local.stealable(local.count());
        injected + locals.list.iter().map(stealable).sum::<usize>()
    }

    /// Makes the reserved jobs stealable. True: there were some.
    pub(super) fn release_reserved(&self) -> bool {
        let locals = self.locals.lock();
        let is_reserved = |local: &&Arc<LocalQueue>| {
            local.len() > 0 && local.reserved.swap(false, Ordering::Relaxed)
        };
        locals.list.iter().filter(is_reserved).count() > 0
    }

    /// The local queues of the threads that live.
    pub(super) fn locals(&self) -> Vec<Arc<LocalQueue>> {
        self.locals.lock().list.clone()
    }

    /// Wakes the workers that are blocked in a `wait`.
    pub(super) fn unpark_blocked(&self) {
        for local in &self.locals.lock().list {
            if local.blocked.load(Ordering::Relaxed) {
                local.thread.unpark();
            }
        }
    }

    /// What all workers have done, and how many jobs run.
    pub(super) fn totals(&self) -> (CounterTotals, usize) {
        let locals = self.locals.lock();
        let mut totals = locals.retired;
        let mut running = 0;
        for local in &locals.list {
            totals.add(&local.counters);
            running += usize::from(local.busy.load(Ordering::Relaxed));
        }
        (totals, running)
    }
}
