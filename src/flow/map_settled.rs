//! All outcomes of a closure.

use std::panic::Location;

use super::collect::{InOrder, Outcomes};
use super::elements::elements;
use super::runners::start;
use crate::cell::TaskMeta;
use crate::error::TaskError;
use crate::pool::Pool;
use crate::task::{IntoTask, Task};

/// Calls `f` with each element of `iter`, at most `limit` at a time; returns a task for the
/// outcomes, in the order of the elements.
///
/// Like [`map_limit`](crate::map_limit), but continues after a failure. A failure in the list
/// counts as handled.
///
/// # Errors
///
/// Fails if the iterator panics: then there is no knowing what is missing. A limit of 0 fails with
/// [`ErrorKind::Rejected`](crate::ErrorKind::Rejected).
///
/// # Examples
///
/// ```
/// use fast_async::flow::map_settled;
///
/// let numbers = map_settled(["1", "two", "3"], 2, |text| Ok(text.parse::<u32>()?)).wait()?;
/// let good: Vec<u32> = numbers.iter().flatten().copied().collect();
/// assert_eq!(good, [1, 3]);
/// assert!(numbers[1].is_err());
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn map_settled<I, F, R>(iter: I, limit: usize, f: F) -> Task<Vec<Result<R::Output, TaskError>>>
where
    I: IntoIterator,
    I::IntoIter: Send + 'static,
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    R: IntoTask,
{
    let meta = TaskMeta::here();
    let elements = elements(iter, f, meta.location);
    start(meta, limit, elements, Outcomes(InOrder::new()))
}

impl Pool {
    /// Calls `f` with each element of `iter` on this pool, at most `limit` at a time; see
    /// [`flow::map_settled`](crate::flow::map_settled).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// let numbers = pool.map_settled(["1", "two"], 2, |text| Ok(text.parse::<u32>()?)).wait()?;
    /// assert!(numbers[0].is_ok() && numbers[1].is_err());
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn map_settled<I, F, R>(
        &self,
        iter: I,
        limit: usize,
        f: F,
    ) -> Task<Vec<Result<R::Output, TaskError>>>
    where
        I: IntoIterator,
        I::IntoIter: Send + 'static,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: IntoTask,
    {
        let meta = TaskMeta::new(Location::caller(), Some(self.clone()));
        let elements = elements(iter, f, meta.location);
        start(meta, limit, elements, Outcomes(InOrder::new()))
    }
}
