//! The steps behind `finally`, which run on every outcome.

use std::marker::PhantomData;
use std::panic::Location;

use super::IntoTask;
use super::into_task::resolve_returned;
use super::link::{InPlace, observe};
use crate::cell::slot::{Outcome, Slot};
use crate::cell::step::{Flow, Step};
use crate::cell::task_cell::Returned;
use crate::error::{At, TaskError};
use crate::guard;
use crate::sync::Arc;

/// Runs on every outcome, a cancellation included, and changes none, unless it panics.
pub(crate) struct Finally<F> {
    pub(crate) work: Option<F>,
    pub(crate) location: &'static Location<'static>,
}

impl<F: FnOnce() + Send> Step for Finally<F> {
    fn run(&mut self, input: &mut dyn Slot, name: Option<&Arc<str>>) -> Flow {
        let at = At {
            location: self.location,
            task: name,
        };
        let mut work = self.work.take();
        run_finally(input, at, &mut || {
            if let Some(work) = work.take() {
                work();
            }
        });
        Flow::Passed
    }

    fn cancel(&mut self, _: &TaskError) {
        if let Some(work) = self.work.take() {
            observe(self.location, None, work);
        }
    }
}

/// Runs on every outcome, a cancellation included; what the closure returns must succeed before the
/// outcome is passed on.
pub(crate) struct AndFinally<T, F> {
    pub(crate) work: Option<F>,
    pub(crate) location: &'static Location<'static>,
    pub(crate) _type: PhantomData<fn(T)>,
}

impl<T, R, F> Step for AndFinally<T, F>
where
    T: Send + 'static,
    R: IntoTask,
    F: FnOnce() -> R + Send + 'static,
{
    fn run(&mut self, input: &mut dyn Slot, name: Option<&Arc<str>>) -> Flow {
        let Some(work) = self.work.take() else {
            return Flow::Passed;
        };
        let location = self.location;
        let mut link = InPlace::<T, T, _> {
            work: Some(move |outcome: Outcome<T>, at: &At<'_>| {
                let after = work().into_task();
                let passes_on = move |after: Outcome<R::Output>, at: &At<'_>| {
                    Returned::Outcome(match after {
                        Ok(_) => outcome.inspect_err(|error| error.passed(at.location)),
                        Err(error) => Err(error),
                    })
                };
                resolve_returned(after.link(location, passes_on), at)
            }),
            location,
            _type: PhantomData,
        };
        link.run(input, name)
    }

    fn cancel(&mut self, _: &TaskError) {
        if let Some(work) = self.work.take() {
            observe(self.location, None, || work().into_task().detach());
        }
    }
}

/// Calls `work`; its panic takes the place of the outcome.
fn run_finally(outcome: &mut dyn Slot, at: At<'_>, work: &mut dyn FnMut()) {
    if let Err(payload) = guard::catch(work) {
        let error = TaskError::panicked(payload, at);
        // The outcome that is overwritten is the user's to drop.
        if let Err(payload) = guard::catch(|| outcome.fail(error)) {
            guard::drop_quietly(payload);
        }
    } else if let Some(error) = outcome.failure() {
        error.passed(at.location);
    }
}
