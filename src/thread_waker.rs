//! How whoever sleeps on a task is woken.

use std::task::Waker;

use crate::guard;

/// Wakes whoever sleeps. Call it without any lock: a future's waker is foreign code.
pub(crate) fn wake(waker: Waker) {
    if let Err(payload) = guard::catch(|| waker.wake()) {
        guard::drop_quietly(payload);
    }
}
