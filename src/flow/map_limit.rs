//! All values of a closure, or the first failure.

use std::panic::Location;

use super::collect::{InOrder, Values};
use super::elements::elements;
use super::runners::start;
use crate::cell::TaskMeta;
use crate::pool::Pool;
use crate::task::{IntoTask, Task};

/// Calls `f` with each element of `iter`, at most `limit` at a time; returns a task for the values,
/// in the order of the elements.
///
/// `f` returns what the closures of [`attempt`](crate::attempt) return: `Ok` of a value, an error,
/// or a task. The elements are pulled and the closures run on the [global
/// pool](crate::Pool::global), in parallel; [`flow`](crate::flow) says in which order, and what the
/// limit counts.
///
/// # Errors
///
/// Fails with the first failure of an element. Then no more elements are pulled, and the tasks that
/// closures have returned are cancelled, except [shielded](Task::shielded) ones. A panic of the
/// iterator is a failure too. A limit of 0 fails with
/// [`ErrorKind::Rejected`](crate::ErrorKind::Rejected).
///
/// # Examples
///
/// ```
/// use fast_async::map_limit;
///
/// let numbers = map_limit(["1", "20", "300"], 2, |text| Ok(text.parse::<u32>()?));
/// assert_eq!(numbers.wait()?, [1, 20, 300]);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn map_limit<I, F, R>(iter: I, limit: usize, f: F) -> Task<Vec<R::Output>>
where
    I: IntoIterator,
    I::IntoIter: Send + 'static,
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    R: IntoTask,
{
    let meta = TaskMeta::here();
    let elements = elements(iter, f, meta.location);
    start(meta, limit, elements, Values(InOrder::new()))
}

impl Pool {
    /// Calls `f` with each element of `iter` on this pool, at most `limit` at a time; see
    /// [`flow::map_limit`](crate::flow::map_limit).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// let lengths = pool.map_limit(["a", "bc"], 2, |text| Ok(text.len()));
    /// assert_eq!(lengths.wait()?, [1, 2]);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn map_limit<I, F, R>(&self, iter: I, limit: usize, f: F) -> Task<Vec<R::Output>>
    where
        I: IntoIterator,
        I::IntoIter: Send + 'static,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: IntoTask,
    {
        let meta = TaskMeta::new(Location::caller(), Some(self.clone()));
        let elements = elements(iter, f, meta.location);
        start(meta, limit, elements, Values(InOrder::new()))
    }
}
