//! The elements of an iterator and the closure that they are given to: all that is compiled for
//! each call.

use std::panic::Location;

use crate::cell::slot::Outcome;
use crate::cell::task_cell::Returned;
use crate::error::{At, TaskError};
use crate::sync::{Arc, Mutex};
use crate::task::{IntoTask, resolve_returned};
use crate::trace::{self, Captured};
use crate::{guard, unhandled};

/// Elements whose closure has a `U`.
pub(super) trait Elements<U>: Send + Sync {
    /// Pulls an element and calls the closure with it. One thread pulls at a time.
    fn run_next(&self, gate: &dyn Gate) -> Ran<U>;

    /// Returns the number of elements; 0 if the iterator does not tell.
    fn count(&self) -> usize;
}

/// Asked between the pull and the call.
pub(super) trait Gate {
    /// Returns the index of the element that was pulled. `None`: it is not wanted any more.
    fn begin(&self) -> Option<usize>;
}

/// The result of a look at the elements.
pub(super) enum Ran<U> {
    Returned(usize, Returned<U>),
    /// There are no more elements, or the iterator has panicked, or the gate was closed.
    End(Option<TaskError>),
}

struct Source<I, F> {
    /// `None` while a thread pulls, and at the end.
    iter: Mutex<Option<I>>,
    count: usize,
    f: F,
    location: &'static Location<'static>,
    context: Option<Captured>,
}

/// Makes the elements of `iter`, with the tracing context of the caller.
pub(super) fn elements<I, F, R>(
    iter: I,
    f: F,
    location: &'static Location<'static>,
) -> Arc<dyn Elements<R::Output>>
where
    I: IntoIterator,
    I::IntoIter: Send + 'static,
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    R: IntoTask,
{
    let iter = iter.into_iter();
    let count = match iter.size_hint() {
        (least, Some(most)) if least == most => most,
        _ => 0,
    };
    Arc::new(Source {
        iter: Mutex::new(Some(iter)),
        count,
        f,
        location,
        context: trace::capture(),
    })
}

impl<I, F> Drop for Source<I, F> {
    /// The iterator apart from the closure: each of them may panic.
    fn drop(&mut self) {
        unhandled::drop_reporting(self.iter.get_mut().take());
    }
}

impl<I, F> Source<I, F> {
    /// Runs user code.
    fn guarded<R>(&self, f: impl FnOnce() -> R) -> Result<R, TaskError> {
        let called = guard::catch(|| match &self.context {
            None => f(),
            Some(context) => context.enter(f),
        });
        called.map_err(|payload| TaskError::panicked(payload, self.at()))
    }

    fn at(&self) -> At<'static> {
        At {
            location: self.location,
            task: None,
        }
    }
}

impl<I, F, R> Elements<R::Output> for Source<I, F>
where
    I: Iterator + Send,
    F: Fn(I::Item) -> R + Send + Sync,
    R: IntoTask,
{
    fn count(&self) -> usize {
        self.count
    }

    fn run_next(&self, gate: &dyn Gate) -> Ran<R::Output> {
        let taken = self.iter.lock().take();
        let Some(mut iter) = taken else {
            return Ran::End(None);
        };
        let item = match self.guarded(|| iter.next()) {
            Ok(Some(item)) => item,
            end => {
                let dropped = guard::drop_caught(iter).map_err(TaskError::panicked_in_drop);
                return Ran::End(end.err().or(dropped.err()));
            }
        };
        *self.iter.lock() = Some(iter);
        let Some(index) = gate.begin() else {
            unhandled::drop_reporting(item);
            return Ran::End(None);
        };
        let returned = self.guarded(|| resolve_returned((self.f)(item), &self.at()));
        Ran::Returned(index, returned.unwrap_or_else(failed))
    }
}

fn failed<U>(error: TaskError) -> Returned<U> {
    let outcome: Outcome<U> = Err(error);
    Returned::Outcome(outcome)
}
