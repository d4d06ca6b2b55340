//! What the subscriber of a buffer leaves behind.

use std::collections::VecDeque;

use crate::cell::AnyCell;
use crate::sync::Arc;
use crate::unhandled;

/// A callback behind a buffer.
pub(super) type Callback<T> = Box<dyn FnMut(&T) + Send>;

/// What a subscriber leaves behind, to be dropped without a lock.
pub(super) struct Left<T> {
    pub(super) is_idle: bool,
    pub(super) queue: VecDeque<(u64, Arc<T>)>,
    pub(super) callback: Option<Callback<T>>,
    /// The task of the round that was to come.
    pub(super) round: Option<Arc<dyn AnyCell>>,
}

impl<T> Drop for Left<T> {
    fn drop(&mut self) {
        unhandled::drop_each(self.queue.drain(..));
        unhandled::drop_reporting(self.callback.take());
        drop(self.round.take());
    }
}
