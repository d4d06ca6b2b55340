//! The executor of listeners: a pool, before the jobs that wait there.
//!
//! What tells a user how a thousand jobs are getting on must not wait for them.

use crate::error::ErrorKind;
use crate::executor::{Executor, Job, RunResult, Runnable};
use crate::pool::Pool;
use crate::sync::{Arc, Mutex};

pub(super) struct Prompt(Pool);

impl Prompt {
    /// `None`: on the global pool.
    pub(super) fn on(pool: Option<&Pool>) -> Arc<dyn Executor> {
        let pool = pool.unwrap_or_else(|| Pool::global());
        Arc::new(Prompt(pool.clone()))
    }
}

impl Executor for Prompt {
    fn execute(&self, job: Job) {
        let call = Arc::new(Call(Mutex::new(Some(job.into_work()))));
        if let Err(rejected) = self.0.submit_first(call) {
            rejected.settle();
        }
    }

    fn has_threads(&self) -> bool {
        true
    }
}

/// The calls of a listener. They outlive their pool, as continuations do.
struct Call(Mutex<Option<Arc<dyn Runnable>>>);

impl Call {
    fn take(&self) -> Option<Arc<dyn Runnable>> {
        self.0.lock().take()
    }
}

impl Runnable for Call {
    fn run(self: Arc<Self>) -> RunResult {
        match self.take() {
            Some(work) => work.run(),
            None => RunResult::Other,
        }
    }

    fn hand_off(self: Arc<Self>) {
        self.run();
    }

    /// The pool is shut down: the global one, which never closes, makes them. If it has no thread
    /// either, they are made here.
    fn reject(self: Arc<Self>, _: ErrorKind, _: &'static str) -> bool {
        if let Some(work) = self.take()
            && let Err(rejected) = Pool::global().submit_first(work)
        {
            rejected.work.run();
        }
        false
    }
}
