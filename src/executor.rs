//! `Executor` and `Job`: where continuations run; and the type-erased work that queues carry.

use std::any::Any;
use std::fmt;
use std::panic::Location;

use crate::error::ErrorKind;
use crate::sync::{Arc, Mutex, ThreadId};

/// The result of a run of queued work, for the pool's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunResult {
    /// The closure of a task ran and succeeded.
    Completed,
    /// The closure of a task ran and failed.
    Failed,
    /// The closure ran, but its task had been cancelled before it returned.
    Cancelled,
    /// There was no closure to run: continuations of a settled task, or work that another thread
    /// had claimed.
    Other,
}

/// The task that a piece of work belongs to, for people who look at a pool.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) location: &'static Location<'static>,
    pub(crate) name: Option<Arc<str>>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "task `{name}`, made at {}", self.location),
            None => write!(f, "a task made at {}", self.location),
        }
    }
}

/// A piece of work as queues see it.
pub(crate) trait Runnable: Send + Sync {
    /// Runs the work on this thread, unless it has run.
    fn run(self: Arc<Self>) -> RunResult;

    /// Sends the work to the executor or the pool that it belongs to.
    fn hand_off(self: Arc<Self>);

    /// The same for a thread that will block: work that [`Inline`] would run on this thread goes to
    /// its pool too.
    fn hand_off_to_pool(self: Arc<Self>) {
        self.hand_off();
    }

    /// Settles the tasks of this work, which will never run. False when they are settled already.
    ///
    /// In an open scope of `dispatch` no user code runs: it is put on the list. A call that rejects
    /// several opens a scope, so that each is settled before user code runs.
    fn reject(self: Arc<Self>, kind: ErrorKind, why: &'static str) -> bool;

    /// Notes that this work holds a place in the queue of a pool that has a limit.
    fn take_place(&self) {}

    /// Releases that place when the work leaves the queue. False: it was released before, when the
    /// work was cancelled or run by other means.
    fn give_place_back(&self) -> bool {
        true
    }

    /// A run would find nothing to do: a queue may drop this entry. Called under the lock of that
    /// queue, so it takes no lock of a cell.
    ///
    /// The answer may be outdated, but not for this entry: new work of the same cell is queued as
    /// another entry.
    fn is_spent(&self) -> bool {
        false
    }

    /// The task that it belongs to, if that is known. Called under the lock of a queue, so it takes
    /// no lock of a cell.
    fn origin(&self) -> Option<Origin> {
        None
    }
}

/// A place in the queue of a pool that has a limit, as the task sees it whose job has the place.
pub(crate) trait Place: Send + Sync {
    /// The job is not wanted any more. Runs no user code.
    fn give_back(&self);
}

/// Work that is handed off to executors, perhaps several times.
///
/// Each hand-off has an id. A job runs only if its id is the latest and has not been used, so late
/// and duplicate jobs do nothing.
pub(crate) trait Continuation: Send + Sync {
    /// False when the id was used, or is not the latest.
    fn run_with(self: Arc<Self>, handoff: u32) -> bool;

    fn reject_with(self: Arc<Self>, handoff: u32, kind: ErrorKind, why: &'static str) -> bool;

    /// Records that the job with this hand-off id is in a loop, whose thread `queue` can name.
    fn lies_in(&self, handoff: u32, queue: Arc<dyn Executor>);

    /// Records that the job with this hand-off id has `place`, which a cancel gives back. False: no
    /// run of it is wanted.
    fn note_place(&self, _handoff: u32, _place: Arc<dyn Place>) -> bool {
        true
    }

    /// True if no id assigned so far can run it. Takes no lock of a cell.
    fn is_over(&self) -> bool;

    /// The task that it belongs to. Takes no lock of a cell.
    fn origin(&self) -> Option<Origin>;

    /// A queue of this crate has the job with this id. Returns the answer if it asks.
    fn in_line(self: Arc<Self>, _handoff: u32, _line: Line<'_>) -> bool {
        false
    }
}

/// What a queue says to the continuations whose job it has.
pub(crate) enum Line<'a> {
    /// The job waits: its task waits for this, an `UpstreamRef`.
    Waits(&'a dyn Any),
    /// The job waits no longer.
    Left,
    /// Does its task wait for itself?
    IsStuck,
}

/// Runs the jobs of a chain, on a thread and at a time of its choice.
///
/// Implemented by [`Pool`](crate::Pool), [`Inline`], [`LoopQueue`](crate::LoopQueue), `Arc<E>`, and
/// every `Fn(Job)`. [`Task::on`](crate::Task::on) keeps a clone, so an executor that is not `Clone`
/// goes into an `Arc`: a closure that owns a channel's end, say, or an `Arc<dyn Fn(Job) + Send +
/// Sync>`.
///
/// A thread that runs the jobs of a queue of your own must not wait for a task whose job is in that
/// queue: no other thread would run it. If the executor passes its jobs on to a
/// [`LoopQueue`](crate::LoopQueue), its thread may: the job is run in the wait, as if it had been
/// sent to the loop directly.
///
/// # Examples
///
/// A new thread for each job:
///
/// ```
/// use fast_async::{spawn, Job};
///
/// let thread_per_job = |job: Job| {
///     std::thread::spawn(move || job.run());
/// };
/// let n = spawn(|| 20).on(&thread_per_job).then(|n| n + 1).wait()?;
/// assert_eq!(n, 21);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
///
/// One that is chosen at run time:
///
/// ```
/// use std::sync::Arc;
/// use fast_async::{spawn, Job};
///
/// let executor: Arc<dyn Fn(Job) + Send + Sync> = Arc::new(|job: Job| job.run());
/// let n = spawn(|| 20).on(&executor).then(|n| n + 1).wait()?;
/// assert_eq!(n, 21);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
pub trait Executor: Send + Sync {
    /// Accepts a job, to [run](Job::run) it at once or later, on any thread.
    ///
    /// A job that is dropped, or lost by a panic in here, settles its task as
    /// [`ErrorKind::Rejected`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{spawn, Executor, Job, Pool};
    ///
    /// /// Runs every job on a pool, and logs it.
    /// #[derive(Clone)]
    /// struct Logged(Pool);
    ///
    /// impl Executor for Logged {
    ///     fn execute(&self, job: Job) {
    ///         println!("{} gets a job", self.0.name());
    ///         self.0.execute(job);
    ///     }
    /// }
    ///
    /// let logged = Logged(Pool::new());
    /// assert_eq!(spawn(|| 20).on(&logged).then(|n| n + 1).wait()?, 21);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    fn execute(&self, job: Job);

    /// Returns what a chain keeps of this executor: a clone, unless the executor must be held
    /// weakly.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::{Arc, Weak};
    /// use fast_async::{Executor, Job, Pool};
    ///
    /// /// A pool that chains do not keep alive: their jobs are rejected when it is gone.
    /// #[derive(Clone)]
    /// struct Window(Arc<Pool>);
    ///
    /// impl Executor for Window {
    ///     fn execute(&self, job: Job) {
    ///         self.0.execute(job);
    ///     }
    ///
    ///     fn to_shared(&self) -> Arc<dyn Executor> {
    ///         let pool: Weak<Pool> = Arc::downgrade(&self.0);
    ///         Arc::new(move |job: Job| {
    ///             if let Some(pool) = pool.upgrade() {
    ///                 pool.execute(job);
    ///             }
    ///         })
    ///     }
    /// }
    ///
    /// let window = Window(Arc::new(Pool::new()));
    /// let task = fast_async::spawn(|| 20).on(&window).then(|n| n + 1);
    /// assert_eq!(task.wait()?, 21);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    fn to_shared(&self) -> Arc<dyn Executor>
    where
        Self: Clone + 'static,
    {
        Arc::new(self.clone())
    }

    /// The thread that runs the jobs, if there is one and it is known: no other thread runs a job
    /// for which that thread waits.
    #[doc(hidden)]
    fn turner(&self) -> Option<ThreadId> {
        None
    }

    /// The thread that is likely to be the one to run the jobs, later: that has run them before.
    #[doc(hidden)]
    fn expected_turner(&self) -> Option<ThreadId> {
        None
    }

    /// The thread that must end a job before this executor begins the next one, if it is known.
    #[doc(hidden)]
    fn holder(&self) -> Option<ThreadId> {
        None
    }

    /// Its jobs run on its own threads, not on the threads that submit them.
    #[doc(hidden)]
    fn has_threads(&self) -> bool {
        false
    }
}

impl<F: Fn(Job) + Send + Sync + ?Sized> Executor for F {
    fn execute(&self, job: Job) {
        self(job);
    }
}

/// The continuations of one task, ready to run.
#[must_use = "a job that is dropped fails its task; call `run`"]
pub struct Job(Option<(Arc<dyn Continuation>, u32)>);

impl Job {
    pub(crate) fn new(work: Arc<dyn Continuation>, handoff: u32) -> Job {
        Job(Some((work, handoff)))
    }

    /// Runs the job on the calling thread.
    ///
    /// Does not panic: a panic in user code becomes the failure of its task.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use fast_async::{Job, Task};
    ///
    /// let (send, jobs) = mpsc::channel();
    /// let queue = move |job: Job| send.send(job).unwrap();
    /// let task = Task::ready(20).on(&queue).then(|n| n + 1);
    /// jobs.recv()?.run();
    /// assert_eq!(task.wait()?, 21);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run(mut self) {
        if let Some((work, handoff)) = self.0.take() {
            work.run_with(handoff);
        }
    }

    /// Records that the job is put into a loop: a user's executor may have passed it on, which does
    /// not record it.
    pub(crate) fn lies_in(&self, queue: Arc<dyn Executor>) {
        if let Some((work, handoff)) = &self.0 {
            work.lies_in(*handoff, queue);
        }
    }

    /// Records that the job has `place`, which a cancel gives back. False: a run would find nothing
    /// to do.
    pub(crate) fn note_place(&self, place: Arc<dyn Place>) -> bool {
        let job = self.0.as_ref();
        job.is_some_and(|(work, handoff)| work.note_place(*handoff, place))
    }

    /// A run would find nothing to do. Takes no lock of a cell.
    pub(crate) fn is_spent(&self) -> bool {
        self.0.as_ref().is_none_or(|(work, _)| work.is_over())
    }

    /// The continuations, and the id of the job.
    pub(crate) fn chain(&self) -> Option<(Arc<dyn Continuation>, u32)> {
        self.0.clone()
    }

    /// The job as a pool's queues carry it.
    pub(crate) fn into_work(self) -> Arc<dyn Runnable> {
        Arc::new(QueuedJob(Mutex::new(Some(self))))
    }
}

impl Job {
    /// Rejects the job, as its drop does. The caller drops what is returned when it has rejected
    /// all: it may hold the last reference to values of the user.
    pub(crate) fn reject(mut self) -> Option<Arc<dyn Continuation>> {
        let (work, handoff) = self.0.take()?;
        work.clone()
            .reject_with(handoff, ErrorKind::Rejected, DROPPED);
        Some(work)
    }
}

const DROPPED: &str =
    "the executor dropped the job without running it; an executor must call `Job::run`";

impl Drop for Job {
    fn drop(&mut self) {
        if let Some((work, handoff)) = self.0.take() {
            work.reject_with(handoff, ErrorKind::Rejected, DROPPED);
        }
    }
}

/// A job in a pool's queue.
struct QueuedJob(Mutex<Option<Job>>);

impl QueuedJob {
    fn take(&self) -> Option<Job> {
        self.0.lock().take()
    }
}

impl Runnable for QueuedJob {
    fn run(self: Arc<Self>) -> RunResult {
        if let Some(job) = self.take() {
            job.run();
        }
        RunResult::Other
    }

    fn hand_off(self: Arc<Self>) {
        self.run();
    }

    fn reject(self: Arc<Self>, kind: ErrorKind, why: &'static str) -> bool {
        let job = self.take().and_then(|mut job| job.0.take());
        job.is_some_and(|(work, handoff)| work.reject_with(handoff, kind, why))
    }

    fn is_spent(&self) -> bool {
        // Lock order: a pool's queue -> this. It is held for as long as a `take` lasts.
        self.0.lock().as_ref().is_none_or(Job::is_spent)
    }

    fn origin(&self) -> Option<Origin> {
        let job = self.0.lock();
        job.as_ref()?.0.as_ref()?.0.origin()
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").finish_non_exhaustive()
    }
}

/// The executor that runs a continuation at once: on the thread that settles the task, or, when the
/// task is settled already, inside the call that registers the continuation.
///
/// A task that is settled inside a callback has its continuations run after that callback. If the
/// callback blocks before, in a wait of this crate, they run on the pool instead.
///
/// # Examples
///
/// ```
/// use fast_async::{Inline, Task};
///
/// let here = std::thread::current().id();
/// let ran_on = Task::ready(()).on(&Inline).then(|()| std::thread::current().id());
/// assert_eq!(ran_on.wait()?, here);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Inline;

impl Executor for Inline {
    fn execute(&self, job: Job) {
        job.run();
    }
}

impl<E: Executor + ?Sized> Executor for Arc<E> {
    fn execute(&self, job: Job) {
        (**self).execute(job);
    }

    fn turner(&self) -> Option<ThreadId> {
        (**self).turner()
    }

    fn expected_turner(&self) -> Option<ThreadId> {
        (**self).expected_turner()
    }

    fn holder(&self) -> Option<ThreadId> {
        (**self).holder()
    }

    fn has_threads(&self) -> bool {
        (**self).has_threads()
    }
}
