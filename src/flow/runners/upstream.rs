//! The runners as what the task of the whole waits for.

use super::super::control::{After, Collect};
use super::{Runners, unwanted};
use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::stopped::driver_is_back;
use crate::cell::{Upstream, UpstreamRef};
use crate::event::{Counts, Emitter, ProgressSource};
use crate::sync::{Arc, ThreadId, Weak};

impl<U: Send + 'static, C: Collect<U>> Withdraw for Runners<U, C> {
    /// The task of the whole is cancelled.
    fn withdraw(self: Arc<Self>, _ticket: u64, sweep: &mut Sweep) -> CancelOutcome {
        let mut after = After::default();
        self.control.lock().decide(None, &mut after);
        self.release_places(after.unqueued);
        let Some((whole, _)) = after.whole else {
            return CancelOutcome::TooLate;
        };
        let runs = match whole.resolver.cell().map(|cell| self.leave(cell)) {
            Some(None) => CancelOutcome::Signalled,
            Some(Some(cell)) => {
                sweep.later(move || driver_is_back(&cell));
                CancelOutcome::Prevented
            }
            None => CancelOutcome::Prevented,
        };
        sweep.unwanted(
            after
                .tasks
                .into_values()
                .map(unwanted)
                .map(UpstreamRef::parts),
        );
        sweep.keep((whole.collect, whole.resolver));
        sweep.keep(after.elements);
        runs
    }
}

impl<U: Send + 'static, C: Collect<U>> ProgressSource for Runners<U, C> {
    fn counts(&self) -> Counts {
        self.control.lock().counts()
    }
}

impl<U: Send + 'static, C: Collect<U>> Upstream for Runners<U, C> {
    fn connect(self: Arc<Self>, emitter: &Arc<Emitter>) {
        let source: Weak<Self> = Arc::downgrade(&self);
        emitter.set_source(source);
        let _ = self.emitter.set(emitter.clone());
    }

    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        // A search takes from the end of `found`.
        for task in self.control.lock().tasks.values().rev() {
            found.push(task.clone());
        }
    }

    fn left_running(&self, found: &mut Vec<ThreadId>) {
        found.extend_from_slice(&self.control.lock().threads);
    }
}
