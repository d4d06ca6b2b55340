//! One entry of a task's subscriber list.

use super::AnyCell;
use super::slot::Slot;
use crate::error::TaskError;
use crate::executor::Executor;
use crate::sync::Arc;

/// A subscriber: a link that turns the outcome into another, an observer that looks at it, or a
/// mechanism that passes it on.
///
/// Whatever user code a step holds is called and dropped behind the wall of `guard`, in `run`,
/// `cancel` or the step's own drop.
pub(crate) trait Step: Send {
    /// Runs with the outcome that lies in `input`. `name` is the task's, for errors.
    fn run(&mut self, input: &mut dyn Slot, name: Option<&Arc<str>>) -> Flow;

    /// Where a link has left its own outcome; `None` for steps that left the outcome in their
    /// input.
    fn output(&mut self) -> Option<&mut dyn Slot> {
        None
    }

    /// The task was cancelled before this step's turn.
    fn cancel(&mut self, error: &TaskError);

    /// An executor would not have this step's turn. An observer goes unheard; what others wait for
    /// must settle all the same.
    fn reject(&mut self, _: &TaskError) {}

    /// Where it would have sent the rest of the chain, for a step that was cancelled.
    fn route(&mut self) -> Option<Route> {
        None
    }

    /// True for a step that does nothing but send the rest of the chain to an executor.
    fn is_hop(&self) -> bool {
        false
    }

    /// True for a step that takes the outcome away and that no other follows: behind it there is
    /// nothing left to settle.
    fn takes_outcome(&self) -> bool {
        false
    }

    /// The task that this step hands the outcome to, for a step that does nothing else.
    fn forwards_to(&self) -> Option<&Arc<dyn AnyCell>> {
        None
    }
}

/// What the dispatcher does after a step.
pub(crate) enum Flow {
    /// An observer has looked; the outcome is what it was.
    Observed,
    /// A link has run, and has left the outcome in its output.
    Linked,
    /// A link has run, and has left the outcome, or nothing, in its input.
    Passed,
    /// Waits for another task, whose outcome is this step's.
    Follow(Follow),
    /// Goes on with the next step on this executor, as do all later steps.
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
