//! What a task waits for, as cancels and searches for cycles see it.

use super::AnyCell;
use crate::cancel::Withdraw;
use crate::event::Emitter;
use crate::sync::{Arc, ThreadId};
use crate::timer::Armed;

/// Something that a task waits for.
pub(crate) trait Upstream: Withdraw {
    /// Adds to `found` what this itself waits for.
    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>);

    /// False if one of the upstreams may be enough. A waiting thread then runs none of them,
    /// because it could not return before that one ends.
    fn needs_all(&self) -> bool {
        true
    }

    /// Adds to `found` the threads whose user code this waits for, besides the drivers of its
    /// upstreams. Call it while the result of `above` is held.
    fn left_running(&self, _found: &mut Vec<ThreadId>) {}

    /// The thread that must turn a loop for it. A wait of that thread that turns the loop is no
    /// cycle.
    fn turner(&self) -> Option<ThreadId> {
        None
    }

    /// The only thread that has lent the state with which this is called, and the key of that
    /// state. A wait of that thread that lends the same state is no cycle.
    fn lender(&self) -> Option<(ThreadId, usize)> {
        None
    }

    /// The thread that is likely to be the one to turn that loop, later: that has turned it before.
    fn expected_turner(&self) -> Option<ThreadId> {
        None
    }

    /// A cycle leads through this, which is broken only while one of its upstreams leads elsewhere.
    /// From now on this searches for the cycle each time one of them fails.
    fn mark_at_risk(&self) {}

    /// The cell behind it, if it is one.
    fn cell(self: Arc<Self>) -> Option<Arc<dyn AnyCell>> {
        None
    }

    /// The task that is waited for under a time limit: its closures belong to the one that waits.
    fn limited(&self) -> Option<Arc<dyn AnyCell>> {
        None
    }

    /// The task that waits for this has a listener. What knows how much of it is done tells that by
    /// `emitter` from now on.
    fn connect(self: Arc<Self>, _emitter: &Arc<Emitter>) {}

    /// Only a virtual clock can end it.
    fn is_virtual_time(&self) -> bool {
        false
    }

    /// True if it has an outcome, which is a failure.
    fn has_failed(&self) -> bool {
        false
    }

    /// The timer that it is, if it is nothing else.
    fn timer(&self) -> Option<&Armed> {
        None
    }

    /// True if its value is published and this thread is the one that delivers it.
    fn is_ready(&self) -> bool {
        false
    }
}

/// A task's upstream reference to what it waits for.
#[derive(Clone)]
pub(crate) struct UpstreamRef {
    pub(crate) to: Arc<dyn Upstream>,
    /// The id of the task's step in the list of the upstream, if there is one; else 0.
    pub(crate) step_id: u64,
}

impl UpstreamRef {
    /// Returns the reference in the form that a sweep takes.
    pub(crate) fn parts(self) -> (Arc<dyn Withdraw>, u64) {
        (self.to, self.step_id)
    }
}
