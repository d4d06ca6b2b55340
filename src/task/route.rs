//! Where the rest of a chain runs.

use super::Task;
use super::link::Hop;
use crate::cell::state::Registered;
use crate::cell::step::Route;
use crate::cell::{enqueue, with_state};
use crate::executor::{Executor, Inline};
use crate::sync::Arc;
use crate::unhandled;

/// What a chain keeps of an executor.
pub(super) fn route_to<E: Executor + Clone + 'static>(executor: &E) -> Route {
    if std::any::TypeId::of::<E>() == std::any::TypeId::of::<Inline>() {
        Route::Inline
    } else {
        Route::Executor(executor.to_shared())
    }
}

impl<T: Send + 'static> Task<T> {
    /// Sends every later continuation and observer of this chain through `executor`.
    ///
    /// Steps that were registered before keep their executor. The choice holds until the next `on`.
    /// The chain keeps a clone; an executor that is not `Clone` goes into an `Arc`.
    ///
    /// A task that is settled inside a callback hands its steps to `executor` at once, before that
    /// callback has returned. If another task stands between the one that is settled and this call,
    /// as behind [`shielded`](Task::shielded), [`timeout`](Task::timeout), a branch or
    /// [`all`](crate::all), they are handed over with the other continuations: when the callback
    /// has returned, or blocks in a wait of this crate.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{spawn, Pool};
    ///
    /// let disk = Pool::builder().name("disk").build()?;
    /// let name = spawn(|| ())
    ///     .on(&disk)
    ///     .then(|()| std::thread::current().name().map(str::to_string))
    ///     .wait()?;
    /// assert!(name.unwrap().starts_with("disk-"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on<E>(self, executor: &E) -> Task<T>
    where
        E: Executor + Clone + 'static,
    {
        self.on_route(route_to(executor))
    }

    /// Has the chain run by an executor that is shared already.
    pub(crate) fn on_shared(self, executor: Arc<dyn Executor>) -> Task<T> {
        self.on_route(Route::Executor(executor))
    }

    pub(super) fn on_route(self, route: Route) -> Task<T> {
        if let Some(cell) = self.cell() {
            // A settled task has no step left for the old route, so a hand-off there would be
            // wasted. The check and the registration are one atomic act: a task that settles in
            // between would make that hand-off, and be overtaken.
            let (left, registered) = with_state(&**cell, |state| {
                state.send(route, |route| Box::new(Hop(route)))
            });
            if registered == Registered::Cold {
                enqueue(cell);
            }
            // An executor is the user's to drop.
            unhandled::drop_reporting(left);
        }
        self
    }
}
