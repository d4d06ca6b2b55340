//! The first value, or all failures.

use super::group::{Group, bind};
use crate::cell::slot::Outcome;
use crate::cell::{AnyCell, deadlock};
use crate::error::{AggregateError, ErrorKind, TaskError};
use crate::promise::{Resolver, deferred};
use crate::sync::{Arc, Mutex};
use crate::task::{Sink, Task};

/// Returns a task for the value of the first of `tasks` that succeeds; the others are cancelled
/// then.
///
/// [Shielded](Task::shielded) tasks are not cancelled. No thread is blocked.
///
/// # Errors
///
/// If all tasks fail, the task fails with an [`AggregateError`] that holds every failure, in the
/// order of the tasks. An empty list fails with [`ErrorKind::Empty`].
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
    I: IntoIterator<Item = Task<T>>,
{
    // The iterator is user code: a panic of it drops the tasks it has given as tasks.
    any_of(tasks.into_iter().collect())
}

/// What `any` does: compiled for each value type, and not for each iterator.
#[track_caller]
fn any_of<T: Send + 'static>(tasks: Vec<Task<T>>) -> Task<T> {
    let cells: Vec<Arc<dyn AnyCell>> = tasks.into_iter().filter_map(Task::into_cell).collect();
    let (resolver, task) = deferred();
    if cells.is_empty() {
        let at = task.cell().map(|cell| cell.meta().at());
        let error = TaskError::noted(
            ErrorKind::Empty,
            "give `any` and `await_first` at least one task",
            at,
        );
        let _ = resolver.settle(Err(error));
        return task;
    }
    let failures = Failures {
        missing: cells.len(),
        first: None,
        errors: cells.iter().map(|_| None).collect(),
    };
    let group = Group::new(false, failures);
    if let Some(cell) = task.cell() {
        bind(&**cell, &group);
    }
    let first = Arc::new(First {
        group,
        resolver: Mutex::new(Some(resolver)),
    });
    for (index, cell) in cells.iter().enumerate() {
        let first = first.clone();
        Sink::new(move |outcome: Outcome<T>| first.settle_one(index, outcome)).attach(cell);
    }
    first.group.fill(cells);
    if first.resolver.lock().is_none() {
        // Decided meanwhile: the others are not needed.
        first.group.cancel();
    }
    task
}

/// Blocks the calling thread until the first of `tasks` succeeds, and returns its value.
///
/// Despite its name it is no `async fn`; in async code write `any(tasks).await`. The other tasks
/// are cancelled, except [shielded](Task::shielded) ones. None of the tasks runs on the calling
/// thread. The continuations of what the calling callback, if there is one, has settled run on the
/// pool meanwhile.
///
/// # Errors
///
/// If all tasks fail, returns the failure that came first in time. (`any(tasks).wait()` returns all
/// of them, as an [`AggregateError`].) For an empty list, returns one of kind [`ErrorKind::Empty`].
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
    I: IntoIterator<Item = Task<T>>,
{
    any(tasks)
        .wait()
        .map_err(|error| match error.downcast_ref::<AggregateError>() {
            Some(all) => all.first().clone(),
            None => error,
        })
}

/// What the steps on the inputs share.
struct First<T: Send + 'static> {
    group: Arc<Group<Failures>>,
    resolver: Mutex<Option<Resolver<T>>>,
}

struct Failures {
    missing: usize,
    /// The index of the failure that came first.
    first: Option<usize>,
    errors: Vec<Option<TaskError>>,
}

impl<T: Send + 'static> First<T> {
    /// An input has failed. If all that are left wait for the task of this combinator, none of them
    /// can settle, and the task fails as `Cycle`.
    fn give_up_in_a_cycle(&self) {
        if !self.group.is_at_risk() {
            return;
        }
        let cell = self.resolver.lock().as_ref().and_then(Resolver::cell);
        let Some(cell) = cell.filter(deadlock::is_in_a_cycle) else {
            return;
        };
        let error = TaskError::of(ErrorKind::Cycle, cell.meta().at());
        if let Some(resolver) = self.resolver.lock().take() {
            let _ = resolver.settle(Err(error));
            self.group.clear();
        }
    }

    fn settle_one(&self, index: usize, outcome: Outcome<T>) {
        let verdict = match outcome {
            Ok(value) => {
                self.group.decide(index);
                Ok(value)
            }
            Err(error) => {
                let all = self.group.settle_one(index, |failures| {
                    failures.errors[index] = Some(error);
                    failures.first.get_or_insert(index);
                    failures.missing -= 1;
                    (failures.missing == 0).then(|| AggregateError {
                        errors: std::mem::take(&mut failures.errors)
                            .into_iter()
                            .flatten()
                            .collect(),
                        first: failures.first.unwrap_or(0),
                    })
                });
                match all {
                    Some(all) => Err(all),
                    None => return self.give_up_in_a_cycle(),
                }
            }
        };
        let Some(resolver) = self.resolver.lock().take() else {
            // A later success: the value is dropped here.
            return;
        };
        match verdict {
            Ok(value) => {
                let _ = resolver.resolve(value);
                self.group.cancel();
            }
            Err(all) => {
                let _ = resolver.reject(all);
                self.group.clear();
            }
        }
    }
}
