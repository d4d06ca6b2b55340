//! Settles a task on a thread that runs no user code: that of the timers.
//!
//! The outcome is stored, and waiting threads and futures are woken. The task's pool runs the steps
//! and drops the rest.

use super::hand_off::{Detour, hand_off};
use super::pieces::{Deferred, on_the_pool};
use super::slot::Slot;
use super::state::Phase;
use super::step::Route;
use super::submit::{queue, submit_continuation};
use super::{AnyCell, raise, with, with_state};
use crate::cancel::Sweep;
use crate::error::TaskError;
use crate::sync::{Arc, Ordering, chaos_point};
use crate::{thread_waker, unhandled};

/// How [`settle`] left the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "steps that wait never run otherwise"]
pub(crate) enum Left {
    /// The task was not open any more: nothing was done.
    Alone,
    /// The task is settled.
    Settled,
    /// Its steps wait for [`go_on`] or [`go_where`].
    Waiting,
}

/// Settles an open task with what `put` puts into its slot; `put` only moves. The rest of the work
/// is added to `sweep`, for [`elsewhere`].
pub(crate) fn settle(
    cell: &Arc<dyn AnyCell>,
    put: &mut dyn FnMut(&mut dyn Slot),
    sweep: &mut Sweep,
) -> Left {
    let settled = with(&**cell, |state, head| {
        if state.phase() != Phase::Open {
            return None;
        }
        state.run_on_pool();
        state.drive_here();
        put(head);
        let failure = head.failure().cloned();
        state.failure = failure.as_ref().map(TaskError::kind);
        let upstream = state.take_upstream();
        let route = state.outcome_is_in().into_left();
        let duty = state.steps.is_empty().then(|| {
            // ORDERING: Release, see `Shell::settled`.
            cell.settled_flag().store(true, Ordering::Release);
            state.settle(failure.as_ref())
        });
        Some((duty, (upstream, route, failure)))
    });
    chaos_point();
    let Some((duty, passed)) = settled else {
        return Left::Alone;
    };
    sweep.keep(passed);
    let Some(mut duty) = duty else {
        return Left::Waiting;
    };
    if let Some(waiter) = duty.wake.take() {
        thread_waker::wake(waiter);
    }
    if !duty.is_none() {
        // The duty may call the hook for failures, or drop callbacks.
        let cell = cell.clone();
        sweep.later(move || duty.carry_out(cell.meta()));
    }
    Left::Settled
}

/// Has the pool run the waiting steps, or hand them to their executor.
pub(crate) fn go_on(cell: &Arc<dyn AnyCell>) {
    match with_state(&**cell, |state| matches!(state.route(), Route::Pool)) {
        true => submit_continuation(cell.clone()),
        // The executor is user code.
        false => queue(cell, Arc::new(Detour(cell.clone()))),
    }
}

/// Has the waiting steps, and later ones, run where `source` was sent. That is known once the
/// present content of `sweep` has been carried out.
pub(crate) fn go_where(
    source: &Arc<dyn AnyCell>,
    cell: &Arc<dyn AnyCell>,
    left: Left,
    sweep: &mut Sweep,
) {
    let (source, cell) = (source.clone(), cell.clone());
    sweep.later(move || {
        let route = with_state(&*source, |state| state.route().clone());
        let passed = with_state(&*cell, |state| match state.route() {
            Route::Pool => state.set_route(route),
            // The task was sent elsewhere itself.
            _ => route,
        });
        unhandled::drop_reporting(passed);
        if left == Left::Waiting {
            hand_off(cell);
        }
    });
}

/// Has a pool carry out the rest. The calling thread drops no reference to the cell, which might be
/// the last.
pub(crate) fn elsewhere(cell: Arc<dyn AnyCell>, mut sweep: Sweep) {
    if cell.meta().pool().has_clock() {
        // The virtual clock waits for that. The user's thread moves the clock.
        return queue(&cell, Deferred::new(move || raise::carry_out(sweep)));
    }
    sweep.keep(cell);
    on_the_pool(Deferred::new(move || raise::carry_out(sweep)));
}
