//! Steps that run in the tracing context of the place where they were registered.

use crate::cell::AnyCell;
use crate::cell::slot::Slot;
use crate::cell::step::{Flow, Route, Step};
use crate::error::TaskError;
use crate::sync::Arc;
use crate::trace::Captured;
use crate::{guard, trace, unhandled};

/// The step; in the caller's tracing context, when somebody listens.
///
/// The context is entered around the whole step, so that a closure is compiled once, and not a
/// second time for programs that have a subscriber.
#[inline]
pub(super) fn traced(step: Box<dyn Step>) -> Box<dyn Step> {
    match trace::capture() {
        None => step,
        Some(context) => wrap(context, step),
    }
}

#[cold]
fn wrap(context: Captured, step: Box<dyn Step>) -> Box<dyn Step> {
    Box::new(Traced {
        context: Some(context),
        step,
    })
}

struct Traced {
    /// Released when the step has run.
    context: Option<Captured>,
    step: Box<dyn Step>,
}

impl Traced {
    fn within<R>(&mut self, f: impl FnOnce(&mut dyn Step) -> R) -> R {
        let step = &mut *self.step;
        let Some(context) = self.context.take() else {
            return f(step);
        };
        let (mut f, mut result) = (Some(f), None);
        let entered = guard::catch(|| {
            context.run(|| result = f.take().map(|f| f(step)));
        });
        if let Err(payload) = entered {
            unhandled::report(TaskError::panicked_in_drop(payload));
        }
        // A subscriber that panics as the span is entered keeps no closure from running.
        match (result, f) {
            (Some(result), _) => result,
            (None, Some(f)) => f(&mut *self.step),
            (None, None) => unreachable!("a step catches what its closure throws"),
        }
    }
}

impl Step for Traced {
    fn run(&mut self, input: &mut dyn Slot, name: Option<&Arc<str>>) -> Flow {
        self.within(|step| step.run(input, name))
    }

    fn output(&mut self) -> Option<&mut dyn Slot> {
        self.step.output()
    }

    fn cancel(&mut self, error: &TaskError) {
        self.within(|step| step.cancel(error));
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
