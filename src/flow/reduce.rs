//! One value out of many elements, one after the other.

use std::panic::Location;

use super::serial::{Step, serial};
use crate::pool::Pool;
use crate::task::{Given, IntoTask, Task};

/// Calls `f` with a value and each element of `iter`, one after the other; the value is `init` at
/// first, and then what the call before has returned. Returns a task for the last one.
///
/// `f` returns what the closures of [`attempt`](crate::attempt) return: `Ok` of a value, an error,
/// or a task. It runs on the [global pool](crate::Pool::global). While a task that it has returned
/// is pending, no thread is held. An element is pulled when its call may begin.
///
/// # Errors
///
/// Fails with the first failure, or if `iter` panics; no further element is pulled then.
///
/// # Examples
///
/// ```
/// use fast_async::flow::reduce;
///
/// let sum = reduce(["1", "2", "3"], 0, |sum, text| Ok(sum + text.parse::<u32>()?));
/// assert_eq!(sum.wait()?, 6);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn reduce<A, I, F, R>(iter: I, init: A, f: F) -> Task<A>
where
    A: Send + 'static,
    I: IntoIterator,
    I::IntoIter: Send + 'static,
    F: FnMut(A, I::Item) -> R + Send + 'static,
    R: IntoTask<Output = A>,
{
    reduce_on(None, Location::caller(), iter.into_iter(), init, f)
}

impl Pool {
    /// Calls `f` with a value and each element of `iter` on this pool, one after the other; see
    /// [`flow::reduce`](crate::flow::reduce).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// assert_eq!(pool.reduce(1..=4, 0, |sum, n| Ok(sum + n)).wait()?, 10);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn reduce<A, I, F, R>(&self, iter: I, init: A, f: F) -> Task<A>
    where
        A: Send + 'static,
        I: IntoIterator,
        I::IntoIter: Send + 'static,
        F: FnMut(A, I::Item) -> R + Send + 'static,
        R: IntoTask<Output = A>,
    {
        let pool = Some(self.clone());
        reduce_on(pool, Location::caller(), iter.into_iter(), init, f)
    }
}

fn reduce_on<A, I, F, R>(
    pool: Option<Pool>,
    location: &'static Location<'static>,
    mut iter: I,
    init: A,
    mut f: F,
) -> Task<A>
where
    A: Send + 'static,
    I: Iterator + Send + 'static,
    F: FnMut(A, I::Item) -> R + Send + 'static,
    R: IntoTask<Output = A>,
{
    serial(pool, location, init, move |value| match iter.next() {
        None => Step::Done(value),
        Some(item) => Step::Next(Given::call(location, || f(value, item))),
    })
}
