//! Settles a task with what a closure returns, or with its panic.

use std::panic::Location;

use super::{Resolver, SharedResolver};
use crate::cell::task_cell::Returned;
use crate::error::{At, TaskError};
use crate::task::{IntoTask, Task, resolve_returned};
use crate::{guard, unhandled};

impl<T: Send + 'static> Resolver<T> {
    /// Calls `f` on this thread and settles the task with the value that it returns. A panic in `f`
    /// fails the task, and does not reach the caller.
    ///
    /// For a thread that serves many tasks, and must survive a call that panics. If the task was
    /// cancelled, `f` is dropped uncalled.
    ///
    /// # Examples
    ///
    /// An actor, whose thread owns what the calls use:
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use fast_async::{deferred, Resolver};
    ///
    /// let (calls, inbox) = mpsc::channel::<(u32, Resolver<u32>)>();
    /// std::thread::spawn(move || {
    ///     let mut sum = 0;
    ///     for (n, reply) in inbox {
    ///         reply.resolve_by(|| {
    ///             sum += 100 / n; // panics for 0
    ///             sum
    ///         });
    ///     }
    /// });
    /// let call = |n| {
    ///     let (reply, task) = deferred();
    ///     calls.send((n, reply)).unwrap();
    ///     task
    /// };
    /// let error = call(0).wait().unwrap_err();
    /// assert_eq!(error.panic_message(), Some("attempt to divide by zero"));
    /// assert_eq!(call(10).wait()?, 10); // the actor lives
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn resolve_by(self, f: impl FnOnce() -> T) {
        let location = Location::caller();
        self.settle_by_call(location, |_| Returned::Outcome(Ok(f())));
    }

    /// Calls `f` on this thread and settles the task as what it returns settles: a result, or
    /// another task to follow. A panic in `f` fails the task, and does not reach the caller.
    ///
    /// Otherwise like [`resolve_by`](Resolver::resolve_by).
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred();
    /// resolver.settle_by(|| Ok("8080".parse::<u16>()?));
    /// assert_eq!(task.wait()?, 8080);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn settle_by<R: IntoTask<Output = T>>(self, f: impl FnOnce() -> R) {
        let location = Location::caller();
        self.settle_by_call(location, |at| resolve_returned(f(), at));
    }

    fn settle_by_call(
        self,
        location: &'static Location<'static>,
        call: impl FnOnce(&At<'_>) -> Returned<T>,
    ) {
        let Some(cell) = self.cell().filter(|_| self.is_wanted()) else {
            return;
        };
        let at = At {
            location,
            task: cell.meta().name(),
        };
        let returned = guard::catch(|| call(&at))
            .unwrap_or_else(|payload| Returned::Outcome(Err(TaskError::panicked(payload, at))));
        // What comes back is too late, and is dropped.
        match returned {
            Returned::Outcome(outcome) => unhandled::drop_reporting(self.settle(outcome)),
            Returned::Task(follow) => {
                let task = Task::from_cell(follow.inner);
                unhandled::drop_reporting(self.follow(task, |task| task));
            }
        }
    }
}

impl<T: Send + 'static> SharedResolver<T> {
    /// Calls `f` on this thread and settles the task with the value that it returns; see
    /// [`Resolver::resolve_by`].
    ///
    /// If the task was cancelled, or another call has settled it or is about to, `f` is dropped
    /// uncalled.
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred();
    /// let resolver = resolver.shared();
    /// resolver.resolve_by(|| 7);
    /// resolver.resolve_by(|| unreachable!("it is settled"));
    /// assert_eq!(task.wait()?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn resolve_by(&self, f: impl FnOnce() -> T) {
        if let Some(resolver) = self.take() {
            resolver.resolve_by(f);
        }
    }

    /// Calls `f` on this thread and settles the task as what it returns settles; see
    /// [`Resolver::settle_by`] and [`SharedResolver::resolve_by`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred();
    /// resolver.shared().settle_by(|| Ok("8080".parse::<u16>()?));
    /// assert_eq!(task.wait()?, 8080);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn settle_by<R: IntoTask<Output = T>>(&self, f: impl FnOnce() -> R) {
        if let Some(resolver) = self.take() {
            resolver.settle_by(f);
        }
    }
}
