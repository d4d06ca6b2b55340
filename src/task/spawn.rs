//! Starting work.

use std::panic::Location;

use super::into_task::resolve_returned;
use super::launch::{new_cell, new_cell_in_phase, spawn_task, start_if_cold};
use super::{Closure, IntoTask, Task, TaskBuilder, TaskContext, TrySpawnError};
use crate::cell::call_off::enlist;
use crate::cell::listen::announce;
use crate::cell::state::Phase;
use crate::cell::task_cell::Returned;
use crate::cell::{TaskMeta, take_place};
use crate::error::At;
use crate::pool::Pool;

/// Runs `f` on a thread of the [global pool](Pool::global).
///
/// Starts at once and does not block. The work continues when the task is dropped. When `main`
/// returns, tasks that still run are lost: wait for one with [`wait`](Task::wait), or for all with
/// [`Pool::global().wait_idle(..)`](Pool::wait_idle). A panic in `f` settles the task as
/// [`Panicked`](crate::ErrorKind::Panicked).
///
/// The value of the task is what `f` returns, a `Result` too. For work that may fail, or that
/// returns another task, see [`attempt`].
///
/// # Examples
///
/// ```
/// let task = fast_async::spawn(|| (1..=10).sum::<u32>());
/// assert_eq!(task.wait()?, 55);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn spawn<T, F>(f: F) -> Task<T>
where
    F: Closure<T> + Send + 'static,
    T: Send + 'static,
{
    spawn_task(TaskMeta::here(), move |_: &At<'_>| {
        Returned::Outcome(Ok(f()))
    })
}

/// Runs `f`, which may fail or return another task, on a thread of the [global pool](Pool::global).
///
/// In `f` the `?` operator takes any error. An `Err` fails the task, and the outcome of a returned
/// task becomes its own, where [`spawn`] would make either the value. There are two functions
/// because one for both could not infer the type of the error in `Ok(..?)`: see [`IntoTask`].
///
/// # Examples
///
/// ```
/// use fast_async::attempt;
///
/// let port = attempt(|| Ok("8080".parse::<u16>()?));
/// assert_eq!(port.wait()?, 8080);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn attempt<R, F>(f: F) -> Task<R::Output>
where
    F: Closure<R> + Send + 'static,
    R: IntoTask,
{
    spawn_task(TaskMeta::here(), move |at: &At<'_>| {
        resolve_returned(f(), at)
    })
}

/// Runs `f` on a thread of the global pool with a [`TaskContext`], which tells `f` when the task is
/// cancelled.
///
/// # Examples
///
/// ```
/// use fast_async::spawn_with;
///
/// let task = spawn_with(|ctx| {
///     while !ctx.is_cancelled() {
///         std::thread::yield_now();
///     }
/// });
/// task.cancel();
/// assert!(task.wait().unwrap_err().is_cancelled());
/// ```
#[track_caller]
pub fn spawn_with<T, F>(f: F) -> Task<T>
where
    F: FnOnce(&TaskContext) -> T + Send + 'static,
    T: Send + 'static,
{
    Task::<()>::builder().spawn_with(f)
}

/// Runs `f`, which may fail or return another task, on a thread of the global pool with a
/// [`TaskContext`]; `ctx.check()?` works in it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use fast_async::attempt_with;
///
/// let task = attempt_with(|ctx| {
///     for _page in 1..=1000 {
///         ctx.check()?;
///         std::thread::sleep(Duration::from_millis(10)); // or some real work
///     }
///     Ok("all pages")
/// });
/// task.cancel();
/// assert!(task.wait().unwrap_err().is_cancelled());
/// ```
#[track_caller]
pub fn attempt_with<R, F>(f: F) -> Task<R::Output>
where
    F: FnOnce(&TaskContext) -> R + Send + 'static,
    R: IntoTask,
{
    Task::<()>::builder().attempt_with(f)
}

impl<T: Send + 'static> Task<T> {
    /// Returns a cold task: [`run`](Task::run), [`wait`](Task::wait), [`try_wait`](Task::try_wait),
    /// a continuation or an observer starts it.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Task;
    ///
    /// let task = Task::new(|| 1 + 1);
    /// task.run();
    /// assert_eq!(task.wait()?, 2);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn new<F>(f: F) -> Task<T>
    where
        F: Closure<T> + Send + 'static,
    {
        Task::from_cell(new_cell_in_phase(
            TaskMeta::here(),
            Phase::Cold,
            move |_: &At<'_>| Returned::Outcome(Ok(f())),
        ))
    }

    /// Starts a task made by [`Task::new`]; does nothing to one that was started already.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Task;
    ///
    /// let tasks = [Task::new(|| 1), Task::new(|| 2)];
    /// tasks.iter().for_each(Task::run);
    /// assert_eq!(fast_async::await_all(tasks)?, [1, 2]);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn run(&self) {
        if let Some(cell) = self.cell() {
            start_if_cold(cell);
        }
    }
}

impl Pool {
    /// Runs `f` on a thread of this pool; see [`spawn`].
    ///
    /// In a pool with a [`queue_limit`](crate::pool::PoolBuilder::queue_limit) it blocks until
    /// there is room, except on the threads of a pool. After a [`shutdown`](Pool::shutdown) the
    /// task fails as [`Rejected`](crate::ErrorKind::Rejected).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Pool;
    ///
    /// let disk = Pool::builder().name("disk").max_threads(4).build()?;
    /// let task = disk.spawn(|| std::thread::current().name().map(str::to_string));
    /// assert!(task.wait()?.is_some_and(|name| name.starts_with("disk-")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn spawn<T, F>(&self, f: F) -> Task<T>
    where
        F: Closure<T> + Send + 'static,
        T: Send + 'static,
    {
        spawn_task(self.meta(Location::caller()), move |_: &At<'_>| {
            Returned::Outcome(Ok(f()))
        })
    }

    /// Runs `f`, which may fail or return another task, on a thread of this pool; see [`attempt`]
    /// and [`Pool::spawn`].
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// let port = pool.attempt(|| Ok("8080".parse::<u16>()?));
    /// assert_eq!(port.wait()?, 8080);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn attempt<R, F>(&self, f: F) -> Task<R::Output>
    where
        F: Closure<R> + Send + 'static,
        R: IntoTask,
    {
        spawn_task(self.meta(Location::caller()), move |at: &At<'_>| {
            resolve_returned(f(), at)
        })
    }

    /// Runs `f` with a [`TaskContext`] on a thread of this pool; see [`spawn_with`] and
    /// [`Pool::spawn`].
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// let task = pool.spawn_with(|ctx| {
    ///     (1..=100).take_while(|_| !ctx.is_cancelled()).count()
    /// });
    /// assert_eq!(task.wait()?, 100);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn spawn_with<T, F>(&self, f: F) -> Task<T>
    where
        F: FnOnce(&TaskContext) -> T + Send + 'static,
        T: Send + 'static,
    {
        TaskBuilder::default().pool(self).spawn_with(f)
    }

    /// Runs `f`, which may fail or return another task, with a [`TaskContext`] on a thread of this
    /// pool; see [`attempt_with`].
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// let port = pool.attempt_with(|ctx| {
    ///     ctx.check()?;
    ///     Ok("8080".parse::<u16>()?)
    /// });
    /// assert_eq!(port.wait()?, 8080);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn attempt_with<R, F>(&self, f: F) -> Task<R::Output>
    where
        F: FnOnce(&TaskContext) -> R + Send + 'static,
        R: IntoTask,
    {
        TaskBuilder::default().pool(self).attempt_with(f)
    }

    /// Runs `f` if the queue has room for it; see
    /// [`PoolBuilder::queue_limit`](crate::pool::PoolBuilder::queue_limit). Never waits.
    ///
    /// # Errors
    ///
    /// Returns `f`, which has not been called, and says why: the queue is
    /// [full](TrySpawnError::Full), or the pool is [shut down](TrySpawnError::Closed).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// let task = match pool.try_spawn(|| 7) {
    ///     Ok(task) => task,
    ///     Err(error) => fast_async::Task::ready(error.into_inner()()),
    /// };
    /// assert_eq!(task.wait()?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn try_spawn<T, F>(&self, f: F) -> Result<Task<T>, TrySpawnError<F>>
    where
        F: Closure<T> + Send + 'static,
        T: Send + 'static,
    {
        let Some(placed) = self.try_acquire_place() else {
            // A pool that has closed stays closed: the answer holds when it is read.
            return Err(match self.is_closed() {
                true => TrySpawnError::Closed(f),
                false => TrySpawnError::Full(f),
            });
        };
        let cell = new_cell(self.meta(Location::caller()), move |_: &At<'_>| {
            Returned::Outcome(Ok(f()))
        });
        if placed {
            let _ = take_place(&cell);
        }
        if cell.meta().is_under_tokens() {
            enlist(&cell);
        }
        if self.is_heard() {
            announce(self, &cell);
        }
        if let Err(rejected) = self.submit(cell.clone()) {
            rejected.settle();
        }
        Ok(Task::from_cell(cell))
    }

    fn meta(&self, location: &'static Location<'static>) -> TaskMeta {
        TaskMeta::new(location, Some(self.clone()))
    }
}
