//! A step that holds another, and does something around its call or at its end.

use crate::cell::AnyCell;
use crate::cell::slot::Slot;
use crate::cell::step::{Flow, Route, Step};
use crate::error::TaskError;
use crate::sync::Arc;

pub(super) struct Wrapped<A> {
    /// Dropped before the step is.
    around: A,
    step: Box<dyn Step>,
}

/// What is done around a step.
pub(super) trait Around: Send {
    /// Calls `f`, which runs the step or cancels it.
    fn call<R>(&mut self, step: &mut dyn Step, f: impl FnOnce(&mut dyn Step) -> R) -> R {
        f(step)
    }
}

impl<A: Around> Wrapped<A> {
    pub(super) fn new(around: A, step: Box<dyn Step>) -> Wrapped<A> {
        Wrapped { around, step }
    }
}

impl<A: Around> Step for Wrapped<A> {
    fn run(&mut self, input: &mut dyn Slot, name: Option<&Arc<str>>) -> Flow {
        let step = &mut *self.step;
        self.around.call(step, |step| step.run(input, name))
    }

    fn output(&mut self) -> Option<&mut dyn Slot> {
        self.step.output()
    }

    fn cancel(&mut self, error: &TaskError) {
        let step = &mut *self.step;
        self.around.call(step, |step| step.cancel(error));
    }

    fn reject(&mut self, error: &TaskError) {
        self.step.reject(error);
    }

    fn route(&mut self) -> Option<Route> {
        self.step.route()
    }

    fn takes_outcome(&self) -> bool {
        self.step.takes_outcome()
    }

    fn forwards_to(&self) -> Option<&Arc<dyn AnyCell>> {
        self.step.forwards_to()
    }
}
