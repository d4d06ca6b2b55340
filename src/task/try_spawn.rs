//! Why a pool did not accept a closure, with the closure.

use std::error::Error;
use std::fmt;

/// The error of [`Pool::try_spawn`](crate::Pool::try_spawn): why the pool did not accept the
/// closure, which has not been called.
///
/// # Examples
///
/// ```
/// use fast_async::{spawn, task::TrySpawnError, Pool};
///
/// let pool = Pool::new();
/// let task = match pool.try_spawn(|| 7) {
///     Ok(task) => task,
///     Err(TrySpawnError::Full(f)) => fast_async::Task::ready(f()), // here and now
///     Err(TrySpawnError::Closed(f)) => spawn(f), // on another pool
/// };
/// assert_eq!(task.wait()?, 7);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySpawnError<F> {
    /// The queue of the pool is full; there may be room later. See
    /// [`PoolBuilder::queue_limit`](crate::pool::PoolBuilder::queue_limit).
    Full(F),
    /// The pool is shut down, for good.
    Closed(F),
}

impl<F> TrySpawnError<F> {
    /// Returns the closure, which has not been called.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Pool, Shutdown};
    ///
    /// let pool = Pool::new();
    /// assert!(pool.shutdown(Shutdown::Drain, Duration::MAX).is_complete());
    /// let f = pool.try_spawn(|| 7).unwrap_err().into_inner();
    /// assert_eq!(f(), 7);
    /// ```
    pub fn into_inner(self) -> F {
        match self {
            TrySpawnError::Full(f) | TrySpawnError::Closed(f) => f,
        }
    }

    /// Returns true when the queue is full, and false when the pool is shut down.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Pool, Shutdown};
    ///
    /// let pool = Pool::new();
    /// assert!(pool.shutdown(Shutdown::Drain, Duration::MAX).is_complete());
    /// assert!(!pool.try_spawn(|| 7).unwrap_err().is_full());
    /// ```
    pub fn is_full(&self) -> bool {
        matches!(self, TrySpawnError::Full(_))
    }
}

impl<F> fmt::Debug for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrySpawnError::Full(_) => "Full(..)",
            TrySpawnError::Closed(_) => "Closed(..)",
        })
    }
}

impl<F> fmt::Display for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrySpawnError::Full(_) => "the queue of the pool is full",
            TrySpawnError::Closed(_) => "the pool is shut down",
        })
    }
}

impl<F> Error for TrySpawnError<F> {}
