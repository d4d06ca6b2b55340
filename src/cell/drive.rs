//! Runs the steps of a task, one after another, on the thread that settled it.
//!
//! The driver is the one thread for which the phase is `Driving`. It holds the outcome in its own hands, so that observers can borrow it and links can
//! take it without a lock: first in `local`, the head's outcome, then in `held`, the last link that ran.

use super::adopt;
use super::slot::Slot;
use super::state::{Duty, Phase};
use super::step::{Step, Turn};
use super::{Cell, with};
use crate::dispatch;
use crate::sync::{Arc, Ordering, chaos_point};

/// The outcome in the driver's hands.
pub(crate) struct Hands<'a> {
    /// Where the head's outcome lies until the first link takes it.
    pub(crate) local: &'a mut dyn Slot,
    /// The last link that ran; its output is the outcome.
    pub(crate) held: Option<Box<dyn Step>>,
}

impl Hands<'_> {
    fn slot(&mut self) -> &mut dyn Slot {
        match self.held.as_mut() {
            Some(step) => step.output().expect("only a step with an output is held"),
            None => &mut *self.local,
        }
    }
}

enum Next {
    Run(Box<dyn Step>),
    Settled(Duty),
    /// The budget is used up; the rest of the steps go to a queue.
    HandOver,
    /// A cancel has taken the task away.
    Superseded,
}

/// Runs the steps there are, and those that arrive meanwhile, until none is left. `ran_link`: a link, or the head, has just run.
pub(crate) fn drive(cell: &Arc<dyn Cell>, epoch: u32, mut hands: Hands<'_>, mut ran_link: bool) {
    loop {
        chaos_point();
        let next = with(&**cell, |state, head| {
            if state.epoch != epoch {
                return Next::Superseded;
            }
            if ran_link {
                state.open -= 1;
                state.failed = hands.slot().failure().is_some();
            }
            if !state.steps.is_empty() && dispatch::spend() {
                if let Some(step) = state.steps.pop() {
                    return Next::Run(step);
                }
            }
            // The outcome goes back into the cell.
            let failure = hands.slot().failure().cloned();
            match hands.held.take() {
                Some(step) => state.last = Some(step),
                None => hands.local.move_into(head),
            }
            if state.steps.is_empty() {
                let duty = state.settle(failure.as_ref());
                cell.idle().store(true, Ordering::Release);
                Next::Settled(duty)
            } else {
                state.phase = Phase::Handed;
                Next::HandOver
            }
        });
        let mut step = match next {
            Next::Run(step) => step,
            Next::Settled(duty) => return duty.carry_out(),
            Next::HandOver => return cell.clone().hand_over(),
            Next::Superseded => return,
        };
        let turn = step.run(hands.slot(), cell.about().name());
        ran_link = step.is_link();
        match turn {
            Turn::Next => {
                if step.output().is_some() {
                    // The link that was held until now is empty and goes.
                    hands.held = Some(step);
                }
            }
            Turn::Follow(follow) => return adopt::follow(cell, epoch, Some(step), follow),
            Turn::Hop(route) => {
                let hops = with(&**cell, |state, head| {
                    if state.epoch != epoch {
                        return false;
                    }
                    state.route = route;
                    match hands.held.take() {
                        Some(step) => state.last = Some(step),
                        None => hands.local.move_into(head),
                    }
                    state.phase = Phase::Handed;
                    true
                });
                if hops {
                    cell.clone().hand_over();
                }
                return;
            }
        }
    }
}
