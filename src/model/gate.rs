//! A gate for threads of a pool.

use crate::sync::{Arc, Condvar, Mutex, wait_until};

/// Has one thread wait for another without the pool's knowledge.
#[derive(Clone)]
pub(super) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(super) fn new() -> Gate {
        Gate(Arc::new((Mutex::new(false), Condvar::new())))
    }

    pub(super) fn open(&self) {
        *self.0.0.lock() = true;
        self.0.1.notify_all();
    }

    pub(super) fn pass(&self) {
        let mut open = self.0.0.lock();
        while !*open {
            wait_until(&self.0.1, &mut open, None);
        }
    }
}
