//! The first values, or the failures that leave too few.

use super::first::settle_by_first;
use super::input::{deferred_after, tasks_of, too_few};
use crate::task::{IntoTask, Task};

/// Returns a task for the values of the first `count` of `tasks` that succeed, each with the index
/// of its task, in the order in which they came; the others are cancelled then.
///
/// [Shielded](Task::shielded) tasks are not cancelled. No thread is blocked. With a count of 0 the
/// task is settled as an empty list at once, and all of `tasks` are cancelled.
///
/// # Errors
///
/// Fails as soon as too few tasks are left that may succeed: with an
/// [`AggregateError`](crate::error::AggregateError) of the failures so far, in the order of the
/// tasks. The others are cancelled then. If there are fewer than `count` tasks from the start, it
/// fails with [`ErrorKind::Empty`](crate::ErrorKind::Empty) at once.
///
/// # Examples
///
/// ```
/// use fast_async::{combine::some, deferred, Task};
///
/// let (_resolver, slow) = deferred();
/// let replicas = [Task::ready("a"), slow, Task::failed("down"), Task::ready("b")];
/// assert_eq!(some(2, replicas).wait()?, [(0, "a"), (3, "b")]);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn some<T, I>(count: usize, tasks: I) -> Task<Vec<(usize, T)>>
where
    T: Send + 'static,
    I: IntoIterator,
    I::Item: IntoTask<Output = T>,
{
    some_of(count, tasks_of(tasks))
}

/// What `some` does: compiled for each value type, and not for each iterator.
#[track_caller]
fn some_of<T: Send + 'static>(count: usize, tasks: Vec<Task<T>>) -> Task<Vec<(usize, T)>> {
    let (resolver, task) = deferred_after(tasks.first().and_then(Task::cell));
    if count == 0 || tasks.len() < count {
        match count {
            0 => drop(resolver.resolve(Vec::new())),
            _ => too_few(
                resolver,
                "give `some` as many tasks as it is to take, or more",
            ),
        }
        for task in &tasks {
            task.cancel();
        }
        return task;
    }
    settle_by_first(count, tasks, resolver, |mut values, last| {
        values.push(last);
        values
    });
    task
}
