//! Tasks that settle when the line of a queue is short, and what they wait for.

use std::panic::Location;

use super::core::Queue;
use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::call_off::enlist;
use crate::cell::{Upstream, UpstreamRef};
use crate::promise::deferred_in;
use crate::sync::{Arc, ThreadId, Weak};
use crate::task::{Task, tie};

impl Queue {
    /// A task that settles when the line is that short.
    pub(super) fn watch(
        self: &Arc<Self>,
        below: Option<usize>,
        location: &'static Location<'static>,
    ) -> Task<()> {
        let (resolver, task) = deferred_in(self.pool.as_ref(), location);
        if let Some(cell) = task.cell() {
            let queue = Arc::downgrade(self);
            let to = Arc::new(Watched { queue, below });
            tie(cell, UpstreamRef { to, step_id: 0 });
        }
        let (reached, cancelled) = self.with(|line| line.watch(below, resolver));
        drop(cancelled);
        if let Some(resolver) = reached {
            let _ = resolver.resolve(());
        } else if let Some(cell) = task.cell().filter(|cell| cell.meta().is_under_tokens()) {
            enlist(cell);
        }
        task
    }
}

/// It does not own the queue, which owns those who wait.
pub(super) struct Watched {
    pub(super) queue: Weak<Queue>,
    /// The length that is waited for. `None`: until no job waits or runs.
    pub(super) below: Option<usize>,
}

impl Withdraw for Watched {
    /// The queue forgets the cancelled when others come.
    fn withdraw(self: Arc<Self>, _ticket: u64, _sweep: &mut Sweep) -> CancelOutcome {
        CancelOutcome::Prevented
    }
}

impl Upstream for Watched {
    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        if let Some(queue) = self.queue.upgrade() {
            let cells = queue.with(|line| line.must_end(self.below));
            found.extend(cells.into_iter().map(|cell| cell as Arc<dyn Upstream>));
        }
    }

    fn left_running(&self, found: &mut Vec<ThreadId>) {
        if let Some(queue) = self.queue.upgrade() {
            found.extend(queue.with(|line| line.must_return(self.below)));
        }
    }
}
