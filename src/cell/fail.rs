//! Fails what a queue rejected: a task's head, or the rest of its steps.

use super::drive::{drive, requeue};
use super::driver::Driver;
use super::raise::withdraw_all;
use super::slot::Slot;
use super::state::{Duty, Phase, State};
use super::step::{Route, Step};
use super::steps::Steps;
use super::{AnyCell, UpstreamRef, with};
use crate::cancel::CancelOutcome;
use crate::error::TaskError;
use crate::sync::{Arc, Ordering, chaos_point};
use crate::{dispatch, guard, unhandled};

/// What has rejected a task.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A pool's queue has rejected the cell.
    Pool,
    /// An executor has dropped the job with this id.
    Executor(u32),
}

impl By {
    fn handoff(self) -> Option<u32> {
        match self {
            By::Executor(handoff) => Some(handoff),
            By::Pool => None,
        }
    }
}

enum Taken {
    TooLate,
    /// The head, unsettled.
    Head(Option<UpstreamRef>),
    /// Steps that an executor rejected, with their outcome.
    Rest(Option<Box<dyn Step>>),
    /// Observers that a pool without threads rejected: only this thread can run them.
    Observed(Option<Box<dyn Step>>),
    /// Observers that an executor rejected. The outcome stays.
    Observers(Steps, Duty),
}

/// Settles the head with `error`, if it is unsettled; later steps see a failure.
///
/// When a queue or an executor has rejected the cell, either the head or the rest of the steps
/// cannot run. Both fail.
pub(crate) fn fail_head(cell: &Arc<dyn AnyCell>, error: TaskError, by: By) -> CancelOutcome {
    let mut error = Some(error);
    let mut outcome = CancelOutcome::TooLate;
    cell.with_slot(&mut |local| {
        if let Some(error) = error.take() {
            outcome = fail(cell, local, error, by);
        }
    });
    outcome
}

fn fail(cell: &Arc<dyn AnyCell>, local: &mut dyn Slot, error: TaskError, by: By) -> CancelOutcome {
    // An executor is a user value, to be dropped without the lock.
    let mut old_route = Route::Pool;
    let (taken, epoch) = with(&**cell, |state, head| {
        let taken = match state.phase() {
            Phase::Cold | Phase::Queued | Phase::Open => {
                state.called_off |= error.is_cancelled();
                Taken::Head(state.take_upstream())
            }
            Phase::HandedOff if state.may_run(by.handoff()) => {
                take_rest(cell, state, head, by, local, &mut old_route)
            }
            _ => Taken::TooLate,
        };
        if matches!(taken, Taken::Head(..) | Taken::Rest(_) | Taken::Observed(_)) {
            state.take_over();
        }
        (taken, state.epoch)
    });
    unhandled::drop_reporting(old_route);
    chaos_point();
    let (outcome, held, ran_link) = match taken {
        Taken::TooLate => return CancelOutcome::TooLate,
        Taken::Observers(steps, duty) => {
            reject_observers(cell, steps, duty, &error);
            return CancelOutcome::TooLate;
        }
        Taken::Head(upstream) => {
            if let Some(token) = cell.meta().token() {
                token.cancel();
            }
            cell.drop_head(false);
            local.fail(error);
            withdraw_all(upstream);
            (CancelOutcome::Prevented, None, true)
        }
        Taken::Observed(held) => (CancelOutcome::TooLate, held, false),
        Taken::Rest(mut held) => {
            fail_rest(local, held.as_mut(), error);
            (CancelOutcome::Prevented, held, false)
        }
    };
    let mut driver_state = Driver::new(local, held);
    driver_state.progress.links = u32::from(ran_link);
    if let By::Executor(_) = by {
        // The job may have been dropped inside the call that registered its steps.
        requeue(cell, epoch, &mut driver_state);
    } else {
        dispatch::scope(|| drive(cell, epoch, &mut driver_state));
    }
    outcome
}

/// Takes what cannot run of a task that was handed off. If its outcome stood in the head's slot,
/// `local` has it afterwards.
fn take_rest(
    cell: &Arc<dyn AnyCell>,
    state: &mut State,
    head: &mut dyn Slot,
    by: By,
    local: &mut dyn Slot,
    old_route: &mut Route,
) -> Taken {
    let by_pool = by == By::Pool;
    if !by_pool && state.is_decided() && !state.has_deferred_cancel() {
        let steps = state.steps.take();
        let failure = state.outcome(head).failure().cloned();
        // ORDERING: Release, see `Shell::settled`.
        cell.settled_flag().store(true, Ordering::Release);
        return Taken::Observers(steps, state.settle(failure.as_ref()));
    }
    let held = state.last.take();
    if held.is_none() {
        head.move_into(local);
    }
    if by_pool && state.is_decided() {
        return Taken::Observed(held);
    }
    // Its executor rejects jobs: later steps run on the pool.
    *old_route = state.set_route(Route::Pool);
    Taken::Rest(held)
}

/// Puts the failure in place of the outcome that the remaining steps would have got.
fn fail_rest(local: &mut dyn Slot, held: Option<&mut Box<dyn Step>>, error: TaskError) {
    let Some(step) = held else {
        local.clear();
        local.fail(error);
        return;
    };
    if let Some(slot) = step.output() {
        // The overwritten outcome is a user value.
        if let Err(payload) = guard::catch(|| slot.fail(error)) {
            guard::drop_quietly(payload);
        }
    }
}

fn reject_observers(cell: &Arc<dyn AnyCell>, mut steps: Steps, duty: Duty, error: &TaskError) {
    dispatch::scope(|| {
        while let Some((mut step, _)) = steps.pop() {
            step.reject(error);
            unhandled::drop_reporting(step);
        }
        duty.carry_out(cell.meta());
    });
}
