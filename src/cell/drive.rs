//! Runs the steps of a task, one after another, on the thread that settled it.

use super::driver::{Driver, NextAction};
use super::slot::{Outcome, Slot};
use super::state::{DeferredCancel, Role};
use super::step::{Flow, Route, Step};
use super::steps::Batch;
use super::{AnyCell, TaskMeta, adopt, call_off, stopped, with, with_state};
use crate::error::TaskError;
use crate::sync::{Arc, Ordering, chaos_point};
use crate::{dispatch, guard, unhandled};

/// Runs all steps, including those that are registered in the process, until none is left.
pub(crate) fn drive(cell: &Arc<dyn AnyCell>, epoch: u32, driver_state: &mut Driver<'_>) {
    let next = cell.shell().next(driver_state, epoch);
    drive_from(cell, epoch, driver_state, next);
}

/// Like `drive`, for a driver that has asked for the next step already.
pub(crate) fn drive_from(
    cell: &Arc<dyn AnyCell>,
    epoch: u32,
    driver_state: &mut Driver<'_>,
    mut next: NextAction,
) {
    let meta = cell.meta();
    let is_under_tokens = meta.is_under_tokens();
    loop {
        chaos_point();
        next = match next {
            NextAction::Run(mut step) => {
                let flow = step.run(driver_state.slot(), meta.name());
                if !accept(cell, epoch, driver_state, step, flow) {
                    return;
                }
                if is_under_tokens && meta.is_token_cancelled() {
                    call_off::catch_up(cell);
                }
                cell.shell().next(driver_state, epoch)
            }
            NextAction::Settled => return driver_state.carry_out(meta),
            NextAction::Last(last) => return run_last(driver_state, last, meta),
            NextAction::Many(run, to) => match drive_batch(cell, epoch, driver_state, run, to) {
                Some(next) => next,
                None => return,
            },
            NextAction::Fail(error) => {
                overwrite(driver_state, error);
                cell.shell().next(driver_state, epoch)
            }
            NextAction::HandOff => return dispatch::hand_over_now(cell.clone()),
            NextAction::Superseded => return carry_out_cancel(cell, epoch, driver_state),
        };
    }
}

/// Records the result of a step. False: this driver is done.
#[inline]
fn accept(
    cell: &Arc<dyn AnyCell>,
    epoch: u32,
    driver_state: &mut Driver<'_>,
    step: Box<dyn Step>,
    flow: Flow,
) -> bool {
    match flow {
        Flow::Observed => {}
        Flow::Passed => driver_state.progress.links += 1,
        Flow::Linked => {
            // The link that was held until now is empty and is dropped.
            driver_state.held = Some(step);
            driver_state.progress.links += 1;
        }
        flow => return leave(cell, epoch, driver_state, step, flow),
    }
    true
}

/// The step asks for more than the next step. False: this driver is done.
#[inline(never)]
fn leave(
    cell: &Arc<dyn AnyCell>,
    epoch: u32,
    driver_state: &mut Driver<'_>,
    mut step: Box<dyn Step>,
    flow: Flow,
) -> bool {
    match flow {
        Flow::Follow(follow) => {
            let held = match step.output() {
                Some(_) => Some(step),
                None => driver_state.held.take(),
            };
            adopt::follow(cell, epoch, held, driver_state.progress, follow);
            false
        }
        Flow::Hop(route) => !hop(cell, epoch, driver_state, route),
        Flow::Observed | Flow::Passed | Flow::Linked => true,
    }
}

/// Runs the step that takes the outcome of a task that is settled already.
#[inline(never)]
fn run_last(driver_state: &mut Driver<'_>, mut last: Box<dyn Step>, meta: &TaskMeta) {
    if let Some(error) = driver_state.slot().failure() {
        error.failed_task(meta.location);
    }
    let _ = last.run(driver_state.slot(), meta.name());
    driver_state.carry_out(meta);
    unhandled::drop_reporting(driver_state.held.take());
}

/// Fails the task. Its outcome, a user value, is dropped.
#[cold]
fn overwrite(driver_state: &mut Driver<'_>, error: TaskError) {
    if let Err(payload) = guard::catch(|| driver_state.slot().fail(error)) {
        guard::drop_quietly(payload);
    }
}

/// Runs steps that were taken together. Returns what comes next; `None`: this driver is done.
#[inline(never)]
fn drive_batch(
    cell: &Arc<dyn AnyCell>,
    epoch: u32,
    driver_state: &mut Driver<'_>,
    run: Batch,
    to: usize,
) -> Option<NextAction> {
    let meta = cell.meta();
    if let Some((step, flow)) = run_batch(&run, to, driver_state, meta)
        && !leave(cell, epoch, driver_state, step, flow)
    {
        return None;
    }
    if meta.is_under_tokens() && meta.is_token_cancelled() {
        call_off::catch_up(cell);
    }
    // The batch is dropped after this, without the lock: it may be large.
    Some(cell.shell().next(driver_state, epoch))
}

/// Takes and runs one step after the other without the cell's lock. Stops at the end of the batch,
/// or after a step that asks for more than the next step; returns that step's request. Also stops
/// when a token of the task is raised.
fn run_batch(
    run: &Batch,
    to: usize,
    driver_state: &mut Driver<'_>,
    meta: &TaskMeta,
) -> Option<(Box<dyn Step>, Flow)> {
    let name = meta.name();
    let is_under_tokens = meta.is_under_tokens() && run.role != Role::Observer;
    for place in run.from..to {
        if is_under_tokens && place > run.from && meta.is_token_cancelled() {
            break;
        }
        if run.steps.role(place) != Some(run.role) {
            break;
        }
        driver_state.progress.place = place + 1;
        // Unsubscribed, or taken by a cancel.
        let Some(mut step) = run.steps.take(place) else {
            continue;
        };
        chaos_point();
        match step.run(driver_state.slot(), name) {
            Flow::Observed => {}
            Flow::Passed => driver_state.progress.links += 1,
            Flow::Linked => {
                driver_state.held = Some(step);
                driver_state.progress.links += 1;
            }
            flow => return Some((step, flow)),
        }
    }
    None
}

/// Later steps run elsewhere. True when this driver is done.
fn hop(cell: &Arc<dyn AnyCell>, epoch: u32, driver_state: &mut Driver<'_>, route: Route) -> bool {
    let stays = !matches!(route, Route::Executor(_));
    let (hops, left) = with(&**cell, |state, head| {
        if state.epoch != epoch {
            return (false, Some(route));
        }
        let left = Some(state.set_route(route));
        if !stays {
            driver_state.store_outcome(state, head);
            state.stop_driving();
        }
        (!stays, left)
    });
    // The previous executor is a user value.
    unhandled::drop_reporting(left);
    if hops {
        dispatch::hand_over_now(cell.clone());
    }
    hops
}

/// The driver finds that it was superseded. If the cancel was deferred to it, it applies the cancel
/// after the observers of the outcome that it holds.
fn carry_out_cancel(cell: &Arc<dyn AnyCell>, driver: u32, driver_state: &mut Driver<'_>) {
    let rejected = with_state(&**cell, |state| {
        state.deferred_cancel(driver)?;
        state.clear_deferred_failure()
    });
    if let Some(error) = rejected {
        overwrite(driver_state, error);
    }
    let before = || with_state(&**cell, |state| state.deferred_cancel(driver)?.before.pop());
    while let Some((mut step, _)) = before() {
        if let Flow::Hop(route) = step.run(driver_state.slot(), cell.meta().name()) {
            // Later steps are sent elsewhere only after the task is settled: the observers see this
            // outcome first.
            let left = with_state(&**cell, |state| state.set_route(route));
            unhandled::drop_reporting(left);
        }
        unhandled::drop_reporting(step);
    }
    let deferred_cancel = with_state(&**cell, |state| {
        let deferred_cancel = state.take_deferred_cancel(driver)?;
        Some((state.epoch, deferred_cancel))
    });
    // The outcome that this driver holds has no consumer. It is a user value.
    match deferred_cancel {
        Some((epoch, mut deferred_cancel)) => {
            finish_cancel(cell, epoch, &mut deferred_cancel);
            unhandled::drop_reporting(driver_state.held.take());
        }
        None => {
            unhandled::drop_reporting(driver_state.held.take());
            driver_state.local.clear();
            stopped::driver_is_back(cell);
        }
    }
}

/// Runs the steps that run on a cancel, and settles.
pub(super) fn finish_cancel(cell: &Arc<dyn AnyCell>, epoch: u32, cancel: &mut DeferredCancel) {
    let DeferredCancel {
        steps,
        held,
        in_head,
        error,
        ..
    } = cancel;
    let mut route = None;
    while let Some((mut step, _)) = steps.pop() {
        step.cancel(error);
        route = step.route().or(route);
        unhandled::drop_reporting(step);
    }
    if let Some(route) = route {
        // Later steps run where the chain was sent, cancelled or not.
        let left = with_state(&**cell, |state| match state.epoch == epoch {
            true => state.set_route(route),
            false => route,
        });
        unhandled::drop_reporting(left);
    }
    let drive_with = |local: &mut dyn Slot, held| {
        let mut driver_state = Driver::new(local, held);
        drive(cell, epoch, &mut driver_state);
        driver_state.leave();
    };
    match held.take() {
        None if *in_head => cell.with_slot(&mut |local| {
            local.fail(error.clone());
            drive_with(local, None);
        }),
        None => settle_empty(&**cell, epoch, error),
        held => {
            let mut nothing: Option<Outcome<()>> = None;
            drive_with(&mut nothing, held);
        }
    }
}

/// Settles a cell without a handle and without a consumer. A `stopped` task that was made since the
/// first pass settles like the earlier ones.
fn settle_empty(cell: &dyn AnyCell, epoch: u32, error: &TaskError) {
    loop {
        let late = with_state(cell, |state| {
            if state.epoch != epoch {
                return None;
            }
            if !state.steps.is_empty() {
                return Some(Err(state.steps.take()));
            }
            // ORDERING: Release, see `Shell::settled`.
            cell.settled_flag().store(true, Ordering::Release);
            Some(Ok(state.settle(None)))
        });
        match late {
            None => return,
            Some(Ok(duty)) => return duty.carry_out(cell.meta()),
            Some(Err(mut steps)) => {
                while let Some((mut step, _)) = steps.pop() {
                    step.cancel(error);
                    unhandled::drop_reporting(step);
                }
            }
        }
    }
}
