//! Settles a task as a result or another task settles.

use super::{Resolver, SharedResolver};
use crate::task::IntoTask;

impl<T: Send + 'static> Resolver<T> {
    /// Settles the task as `outcome` settles: a result, or another task to follow.
    ///
    /// If that other task cannot settle before this one, because it follows it or because its
    /// closure waits for it, this task fails as [`Cycle`](crate::ErrorKind::Cycle).
    ///
    /// # Errors
    ///
    /// Returns `outcome` if the task was cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred();
    /// assert!(resolver.settle_with(fast_async::spawn(|| 7)).is_ok());
    /// assert_eq!(task.wait()?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn settle_with<R: IntoTask<Output = T>>(self, outcome: R) -> Result<(), R> {
        outcome.settle(self)
    }
}

impl<T: Send + 'static> SharedResolver<T> {
    /// Settles the task as `outcome` settles; see [`Resolver::settle_with`].
    ///
    /// # Errors
    ///
    /// Returns `outcome` when the task was cancelled, or when another call has settled it.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{deferred, spawn};
    ///
    /// let (resolver, task) = deferred();
    /// let resolver = resolver.shared();
    /// assert!(resolver.settle_with(spawn(|| 7)).is_ok());
    /// assert_eq!(task.wait()?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn settle_with<R: IntoTask<Output = T>>(&self, outcome: R) -> Result<(), R> {
        match self.take() {
            Some(resolver) => resolver.settle_with(outcome),
            None => Err(outcome),
        }
    }
}
