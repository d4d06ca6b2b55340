//! Calls that wait for one run together.

use super::rule::Moment;
use crate::cell::pieces::each_here;
use crate::cell::slot::Outcome;
use crate::error::TaskError;
use crate::promise::Resolver;
use crate::sync::{Arc, Instant};
use crate::trace::Captured;
use crate::{guard, unhandled};

/// The argument of a call, and the context of its caller: the closure finds it with the argument.
pub(super) struct Argument<A> {
    pub(super) value: A,
    pub(super) context: Option<Captured>,
}

/// Calls that are merged.
pub(super) struct Batch<A, T: Send + 'static> {
    pub(super) argument: Argument<A>,
    pub(super) callers: Vec<Resolver<T>>,
    /// When the first of them came.
    pub(super) since: Instant,
    /// When it is due at the latest.
    pub(super) due: Moment,
}

impl<A, T: Send + 'static> Batch<A, T> {
    /// Fails the calls. No lock is held.
    pub(super) fn fail(self, error: &TaskError) {
        let callers = self.callers.into_iter();
        let callers: Vec<_> = callers.map(|caller| (caller, error.clone())).collect();
        // What follows one of them may wait for another.
        each_here(callers, |(caller, error)| drop(caller.settle(Err(error))));
        unhandled::drop_reporting(self.argument);
    }
}

/// Adds calls to the present ones. The later argument stays, the earlier one is returned.
pub(super) fn merge<A, T: Send + 'static>(
    place: &mut Option<Batch<A, T>>,
    batch: Batch<A, T>,
) -> Option<Argument<A>> {
    let Some(earlier) = place else {
        *place = Some(batch);
        return None;
    };
    earlier.callers.extend(batch.callers);
    earlier.due = batch.due;
    Some(std::mem::replace(&mut earlier.argument, batch.argument))
}

/// Settles all calls of a run.
pub(super) fn settle_all<T>(callers: Vec<Resolver<T>>, outcome: Arc<Outcome<T>>)
where
    T: Clone + Send + Sync + 'static,
{
    let callers = callers.into_iter();
    let callers: Vec<_> = callers.map(|caller| (caller, outcome.clone())).collect();
    unhandled::drop_reporting(outcome);
    // What follows one of them may wait for another. The last one gets the outcome itself.
    each_here(callers, |(caller, outcome)| {
        match Arc::try_unwrap(outcome) {
            Ok(outcome) => unhandled::drop_reporting(caller.settle(outcome)),
            Err(outcome) => {
                settle_with(caller, &outcome);
                unhandled::drop_reporting(outcome);
            }
        }
    });
}

/// Settles one of several calls. A clone of the value may panic.
pub(super) fn settle_with<T: Clone + Send + 'static>(caller: Resolver<T>, outcome: &Outcome<T>) {
    let outcome = match guard::catch(|| outcome.clone()) {
        Ok(outcome) => outcome,
        Err(payload) => Err(TaskError::panicked_in_drop(payload)),
    };
    unhandled::drop_reporting(caller.settle(outcome));
}
