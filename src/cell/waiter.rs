//! Who is woken when a task is settled: a thread that sleeps in `wait`, or a future's task.

use std::task::Waker;

use crate::sync::Thread;

pub(crate) enum Waiter {
    Thread(Thread),
    Future(Waker),
}

impl Waiter {
    /// Call it without any lock: a future's waker is foreign code.
    pub(crate) fn wake(self) {
        match self {
            Waiter::Thread(thread) => thread.unpark(),
            Waiter::Future(waker) => {
                if let Err(payload) = crate::guard::catch(|| waker.wake()) {
                    crate::guard::discard(payload);
                }
            }
        }
    }
}
