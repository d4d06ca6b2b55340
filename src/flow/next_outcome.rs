//! What a reader waits for: the outcome of any element.

use super::control::Collect;
use super::runners::Runners;
use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::Upstream;
use crate::sync::{Arc, ThreadId, Weak};

/// It does not own the runners, which own those who read.
pub(super) struct NextOutcome<U: Send + 'static, C: Collect<U>>(pub(super) Weak<Runners<U, C>>);

impl<U: Send + 'static, C: Collect<U>> Withdraw for NextOutcome<U, C> {
    /// A reader that is cancelled leaves the outcome to the next one.
    fn withdraw(self: Arc<Self>, _ticket: u64, _sweep: &mut Sweep) -> CancelOutcome {
        CancelOutcome::Prevented
    }
}

impl<U: Send + 'static, C: Collect<U>> Upstream for NextOutcome<U, C> {
    /// With one place there is only one element that it may be.
    fn needs_all(&self) -> bool {
        self.0.upgrade().is_none_or(|runners| runners.is_serial())
    }

    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        let Some(runners) = self.0.upgrade() else {
            return;
        };
        if !runners.is_serial() && runners.is_served() {
            found.push(Arc::new(Served));
        }
        runners.above(found);
    }

    fn left_running(&self, found: &mut Vec<ThreadId>) {
        let serial = self.0.upgrade().filter(|runners| runners.is_serial());
        if let Some(runners) = serial {
            runners.left_running(found);
        }
    }
}

/// A closure of an element, which may return, for all that is known.
struct Served;

impl Withdraw for Served {
    fn withdraw(self: Arc<Self>, _ticket: u64, _sweep: &mut Sweep) -> CancelOutcome {
        CancelOutcome::TooLate
    }
}

impl Upstream for Served {
    fn above(&self, _found: &mut Vec<Arc<dyn Upstream>>) {}
}
