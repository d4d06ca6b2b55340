//! Runs the steps of a task, one after another, on the thread that settled it.
//!
//! The driver is the one thread for which the phase is `Driving`. It owns the outcome, so that
//! observers can borrow it and links can take it without a lock: first in `local`, the head's
//! outcome, then in `held`, the last link that ran.

use super::head::Body;
use super::slot::Slot;
use super::state::{Duty, Progress, Role, State};
use super::step::{Flow, Route, Step};
use super::steps::Batch;
use super::{AnyCell, TaskMeta, adopt, call_off, cancel, with};
use crate::error::TaskError;
use crate::sync::{Arc, chaos_point};
use crate::{dispatch, guard, unhandled};

/// The outcome that the driver holds.
pub(crate) struct Driver<'a> {
    /// The slot of the head's outcome, until the first link with an output takes it.
    pub(crate) local: &'a mut dyn Slot,
    /// The last link that ran and has an output; that is the outcome.
    pub(crate) held: Option<Box<dyn Step>>,
    /// What the driver has done since it last held the lock.
    pub(crate) progress: Progress,
    /// What the driver must do without the lock after the task is settled.
    pub(crate) duty: Duty,
}

impl<'a> Driver<'a> {
    pub(crate) fn new(local: &'a mut dyn Slot, held: Option<Box<dyn Step>>) -> Driver<'a> {
        Driver {
            local,
            held,
            progress: Progress::default(),
            duty: Duty::default(),
        }
    }

    /// The head has just produced the outcome in `local`.
    pub(crate) fn of_head(local: &'a mut dyn Slot) -> Driver<'a> {
        let mut driver_state = Driver::new(local, None);
        driver_state.progress.links = 1;
        driver_state
    }

    #[inline]
    pub(super) fn slot(&mut self) -> &mut dyn Slot {
        match self.held.as_mut() {
            Some(step) => step.output().expect("only a step with an output is held"),
            None => &mut *self.local,
        }
    }

    /// Does what is left to do for a settled task.
    #[inline]
    pub(super) fn carry_out(&mut self) {
        if !self.duty.is_none() {
            std::mem::take(&mut self.duty).carry_out();
        }
    }

    /// Drops what is left, which is mostly nothing. Cheaper than the compiler's drop.
    #[inline]
    pub(crate) fn leave(self) {
        if self.held.is_none() && self.duty.is_none() {
            std::mem::forget(self);
        }
    }

    /// Puts the outcome back into the cell.
    #[inline]
    fn store_outcome(&mut self, state: &mut State, head: &mut dyn Slot) {
        state.note(std::mem::take(&mut self.progress));
        match self.held.take() {
            Some(step) => state.last = Some(step),
            None => {
                self.local.move_into(head);
            }
        }
    }
}

/// What the driver does next.
#[must_use = "a step that is not run is lost"]
pub(crate) enum NextAction {
    Run(Box<dyn Step>),
    /// Steps that it may take without the lock, up to this index.
    Many(Batch, usize),
    /// The last step takes the outcome with it; the task is settled already.
    Last(Box<dyn Step>),
    Settled,
    /// The budget is used up; the rest of the steps go to a queue.
    HandOff,
    /// A cancel has taken the task away.
    Superseded,
    /// A token was raised: the outcome is this failure from now on.
    Fail(TaskError),
}

impl NextAction {
    pub(super) fn is_the_end(&self) -> bool {
        matches!(self, NextAction::Settled | NextAction::Last(_))
    }
}

/// Under the lock: the next step, or the outcome goes back into the cell.
#[inline(always)]
pub(super) fn next(
    state: &mut State,
    head: &mut dyn Body,
    driver_state: &mut Driver<'_>,
    epoch: u32,
) -> NextAction {
    if state.epoch != epoch || state.is_interrupted() {
        if state.epoch != epoch || state.has_deferred_cancel() {
            return NextAction::Superseded;
        }
        state.note(std::mem::take(&mut driver_state.progress));
        if let Some(error) = state.take_due() {
            return NextAction::Fail(error);
        }
    }
    state.note(std::mem::take(&mut driver_state.progress));
    if !state.steps.is_empty()
        && let Some(next) = go_on(state, driver_state)
    {
        return next;
    }
    let failure = driver_state.slot().failure().cloned();
    let slot = head.slot();
    driver_state.store_outcome(
        state,
        slot.expect("a closure is claimed before there is an outcome"),
    );
    if state.steps.is_empty() {
        state.settle_with(failure.as_ref(), &mut driver_state.duty);
        NextAction::Settled
    } else {
        state.stop_driving();
        NextAction::HandOff
    }
}

/// What comes next, if the budget allows.
fn go_on(state: &mut State, driver_state: &mut Driver<'_>) -> Option<NextAction> {
    // `Inline`: there is no other thread to hand off to.
    let unbounded = matches!(state.route(), Route::Inline);
    if let Some(run) = state.steps.run() {
        let left = run.steps.len() - run.from;
        let granted = if unbounded {
            left
        } else {
            dispatch::grant(left)
        };
        if granted == 0 {
            return None;
        }
        begin(state, driver_state, run.role);
        let to = run.from + granted;
        return Some(NextAction::Many(run, to));
    }
    if !unbounded && !dispatch::spend() {
        return None;
    }
    let (step, role) = state.steps.pop()?;
    if state.detached && step.takes_outcome() && state.steps.is_empty() {
        // No handle is left, so no step can come after this one: one lock covers both.
        state.pending_links = 0;
        state.settle_with(None, &mut driver_state.duty);
        return Some(NextAction::Last(step));
    }
    begin(state, driver_state, role);
    Some(NextAction::Run(step))
}

/// Steps of this role run now.
fn begin(state: &mut State, driver_state: &mut Driver<'_>, role: Role) {
    state.observing = role == Role::Observer;
    if state.observing && state.is_decided() {
        // `status` cannot see the outcome while the driver holds it.
        state.failed = driver_state.slot().failure().is_some();
    }
}

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
            NextAction::Settled => return driver_state.carry_out(),
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
            NextAction::Superseded => return cancel::carry_out(cell, epoch, driver_state),
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
    let _ = last.run(driver_state.slot(), meta.name());
    driver_state.carry_out();
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

/// Returns the steps to the cell, so that another thread runs them.
pub(super) fn requeue(cell: &Arc<dyn AnyCell>, epoch: u32, driver_state: &mut Driver<'_>) {
    let kept = with(&**cell, |state, head| {
        let kept = state.epoch == epoch;
        if kept {
            driver_state.store_outcome(state, head);
            state.stop_driving();
        }
        kept
    });
    if kept {
        dispatch::hand_over_now(cell.clone());
    } else {
        cancel::carry_out(cell, epoch, driver_state);
    }
}
