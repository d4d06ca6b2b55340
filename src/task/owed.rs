//! Waiting on the thread that runs a loop, for a task that was sent to that loop: no other thread
//! would run it, so it runs in the wait, and nothing else does.

use std::collections::HashSet;

use super::Task;
use super::help::{Members, run_along};
use crate::cell::state::Phase;
use crate::cell::{AnyCell, Upstream, deadlock, with_state};
use crate::sync::{Arc, ThreadId, thread_id};
use crate::{nesting, unhandled};

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
        self.cell().is_some_and(|cell| any_of(cell, waits))
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

/// True when `test` holds for `cell` or for one that it waits for, directly or not. Looks at each
/// once, in no particular order.
fn any_of(cell: &Arc<dyn AnyCell>, test: impl Fn(&Arc<dyn AnyCell>) -> bool) -> bool {
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
                None => upstream.above(&mut pending),
            }
        }
    }
}
