//! A place for one outcome, seen without its type.

use std::any::Any;

use crate::error::{At, TaskError};
use crate::unhandled;

/// What a task came to.
pub(crate) type Outcome<T> = Result<T, TaskError>;

/// An `Option<Outcome<T>>` whose `T` is known only to the step that fills it and the step that
/// empties it.
pub(crate) trait Slot: Any + Send {
    /// Moves what is in here into an empty slot of the same type. False: there was nothing.
    fn move_into(&mut self, to: &mut dyn Slot) -> bool;

    /// Fills an empty slot with a failure.
    fn fail(&mut self, error: TaskError);

    fn failure(&self) -> Option<&TaskError>;

    /// Drops what is in here, which is the user's.
    fn clear(&mut self);

    fn is_empty(&self) -> bool;
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
}

/// Calls `f` with an empty slot, and drops what it leaves there.
pub(crate) fn with_slot<T: Send + 'static>(f: &mut dyn FnMut(&mut dyn Slot)) {
    let mut local: Option<Outcome<T>> = None;
    f(&mut local);
    unhandled::drop_reporting(local);
}

/// The outcome in the slot, or, if it was taken out before, a failure that says so.
#[inline]
pub(crate) fn take<T: Send + 'static>(slot: &mut dyn Slot, at: Option<At<'_>>) -> Outcome<T> {
    match cast::<T>(slot).take() {
        Some(outcome) => outcome,
        None => Err(TaskError::taken(at)),
    }
}

/// The slot with its type again. The types along a chain are fixed by the methods of `Task`, so
/// this cannot fail.
#[inline(always)]
pub(crate) fn cast<T: Send + 'static>(slot: &mut dyn Slot) -> &mut Option<Outcome<T>> {
    let slot: &mut dyn Any = slot;
    slot.downcast_mut()
        .expect("a step follows a step of another type; this is a bug in fast-async")
}
