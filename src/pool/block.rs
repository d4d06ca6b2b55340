//! What a worker does before it blocks in a `wait`: it lets another thread take its place.

use std::rc::Rc;

use super::grow::REFUSAL_PAUSE;
use super::roster::Roster;
use super::worker::{self, Worker};
use crate::dispatch;
use crate::sync::{Duration, Ordering, thread};

/// True on a thread of some pool.
pub(crate) fn on_worker() -> bool {
    worker::with_current(|_| ()).is_some()
}

/// True when the calling thread, which waits, may run awaited work on its own stack: it is a
/// worker, its pool allows it, it is not unwinding (a job must not find `thread::panicking()`), and
/// its stack has room.
pub(crate) fn may_run_awaited() -> bool {
    let may = |worker: &Rc<Worker>| worker.shared.settings.inline_waits && worker.stack.has_room();
    worker::with_current(may).unwrap_or(false) && !thread::panicking()
}

/// The place of a thread that is blocked; of a worker it is free for another thread meanwhile.
pub(crate) struct Place(Option<Rc<Worker>>);

impl Place {
    /// Sees to it that somebody works here. Ask before each sleep: where the system refuses both a
    /// stand-in and the sentinel, it says after what time to ask again.
    pub(crate) fn keep_manned(&self) -> Option<Duration> {
        let shared = &self.0.as_ref()?.shared;
        if cfg!(planted = "blocks_unseen") {
            return None;
        }
        let is_manned = shared.active.load(Ordering::Relaxed) > 0 || shared.backlog() == 0;
        if is_manned || shared.recruit() || shared.sentinel.kick(shared) {
            return None;
        }
        Some(REFUSAL_PAUSE)
    }

    /// There is work, and nobody awake to do it; `roster` is that of the pool `shared`.
    pub(super) fn is_deserted(&self, roster: &Roster, shared: &super::Shared) -> bool {
        let is_here = |worker: &Rc<Worker>| std::ptr::eq(&*worker.shared, shared);
        self.0.as_ref().is_some_and(is_here) && roster.active == 0 && shared.backlog() > 0
    }
}

/// Calls `f`, which may block. What this thread has settled goes on elsewhere (Contract: W1), and on
/// a worker its place is free for another thread meanwhile.
pub(crate) fn blocking<R>(f: impl FnOnce(&Place) -> R) -> R {
    dispatch::hand_off_all();
    let current = worker::with_current(Rc::clone);
    // What is called in here may come to a `wait` of its own: a subscriber that hears of the cap.
    let Some(current) = current.filter(|worker| !worker.lane.blocked.load(Ordering::Relaxed))
    else {
        return f(&Place(None));
    };
    let (shared, lane) = (current.shared.clone(), current.lane.clone());
    {
        let mut roster = shared.roster.lock();
        roster.blocked += 1;
        roster.active -= 1;
        shared.mirror(&roster);
    }
    lane.blocked.store(true, Ordering::Relaxed);
    lane.shy.store(false, Ordering::Relaxed);
    let looks = !cfg!(planted = "blocks_unseen");
    if looks && shared.count_backlog() > 0 && !shared.recruit() {
        shared.sentinel.kick(&shared);
    }
    let result = f(&Place(Some(current)));
    lane.blocked.store(false, Ordering::Relaxed);
    let mut roster = shared.roster.lock();
    roster.blocked -= 1;
    roster.active += 1;
    shared.mirror(&roster);
    result
}
