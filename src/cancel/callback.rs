//! What runs when a token is raised.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;

use super::Inner;
use crate::error::{At, TaskError};
use crate::sync::Weak;
use crate::{guard, unhandled};

type Callback = Box<dyn FnOnce() + Send>;

/// Callbacks by the number they were registered under; they run in that order.
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

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn into_ordered(self) -> impl Iterator<Item = Callback> {
        self.waiting.into_values()
    }
}

/// Calls a callback; its panic has no task to fail and is reported.
pub(super) fn call(callback: Callback) {
    if let Err(payload) = guard::catch(callback) {
        let at = At {
            location: Location::caller(),
            task: None,
        };
        unhandled::report(TaskError::panicked(payload, at));
    }
}

/// A callback registered with [`CancelToken::on_cancel`](super::CancelToken::on_cancel). Dropping
/// it leaves the callback in place.
pub struct CancelCallback {
    pub(super) token: Weak<Inner>,
    /// `None`: it ran when it was registered.
    pub(super) number: Option<u64>,
}

impl CancelCallback {
    /// Takes the callback back and drops it. False when it has run, or is running.
    pub fn unregister(self) -> bool {
        let (Some(token), Some(number)) = (self.token.upgrade(), self.number) else {
            return false;
        };
        let callback = token.tree.lock().callbacks.waiting.remove(&number);
        let was_there = callback.is_some();
        unhandled::discard(callback);
        was_there
    }
}

impl fmt::Debug for CancelCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelCallback").finish_non_exhaustive()
    }
}
