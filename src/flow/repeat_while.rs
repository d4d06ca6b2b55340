//! A closure that is called again as long as it says so.

use std::panic::Location;

use super::serial::{Step, serial};
use crate::pool::Pool;
use crate::task::{Given, IntoTask, Task};

/// Calls `f` again and again, until it returns false; returns a task that settles then.
///
/// `f` returns what the closures of [`attempt`](crate::attempt) return: `Ok(true)` to be called
/// again, an error, or a task. It runs on the [global pool](crate::Pool::global), and other jobs of
/// the pool run in between. While a task that it has returned is pending, no thread is held: with
/// [`delay`](crate::delay) the loop has pauses.
///
/// # Errors
///
/// Fails with the first failure.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use fast_async::{delay, flow::repeat_while};
///
/// let mut left = 3;
/// let countdown = repeat_while(move || {
///     left -= 1;
///     delay(Duration::from_millis(1)).then(move |()| left > 0)
/// });
/// countdown.wait()?;
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn repeat_while<F, R>(f: F) -> Task<()>
where
    F: FnMut() -> R + Send + 'static,
    R: IntoTask<Output = bool>,
{
    repeat_on(None, Location::caller(), f)
}

impl Pool {
    /// Calls `f` on this pool again and again, until it returns false; see
    /// [`flow::repeat_while`](crate::flow::repeat_while).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// let mut calls = 0;
    /// pool.repeat_while(move || {
    ///     calls += 1;
    ///     Ok(calls < 3)
    /// })
    /// .wait()?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn repeat_while<F, R>(&self, f: F) -> Task<()>
    where
        F: FnMut() -> R + Send + 'static,
        R: IntoTask<Output = bool>,
    {
        repeat_on(Some(self.clone()), Location::caller(), f)
    }
}

fn repeat_on<F, R>(pool: Option<Pool>, location: &'static Location<'static>, mut f: F) -> Task<()>
where
    F: FnMut() -> R + Send + 'static,
    R: IntoTask<Output = bool>,
{
    serial(pool, location, true, move |goes_on| match goes_on {
        false => Step::Done(()),
        true => Step::Next(Given::call(location, &mut f)),
    })
}
