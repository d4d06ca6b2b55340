//! Fails a task from outside: its head is cancelled, or a queue gives it back.

use super::cancel::{CancelOutcome, raise, withdraw_all};
use super::drive::{Hands, drive, hand_back};
use super::slot::Slot;
use super::state::{Duty, Phase};
use super::step::{Route, Step};
use super::steps::Steps;
use super::{Cell, Tie, with};
use crate::error::TaskError;
use crate::sync::{Arc, Ordering, chaos_point};
use crate::{dispatch, guard, unhandled};

/// Why a task's head fails from outside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Cancelled,
    /// A pool's queue has given the cell back.
    RefusedByPool,
    /// An executor has dropped the job with this pass.
    RefusedByExecutor(u32),
}

impl Reason {
    fn pass(self) -> Option<u32> {
        match self {
            Reason::RefusedByExecutor(pass) => Some(pass),
            Reason::Cancelled | Reason::RefusedByPool => None,
        }
    }
}

enum Taken {
    TooLate,
    /// The head, unsettled.
    Head(CancelOutcome, Option<Tie>),
    /// Steps that an executor would not run, with the outcome they were to get.
    Rest(Option<Box<dyn Step>>),
    /// Observers that a pool without threads gives back: there is nobody but this thread to run them.
    Observed(Option<Box<dyn Step>>),
    /// Observers that an executor would not run. The outcome is not to blame.
    Observers(Steps, Duty),
}

/// Settles the head with `error`, if it is unsettled; what follows sees it as a failure.
///
/// When a queue or an executor has given the cell back, what cannot run is either the head or the
/// rest of the steps, and both fail.
pub(crate) fn fail_head(cell: &Arc<dyn Cell>, error: TaskError, reason: Reason) -> CancelOutcome {
    let mut error = Some(error);
    let mut outcome = CancelOutcome::TooLate;
    cell.with_slot(&mut |local| {
        if let Some(error) = error.take() {
            outcome = fail(cell, local, error, reason);
        }
    });
    outcome
}

fn fail(
    cell: &Arc<dyn Cell>,
    local: &mut dyn Slot,
    error: TaskError,
    reason: Reason,
) -> CancelOutcome {
    // An executor is the user's to drop, without the lock.
    let mut old_route = Route::Pool;
    let (taken, epoch) = with(&**cell, |state, head| {
        let is_refused = reason != Reason::Cancelled;
        let taken = match state.phase {
            Phase::Cold | Phase::Queued | Phase::Open => {
                Taken::Head(CancelOutcome::Prevented, state.untie())
            }
            Phase::Driving | Phase::Following if state.stage.is_over() || is_refused => {
                Taken::TooLate
            }
            Phase::Driving => {
                state.leave_running();
                Taken::Head(CancelOutcome::Signalled, None)
            }
            Phase::Following => {
                state.leave_running();
                Taken::Head(CancelOutcome::Prevented, state.untie())
            }
            Phase::Handed if is_refused && state.may_run(reason.pass()) => {
                let by_pool = reason == Reason::RefusedByPool;
                if !by_pool && state.is_decided() && !state.is_doomed() {
                    let steps = state.steps.take();
                    let failure = state.outcome(head).failure().cloned();
                    cell.idle().store(true, Ordering::Release);
                    Taken::Observers(steps, state.settle(failure.as_ref()))
                } else {
                    let held = state.last.take();
                    if held.is_none() {
                        head.move_into(local);
                    }
                    if by_pool && state.is_decided() {
                        Taken::Observed(held)
                    } else {
                        // Its executor is out of the game; what comes after runs where it can.
                        old_route = state.set_route(Route::Pool);
                        Taken::Rest(held)
                    }
                }
            }
            Phase::Handed | Phase::Settled | Phase::Gone => Taken::TooLate,
        };
        if matches!(taken, Taken::Head(..) | Taken::Rest(_) | Taken::Observed(_)) {
            state.phase = Phase::Driving;
            state.drive_here();
            state.epoch = state.epoch.wrapping_add(1);
            state.leave_doom_to(state.epoch);
            state.stage.finish();
        }
        (taken, state.epoch)
    });
    unhandled::discard(old_route);
    chaos_point();
    let (outcome, held, ran_link) = match taken {
        Taken::TooLate => return CancelOutcome::TooLate,
        Taken::Observers(mut steps, duty) => {
            dispatch::scope(|| {
                while let Some((mut step, _)) = steps.pop() {
                    step.refuse(&error);
                    unhandled::discard(step);
                }
                duty.carry_out();
            });
            return CancelOutcome::TooLate;
        }
        Taken::Head(outcome, upstream) => {
            raise(&**cell);
            cell.shed(false);
            local.fail(error);
            let outcome = match withdraw_all(upstream) {
                Some(CancelOutcome::Signalled) => CancelOutcome::Signalled,
                _ => outcome,
            };
            (outcome, None, true)
        }
        Taken::Observed(held) => (CancelOutcome::TooLate, held, false),
        Taken::Rest(Some(mut step)) => {
            if let Some(slot) = step.output() {
                // The outcome that is overwritten is the user's to drop.
                if let Err(payload) = guard::catch(|| slot.fail(error)) {
                    guard::discard(payload);
                }
            }
            (CancelOutcome::Prevented, Some(step), false)
        }
        Taken::Rest(None) => {
            local.clear();
            local.fail(error);
            (CancelOutcome::Prevented, None, false)
        }
    };
    let mut hands = Hands::new(local, held);
    hands.progress.links = u32::from(ran_link);
    if let Reason::RefusedByExecutor(_) = reason {
        // The job may have been dropped inside the call that registered its steps.
        hand_back(cell, epoch, hands);
    } else {
        dispatch::scope(|| drive(cell, epoch, hands));
    }
    outcome
}
