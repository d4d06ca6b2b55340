//! What a worker does before it blocks in a `wait`: it lets another thread take its place.

use std::cell::Cell;

use super::worker;
use crate::sync::{Ordering, fence};

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

/// Calls `f`, which may block. On a worker its place is free for another thread meanwhile.
pub(crate) fn blocking<R>(f: impl FnOnce() -> R) -> R {
    let Some(current) = worker::with_current(std::rc::Rc::clone) else {
        return f();
    };
    let shared = &current.shared;
    {
        let mut roster = shared.roster.lock();
        roster.blocked += 1;
        roster.active -= 1;
        shared.mirror(&roster);
    }
    current.lane.blocked.store(true, Ordering::Relaxed);
    current.lane.shy.store(false, Ordering::Relaxed);
    // Pairs with the fence in `notify`, as for a worker that goes to sleep.
    fence(Ordering::SeqCst);
    if shared.backlog() > 0 {
        shared.recruit();
    }
    let result = f();
    current.lane.blocked.store(false, Ordering::Relaxed);
    let mut roster = shared.roster.lock();
    roster.blocked -= 1;
    roster.active += 1;
    shared.mirror(&roster);
    result
}
