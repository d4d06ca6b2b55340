//! Queues a closure, or waiting steps, in the pool of their task.

use super::listen::announce;
use super::state::Phase;
use super::{AnyCell, with_state};
use crate::executor::Runnable;
use crate::pool::Pool;
use crate::sync::Arc;

/// Queues a cold task's closure in its pool. The phase is `Queued` already.
pub(crate) fn enqueue(cell: &Arc<dyn AnyCell>) {
    enqueue_in(cell.meta().pool(), cell);
}

/// The same for a caller that knows the pool.
#[inline]
pub(crate) fn enqueue_in(pool: &Pool, cell: &Arc<dyn AnyCell>) {
    if pool.is_heard() {
        announce(pool, cell);
    }
    if pool.acquire_place() && !take_place(cell) {
        return;
    }
    if let Err(rejected) = pool.submit(cell.clone()) {
        rejected.settle();
    }
}

/// Records that a task holds a slot in its pool's queue. Returns false if the task was cancelled
/// first; the caller then releases the slot.
pub(crate) fn take_place(cell: &Arc<dyn AnyCell>) -> bool {
    let is_queued = with_state(&**cell, |state| {
        state.placed = state.phase() == Phase::Queued;
        state.placed
    });
    if !is_queued {
        cell.meta().pool().release_place();
    }
    is_queued
}

/// Queues steps, or a branch of a shared task, in the pool of their task.
pub(crate) fn submit_continuation(cell: Arc<dyn AnyCell>) {
    queue(&cell, cell.clone());
}

/// Queues `work` in the pool of `cell`.
pub(crate) fn queue(cell: &Arc<dyn AnyCell>, work: Arc<dyn Runnable>) {
    let rejected = cell.meta().pool().submit_continuation(work).err();
    // Continuations outlive their pool: on a closed one they move to the global pool, which never
    // closes.
    if let Some(rejected) =
        rejected.and_then(|rejected| Pool::global().submit_continuation(rejected.work).err())
    {
        rejected.settle();
    }
}
