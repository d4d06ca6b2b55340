//! What a driver holds, and how it decides under the lock what it does next.
//!
//! The driver is the one thread for which the phase is `Driving`. It owns the outcome, so that
//! observers can borrow it and links can take it without a lock: first in `local`, the head's
//! outcome, then in `held`, the last link that ran.

use super::head::Body;
use super::meta::TaskMeta;
use super::shell::{Erased, Inner};
use super::slot::Slot;
use super::state::{Duty, Progress, Role, State};
use super::step::{Route, Step};
use super::steps::Batch;
use crate::dispatch;
use crate::error::TaskError;
use crate::sync::Ordering;

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
    pub(super) fn carry_out(&mut self, meta: &TaskMeta) {
        if !self.duty.is_none() {
            std::mem::take(&mut self.duty).carry_out(meta);
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
    pub(super) fn store_outcome(&mut self, state: &mut State, head: &mut dyn Slot) {
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
    fn is_the_end(&self) -> bool {
        matches!(self, NextAction::Settled | NextAction::Last(_))
    }
}

/// Under the lock: the next step, or the outcome goes back into the cell.
#[inline(always)]
fn next(
    meta: &TaskMeta,
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
        if let Some(error) = state.take_deferred_failure() {
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
        if let Some(error) = &failure {
            error.failed_task(meta.location);
        }
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
    state.observed |= state.observing;
    if state.observing && state.is_decided() {
        // `status` cannot see the outcome while the driver holds it.
        state.failure = driver_state.slot().failure().map(TaskError::kind);
    }
}

impl Erased {
    /// Under the lock: what the driver does next.
    #[inline]
    pub(super) fn advance(
        &self,
        inner: &mut Inner<dyn Body>,
        driver_state: &mut Driver<'_>,
        epoch: u32,
    ) -> NextAction {
        let (state, head) = (&mut inner.state, &mut inner.head);
        let next = next(&self.meta, state, head, driver_state, epoch);
        if next.is_the_end() {
            // ORDERING: Release, see `settled`.
            self.settled.store(true, Ordering::Release);
        }
        next
    }

    /// Takes the next step for the driver. Only `drive` calls it.
    pub(super) fn next(&self, driver_state: &mut Driver<'_>, epoch: u32) -> NextAction {
        self.advance(&mut self.inner.lock(), driver_state, epoch)
    }
}
