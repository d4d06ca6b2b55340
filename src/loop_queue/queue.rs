//! The queue of a loop, and how a thread runs it.

// Locks: the queue's bell alone. No user code runs or is dropped under it.

use std::fmt;
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};

use super::store;
use super::turners::{TurnedBy, Turners};
use crate::cell::deadlock::Turns;
use crate::error::TaskError;
use crate::executor::Job;
use crate::limits::SWEEP_FROM;
use crate::sync::{
    Arc, Condvar, Duration, Instant, Mutex, Receiver, Sender, ThreadId, deadline_after, thread_id,
    unbounded, wait_until,
};
use crate::task::Task;
use crate::turning::{self, Turning};
use crate::{dispatch, drop_queue, nesting, pool, unhandled};

/// A queue of jobs that the owner of a loop runs when it chooses: it has continuations run on a
/// window's or game's own thread.
///
/// Send a chain through it with [`Task::on`], and call [`run_pending`](LoopQueue::run_pending) once
/// per iteration of the loop. A clone is another handle of the same queue. Jobs run in the order in
/// which they arrived.
///
/// A job may run the loop that runs it. Up to 64 runs may be nested on one thread, fewer if they
/// need much stack; a run beyond that does nothing.
///
/// Jobs that are still queued when the last handle is dropped settle their tasks as
/// [`ErrorKind::Rejected`](crate::ErrorKind::Rejected). The queue of a
/// [`LocalLoop`](super::LocalLoop), which also holds closures that are not `Send`, is run by that
/// loop's thread only.
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
pub struct LoopQueue(pub(super) Arc<Queue>);

pub(super) struct Queue {
    sender: Sender<Job>,
    pub(super) jobs: Receiver<Job>,
    pub(super) bell: Mutex<Bell>,
    arrived: Condvar,
    /// The only thread that may run the jobs, for the queue of a `LocalLoop`.
    owner: Option<ThreadId>,
    /// Apart, so that it can be asked without a reference to the queue, which may be the last.
    pub(super) turners: Arc<Turners>,
    /// Called after each arrival; wakes an event loop that sleeps elsewhere.
    notify: Option<Notify>,
}

pub(super) type Notify = Box<dyn Fn() + Send + Sync>;

/// What a run does besides the jobs: it lends a state to closures.
pub(super) trait Lender {
    /// Calls the closures that are due: when the run begins, and behind each job.
    fn call_due(&mut self);

    fn has_due(&self) -> bool;

    /// What a thread serves that waits in such a run.
    fn turns(&self) -> Turns;
}

/// The lender of a queue without a state.
struct NoState;

impl Lender for NoState {
    fn call_due(&mut self) {}

    fn has_due(&self) -> bool {
        false
    }

    fn turns(&self) -> Turns {
        Turns::Jobs
    }
}

#[derive(Default)]
pub(super) struct Bell {
    /// Counts arrivals, so that a loop with nothing to do can sleep; changed after the job is in
    /// the channel.
    arrivals: u64,
    /// The loop is dropped and takes no job. Set once, under the lock under which jobs are sent, so
    /// none is sent after that.
    pub(super) is_closed: bool,
    /// The local closures that will not be called, to be dropped on the loop's thread.
    pub(super) forgotten: Vec<u64>,
    /// The number of jobs from which on a push searches for cancelled chains.
    sweep_at: usize,
}

impl LoopQueue {
    /// Makes an empty queue.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = fast_async::LoopQueue::new();
    /// assert_eq!(queue.run_pending(), 0);
    /// ```
    pub fn new() -> LoopQueue {
        LoopQueue::build(None, None)
    }

    /// Makes an empty queue that calls `notify` when a job arrives, on the thread that brings it.
    ///
    /// Post an event to the window there.
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
        LoopQueue::build(Some(Box::new(notify)), None)
    }

    pub(super) fn build(notify: Option<Notify>, owner: Option<ThreadId>) -> LoopQueue {
        turning::note_loop();
        let (sender, jobs) = unbounded();
        LoopQueue(Arc::new(Queue {
            sender,
            jobs,
            bell: Mutex::new(Bell::default()),
            arrived: Condvar::new(),
            owner,
            turners: Arc::new(Turners {
                owner,
                now: Mutex::new(TurnedBy {
                    threads: Vec::new(),
                    last: thread_id(),
                }),
            }),
            notify,
        }))
    }

    /// Runs the jobs that are queued now, on this thread, and returns how many; jobs that arrive
    /// during the call wait for the next one.
    ///
    /// Returns 0 and runs nothing if runs of loops are nested too deep on this thread's stack, and
    /// on any thread but its own for the queue of a [`LocalLoop`](super::LocalLoop).
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
        self.run_pending_with(&mut NoState)
    }

    pub(super) fn run_pending_with(&self, lender: &mut dyn Lender) -> usize {
        let waiting = self.pending();
        self.turn(lender, |lender| self.run_some(waiting, lender))
            .unwrap_or(0)
    }

    /// Runs up to `count` jobs, and returns how many.
    fn run_some(&self, count: usize, lender: &mut dyn Lender) -> usize {
        (0..count).take_while(|_| self.run_one(lender)).count()
    }

    /// Runs jobs on this thread until none is left or `budget` is over, and returns how many.
    ///
    /// Jobs that arrive during the call run too. For a loop that must draw its next frame in time.
    ///
    /// Runs at least one job, if there is any, and reads the time after each. A job that takes long
    /// is not interrupted. [`pending`](LoopQueue::pending) returns how many jobs are left. Runs
    /// nothing where [`run_pending`](LoopQueue::run_pending) does not.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{LoopQueue, Task};
    ///
    /// let queue = LoopQueue::new();
    /// for n in 0..1000 {
    ///     Task::ready(n).on(&queue).then(|n| n * 2).detach();
    /// }
    /// while queue.pending() > 0 {
    ///     queue.run_pending_for(Duration::from_millis(4));
    ///     // Draw the next frame.
    /// }
    /// ```
    pub fn run_pending_for(&self, budget: Duration) -> usize {
        self.run_pending_for_with(budget, &mut NoState)
    }

    pub(super) fn run_pending_for_with(&self, budget: Duration, lender: &mut dyn Lender) -> usize {
        let deadline = deadline_after(budget);
        let is_over = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let run = |lender: &mut dyn Lender| {
            let mut ran = 0;
            while self.run_one(lender) {
                ran += 1;
                if is_over() {
                    break;
                }
            }
            ran
        };
        self.turn(lender, run).unwrap_or(0)
    }

    /// Returns how many jobs are queued.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{LoopQueue, Task};
    ///
    /// let queue = LoopQueue::new();
    /// let task = Task::ready(21).on(&queue).then(|n| n * 2);
    /// assert_eq!(queue.pending(), 1);
    /// queue.run_pending();
    /// assert_eq!(queue.pending(), 0);
    /// assert_eq!(task.wait()?, 42);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn pending(&self) -> usize {
        self.0.jobs.len()
    }

    /// Runs jobs on this thread until `task` is settled, and returns its outcome; sleeps while
    /// there is nothing to run.
    ///
    /// May be called inside tasks and continuations too, as [`Task::wait`] may: the pool runs the
    /// continuations of the tasks that the calling callback has settled. The calling thread runs
    /// the queue's jobs and no others. Where [`run_pending`](LoopQueue::run_pending) runs nothing,
    /// this only waits.
    ///
    /// # Errors
    ///
    /// The failure of `task`. One of kind [`Cycle`](crate::ErrorKind::Cycle) as for [`Task::wait`],
    /// or if runs of loops are nested too deep on this thread to run a job, and `task` may be
    /// waiting for one. One of kind [`Rejected`](crate::ErrorKind::Rejected) where [`Task::wait`]
    /// fails so.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{spawn, LoopQueue};
    ///
    /// let queue = LoopQueue::new();
    /// let here = std::thread::current().id();
    /// let task = spawn(|| "loaded").on(&queue).then(move |text| {
    ///     assert_eq!(std::thread::current().id(), here);
    ///     text.len()
    /// });
    /// assert_eq!(queue.run_until(task)?, 6);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn run_until<T: Send + 'static>(&self, task: Task<T>) -> Result<T, TaskError> {
        self.run_until_with(task, &mut NoState)
    }

    pub(super) fn run_until_with<T: Send + 'static>(
        &self,
        task: Task<T>,
        lender: &mut dyn Lender,
    ) -> Result<T, TaskError> {
        let mut task = pin!(task);
        let waker = Waker::from(self.0.clone());
        let mut context = Context::from_waker(&waker);
        // What is sent to a loop that this thread runs further out wakes it, too.
        let outer = turning::listen(|| Waker::from(Arc::new(Sleepers(self.0.clone()))));
        loop {
            // Inside a callback, what this thread has settled would wait for the callback's end,
            // and the loop may be waiting for that (Contract: W1). Jobs settle more.
            dispatch::hand_off_all();
            let seen = self.0.bell.lock().arrivals;
            // One run of the loop at a time, because jobs may queue themselves again without end. A
            // job that arrives during it has raised `arrivals`.
            let waiting = self.pending();
            let turned = self.turn(lender, |lender| self.run_some(waiting, lender));
            if let Poll::Ready(outcome) = task.as_mut().poll(&mut context) {
                return outcome;
            }
            if outer.is_some() && task.run_owed() {
                continue;
            }
            let is_too_deep = turned.is_none() && self.may_turn();
            if is_too_deep && (waiting > 0 || lender.has_due()) && task.may_wait_for_a_loop() {
                return Err(task.cycle());
            }
            let _entry = task.enter_turning(lender.turns())?;
            if !self.sleep(None, |arrivals| arrivals != seen) {
                return Err(task.unmanned());
            }
        }
    }

    /// Sleeps until a job is queued or `timeout` is over; returns true when there is one.
    ///
    /// Runs nothing. If it is called in a callback, the pool runs the continuations of the tasks
    /// that the callback has settled.
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
        dispatch::hand_off_all();
        if is_queued() {
            return true;
        }
        self.sleep(deadline, |_| is_queued())
    }

    /// Sleeps until the number of arrivals has changed. Returns false if the deadline passed first,
    /// or if the pool of the calling worker needs its thread.
    fn sleep(&self, deadline: Option<Instant>, wakes: impl Fn(u64) -> bool) -> bool {
        pool::blocking(|place| {
            place.wait_unseen();
            loop {
                // Before the lock is taken, because this may start a thread.
                let Ok(pause) = place.ensure_worker(deadline) else {
                    return false;
                };
                let slice = pause.and_then(deadline_after);
                let mut bell = self.0.bell.lock();
                if !wakes(bell.arrivals) {
                    let until = deadline.into_iter().chain(slice).min();
                    wait_until(&self.0.arrived, &mut bell, until);
                }
                if wakes(bell.arrivals) {
                    return true;
                }
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return false;
                }
            }
        })
    }

    fn run_one(&self, lender: &mut dyn Lender) -> bool {
        let job = {
            // A sweep of another thread holds it.
            let _bell = self.0.bell.lock();
            self.0.jobs.try_recv()
        };
        let Ok(job) = job else {
            return false;
        };
        give_way();
        job.run();
        lender.call_due();
        true
    }

    /// Calls `f`, which runs jobs. `None`: this thread may not run them, or not here.
    fn turn<R>(&self, lender: &mut dyn Lender, f: impl FnOnce(&mut dyn Lender) -> R) -> Option<R> {
        if !self.may_turn() {
            return None;
        }
        let _level = nesting::enter()?;
        let _turn = Turn::begin(&self.0);
        if self.0.owner.is_some() {
            self.0.drop_forgotten();
        }
        lender.call_due();
        Some(f(lender))
    }

    fn may_turn(&self) -> bool {
        self.0.owner.is_none_or(|owner| owner == thread_id())
    }
}

/// The thread is about to run user code of a loop, which may block. If the loop is run inside a
/// callback, other threads run the steps of what the callback, or an earlier job, has settled
/// (Contract: W1).
pub(super) fn give_way() {
    dispatch::hand_off_all();
}

/// A turn of the loop, on the thread that began it.
struct Turn<'a> {
    queue: &'a Queue,
    _turning: Turning,
}

impl Turn<'_> {
    fn begin(queue: &Queue) -> Turn<'_> {
        let mut now = queue.turners.now.lock();
        now.last = thread_id();
        now.threads.push(thread_id());
        drop(now);
        Turn {
            queue,
            _turning: Turning::begin(),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let me = thread_id();
        let threads = &mut self.queue.turners.now.lock().threads;
        if let Some(place) = threads.iter().rposition(|turner| *turner == me) {
            threads.swap_remove(place);
        }
    }
}

impl Queue {
    /// Drops the local closures that will not be called any more.
    fn drop_forgotten(&self) {
        let forgotten = std::mem::take(&mut self.bell.lock().forgotten);
        if forgotten.is_empty() {
            return;
        }
        let Some(store) = store::of(std::ptr::from_ref(self).addr()) else {
            return;
        };
        give_way();
        for number in forgotten {
            unhandled::drop_reporting(store.take(number));
        }
    }

    /// Wakes the loop; `change` is made under the lock.
    pub(super) fn ring(&self, change: impl FnOnce(&mut Bell)) {
        self.wake_sleepers(change);
        turning::unpark();
        if let Some(notify) = &self.notify {
            notify();
        }
    }
}

impl Queue {
    fn wake_sleepers(&self, change: impl FnOnce(&mut Bell)) {
        {
            let mut bell = self.bell.lock();
            change(&mut bell);
            bell.arrivals += 1;
        }
        self.arrived.notify_all();
    }

    pub(super) fn push(&self, job: Job) {
        let mut job = Some(job);
        let mut spent = Vec::new();
        self.ring(|bell| {
            if !bell.is_closed
                && let Some(job) = job.take()
            {
                if self.jobs.len() >= bell.sweep_at {
                    spent = self.sweep(bell);
                }
                self.send(job);
            }
        });
        // If the loop is dropped, the job is dropped here, which rejects its task.
        drop(job);
        unhandled::drop_reporting(spent);
    }

    fn send(&self, job: Job) {
        // The queue holds both ends of its channel, so the send cannot fail.
        let _ = self.sender.send(job);
    }

    /// Takes out the jobs of cancelled chains, in a loop that may never run. A push visits two jobs
    /// on average.
    fn sweep(&self, bell: &mut Bell) -> Vec<Job> {
        let mut spent = Vec::new();
        let jobs = std::iter::from_fn(|| self.jobs.try_recv().ok());
        for job in jobs.take(self.jobs.len()) {
            match job.is_spent() {
                true => spent.push(job),
                false => self.send(job),
            }
        }
        bell.sweep_at = SWEEP_FROM.max(2 * self.jobs.len());
        spent
    }
}

impl Queue {
    /// Rejects all jobs, in two passes: what the first one causes may wait for any of them.
    pub(super) fn reject_all(&self) {
        if self.jobs.is_empty() {
            return;
        }
        let mut passed = Vec::with_capacity(self.jobs.len());
        dispatch::scope_of_many(|| {
            let jobs = std::iter::from_fn(|| self.jobs.try_recv().ok());
            passed.extend(jobs.map(Job::reject));
        });
        drop_queue::flat(move || unhandled::drop_each(passed));
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.reject_all();
        if let Some(notify) = self.notify.take() {
            drop_queue::flat(move || unhandled::drop_reporting(notify));
        }
    }
}

/// Rings when the task that `run_until` waits for is settled elsewhere.
impl Wake for Queue {
    fn wake(self: Arc<Self>) {
        self.ring(|_| ());
    }
}

/// Wakes `run_until` when something was sent to another loop of its thread.
struct Sleepers(Arc<Queue>);

impl Wake for Sleepers {
    fn wake(self: Arc<Self>) {
        self.0.wake_sleepers(|_| ());
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
