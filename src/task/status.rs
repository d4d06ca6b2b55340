//! `Status`: what a task does, or how it was settled.

use crate::cell::state::{Phase, State};
use crate::cell::{AnyCell, with};
use crate::error::ErrorKind;

/// What a task does, or how it was settled; see [`Task::status`](crate::Task::status).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// Not started: made by [`Task::new`](crate::Task::new), and nothing has been done with it.
    Cold,
    /// Its closure, or one of its continuations, waits for a thread of a pool or for an executor.
    Queued,
    /// A thread runs its closure, polls its future, or runs one of its continuations.
    Running,
    /// It waits for something else: a resolver, another task, a time, a place in a queue, a wake-up
    /// of its future.
    Waiting,
    /// Settled with a value.
    Success,
    /// Settled with a failure that is no cancellation.
    Failure,
    /// Settled as cancelled: with a failure of kind
    /// [`Cancelled`](crate::ErrorKind::Cancelled). Its closure may still be running; see
    /// [`stopped`](crate::Task::stopped).
    Cancelled,
}

impl Status {
    /// Returns true for a settled task: [`Success`](Status::Success), [`Failure`](Status::Failure),
    /// [`Cancelled`](Status::Cancelled).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Task;
    ///
    /// assert!(Task::ready(7).status().is_settled());
    /// assert!(!Task::new(|| 7).status().is_settled());
    /// ```
    pub fn is_settled(self) -> bool {
        matches!(self, Status::Success | Status::Failure | Status::Cancelled)
    }

    /// The status of a task that was settled so. `None`: with a value.
    pub(super) fn settled(failure: Option<ErrorKind>) -> Status {
        match failure {
            None => Status::Success,
            Some(ErrorKind::Cancelled) => Status::Cancelled,
            Some(_) => Status::Failure,
        }
    }
}

/// The status of the task of a cell.
pub(super) fn of(cell: &dyn AnyCell) -> Status {
    with(cell, |state, head| {
        if !state.is_decided() {
            return unsettled(state);
        }
        if state.cancelled {
            return Status::Cancelled;
        }
        Status::settled(match state.phase() {
            Phase::Settled | Phase::HandedOff => {
                let failure = state.outcome(head).failure();
                failure.map(|error| error.kind())
            }
            // The driver holds the outcome.
            _ => state.failure,
        })
    })
}

fn unsettled(state: &State) -> Status {
    match state.phase() {
        Phase::Cold => Status::Cold,
        Phase::Queued | Phase::HandedOff => Status::Queued,
        _ if state.is_driven() => Status::Running,
        _ => Status::Waiting,
    }
}
