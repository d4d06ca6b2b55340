//! Where the rest of a chain runs.

use super::Task;
use super::link::Hop;
use crate::cell::state::{Phase, Role};
use crate::cell::step::Route;
use crate::cell::with;
use crate::executor::{Executor, Inline};
use crate::unhandled;

impl<T: Send + 'static> Task<T> {
    /// Sends every later continuation and observer of this chain through `executor`.
    ///
    /// What was registered before stays where it was. The choice sticks until the next `on`. The
    /// chain keeps a clone; an executor that is not `Clone` goes into an `Arc`.
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
        let route = if std::any::TypeId::of::<E>() == std::any::TypeId::of::<Inline>() {
            Route::Inline
        } else {
            Route::Executor(executor.keep())
        };
        // A settled task has no step to come that belongs on the old route; going there to find
        // that out would be one hop too many.
        let old = self.cell().and_then(|cell| {
            with(&**cell, |state, _| {
                (state.phase == Phase::Settled).then(|| state.set_route(route.clone()))
            })
        });
        match old {
            None => self.append(Box::new(Hop(route)), Role::Observer),
            // An executor is the user's to drop.
            old => {
                unhandled::discard(old);
                self
            }
        }
    }
}
