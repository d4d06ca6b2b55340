//! `TaskQueue`, the handle: the operations on a queue.

use std::fmt;
use std::panic::Location;

use super::core::{Queue, ZERO_LIMIT};
use crate::error::ErrorKind;
use crate::executor::{Executor, Job};
use crate::pool::ConfigError;
use crate::sync::{Arc, ThreadId};
use crate::task::Task;
use crate::{dispatch, drop_queue};

/// Starts jobs in their order, a limited number at a time; see [`queue`](crate::queue).
///
/// A clone is another handle of the same queue. Accepted jobs run after the last handle is dropped;
/// jobs of a queue that is paused then fail as [`Abandoned`](ErrorKind::Abandoned), because no
/// handle can resume it.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use fast_async::{TaskQueue, all};
///
/// let port = TaskQueue::serial(); // only one may use it at a time
/// let sent = Arc::new(Mutex::new(Vec::new()));
/// let jobs = ["a", "b", "c"].map(|text| {
///     let sent = sent.clone();
///     port.spawn(move || sent.lock().unwrap().push(text))
/// });
/// all(jobs).wait()?;
/// assert_eq!(*sent.lock().unwrap(), ["a", "b", "c"]);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[derive(Clone)]
pub struct TaskQueue {
    pub(super) priority: i32,
    handle: Arc<Handle>,
}

/// Releases the queue with the last handle that could resume it. Jobs hold the queue itself.
struct Handle(Arc<Queue>);

impl Drop for Handle {
    fn drop(&mut self) {
        let queue = self.0.clone();
        if !queue.with(|line| line.is_paused()) {
            return;
        }
        drop_queue::flat(move || {
            // Chains may still be sent to the queue.
            dispatch::scope_of_many(|| {
                queue.reject_waiting(
                    ErrorKind::Abandoned,
                    "its queue was paused when the last handle of that was dropped",
                );
                queue.with(|line| line.set_paused(false));
                queue.act();
            });
        });
    }
}

impl TaskQueue {
    pub(super) fn new(queue: Arc<Queue>, priority: i32) -> TaskQueue {
        TaskQueue {
            priority,
            handle: Arc::new(Handle(queue)),
        }
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.handle.0
    }

    /// Returns a queue that runs one job at a time, in the order of the calls.
    ///
    /// For a resource that only one may touch at a time. A job has ended when its closure has
    /// returned, and, if that returned a task, when that task is settled: including all its waits,
    /// of every kind.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{TaskQueue, spawn};
    ///
    /// let account = TaskQueue::serial();
    /// let order = account.attempt(|| spawn(|| 1).then(|n| n + 1)); // the next job waits for both
    /// let next = account.spawn(|| 3);
    /// assert_eq!((order.wait()?, next.wait()?), (2, 3));
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn serial() -> TaskQueue {
        TaskQueue::new(Queue::new(None, 1, None), 0)
    }

    /// Returns a handle of this queue whose jobs have this priority.
    ///
    /// Of the jobs that wait, the one with the greatest priority is next, and of equal ones the one
    /// that came first. Jobs that run are not interrupted.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{TaskQueue, all};
    /// use std::sync::mpsc;
    ///
    /// let queue = TaskQueue::builder().limit(1).paused().build()?;
    /// let (tell, told) = mpsc::channel();
    /// let other = tell.clone();
    /// let low = queue.spawn(move || tell.send("low").unwrap());
    /// let high = queue.at(1).spawn(move || other.send("high").unwrap());
    /// queue.resume();
    /// all([low, high]).wait()?;
    /// assert_eq!(told.iter().collect::<Vec<_>>(), ["high", "low"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at(&self, priority: i32) -> TaskQueue {
        TaskQueue {
            priority,
            handle: self.handle.clone(),
        }
    }

    /// Sets how many jobs run at once at most, from now on.
    ///
    /// Raised, it starts jobs that wait at once. Lowered, it stops none that runs: none starts
    /// until enough have ended.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for 0; nothing has changed then. [`pause`](TaskQueue::pause) starts
    /// no more jobs.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = fast_async::TaskQueue::serial();
    /// queue.set_limit(2)?;
    /// assert!(queue.set_limit(0).is_err());
    /// assert_eq!(queue.limit(), 2);
    /// # Ok::<(), fast_async::pool::ConfigError>(())
    /// ```
    pub fn set_limit(&self, jobs: usize) -> Result<(), ConfigError> {
        if jobs == 0 {
            return Err(ZERO_LIMIT);
        }
        self.queue().with(|line| line.set_limit(jobs));
        self.queue().act();
        Ok(())
    }

    /// Returns how many jobs run at once at most; `usize::MAX` without a limit.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(fast_async::TaskQueue::serial().limit(), 1);
    /// ```
    pub fn limit(&self) -> usize {
        self.queue().with(|line| line.limit())
    }

    /// Starts no job until [`resume`](TaskQueue::resume). Running jobs continue.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = fast_async::TaskQueue::serial();
    /// queue.pause();
    /// let task = queue.spawn(|| 1);
    /// assert_eq!(queue.pending(), 1);
    /// queue.resume();
    /// assert_eq!(task.wait()?, 1);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn pause(&self) {
        self.queue().with(|line| line.set_paused(true));
        self.queue().act();
    }

    /// Starts jobs again after [`pause`](TaskQueue::pause).
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = fast_async::TaskQueue::serial();
    /// queue.pause();
    /// assert!(queue.is_paused());
    /// queue.resume();
    /// assert!(!queue.is_paused());
    /// ```
    pub fn resume(&self) {
        self.queue().with(|line| line.set_paused(false));
        self.queue().act();
    }

    /// Returns true between [`pause`](TaskQueue::pause) and [`resume`](TaskQueue::resume).
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!fast_async::TaskQueue::serial().is_paused());
    /// ```
    pub fn is_paused(&self) -> bool {
        self.queue().with(|line| line.is_paused())
    }

    /// Cancels the waiting jobs, and returns their number. Running jobs continue.
    ///
    /// First all of their tasks fail, as [`Cancelled`](ErrorKind::Cancelled). Then this thread
    /// drops their closures and runs what is chained on them: it may wait for any of the others.
    /// Inside a callback that comes after the callback has returned, as for [`CancelToken`].
    ///
    /// [`CancelToken`]: crate::CancelToken
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = fast_async::TaskQueue::serial();
    /// queue.pause();
    /// let task = queue.spawn(|| 1);
    /// assert_eq!(queue.clear(), 1);
    /// assert!(task.wait().unwrap_err().is_cancelled());
    /// ```
    pub fn clear(&self) -> usize {
        self.queue()
            .reject_waiting(ErrorKind::Cancelled, "its queue was cleared")
    }

    /// Returns how many jobs wait.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(fast_async::TaskQueue::serial().pending(), 0);
    /// ```
    pub fn pending(&self) -> usize {
        self.queue().with(|line| line.waiting())
    }

    /// Returns how many jobs have a place: they run, or are queued in the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = fast_async::TaskQueue::serial();
    /// assert_eq!(queue.running(), 0);
    /// ```
    pub fn running(&self) -> usize {
        self.queue().with(|line| line.running())
    }

    /// Returns a task that settles when no job waits or runs.
    ///
    /// At once, if that is true now. Each call returns a new task; any number may wait.
    ///
    /// # Errors
    ///
    /// The task does not fail by itself.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = fast_async::TaskQueue::serial();
    /// for n in 0..3 {
    ///     queue.spawn(move || println!("{n}")).detach();
    /// }
    /// queue.when_idle().wait()?;
    /// assert_eq!((queue.pending(), queue.running()), (0, 0));
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn when_idle(&self) -> Task<()> {
        self.queue().watch(None, Location::caller())
    }

    /// Returns a task that settles when fewer than `jobs` wait: what a producer waits for, so that
    /// the queue does not grow.
    ///
    /// At once, if that is true now. Each event that shortens the line may end the wait: a start, a
    /// cancel, [`clear`](TaskQueue::clear), a greater limit, the time of a rate.
    ///
    /// # Errors
    ///
    /// For 0 the task fails as [`Rejected`](ErrorKind::Rejected).
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = fast_async::TaskQueue::serial();
    /// for n in 0..100 {
    ///     queue.when_below(10).wait()?;
    ///     queue.spawn(move || n * 2).detach();
    /// }
    /// assert!(queue.pending() <= 10);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn when_below(&self, jobs: usize) -> Task<()> {
        if jobs == 0 {
            let what_to_do =
                "a queue never has fewer than 0 jobs: write `when_below(1)` for an empty line";
            return Task::rejected(Some(self.queue().pool()), Location::caller(), what_to_do);
        }
        self.queue().watch(Some(jobs), Location::caller())
    }
}

/// Runs the continuations of chains as jobs of the queue.
///
/// Each time the chain reaches the queue it is one job, which waits like others.
///
/// # Examples
///
/// ```
/// use fast_async::{TaskQueue, spawn};
///
/// let port = TaskQueue::serial();
/// let task = spawn(|| "text").on(&port).then(|text| text.len()); // holds the port while it runs
/// assert_eq!(task.wait()?, 4);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
impl Executor for TaskQueue {
    fn execute(&self, job: Job) {
        self.queue().execute(self.priority, job);
    }

    fn to_shared(&self) -> Arc<dyn Executor> {
        Arc::new(Kept {
            priority: self.priority,
            queue: self.queue().clone(),
        })
    }
}

/// What chains hold of a queue: not a handle, because their jobs may wait in it.
struct Kept {
    priority: i32,
    queue: Arc<Queue>,
}

impl Executor for Kept {
    fn execute(&self, job: Job) {
        self.queue.execute(self.priority, job);
    }

    fn holder(&self) -> Option<ThreadId> {
        self.queue.with(|line| line.holder())
    }
}

impl fmt::Debug for TaskQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TaskQueue");
        self.queue().with(|line| {
            out.field("limit", &line.limit())
                .field("pending", &line.waiting())
                .field("running", &line.running())
                .field("is_paused", &line.is_paused());
        });
        out.finish()
    }
}
