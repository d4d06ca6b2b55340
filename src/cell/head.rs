//! The head of a task: its closure, then in the same place its outcome.

use std::any::Any;

use super::slot::{Outcome, Slot};
use crate::error::TaskError;

/// A cell's closure, then in the same place its outcome.
pub(crate) enum Head<F, T> {
    /// The closure, until it is claimed or dropped.
    Work(F),
    Outcome(Option<Outcome<T>>),
}

impl<F, T> Head<F, T> {
    #[inline]
    pub(super) fn take_work(&mut self) -> Option<F> {
        match self {
            Head::Work(_) => match std::mem::replace(self, Head::Outcome(None)) {
                Head::Work(work) => Some(work),
                Head::Outcome(_) => None,
            },
            Head::Outcome(_) => None,
        }
    }
}

/// A head as seen without its types.
pub(crate) trait Body: Any + Send {
    /// Returns the slot of the outcome, or `None` while the closure is in its place.
    fn slot(&mut self) -> Option<&mut dyn Slot>;

    /// Drops the closure or the outcome, which may panic.
    fn clear(&mut self);

    /// Moves it away.
    fn take(&mut self) -> Box<dyn Body>;

    fn erased(&mut self) -> &mut dyn Body;
}

impl<F: Send + 'static, T: Send + 'static> Body for Head<F, T> {
    fn slot(&mut self) -> Option<&mut dyn Slot> {
        match self {
            Head::Outcome(outcome) => Some(outcome),
            Head::Work(_) => None,
        }
    }

    fn clear(&mut self) {
        *self = Head::Outcome(None);
    }

    fn take(&mut self) -> Box<dyn Body> {
        Box::new(std::mem::replace(self, Head::Outcome(None)))
    }

    fn erased(&mut self) -> &mut dyn Body {
        self
    }
}

/// Stands for the slot of the outcome while the closure is in its place. Only a failure can be put
/// there, and it means that the closure will never run.
pub(super) struct UnclaimedSlot(pub(super) Option<TaskError>);

impl Slot for UnclaimedSlot {
    fn move_into(&mut self, _: &mut dyn Slot) -> bool {
        false
    }

    fn fail(&mut self, error: TaskError) {
        self.0 = Some(error);
    }

    fn failure(&self) -> Option<&TaskError> {
        self.0.as_ref()
    }

    fn clear(&mut self) {}

    fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn unseen(&self) -> Option<&'static str> {
        None
    }
}
