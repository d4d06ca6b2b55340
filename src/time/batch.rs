//! Calls that wait for one run together.

use super::rule::Moment;
use crate::cell::pieces::each_here;
use crate::error::TaskError;
use crate::promise::Resolver;
use crate::sync::Instant;
use crate::unhandled;

/// Calls that are merged.
pub(super) struct Batch<A, T: Send + 'static> {
    pub(super) argument: A,
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
) -> Option<A> {
    let Some(earlier) = place else {
        *place = Some(batch);
        return None;
    };
    earlier.callers.extend(batch.callers);
    earlier.due = batch.due;
    Some(std::mem::replace(&mut earlier.argument, batch.argument))
}
