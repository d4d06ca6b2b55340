//! What a waiting thread does about the awaited work: runs it, where it may, or sends it away.

use std::collections::HashSet;

use super::launch::start_if_cold;
use crate::cell::state::{Phase, State};
use crate::cell::step::Route;
use crate::cell::{AnyCell, Upstream, address, submit_continuation, with_state};
use crate::sync::{Arc, AtomicU64, Ordering};
use crate::{dispatch, pool, unhandled};

/// Runs what `cell` waits for, as far as it has not started, on this thread, a worker whose stack
/// has room. All other tasks on the work list of this thread are handed off: the present ones
/// before the first closure is called, and those that the awaited work settles after it.
pub(super) fn run_awaited(cell: &Arc<dyn AnyCell>, done: &dyn Fn() -> bool) {
    let own = address(&**cell);
    dispatch::hand_off_others(own);
    if !dispatch::apart(|| pool::run_inline(own)) || !done() {
        if !cell.meta().pool().is_current() {
            // Else this thread runs a cold task itself, and no queue needs to know.
            start_if_cold(cell);
        }
        // The closure, then the steps that were registered since. After that the task follows
        // another one, or is settled.
        let run_all = |cell: &Arc<dyn AnyCell>| {
            let mut has_run = false;
            while !done() && run_here(cell) {
                has_run = true;
            }
            has_run
        };
        run_along(cell, done, Members::OfAll, &run_all);
    }
    dispatch::hand_off_all();
}

/// Which upstreams of a task are visited that waits for several.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Members {
    /// Those of a task that waits for all of them. Where one is enough, none of them may occupy the
    /// waiting thread.
    OfAll,
    OfAny,
}

/// Calls `run` for `cell` and what it waits for, again and again, until `done` or until no call has
/// run anything. Returns true if one has.
///
/// An outcome is delivered back along the path that led to it. To search for each task on it from
/// `cell` would visit N * N tasks for a line of N.
pub(super) fn run_along(
    cell: &Arc<dyn AnyCell>,
    done: &dyn Fn() -> bool,
    members: Members,
    run: &dyn Fn(&Arc<dyn AnyCell>) -> bool,
) -> bool {
    let mut has_run = false;
    let mut way = Vec::new();
    while !done()
        && each_above(cell, done, members, &mut |cell| {
            way.push(cell.clone());
            run(cell)
        })
    {
        has_run = true;
        while !done()
            && let Some(cell) = way.pop()
        {
            run(&cell);
        }
    }
    has_run
}

/// Sends branches of a shared task to the pool that this thread would start later in its dispatch:
/// this thread will sleep until they have run. Under a time limit it considers `cell` alone.
pub(super) fn send_branches(cell: &Arc<dyn AnyCell>, has_limit: bool, done: &dyn Fn() -> bool) {
    let mut send = |cell: &Arc<dyn AnyCell>| {
        let is_branch = |source: Option<Arc<dyn Upstream>>| source.is_some_and(|it| it.is_ready());
        let (startable, source) = with_state(&**cell, |state| is_startable(state));
        if !startable || !is_branch(source) {
            return false;
        }
        // The branch no longer waits for this thread, and a search for a cycle must not find that
        // it does.
        let sent = with_state(&**cell, State::queue_branch);
        if let Some(upstream) = sent {
            unhandled::drop_reporting(upstream);
            submit_continuation(cell.clone());
        }
        true
    };
    if has_limit {
        send(cell);
    } else {
        each_above(cell, done, Members::OfAll, &mut send);
    }
}

crate::sync::statics! {
    static LOOKS: AtomicU64 = AtomicU64::new(0);
}

/// The number of tasks that all waiting threads have visited to find work, for tests that count.
pub(crate) fn looks() -> u64 {
    LOOKS.load(Ordering::Relaxed)
}

/// Calls `f` with `cell` and all that it cannot settle without, until `done`. True if it was true
/// for one of them.
fn each_above(
    cell: &Arc<dyn AnyCell>,
    done: &dyn Fn() -> bool,
    members: Members,
    f: &mut dyn FnMut(&Arc<dyn AnyCell>) -> bool,
) -> bool {
    let mut progress = false;
    let mut above: Vec<Arc<dyn Upstream>> = Vec::new();
    let mut pending = vec![cell.clone()];
    // The upstreams visited in this round. Where fans join in a shared task and fan out again above
    // it, the number of paths grows exponentially.
    let mut seen = HashSet::new();
    while let Some(cell) = pending.pop() {
        if done() {
            return progress;
        }
        LOOKS.fetch_add(1, Ordering::Relaxed);
        // What has run may wait for another task now. Starting again from `cell` each time would
        // cost N * N steps for a line of N such tasks.
        progress |= f(&cell);
        cell.above(&mut above);
        // A fan may be wide: each of its members is visited once in a round.
        while let Some(upstream) = above.pop() {
            // A line visits no upstream twice, so only a fan is recorded.
            let is_line = above.is_empty() && pending.is_empty() && seen.is_empty();
            if !is_line && !seen.insert(Arc::as_ptr(&upstream).cast::<()>()) {
                continue;
            }
            match upstream.clone().cell() {
                Some(cell) => pending.push(cell),
                None if members == Members::OfAny || upstream.needs_all() => {
                    upstream.above(&mut above);
                }
                None => {}
            }
        }
    }
    progress
}

/// Runs the closure, or the waiting steps, of `cell` if no thread has claimed them, and if they
/// belong on this pool.
fn run_here(cell: &Arc<dyn AnyCell>) -> bool {
    let (startable, source) = with_state(&**cell, |state| is_startable(state));
    // A branch of a shared task: its value is published, and this thread is dispatching the source,
    // so it may start the branch before its place in the list.
    let belongs_here = match source {
        Some(source) => source.is_ready(),
        None => cell.meta().pool().is_current(),
    };
    if !startable || !belongs_here {
        return false;
    }
    let own = address(&**cell);
    dispatch::hand_off_others(own);
    dispatch::apart(|| {
        if !pool::run_inline(own) {
            pool::note(cell.clone().run());
        }
    });
    true
}

/// Whether no thread has claimed it; and what a branch of a shared task waits for.
fn is_startable(state: &State) -> (bool, Option<Arc<dyn Upstream>>) {
    match state.phase() {
        Phase::Cold | Phase::Queued => (true, None),
        Phase::HandedOff => (matches!(state.route(), Route::Pool), None),
        Phase::Open => match state.upstream() {
            Some(upstream) => (true, Some(upstream.to.clone())),
            None => (false, None),
        },
        _ => (false, None),
    }
}
