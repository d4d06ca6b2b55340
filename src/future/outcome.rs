//! From the output of a future to the outcome of its task.

use crate::cell::task_cell::Returned;
use crate::cell::{self, AnyCell};
use crate::error::{At, TaskError};
use crate::executor::RunResult;
use crate::promise::Resolver;
use crate::sync::Arc;
use crate::task::Task;
use crate::{guard, unhandled};

/// What the output of a future means for its task.
pub(super) type Reads<R, T> = fn(R, &At<'_>) -> Returned<T>;

/// Settles the task of a cell.
pub(super) fn settle<T: Send + 'static>(
    cell: Arc<dyn AnyCell>,
    returned: Returned<T>,
) -> RunResult {
    let resolver = Resolver::new(cell);
    match returned {
        Returned::Outcome(outcome) => {
            let result = match &outcome {
                Ok(_) => RunResult::Completed,
                Err(_) => RunResult::Failed,
            };
            unhandled::drop_reporting(resolver.settle(outcome));
            result
        }
        Returned::Task(follow) => {
            let task = Task::from_cell(follow.inner);
            unhandled::drop_reporting(resolver.follow(task, |task| task));
            RunResult::Completed
        }
    }
}

/// The drop of a future has panicked: that is the failure of its task, unless the task fails
/// anyway.
pub(super) fn replace<T: Send + 'static>(
    returned: Option<Returned<T>>,
    payload: guard::Payload,
    at: At<'_>,
) -> Returned<T> {
    match returned {
        Some(Returned::Outcome(Err(error))) => {
            unhandled::report(TaskError::panicked_in_drop(payload));
            Returned::Outcome(Err(error))
        }
        returned => {
            discard(returned);
            Returned::Outcome(Err(TaskError::panicked(payload, at)))
        }
    }
}

/// The outcome comes too late.
pub(super) fn discard<T>(returned: Option<Returned<T>>) {
    match returned {
        None => {}
        Some(Returned::Outcome(outcome)) => unhandled::drop_reporting(outcome),
        Some(Returned::Task(follow)) => cell::release(&*follow.inner),
    }
}
