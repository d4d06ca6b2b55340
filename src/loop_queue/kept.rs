//! What others hold of a loop's queue.

use super::queue::{LoopQueue, Queue};
use super::turners::Turners;
use crate::executor::{Executor, Job};
use crate::sync::{Arc, ThreadId, Weak};

impl Executor for LoopQueue {
    fn execute(&self, job: Job) {
        // A user's executor passes jobs on to this queue. A wait that only the loop's thread can
        // end must still find that thread.
        job.lies_in(self.to_shared());
        self.0.push(job);
    }

    fn to_shared(&self) -> Arc<dyn Executor> {
        Arc::new(Kept(Arc::downgrade(&self.0), self.0.turners.clone()))
    }

    fn turner(&self) -> Option<ThreadId> {
        self.0.turners.alone()
    }
}

/// A queue, seen by what it may hold.
pub(super) struct WeakQueue(Weak<Queue>);

impl LoopQueue {
    pub(super) fn downgrade(&self) -> WeakQueue {
        WeakQueue(Arc::downgrade(&self.0))
    }
}

impl WeakQueue {
    /// Wakes the loop.
    pub(super) fn ring(&self) {
        if let Some(queue) = self.0.upgrade() {
            queue.ring(|_| ());
        }
    }
}

/// What chains hold of a queue. Not the queue itself: jobs in it would keep it alive, and so
/// themselves, without end.
struct Kept(Weak<Queue>, Arc<Turners>);

impl Executor for Kept {
    fn execute(&self, job: Job) {
        // If the queue is dropped, the job is dropped here, which rejects its task.
        if let Some(queue) = self.0.upgrade() {
            queue.push(job);
        }
    }

    fn turner(&self) -> Option<ThreadId> {
        self.1.alone().filter(|_| self.0.strong_count() > 0)
    }

    fn expected_turner(&self) -> Option<ThreadId> {
        (self.0.strong_count() > 0).then(|| self.1.expected())
    }
}
