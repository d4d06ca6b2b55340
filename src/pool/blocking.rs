//! What a worker does before it blocks in a `wait`: it lets another thread take its place.

use std::cell::Cell;
use std::rc::Rc;

use super::counts::ThreadCounts;
use super::current::{Worker, WorkerStage, with_current};
use super::queue::Work;
use super::registry::Registry;
use crate::dispatch;
use crate::executor::RunResult;
use crate::limits::REFUSAL_PAUSE;
use crate::sync::{Duration, Instant, Ordering, thread};

/// True on a thread of some pool.
pub(crate) fn on_worker() -> bool {
    with_current(|_| ()).is_some()
}

/// True when the calling thread, which waits, may run awaited work on its own stack: it is a
/// worker, its pool allows it, it is not unwinding (a job must not find `thread::panicking()`), and
/// its stack has room.
pub(crate) fn may_run_awaited() -> bool {
    let may =
        |worker: &Rc<Worker>| worker.registry.settings.inline_waits && worker.stack.has_room();
    with_current(may).unwrap_or(false) && !thread::panicking()
}

/// The system grants no thread to replace a blocked one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unmanned;

/// The section in which a thread is blocked. Another thread may take the place of a blocked worker.
pub(crate) struct BlockedSection(Option<Blocked>);

/// A worker that is blocked.
struct Blocked {
    worker: Rc<Worker>,
    /// Where it is in its life.
    stage: WorkerStage,
    /// `blocked` counts it. It does not in a stop hook: there it counts as leaving all the time.
    is_counted: Cell<bool>,
}

impl BlockedSection {
    /// Makes sure that a worker is active while jobs are queued. Call it before each sleep: where
    /// the system refuses threads, it returns after what time to call it again.
    ///
    /// # Errors
    ///
    /// [`Unmanned`] if there is work without a thread, the system grants none, and no `deadline`
    /// ends this wait. The caller must stop waiting: the queued jobs are left to its thread. At
    /// most one thread of a pool gets this before it is back at work, or blocks again.
    pub(crate) fn ensure_worker(
        &self,
        deadline: Option<Instant>,
    ) -> Result<Option<Duration>, Unmanned> {
        let Some(blocked) = &self.0 else {
            return Ok(None);
        };
        let registry = &blocked.worker.registry;
        let is_manned = || registry.idle.has_active() || registry.queues.len() == 0;
        if is_manned() || registry.wake_or_spawn() {
            return Ok(None);
        }
        let mut counts = registry.idle.lock();
        let is_needed = counts.active == 0 && deadline.is_none() && registry.queues.len() > 0;
        // Refuse.4
        if is_needed && counts.is_hopeless() {
            blocked.come_back(&mut counts);
            return Err(Unmanned);
        }
        let is_refused = counts.is_refused();
        drop(counts);
        // A monitor that can get no thread either resigns, and unparks the blocked: this one too.
        if !is_refused && registry.notify_monitor() {
            return Ok(None);
        }
        Ok(Some(REFUSAL_PAUSE))
    }

    /// The calling thread is about to sleep on its own condition. A virtual clock counts it as
    /// asleep from now on.
    pub(crate) fn wait_unseen(&self) {
        if let Some(blocked) = &self.0 {
            let local = &blocked.worker.local;
            local.waits_unseen.store(true, Ordering::Relaxed);
        }
    }

    /// Jobs are queued, and no worker is active; `counts` is that of `registry`.
    pub(super) fn has_no_worker(&self, counts: &ThreadCounts, registry: &Registry) -> bool {
        let is_here = |blocked: &Blocked| std::ptr::eq(&*blocked.worker.registry, registry);
        self.0.as_ref().is_some_and(is_here) && counts.active == 0 && registry.queues.len() > 0
    }
}

impl Blocked {
    fn begin(worker: Rc<Worker>) -> Blocked {
        let stage = worker.stage.get();
        let is_counted = stage != WorkerStage::Leaving;
        if is_counted {
            // Block.1
            worker.registry.idle.block(stage == WorkerStage::Starting);
        }
        Blocked {
            worker,
            stage,
            is_counted: Cell::new(is_counted),
        }
    }

    /// It counts as active again. Has no effect the second time.
    fn come_back(&self, counts: &mut ThreadCounts) {
        if !self.is_counted.take() {
            return;
        }
        // Block.3
        let at_start = self.stage == WorkerStage::Starting;
        self.worker.registry.idle.unblock(counts, at_start);
    }
}

/// Calls `f`, which may block. Other threads run the steps of what this thread has settled
/// (Contract: W1). If this is a worker, another thread may take its place.
pub(crate) fn blocking<R>(f: impl FnOnce(&BlockedSection) -> R) -> R {
    dispatch::hand_off_all();
    let current = with_current(Rc::clone);
    // This may call a nested `wait`: rejected jobs have callbacks.
    let Some(current) = current.filter(|worker| !worker.local.blocked.load(Ordering::Relaxed))
    else {
        return f(&BlockedSection(None));
    };
    let (registry, local) = (current.registry.clone(), current.local.clone());
    let place = BlockedSection(Some(Blocked::begin(current)));
    local.blocked.store(true, Ordering::Relaxed);
    local.reserved.store(false, Ordering::Relaxed);
    // Block.2
    if registry.queues.count() > 0 && !registry.wake_or_spawn() {
        registry.notify_monitor();
    }
    let result = f(&place);
    local.waits_unseen.store(false, Ordering::Relaxed);
    local.blocked.store(false, Ordering::Relaxed);
    if let Some(blocked) = &place.0 {
        blocked.come_back(&mut registry.idle.lock());
    }
    result
}

/// Runs a job that this worker pushed a moment ago and now waits for. False when it is not in this
/// worker's local queue any more.
pub(crate) fn run_inline(job: *const ()) -> bool {
    let Some(taken) = try_unpush(job) else {
        return false;
    };
    note(taken.run());
    true
}

/// Takes a job out of this worker's local queue again, because it will be run by other means.
fn try_unpush(job: *const ()) -> Option<Work> {
    with_current(|worker| {
        let taken = worker.local.try_unpush(job)?;
        if !worker.local.reserved.load(Ordering::Relaxed) {
            worker.local.reserved.store(true, Ordering::Relaxed);
            // Reserve.1
            // What is left was stealable. Those who were called for it find nothing now.
            if worker.local.len() > 0 {
                worker.registry.notify_monitor();
            }
        }
        Some(taken)
    })
    .flatten()
}

/// Counts a task that this worker ran by other means than its queue.
pub(crate) fn note(ran: RunResult) {
    with_current(|worker| worker.local.counters.count(ran));
}
