//! The values of a closure that are there, or the first failure.

use std::panic::Location;

use super::collect::{InOrder, Present};
use super::elements::elements;
use super::runners::start;
use crate::cell::TaskMeta;
use crate::pool::Pool;
use crate::task::{IntoTask, Task};

/// Calls `f` with each element of `iter`, at most `limit` at a time; returns a task for the values
/// that are `Some`, in the order of the elements.
///
/// Like [`map_limit`](crate::map_limit) in all else.
///
/// # Errors
///
/// As for [`map_limit`](crate::map_limit).
///
/// # Examples
///
/// ```
/// use fast_async::flow::filter_map;
///
/// let even = filter_map(1..=6, 2, |n| Ok((n % 2 == 0).then_some(n * n)));
/// assert_eq!(even.wait()?, [4, 16, 36]);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn filter_map<U, I, F, R>(iter: I, limit: usize, f: F) -> Task<Vec<U>>
where
    U: Send + 'static,
    I: IntoIterator,
    I::IntoIter: Send + 'static,
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    R: IntoTask<Output = Option<U>>,
{
    let meta = TaskMeta::here();
    let elements = elements(iter, f, meta.location);
    start(meta, limit, elements, Present(InOrder::new()))
}

impl Pool {
    /// Calls `f` with each element of `iter` on this pool, at most `limit` at a time; see
    /// [`flow::filter_map`](crate::flow::filter_map).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// let even = pool.filter_map(1..=6, 2, |n| Ok((n % 2 == 0).then_some(n)));
    /// assert_eq!(even.wait()?, [2, 4, 6]);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn filter_map<U, I, F, R>(&self, iter: I, limit: usize, f: F) -> Task<Vec<U>>
    where
        U: Send + 'static,
        I: IntoIterator,
        I::IntoIter: Send + 'static,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: IntoTask<Output = Option<U>>,
    {
        let meta = TaskMeta::new(Location::caller(), Some(self.clone()));
        let elements = elements(iter, f, meta.location);
        start(meta, limit, elements, Present(InOrder::new()))
    }
}
