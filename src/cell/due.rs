//! Settles a task on a thread that runs no user code: that of the timers.
//!
//! The outcome is put in place, and what sleeps on the task is woken. The steps of the task, and
//! all that is left to be dropped, go to its pool.

use super::raise::Deferred;
use super::slot::Slot;
use super::state::Phase;
use super::step::Route;
use super::{AnyCell, Detour, hand_off, queue, raise, resubmit, with, with_state};
use crate::cancel::Sweep;
use crate::sync::{Arc, Ordering, chaos_point};
use crate::{thread_waker, unhandled};

/// How [`settle`] left the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "steps that wait never run otherwise"]
pub(crate) enum Left {
    /// It was not open any more: nothing was done.
    Alone,
    /// It is settled.
    Settled,
    /// Its steps wait for [`go_on`] or [`go_where`].
    Waiting,
}

/// Settles an open task with what `put` puts into its slot; `put` only moves. What is left to do is
/// added to `sweep`, for [`elsewhere`].
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
        state.failed = failure.is_some();
        let upstream = state.take_upstream();
        let route = state.outcome_is_in().into_left();
        let duty = state.steps.is_empty().then(|| {
            // ORDERING: release, so that a thread that sees the flag sees the outcome.
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
        // It may call the hook for failures, or drop callbacks.
        sweep.later(move || duty.carry_out());
    }
    Left::Settled
}

/// Has the steps that wait run by the pool, or sent on by it.
pub(crate) fn go_on(cell: &Arc<dyn AnyCell>) {
    match with_state(&**cell, |state| matches!(state.route(), Route::Pool)) {
        true => resubmit(cell.clone()),
        // The executor is user code.
        false => queue(cell, Arc::new(Detour(cell.clone()))),
    }
}

/// Has the steps that wait, and those to come, run where `source` was sent. That is known when
/// `sweep` has been carried out as far as it is now.
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
            // It was sent elsewhere itself.
            _ => route,
        });
        unhandled::drop_reporting(passed);
        if left == Left::Waiting {
            hand_off(cell);
        }
    });
}

/// Has what is left carried out by a pool. The calling thread drops no reference to the cell: it
/// might be the last.
pub(crate) fn elsewhere(cell: Arc<dyn AnyCell>, mut sweep: Sweep) {
    if cell.meta().pool().has_clock() {
        // Its clock waits for that. It is the user's thread that moves it.
        return queue(&cell, Deferred::new(move || raise::carry_out(sweep)));
    }
    sweep.keep(cell);
    raise::on_the_pool(Deferred::new(move || raise::carry_out(sweep)));
}
