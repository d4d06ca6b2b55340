//! `flush`: its task, and what that waits for.

use std::panic::Location;

use super::flush::Flush;
use super::hub::{Delivery, Hub};
use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::{Upstream, UpstreamRef};
use crate::error::{ErrorKind, TaskError};
use crate::promise::deferred_in;
use crate::sync::{Arc, ThreadId, Weak, thread_id};
use crate::task::{Task, tie};

impl<T: Send + Sync + 'static> Hub<T> {
    /// Returns a task that settles when what was published before has been delivered.
    #[track_caller]
    pub(super) fn flush(self: &Arc<Self>) -> Task<()> {
        let (resolver, task) = deferred_in(self.pool(), Location::caller());
        let flush = Arc::new(Flush::new(resolver));
        let me = thread_id();
        let mut state = self.lock();
        let end = state.next;
        let mut is_inside = state.delivery == Delivery::By(me);
        for buffer in &state.buffers {
            is_inside |= !buffer.mark(end, &flush);
        }
        let is_to_come = state.delivery != Delivery::Idle || !state.queue.is_empty();
        if is_to_come && !is_inside {
            state.flushes.push_back((end, flush.clone()));
        }
        drop(state);
        if is_inside {
            flush.fail(TaskError::noted(
                ErrorKind::Cycle,
                "a subscriber's callback that flushes its own topic waits for its own return",
                None,
            ));
        } else if let Some(cell) = task.cell() {
            let to = Arc::new(Flushing {
                hub: self.clone(),
                flush: Arc::downgrade(&flush),
            });
            tie(cell, UpstreamRef { to, step_id: 0 });
        }
        drop(flush);
        task
    }
}

/// What the task of a flush waits for: it holds the topic until it is settled.
struct Flushing<T> {
    hub: Arc<Hub<T>>,
    /// To be compared only: its drop settles the task.
    flush: Weak<Flush>,
}

impl<T: Send + Sync + 'static> Withdraw for Flushing<T> {
    /// The topic keeps the flush until its time has come.
    fn withdraw(self: Arc<Self>, _step_id: u64, _: &mut Sweep) -> CancelOutcome {
        CancelOutcome::Prevented
    }
}

impl<T: Send + Sync + 'static> Upstream for Flushing<T> {
    /// The rounds of the buffers that have not come so far.
    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        let state = self.hub.lock();
        let marked = state.buffers.iter().filter(|it| it.is_marked(&self.flush));
        found.extend(marked.map(|buffer| buffer.clone() as Arc<dyn Upstream>));
    }

    fn left_running(&self, found: &mut Vec<ThreadId>) {
        let state = self.hub.lock();
        let mut flushes = state.flushes.iter();
        if flushes.any(|(_, it)| Arc::as_ptr(it) == self.flush.as_ptr())
            && let Delivery::By(thread) = state.delivery
        {
            found.push(thread);
        }
    }
}
