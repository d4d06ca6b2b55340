//! One entry of a task's subscriber list.

use super::AnyCell;
use super::slot::Slot;
use crate::error::TaskError;
use crate::executor::Executor;
use crate::sync::Arc;

/// A subscriber: a link that turns the outcome into another, an observer that borrows it, or a
/// forwarder.
///
/// A step calls and drops its user code inside `guard`, in `run`, `cancel` or its own drop.
pub(crate) trait Step: Send {
    /// Runs with the outcome in `input`. `name` is the task's, for errors.
    fn run(&mut self, input: &mut dyn Slot, name: Option<&Arc<str>>) -> Flow;

    /// Returns the slot of a link's own outcome; `None` for steps that left the outcome in their
    /// input.
    fn output(&mut self) -> Option<&mut dyn Slot> {
        None
    }

    /// The task was cancelled before this step ran.
    fn cancel(&mut self, error: &TaskError);

    /// An executor rejected this step. An observer is dropped; a step that another task waits for
    /// must still settle that task.
    fn reject(&mut self, _: &TaskError) {}

    /// For a cancelled step: where it would have sent the rest of the chain.
    fn route(&mut self) -> Option<Route> {
        None
    }

    /// True for a step that only sends the rest of the chain to an executor.
    fn is_hop(&self) -> bool {
        false
    }

    /// True for a step that takes the outcome and is the last: after it there is nothing to settle.
    fn takes_outcome(&self) -> bool {
        false
    }

    /// For a step that only forwards the outcome: the task that gets it.
    fn forwards_to(&self) -> Option<&Arc<dyn AnyCell>> {
        None
    }
}

/// What the dispatcher does after a step.
pub(crate) enum Flow {
    /// An observer has run; the outcome is unchanged.
    Observed,
    /// A link has run, and has left the outcome in its output.
    Linked,
    /// A link has run, and has left the outcome, or nothing, in its input.
    Passed,
    /// Waits for another task, whose outcome is this step's.
    Follow(Follow),
    /// The next step and all later ones run on this executor.
    Hop(Route),
}

/// A task returned from a continuation, to be adopted.
pub(crate) struct Follow {
    pub(crate) inner: Arc<dyn AnyCell>,
}

/// Where the steps of a task run when they cannot run on the thread that settled it.
#[derive(Clone, Default)]
pub(crate) enum Route {
    #[default]
    Pool,
    Inline,
    Executor(Arc<dyn Executor>),
}
