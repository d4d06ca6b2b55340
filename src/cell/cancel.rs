//! Takes a task from whoever has it: cancelling its tail, failing its head, withdrawing from it.

use super::drive::{Hands, drive};
use super::state::{Doom, Duty, Phase};
use super::step::{Step, Turn};
use super::steps::Steps;
use super::{Cell, Tie, stop, with};
use crate::error::{ErrorKind, TaskError};
use crate::sync::{Arc, Ordering, chaos_point};
use crate::{dispatch, unhandled};

/// What [`Task::cancel`](crate::Task::cancel) achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
            if matches!(state.phase, Phase::Driving | Phase::Following) {
                state.leave_running();
            }
            state.phase = Phase::Driving;
            state.drive_here();
            state.observing = true;
        }
        state.epoch = epoch;
        state.cancelled = true;
        state.looked = true;
        state.stage.finish();
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

/// The common case, a task that has not begun and on which nothing hangs: it is settled at one go, and
/// its closure dropped. Gives `error` back in any other.
fn prevent(cell: &dyn Cell, error: TaskError) -> Result<(Duty, Option<Tie>), TaskError> {
    with(cell, |state, head| {
        let has_begun = !matches!(state.phase, Phase::Cold | Phase::Queued | Phase::Open);
        if has_begun || state.stage.is_over() || !state.steps.is_empty() {
            return Err(error);
        }
        // No link was ever hung on it, so its outcome is the head's.
        head.fail(error);
        state.epoch = state.epoch.wrapping_add(1);
        state.cancelled = true;
        state.looked = true;
        state.failed = true;
        state.stage.finish();
        state.open = 0;
        let upstream = state.untie();
        cell.idle().store(true, Ordering::Release);
        Ok((state.settle(None), upstream))
    })
}

/// Tells the closure, and whatever it has passed its token on to, that the result is no longer
/// wanted.
pub(super) fn raise(cell: &dyn Cell) {
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
    let error = match prevent(&**cell, error) {
        Ok((duty, upstream)) => {
            chaos_point();
            duty.carry_out();
            return Withdrawn {
                outcome: CancelOutcome::Prevented,
                next: upstream.into_iter().collect(),
            };
        }
        Err(error) => error,
    };
    let held = carrier.map(|carrier| carrier(error.clone()));
    let Some(loot) = seize(&**cell, error, held) else {
        return Withdrawn {
            outcome: CancelOutcome::TooLate,
            next: Vec::new(),
        };
    };
    chaos_point();
    raise(&**cell);
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
pub(super) fn carry_out(cell: &Arc<dyn Cell>, driver: u32, mut hands: Hands<'_>) {
    let spared = || with(&**cell, |state, _| state.doom(driver)?.spared.pop());
    while let Some((mut step, _)) = spared() {
        if let Turn::Hop(route) = step.run(hands.slot(), cell.about().name()) {
            // Those behind it go elsewhere only when the task is settled: they are to see this
            // outcome first.
            let left = with(&**cell, |state, _| state.set_route(route));
            unhandled::discard(left);
        }
        unhandled::discard(step);
    }
    let doom = with(&**cell, |state, _| {
        let doom = state.take_doom(driver)?;
        Some((state.epoch, doom))
    });
    // The outcome in this driver's hands is nobody's now, and the user's to drop.
    match doom {
        Some((epoch, doom)) => {
            fulfil(cell, epoch, doom);
            unhandled::discard(hands.held.take());
        }
        None => {
            unhandled::discard(hands.held.take());
            hands.local.clear();
            stop::driver_is_back(cell);
        }
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
    let mut route = None;
    while let Some((mut step, _)) = steps.pop() {
        step.cancel(&error);
        route = step.route().or(route);
        unhandled::discard(step);
    }
    if let Some(route) = route {
        // What comes later goes where the chain was sent, cancelled or not.
        let left = with(&**cell, |state, _| match state.epoch == epoch {
            true => state.set_route(route),
            false => route,
        });
        unhandled::discard(left);
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
