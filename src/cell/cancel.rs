//! Cancels a task at its tail, also one that is driven: takes it from its driver or its queue.
//!
//! `call_off.rs` is the other place where a cancel meets a driver: there a token is raised, and the
//! task fails at its current link.

use smallvec::SmallVec;

use super::displaced::{Displaced, keeping};
use super::drive::finish_cancel;
use super::head::UnclaimedSlot;
use super::slot::Slot;
use super::state::{DeferredCancel, Duty, Phase, State};
use super::step::Step;
use super::steps::Steps;
use super::{AnyCell, UpstreamRef, raise, stopped, with_state};
use crate::cancel::{CancelOutcome, Sweep};
use crate::error::{ErrorKind, Reason, TaskError};
use crate::executor::Place;
use crate::sync::{Arc, Ordering, chaos_point, thread};
use crate::{dispatch, unhandled};

/// What was taken out of a cancelled cell, to be run or dropped without the lock.
struct Detached {
    outcome: CancelOutcome,
    last: Option<Box<dyn Step>>,
    links: SmallVec<[Box<dyn Step>; 1]>,
    upstream: Option<UpstreamRef>,
    /// The placeholder step of an earlier cancel.
    replaced: Option<Box<dyn Step>>,
    /// `None`: the driver is running observers, and applies the cancel itself.
    deferred_cancel: Option<DeferredCancel>,
    /// The raise of a token, over which this cancel has precedence.
    deferred_failure: Option<TaskError>,
    placed: bool,
    /// Of the job that would have run the steps.
    place: Option<Arc<dyn Place>>,
    /// As in [`Prevented`].
    counted: bool,
    epoch: u32,
}

impl Detached {
    /// The second pass: drops the links, runs the steps that run on a cancel, and settles.
    fn carry_out(&mut self, cell: &Arc<dyn AnyCell>) {
        if self.counted {
            stopped::drop_begins(&**cell);
        }
        cell.drop_head(self.deferred_cancel.is_some());
        if self.counted {
            stopped::driver_is_back(cell);
        }
        if let Some(step) = self.last.take() {
            unhandled::drop_reporting(step);
        }
        for link in self.links.drain(..) {
            unhandled::drop_reporting(link);
        }
        if let Some(step) = self.replaced.take() {
            unhandled::drop_reporting(step);
        }
        drop(self.deferred_failure.take());
        if let Some(deferred_cancel) = &mut self.deferred_cancel {
            with_state(&**cell, |state| {
                if state.epoch == self.epoch {
                    state.drive_here();
                }
            });
            finish_cancel(cell, self.epoch, deferred_cancel);
        }
    }
}

/// What remains to be done for a task without steps, which is settled.
struct Prevented {
    duty: Duty,
    upstream: Option<UpstreamRef>,
    work: Option<Displaced>,
    /// The drop of `work` counts for `stopped`.
    counted: bool,
    placed: bool,
}

impl Prevented {
    fn carry_out(&mut self, cell: &Arc<dyn AnyCell>) {
        if self.counted {
            stopped::drop_begins(&**cell);
        }
        if let Some(work) = self.work.take() {
            unhandled::drop_reporting(work);
        }
        std::mem::take(&mut self.duty).carry_out(cell.meta());
        if self.counted {
            stopped::driver_is_back(cell);
        }
    }
}

/// Makes a step that holds a failure, unless the slot of the head can hold it.
type HeldOutcome = fn(&TaskError, &dyn Slot) -> Option<Box<dyn Step>>;

/// Takes everything from the cell's present owner, unless it is too late.
fn detach_steps(
    cell: &dyn AnyCell,
    state: &mut State,
    head: &dyn Slot,
    error: TaskError,
    held_outcome: Option<HeldOutcome>,
    taken: &mut Option<Taken>,
) {
    let outcome = match state.phase() {
        Phase::Settled | Phase::Forwarded => return,
        _ if state.is_decided() => return,
        Phase::Driving => CancelOutcome::Signalled,
        Phase::Open if state.has_begun_elsewhere() => CancelOutcome::Signalled,
        _ => CancelOutcome::Prevented,
    };
    let epoch = state.epoch.wrapping_add(1);
    let left_to = observing_driver(state, epoch);
    let counted = state.leave_unbegun();
    let mut place = None;
    if left_to.is_none() {
        place = state.take_job_place();
        match state.phase() {
            Phase::Driving | Phase::Following => state.leave_running(),
            Phase::Open => state.leave_limited(),
            _ => {}
        }
        cell.note_outlived(state);
        state.take_away();
    }
    state.cancel_at_tail();
    let before = match left_to {
        Some(_) => state.steps.take_leading_observers(),
        None => Steps::new(),
    };
    let links = state.steps.take_links();
    let held = held_outcome.and_then(|held_outcome| match left_to {
        // The driver's outcome may come to the head.
        Some(_) => held_outcome(&error, &UnclaimedSlot(None)),
        None => held_outcome(&error, head),
    });
    let cancel = DeferredCancel {
        driver: left_to.unwrap_or(epoch),
        before,
        steps: state.steps.take(),
        in_head: held_outcome.is_some() && held.is_none(),
        held,
        error,
    };
    let (last, replaced, deferred_cancel) = match left_to {
        // The outcome that observers are about to see stays in place.
        Some(_) => (None, state.defer_cancel(cancel), None),
        None => (state.last.take(), None, Some(cancel)),
    };
    *taken = Some(Taken::Seized(Detached {
        outcome,
        last,
        links,
        upstream: match left_to {
            // A queue has the job that runs these observers.
            Some(_) if state.phase() == Phase::HandedOff => None,
            _ => state.take_upstream(),
        },
        replaced,
        deferred_cancel,
        deferred_failure: state.clear_deferred_failure(),
        placed: std::mem::take(&mut state.placed),
        place,
        counted,
        epoch,
    }));
}

/// Returns the driver that runs observers of the cell, or will, and applies the cancel after them.
/// `next` is the epoch after the cancel.
fn observing_driver(state: &mut State, next: u32) -> Option<u32> {
    match state.phase() {
        Phase::Driving if state.observing => {
            Some(state.deferred_cancel_driver().unwrap_or(state.epoch))
        }
        Phase::HandedOff if state.has_deferred_cancel() || state.steps.begins_with_observer() => {
            Some(next)
        }
        _ => None,
    }
}

/// What the first pass has taken from a task.
enum Taken {
    Prevented(Prevented),
    Seized(Detached),
}

impl Taken {
    fn outcome(&self) -> CancelOutcome {
        match self {
            Taken::Prevented(_) => CancelOutcome::Prevented,
            Taken::Seized(detached) => detached.outcome,
        }
    }

    fn upstream(&mut self) -> &mut Option<UpstreamRef> {
        match self {
            Taken::Prevented(prevented) => &mut prevented.upstream,
            Taken::Seized(detached) => &mut detached.upstream,
        }
    }

    fn carry_out(&mut self, cell: &Arc<dyn AnyCell>) {
        match self {
            Taken::Prevented(prevented) => prevented.carry_out(cell),
            Taken::Seized(detached) => detached.carry_out(cell),
        }
    }
}

/// Takes everything from a task that is not settled. `held_outcome` makes a step that holds the
/// failure for the owner of the handle. Leaves nothing in `taken` if it is too late.
#[inline]
fn take(
    cell: &dyn AnyCell,
    held_outcome: Option<HeldOutcome>,
    why: Option<&Reason>,
    taken: &mut Option<Taken>,
) {
    let error = TaskError::cancelled(cell.meta().at(), why);
    let ((), work) = keeping(cell, |state, head| {
        let has_begun = match state.phase() {
            Phase::Cold | Phase::Queued => false,
            // The code that is to settle it has the token.
            Phase::Open => state.has_begun_elsewhere() || cell.meta().token().is_some(),
            _ => true,
        };
        if has_begun || state.head_state.is_over() || !state.steps.is_empty() {
            return detach_steps(cell, state, head, error, held_outcome, taken);
        }
        // It has not begun and has no steps: it is settled under this lock.
        let counted = state.leave_unbegun();
        state.leave_limited();
        cell.note_outlived(state);
        // No link was ever registered, so its outcome is the head's.
        head.fail(error);
        state.cancel_at_tail();
        state.failure = Some(ErrorKind::Cancelled);
        let upstream = state.take_upstream();
        let placed = std::mem::take(&mut state.placed);
        // ORDERING: Release, see `Shell::settled`.
        cell.settled_flag().store(true, Ordering::Release);
        *taken = Some(Taken::Prevented(Prevented {
            duty: state.settle(None),
            upstream,
            work: None,
            counted,
            placed,
        }));
    });
    let placed = match taken {
        None => return,
        Some(Taken::Prevented(prevented)) => {
            prevented.work = work;
            prevented.placed
        }
        Some(Taken::Seized(detached)) => {
            if let Some(place) = detached.place.take() {
                place.give_back();
            }
            detached.placed
        }
    };
    if placed {
        cell.meta().pool().release_place();
    }
    chaos_point();
}

/// Cancels the task at its tail. `held_outcome` makes a step that holds the failure for the owner
/// of the handle.
pub(crate) fn cancel(
    cell: &Arc<dyn AnyCell>,
    held_outcome: HeldOutcome,
    why: Option<Reason>,
) -> CancelOutcome {
    let mut place = None;
    take(&**cell, Some(held_outcome), why.as_ref(), &mut place);
    let Some(taken) = &mut place else {
        return CancelOutcome::TooLate;
    };
    let outcome = taken.outcome();
    let ends_here = match taken.upstream() {
        None => true,
        Some(upstream) => upstream.to.timer().is_some(),
    };
    let is_alone = ends_here && cell.meta().token().is_none();
    if is_alone && !dispatch::is_open() && !thread::panicking() {
        // The first pass ends with this task, or with its timer.
        let upstream = taken.upstream().take();
        let due = upstream.as_ref().and_then(|it| it.to.timer()?.disarm());
        dispatch::scope(|| {
            taken.carry_out(cell);
            if let Some(due) = due {
                unhandled::drop_reporting(due);
            }
        });
        return outcome;
    }
    let mut sweep = Sweep::new(why);
    if let Some(taken) = place {
        add_to(&mut sweep, cell, taken);
    }
    let above = sweep.take_all();
    raise::carry_out(sweep);
    match (outcome, above) {
        (CancelOutcome::Prevented, Some(CancelOutcome::Signalled)) => CancelOutcome::Signalled,
        (outcome, _) => outcome,
    }
}

/// The task is no longer wanted, and has no handle. Part of a first pass.
pub(super) fn withdraw(cell: &Arc<dyn AnyCell>, sweep: &mut Sweep) -> CancelOutcome {
    let mut taken = None;
    take(&**cell, None, sweep.why.as_ref(), &mut taken);
    let Some(taken) = taken else {
        return CancelOutcome::TooLate;
    };
    let outcome = taken.outcome();
    add_to(sweep, cell, taken);
    outcome
}

fn add_to(sweep: &mut Sweep, cell: &Arc<dyn AnyCell>, mut taken: Taken) {
    sweep.unwanted(taken.upstream().take().map(UpstreamRef::parts));
    if let (Taken::Seized(_), Some(token)) = (&taken, cell.meta().token()) {
        // The closure, and all code that has its token, learn that the result is no longer wanted.
        sweep.raise(token.clone());
    }
    let cell = cell.clone();
    sweep.later(move || taken.carry_out(&cell));
}
