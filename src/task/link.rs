//! The steps that the methods of `Task` put on a task's subscriber list.

use std::any::{Any, TypeId};
use std::marker::PhantomData;
use std::panic::Location;

use super::take_outcome;
use crate::cell::slot::{Outcome, Slot, cast, take};
use crate::cell::state::Role;
use crate::cell::step::{Flow, Route, Step};
use crate::cell::task_cell::Returned;
use crate::cell::{self, AnyCell};
use crate::error::{At, TaskError};
use crate::sync::{Arc, Ordering};
use crate::{guard, turning, unhandled};

/// Returns the step that turns an outcome into another by `work`, which was registered at
/// `location`.
pub(crate) fn link<T, U, F>(location: &'static Location<'static>, work: F) -> Box<dyn Step>
where
    T: Send + 'static,
    U: Send + 'static,
    F: FnOnce(Outcome<T>, &At<'_>) -> Returned<U> + Send + 'static,
{
    if TypeId::of::<T>() == TypeId::of::<U>() {
        Box::new(InPlace::<T, U, F> {
            work: Some(work),
            location,
            _type: PhantomData,
        })
    } else {
        Box::new(Link::<T, U, F> {
            work: Work::Waiting(work),
            location,
            _type: PhantomData,
        })
    }
}

/// Turns an outcome into one of another type, which it keeps.
struct Link<T, U, F> {
    work: Work<U, F>,
    location: &'static Location<'static>,
    _type: PhantomData<fn(T)>,
}

/// A closure; after it has run, its outcome.
enum Work<U, F> {
    Waiting(F),
    /// `None` while a task is followed for the outcome, and when it was taken.
    Done(Option<Outcome<U>>),
}

impl<U, F> Work<U, F> {
    fn take(&mut self) -> Option<F> {
        match std::mem::replace(self, Work::Done(None)) {
            Work::Waiting(work) => Some(work),
            Work::Done(_) => None,
        }
    }
}

impl<T, U, F> Step for Link<T, U, F>
where
    T: Send + 'static,
    U: Send + 'static,
    F: FnOnce(Outcome<T>, &At<'_>) -> Returned<U> + Send,
{
    fn run(&mut self, input: &mut dyn Slot, name: Option<&Arc<str>>) -> Flow {
        let mut work = self.work.take();
        if work.is_none() {
            return Flow::Linked;
        }
        let at = At {
            location: self.location,
            task: name,
        };
        let mut outcome = None;
        let turn = change(input, &mut outcome, at, &mut |input, at| {
            work.take().map(|work| work(input, at))
        });
        self.work = Work::Done(outcome);
        turn
    }

    fn output(&mut self) -> Option<&mut dyn Slot> {
        match &mut self.work {
            Work::Done(outcome) => Some(outcome),
            Work::Waiting(_) => None,
        }
    }

    fn cancel(&mut self, _: &TaskError) {
        unhandled::discard_by(&mut || self.work = Work::Done(None));
    }
}

/// Turns an outcome into another of the same type, which overwrites it.
pub(super) struct InPlace<T, U, F> {
    pub(super) work: Option<F>,
    pub(super) location: &'static Location<'static>,
    pub(super) _type: PhantomData<fn(T) -> U>,
}

impl<T, U, F> Step for InPlace<T, U, F>
where
    T: Send + 'static,
    U: Send + 'static,
    F: FnOnce(Outcome<T>, &At<'_>) -> Returned<U> + Send,
{
    fn run(&mut self, place: &mut dyn Slot, name: Option<&Arc<str>>) -> Flow {
        let Some(work) = self.work.take() else {
            return Flow::Passed;
        };
        let at = At {
            location: self.location,
            task: name,
        };
        let place = cast::<T>(place);
        let input = match place.take() {
            Some(input) => input,
            None => Err(TaskError::taken(Some(at))),
        };
        let mut outcome = match guard::catch(|| work(input, &at)) {
            Ok(Returned::Outcome(outcome)) => Some(outcome),
            Ok(Returned::Task(follow)) => return Flow::Follow(follow),
            Err(payload) => Some(Err(TaskError::panicked(payload, at))),
        };
        // `T` and `U` are the same: the compiler sees that too, but not in its types.
        *place = cast::<T>(&mut outcome).take();
        Flow::Passed
    }

    fn cancel(&mut self, _: &TaskError) {
        unhandled::discard_by(&mut || self.work = None);
    }
}

// A closure is called behind a `dyn`, and returns `None` when it has been called before. So the
// functions below are compiled for each pair of types, and not for each call site. A link in place,
// the common one, calls its closure itself: that takes 50 instructions less, and no more code.

type Call<'a, T, U> = &'a mut dyn FnMut(Outcome<T>, &At<'_>) -> Option<Returned<U>>;

/// Takes an outcome and stores in `output` what `work` returns for it.
fn change<T: Send + 'static, U: Send + 'static>(
    input: &mut dyn Slot,
    output: &mut Option<Outcome<U>>,
    at: At<'_>,
    work: Call<'_, T, U>,
) -> Flow {
    let input = take::<T>(input, Some(at));
    match guard::catch(|| work(input, &at)) {
        Ok(Some(Returned::Outcome(outcome))) => *output = Some(outcome),
        Ok(Some(Returned::Task(follow))) => return Flow::Follow(follow),
        Ok(None) => {}
        Err(payload) => *output = Some(Err(TaskError::panicked(payload, at))),
    }
    Flow::Linked
}

/// Borrows the outcome.
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
    fn run(&mut self, input: &mut dyn Slot, name: Option<&Arc<str>>) -> Flow {
        let at = At {
            location: self.location,
            task: name,
        };
        let mut work = self.work.take();
        look(input, at, &mut |outcome| {
            if let Some(work) = work.take() {
                work(outcome);
            }
        });
        Flow::Observed
    }

    fn cancel(&mut self, error: &TaskError) {
        if let Some(work) = self.work.take() {
            observe(self.location, None, || work(Err(error)));
        }
    }
}

/// Lends the outcome to an observer.
fn look<T: Send + 'static>(
    outcome: &mut dyn Slot,
    at: At<'_>,
    work: &mut dyn FnMut(Result<&T, &TaskError>),
) {
    match cast::<T>(outcome) {
        Some(outcome) => observe(at.location, at.task, || work(outcome.as_ref())),
        None => observe(at.location, at.task, || {
            work(Err(&TaskError::taken(Some(at))))
        }),
    }
}

/// Calls an observer. Its panic fails no task, so it is reported (Contract: D4).
pub(crate) fn observe(
    location: &'static Location<'static>,
    task: Option<&Arc<str>>,
    work: impl FnOnce(),
) {
    let mut work = Some(work);
    observe_once(location, task, &mut || {
        if let Some(work) = work.take() {
            work();
        }
    });
}

fn observe_once(
    location: &'static Location<'static>,
    task: Option<&Arc<str>>,
    work: &mut dyn FnMut(),
) {
    if let Err(payload) = guard::catch(work) {
        unhandled::report(TaskError::panicked(payload, At { location, task }));
    }
}

/// Sends the rest of the chain elsewhere.
pub(crate) struct Hop(pub(crate) Route);

impl Step for Hop {
    fn run(&mut self, _: &mut dyn Slot, _: Option<&Arc<str>>) -> Flow {
        Flow::Hop(std::mem::take(&mut self.0))
    }

    fn cancel(&mut self, _: &TaskError) {}

    fn route(&mut self) -> Option<Route> {
        Some(std::mem::take(&mut self.0))
    }

    fn is_hop(&self) -> bool {
        matches!(self.0, Route::Executor(_))
    }
}

/// Holds an outcome that no link made, for the owner of the handle.
pub(crate) struct HeldOutcome<T>(Option<Outcome<T>>);

/// Makes a step that holds `error` as an outcome of type `T`. `None`: `head` can hold it itself.
pub(crate) fn held_outcome<T>(error: &TaskError, head: &dyn Slot) -> Option<Box<dyn Step>>
where
    T: Send + 'static,
{
    let head: &dyn Any = head;
    if head.is::<Option<Outcome<T>>>() {
        return None;
    }
    Some(Box::new(HeldOutcome::<T>(Some(Err(error.clone())))))
}

impl<T: Send + 'static> Step for HeldOutcome<T> {
    fn run(&mut self, _: &mut dyn Slot, _: Option<&Arc<str>>) -> Flow {
        Flow::Linked
    }

    fn output(&mut self) -> Option<&mut dyn Slot> {
        Some(&mut self.0)
    }

    fn cancel(&mut self, _: &TaskError) {}
}

/// Passes the outcome to `work` and leaves none: the last step of a task whose handle was taken.
pub(crate) struct Sink<T, F> {
    work: Option<F>,
    /// Steps may be registered behind it: they find the task settled only after it has run.
    keeps_listeners: bool,
    _type: PhantomData<fn(T)>,
}

impl<T, F> Sink<T, F>
where
    T: Send + 'static,
    F: FnOnce(Outcome<T>) + Send + 'static,
{
    pub(crate) fn new(work: F) -> Box<Sink<T, F>> {
        Box::new(Sink {
            work: Some(work),
            keeps_listeners: false,
            _type: PhantomData,
        })
    }

    /// For a task that gets further observers.
    pub(crate) fn keep_listeners(work: F) -> Box<Sink<T, F>> {
        let mut step = Sink::new(work);
        step.keeps_listeners = true;
        step
    }

    /// Registers the step on `cell`, whose handle was taken. If the task is settled, passes the
    /// outcome at once.
    pub(crate) fn attach(mut self: Box<Self>, cell: &Arc<dyn AnyCell>) {
        if cell.settled_flag().load(Ordering::Acquire)
            && let Some(outcome) = take_outcome::<T>(&**cell)
        {
            return self.give(outcome);
        }
        cell::register(cell, self, Role::Closing);
        // Who waits for the owner of this step waits for `cell` too now, which may have been sent
        // to a loop of that thread.
        turning::unpark();
    }

    /// The closure is the crate's own, but it may drop user values.
    pub(crate) fn give(&mut self, outcome: Outcome<T>) {
        if let Some(work) = self.work.take()
            && let Err(payload) = guard::catch(|| work(outcome))
        {
            unhandled::report(TaskError::panicked_in_drop(payload));
        }
    }
}

impl<T, F> Step for Sink<T, F>
where
    T: Send + 'static,
    F: FnOnce(Outcome<T>) + Send + 'static,
{
    fn run(&mut self, input: &mut dyn Slot, _: Option<&Arc<str>>) -> Flow {
        self.give(take::<T>(input, None));
        Flow::Passed
    }

    fn cancel(&mut self, error: &TaskError) {
        self.give(Err(error.clone()));
    }

    fn takes_outcome(&self) -> bool {
        !self.keeps_listeners
    }
}
