//! Takes a task from whoever has it: cancelling its tail, failing its head, withdrawing from it.

use super::drive::{Hands, drive};
use super::state::{Doom, Duty, Phase};
use super::step::{Route, Step};
use super::steps::Steps;
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
    pub(crate) next: Vec<Tie>,
}

impl Withdrawn {
    /// Nothing was running; `next` is no longer wanted either.
    pub(crate) fn passing(next: impl IntoIterator<Item = Tie>) -> Withdrawn {
        Withdrawn {
            outcome: CancelOutcome::Prevented,
            next: next.into_iter().collect(),
        }
    }
}

/// What was taken out of a cancelled cell, to be dealt with when the lock is gone.
struct Loot {
    outcome: CancelOutcome,
    last: Option<Box<dyn Step>>,
    links: Vec<Box<dyn Step>>,
    upstream: Option<Tie>,
    /// What an earlier cancel would have left to whoever has the handle.
    replaced: Option<Box<dyn Step>>,
    /// `None`: the driver is among observers, and carries the rest out itself.
    doom: Option<Doom>,
    epoch: u32,
}

/// Takes everything from the cell's present owner. `None`: too late.
fn seize(cell: &dyn Cell, error: TaskError, held: Option<Box<dyn Step>>) -> Option<Loot> {
    with(cell, |state, _| {
        let before = state.epoch;
        let epoch = before.wrapping_add(1);
        // The driver to whom the cancel is left.
        let left_to = match state.phase {
            Phase::Driving if state.observing => Some(state.doom_driver().unwrap_or(before)),
            Phase::Handed if state.is_doomed() || state.steps.begins_with_observer() => Some(epoch),
            _ => None,
        };
        let outcome = match state.phase {
            Phase::Settled | Phase::Gone => return None,
            _ if state.is_decided() => return None,
            Phase::Driving => CancelOutcome::Signalled,
            _ => CancelOutcome::Prevented,
        };
        if left_to.is_none() {
            state.phase = Phase::Driving;
            state.driver = Some(thread_id());
            state.observing = true;
        }
        state.epoch = epoch;
        state.cancelled = true;
        state.looked = true;
        state.head_done = true;
        state.open = 0;
        let spared = match left_to {
            Some(_) => state.steps.take_leading_observers(),
            None => Steps::new(),
        };
        let links = state.steps.take_links();
        let mut doom = Some(Doom {
            driver: left_to.unwrap_or(epoch),
            spared,
            steps: state.steps.take(),
            held,
            error,
        });
        let (last, replaced) = match left_to {
            // What observers are about to see stays where it is.
            Some(_) => (None, doom.take().and_then(|doom| state.set_doom(doom))),
            None => (state.last.take(), None),
        };
        Some(Loot {
            outcome,
            last,
            links,
            upstream: state.untie(),
            replaced,
            doom,
            epoch,
        })
    })
}

/// The common case, a task that has not begun and on which nothing hangs: it is settled at one go.
fn prevent(cell: &dyn Cell, error: &TaskError) -> Option<(Duty, Option<Tie>)> {
    with(cell, |state, head| {
        let has_begun = !matches!(state.phase, Phase::Cold | Phase::Queued | Phase::Open);
        if has_begun || state.head_done || !state.steps.is_empty() {
            return None;
        }
        // No link was ever hung on it, so its outcome is the head's.
        head.fail(error.clone());
        state.epoch = state.epoch.wrapping_add(1);
        state.cancelled = true;
        state.looked = true;
        state.failed = true;
        state.head_done = true;
        state.open = 0;
        let upstream = state.untie();
        cell.idle().store(true, Ordering::Release);
        Some((state.settle(None), upstream))
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
    if let Some((duty, upstream)) = prevent(&**cell, &error) {
        chaos_point();
        cell.shed(false);
        duty.carry_out();
        return Withdrawn {
            outcome: CancelOutcome::Prevented,
            next: upstream.into_iter().collect(),
        };
    }
    let held = carrier.map(|carrier| carrier(error.clone()));
    let Some(loot) = seize(&**cell, error, held) else {
        return Withdrawn {
            outcome: CancelOutcome::TooLate,
            next: Vec::new(),
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
    unhandled::discard(loot.replaced);
    if let Some(doom) = loot.doom {
        dispatch::scope(|| fulfil(cell, loot.epoch, doom));
    }
    Withdrawn {
        outcome: loot.outcome,
        next: loot.upstream.into_iter().collect(),
    }
}

/// The driver finds that it was superseded: if by a cancel that left the rest to it, it carries that
/// out, after the observers of the outcome in its hands.
pub(super) fn carry_out(cell: &Arc<dyn Cell>, driver: u32, hands: &mut Hands<'_>) {
    let spared = || with(&**cell, |state, _| state.doom(driver)?.spared.pop());
    while let Some((mut step, _)) = spared() {
        let _ = step.run(hands.slot(), cell.about().name());
    }
    let doom = with(&**cell, |state, _| {
        let doom = state.take_doom(driver)?;
        Some((state.epoch, doom))
    });
    if let Some((epoch, doom)) = doom {
        fulfil(cell, epoch, doom);
    }
}

/// Runs what has its turn on a cancel, and settles.
fn fulfil(cell: &Arc<dyn Cell>, epoch: u32, doom: Doom) {
    let Doom {
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
            let hands = Hands::new(&mut nothing, held);
            drive(cell, epoch, hands);
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

/// Withdraws from `unwanted`, in this order, and from whatever they wait for in turn: a loop,
/// however long a line is, or deep a nest.
pub(crate) fn withdraw_all(unwanted: impl IntoIterator<Item = Tie>) -> Option<CancelOutcome> {
    let mut pending: Vec<Tie> = unwanted.into_iter().collect();
    pending.reverse();
    let mut strongest = None;
    while let Some(tie) = pending.pop() {
        let withdrawn = tie.to.withdraw(tie.ticket);
        strongest = match (strongest, withdrawn.outcome) {
            (Some(CancelOutcome::Signalled), _) => strongest,
            // Something further up was settled already; what hung on it was not.
            (Some(CancelOutcome::Prevented), CancelOutcome::TooLate) => strongest,
            (_, outcome) => Some(outcome),
        };
        pending.extend(withdrawn.next.into_iter().rev());
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
    Observers(Steps, Duty),
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
                let failure = state.outcome(head).failure().cloned();
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
            state.leave_doom_to(state.epoch);
            state.head_done = true;
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
            if outcome == CancelOutcome::Signalled {
                raise(&*cell);
            }
            cell.shed(false);
            local = Some(Err(error));
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
            unhandled::discard(local.replace(Err(error)));
            (CancelOutcome::Prevented, None, false)
        }
    };
    dispatch::scope(|| {
        let mut hands = Hands::new(&mut local, held);
        hands.progress.links = u32::from(ran_link);
        drive(&cell, epoch, hands);
    });
    unhandled::discard(local);
    outcome
}
