//! Waiting on the thread that runs a loop, for a task that was sent to that loop: no other thread
//! would run it, so it runs in the wait, and nothing else does.

use std::collections::HashSet;

use super::Task;
use super::help::{Members, run_along};
use crate::cell::state::Phase;
use crate::cell::{AnyCell, Upstream, deadlock, with_state};
use crate::error::{ErrorKind, TaskError};
use crate::limits::OWED_AFTER;
use crate::sync::{Arc, Duration, Instant, ThreadId, deadline_after, thread_id};
use crate::{nesting, turning, unhandled};

impl<T: Send + 'static> Task<T> {
    /// True when the task may be waiting for a job of a loop that this thread cannot run: for one
    /// that was sent there, or for a resolver, which such a job may hold.
    pub(crate) fn may_wait_for_a_loop(&self) -> bool {
        let me = Some(thread_id());
        let waits = |cell: &Arc<dyn AnyCell>| {
            let (phase, is_tied) =
                with_state(&**cell, |state| (state.phase(), state.upstream().is_some()));
            match phase {
                Phase::Open => !is_tied,
                Phase::HandedOff | Phase::Driving => driver(cell) == me,
                _ => false,
            }
        };
        let is_turned = |upstream: &dyn Upstream| upstream.turner() == me;
        self.cell()
            .is_some_and(|cell| any_of(cell, waits, is_turned))
    }

    /// Runs what the task waits for as far as it was sent to a loop that this thread runs. Returns
    /// true if something ran.
    pub(crate) fn run_owed(&self) -> bool {
        self.cell()
            .is_some_and(|cell| run(cell, &|| self.is_settled()))
    }
}

/// Runs what `cell` waits for as far as it was sent to a loop that this thread runs. Returns true
/// if something ran.
pub(super) fn run(cell: &Arc<dyn AnyCell>, done: &dyn Fn() -> bool) -> bool {
    run_along(cell, done, Members::OfAny, &run_here)
}

/// Looks once, when a wait has lasted a while, whether the waiting thread is the one that is
/// expected to run the loop which it waits for.
pub(super) struct Lookout(Option<Instant>);

impl Lookout {
    /// `has_limit`: the wait ends by itself.
    pub(super) fn new(has_limit: bool) -> Lookout {
        let looks = !has_limit && turning::has_loops() && !cfg!(any(loom, shuttle));
        Lookout(looks.then(|| deadline_after(OWED_AFTER)).flatten())
    }

    /// How long until it looks.
    pub(super) fn nap(&self) -> Option<Duration> {
        let at = self.0?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    /// Looks, if it is time.
    pub(super) fn look(&mut self, cell: &Arc<dyn AnyCell>) {
        if self.nap().is_some_and(|nap| nap.is_zero()) {
            self.0 = None;
            report(cell);
        }
    }
}

/// Reports that the calling thread, which waits for `cell` and goes on waiting, is the one that is
/// expected to run the loop which it waits for.
fn report(cell: &Arc<dyn AnyCell>) {
    let me = thread_id();
    let is_owed = |cell: &Arc<dyn AnyCell>| {
        let executor = with_state(&**cell, |state| state.sent_to().cloned());
        let is_owed = executor
            .as_ref()
            .and_then(|executor| executor.expected_turner())
            == Some(me);
        // It is the user's, and this may be the last reference.
        unhandled::drop_reporting(executor);
        is_owed
    };
    let is_turned = |upstream: &dyn Upstream| upstream.expected_turner() == Some(me);
    if any_of(cell, is_owed, is_turned) {
        let why = "this thread waits for a continuation that is queued in a `LoopQueue` which it \
                   has made or run itself, and nothing runs the queue: call \
                   `queue.run_until(task)` instead of `task.wait()`";
        let at = Some(cell.meta().at());
        unhandled::report(TaskError::noted(ErrorKind::Cycle, why, at));
    }
}

/// Runs the steps of `cell` if they were sent to a loop that this thread runs.
fn run_here(cell: &Arc<dyn AnyCell>) -> bool {
    if turner(&**cell) != Some(thread_id()) {
        return false;
    }
    let Some(_level) = nesting::enter() else {
        return false;
    };
    // The job in the loop's queue finds its hand-off used, or is made after this and finds no
    // steps.
    match with_state(&**cell, |state| state.last_handoff()) {
        Some(pass) => cell.clone().run_with(pass),
        None => false,
    }
}

/// The thread that runs the closure or a continuation of `cell` now, or that has to turn the loop
/// where its continuations wait.
fn driver(cell: &Arc<dyn AnyCell>) -> Option<ThreadId> {
    with_state(&**cell, |state| deadlock::driver(state)).or_else(|| turner(&**cell))
}

/// Returns the thread that runs the loop in whose queue the steps of `cell` are, and their place.
fn turner(cell: &dyn AnyCell) -> Option<ThreadId> {
    let executor = with_state(cell, |state| state.sent_to().cloned())?;
    let turner = executor.turner();
    // It is the user's, and this may be the last reference.
    unhandled::drop_reporting(executor);
    turner
}

/// True when `test` holds for `cell` or for one that it waits for, directly or not, or `other` for
/// something else that it waits for. Looks at each once, in no particular order.
fn any_of(
    cell: &Arc<dyn AnyCell>,
    test: impl Fn(&Arc<dyn AnyCell>) -> bool,
    other: impl Fn(&dyn Upstream) -> bool,
) -> bool {
    let mut pending: Vec<Arc<dyn Upstream>> = Vec::new();
    let mut seen = HashSet::new();
    let mut next = Some(cell.clone());
    loop {
        if let Some(cell) = next {
            if test(&cell) {
                return true;
            }
            cell.above(&mut pending);
        }
        let Some(upstream) = pending.pop() else {
            return false;
        };
        next = None;
        if seen.insert(Arc::as_ptr(&upstream).cast::<()>()) {
            match upstream.clone().cell() {
                Some(cell) => next = Some(cell),
                None if other(&*upstream) => return true,
                None => upstream.above(&mut pending),
            }
        }
    }
}
