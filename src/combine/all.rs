//! All values, or the first failure.

use smallvec::SmallVec;

use super::group::{Group, bind};
use super::input::{List, Sealed, Tuple, deferred_after, tasks_of};
use crate::cell::slot::Outcome;
use crate::cell::{AnyCell, TaskMeta};
use crate::error::TaskError;
use crate::flat::Flat;
use crate::promise::Resolver;
use crate::sync::{Arc, Mutex};
use crate::task::{IntoTask, Sink, Task};

/// Returns a task for the values of all `tasks`, in their order; it fails when one of them fails.
///
/// On a failure the tasks that are not settled are cancelled, except [shielded](Task::shielded)
/// ones. No thread is blocked. An empty list settles as an empty list. Takes an iterator, a `Vec`
/// or an array of tasks, a tuple of two to eight tasks of different types, or a `HashMap` or
/// `BTreeMap` whose values are tasks: then the values come with their keys. A
/// [`SharedTask`](crate::SharedTask) may take the place of a task: the result has a clone of its
/// value.
///
/// # Examples
///
/// ```
/// use fast_async::{all, spawn};
///
/// let squares = all((1..=3).map(|n| spawn(move || n * n)));
/// assert_eq!(squares.wait()?, [1, 4, 9]);
///
/// let (name, age) = all((spawn(|| "Ada".to_string()), spawn(|| 36))).wait()?;
/// assert_eq!((name.as_str(), age), ("Ada", 36));
///
/// let pages = ["/", "/news"].map(|path| (path, spawn(move || path.len())));
/// let lengths = all(std::collections::HashMap::from(pages)).wait()?;
/// assert_eq!(lengths["/news"], 5);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn all<A: All<Kind>, Kind>(tasks: A) -> Task<A::Output> {
    tasks.all()
}

/// Blocks the calling thread until all `tasks` have a value or one has failed.
///
/// Despite its name it is no `async fn`: it is the same as `all(tasks).wait()`. In async code write
/// `all(tasks).await`.
///
/// Returns the values in the order of the tasks. A failure cancels the tasks that are not settled,
/// except [shielded](Task::shielded) ones. Inside a task, the awaited tasks may run on the calling
/// thread; see [`wait`](Task::wait).
///
/// # Errors
///
/// Returns the earliest failure, as soon as it occurs.
///
/// # Examples
///
/// ```
/// use fast_async::{await_all, spawn};
///
/// let sum: u32 = await_all(vec![spawn(|| 1), spawn(|| 2)])?.iter().sum();
/// assert_eq!(sum, 3);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn await_all<A: All<Kind>, Kind>(tasks: A) -> Result<A::Output, TaskError> {
    tasks.all().wait()
}

/// What [`all`] takes: iterators, lists, tuples and maps of tasks. No other type can be.
///
/// The compiler infers `Kind`, which tells lists, tuples and maps apart.
#[diagnostic::on_unimplemented(
    message = "`all` takes an iterator of tasks, a tuple of 2 to 8 of them, or a map with tasks as values, not `{Self}`",
    note = "an iterator, a `Vec` and an array must contain values of type `Task<_>` or `SharedTask<_>`"
)]
pub trait All<Kind>: Sealed<Kind> {
    /// The values of all tasks.
    type Output: Send + 'static;

    /// Returns a task for all of them; see [`all`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{spawn, combine::All};
    ///
    /// assert_eq!([spawn(|| 1), spawn(|| 2)].all().wait()?, [1, 2]);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    fn all(self) -> Task<Self::Output>;
}

/// The number of steps that are made before the first of them is registered.
const STEP_BATCH: usize = 32;

/// What the collecting steps share.
struct Collector<P: Send + 'static, V: Send + 'static> {
    group: Arc<Group<Parts<P>>>,
    resolver: Mutex<Option<Resolver<V>>>,
}

struct Parts<P> {
    /// The values that have been delivered. Each keeps the panic of its drop to itself.
    values: P,
    /// The number of missing values. The thread that delivers the last one settles the task.
    missing: usize,
}

impl<P: Send + 'static, V: Send + 'static> Collector<P, V> {
    #[track_caller]
    fn start(values: P, missing: usize, first: Option<&Arc<dyn AnyCell>>) -> (Arc<Self>, Task<V>) {
        let (resolver, task) = deferred_after(first);
        let group = Group::new(true, Parts { values, missing });
        if let Some(cell) = task.cell() {
            bind(&**cell, &group);
        }
        let collector = Arc::new(Collector {
            group,
            resolver: Mutex::new(Some(resolver)),
        });
        (collector, task)
    }

    /// Every input has its step now. If the result was decided in the process, cancels the inputs,
    /// which the deciding thread did not know.
    fn watch(&self, members: Vec<Arc<dyn AnyCell>>) {
        self.group.fill(members);
        if self.resolver.lock().is_none() {
            // Complete, and then there is nothing to cancel; or failed.
            self.group.cancel();
        }
    }

    /// The task at `index` has settled. `put` stores its value; `finish` makes the result of all
    /// values. Both only move.
    fn settle_one<T>(
        &self,
        index: usize,
        outcome: Outcome<T>,
        put: impl FnOnce(&mut P, T),
        finish: impl FnOnce(&mut P) -> V,
    ) {
        match outcome {
            Ok(value) => {
                let whole = self.group.settle_one(index, |parts| {
                    put(&mut parts.values, value);
                    parts.missing -= 1;
                    (parts.missing == 0).then(|| finish(&mut parts.values))
                });
                if let Some(whole) = whole {
                    let resolver = self.resolver.lock().take();
                    self.group.clear();
                    if let Some(resolver) = resolver {
                        // The result was cancelled: the values are dropped here, without a lock.
                        let _ = resolver.resolve(whole);
                    }
                }
            }
            Err(error) => {
                self.group.decide(index);
                let resolver = self.resolver.lock().take();
                if let Some(resolver) = resolver {
                    let _ = resolver.settle(Err(error));
                    self.group.cancel();
                }
            }
        }
    }
}

/// Takes a task's cell, whose outcome is consumed by a step.
fn claim<T>(task: Task<T>) -> Arc<dyn AnyCell> {
    match task.into_cell() {
        Some(cell) => cell,
        None => crate::cell::task_cell::TaskCell::<crate::cell::task_cell::NoWork<()>, ()>::open(
            TaskMeta::here(),
        ),
    }
}

impl<I> All<List> for I
where
    I: IntoIterator,
    I::Item: IntoTask,
{
    type Output = Vec<<I::Item as IntoTask>::Output>;

    #[track_caller]
    fn all(self) -> Task<Self::Output> {
        all_of(tasks_of(self))
    }
}

/// What `all` does for a list: compiled for each value type, and not for each iterator.
#[track_caller]
pub(super) fn all_of<T: Send + 'static>(tasks: Vec<Task<T>>) -> Task<Vec<T>> {
    if tasks.is_empty() {
        return Task::ready(Vec::new());
    }
    let cells: Vec<Arc<dyn AnyCell>> = tasks.into_iter().map(claim).collect();
    let values: Vec<Option<Flat<T>>> = cells.iter().map(|_| None).collect();
    let (collector, task) = Collector::start(values, cells.len(), cells.first());
    let step = |index: usize| {
        let collector = collector.clone();
        Sink::new(move |outcome: Outcome<T>| {
            collector.settle_one(
                index,
                outcome,
                |values, value| values[index] = Some(Flat::new(value)),
                collected,
            );
        })
    };
    // Makes a batch of steps before it registers the first: a registered step may run, and then
    // other threads contend for the collector's reference count.
    let mut steps: SmallVec<[_; STEP_BATCH]> = SmallVec::new();
    for (part, cells) in cells.chunks(STEP_BATCH).enumerate() {
        let first = part * STEP_BATCH;
        steps.extend((first..first + cells.len()).map(step));
        for (cell, step) in cells.iter().zip(steps.drain(..)) {
            step.attach(cell);
        }
    }
    collector.watch(cells);
    task
}

/// Returns the values of a complete list.
fn collected<T>(values: &mut Vec<Option<Flat<T>>>) -> Vec<T> {
    std::mem::take(values).into_iter().map(delivered).collect()
}

fn delivered<T>(value: Option<Flat<T>>) -> T {
    value.expect("every value is delivered").into_inner()
}

/// A tuple whose values are all delivered.
trait Whole {
    type Whole;
    fn whole(self) -> Self::Whole;
}

macro_rules! tuple {
    ($($name:ident $part:tt),+) => {
        impl<$($name),+> Whole for ($(Option<Flat<$name>>,)+) {
            type Whole = ($($name,)+);

            fn whole(self) -> Self::Whole {
                ($(delivered(self.$part),)+)
            }
        }

        impl<$($name: IntoTask),+> All<Tuple> for ($($name,)+) {
            type Output = ($($name::Output,)+);

            #[track_caller]
            fn all(self) -> Task<Self::Output> {
                let cells = [$(claim(self.$part.into_task())),+];
                let values: ($(Option<Flat<$name::Output>>,)+) = Default::default();
                let (collector, task) = Collector::start(values, cells.len(), cells.first());
                $({
                    let collector = collector.clone();
                    let step = Sink::new(move |outcome: Outcome<$name::Output>| {
                        collector.settle_one(
                            $part,
                            outcome,
                            |values, value| values.$part = Some(Flat::new(value)),
                            |values| std::mem::take(values).whole(),
                        );
                    });
                    step.attach(&cells[$part]);
                })+
                collector.watch(cells.into());
                task
            }
        }
    };
}

tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
