//! Runs the steps of a task, one after another, on the thread that settled it.
//!
//! The driver is the one thread for which the phase is `Driving`. It holds the outcome in its own
//! hands, so that observers can borrow it and links can take it without a lock: first in `local`,
//! the head's outcome, then in `held`, the last link that ran.

use super::slot::Slot;
use super::state::{Duty, Phase, Role, State};
use super::step::{Route, Step, Turn};
use super::{Cell, with};
use super::{adopt, cancel};
use crate::sync::{Arc, chaos_point};
use crate::{dispatch, unhandled};

/// The outcome in the driver's hands.
pub(crate) struct Hands<'a> {
    /// Where the head's outcome lies until the first link takes it.
    pub(crate) local: &'a mut dyn Slot,
    /// The last link that ran; its output is the outcome.
    pub(crate) held: Option<Box<dyn Step>>,
    /// What is to be done when the lock is gone, once the task is settled.
    pub(crate) duty: Duty,
}

impl<'a> Hands<'a> {
    pub(crate) fn new(local: &'a mut dyn Slot, held: Option<Box<dyn Step>>) -> Hands<'a> {
        Hands {
            local,
            held,
            duty: Duty::default(),
        }
    }

    pub(super) fn slot(&mut self) -> &mut dyn Slot {
        match self.held.as_mut() {
            Some(step) => step.output().expect("only a step with an output is held"),
            None => &mut *self.local,
        }
    }
}

/// What the driver does next.
#[must_use = "a step that is not run is lost"]
pub(crate) enum Next {
    Run(Box<dyn Step>),
    /// The last step takes the outcome with it; the task is settled already.
    Last(Box<dyn Step>),
    Settled,
    /// The budget is used up; the rest of the steps go to a queue.
    HandOver,
    /// A cancel has taken the task away.
    Superseded,
}

/// Under the lock: the next step, or the outcome goes back into the cell. `ran_link`: a link, or
/// the head, has just run.
#[inline(always)]
pub(super) fn next(
    state: &mut State,
    head: &mut dyn Slot,
    hands: &mut Hands<'_>,
    epoch: u32,
    ran_link: bool,
) -> Next {
    if state.epoch != epoch || state.is_doomed() {
        return Next::Superseded;
    }
    if ran_link {
        state.decide();
        if state.open == 0 {
            state.failed = hands.slot().failure().is_some();
        }
    }
    // `Inline` says that there is nobody to hand over to.
    if !state.steps.is_empty()
        && (matches!(state.route(), Route::Inline) || dispatch::spend())
        && let Some((step, role)) = state.steps.pop()
    {
        if state.released && state.steps.is_empty() && step.takes_outcome() {
            // Nobody holds a handle: no step can come after this one, so one look will do for both.
            state.open = 0;
            hands.duty = state.settle(None);
            return Next::Last(step);
        }
        state.observing = role == Role::Observer;
        return Next::Run(step);
    }
    let failure = hands.slot().failure().cloned();
    match hands.held.take() {
        Some(step) => state.last = Some(step),
        None => hands.local.move_into(head),
    }
    if state.steps.is_empty() {
        hands.duty = state.settle(failure.as_ref());
        Next::Settled
    } else {
        state.phase = Phase::Handed;
        Next::HandOver
    }
}

/// Runs the steps there are, and those that arrive meanwhile, until none is left.
pub(crate) fn drive(cell: &Arc<dyn Cell>, epoch: u32, mut hands: Hands<'_>, ran_link: bool) {
    let next = cell.next(&mut hands, epoch, ran_link);
    drive_from(cell, epoch, hands, next);
}

/// Like `drive`, for a driver that has asked for the next step already.
pub(crate) fn drive_from(cell: &Arc<dyn Cell>, epoch: u32, mut hands: Hands<'_>, mut next: Next) {
    let name = cell.about().name();
    loop {
        chaos_point();
        let mut step = match next {
            Next::Run(step) => step,
            Next::Last(mut last) => {
                let _ = last.run(hands.slot(), name);
                hands.duty.carry_out();
                return unhandled::discard(hands.held.take());
            }
            Next::Settled => return hands.duty.carry_out(),
            Next::HandOver => return dispatch::hand_over_later(cell.clone()),
            // The outcome in this driver's hands is nobody's now, and the user's to drop.
            Next::Superseded => {
                cancel::carry_out(cell, epoch, &mut hands);
                return unhandled::discard(hands.held.take());
            }
        };
        #[cfg(not(planted = "lock_in_callback"))]
        let turn = step.run(hands.slot(), name);
        #[cfg(planted = "lock_in_callback")]
        let turn = with(&**cell, |_, _| step.run(hands.slot(), name));
        let ran_link = match turn {
            Turn::Linked => {
                // The link that was held until now is empty and goes.
                hands.held = Some(step);
                true
            }
            Turn::Passed => true,
            Turn::Looked => false,
            Turn::Follow(follow) => return adopt::follow(cell, epoch, Some(step), follow),
            Turn::Hop(route) => {
                if hop(cell, epoch, &mut hands, route) {
                    return;
                }
                false
            }
        };
        next = cell.next(&mut hands, epoch, ran_link);
    }
}

/// Later steps belong elsewhere. True when this driver is done.
fn hop(cell: &Arc<dyn Cell>, epoch: u32, hands: &mut Hands<'_>, route: Route) -> bool {
    let stays = !matches!(route, Route::Executor(_));
    let (hops, left) = with(&**cell, |state, head| {
        if state.epoch != epoch {
            return (false, Some(route));
        }
        let left = Some(state.set_route(route));
        if stays {
            return (false, left);
        }
        match hands.held.take() {
            Some(step) => state.last = Some(step),
            None => hands.local.move_into(head),
        }
        state.phase = Phase::Handed;
        (true, left)
    });
    // The last executor is the user's to drop.
    unhandled::discard(left);
    if hops {
        dispatch::hand_over_later(cell.clone());
    }
    hops
}
