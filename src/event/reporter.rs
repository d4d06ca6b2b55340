//! The progress of a task whose closure has a context, and the way to its listeners.

use super::emitter::{Counts, Emitter, ProgressSource};
use crate::sync::{Arc, AtomicU64, OnceLock, Ordering, Weak};

/// Part of a task's token, which the context of its closure holds.
pub(crate) struct Reporter {
    // ORDERING: `done` is stored with Release after `total`, and loaded with Acquire before it. So
    // who reads a count reads its total, or that of a later report. No more is needed: what a
    // listener that comes in the same moment misses, it gets with the next event. The settling
    // thread reads them when the closure has returned.
    done: AtomicU64,
    total: AtomicU64,
    /// Set by the first listener.
    emitter: OnceLock<Arc<Emitter>>,
}

impl Reporter {
    pub(crate) fn new() -> Reporter {
        Reporter {
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            emitter: OnceLock::new(),
        }
    }

    /// Stores a progress and tells it, if there is a listener.
    #[inline]
    pub(crate) fn report(&self, done: u64, total: u64) {
        self.total.store(total, Ordering::Relaxed);
        self.done.store(done, Ordering::Release);
        if let Some(emitter) = self.emitter.get() {
            emitter.report();
        }
    }

    /// Returns the emitter, if there was a listener.
    #[inline]
    pub(crate) fn emitter(&self) -> Option<&Arc<Emitter>> {
        self.emitter.get()
    }

    pub(crate) fn counts(&self) -> Counts {
        let done = self.done.load(Ordering::Acquire);
        let total = self.total.load(Ordering::Relaxed);
        Counts { done, total }
    }

    /// Has later reports told by `emitter`. `source` is what holds this.
    pub(crate) fn connect(&self, emitter: &Arc<Emitter>, source: Weak<dyn ProgressSource>) {
        // First: an emitter that is told of a report looks there.
        emitter.set_source(source);
        let _ = self.emitter.set(emitter.clone());
    }
}
