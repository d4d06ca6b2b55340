//! What the threads of one pool share: the queues, the counts, and the way of a job from a push to
//! a worker.

// Locks, in the order in which they may be taken together: counts -> local queues -> one local
// queue, and injector -> one local queue. No user code runs, and no job is dropped, under any of
// them.

use std::panic::RefUnwindSafe;

use super::builder::PoolBuilder;
use super::capacity::Capacity;
use super::counts::ThreadCounts;
use super::injector::Injector;
use super::jobs::Swept;
use super::local_queue::LocalQueue;
use super::monitor::Monitor;
use super::worker::{self, Pushed};
use crate::error::ErrorKind;
use crate::executor::Runnable;
use crate::sync::{Arc, AtomicBool, AtomicUsize, Condvar, Mutex, Ordering, chaos_point};

pub(crate) struct Registry {
    pub(super) settings: PoolBuilder,
    pub(super) injector: Injector,
    /// The local queues of all threads alive.
    pub(super) locals: Mutex<Vec<Arc<LocalQueue>>>,
    pub(super) counts: Mutex<ThreadCounts>,
    /// Signalled when the pool may have become quiet, or a thread has ended.
    pub(super) changed: Condvar,
    /// `counts.active` and `counts.target`, for the push path.
    pub(super) active: AtomicUsize,
    pub(super) target: AtomicUsize,
    /// Workers that are awake and looking for a job: at most one, and it looks again after it has
    /// stopped being one.
    pub(super) searching: AtomicUsize,
    /// Some local queue is stuck; cleared by whoever finds none that has a job to offer.
    pub(super) has_blocked_owner: AtomicBool,
    pub(super) closed: AtomicBool,
    pub(super) monitor: Monitor,
    pub(super) capacity: Option<Capacity>,
}

/// Work that the pool would not take.
pub(crate) struct Rejected {
    pub(crate) work: Arc<dyn Runnable>,
}

impl Rejected {
    /// Settles whatever hangs on the work.
    pub(crate) fn settle(self) {
        self.work.reject(
            ErrorKind::Rejected,
            "its pool is shut down; spawn it on an open pool",
        );
    }
}

impl Registry {
    pub(super) fn new(settings: PoolBuilder) -> Arc<Registry> {
        let target = settings.core.clamp(1, settings.max);
        Arc::new(Registry {
            injector: Injector::new(),
            locals: Mutex::new(Vec::new()),
            counts: Mutex::new(ThreadCounts::new(target, settings.max)),
            changed: Condvar::new(),
            active: AtomicUsize::new(0),
            target: AtomicUsize::new(target),
            searching: AtomicUsize::new(0),
            has_blocked_owner: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            monitor: Monitor::new(),
            capacity: settings.queue_limit.map(Capacity::new),
            settings,
        })
    }

    /// Queues a job: on a worker of this pool in its own local queue, elsewhere in the injector.
    ///
    /// `has_slot`: the caller holds a place from `acquire_slot` or `try_acquire_slot`; work that
    /// goes on rather than begins has none and needs none.
    pub(super) fn submit(
        self: &Arc<Self>,
        work: Arc<dyn Runnable>,
        has_slot: bool,
    ) -> Result<(), Rejected> {
        // What goes on belongs to work that was accepted. Its own workers look again before they
        // leave.
        let is_welcome = || !has_slot && worker::is_on(self);
        if self.closed.load(Ordering::Acquire) && !is_welcome() {
            return Err(Rejected { work });
        }
        let mut reserved = false;
        // Push.1: here, or into the injector below.
        let pushed = if has_slot {
            worker::push_local(self, work)
        } else {
            // Work that goes on queues up behind what has been waiting, in front of everybody.
            Pushed::NotHere(work)
        };
        match pushed {
            Pushed::Stealable => {}
            Pushed::Reserved => reserved = true,
            Pushed::NotHere(work) => {
                if let (false, Some(capacity)) = (has_slot, &self.capacity) {
                    capacity.take();
                    work.take_place();
                }
                self.forget(self.injector.push(work));
            }
        }
        chaos_point();
        if reserved {
            // Reserve.1
            self.monitor.notify(self);
        } else {
            self.notify();
        }
        // Close.3
        if self.closed.load(Ordering::Relaxed) && !cfg!(planted = "late_push") {
            self.reject_if_no_workers();
        }
        Ok(())
    }

    /// Drops jobs that were done by other means before a worker came to them.
    #[inline]
    pub(super) fn forget(&self, swept: Swept) {
        if !swept.0.is_empty() {
            self.forget_all(swept);
        }
    }

    #[cold]
    fn forget_all(&self, swept: Swept) {
        for job in swept.0 {
            if self.capacity.is_some() && job.give_place_back() {
                self.release_slot();
            }
            drop(job);
        }
    }

    /// Sees to it that somebody will look at a job that was just queued.
    ///
    /// Whoever stops being active, searching or awake says so first, and then counts the jobs of
    /// each queue under its lock. Either this thread has queued the job before, and it is counted;
    /// or it took the lock later, and sees here what was said.
    pub(super) fn notify(self: &Arc<Self>) {
        // Push.2
        if self.searching.load(Ordering::Relaxed) > 0 {
            return;
        }
        // Push.3
        let short = self.active.load(Ordering::Relaxed) < self.target.load(Ordering::Relaxed);
        if !(short && self.wake_or_spawn()) {
            self.monitor.notify(self);
        }
    }

    /// A worker that was called, created, or searching has found a job: it sees to the rest of the
    /// queue, because pushes relied on it.
    pub(super) fn pass_on(self: &Arc<Self>) {
        // Search.2
        if self.count_stealable() > 0 && !cfg!(planted = "no_pass_on") {
            self.notify();
        }
    }

    /// The next job for the owner of `own`: its own oldest, then one that lies behind a job which
    /// blocks, then one from outside, then another worker's oldest.
    pub(super) fn find(&self, own: &LocalQueue, turn: u64) -> Option<Arc<dyn Runnable>> {
        let from_others = || {
            self.take_behind_blocked()
                .or_else(|| self.take_injected(Some(own)))
        };
        // Now and then the others come first, so that tasks which spawn tasks for ever cannot shut
        // them out.
        let job = if turn.is_multiple_of(64) {
            from_others().or_else(|| own.pop_own())
        } else {
            own.pop_own().or_else(from_others)
        };
        job.or_else(|| self.steal(|local| !std::ptr::eq(local, own)))
    }

    /// The oldest job of a local queue whose owner is blocked: it came from outside before what is
    /// there now, which may never end.
    fn take_behind_blocked(&self) -> Option<Arc<dyn Runnable>> {
        if !self.has_blocked_owner.load(Ordering::Relaxed) {
            return None;
        }
        let job = self.steal(|local| local.owner_blocked.load(Ordering::Relaxed));
        if job.is_none() {
            self.has_blocked_owner.store(false, Ordering::Relaxed);
        }
        job
    }

    /// The oldest job from outside; with a local queue to put them in, some of those behind it too.
    pub(super) fn take_injected(&self, local: Option<&LocalQueue>) -> Option<Arc<dyn Runnable>> {
        match local {
            // With a limit every job counts until a worker begins it.
            Some(local) if self.capacity.is_none() => self.injector.pop_batch(local),
            _ => {
                let job = self.injector.pop()?;
                if self.capacity.is_some() && job.give_place_back() {
                    self.release_slot();
                }
                Some(job)
            }
        }
    }

    /// The oldest job of a local queue for which `is_meant` holds.
    fn steal(&self, is_meant: impl Fn(&LocalQueue) -> bool) -> Option<Arc<dyn Runnable>> {
        let locals = self.locals.lock();
        let mut meant = locals.iter().filter(|local| is_meant(local));
        meant.find_map(|local| local.steal())
    }

    /// Jobs that a worker which looks for one could take, counted as `notify` wants it.
    pub(super) fn count_stealable(&self) -> usize {
        let injected = self.injector.count();
        let locals = self.locals.lock();
        let stealable = |local: &Arc<LocalQueue>| local.stealable(local.count());
        injected + locals.iter().map(stealable).sum::<usize>()
    }

    /// It is closed, and its last thread has left.
    pub(super) fn is_over(&self) -> bool {
        self.closed.load(Ordering::Acquire) && self.counts.lock().threads == 0
    }

    /// Jobs queued anywhere in the pool, at a glance.
    pub(super) fn backlog(&self) -> usize {
        let injected = self.injector.len();
        let locals = self.locals.lock();
        injected + locals.iter().map(|local| local.len()).sum::<usize>()
    }

    /// The same, counted as `notify` wants it.
    pub(super) fn count_backlog(&self) -> usize {
        let injected = self.injector.count();
        let locals = self.locals.lock();
        injected + locals.iter().map(|local| local.count()).sum::<usize>()
    }
}

// User code runs outside of all locks, so no panic of it leaves anything in here half done.
impl RefUnwindSafe for Registry {}
