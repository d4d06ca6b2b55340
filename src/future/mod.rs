//! Async code in chains: futures that a pool polls. The other way round, every
//! [`Task`] is a future.
//!
//! [`spawn_future`] makes a task of any `Future + Send`: the pool polls it, and no thread is held
//! while it is pending. From there on it is a task like others: chained, subscribed to, waited for,
//! cancelled. The pool is no async runtime: it has no timer and no reactor of its own for futures.
//! A future that needs those of a runtime is made inside of it, or enters it where it is polled;
//! [the page on async](crate::_documentation::async_code) shows how, with tokio, smol and
//! `futures`.
//!
//! - A future is polled once, and then once more for each time that it was woken since the last
//!   poll began. It may be woken from any thread, from inside its own poll, and after its end.
//! - A cancel drops the future on a thread of a pool, never on the cancelling one and never under a
//!   lock. [`stopped`](crate::Task::stopped) settles after that drop.
//! - A future that is pending and has dropped every waker can never be woken: its task fails as
//!   [`Abandoned`](crate::ErrorKind::Abandoned).
//! - Pending futures delay neither [`wait_idle`](Pool::wait_idle) nor
//!   [`shutdown`](Pool::shutdown). A future that is woken after its pool was shut down is polled by
//!   the [global pool](Pool::global), as continuations are.
//!
//! # Examples
//!
//! ```
//! use fast_async::{delay, spawn, spawn_future};
//! use std::time::Duration;
//!
//! let pages = spawn_future(async {
//!     let first = spawn(|| 3).await?;
//!     delay(Duration::from_millis(5)).await?; // no thread waits
//!     Ok::<_, fast_async::TaskError>(first + 4)
//! });
//! assert_eq!(pages.flatten().then(|n| n * 2).wait()?, 14);
//! # Ok::<(), fast_async::TaskError>(())
//! ```

// Map for maintainers, from the ground up:
//   outcome.rs  from the output of a future to the outcome of its task
//   polled.rs   a future and its polls
//   mod.rs      the verbs

mod outcome;
mod polled;

use std::future::Future;
use std::panic::Location;

use outcome::Reads;
use polled::{Pinned, Polled};

use crate::cell::call_off::enlist;
use crate::cell::state::Phase;
use crate::cell::task_cell::{NoWork, Returned, TaskCell};
use crate::cell::{self, AnyCell, TaskMeta, with_state};
use crate::executor::Runnable;
use crate::pool::Pool;
use crate::sync::Arc;
use crate::task::{IntoTask, Task, TaskBuilder, resolve_returned};
use crate::trace;

/// Polls `future` on the [global pool](Pool::global), and returns a task for its output.
///
/// Starts at once and does not block. No thread is held while the future is pending. A panic of a
/// poll fails the task. Dropping the task detaches it, as for [`spawn`](crate::spawn). See
/// [`future`](crate::future) for wake-ups and cancels.
///
/// The value is the output of the future, a `Result` too; see [`attempt_future`].
///
/// # Examples
///
/// ```
/// use fast_async::{deferred, spawn_future};
///
/// let (resolver, reply) = deferred::<u32>();
/// let doubled = spawn_future(async move { reply.await.map_or(0, |n| n * 2) });
/// resolver.resolve(21).unwrap();
/// assert_eq!(doubled.wait()?, 42);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn spawn_future<F>(future: F) -> Task<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    start_plain(TaskMeta::here(), Box::pin(future))
}

/// Polls `future`, whose output is a result or another task, on the [global pool](Pool::global). An
/// `Err` fails the task, and the outcome of a returned task becomes its own.
///
/// In an async block the `?` operator takes any error, as in the closure of
/// [`attempt`](crate::attempt).
///
/// # Examples
///
/// ```
/// use fast_async::{attempt_future, spawn};
///
/// let port = attempt_future(async {
///     let text = spawn(|| "8080").await?;
///     Ok(text.parse::<u16>()?)
/// });
/// assert_eq!(port.wait()?, 8080);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn attempt_future<F>(future: F) -> Task<<F::Output as IntoTask>::Output>
where
    F: Future<Output: IntoTask> + Send + 'static,
{
    start_given(TaskMeta::here(), Box::pin(future))
}

impl Pool {
    /// Polls `future` on the threads of this pool; see [`spawn_future`].
    ///
    /// In a pool with a [`queue_limit`](crate::pool::PoolBuilder::queue_limit) it blocks until
    /// there is room, except on the threads of a pool. Later polls do not wait for room. After a
    /// [`shutdown`](Pool::shutdown) the task fails as [`Rejected`](crate::ErrorKind::Rejected).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::builder().name("async").build()?;
    /// let name = pool.spawn_future(async {
    ///     std::thread::current().name().map(str::to_string)
    /// });
    /// assert!(name.wait()?.is_some_and(|name| name.starts_with("async-")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn spawn_future<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let meta = TaskMeta::new(Location::caller(), Some(self.clone()));
        start_plain(meta, Box::pin(future))
    }

    /// Polls `future`, whose output is a result or another task, on the threads of this pool; see
    /// [`attempt_future`] and [`Pool::spawn_future`].
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// let port = pool.attempt_future(async { Ok("8080".parse::<u16>()?) });
    /// assert_eq!(port.wait()?, 8080);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn attempt_future<F>(&self, future: F) -> Task<<F::Output as IntoTask>::Output>
    where
        F: Future<Output: IntoTask> + Send + 'static,
    {
        let meta = TaskMeta::new(Location::caller(), Some(self.clone()));
        start_given(meta, Box::pin(future))
    }
}

impl TaskBuilder {
    /// Polls `future` on the threads of the pool; see [`spawn_future`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{CancelToken, Task};
    ///
    /// let closing = CancelToken::new();
    /// let task = Task::builder()
    ///     .name("listen")
    ///     .cancel_token(&closing)
    ///     .spawn_future(std::future::pending::<()>());
    /// closing.cancel();
    /// assert!(task.wait().is_err());
    /// ```
    #[track_caller]
    pub fn spawn_future<F>(self, future: F) -> Task<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let meta = self.into_meta(Location::caller(), None);
        start_plain(meta, Box::pin(future))
    }

    /// Polls `future`, whose output is a result or another task, on the threads of the pool; see
    /// [`attempt_future`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Task;
    ///
    /// let port = Task::builder()
    ///     .name("port")
    ///     .attempt_future(async { Ok("http".parse::<u16>()?) });
    /// assert_eq!(port.wait().unwrap_err().task_name(), Some("port"));
    /// ```
    #[track_caller]
    pub fn attempt_future<F>(self, future: F) -> Task<<F::Output as IntoTask>::Output>
    where
        F: Future<Output: IntoTask> + Send + 'static,
    {
        let meta = self.into_meta(Location::caller(), None);
        start_given(meta, Box::pin(future))
    }
}

// What follows is compiled once for each type of output, and not for each future.

fn start_plain<T: Send + 'static>(meta: TaskMeta, future: Pinned<T>) -> Task<T> {
    start(meta, future, |output, _| Returned::Outcome(Ok(output)))
}

fn start_given<R: IntoTask + 'static>(meta: TaskMeta, future: Pinned<R>) -> Task<R::Output> {
    start(meta, future, resolve_returned::<R>)
}

/// Makes the task of a future, and queues the first poll.
fn start<R: 'static, T: Send + 'static>(
    meta: TaskMeta,
    future: Pinned<R>,
    reads: Reads<R, T>,
) -> Task<T> {
    let context = trace::capture().map(|context| {
        let name = meta.name().map(|name| &**name);
        Box::new(context.within_task(name, meta.location))
    });
    let cell: Arc<dyn AnyCell> = TaskCell::<NoWork<T>, T>::open(meta);
    let polled = Polled::new(&cell, future, context, reads);
    if cell.meta().is_under_tokens() {
        enlist(&cell);
    }
    queue(&cell, polled);
    Task::from_cell(cell)
}

fn queue(cell: &Arc<dyn AnyCell>, polled: Arc<dyn Runnable>) {
    if with_state(&**cell, |state| state.phase() != Phase::Open) {
        // A token has cancelled it. A thread is to drop the future, and it needs no place.
        return cell::queue(cell, polled);
    }
    let pool = cell.meta().pool();
    if pool.acquire_place() {
        polled.take_place();
    }
    if let Err(rejected) = pool.submit(polled) {
        rejected.settle();
    }
}
