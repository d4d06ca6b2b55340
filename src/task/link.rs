//! The steps that the methods of `Task` put on a task's subscriber list.

use std::marker::PhantomData;
use std::panic::Location;

use super::take_outcome;
use crate::cell::node::Returned;
use crate::cell::slot::{Outcome, Slot, cast};
use crate::cell::state::Role;
use crate::cell::step::{Route, Step, Turn};
use crate::cell::{self, Cell};
use crate::error::{At, TaskError};
use crate::sync::{Arc, Ordering};
use crate::{guard, unhandled};

/// Makes of one outcome another.
pub(crate) struct Link<T, U, F> {
    work: Option<F>,
    out: Option<Outcome<U>>,
    location: &'static Location<'static>,
    _type: PhantomData<fn(T)>,
}

impl<T, U, F> Link<T, U, F> {
    pub(crate) fn new(location: &'static Location<'static>, work: F) -> Link<T, U, F> {
        Link {
            work: Some(work),
            out: None,
            location,
            _type: PhantomData,
        }
    }
}

impl<T, U, F> Step for Link<T, U, F>
where
    T: Send + 'static,
    U: Send + 'static,
    F: FnOnce(Outcome<T>, &At<'_>) -> Returned<U> + Send,
{
    fn run(&mut self, input: &mut dyn Slot, name: Option<&Arc<str>>) -> Turn {
        let (Some(input), Some(work)) = (cast::<T>(input).take(), self.work.take()) else {
            return Turn::Linked;
        };
        let at = At {
            location: self.location,
            task: name,
        };
        match guard::catch(|| work(input, &at)) {
            Ok(Returned::Outcome(outcome)) => self.out = Some(outcome),
            Ok(Returned::Task(follow)) => return Turn::Follow(follow),
            Err(payload) => self.out = Some(Err(TaskError::panicked(payload, at))),
        }
        Turn::Linked
    }

    fn output(&mut self) -> Option<&mut dyn Slot> {
        Some(&mut self.out)
    }

    fn cancel(&mut self, _: &TaskError) {
        unhandled::discard(self.work.take());
    }
}

/// Runs on every outcome, a cancellation included, and changes none, unless it panics.
pub(crate) struct Finally<F> {
    pub(crate) work: Option<F>,
    pub(crate) location: &'static Location<'static>,
}

impl<F: FnOnce() + Send> Step for Finally<F> {
    fn run(&mut self, input: &mut dyn Slot, name: Option<&Arc<str>>) -> Turn {
        let Some(work) = self.work.take() else {
            return Turn::Passed;
        };
        if let Err(payload) = guard::catch(work) {
            let at = At {
                location: self.location,
                task: name,
            };
            let error = TaskError::panicked(payload, at);
            // The outcome that is overwritten is the user's to drop.
            if let Err(payload) = guard::catch(|| input.fail(error)) {
                guard::discard(payload);
            }
        }
        Turn::Passed
    }

    fn cancel(&mut self, _: &TaskError) {
        if let Some(work) = self.work.take() {
            observe(self.location, None, work);
        }
    }
}

/// Looks at the outcome and leaves it where it is.
pub(crate) struct Observe<T, F> {
    pub(crate) work: Option<F>,
    pub(crate) location: &'static Location<'static>,
    pub(crate) _type: PhantomData<fn(T)>,
}

impl<T, F> Step for Observe<T, F>
where
    T: Send + 'static,
    F: FnOnce(Result<&T, &TaskError>) + Send,
{
    fn run(&mut self, input: &mut dyn Slot, name: Option<&Arc<str>>) -> Turn {
        if let (Some(outcome), Some(work)) = (cast::<T>(input), self.work.take()) {
            observe(self.location, name, || work(outcome.as_ref()));
        }
        Turn::Looked
    }

    fn cancel(&mut self, error: &TaskError) {
        if let Some(work) = self.work.take() {
            observe(self.location, None, || work(Err(error)));
        }
    }
}

/// Calls an observer. Its panic is nobody's failure, so it is reported (Contract: D4).
pub(crate) fn observe(
    location: &'static Location<'static>,
    task: Option<&Arc<str>>,
    work: impl FnOnce(),
) {
    if let Err(payload) = guard::catch(work) {
        unhandled::report(TaskError::panicked(payload, At { location, task }));
    }
}

/// Sends the rest of the chain elsewhere.
pub(crate) struct Hop(pub(crate) Route);

impl Step for Hop {
    fn run(&mut self, _: &mut dyn Slot, _: Option<&Arc<str>>) -> Turn {
        Turn::Hop(std::mem::take(&mut self.0))
    }

    fn cancel(&mut self, _: &TaskError) {}
}

/// Holds an outcome that no link made, for whoever has the handle.
pub(crate) struct Carrier<T>(Option<Outcome<T>>);

/// Makes a step that holds `error` as an outcome of type `T`.
pub(crate) fn carrier<T: Send + 'static>(error: TaskError) -> Box<dyn Step> {
    Box::new(Carrier::<T>(Some(Err(error))))
}

impl<T: Send + 'static> Step for Carrier<T> {
    fn run(&mut self, _: &mut dyn Slot, _: Option<&Arc<str>>) -> Turn {
        Turn::Linked
    }

    fn output(&mut self) -> Option<&mut dyn Slot> {
        Some(&mut self.0)
    }

    fn cancel(&mut self, _: &TaskError) {}
}

/// Gives the outcome to `work` and leaves nothing: the end of a task whose handle was taken.
pub(crate) struct Consume<T, F> {
    work: Option<F>,
    /// Steps may come after it all the same: they find the task settled only when it has run.
    goes_on: bool,
    _type: PhantomData<fn(T)>,
}

impl<T, F> Consume<T, F>
where
    T: Send + 'static,
    F: FnOnce(Outcome<T>) + Send + 'static,
{
    pub(crate) fn new(work: F) -> Box<Consume<T, F>> {
        Box::new(Consume {
            work: Some(work),
            goes_on: false,
            _type: PhantomData,
        })
    }

    /// For a task that others listen to further.
    pub(crate) fn and_go_on(work: F) -> Box<Consume<T, F>> {
        let mut step = Consume::new(work);
        step.goes_on = true;
        step
    }

    /// Has the step get the outcome of `cell`, whose handle was taken: at once, if it is there.
    pub(crate) fn attach(mut self: Box<Self>, cell: &Arc<dyn Cell>) {
        if cell.idle().load(Ordering::Acquire)
            && let Some(outcome) = take_outcome::<T>(&**cell)
        {
            return self.give(outcome);
        }
        cell::register(cell, self, Role::Closing);
    }

    /// The closure is the crate's own, but it may come to drop values of the user's.
    pub(crate) fn give(&mut self, outcome: Outcome<T>) {
        if let Some(work) = self.work.take()
            && let Err(payload) = guard::catch(|| work(outcome))
        {
            unhandled::report(TaskError::panicked_in_drop(payload));
        }
    }
}

impl<T, F> Step for Consume<T, F>
where
    T: Send + 'static,
    F: FnOnce(Outcome<T>) + Send + 'static,
{
    fn run(&mut self, input: &mut dyn Slot, _: Option<&Arc<str>>) -> Turn {
        if let Some(outcome) = cast::<T>(input).take() {
            self.give(outcome);
        }
        Turn::Passed
    }

    fn cancel(&mut self, error: &TaskError) {
        self.give(Err(error.clone()));
    }

    fn takes_outcome(&self) -> bool {
        !self.goes_on
    }
}
