//! The present run of a `Debounce` or a `Throttle`, for which every call has to wait: runs do not
//! overlap.

use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::state::Phase;
use crate::cell::{AnyCell, Upstream, with_state};
use crate::sync::{Arc, Mutex, Weak};

/// It does not own the task of the run, whose closure owns the calls.
#[derive(Default)]
pub(super) struct PresentRun(Mutex<Option<Weak<dyn AnyCell>>>);

impl PresentRun {
    /// A run has begun.
    pub(super) fn set(&self, task: Option<&Arc<dyn AnyCell>>) {
        // It may be over already, and the next one under way.
        let is_pending = |task: &&Arc<dyn AnyCell>| {
            with_state(&***task, |state| state.phase() != Phase::Settled)
        };
        if let Some(task) = task.filter(is_pending) {
            *self.0.lock() = Some(Arc::downgrade(task));
        }
    }
}

impl Withdraw for PresentRun {
    /// The others that wait for the run get its outcome.
    fn withdraw(self: Arc<Self>, _ticket: u64, _sweep: &mut Sweep) -> CancelOutcome {
        CancelOutcome::Prevented
    }
}

impl Upstream for PresentRun {
    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        let task = self.0.lock().as_ref().and_then(Weak::upgrade);
        found.extend(task.map(|task| task as Arc<dyn Upstream>));
    }
}
