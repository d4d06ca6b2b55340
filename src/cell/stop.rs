//! When the closures that a cancel took a task from have returned, and those who wait for that.
//!
//! A cancel settles the task at once and leaves its driver behind, with the closure it is running.
//! Such a driver is counted until it comes back and finds that it was superseded. A task that is
//! never cancelled while it runs, and that is never asked, has none of this.

// Lock order: one cell's lock at a time. Those who wait are told without it.

use super::slot::Slot;
use super::state::{Phase, Role, State};
use super::step::{Flow, Step};
use super::{AnyCell, with_state};
use crate::dispatch;
use crate::error::TaskError;
use crate::sync::{Arc, Weak};

/// What is called when a task has stopped. Dropped uncalled when the task can never run.
pub(crate) type OnStop = Box<dyn FnOnce() + Send>;

/// What a cancel left running.
#[derive(Default)]
pub(super) struct Stop {
    /// Superseded drivers that have not come back.
    drivers: u32,
    /// The task that was followed when the cancel came, and was cancelled with this one.
    followed: Option<Arc<dyn AnyCell>>,
    /// ThreadState when `drivers` falls to 0. Empty while it is 0.
    waiting: Vec<OnStop>,
}

enum Answer {
    Waits,
    Stopped(OnStop),
    /// This task has, but not the one that it followed.
    Ask(Arc<dyn AnyCell>, OnStop),
}

impl Stop {
    pub(super) fn leave_driver(&mut self) {
        self.drivers += 1;
    }

    pub(super) fn leave_followed(&mut self, followed: Option<Arc<dyn AnyCell>>) {
        self.followed = followed;
    }

    fn ask(&mut self, told: OnStop) -> Answer {
        if self.drivers > 0 && !cfg!(planted = "early_stop") {
            self.waiting.push(told);
            return Answer::Waits;
        }
        match self.followed.clone() {
            Some(followed) => Answer::Ask(followed, told),
            None => Answer::Stopped(told),
        }
    }
}

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

/// Has `told` called when no closure of `cell` runs any more, and none that is registered by now
/// will. Gives it back when that is so already. Does not start a cold task.
pub(crate) fn when_stopped(mut cell: Arc<dyn AnyCell>, told: OnStop) -> Option<OnStop> {
    let mut told = Some(told);
    loop {
        let answer = with_state(&*cell, |state| {
            let told = told.take()?;
            if matches!(state.phase, Phase::Settled | Phase::Forwarded) {
                return Some(ask(state, told));
            }
            state.steps.push(step(&cell, told), Role::Observer);
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

/// The step that calls `told` when its turn has come and `cell` has stopped.
pub(crate) fn step(cell: &Arc<dyn AnyCell>, told: OnStop) -> Box<dyn Step> {
    Box::new(ThreadState {
        cell: Arc::downgrade(cell),
        told: Some(told),
    })
}

/// A driver has come back that a cancel had superseded: its closure has returned, and what that has
/// captured and returned is dropped.
#[cold]
pub(crate) fn driver_is_back(cell: &Arc<dyn AnyCell>) {
    let (waiting, followed) = with_state(&**cell, |state| match state.stop() {
        Some(stop) => {
            debug_assert!(stop.drivers > 0, "every superseded driver was counted");
            stop.drivers = stop.drivers.saturating_sub(1);
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
}

struct ThreadState {
    /// Weak: the cell holds this step.
    cell: Weak<dyn AnyCell>,
    told: Option<OnStop>,
}

impl ThreadState {
    fn tell(&mut self) {
        let Some(told) = self.told.take() else { return };
        match self.cell.upgrade() {
            Some(cell) => act_on(with_state(&*cell, |state| ask(state, told))),
            None => told(),
        }
    }
}

impl Step for ThreadState {
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
