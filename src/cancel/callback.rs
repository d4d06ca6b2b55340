//! What runs when a token is raised.

use std::collections::BTreeMap;
use std::panic::Location;

use crate::error::{At, TaskError};
use crate::{guard, unhandled};

/// A function of the user.
pub(crate) struct Callback(Box<dyn FnOnce() + Send>);

impl Callback {
    pub(crate) fn new(f: impl FnOnce() + Send + 'static) -> Callback {
        Callback(Box::new(f))
    }

    /// Calls it. A panic of it has no task to fail and is reported.
    pub(crate) fn call(self) {
        if let Err(payload) = guard::catch(self.0) {
            let at = At {
                location: Location::caller(),
                task: None,
            };
            unhandled::report(TaskError::panicked(payload, at));
        }
    }
}

/// Callbacks by the number they were registered under; they run in that order.
///
/// A raise takes one out at a time, so that
/// [`CancelCallback::unregister`](super::CancelCallback::unregister) finds those that have not run.
#[derive(Default)]
pub(super) struct Callbacks {
    waiting: BTreeMap<u64, Callback>,
    next: u64,
}

impl Callbacks {
    pub(super) fn add(&mut self, callback: Callback) -> u64 {
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, callback);
        number
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Callback> {
        self.waiting.remove(&number)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes the next callback.
    pub(super) fn take_next(&mut self) -> Option<Callback> {
        self.waiting.pop_first().map(|(_, callback)| callback)
    }
}
