//! What the threads of one pool share, and the way of a job from a push to a worker.
//!
//! It alone knows the queues, the counts, the capacity and the monitor.

// Locks, in the order in which they may be taken together: counts -> the locks of the queues, and
// counts -> the lock of the monitor's thread. No user code runs, and no job is dropped, under any
// of them.

use std::io;
use std::panic::RefUnwindSafe;

use super::bound::Counted;
use super::capacity::Capacity;
use super::counts::Claim;
use super::idle::Idle;
use super::queue::{LocalQueue, Queues, Swept, Work};
use super::settings::Settings;
use super::watch::Watch;
use crate::dispatch;
use crate::error::ErrorKind;
use crate::event::Listeners;
use crate::sync::{Arc, AtomicBool, Instant, JoinHandle, Ordering, Weak, chaos_point, thread};

pub(crate) struct Registry {
    pub(super) settings: Settings,
    pub(super) queues: Queues,
    pub(super) idle: Idle,
    pub(super) capacity: Option<Capacity>,
    pub(super) watch: Watch,
    /// Those that hear of its tasks.
    pub(super) listeners: Arc<Listeners>,
    closed: AtomicBool,
    mains: Mains,
}

/// The main functions of the pool's threads. They are handed in, because they use the registry.
pub(super) struct Mains {
    /// Gets the number of the thread.
    pub(super) worker: fn(&Arc<Registry>, usize),
    pub(super) monitor: fn(&Weak<Registry>),
}

/// Work that the pool would not take.
pub(crate) struct Rejected {
    pub(crate) work: Work,
}

impl Rejected {
    /// Settles the task of the work.
    pub(crate) fn settle(self) {
        self.work.reject(
            ErrorKind::Rejected,
            "its pool is shut down; spawn it on an open pool",
        );
    }
}

/// Queueing and finding jobs.
impl Registry {
    pub(super) fn new(settings: Settings, mains: Mains) -> Arc<Registry> {
        let capacity = settings.queue_limit.map(Capacity::new);
        Arc::new(Registry {
            // With a limit each job counts until a worker begins it.
            queues: Queues::new(capacity.is_none()),
            idle: Idle::new(settings.core, settings.max, settings.keep_alive),
            capacity,
            watch: Watch::new(),
            listeners: Listeners::new(),
            closed: AtomicBool::new(false),
            mains,
            settings,
        })
    }

    /// Queues work that begins. `own` is the local queue of the calling thread, if that is a worker
    /// of this pool. Any other thread has called `acquire_place` or `try_acquire_place` before.
    pub(super) fn submit(
        self: &Arc<Self>,
        work: Work,
        own: Option<&LocalQueue>,
    ) -> Result<(), Rejected> {
        if self.is_closed() {
            return Err(Rejected { work });
        }
        // Push.1
        let is_reserved = match own {
            Some(local) => !local.push(work),
            None => {
                self.forget(self.queues.inject(work));
                false
            }
        };
        self.after_push(is_reserved);
        Ok(())
    }

    /// Queues work that continues a task, behind the jobs from outside. `by_worker`: the calling
    /// thread is a worker of this pool. A closed pool accepts work from its workers: it belongs to
    /// work that was accepted, and they count the jobs again before they end.
    pub(super) fn submit_continuation(
        self: &Arc<Self>,
        work: Work,
        by_worker: bool,
    ) -> Result<(), Rejected> {
        if self.is_closed() && !by_worker {
            return Err(Rejected { work });
        }
        // Push.1
        self.inject_beyond(work);
        self.after_push(false);
        Ok(())
    }

    /// Queues work before all jobs that no worker has begun: what tells a user how these are
    /// getting on must not wait for them.
    pub(super) fn submit_first(
        self: &Arc<Self>,
        work: Work,
        by_worker: bool,
    ) -> Result<(), Rejected> {
        if self.is_closed() && !by_worker {
            return Err(Rejected { work });
        }
        self.take_place_beyond(&work);
        // Push.1
        self.forget(self.queues.inject_first(work));
        self.after_push(false);
        Ok(())
    }

    /// Queues a job that holds no place, and so takes one beyond the limit.
    pub(super) fn inject_beyond(&self, work: Work) {
        self.take_place_beyond(&work);
        self.forget(self.queues.inject(work));
    }

    fn take_place_beyond(&self, work: &Work) {
        if let Some(capacity) = &self.capacity {
            capacity.acquire_beyond();
            work.take_place();
        }
    }

    fn after_push(self: &Arc<Self>, is_reserved: bool) {
        chaos_point();
        if is_reserved {
            // Reserve.1
            self.notify_monitor();
        } else {
            self.notify();
        }
        // Close.3
        if self.is_closed() {
            self.reject_if_no_workers();
        }
    }

    /// Drops jobs that were settled by other means before a worker found them.
    #[inline]
    fn forget(&self, swept: Swept) {
        if !swept.0.is_empty() {
            self.forget_all(swept);
        }
    }

    #[cold]
    fn forget_all(&self, swept: Swept) {
        for job in swept.0 {
            self.leave_queue(&job);
        }
    }

    /// A job was taken from the queues: releases its place, if it holds one.
    fn leave_queue(&self, job: &Work) {
        if self.capacity.is_some() && job.give_place_back() {
            self.release_place();
        }
    }

    pub(super) fn release_place(&self) {
        if let Some(capacity) = &self.capacity {
            capacity.release();
        }
    }

    /// Wakes or requests a thread for a job that was just queued.
    ///
    /// A thread that stops being active, searching or awake first publishes that, and then counts
    /// the jobs of each queue under its lock. Either the calling thread has queued the job before,
    /// and it is counted. Or it took the lock later, and sees here what was published.
    pub(super) fn notify(self: &Arc<Self>) {
        // Push.2
        if self.idle.is_searched() {
            return;
        }
        // Push.3
        if !(self.idle.is_short() && self.wake_or_spawn()) {
            self.notify_monitor();
        }
    }

    /// A worker that was woken, created, or searching has found a job: it notifies for the rest of
    /// the queue, because pushes relied on it.
    pub(super) fn pass_on(self: &Arc<Self>) {
        // Search.2
        if self.queues.count_stealable() > 0 {
            self.notify();
        }
    }

    /// The next job for the owner of `own`.
    pub(super) fn find(&self, own: &LocalQueue, turn: u64, now: Instant) -> Option<Work> {
        let job = self.queues.find(own, turn, now)?;
        self.leave_queue(&job);
        Some(job)
    }
}

/// Workers.
impl Registry {
    /// Wakes or creates one worker, if fewer are active than should be.
    pub(super) fn wake_or_spawn(self: &Arc<Self>) -> bool {
        // A closed pool whose last thread has ended gets no new one, and a late push empties its
        // queues. Nor does a closed pool whose queues are empty: the caller may have counted the
        // jobs long ago.
        let may_come = |threads| !self.is_closed() || (threads > 0 && self.queues.count() > 0);
        match self.idle.claim(may_come) {
            Claim::None => false,
            Claim::Wake(sleeper) => {
                chaos_point();
                sleeper.wake();
                true
            }
            Claim::Start { number, is_spare } => self.spawn_worker(number, is_spare),
            Claim::Later => {
                self.watch.unpark();
                false
            }
            Claim::Refused { has_threads } => {
                if !has_threads {
                    self.reject_all();
                }
                false
            }
        }
    }

    fn spawn_worker(self: &Arc<Self>, number: usize, is_spare: bool) -> bool {
        let Ok(handle) = self.start_worker(number) else {
            // Refuse.3
            if self.idle.refuse(is_spare) {
                self.reject_all();
                if self.is_over() {
                    self.watch.unpark();
                }
            }
            self.idle.notify_changed();
            return false;
        };
        chaos_point();
        self.idle.grant(handle);
        // The end of a pool waits for the handle.
        if self.is_closed() {
            self.idle.notify_changed();
        }
        true
    }

    fn start_worker(self: &Arc<Self>, number: usize) -> io::Result<JoinHandle<()>> {
        let counted = Counted::new();
        let builder = thread::Builder::new()
            .name(format!("{}-{number}", self.settings.name))
            .stack_size(self.settings.stack_bytes());
        let (registry, main) = (self.clone(), self.mains.worker);
        builder.spawn(move || {
            let _counted = counted;
            main(&registry, number);
        })
    }

    pub(super) fn set_max(self: &Arc<Self>, max: usize) {
        self.idle.set_max(max);
        while self.queues.count() > 0 && self.wake_or_spawn() {}
        self.watch.unpark();
    }
}

/// The monitor.
impl Registry {
    /// Wakes the monitor because jobs may stay queued. Call it after the lock of the queue has been
    /// released. False: the system refuses the thread.
    pub(super) fn notify_monitor(self: &Arc<Self>) -> bool {
        if cfg!(any(loom, shuttle)) {
            // A model has no monitor, so that a wake-up which it would make up for late shows as a
            // hang. Only the reserved jobs become stealable.
            if cfg!(shuttle) && self.queues.release_reserved() {
                self.wake_or_spawn();
            }
            return true;
        }
        self.watch.is_awake() || self.wake_monitor()
    }

    #[cold]
    fn wake_monitor(self: &Arc<Self>) -> bool {
        // A closed pool without threads has nothing to be watched, and no thread that would join
        // the monitor.
        if self.is_over() || !self.watch.set_awake() {
            return true;
        }
        // Refuse.2 The next thread that the system grants is better a worker.
        let lacks_a_worker = self.idle.lock().lacks_a_worker();
        let started = self.watch.wake_or_start(|| {
            if lacks_a_worker {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let (registry, main) = (Arc::downgrade(self), self.mains.monitor);
            // Its stack is an ordinary one: when the system has refused the last thread, tasks are
            // settled on it.
            thread::Builder::new()
                .name(format!("{}-monitor", self.settings.name))
                .spawn(move || main(&registry))
        });
        match started {
            Ok(handle) => {
                self.idle.lock().handles.extend(handle);
                true
            }
            Err(_) => {
                self.resign_monitor();
                false
            }
        }
    }

    /// There is no monitor for now. The pool continues with its threads, and the next push requests
    /// a monitor again. Does the work that other threads may have left to the monitor.
    pub(super) fn resign_monitor(self: &Arc<Self>) {
        // Refuse.2
        self.watch.clear_awake();
        if self.queues.release_reserved() {
            self.wake_or_spawn();
        }
        // A thread that is blocked in a `wait` now makes sure itself that a worker is active.
        self.queues.unpark_blocked();
        self.idle.notify_changed_elsewhere();
    }
}

/// The end.
impl Registry {
    pub(super) fn is_closed(&self) -> bool {
        // ORDERING: acquire, paired with `close`. A decision that must not miss the flag is made
        // under a lock that `close` takes after it has set the flag (that of the counts, and that
        // of the capacity), or after such a decision of another thread.
        self.closed.load(Ordering::Acquire)
    }

    /// The pool is closed, and its last thread has ended.
    pub(super) fn is_over(&self) -> bool {
        self.is_closed() && self.idle.lock().threads == 0
    }

    /// Accepts nothing more. Threads end when the queues are empty.
    pub(super) fn close(&self) {
        // Close.1
        // ORDERING: release, paired with `is_closed`: a thread that finds the pool closed sees what
        // was done before.
        self.closed.store(true, Ordering::Release);
        // Close.2
        self.idle.wake_all();
        self.watch.unpark();
        if let Some(capacity) = &self.capacity {
            capacity.wake_all();
        }
    }

    /// Rejects the queued jobs of a closed pool without threads: no worker would find them. True if
    /// this pool is one.
    pub(super) fn reject_if_no_workers(&self) -> bool {
        let has_no_worker = self.idle.lock().threads == 0;
        if has_no_worker {
            self.reject_queued(
                ErrorKind::Rejected,
                "its pool is shut down; spawn it on an open pool",
                usize::MAX,
            );
        }
        has_no_worker
    }

    fn reject_all(&self) {
        // A push that counted on the refused thread has its job in a queue by now, or requests a
        // thread itself.
        self.reject_queued(
            ErrorKind::Rejected,
            "the system would not create a thread for it, and its pool has none",
            usize::MAX,
        );
        self.idle.notify_changed_elsewhere();
    }

    /// Takes at most `limit` jobs from the queues, and settles their tasks with the given reason.
    /// User code runs when all of them are taken. Returns how many tasks that were: some may have
    /// been settled by other means.
    pub(super) fn reject_queued(&self, kind: ErrorKind, why: &'static str, limit: usize) -> usize {
        let reject = |job: Work| {
            self.leave_queue(&job);
            usize::from(job.reject(kind, why))
        };
        dispatch::scope_of_many(|| {
            let jobs = std::iter::from_fn(|| self.queues.take_any());
            jobs.take(limit).map(reject).sum()
        })
    }
}

// User code runs outside of all locks, so no panic of it leaves anything in here half done.
impl RefUnwindSafe for Registry {}
