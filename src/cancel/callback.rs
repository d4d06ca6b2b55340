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
///
/// A raise takes one out at a time, so that [`CancelCallback::unregister`] finds those whose turn
/// has not come.
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

    /// Takes the one whose turn it is.
    pub(super) fn take_next(&mut self) -> Option<Callback> {
        self.waiting.pop_first().map(|(_, callback)| callback)
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
    /// Takes the callback back and drops it. Returns false when it has run, or is running.
    ///
    /// It may be called while the token is being raised, also by another callback of it: a callback
    /// whose turn has not come is taken back then and never runs.
    ///
    /// # Examples
    ///
    /// ```
    /// let token = fast_async::CancelToken::new();
    /// let callback = token.on_cancel(|| panic!("never called"));
    /// assert!(callback.unregister());
    /// token.cancel();
    /// ```
    pub fn unregister(self) -> bool {
        let (Some(token), Some(number)) = (self.token.upgrade(), self.number) else {
            return false;
        };
        let callback = token.tree.lock().callbacks.waiting.remove(&number);
        let was_there = callback.is_some();
        unhandled::drop_reporting(callback);
        was_there
    }
}

impl fmt::Debug for CancelCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelCallback").finish_non_exhaustive()
    }
}
