//! The first value, or all failures.

use super::first::settle_by_first;
use super::input::{deferred_after, tasks_of, too_few};
use crate::error::{AggregateError, TaskError};
use crate::task::{IntoTask, Task};

/// Returns a task for the value of the first of `tasks` that succeeds; the others are cancelled
/// then.
///
/// [Shielded](Task::shielded) tasks are not cancelled. No thread is blocked.
///
/// # Errors
///
/// If all tasks fail, the task fails with an [`AggregateError`] that holds every failure, in the
/// order of the tasks. An empty list fails with [`ErrorKind::Empty`](crate::ErrorKind::Empty).
///
/// # Examples
///
/// ```
/// use fast_async::{any, spawn, Task};
///
/// let fastest = any(vec![Task::failed("mirror 1 is down"), spawn(|| "from mirror 2")]);
/// assert_eq!(fastest.wait()?, "from mirror 2");
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn any<T, I>(tasks: I) -> Task<T>
where
    T: Send + 'static,
    I: IntoIterator,
    I::Item: IntoTask<Output = T>,
{
    any_of(tasks_of(tasks))
}

/// What `any` does: compiled for each value type, and not for each iterator.
#[track_caller]
fn any_of<T: Send + 'static>(tasks: Vec<Task<T>>) -> Task<T> {
    let (resolver, task) = deferred_after(tasks.first().and_then(Task::cell));
    if tasks.is_empty() {
        too_few(resolver, "give `any` and `await_first` at least one task");
    } else {
        settle_by_first(1, tasks, resolver, |_, (_, value)| value);
    }
    task
}

/// Blocks the calling thread until the first of `tasks` succeeds, and returns its value.
///
/// Despite its name it is no `async fn`; in async code write `any(tasks).await`. The other tasks
/// are cancelled, except [shielded](Task::shielded) ones. None of the tasks runs on the calling
/// thread. If it is called in a callback, the pool runs the continuations of the tasks that the
/// callback has settled.
///
/// # Errors
///
/// If all tasks fail, returns the earliest failure. (`any(tasks).wait()` returns all of them, as an
/// [`AggregateError`].) For an empty list, returns one of kind
/// [`ErrorKind::Empty`](crate::ErrorKind::Empty).
///
/// # Examples
///
/// ```
/// use fast_async::{await_first, spawn, Task};
///
/// assert_eq!(await_first(vec![Task::failed("no"), spawn(|| 7)])?, 7);
/// assert!(await_first(Vec::<Task<()>>::new()).is_err());
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn await_first<T, I>(tasks: I) -> Result<T, TaskError>
where
    T: Send + 'static,
    I: IntoIterator,
    I::Item: IntoTask<Output = T>,
{
    any(tasks)
        .wait()
        .map_err(|error| match error.downcast_ref::<AggregateError>() {
            Some(all) => all.first().clone(),
            None => error,
        })
}
