//! An executor for a thread that has a loop of its own: a window, a game, a test.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};

use crate::error::TaskError;
use crate::executor::{Executor, Job};
use crate::sync::{
    Arc, Condvar, Duration, Instant, Mutex, Receiver, Sender, Weak, deadline_after, unbounded,
    wait_until,
};
use crate::task::Task;
use crate::{dispatch, pool};

/// A queue of jobs that the owner of a loop runs when it suits: the way to have continuations run
/// on a window's or game's own thread.
///
/// Send a chain through it with [`Task::on`], and call [`run_pending`](LoopQueue::run_pending) once
/// per turn of the loop. Cloning gives another handle of the same queue. Jobs run in the order in
/// which they arrived.
///
/// Jobs that are still queued when the last handle goes settle their tasks as
/// [`ErrorKind::Rejected`](crate::ErrorKind::Rejected).
///
/// # Examples
///
/// ```
/// use fast_async::{spawn, LoopQueue};
///
/// let main_loop = LoopQueue::new();
/// let here = std::thread::current().id();
/// let task = spawn(|| 21)
///     .on(&main_loop)
///     .then(move |n| (n * 2, std::thread::current().id() == here));
/// // A window would call `main_loop.run_pending()` once per frame.
/// assert_eq!(main_loop.run_until(task)?, (42, true));
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[derive(Clone)]
pub struct LoopQueue(Arc<Queue>);

struct Queue {
    sender: Sender<Job>,
    jobs: Receiver<Job>,
    /// Counts arrivals, so that a loop with nothing to do can sleep; changed after the job is in
    /// the channel.
    arrivals: Mutex<u64>,
    arrived: Condvar,
    /// Called after each arrival; wakes an event loop that sleeps elsewhere.
    notify: Option<Box<dyn Fn() + Send + Sync>>,
}

impl LoopQueue {
    /// An empty queue.
    pub fn new() -> LoopQueue {
        LoopQueue::build(None)
    }

    /// An empty queue that calls `notify` whenever a job arrives, on the thread that brings it:
    /// post an event to the window there.
    ///
    /// It is also called when the task that [`run_until`](LoopQueue::run_until) waits for is
    /// settled.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{spawn, LoopQueue};
    ///
    /// let (wake, events) = std::sync::mpsc::channel();
    /// let queue = LoopQueue::with_notify(move || {
    ///     let _ = wake.send(());
    /// });
    /// let task = spawn(|| 21).on(&queue).then(|n| n * 2);
    /// events.recv()?; // where the loop sleeps
    /// queue.run_pending();
    /// assert_eq!(task.wait()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_notify(notify: impl Fn() + Send + Sync + 'static) -> LoopQueue {
        LoopQueue::build(Some(Box::new(notify)))
    }

    fn build(notify: Option<Box<dyn Fn() + Send + Sync>>) -> LoopQueue {
        let (sender, jobs) = unbounded();
        LoopQueue(Arc::new(Queue {
            sender,
            jobs,
            arrivals: Mutex::new(0),
            arrived: Condvar::new(),
            notify,
        }))
    }

    /// Runs the jobs that are queued now, on this thread, and says how many; jobs that arrive
    /// meanwhile wait for the next call.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{LoopQueue, Task};
    ///
    /// let queue = LoopQueue::new();
    /// let task = Task::ready(21).on(&queue).then(|n| n * 2);
    /// assert_eq!(queue.run_pending(), 1);
    /// assert_eq!(task.wait()?, 42);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn run_pending(&self) -> usize {
        let waiting = self.0.jobs.len();
        (0..waiting).take_while(|_| self.run_one()).count()
    }

    /// Runs jobs on this thread until `task` is settled, and gives its outcome; sleeps while there
    /// is nothing to run.
    ///
    /// May be called inside tasks and continuations too, as [`Task::wait`] may.
    ///
    /// # Errors
    ///
    /// The failure of `task`.
    pub fn run_until<T: Send + 'static>(&self, task: Task<T>) -> Result<T, TaskError> {
        let mut task = pin!(task);
        let waker = Waker::from(self.0.clone());
        let mut context = Context::from_waker(&waker);
        loop {
            let seen = *self.0.arrivals.lock();
            // A turn of the loop at a time: jobs may queue themselves again for ever. What arrives
            // meanwhile has counted up.
            self.run_pending();
            if let Poll::Ready(outcome) = task.as_mut().poll(&mut context) {
                return outcome;
            }
            // Inside a callback, what this thread has settled waits for the callback's end, and the
            // loop may be waiting for that (Contract: W1).
            if dispatch::run_one() {
                continue;
            }
            self.sleep(None, |arrivals| arrivals != seen);
        }
    }

    /// Sleeps until a job is queued or `timeout` is over; true when there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{spawn, LoopQueue};
    ///
    /// let queue = LoopQueue::new();
    /// let task = spawn(|| 21).on(&queue).then(|n| n * 2);
    /// while !task.is_settled() {
    ///     if queue.wait_pending(Duration::from_millis(16)) {
    ///         queue.run_pending();
    ///     }
    ///     // Draw the next frame.
    /// }
    /// assert_eq!(task.wait()?, 42);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn wait_pending(&self, timeout: Duration) -> bool {
        let deadline = deadline_after(timeout);
        let is_queued = || !self.0.jobs.is_empty();
        while !is_queued() && dispatch::run_one() {}
        if is_queued() {
            return true;
        }
        self.sleep(deadline, |_| is_queued())
    }

    /// Sleeps until the number of arrivals says that there is something to wake for; false when
    /// the deadline came first.
    fn sleep(&self, deadline: Option<Instant>, wakes: impl Fn(u64) -> bool) -> bool {
        pool::blocking(|place| {
            loop {
                // Before the lock is taken: it may come to start a thread.
                let slice = place.keep_manned().and_then(deadline_after);
                let mut arrivals = self.0.arrivals.lock();
                if !wakes(*arrivals) {
                    let until = deadline.into_iter().chain(slice).min();
                    wait_until(&self.0.arrived, &mut arrivals, until);
                }
                if wakes(*arrivals) {
                    return true;
                }
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return false;
                }
            }
        })
    }

    fn run_one(&self) -> bool {
        self.0.jobs.try_recv().map(Job::run).is_ok()
    }
}

impl Queue {
    fn ring(&self) {
        *self.arrivals.lock() += 1;
        self.arrived.notify_all();
        if let Some(notify) = &self.notify {
            notify();
        }
    }
}

/// Rings when the task that `run_until` waits for is settled elsewhere.
impl Wake for Queue {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

impl Executor for LoopQueue {
    fn execute(&self, job: Job) {
        // The queue holds both ends of its channel, so the send cannot fail.
        let _ = self.0.sender.send(job);
        self.0.ring();
    }

    fn keep(&self) -> Arc<dyn Executor> {
        Arc::new(Kept(Arc::downgrade(&self.0)))
    }
}

/// What chains hold of a queue: not the queue itself, or jobs in it would keep it, and themselves,
/// alive for ever.
struct Kept(Weak<Queue>);

impl Executor for Kept {
    fn execute(&self, job: Job) {
        // With the queue gone the job is dropped here, which rejects its task.
        if let Some(queue) = self.0.upgrade() {
            LoopQueue(queue).execute(job);
        }
    }
}

impl Default for LoopQueue {
    fn default() -> LoopQueue {
        LoopQueue::new()
    }
}

impl fmt::Debug for LoopQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopQueue")
            .field("queued", &self.0.jobs.len())
            .finish()
    }
}
