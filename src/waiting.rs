//! How a thread sleeps until it is woken, and how whoever sleeps on a task is woken.

use std::task::{Wake, Waker};

use crate::guard;
use crate::sync::{Arc, Thread, thread};

/// Wakes one thread.
struct Sleeper(Thread);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

crate::sync::thread_local! {
    static OWN: Waker = Waker::from(Arc::new(Sleeper(thread::current())));
}

/// What unparks the calling thread.
pub(crate) fn own_waker() -> Waker {
    OWN.try_with(Waker::clone)
        // A thread whose locals are gone can still sleep.
        .unwrap_or_else(|_| Waker::from(Arc::new(Sleeper(thread::current()))))
}

/// Wakes whoever sleeps. Call it without any lock: a future's waker is foreign code.
pub(crate) fn wake(waker: Waker) {
    if let Err(payload) = guard::catch(|| waker.wake()) {
        guard::discard(payload);
    }
}
