//! Wakes a thread, or a future, that waits for a task.

use std::task::Waker;

use crate::guard;

/// Calls `waker`. Call it without any lock: a future's waker is foreign code.
pub(crate) fn wake(waker: Waker) {
    if let Err(payload) = guard::catch(|| waker.wake()) {
        guard::drop_quietly(payload);
    }
}
