//! What combinators take: lists, tuples and maps of tasks.

use std::collections::{BTreeMap, HashMap};

use crate::cell::task_cell::{NoWork, TaskCell};
use crate::cell::{AnyCell, TaskMeta};
use crate::error::{ErrorKind, TaskError};
use crate::promise::Resolver;
use crate::sync::Arc;
use crate::task::{IntoTask, Task};

/// Stands for every `IntoIterator` of what becomes a task.
#[derive(Debug)]
pub enum List {}

/// Stands for tuples of tasks.
#[derive(Debug)]
pub enum Tuple {}

/// Stands for maps whose values are tasks.
#[derive(Debug)]
pub enum Map {}

/// Implemented for what a combinator takes, and for nothing else.
///
/// `Kind` is [`List`], [`Tuple`] or [`Map`]. Without it the implementations would overlap: the
/// standard library could make a tuple iterable. The compiler infers it, because each type has one
/// kind.
pub trait Sealed<Kind> {}

impl<I> Sealed<List> for I
where
    I: IntoIterator,
    I::Item: IntoTask,
{
}

impl<K, R: IntoTask, S> Sealed<Map> for HashMap<K, R, S> {}
impl<K, R: IntoTask> Sealed<Map> for BTreeMap<K, R> {}

/// The tasks of a list. A panic of the iterator drops the tasks that it has given as tasks.
#[track_caller]
pub(super) fn tasks_of<I>(list: I) -> Vec<Task<<I::Item as IntoTask>::Output>>
where
    I: IntoIterator,
    I::Item: IntoTask,
{
    let list = list.into_iter();
    let mut tasks = Vec::with_capacity(list.size_hint().0);
    // No `map`: what a shared task makes here is said to be made where the caller is.
    for task in list {
        tasks.push(task.into_task());
    }
    tasks
}

macro_rules! tuple {
    ($($name:ident),+) => {
        impl<$($name: IntoTask),+> Sealed<Tuple> for ($($name,)+) {}
    };
}

tuple!(A, B);
tuple!(A, B, C);
tuple!(A, B, C, D);
tuple!(A, B, C, D, E);
tuple!(A, B, C, D, E, F);
tuple!(A, B, C, D, E, F, G);
tuple!(A, B, C, D, E, F, G, H);

/// The task of a combinator. It goes by the clock of the first input: if that is a virtual one, the
/// task belongs to the pool of the input.
#[track_caller]
pub(super) fn deferred_after<V: Send + 'static>(
    first: Option<&Arc<dyn AnyCell>>,
) -> (Resolver<V>, Task<V>) {
    let pool = first.and_then(|cell| cell.meta().pool.as_ref());
    let meta = TaskMeta {
        pool: pool.filter(|pool| pool.has_clock()).cloned(),
        ..TaskMeta::here()
    };
    let cell = TaskCell::<NoWork<V>, V>::open(meta);
    (Resolver::new(cell.clone()), Task::from_cell(cell))
}

/// Fails the task of `resolver`, whose list is too short.
pub(super) fn too_few<T: Send + 'static>(resolver: Resolver<T>, what_to_do: &'static str) {
    let cell = resolver.cell();
    let at = cell.as_ref().map(|cell| cell.meta().at());
    let error = TaskError::noted(ErrorKind::Empty, what_to_do, at);
    let _ = resolver.settle(Err(error));
}
