//! The first outcome, value or failure.

use super::group::{Group, bind};
use super::input::{deferred_after, tasks_of, too_few};
use crate::cell::AnyCell;
use crate::cell::slot::Outcome;
use crate::promise::Resolver;
use crate::sync::{Arc, Mutex};
use crate::task::{IntoTask, Sink, Task};
use crate::unhandled;

/// Returns a task that settles as the first of `tasks` does, with a value or a failure; the others
/// are cancelled then.
///
/// Of several that are settled already it is the first in the list. [Shielded](Task::shielded)
/// tasks are not cancelled. No thread is blocked. [`any`](crate::any) takes the first success.
///
/// # Errors
///
/// Fails as the first task does, if that fails. An empty list fails with
/// [`ErrorKind::Empty`](crate::ErrorKind::Empty).
///
/// # Examples
///
/// ```
/// use fast_async::{combine::race, deferred, Task};
///
/// let (_resolver, slow) = deferred();
/// assert_eq!(race([slow, Task::ready("cached")]).wait()?, "cached");
///
/// // A failure is an outcome too.
/// let (_resolver, slow) = deferred::<u32>();
/// assert!(race([slow, Task::failed("offline")]).wait().is_err());
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn race<T, I>(tasks: I) -> Task<T>
where
    T: Send + 'static,
    I: IntoIterator,
    I::Item: IntoTask<Output = T>,
{
    race_of(tasks_of(tasks))
}

/// What `race` does: compiled for each value type, and not for each iterator.
#[track_caller]
fn race_of<T: Send + 'static>(tasks: Vec<Task<T>>) -> Task<T> {
    let cells: Vec<Arc<dyn AnyCell>> = tasks.into_iter().filter_map(Task::into_cell).collect();
    let (resolver, task) = deferred_after(cells.first());
    if cells.is_empty() {
        too_few(resolver, "give `race` at least one task");
        return task;
    }
    let group = Group::new(false, ());
    if let Some(cell) = task.cell() {
        bind(&**cell, &group);
    }
    let race = Arc::new(Race {
        group,
        resolver: Mutex::new(Some(resolver)),
    });
    for (index, cell) in cells.iter().enumerate() {
        let race = race.clone();
        Sink::new(move |outcome: Outcome<T>| race.settle(index, outcome)).attach(cell);
    }
    race.group.fill(cells);
    if race.resolver.lock().is_none() {
        // Decided already: the others are not needed.
        race.group.cancel();
    }
    task
}

/// What the steps on the inputs share.
struct Race<T: Send + 'static> {
    group: Arc<Group<()>>,
    resolver: Mutex<Option<Resolver<T>>>,
}

impl<T: Send + 'static> Race<T> {
    /// The input at `index` has settled. A later outcome is dropped here: it has been delivered,
    /// and a failure counts as handled.
    fn settle(&self, index: usize, outcome: Outcome<T>) {
        self.group.decide(index);
        let resolver = self.resolver.lock().take();
        if let Some(resolver) = resolver {
            unhandled::drop_reporting(resolver.settle(outcome));
            self.group.cancel();
        }
    }
}
