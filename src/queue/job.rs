//! The continuations of a chain that was sent to a queue.

use crate::cell::UpstreamRef;
use crate::error::ErrorKind;
use crate::executor::{Continuation, Job, Line, RunResult, Runnable};
use crate::sync::{Arc, Mutex, ThreadId, thread_id};

/// Is told about the jobs of a queue.
pub(super) trait Host: Send + Sync {
    /// The closure of this job begins; `thread` runs it, if it is a chain's.
    fn begin(self: Arc<Self>, number: u64, thread: Option<ThreadId>);

    /// This job has ended, or will never run.
    fn end(self: Arc<Self>, number: u64);
}

/// A job of an [`Executor`](crate::Executor), as a pool carries it.
pub(super) struct QueuedJob {
    host: Arc<dyn Host>,
    number: u64,
    /// The chain, and the id of the job.
    chain: Option<(Arc<dyn Continuation>, u32)>,
    /// Taken by the thread that runs or rejects it. Lock order: the queue's lock -> this.
    job: Mutex<Option<Arc<dyn Runnable>>>,
}

impl QueuedJob {
    pub(super) fn new(host: Arc<dyn Host>, number: u64, job: Job) -> Arc<QueuedJob> {
        Arc::new(QueuedJob {
            host,
            number,
            chain: job.chain(),
            job: Mutex::new(Some(job.into_work())),
        })
    }

    fn take(&self) -> Option<Arc<dyn Runnable>> {
        let job = self.job.lock().take()?;
        self.tell(Line::Left);
        Some(job)
    }

    /// The job waits in a line, as `upstream` says, unless a thread has taken it already.
    pub(super) fn wait(&self, upstream: &UpstreamRef) {
        self.tell(Line::Waits(upstream));
        if self.job.lock().is_none() {
            self.tell(Line::Left);
        }
    }

    /// The chain waits for itself.
    pub(super) fn is_stuck(&self) -> bool {
        self.tell(Line::IsStuck)
    }

    fn tell(&self, line: Line<'_>) -> bool {
        let chain = self.chain.clone();
        chain.is_some_and(|(chain, handoff)| chain.in_line(handoff, line))
    }
}

impl Runnable for QueuedJob {
    fn run(self: Arc<Self>) -> RunResult {
        if let Some(job) = self.take() {
            self.host.clone().begin(self.number, Some(thread_id()));
            job.run();
            self.host.clone().end(self.number);
        }
        RunResult::Other
    }

    fn hand_off(self: Arc<Self>) {
        self.run();
    }

    fn reject(self: Arc<Self>, kind: ErrorKind, why: &'static str) -> bool {
        let Some(job) = self.take() else {
            return false;
        };
        let was_there = job.reject(kind, why);
        self.host.clone().end(self.number);
        was_there
    }

    fn is_spent(&self) -> bool {
        self.job.lock().as_ref().is_none_or(|job| job.is_spent())
    }
}
