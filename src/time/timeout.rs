//! Limits for tasks: `timeout`, `timeout_at`, `timeout_or`.

use std::panic::Location;

use super::When;
use super::limit::limit;
use crate::sync::{Duration, Instant};
use crate::task::Task;

impl<T: Send + 'static> Task<T> {
    /// Returns a task for the same outcome, which fails as [`TimedOut`](crate::ErrorKind::TimedOut)
    /// if there is no outcome after `duration`.
    ///
    /// This task is cancelled then, unless it is [shielded](Task::shielded): what has not started
    /// never will, and the token of a closure that is running is raised, with the `TimedOut`
    /// failure as its [reason](crate::TaskContext::reason). What the closure returns later is
    /// dropped. The new task settles at the end of the time also when all threads of the pool are
    /// busy; what is chained on it needs one of them.
    ///
    /// An outcome that is present at the end of the time is used. With a duration of zero the
    /// outcome must be present at the call. The time begins with this call, for a cold task too,
    /// which the call starts. Cancelling the new task cancels this one. [`stopped`](Task::stopped)
    /// of the new task waits until the closures of this one have returned, and so does the place
    /// of a [`queue`](crate::queue), a [`flow`](crate::flow) or a [`group`](mod@crate::group). See
    /// [`time`](crate::time) for the rules of all timers.
    ///
    /// # Errors
    ///
    /// This task's failure, or one of kind [`TimedOut`](crate::ErrorKind::TimedOut), with the name
    /// of this task and the place of this call.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{spawn_with, ErrorKind};
    ///
    /// let slow = spawn_with(|ctx| {
    ///     while !ctx.is_cancelled() {
    ///         std::thread::yield_now(); // or a piece of work
    ///     }
    /// });
    /// let error = slow.timeout(Duration::from_millis(5)).wait().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TimedOut);
    /// ```
    #[track_caller]
    pub fn timeout(self, duration: Duration) -> Task<T> {
        limit(self, When::After(duration), None, Location::caller())
    }

    /// The same with a deadline, by the clock of the task's pool; see [`timeout`](Task::timeout).
    ///
    /// # Errors
    ///
    /// As for [`timeout`](Task::timeout).
    ///
    /// # Examples
    ///
    /// Several steps under one deadline:
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use fast_async::spawn;
    ///
    /// let deadline = Instant::now() + Duration::from_secs(60);
    /// let task = spawn(|| 20)
    ///     .timeout_at(deadline)
    ///     .and_then(move |n| spawn(move || n + 1).timeout_at(deadline));
    /// assert_eq!(task.wait()?, 21);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn timeout_at(self, deadline: Instant) -> Task<T> {
        limit(self, When::At(deadline), None, Location::caller())
    }

    /// Returns a task for the same outcome, or for `value` if there is no outcome after `duration`.
    ///
    /// Otherwise like [`timeout`](Task::timeout): this task is cancelled then. A failure of this
    /// task, one of kind `TimedOut` too, is no reason to take `value`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (_resolver, reply) = fast_async::deferred::<u32>();
    /// assert_eq!(reply.timeout_or(Duration::from_millis(5), 0).wait()?, 0);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn timeout_or(self, duration: Duration, value: T) -> Task<T> {
        limit(self, When::After(duration), Some(value), Location::caller())
    }
}

/// As [`timeout`](Task::timeout), for a call at `location`.
pub(crate) fn limited<T: Send + 'static>(
    task: Task<T>,
    duration: Duration,
    location: &'static Location<'static>,
) -> Task<T> {
    limit(task, When::After(duration), None, location)
}
