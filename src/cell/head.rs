//! The head of a task: its closure, and then in the same place what that came to.

use super::slot::{Outcome, Slot};
use super::step::Follow;
use crate::error::{At, TaskError};
use crate::trace::TaskContext;

/// What a closure that starts or continues a task came to.
pub(crate) enum Returned<T> {
    Outcome(Outcome<T>),
    /// A task to adopt.
    Task(Follow),
}

/// A cell's closure, and then in its place what it came to.
pub(super) enum Head<F, T> {
    /// Until it is claimed or shed.
    Work(F),
    Outcome(Option<Outcome<T>>),
}

impl<F, T> Head<F, T> {
    pub(super) fn take_work(&mut self) -> Option<F> {
        match self {
            Head::Work(_) => match std::mem::replace(self, Head::Outcome(None)) {
                Head::Work(work) => Some(work),
                Head::Outcome(_) => None,
            },
            Head::Outcome(_) => None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Head::Outcome(None))
    }

    /// Where the outcome lies, once there can be one.
    #[inline]
    pub(super) fn slot(&mut self) -> &mut Option<Outcome<T>> {
        match self {
            Head::Outcome(outcome) => outcome,
            Head::Work(_) => unreachable!("a closure is claimed before there is an outcome"),
        }
    }
}

/// What takes the place of an outcome while there is a closure in it: only a failure can come, and
/// it means that the closure will never run.
pub(super) struct Instead(pub(super) Option<TaskError>);

impl Slot for Instead {
    fn move_into(&mut self, _: &mut dyn Slot) {}

    fn fail(&mut self, error: TaskError) {
        self.0 = Some(error);
    }

    fn failure(&self) -> Option<&TaskError> {
        self.0.as_ref()
    }

    fn clear(&mut self) {}
}

/// Calls a task's closure, in its tracing context if it has one.
pub(super) fn in_context<F, T>(context: Option<TaskContext>, work: F, at: &At<'_>) -> Returned<T>
where
    F: FnOnce(&At<'_>) -> Returned<T>,
{
    let Some(context) = context else {
        return work(at);
    };
    let (mut work, mut returned) = (Some(work), None);
    context.run(at.task.map(|name| &**name), &mut || {
        returned = work.take().map(|work| work(at));
    });
    returned.expect("a subscriber runs what it is given")
}

impl<T> std::fmt::Debug for Returned<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Returned::Outcome(_) => "Returned::Outcome",
            Returned::Task(_) => "Returned::Task",
        })
    }
}
