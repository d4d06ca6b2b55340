//! Steps that run in the tracing context of the place where they were registered.

use super::wrapped::{Around, Wrapped};
use crate::cell::step::Step;
use crate::error::TaskError;
use crate::trace::Captured;
use crate::{guard, trace, unhandled};

/// Returns the step, with the tracing context of the caller if a subscriber is installed.
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
    Box::new(Wrapped::new(Traced(Some(context)), step))
}

/// The context, released when the step has run.
struct Traced(Option<Captured>);

impl Around for Traced {
    fn call<R>(&mut self, step: &mut dyn Step, f: impl FnOnce(&mut dyn Step) -> R) -> R {
        let Some(context) = self.0.take() else {
            return f(step);
        };
        let (mut f, mut result) = (Some(f), None);
        let entered = guard::catch(|| {
            context.run(|| result = f.take().map(|f| f(&mut *step)));
        });
        if let Err(payload) = entered {
            unhandled::report(TaskError::panicked_in_drop(payload));
        }
        // A subscriber that panics as the span is entered keeps no closure from running.
        match (result, f) {
            (Some(result), _) => result,
            (None, Some(f)) => f(step),
            (None, None) => unreachable!("a step catches what its closure throws"),
        }
    }
}
