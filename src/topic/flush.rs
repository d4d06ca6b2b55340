//! A flush: settles its task when all values that were published before are delivered.

use crate::cell::pieces::each_here;
use crate::error::TaskError;
use crate::promise::Resolver;
use crate::sync::{Arc, Mutex};

/// Each place with undelivered earlier values holds a reference, and the drop of the last one
/// settles the task. Drop it without a lock.
pub(super) struct Flush(Mutex<Option<Resolver<()>>>);

impl Flush {
    pub(super) fn new(resolver: Resolver<()>) -> Flush {
        Flush(Mutex::new(Some(resolver)))
    }

    pub(super) fn fail(&self, error: TaskError) {
        let resolver = self.0.lock().take();
        if let Some(resolver) = resolver {
            let _ = resolver.settle(Err(error));
        }
    }
}

/// Lets these go. What follows one of them may wait for another.
pub(super) fn end_all(flushed: Vec<Arc<Flush>>) {
    if !flushed.is_empty() {
        each_here(flushed, drop);
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let resolver = self.0.lock().take();
        if let Some(resolver) = resolver {
            let _ = resolver.resolve(());
        }
    }
}
