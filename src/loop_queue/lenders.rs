//! The threads that lend the state of a loop to the closures that are delivered to it.

// The lock is the last: the graph of waits, or that of a delivery, may be locked before it.

use crate::sync::{Arc, Mutex, ThreadId, thread_id};

/// Plain data, so that a delivery may keep it without keeping the loop.
#[derive(Clone)]
pub(super) struct Lenders(Arc<Mutex<Vec<ThreadId>>>);

impl Lenders {
    pub(super) fn new() -> Lenders {
        Lenders(Arc::new(Mutex::new(Vec::new())))
    }

    /// Distinguishes the state of this loop from others, while it is there.
    pub(super) fn key(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// The calling thread begins a run; once for each run inside another.
    pub(super) fn add(&self) {
        self.0.lock().push(thread_id());
    }

    /// That run has ended.
    pub(super) fn remove(&self) {
        let me = thread_id();
        let mut lenders = self.0.lock();
        if let Some(place) = lenders.iter().rposition(|lender| *lender == me) {
            lenders.swap_remove(place);
        }
    }

    /// Returns true if the calling thread is one of them.
    pub(super) fn has_this_thread(&self) -> bool {
        self.0.lock().contains(&thread_id())
    }

    /// The thread, if it is one.
    pub(super) fn only(&self) -> Option<ThreadId> {
        let lenders = self.0.lock();
        let first = *lenders.first()?;
        lenders
            .iter()
            .all(|lender| *lender == first)
            .then_some(first)
    }
}
