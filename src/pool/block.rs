//! What a worker does before it blocks in a `wait`: it lets another thread take its place.

use std::cell::Cell;
use std::rc::Rc;

use super::grow::REFUSAL_PAUSE;
use super::roster::Roster;
use super::worker::{self, Worker};
use crate::sync::{Duration, Ordering};

crate::sync::thread_local! {
    /// How many `wait`s of this thread are running other work on its stack.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// How many tasks may stand on one stack, each waiting for the next. Beyond this a stand-in thread,
/// with a stack of its own, takes over.
const MAX_DEPTH: u32 = 64;

/// True on a thread of some pool.
pub(crate) fn on_worker() -> bool {
    worker::with_current(|_| ()).is_some()
}

/// Calls `f`, which runs awaited work on this stack, unless the stack is deep already; `None` then.
pub(crate) fn deeper<R>(f: impl FnOnce() -> R) -> Option<R> {
    let depth = DEPTH.get();
    if depth >= MAX_DEPTH {
        return None;
    }
    DEPTH.set(depth + 1);
    let result = f();
    DEPTH.set(depth);
    Some(result)
}

/// A worker is back at the bottom of its stack.
pub(super) fn reset() {
    DEPTH.set(0);
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

/// Calls `f`, which may block. On a worker its place is free for another thread meanwhile.
pub(crate) fn blocking<R>(f: impl FnOnce(&Place) -> R) -> R {
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
