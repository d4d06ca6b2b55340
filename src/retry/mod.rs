//! Retry: call a closure again until it succeeds, with pauses and bounds.
//!
//! ```
//! use std::time::Duration;
//! use fast_async::{retry, Retry};
//!
//! # let mut answers = vec![Ok("hello"), Err("busy"), Err("busy")];
//! # let mut ask = move || Ok::<_, fast_async::BoxError>(answers.pop().unwrap()?);
//! let policy = Retry::attempts(5)
//!     .exponential(Duration::from_millis(1), Duration::from_secs(2))
//!     .notify(|error, attempt| eprintln!("call {}: {error}", attempt.number()));
//! let reply = retry(policy, move |_| ask()).timeout(Duration::from_secs(60));
//! assert_eq!(reply.wait()?, "hello");
//! # Ok::<(), fast_async::TaskError>(())
//! ```
//!
//! | to | use |
//! |---|---|
//! | call again after a failure | [`retry`](fn@retry), [`Pool::retry`](crate::Pool::retry) |
//! | say how often, and after which pause | [`Retry::attempts`], [`Retry::backoff`], [`Retry::exponential`] |
//! | say what is worth it | [`Retry::when`], [`Decision`] |
//! | call beside a call that takes long | [`hedge`], [`Pool::hedge`](crate::Pool::hedge) |
//! | bound the time | [`Retry::per_attempt`], [`Retry::total`], [`Task::timeout`](crate::Task::timeout) |
//! | bound the retries of many callers | [`RetryBudget`] |
//! | learn of failures on the way | [`Retry::notify`], [`TaskError::attempts`](crate::TaskError::attempts) |
//!
//! # What holds for all of them
//!
//! - The closure may block, or return a task. That of a retry is never called twice at a time.
//! - The failure at the end is the last one of the closure, unchanged:
//!   [`downcast_ref`](crate::TaskError::downcast_ref) finds the user's error in it.
//! - Closures nest, so the order of limits is there to read: `retry(.., || task.timeout(d))` limits
//!   each call, `retry(..).timeout(d)` the whole.
//! - A cancel ends a retry at once, in a pause or in a call, and is never tried again. The token of
//!   the [`Attempt`] tells a call that is running.
//! - A pause holds no thread. It goes by the clock of the pool; see [`time`](crate::time).
//! - It costs what [`attempt_with`](crate::attempt_with) costs if the first call succeeds. Each
//!   further call takes a timer and two tasks, and nothing is kept of the calls before.

// Map for maintainers, from the ground up: jitter.rs random numbers, pauses that grow budget.rs
// RetryBudget attempt.rs what a call can ask policy.rs Retry plan.rs what it decides after a
// failure limited.rs calls with a time limit each run.rs a retry in progress

mod attempt;
mod budget;
mod hedge;
mod jitter;
mod limited;
mod plan;
mod policy;
mod run;

pub use attempt::Attempt;
pub use budget::RetryBudget;
pub use hedge::hedge;
pub use policy::{Decision, Retry};
pub(crate) use run::start;

use crate::pool::Pool;
use crate::task::{IntoTask, Task, TaskBuilder};

/// Calls `f` on a thread of the [global pool](Pool::global), and again after a failure, as `policy`
/// says.
///
/// `f` may fail, panic, or return a task, as that of [`attempt`](crate::attempt()) may. The module
/// [`retry`](mod@crate::retry) says what holds for all retries.
///
/// # Errors
///
/// The last failure of `f`; its [`attempts`](crate::TaskError::attempts) says how often `f` was
/// called. With a policy of 0 attempts, one of kind [`Rejected`](crate::ErrorKind::Rejected).
///
/// # Examples
///
/// ```
/// use fast_async::{retry, Retry};
///
/// let task = retry(Retry::attempts(3), |attempt| {
///     // The first two calls fail.
///     let text = if attempt.number() < 3 { "none" } else { "7" };
///     Ok(text.parse::<u32>()?)
/// });
/// assert_eq!(task.wait()?, 7);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn retry<R, F>(policy: Retry, f: F) -> Task<R::Output>
where
    F: FnMut(&Attempt) -> R + Send + 'static,
    R: IntoTask,
{
    start(TaskBuilder::default(), policy, f)
}

impl Pool {
    /// Calls `f` on a thread of this pool, and again after a failure; see [`retry`](fn@retry).
    ///
    /// The pauses go by the clock of the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool, Retry};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let hour = Duration::from_secs(3600);
    /// let task = pool.retry(Retry::attempts(3).backoff([hour]), |attempt| {
    ///     match attempt.is_last() {
    ///         true => Ok("at last"),
    ///         false => Err("not yet".into()),
    ///     }
    /// });
    /// clock.advance(2 * hour);
    /// assert!(task.is_settled());
    /// assert_eq!(task.wait()?, "at last");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn retry<R, F>(&self, policy: Retry, f: F) -> Task<R::Output>
    where
        F: FnMut(&Attempt) -> R + Send + 'static,
        R: IntoTask,
    {
        start(TaskBuilder::of_pool(Some(self.clone())), policy, f)
    }
}
