//! What a worker does before it blocks in a `wait`: it lets another thread take its place.

use std::cell::Cell;
use std::rc::Rc;

use super::counts::{REFUSAL_PAUSE, ThreadCounts};
use super::registry::Registry;
use super::worker::{self, Worker, WorkerStage};
use crate::dispatch;
use crate::sync::{Duration, Instant, Ordering, thread};

/// True on a thread of some pool.
pub(crate) fn on_worker() -> bool {
    worker::with_current(|_| ()).is_some()
}

/// True when the calling thread, which waits, may run awaited work on its own stack: it is a
/// worker, its pool allows it, it is not unwinding (a job must not find `thread::panicking()`), and
/// its stack has room.
pub(crate) fn may_run_awaited() -> bool {
    let may =
        |worker: &Rc<Worker>| worker.registry.settings.inline_waits && worker.stack.has_room();
    worker::with_current(may).unwrap_or(false) && !thread::panicking()
}

/// No thread can be had to work in the place of one that blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unmanned;

/// The place of a thread that is blocked; of a worker it is free for another thread meanwhile.
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
    /// Sees to it that somebody works here. Call it before each sleep: where the system refuses
    /// threads, it returns after what time to call it again.
    ///
    /// # Errors
    ///
    /// [`Unmanned`] when there is work, no thread to do it, none to be had, and no `deadline` to
    /// end this wait. The caller must stop waiting: the queued jobs are left to its thread. At most
    /// one thread of a pool gets this before it is back at work, or blocks again.
    pub(crate) fn ensure_worker(
        &self,
        deadline: Option<Instant>,
    ) -> Result<Option<Duration>, Unmanned> {
        let Some(blocked) = &self.0 else {
            return Ok(None);
        };
        let registry = &blocked.worker.registry;
        if cfg!(planted = "blocks_unseen") {
            return Ok(None);
        }
        let is_manned = || registry.active.load(Ordering::Relaxed) > 0 || registry.backlog() == 0;
        if is_manned() || registry.wake_or_spawn() {
            return Ok(None);
        }
        let mut counts = registry.counts.lock();
        let is_needed = counts.active == 0 && deadline.is_none() && registry.backlog() > 0;
        // Refuse.4
        if is_needed && counts.is_hopeless() {
            blocked.come_back(&mut counts);
            return Err(Unmanned);
        }
        let is_refused = counts.is_refused();
        drop(counts);
        // A monitor that can get no thread either resigns, and unparks the blocked: this one too.
        if !is_refused && registry.monitor.notify(registry) {
            return Ok(None);
        }
        Ok(Some(REFUSAL_PAUSE))
    }

    /// There is work, and nobody awake to do it; `counts` is that of `registry`.
    pub(super) fn has_no_worker(&self, counts: &ThreadCounts, registry: &Registry) -> bool {
        let is_here = |blocked: &Blocked| std::ptr::eq(&*blocked.worker.registry, registry);
        self.0.as_ref().is_some_and(is_here) && counts.active == 0 && registry.backlog() > 0
    }
}

impl Blocked {
    fn begin(worker: Rc<Worker>) -> Blocked {
        let stage = worker.stage.get();
        let is_counted = stage != WorkerStage::Leaving || cfg!(planted = "leaves_twice");
        let registry = worker.registry.clone();
        if is_counted {
            let mut counts = registry.counts.lock();
            // Block.1
            counts.blocked += 1;
            counts.active -= 1;
            counts.blocked_at_start += usize::from(stage == WorkerStage::Starting);
            registry.publish_counts(&counts);
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
        counts.blocked -= 1;
        counts.active += 1;
        counts.blocked_at_start -= usize::from(self.stage == WorkerStage::Starting);
        self.worker.registry.publish_counts(counts);
    }
}

/// Calls `f`, which may block. What this thread has settled goes on elsewhere (Contract: W1), and
/// on a worker its place is free for another thread meanwhile.
pub(crate) fn blocking<R>(f: impl FnOnce(&BlockedSection) -> R) -> R {
    dispatch::hand_off_all();
    let current = worker::with_current(Rc::clone);
    // What is called in here may come to a `wait` of its own: jobs that are refused have callbacks.
    let Some(current) = current.filter(|worker| !worker.local.blocked.load(Ordering::Relaxed))
    else {
        return f(&BlockedSection(None));
    };
    let (registry, local) = (current.registry.clone(), current.local.clone());
    let place = BlockedSection(Some(Blocked::begin(current)));
    local.blocked.store(true, Ordering::Relaxed);
    local.reserved.store(false, Ordering::Relaxed);
    // Block.2
    let looks = !cfg!(planted = "blocks_unseen");
    if looks && registry.count_backlog() > 0 && !registry.wake_or_spawn() {
        registry.monitor.notify(&registry);
    }
    let result = f(&place);
    local.blocked.store(false, Ordering::Relaxed);
    if let Some(blocked) = &place.0 {
        blocked.come_back(&mut registry.counts.lock());
    }
    result
}
