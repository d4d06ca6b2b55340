//! `Throttle`: calls become one in a period at the most.

use std::fmt;
use std::panic::Location;

use super::merge::{Merger, merge_calls};
use super::rule::Rule;
use crate::pool::Pool;
use crate::sync::{Arc, Duration};
use crate::task::{IntoTask, Task};

/// Has a closure run at most once in a period: the first call at once, and only the last of the
/// following calls, at the end of the period.
///
/// Each call returns a task, and all calls that were merged get the one outcome. What was called
/// last is never lost. The closure runs once at a time: calls that are due while it runs are run
/// together after it. It finds the [task locals](crate::TaskLocal) and the tracing span of the call
/// whose argument it gets. Dropping the handles takes no call back. [`time`](crate::time) says what
/// holds for all timers.
///
/// A second call of a setting replaces the first, for all handles.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use fast_async::{Clock, Pool};
///
/// let clock = Clock::manual();
/// let pool = Pool::builder().clock(&clock).build()?;
/// let draw = pool.throttle(Duration::from_secs(1), |percent: u32| Ok(percent));
/// let calls = [1, 2, 3].map(|percent| draw.call(percent));
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(fast_async::await_all(calls)?, [1, 3, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Throttle<A: 'static, T: Send + 'static>(Arc<Merger<A, T>>);

impl<A, T> Throttle<A, T>
where
    A: Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Makes a throttle of `f`, which runs on the [global pool](Pool::global) at most once in a
    /// `period`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::time::Throttle;
    ///
    /// let draw = Throttle::new(Duration::from_millis(2), |percent: u32| Ok(percent));
    /// assert_eq!(draw.call(1).wait()?, 1); // at once
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn new<R, F>(period: Duration, f: F) -> Throttle<A, T>
    where
        F: FnMut(A) -> R + Send + 'static,
        R: IntoTask<Output = T>,
    {
        Throttle(merge_calls(Rule::throttle(period), None, f))
    }

    /// Sets whether the first call of a period is run at once. Default: yes.
    ///
    /// With neither a leading nor a trailing run, each call fails as
    /// [`Rejected`](crate::ErrorKind::Rejected).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let minute = Duration::from_secs(60);
    /// let save = pool.throttle(minute, |text: &str| Ok(text.len()));
    /// let save = save.leading(false);
    /// let first = save.call("draft");
    /// clock.advance(minute);
    /// assert!(first.is_settled());
    /// # first.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn leading(self, leading: bool) -> Throttle<A, T> {
        self.0.set(|rule| rule.leading = leading);
        self
    }

    /// Sets whether calls are run at the end of a period. Default: yes.
    ///
    /// Without it, a later call of a period gets the outcome of the first one.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let minute = Duration::from_secs(60);
    /// let save = pool.throttle(minute, |text: &str| Ok(text.len()));
    /// let save = save.leading(true).trailing(false);
    /// let calls = ["draft", "the whole text"].map(|text| save.call(text));
    /// clock.advance(minute);
    /// assert_eq!(fast_async::await_all(calls)?, [5, 5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trailing(self, trailing: bool) -> Throttle<A, T> {
        self.0.set(|rule| rule.trailing = trailing);
        self
    }

    /// Adds a call; the task gets the outcome of the run that stands for it.
    ///
    /// Does not block, and may be called inside the closure. Dropping the task changes nothing. A
    /// run whose tasks were all cancelled does not begin.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let minute = Duration::from_secs(60);
    /// let save = pool.throttle(minute, |text: &str| Ok(text.len()));
    /// let task = save.call("text");
    /// assert_eq!(task.wait()?, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn call(&self, argument: A) -> Task<T> {
        self.0.call(argument, Location::caller())
    }

    /// Runs the calls that wait, now. Returns false if none does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let minute = Duration::from_secs(60);
    /// let save = pool.throttle(minute, |text: &str| Ok(text.len()));
    /// let tasks = ["t", "text"].map(|text| save.call(text));
    /// assert!(save.flush());
    /// assert_eq!(tasks.map(|task| task.wait().unwrap())[1], 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush(&self) -> bool {
        self.0.flush()
    }

    /// Cancels the calls that wait, and forgets when the last one came. Returns false if none
    /// waits.
    ///
    /// A run that has begun continues.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let minute = Duration::from_secs(60);
    /// let save = pool.throttle(minute, |text: &str| Ok(text.len()));
    /// let tasks = ["t", "text"].map(|text| save.call(text));
    /// assert!(save.cancel());
    /// let [_, last] = tasks;
    /// assert!(last.wait().unwrap_err().is_cancelled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.0.cancel()
    }

    /// Returns true while calls wait for their run.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let minute = Duration::from_secs(60);
    /// let save = pool.throttle(minute, |text: &str| Ok(text.len()));
    /// assert!(!save.is_pending());
    /// save.call("t").detach();
    /// save.call("text").detach();
    /// assert!(save.is_pending());
    /// clock.advance(minute);
    /// assert!(!save.is_pending());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_pending(&self) -> bool {
        self.0.is_pending()
    }
}

impl Pool {
    /// Makes a throttle of `f` on this pool, by its clock; see
    /// [`Throttle`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let draw = pool.throttle(Duration::from_secs(1), |percent: u32| Ok(percent));
    /// assert_eq!(draw.call(1).wait()?, 1); // at once
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn throttle<A, R, F>(&self, period: Duration, f: F) -> Throttle<A, R::Output>
    where
        A: Send + 'static,
        F: FnMut(A) -> R + Send + 'static,
        R: IntoTask,
        R::Output: Clone + Sync,
    {
        Throttle(merge_calls(Rule::throttle(period), Some(self.clone()), f))
    }
}

/// Another handle of the same calls.
impl<A: 'static, T: Send + 'static> Clone for Throttle<A, T> {
    fn clone(&self) -> Throttle<A, T> {
        Throttle(self.0.clone())
    }
}

impl<A, T> fmt::Debug for Throttle<A, T>
where
    A: Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("pending", &self.0.is_pending())
            .finish()
    }
}
