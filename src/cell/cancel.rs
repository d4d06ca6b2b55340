//! Takes a task from whoever has it: cancelling its tail, failing its head, withdrawing from it.

use super::drive::{Hands, drive};
use super::state::{Doom, Duty, Phase};
use super::step::{Route, Step};
use super::{Cell, Tie, with};
use crate::error::{ErrorKind, TaskError};
use crate::sync::{Arc, Ordering, chaos_point, thread_id};
use crate::{dispatch, guard, unhandled};

/// What [`Task::cancel`](crate::Task::cancel) achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// Nothing was running: what had not started never will, and what it captured is dropped.
    Prevented,
    /// A closure was running: the task is settled as cancelled now and the closure's
    /// [token](crate::CancelToken) is raised. What it returns is dropped.
    Signalled,
    /// The task was settled already; nothing has changed.
    TooLate,
}

/// The answer of something that was withdrawn from.
pub(crate) struct Withdrawn {
    pub(crate) outcome: CancelOutcome,
    /// What it waited for itself, which is no longer wanted either.
    pub(crate) next: Option<Tie>,
}

impl Withdrawn {
    /// There was nothing running, and nothing above.
    pub(crate) const NOTHING: Withdrawn = Withdrawn {
        outcome: CancelOutcome::Prevented,
        next: None,
    };
}

/// What was taken out of a cancelled cell, to be dealt with when the lock is gone.
struct Loot {
    outcome: CancelOutcome,
    last: Option<Box<dyn Step>>,
    links: Vec<Box<dyn Step>>,
    upstream: Option<Tie>,
    replaced: Option<Doom>,
    /// `None`: the driver is running an observer, and carries the rest out itself.
    doom: Option<Doom>,
}

/// Takes everything from the cell's present owner. `None`: too late.
fn seize(cell: &dyn Cell, error: TaskError, held: Option<Box<dyn Step>>) -> Option<Loot> {
    with(cell, |state, _| {
        let spared = state.steps.leading_observers();
        let observing = match state.phase {
            Phase::Driving => state.observing,
            Phase::Handed => spared > 0,
            _ => false,
        };
        let outcome = match state.phase {
            Phase::Settled | Phase::Gone => return None,
            _ if state.is_decided() => return None,
            Phase::Driving => CancelOutcome::Signalled,
            _ => CancelOutcome::Prevented,
        };
        if !observing {
            state.phase = Phase::Driving;
            state.driver = Some(thread_id());
        }
        state.epoch = state.epoch.wrapping_add(1);
        state.cancelled = true;
        state.looked = true;
        state.head_done = true;
        state.open = 0;
        let links = state.steps.take_links();
        let mut doom = Some(Doom {
            epoch: state.epoch,
            spared: if observing { spared } else { 0 },
            steps: state.steps.take(),
            held,
            error,
        });
        let replaced = if observing {
            doom.take().and_then(|doom| state.set_doom(doom))
        } else {
            None
        };
        Some(Loot {
            outcome,
            // What observers are about to see stays where it is.
            last: if observing { None } else { state.last.take() },
            links,
            upstream: state.untie(),
            replaced,
            doom,
        })
    })
}

/// Tells the closure that is running that its result is no longer wanted.
fn raise(cell: &dyn Cell) {
    if let Some(token) = cell.about().token() {
        token.cancel();
    }
}

/// Cancels the task at its tail. `carrier` makes a step that holds the failure for whoever has the
/// handle.
pub(crate) fn cancel(
    cell: &Arc<dyn Cell>,
    carrier: Option<fn(TaskError) -> Box<dyn Step>>,
) -> Withdrawn {
    let error = TaskError::of(ErrorKind::Cancelled, cell.about().at());
    let held = carrier.map(|carrier| carrier(error.clone()));
    let Some(loot) = seize(&**cell, error, held) else {
        return Withdrawn {
            outcome: CancelOutcome::TooLate,
            next: None,
        };
    };
    chaos_point();
    if loot.outcome == CancelOutcome::Signalled {
        raise(&**cell);
    }
    cell.shed(loot.doom.is_some());
    unhandled::discard(loot.last);
    for link in loot.links {
        unhandled::discard(link);
    }
    unhandled::discard(loot.replaced.map(|doom| doom.held));
    if let Some(doom) = loot.doom {
        dispatch::scope(|| fulfil(cell, doom));
    }
    Withdrawn {
        outcome: loot.outcome,
        next: loot.upstream,
    }
}

/// The driver finds that it was superseded: if by a cancel that left the rest to it, it carries that
/// out, after the observers of the outcome in its hands.
pub(super) fn carry_out(cell: &Arc<dyn Cell>, hands: &mut Hands<'_>) {
    let Some(mut doom) = with(&**cell, |state, _| state.take_doom()) else {
        return;
    };
    for _ in 0..doom.spared {
        if let Some((mut step, _)) = doom.steps.pop() {
            let _ = step.run(hands.slot(), cell.about().name());
        }
    }
    fulfil(cell, doom);
}

/// Runs what has its turn on a cancel, and settles.
fn fulfil(cell: &Arc<dyn Cell>, doom: Doom) {
    let Doom {
        epoch,
        mut steps,
        held,
        error,
        ..
    } = doom;
    while let Some((mut step, _)) = steps.pop() {
        step.cancel(&error);
        unhandled::discard(step);
    }
    let mut nothing: Option<super::slot::Outcome<()>> = None;
    match held {
        Some(_) => {
            let hands = Hands {
                local: &mut nothing,
                held,
            };
            drive(cell, epoch, hands, false);
        }
        None => settle_empty(&**cell, epoch),
    }
}

/// Nobody wants this cell's outcome any more, and nobody holds a handle to it.
fn settle_empty(cell: &dyn Cell, epoch: u32) {
    let duty = with(cell, |state, _| {
        if state.epoch != epoch {
            return None;
        }
        cell.idle().store(true, Ordering::Release);
        Some(state.settle(None))
    });
    if let Some(duty) = duty {
        duty.carry_out();
    }
}

/// Withdraws from `upstream` and from whatever it waits for in turn: a loop, however long the line
/// is.
pub(crate) fn withdraw_all(mut upstream: Option<Tie>) -> Option<CancelOutcome> {
    let mut strongest = None;
    while let Some(this) = upstream {
        let withdrawn = this.to.withdraw(this.ticket);
        if strongest != Some(CancelOutcome::Signalled) {
            strongest = Some(withdrawn.outcome);
        }
        upstream = withdrawn.next;
    }
    strongest
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
    Observers(super::steps::Steps, Duty),
}

/// Settles the head with `error`, if it is unsettled; what follows sees it as a failure.
///
/// `refused`: a queue has given the cell back. What cannot run then is either the head or the rest
/// of the steps, and both fail.
pub(crate) fn fail_head<F, T>(
    node: Arc<super::node::Node<F, T>>,
    error: TaskError,
    refused: bool,
) -> CancelOutcome
where
    super::node::Node<F, T>: Cell + 'static,
    T: Send + 'static,
{
    let mut local: Option<super::slot::Outcome<T>> = None;
    let cell: Arc<dyn Cell> = node;
    // An executor is the user's to drop, without the lock.
    let mut old_route = Route::Pool;
    let (taken, epoch) = with(&*cell, |state, head| {
        let taken = match state.phase {
            Phase::Cold | Phase::Queued | Phase::Open => {
                Taken::Head(CancelOutcome::Prevented, state.untie())
            }
            Phase::Driving | Phase::Following if state.head_done || refused => Taken::TooLate,
            Phase::Driving => Taken::Head(CancelOutcome::Signalled, None),
            Phase::Following => Taken::Head(CancelOutcome::Prevented, state.untie()),
            Phase::Handed
                if refused && state.is_decided() && matches!(state.route(), Route::Pool) =>
            {
                let held = state.last.take();
                if held.is_none() {
                    head.move_into(&mut local);
                }
                Taken::Observed(held)
            }
            Phase::Handed if refused && state.is_decided() && !state.is_doomed() => {
                let steps = state.steps.take();
                let slot = match state.last.as_mut().and_then(|step| step.output()) {
                    Some(slot) => slot,
                    None => head,
                };
                let failure = slot.failure().cloned();
                cell.idle().store(true, Ordering::Release);
                Taken::Observers(steps, state.settle(failure.as_ref()))
            }
            Phase::Handed if refused => {
                // Its executor is out of the game; what comes after runs where it can.
                old_route = state.set_route(Route::Pool);
                let held = state.last.take();
                if held.is_none() {
                    head.move_into(&mut local);
                }
                Taken::Rest(held)
            }
            Phase::Handed | Phase::Settled | Phase::Gone => Taken::TooLate,
        };
        if matches!(taken, Taken::Head(..) | Taken::Rest(_) | Taken::Observed(_)) {
            state.phase = Phase::Driving;
            state.driver = Some(thread_id());
            state.epoch = state.epoch.wrapping_add(1);
            state.head_done = true;
        }
        (taken, state.epoch)
    });
    unhandled::discard(old_route);
    chaos_point();
    let (outcome, held, ran_link) = match taken {
        Taken::TooLate => return CancelOutcome::TooLate,
        Taken::Observers(mut steps, duty) => {
            while let Some((step, _)) = steps.pop() {
                unhandled::discard(step);
            }
            duty.carry_out();
            return CancelOutcome::TooLate;
        }
        Taken::Head(outcome, upstream) => {
            if outcome == CancelOutcome::Signalled {
                raise(&*cell);
            }
            cell.shed(false);
            local = Some(Err(error));
            let above = withdraw_all(upstream);
            (above.unwrap_or(outcome), None, true)
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
            unhandled::discard(local.replace(Err(error)));
            (CancelOutcome::Prevented, None, false)
        }
    };
    dispatch::scope(|| {
        let hands = Hands {
            local: &mut local,
            held,
        };
        drive(&cell, epoch, hands, ran_link);
    });
    unhandled::discard(local);
    outcome
}
