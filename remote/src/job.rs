//! `Job`: what a handler can ask about its own run, and tell.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fast_async::{CancelToken, TaskError, TaskLocal};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The job whose handler runs, for the jobs that it pushes.
static CURRENT: TaskLocal<Arc<Run>> = TaskLocal::inherited();

/// One run of a job: the first argument of a handler.
///
/// A clone is another handle of the same run.
#[derive(Clone)]
pub struct Job {
    run: Arc<Run>,
}

pub(crate) struct Run {
    id: String,
    attempt: u32,
    token: CancelToken,
    progress: Mutex<Option<(u64, u64)>>,
    /// There is a new progress.
    pub(crate) news: Notify,
    /// The handler's closure has returned, with a task.
    has_returned: AtomicBool,
    /// Jobs and calls that it has sent, and that are not settled.
    children: AtomicUsize,
}

impl Run {
    pub(crate) fn new(id: String, attempt: u32) -> Arc<Run> {
        Arc::new(Run {
            id,
            attempt,
            token: CancelToken::new(),
            progress: Mutex::new(None),
            news: Notify::new(),
            has_returned: AtomicBool::new(false),
            children: AtomicUsize::new(0),
        })
    }

    pub(crate) fn job(self: &Arc<Self>) -> Job {
        Job { run: self.clone() }
    }

    /// Calls a handler, which may push jobs.
    pub(crate) fn enter<R>(self: &Arc<Self>, f: impl FnOnce(Job) -> R) -> R {
        let returned = CURRENT.scope(self.clone(), || f(self.job()));
        self.has_returned.store(true, Ordering::Relaxed);
        returned
    }

    pub(crate) fn token(&self) -> &CancelToken {
        &self.token
    }

    pub(crate) fn last_progress(&self) -> Option<(u64, u64)> {
        *self.progress.lock()
    }

    /// Returns true if no thread runs the handler, and it waits for jobs of its own.
    pub(crate) fn only_waits(&self) -> bool {
        self.has_returned.load(Ordering::Relaxed) && self.children.load(Ordering::Relaxed) > 0
    }
}

/// A job or call that another job has sent. Dropped when it is settled.
pub(crate) struct Child {
    parent: Arc<Run>,
}

impl Child {
    /// `None`: no job runs here.
    pub(crate) fn of_current() -> Option<Child> {
        let parent = CURRENT.get()?;
        parent.children.fetch_add(1, Ordering::Relaxed);
        Some(Child { parent })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.parent.children.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Job {
    /// Returns the id that the job was pushed with, or one that was made for it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.run.id
    }

    /// Returns the number of this run; the first is 1. A run that was handed back does not count.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.run.attempt
    }

    /// Returns true once the result is not wanted: the job was cancelled, is out of time, has an
    /// outcome from another run, or is to be handed back because the worker ends.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.run.token.is_cancelled()
    }

    /// Fails once the result is not wanted, for `job.check()?`.
    ///
    /// # Errors
    ///
    /// Returns a failure of kind [`Cancelled`](fast_async::ErrorKind::Cancelled) that says why.
    #[track_caller]
    pub fn check(&self) -> Result<(), TaskError> {
        self.run.token.reason().map_or(Ok(()), Err)
    }

    /// Returns the token that is raised when the result is not wanted, to pass on.
    #[must_use]
    pub fn token(&self) -> &CancelToken {
        &self.run.token
    }

    /// Tells the listeners of the caller's task that `done` of `total` is done.
    ///
    /// Never waits, and may be called as often as one likes: at most twenty a second are sent, and
    /// always the last one, before the outcome.
    pub fn progress(&self, done: u64, total: u64) {
        *self.run.progress.lock() = Some((done, total));
        self.run.news.notify_one();
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id())
            .field("attempt", &self.attempt())
            .field("cancelled", &self.is_cancelled())
            .finish()
    }
}
