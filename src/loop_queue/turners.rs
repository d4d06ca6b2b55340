//! Which threads run a loop.

use crate::sync::{Mutex, ThreadId};

/// The threads that run a loop.
pub(super) struct Turners {
    pub(super) owner: Option<ThreadId>,
    pub(super) now: Mutex<TurnedBy>,
}

pub(super) struct TurnedBy {
    /// The threads that are turning it, once for each turn inside another.
    pub(super) threads: Vec<ThreadId>,
    /// The thread that has begun the last turn, or has made the queue.
    pub(super) last: ThreadId,
}

impl Turners {
    /// Returns the thread that runs the loop, if there is exactly one.
    pub(super) fn alone(&self) -> Option<ThreadId> {
        if self.owner.is_some() {
            return self.owner;
        }
        let threads = &self.now.lock().threads;
        let first = *threads.first()?;
        threads
            .iter()
            .all(|turner| *turner == first)
            .then_some(first)
    }

    /// Returns the thread that is to run the loop, as far as one can tell.
    pub(super) fn expected(&self) -> ThreadId {
        self.owner.unwrap_or_else(|| self.now.lock().last)
    }
}
