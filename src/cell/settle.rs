//! Settles an open cell with an outcome that comes from outside.

use super::AnyCell;
use super::drive::drive_from;
use super::driver::{Driver, NextAction};
use super::shell::{Erased, Inner, Locked};
use super::slot::Slot;
use super::state::Phase;
use crate::sync::{Arc, Ordering, thread};
use crate::{dispatch, unhandled};

/// Settles an open cell with the outcome in `local`. False: the cell was settled before, and the
/// outcome is still in `local`. After a cancel it may be there otherwise, too.
pub(crate) fn settle(cell: &Arc<dyn AnyCell>, local: &mut dyn Slot) -> bool {
    let shell = cell.shell();
    let mut inner = shell.inner.lock();
    let Inner { state, head } = &mut *inner;
    if state.phase() != Phase::Open {
        return false;
    }
    let head = head.slot().expect("a cell with a resolver has no closure");
    if state.is_bare() && local.failure().is_none() {
        // It has no step, no waiter, no upstream and no token: there is nothing else to do.
        local.move_into(head);
        state.settle_alone();
        // ORDERING: Release, see `Shell::settled`.
        shell.settled.store(true, Ordering::Release);
        return true;
    }
    if state.is_on_pool() {
        settle_on_pool(cell, shell, inner, local);
        return true;
    }
    let in_callback = dispatch::is_open();
    if (in_callback || thread::panicking()) && !state.steps.is_empty() {
        // Inside a callback the steps are run from this thread's list, after it. On a thread that
        // unwinds none of them runs: it would find `thread::panicking()`.
        local.move_into(head);
        let arrival = state.outcome_is_in();
        drop(inner);
        match in_callback {
            true => arrival.proceed(cell.clone()),
            false => arrival.proceed_elsewhere(cell.clone()),
        }
        return true;
    }
    let mut driver_state = Driver::of_head(local);
    state.begin_settling();
    let epoch = state.epoch;
    let next = shell.advance(&mut inner, &mut driver_state, epoch);
    drop(inner);
    if matches!(next, NextAction::Settled) && driver_state.duty.is_none() {
        driver_state.leave();
        // It is empty, which the compiler cannot see.
        std::mem::forget(next);
        return true;
    }
    dispatch::scope(|| drive_from(cell, epoch, &mut driver_state, next));
    driver_state.leave();
    true
}

/// The same for a task whose steps this thread does not run.
#[cold]
fn settle_on_pool(
    cell: &Arc<dyn AnyCell>,
    shell: &Erased,
    mut inner: Locked<'_>,
    local: &mut dyn Slot,
) {
    let Inner { state, head } = &mut *inner;
    state.drive_here();
    let failure = local.failure().cloned();
    local.move_into(head.slot().expect("a cell with a resolver has no closure"));
    let arrival = state.outcome_is_in();
    // The list is checked once: a step that is registered afterwards finds the task settled.
    if !state.steps.is_empty() {
        drop(inner);
        return arrival.proceed(cell.clone());
    }
    // ORDERING: Release, see `Shell::settled`.
    shell.settled.store(true, Ordering::Release);
    if let Some(error) = &failure {
        error.failed_task(shell.meta.location);
    }
    let duty = state.settle(failure.as_ref());
    drop(inner);
    unhandled::drop_reporting(arrival);
    duty.carry_out(&shell.meta);
}
