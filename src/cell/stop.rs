//! Records when the closures that a cancel left running have returned, and what waits for that.
//!
//! A cancel settles the task at once and leaves its driver behind, with the closure it is running.
//! Such a driver is counted until it returns and finds that it was superseded. A task that is never
//! cancelled while it runs, and on which `stopped` is never called, has no such record.

// Lock order: one cell's lock at a time. Waiters are called without it.

use super::slot::Slot;
pub(crate) use super::state::OnStop;
use super::state::{Answer, Phase, Role, State};
use super::step::{Flow, Step};
use super::{AnyCell, Upstream, with_state};
use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::dispatch;
use crate::error::TaskError;
use crate::sync::{Arc, ThreadId, Weak, thread_id};

fn ask(state: &mut State, told: OnStop) -> Answer {
    match state.stop() {
        Some(stop) => stop.ask(told),
        None => Answer::Stopped(told),
    }
}

fn act_on(answer: Answer) {
    match answer {
        Answer::Waits => {}
        Answer::Stopped(told) => told(),
        Answer::Ask(cell, told) => {
            if let Some(told) = when_stopped(cell, told) {
                told();
            }
        }
    }
}

/// Registers `told`, to be called when no closure of `cell` runs and none registered so far will
/// run. Returns it if that is true already. Does not start a cold task.
pub(crate) fn when_stopped(mut cell: Arc<dyn AnyCell>, told: OnStop) -> Option<OnStop> {
    let mut told = Some(told);
    loop {
        let answer = with_state(&*cell, |state| {
            let told = told.take()?;
            if matches!(state.phase(), Phase::Settled | Phase::Forwarded) {
                return Some(ask(state, told));
            }
            state.steps.push(step(&cell, told), Role::Observer);
            // The task that the closure returns may wait for this stop.
            state.has_dependents = true;
            None
        });
        match answer {
            None | Some(Answer::Waits) => return None,
            Some(Answer::Stopped(told)) => return Some(told),
            Some(Answer::Ask(next, again)) => {
                told = Some(again);
                cell = next;
            }
        }
    }
}

/// The step that calls `told` after the earlier steps have run and `cell` has stopped.
pub(crate) fn step(cell: &Arc<dyn AnyCell>, told: OnStop) -> Box<dyn Step> {
    Box::new(Told {
        cell: Arc::downgrade(cell),
        told: Some(told),
    })
}

/// `cell` is about to be settled while closures run elsewhere that belong to it. They count as one
/// driver until [`driver_is_back`] is called. `thread`: the one that runs them, if it is known.
#[cold]
pub(crate) fn leave_running(cell: &dyn AnyCell, thread: Option<ThreadId>) {
    with_state(cell, |state| state.leave_elsewhere(thread));
}

/// The calling thread begins to drop a closure that a cancel has removed. It counts as a driver.
#[cold]
pub(crate) fn drop_begins(cell: &dyn AnyCell) {
    with_state(cell, |state| {
        state.note_driven();
        if let Some(stop) = state.stop() {
            stop.threads.extend(Some(thread_id()));
        }
    });
}

/// A superseded driver has returned, with a task that was cancelled for that. `cell` has stopped
/// when that task has.
#[cold]
pub(super) fn driver_has_left(cell: &Arc<dyn AnyCell>, returned: Arc<dyn AnyCell>) {
    with_state(&**cell, |state| {
        if let Some(stop) = state.stop() {
            debug_assert!(
                stop.followed.is_none(),
                "a driver runs, so none is followed"
            );
            stop.leave_followed(Some(returned));
        }
    });
    driver_is_back(cell);
}

/// A superseded driver has returned: its closure has returned, and the captures and the result are
/// dropped.
#[cold]
pub(crate) fn driver_is_back(cell: &Arc<dyn AnyCell>) {
    let mut leaves = false;
    let (waiting, followed) = with_state(&**cell, |state| match state.stop() {
        Some(stop) => {
            debug_assert!(stop.drivers > 0, "every superseded driver was counted");
            stop.drivers = stop.drivers.saturating_sub(1);
            stop.threads.remove(thread_id());
            leaves = stop.drivers == 0 && std::mem::take(&mut stop.tells_overseer);
            match stop.drivers {
                0 => (std::mem::take(&mut stop.waiting), stop.followed.clone()),
                _ => (Vec::new(), None),
            }
        }
        None => (Vec::new(), None),
    });
    dispatch::scope(|| {
        for told in waiting {
            act_on(match &followed {
                Some(followed) => Answer::Ask(followed.clone(), told),
                None => Answer::Stopped(told),
            });
        }
    });
    if leaves && let Some(overseer) = cell.meta().overseer() {
        overseer.leave();
    }
}

/// The upstream of a `stopped` task: a search can see it, but a cancel does not pass through it.
pub(crate) struct StopOf {
    /// Weak: the cell's list holds the resolver of the `stopped` task.
    cell: Weak<dyn AnyCell>,
}

impl StopOf {
    pub(crate) fn new(cell: &Arc<dyn AnyCell>) -> Arc<StopOf> {
        let cell = Arc::downgrade(cell);
        Arc::new(StopOf { cell })
    }
}

impl Withdraw for StopOf {
    fn withdraw(self: Arc<Self>, _ticket: u64, _: &mut Sweep) -> CancelOutcome {
        CancelOutcome::Prevented
    }
}

impl Upstream for StopOf {
    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        let Some(cell) = self.cell.upgrade() else {
            return;
        };
        let followed = with_state(&*cell, |state| state.stop()?.followed.clone());
        found.extend(followed.map(|followed| StopOf::new(&followed) as Arc<dyn Upstream>));
        found.push(cell);
    }

    fn left_running(&self, found: &mut Vec<ThreadId>) {
        // Not the last reference: the caller still holds the result of `above`.
        let Some(cell) = self.cell.upgrade() else {
            return;
        };
        with_state(&*cell, |state| {
            if let Some(stop) = state.stop() {
                found.extend(stop.threads.iter());
            }
        });
    }
}

struct Told {
    /// Weak: the cell holds this step.
    cell: Weak<dyn AnyCell>,
    told: Option<OnStop>,
}

impl Told {
    fn tell(&mut self) {
        let Some(told) = self.told.take() else { return };
        match self.cell.upgrade() {
            Some(cell) => act_on(with_state(&*cell, |state| ask(state, told))),
            None => told(),
        }
    }
}

impl Step for Told {
    fn run(&mut self, _: &mut dyn Slot, _: Option<&Arc<str>>) -> Flow {
        self.tell();
        Flow::Observed
    }

    fn cancel(&mut self, _: &TaskError) {
        self.tell();
    }

    fn reject(&mut self, _: &TaskError) {
        self.tell();
    }
}
