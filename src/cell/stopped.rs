//! Records when the closures that a cancel left running have returned, and what waits for that.
//!
//! A cancel settles the task at once and leaves its driver behind, with the closure it is running.
//! Such a driver is counted until it returns and finds that it was superseded. A task that is never
//! cancelled while it runs, and on which `stopped` is never called, has no such record.

// Lock order: one cell's lock at a time. Waiters are called without it.

use smallvec::{SmallVec, smallvec};

use super::slot::Slot;
pub(crate) use super::state::OnStop;
use super::state::{Answer, Phase, Role, State};
use super::step::{Flow, Step};
use super::{AnyCell, Upstream, address, with_state};
use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::dispatch;
use crate::error::TaskError;
use crate::sync::{Arc, ThreadId, Weak, thread_id};

type Cells = SmallVec<[Arc<dyn AnyCell>; 1]>;

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
        Answer::Ask(cells, told) => {
            if let Some(told) = when_all_stopped(cells.into(), told) {
                told();
            }
        }
    }
}

/// Registers `told`, to be called when no closure of `cell` runs and none registered so far will
/// run. Returns it if that is true already. Does not start a cold task.
pub(crate) fn when_stopped(cell: Arc<dyn AnyCell>, told: OnStop) -> Option<OnStop> {
    when_all_stopped(smallvec![cell], told)
}

/// The same for several tasks: asks one after the other.
fn when_all_stopped(mut cells: Cells, told: OnStop) -> Option<OnStop> {
    let mut told = Some(told);
    while let Some(cell) = cells.pop() {
        if !cells.is_empty() {
            let others = std::mem::take(&mut cells).into_vec();
            told =
                told.map(|told| -> OnStop { Box::new(move || act_on(Answer::Ask(others, told))) });
        }
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
            Some(Answer::Stopped(again)) => told = Some(again),
            Some(Answer::Ask(next, again)) => {
                told = Some(again);
                cells.extend(next);
            }
        }
    }
    told
}

/// The closures of `left` may run on, and belong to `cell` until they have returned: the time limit
/// has ended for which `cell` waits, or has waited.
pub(crate) fn leave_behind(cell: &dyn AnyCell, left: &Arc<dyn AnyCell>) {
    with_state(cell, |state| {
        state.leave_behind([left.clone()]);
        cell.note_outlived(state);
    });
}

/// Lets those go that `cell` has left behind and that have stopped.
pub(crate) fn forget_stopped(cell: &dyn AnyCell) {
    let left = |state: &mut State| state.stop().map(|stop| stop.followed.clone());
    let left = with_state(cell, left).unwrap_or_default();
    let stopped = left.iter().filter(|left| has_stopped(left));
    let stopped: Vec<_> = stopped.map(|left| address(&**left)).collect();
    if !stopped.is_empty() {
        // None of them is dropped here: `left` has them too.
        with_state(cell, |state| {
            if let Some(stop) = state.stop() {
                let is_left = |left: &Arc<dyn AnyCell>| !stopped.contains(&address(&**left));
                stop.followed.retain(is_left);
            }
        });
    }
}

fn has_stopped(cell: &Arc<dyn AnyCell>) -> bool {
    let mut cells: Cells = smallvec![cell.clone()];
    while let Some(cell) = cells.pop() {
        let left = with_state(&*cell, |state| {
            let is_over = matches!(state.phase(), Phase::Settled | Phase::Forwarded);
            let stop = state.stop();
            match is_over && stop.as_ref().is_none_or(|stop| stop.drivers == 0) {
                true => Some(stop.map(|stop| stop.followed.clone())),
                false => None,
            }
        });
        match left {
            Some(left) => cells.extend(left.into_iter().flatten()),
            None => return false,
        }
    }
    true
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
    with_state(cell, |state| {
        state.leave_elsewhere(thread);
        cell.note_outlived(state);
    });
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
            stop.leave_followed([returned]);
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
                _ => Default::default(),
            }
        }
        None => Default::default(),
    });
    dispatch::scope(|| {
        for told in waiting {
            act_on(match followed.is_empty() {
                false => Answer::Ask(followed.clone(), told),
                true => Answer::Stopped(told),
            });
        }
    });
    if leaves && let Some(overseer) = cell.meta().overseer() {
        match followed.is_empty() {
            false => overseer.linger(),
            true => overseer.leave(),
        }
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
        let followed = with_state(&*cell, |state| Some(state.stop()?.followed.clone()));
        let followed = followed.iter().flatten();
        found.extend(followed.map(|followed| StopOf::new(followed) as Arc<dyn Upstream>));
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
