//! A flush: settles its task when nothing that was published before is on its way any more.

use crate::error::TaskError;
use crate::promise::Resolver;
use crate::sync::Mutex;

/// One is held by everything that has values of before on their way, so the last to let go of it
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

impl Drop for Flush {
    fn drop(&mut self) {
        let resolver = self.0.lock().take();
        if let Some(resolver) = resolver {
            let _ = resolver.resolve(());
        }
    }
}
