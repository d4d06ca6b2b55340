//! All values, or the first failure.

use std::marker::PhantomData;

use super::group::{Group, bind};
use crate::cell::slot::Outcome;
use crate::cell::state::Role;
use crate::cell::{About, Cell, register, with};
use crate::error::TaskError;
use crate::promise::{Resolver, deferred};
use crate::sync::{Arc, AtomicUsize, Mutex, Ordering};
use crate::task::{Consume, Task};

/// A task for the values of all `tasks`, in their order; it fails as soon as one of them fails.
///
/// On a failure the tasks that are not settled are cancelled; [shield](Task::shielded) those that shall go on. No thread is blocked. An empty list gives
/// an empty list. Takes a `Vec`, an array, or a tuple of up to eight tasks of different types.
///
/// # Examples
///
/// ```
/// use fast_async::{all, spawn};
///
/// let squares = all((1..=3).map(|n| spawn(move || n * n)).collect::<Vec<_>>());
/// assert_eq!(squares.wait()?, [1, 4, 9]);
///
/// let (name, age) = all((spawn(|| "Ada".to_string()), spawn(|| 36))).wait()?;
/// assert_eq!((name.as_str(), age), ("Ada", 36));
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn all<A: All>(tasks: A) -> Task<A::Output> {
    tasks.all()
}

/// Blocks until all `tasks` have a value, or one has failed; gives the values in their order, or the first failure at once.
///
/// The same as `all(tasks).wait()`.
///
/// # Errors
///
/// The first failure, in time.
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
pub fn await_all<A: All>(tasks: A) -> Result<A::Output, TaskError> {
    tasks.all().wait()
}

/// What [`all`] takes: lists of tasks, and tuples of them.
#[diagnostic::on_unimplemented(
    message = "`all` takes a `Vec` or array of tasks, or a tuple of 2 to 8 of them, not `{Self}`",
    note = "collect an iterator first: `all(tasks.collect::<Vec<_>>())`"
)]
pub trait All {
    /// The values of all tasks.
    type Output: Send + 'static;

    /// A task for all of them; see [`all`].
    #[track_caller]
    fn all(self) -> Task<Self::Output>;
}

/// What the collecting steps share.
struct Collector<P: Send + 'static, V: Send + 'static> {
    /// The values that have come in.
    parts: Mutex<P>,
    /// How many are missing. Whoever brings the last one finishes.
    missing: AtomicUsize,
    resolver: Mutex<Option<Resolver<V>>>,
    group: Arc<Group>,
}

impl<P: Send + 'static, V: Send + 'static> Collector<P, V> {
    fn start(parts: P, members: Vec<Arc<dyn Cell>>) -> (Arc<Self>, Task<V>)
    where
        P: Send + 'static,
    {
        let (resolver, task) = deferred();
        let group = Arc::new(Group::new(members));
        if let Some(cell) = task.cell() {
            bind(&**cell, &group);
        }
        let collector = Arc::new(Collector {
            missing: AtomicUsize::new(group_len(&group)),
            parts: Mutex::new(parts),
            resolver: Mutex::new(Some(resolver)),
            group,
        });
        (collector, task)
    }

    /// One task has settled. `put` stores its value; `finish` makes the result of all parts.
    fn settle_one<T>(
        &self,
        outcome: Outcome<T>,
        put: impl FnOnce(&mut P, T),
        finish: impl FnOnce(&mut P) -> V,
    ) {
        match outcome {
            Ok(value) => {
                put(&mut self.parts.lock(), value);
                // The release of one and the acquire of the last make all values visible to the last.
                if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
                    let values = finish(&mut self.parts.lock());
                    let resolver = self.resolver.lock().take();
                    self.group.clear();
                    if let Some(resolver) = resolver {
                        // Cancelled meanwhile: the values are dropped here, without a lock.
                        let _ = resolver.resolve(values);
                    }
                }
            }
            Err(error) => {
                let resolver = self.resolver.lock().take();
                if let Some(resolver) = resolver {
                    let _ = resolver.settle(Err(error));
                    self.group.cancel();
                }
            }
        }
    }
}

fn group_len(group: &Arc<Group>) -> usize {
    let mut members = Vec::new();
    crate::cell::Upstream::above(&**group, &mut members);
    members.len()
}

/// Takes a task's cell and promises to consume its outcome.
fn claim<T>(task: Task<T>) -> Arc<dyn Cell> {
    match task.into_cell() {
        Some(cell) => {
            with(&*cell, |state, _| state.released = true);
            cell
        }
        None => crate::cell::node::Node::<crate::cell::node::NoWork<()>, ()>::open(About::here()),
    }
}

fn consume<T: Send + 'static>(
    cell: &Arc<dyn Cell>,
    work: impl FnOnce(Outcome<T>) + Send + 'static,
) {
    register(
        cell,
        Box::new(Consume {
            work: Some(work),
            _type: PhantomData,
        }),
        Role::Link,
    );
}

impl<T: Send + 'static> All for Vec<Task<T>> {
    type Output = Vec<T>;

    #[track_caller]
    fn all(self) -> Task<Vec<T>> {
        if self.is_empty() {
            return Task::ready(Vec::new());
        }
        let cells: Vec<Arc<dyn Cell>> = self.into_iter().map(claim).collect();
        let parts: Vec<Option<T>> = cells.iter().map(|_| None).collect();
        let (collector, task) = Collector::start(parts, cells.clone());
        for (index, cell) in cells.iter().enumerate() {
            let collector = collector.clone();
            consume(cell, move |outcome: Outcome<T>| {
                collector.settle_one(
                    outcome,
                    |parts, value| parts[index] = Some(value),
                    |parts| std::mem::take(parts).into_iter().flatten().collect(),
                );
            });
        }
        task
    }
}

impl<T: Send + 'static, const N: usize> All for [Task<T>; N] {
    type Output = Vec<T>;

    #[track_caller]
    fn all(self) -> Task<Vec<T>> {
        Vec::from(self).all()
    }
}

/// A tuple whose parts have all come in.
trait Whole {
    type Whole;
    fn whole(self) -> Self::Whole;
}

macro_rules! tuple {
    ($($name:ident $part:tt),+) => {
        impl<$($name),+> Whole for ($(Option<$name>,)+) {
            type Whole = ($($name,)+);

            fn whole(self) -> Self::Whole {
                ($(self.$part.expect("every part has come in"),)+)
            }
        }

        impl<$($name: Send + 'static),+> All for ($(Task<$name>,)+) {
            type Output = ($($name,)+);

            #[track_caller]
            fn all(self) -> Task<Self::Output> {
                let cells = [$(claim(self.$part)),+];
                let parts: ($(Option<$name>,)+) = Default::default();
                let (collector, task) = Collector::start(parts, cells.to_vec());
                $({
                    let collector = collector.clone();
                    consume(&cells[$part], move |outcome: Outcome<$name>| {
                        collector.settle_one(
                            outcome,
                            |parts, value| parts.$part = Some(value),
                            |parts| std::mem::take(parts).whole(),
                        );
                    });
                })+
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
