//! A slot for one outcome, whose type is erased.

use std::any::Any;

use super::unseen;
use crate::error::{At, TaskError};
use crate::unhandled;

/// The outcome of a task.
pub(crate) type Outcome<T> = Result<T, TaskError>;

/// An `Option<Outcome<T>>` whose `T` is known only to the step that fills it and the step that
/// empties it.
pub(crate) trait Slot: Any + Send {
    /// Moves the outcome into an empty slot of the same type. False: there was none.
    fn move_into(&mut self, to: &mut dyn Slot) -> bool;

    /// Fills an empty slot with a failure.
    fn fail(&mut self, error: TaskError);

    fn failure(&self) -> Option<&TaskError>;

    /// Drops the outcome, which is a user value.
    fn clear(&mut self);

    fn is_empty(&self) -> bool;

    /// What to tell the user if the value in it is dropped unseen.
    fn unseen(&self) -> Option<&'static str>;
}

impl<T: Send + 'static> Slot for Option<Outcome<T>> {
    fn move_into(&mut self, to: &mut dyn Slot) -> bool {
        let is_there = self.is_some();
        *cast::<T>(to) = self.take();
        is_there
    }

    fn fail(&mut self, error: TaskError) {
        *self = Some(Err(error));
    }

    fn failure(&self) -> Option<&TaskError> {
        self.as_ref().and_then(|outcome| outcome.as_ref().err())
    }

    fn clear(&mut self) {
        unhandled::drop_reporting(self.take());
    }

    fn is_empty(&self) -> bool {
        self.is_none()
    }

    fn unseen(&self) -> Option<&'static str> {
        let value = self.as_ref()?.as_ref().ok()?;
        unseen::look(value)
    }
}

/// Calls `f` with an empty slot, and drops what it leaves there.
pub(crate) fn with_slot<T: Send + 'static>(f: &mut dyn FnMut(&mut dyn Slot)) {
    let mut local: Option<Outcome<T>> = None;
    f(&mut local);
    unhandled::drop_reporting(local);
}

/// Takes the outcome out of the slot. If it was taken before, returns a failure that says so.
#[inline]
pub(crate) fn take<T: Send + 'static>(slot: &mut dyn Slot, at: Option<At<'_>>) -> Outcome<T> {
    match cast::<T>(slot).take() {
        Some(outcome) => outcome,
        None => Err(TaskError::taken(at)),
    }
}

/// Returns the slot with its type. The types along a chain are fixed by the methods of `Task`, so
/// this cannot fail.
#[inline(always)]
pub(crate) fn cast<T: Send + 'static>(slot: &mut dyn Slot) -> &mut Option<Outcome<T>> {
    let slot: &mut dyn Any = slot;
    slot.downcast_mut()
        .expect("a step follows a step of another type; this is a bug in fast-async")
}
