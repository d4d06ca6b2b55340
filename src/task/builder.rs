//! Starting work with its own settings.

use std::panic::Location;

use super::context::{TaskContext, own_token};
use super::into_task::resolve_returned;
use super::launch::spawn_task;
use super::{Closure, IntoTask, Task};
use crate::cancel::CancelToken;
use crate::cell::task_cell::Returned;
use crate::cell::{ExtraMeta, TaskMeta};
use crate::error::At;
use crate::pool::Pool;
use crate::sync::Arc;

/// Settings for a task; made by [`TaskBuilder::new`] or [`Task::builder`].
///
/// # Examples
///
/// ```
/// use fast_async::Task;
///
/// let err = Task::builder()
///     .name("load")
///     .attempt(|| Ok(std::fs::read("/no/such/file")?))
///     .wait()
///     .unwrap_err();
/// assert_eq!(err.task_name(), Some("load"));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `spawn` or `attempt` is called"]
pub struct TaskBuilder {
    name: Option<Arc<str>>,
    pool: Option<Pool>,
    /// Each of them cancels the task.
    parents: Vec<CancelToken>,
}

impl TaskBuilder {
    /// Returns settings for a new task; the same as [`Task::builder`].
    ///
    /// # Examples
    ///
    /// ```
    /// let task = fast_async::TaskBuilder::new().name("load").spawn(|| 7);
    /// assert_eq!(task.name(), Some("load"));
    /// # task.wait()?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn new() -> TaskBuilder {
        TaskBuilder::default()
    }

    /// Names the task, for errors, debug output and tracing. A second call replaces the name.
    ///
    /// Where there is a `tracing` subscriber, the closure runs in a span `task` with this `name`,
    /// inside the span in which it was started.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::TaskBuilder;
    ///
    /// let load = TaskBuilder::new().name("load").attempt(|| Ok("x".parse::<i32>()?));
    /// assert_eq!(load.wait().unwrap_err().task_name(), Some("load"));
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> TaskBuilder {
        self.name = Some(name.into().into());
        self
    }

    /// Runs the task, and its continuations that need a thread, on `pool`.
    ///
    /// A second call replaces the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{Pool, Task};
    ///
    /// let disk = Pool::builder().name("disk").build()?;
    /// let task = Task::builder()
    ///     .pool(&disk)
    ///     .spawn(|| std::thread::current().name().map(str::to_owned));
    /// assert!(task.wait()?.is_some_and(|name| name.starts_with("disk")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pool(mut self, pool: &Pool) -> TaskBuilder {
        self.pool = Some(pool.clone());
        self
    }

    /// Cancels the task when `token` is raised, with its whole chain.
    ///
    /// - If its closure has not returned, the task fails at once as
    ///   [`Cancelled`](crate::ErrorKind::Cancelled). A closure that has not begun then never does.
    /// - If a continuation waits for a task that it has returned, that task is cancelled, and the
    ///   continuation fails at once.
    /// - If the closure of a continuation is running, that continuation fails when it returns.
    ///
    /// Later continuations see the failure: `then` is skipped; `catch` and `finally` run, and what
    /// they return is passed on as usual. A task that is settled when the token is raised stays so,
    /// and so does what is chained to it later. A task that is started under a raised token fails
    /// at once.
    ///
    /// The chain goes on behind a [time limit](Task::timeout), [`within`](Task::within),
    /// [`using`](Task::using) and [`shielded`](Task::shielded), and with each branch of a
    /// [shared](Task::share) task. A branch gets the failure of its source as a continuation does;
    /// once it has begun, the first two of these points hold for its own closure. A task that
    /// combines several, as that of [`all`](crate::all), is none of the chain: it sees what the
    /// token does to its inputs.
    ///
    /// A second call adds a token: each of them cancels the task.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{CancelToken, Task};
    ///
    /// let shutting_down = CancelToken::new();
    /// let task = Task::builder()
    ///     .cancel_token(&shutting_down)
    ///     .spawn_with(|ctx| {
    ///         while !ctx.is_cancelled() {
    ///             std::thread::yield_now();
    ///         }
    ///     });
    /// shutting_down.cancel();
    /// assert!(task.wait().unwrap_err().is_cancelled());
    /// ```
    pub fn cancel_token(mut self, token: &CancelToken) -> TaskBuilder {
        self.parents.push(token.clone());
        self
    }

    /// Runs `f` on a thread of the pool; see [`spawn`](crate::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// let task = fast_async::Task::builder().name("sum").spawn(|| (1..=10).sum::<u32>());
    /// assert_eq!(task.wait()?, 55);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn spawn<T, F>(self, f: F) -> Task<T>
    where
        F: Closure<T> + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_task(Location::caller(), None, move |_: &At<'_>| {
            Returned::Outcome(Ok(f()))
        })
    }

    /// Runs `f`, which may fail or return another task, on a thread of the pool.
    ///
    /// See [`attempt`](crate::attempt).
    ///
    /// # Examples
    ///
    /// ```
    /// let port = fast_async::Task::builder().name("port").attempt(|| Ok("8080".parse::<u16>()?));
    /// assert_eq!(port.wait()?, 8080);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn attempt<R, F>(self, f: F) -> Task<R::Output>
    where
        F: Closure<R> + Send + 'static,
        R: IntoTask,
    {
        self.spawn_task(Location::caller(), None, move |at: &At<'_>| {
            resolve_returned(f(), at)
        })
    }

    /// Runs `f` with a [`TaskContext`] on a thread of the pool; see
    /// [`spawn_with`](crate::spawn_with).
    ///
    /// # Examples
    ///
    /// ```
    /// let task = fast_async::Task::builder().name("count").spawn_with(|ctx| {
    ///     (1..=100).take_while(|_| !ctx.is_cancelled()).count()
    /// });
    /// assert_eq!(task.wait()?, 100);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn spawn_with<T, F>(self, f: F) -> Task<T>
    where
        F: FnOnce(&TaskContext) -> T + Send + 'static,
        T: Send + 'static,
    {
        let (token, context) = own_token();
        self.spawn_task(Location::caller(), Some(token), move |_: &At<'_>| {
            Returned::Outcome(Ok(f(&context)))
        })
    }

    /// Runs `f`, which may fail or return another task, with a [`TaskContext`]: `ctx.check()?`
    /// works in it.
    ///
    /// # Examples
    ///
    /// ```
    /// let port = fast_async::Task::builder().name("port").attempt_with(|ctx| {
    ///     ctx.check()?;
    ///     Ok("8080".parse::<u16>()?)
    /// });
    /// assert_eq!(port.wait()?, 8080);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn attempt_with<R, F>(self, f: F) -> Task<R::Output>
    where
        F: FnOnce(&TaskContext) -> R + Send + 'static,
        R: IntoTask,
    {
        self.attempt_at(Location::caller(), f)
    }

    /// Settings for a task of `pool`. `None`: of the global one.
    pub(crate) fn of_pool(pool: Option<Pool>) -> TaskBuilder {
        TaskBuilder {
            pool,
            ..TaskBuilder::default()
        }
    }

    /// The pool that was set. `None`: the global one.
    pub(crate) fn own_pool(&self) -> Option<&Pool> {
        self.pool.as_ref()
    }

    /// As [`attempt_with`](TaskBuilder::attempt_with), for a call at `location`.
    pub(crate) fn attempt_at<R, F>(
        self,
        location: &'static Location<'static>,
        f: F,
    ) -> Task<R::Output>
    where
        F: FnOnce(&TaskContext) -> R + Send + 'static,
        R: IntoTask,
    {
        let (token, context) = own_token();
        self.spawn_task(location, Some(token), move |at: &At<'_>| {
            resolve_returned(f(&context), at)
        })
    }

    fn spawn_task<T, F>(
        self,
        location: &'static Location<'static>,
        token: Option<CancelToken>,
        work: F,
    ) -> Task<T>
    where
        F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
        T: Send + 'static,
    {
        spawn_task(self.into_meta(location, token), work)
    }

    /// What is known of the task. `token`: that of the closure's context.
    pub(crate) fn into_meta(
        self,
        location: &'static Location<'static>,
        token: Option<CancelToken>,
    ) -> TaskMeta {
        let has_extra = self.name.is_some() || token.is_some() || !self.parents.is_empty();
        let extra = has_extra.then(|| {
            Box::new(ExtraMeta {
                name: self.name,
                token,
                context: None,
                overseer: None,
                parents: self.parents.iter().map(CancelToken::downgrade).collect(),
            })
        });
        TaskMeta {
            location,
            pool: self.pool,
            extra,
        }
    }
}

impl Task<()> {
    /// Returns settings for a new task; the same as [`TaskBuilder::new`].
    ///
    /// It is a function of `Task<()>`, so that `Task::builder()` names no type. The closure that
    /// [`spawn`](TaskBuilder::spawn) gets decides the type of the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Task;
    ///
    /// let task = Task::builder().name("load").spawn(|| 7);
    /// assert_eq!(task.name(), Some("load"));
    /// assert_eq!(task.wait()?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn builder() -> TaskBuilder {
        TaskBuilder::default()
    }
}
