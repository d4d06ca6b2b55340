//! Takes the closure of a cancelled task out of its cell, to be dropped without the lock.

use super::AnyCell;
use super::head::{Body, UnclaimedSlot};
use super::slot::Slot;
use super::state::State;
use crate::trace::TaskContext;

/// A closure that a cancel has replaced by a failure, with its tracing context. It is a user value.
pub(super) struct Displaced {
    _work: Box<dyn Body>,
    _context: Option<TaskContext>,
}

/// Like [`with`](super::with), for the first pass of a cancel: returns the closure that `f` has
/// replaced by a failure, instead of dropping it.
pub(super) fn keeping<R>(
    cell: &dyn AnyCell,
    f: impl FnOnce(&mut State, &mut dyn Slot) -> R,
) -> (R, Option<Displaced>) {
    let mut inner = cell.shell().inner.lock();
    let inner_now = &mut *inner;
    let mut unclaimed = UnclaimedSlot(None);
    let slot = inner_now.head.slot().unwrap_or(&mut unclaimed);
    let result = f(&mut inner_now.state, slot);
    let Some(error) = unclaimed.0 else {
        return (result, None);
    };
    let work = inner_now.head.take();
    if let Some(slot) = inner_now.head.slot() {
        slot.fail(error);
    }
    drop(inner);
    let displaced = Displaced {
        _work: work,
        _context: cell.meta().take_context(),
    };
    (result, Some(displaced))
}
