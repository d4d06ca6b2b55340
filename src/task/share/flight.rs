//! A shared task as a cache holds it: any caller can join it, and it counts for no consumer.

use std::panic::Location;

use super::signal::Signal;
use super::{Shared, SharedTask};
use crate::cell::state::Role;
use crate::cell::{self, TaskMeta};
use crate::error::At;
use crate::pool::Pool;
use crate::sync::Arc;
use crate::task::{Given, Task, new_cell, resolve_returned, start_new};

/// A reference to a shared task that keeps its value, and that no cancel takes for a consumer: the
/// last handle or branch that is cancelled cancels the task.
///
/// Dropping it may drop the value.
pub(crate) struct Flight<T> {
    shared: Arc<Shared<T>>,
}

impl<T: Send + Sync + 'static> Flight<T> {
    /// Makes a task of `pool`, which is yet to be started, with its first handle.
    ///
    /// `ended` is called when the outcome can be borrowed, before any consumer of the handle learns
    /// of it other than by a look. It does not panic, and is called once, on every way out.
    pub(crate) fn new(
        pool: Option<Pool>,
        location: &'static Location<'static>,
        work: impl FnOnce() -> Given<T> + Send + 'static,
        ended: impl FnOnce() + Send + 'static,
    ) -> (Flight<T>, SharedTask<T>) {
        let meta = TaskMeta::new(location, pool);
        let cell = new_cell(meta, move |at: &At<'_>| resolve_returned(work(), at));
        let handle = Task::from_cell(cell).share();
        let ended = Box::new(Signal::new(ended));
        cell::register(&handle.shared.cell, ended, Role::Observer);
        (Flight::of(&handle), handle)
    }

    pub(crate) fn of(handle: &SharedTask<T>) -> Flight<T> {
        Flight {
            shared: handle.shared.clone(),
        }
    }

    /// Gives the task to its pool. In a pool with a full queue this waits for room.
    pub(crate) fn start(handle: &SharedTask<T>) {
        start_new(&handle.shared.cell);
    }

    /// Returns a handle, unless the last consumer has cancelled the task.
    pub(crate) fn join(&self) -> Option<SharedTask<T>> {
        self.shared.interest.rejoin().then(|| SharedTask {
            shared: self.shared.clone(),
        })
    }

    /// No value can be had of it: the task has failed, or its last consumer has cancelled it.
    pub(crate) fn is_lost(&self) -> bool {
        let has_failed = matches!(self.shared.value.get(), Some(Err(_)));
        has_failed || self.shared.interest.is_cancelled()
    }
}
