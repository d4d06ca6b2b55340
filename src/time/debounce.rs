//! `Debounce`: calls that come close together become one, after the last of them.

use std::fmt;
use std::panic::Location;

use super::merge::{Merger, merge_calls};
use super::rule::{Kind, Rule};
use crate::pool::Pool;
use crate::sync::{Arc, Duration};
use crate::task::{IntoTask, Task};

/// Merges calls that come close together: the closure runs once, with the last argument, when no
/// call has come for a while.
///
/// Each call returns a task, and all calls that were merged get the one outcome. Calls belong
/// together while less than `wait` lies between each and the next. The closure runs once at a time:
/// calls that are due while it runs are run together after it. It finds the [task
/// locals](crate::TaskLocal) and the tracing span of the call whose argument it gets. Dropping the
/// handles takes no call back. [`time`](crate::time) says what holds for all timers.
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
/// let save = pool.debounce(Duration::from_secs(1), |text: &str| Ok(text.len()));
/// let calls = ["f", "fa", "fast"].map(|text| save.call(text));
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(fast_async::await_all(calls)?, [4, 4, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Debounce<A: 'static, T: Send + 'static>(Arc<Merger<A, T>>);

impl<A, T> Debounce<A, T>
where
    A: Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Makes a debounce of `f`, which runs on the [global pool](Pool::global) after `wait` without
    /// a call.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::time::Debounce;
    ///
    /// let save = Debounce::new(Duration::from_millis(2), |text: String| Ok(text.len()));
    /// assert_eq!(save.call("text".into()).wait()?, 4);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn new<R, F>(wait: Duration, f: F) -> Debounce<A, T>
    where
        F: FnMut(A) -> R + Send + 'static,
        R: IntoTask<Output = T>,
    {
        Debounce(merge_calls(Rule::debounce(wait), None, f))
    }

    /// Sets the longest wait of the first of several calls while others keep arriving. Default: no
    /// limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let second = Duration::from_secs(1);
    /// let save = pool.debounce(2 * second, |text: &str| Ok(text.len())).max_wait(3 * second);
    /// let first = save.call("f");
    /// clock.advance(second);
    /// save.call("fa").detach();
    /// clock.advance(second);
    /// save.call("fast").detach();
    /// clock.advance(second);
    /// assert!(first.is_settled());
    /// assert_eq!(first.wait()?, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_wait(self, most: Duration) -> Debounce<A, T> {
        self.0.set(|rule| {
            if let Kind::Debounce { most: old, .. } = &mut rule.kind {
                *old = Some(most);
            }
        });
        self
    }

    /// Sets whether the first call of a burst is run at once. Default: no.
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
    /// let save = pool.debounce(minute, |text: &str| Ok(text.len()));
    /// let save = save.leading(true);
    /// let first = save.call("draft");
    /// clock.advance(Duration::ZERO);
    /// assert!(first.is_settled());
    /// # first.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn leading(self, leading: bool) -> Debounce<A, T> {
        self.0.set(|rule| rule.leading = leading);
        self
    }

    /// Sets whether calls are run at the end of a burst. Default: yes.
    ///
    /// Without it, a later call of a burst gets the outcome of the first one.
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
    /// let save = pool.debounce(minute, |text: &str| Ok(text.len()));
    /// let save = save.leading(true).trailing(false);
    /// let calls = ["draft", "the whole text"].map(|text| save.call(text));
    /// clock.advance(minute);
    /// assert_eq!(fast_async::await_all(calls)?, [5, 5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trailing(self, trailing: bool) -> Debounce<A, T> {
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
    /// let save = pool.debounce(minute, |text: &str| Ok(text.len()));
    /// let task = save.call("text");
    /// clock.advance(minute);
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
    /// let save = pool.debounce(minute, |text: &str| Ok(text.len()));
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
    /// let save = pool.debounce(minute, |text: &str| Ok(text.len()));
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
    /// let save = pool.debounce(minute, |text: &str| Ok(text.len()));
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
    /// Makes a debounce of `f` on this pool, by its clock; see
    /// [`Debounce`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let save = pool.debounce(Duration::from_secs(1), |text: &str| Ok(text.len()));
    /// let task = save.call("text");
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(task.wait()?, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn debounce<A, R, F>(&self, wait: Duration, f: F) -> Debounce<A, R::Output>
    where
        A: Send + 'static,
        F: FnMut(A) -> R + Send + 'static,
        R: IntoTask,
        R::Output: Clone + Sync,
    {
        Debounce(merge_calls(Rule::debounce(wait), Some(self.clone()), f))
    }
}

/// Another handle of the same calls.
impl<A: 'static, T: Send + 'static> Clone for Debounce<A, T> {
    fn clone(&self) -> Debounce<A, T> {
        Debounce(self.0.clone())
    }
}

impl<A, T> fmt::Debug for Debounce<A, T>
where
    A: Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Debounce")
            .field("pending", &self.0.is_pending())
            .finish()
    }
}
