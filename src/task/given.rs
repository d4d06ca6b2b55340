//! The result of a user's closure, for families that inspect it and call again.

use std::panic::Location;

use super::into_task::{RegisteredAt, ReturnedOpaque, resolve_returned, sealed::Sealed};
use super::{IntoTask, Task};
use crate::cell::slot::Outcome;
use crate::cell::task_cell::Returned;
use crate::error::{At, TaskError};
use crate::guard;
use crate::promise::Resolver;

/// The result of a call. A closure that returns it settles its task with it.
pub(crate) enum Given<T> {
    /// The outcome is there.
    Outcome(Outcome<T>),
    /// The outcome of this task will be used.
    Task(Task<T>),
}

impl<T: Send + 'static> Given<T> {
    /// Calls a closure that was registered at `location`. A panic is an outcome.
    pub(crate) fn call<R>(location: &'static Location<'static>, f: impl FnOnce() -> R) -> Given<T>
    where
        R: IntoTask<Output = T>,
    {
        let at = At {
            location,
            task: None,
        };
        match guard::catch(|| resolve_returned(f(), &at)) {
            Ok(Returned::Outcome(outcome)) => Given::Outcome(outcome),
            Ok(Returned::Task(follow)) => Given::Task(Task::from_cell(follow.inner)),
            Err(payload) => Given::Outcome(Err(TaskError::panicked(payload, at))),
        }
    }
}

impl<T> Sealed for Given<T> {}

impl<T: Send + 'static> IntoTask for Given<T> {
    type Output = T;

    #[track_caller]
    fn into_task(self) -> Task<T> {
        match self {
            Given::Outcome(outcome) => Task::settled(outcome),
            Given::Task(task) => task,
        }
    }

    fn resolve_returned(self, place: RegisteredAt<'_>) -> ReturnedOpaque<T> {
        match self {
            Given::Outcome(outcome) => ReturnedOpaque(Returned::Outcome(outcome)),
            Given::Task(task) => task.resolve_returned(place),
        }
    }

    fn settle(self, resolver: Resolver<T>) -> Result<(), Self> {
        match self {
            Given::Outcome(outcome) => resolver.settle(outcome).map_err(Given::Outcome),
            Given::Task(task) => task.settle(resolver).map_err(Given::Task),
        }
    }
}
