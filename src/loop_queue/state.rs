//! A queue whose closures get the state that the owner of the loop has: a window, a game, an `App`.
//!
//! A delivery is a job of an ordinary loop's queue. Such a job cannot carry a reference to the
//! state. So its run only puts the closure in front of the thread that turns the loop, which calls
//! it with the state right after the job.

// Lock order: that of one delivery -> that of its cell; the graph of waits may be locked before it.
// `Due` has a lock of its own. No user code runs or is dropped under any of them.

use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;

use super::queue::LoopQueue;
use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::slot::Outcome;
use crate::cell::state::Phase;
use crate::cell::stop::{driver_is_back, leave_running};
use crate::cell::task_cell::{NoWork, TaskCell};
use crate::cell::{AnyCell, TaskMeta, Upstream, UpstreamRef, with_state};
use crate::error::{At, ErrorKind, TaskError};
use crate::executor::{Continuation, Executor, Job, Origin};
use crate::promise::Resolver;
use crate::sync::{Arc, Duration, Mutex, ThreadId, Weak, thread_id};
use crate::task::{Sink, Task};
use crate::trace::Captured;
use crate::{guard, trace, unhandled};

/// A [`LoopQueue`] for a loop that has a state: closures given to [`Task::deliver`] get a `&mut` to
/// it when the owner of the loop runs the queue.
///
/// So what a chain brings reaches a window's own fields without a channel or a lock. The state
/// stays with its owner, who lends it to each run. A clone is another handle of the same queue.
/// Deliveries, and the jobs that are sent through [`queue`](StateQueue::queue), run in the order in
/// which they arrived.
///
/// A closure that is queued when the last handle is dropped is dropped, and its task fails as
/// [`Rejected`](crate::ErrorKind::Rejected). A `wait` inside a run for a task that only this loop
/// can settle fails as [`Cycle`](crate::ErrorKind::Cycle): the state is lent already.
///
/// # Examples
///
/// ```
/// use fast_async::{spawn, loop_queue::StateQueue};
///
/// #[derive(Default)]
/// struct App {
///     text: String,
///     errors: usize,
/// }
///
/// let queue = StateQueue::<App>::new();
/// let mut app = App::default();
/// let shown = spawn(|| "loaded".to_string()).deliver(&queue, |app, text| app.text = text);
/// // A window would call `queue.run_pending(&mut app)` once per frame.
/// queue.run_until(&mut app, shown)?;
/// assert_eq!(app.text, "loaded");
///
/// let counted = fast_async::Task::<u32>::failed("no answer")
///     .deliver_outcome(&queue, |app, outcome| app.errors += usize::from(outcome.is_err()));
/// queue.run_until(&mut app, counted)?;
/// assert_eq!(app.errors, 1);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
pub struct StateQueue<S: 'static> {
    queue: LoopQueue,
    due: Arc<Due<S>>,
}

/// Closures that are to be called with the state now, in their order.
struct Due<S: 'static>(Mutex<VecDeque<Arc<Delivery<S>>>>);

impl<S: 'static> Due<S> {
    fn next(&self) -> Option<Arc<Delivery<S>>> {
        self.0.lock().pop_front()
    }

    fn call_all(&self, state: &mut S) {
        while let Some(delivery) = self.next() {
            delivery.call(state);
        }
    }
}

impl<S: 'static> Drop for Due<S> {
    fn drop(&mut self) {
        // Their jobs were run by a thread that had no state to lend.
        while let Some(delivery) = self.next() {
            delivery.reject(ErrorKind::Rejected, GONE);
        }
    }
}

const GONE: &str = "the loop that it was delivered to is gone";

impl<S: 'static> StateQueue<S> {
    /// Makes an empty queue.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = fast_async::loop_queue::StateQueue::<String>::new();
    /// assert_eq!(queue.run_pending(&mut String::new()), 0);
    /// ```
    pub fn new() -> StateQueue<S> {
        StateQueue::of(LoopQueue::new())
    }

    /// Makes an empty queue that calls `notify` when something arrives; see
    /// [`LoopQueue::with_notify`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{spawn, loop_queue::StateQueue};
    ///
    /// let (wake, events) = std::sync::mpsc::channel();
    /// let queue = StateQueue::<u32>::with_notify(move || {
    ///     let _ = wake.send(()); // a window would ask for a repaint
    /// });
    /// spawn(|| 7).deliver(&queue, |sum, n| *sum += n).detach();
    /// let mut sum = 0;
    /// events.recv()?; // where the loop sleeps
    /// queue.run_pending(&mut sum);
    /// assert_eq!(sum, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_notify(notify: impl Fn() + Send + Sync + 'static) -> StateQueue<S> {
        StateQueue::of(LoopQueue::with_notify(notify))
    }

    fn of(queue: LoopQueue) -> StateQueue<S> {
        StateQueue {
            queue,
            due: Arc::new(Due(Mutex::new(VecDeque::new()))),
        }
    }

    /// Returns the queue as an executor, for continuations that need no state.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{spawn, loop_queue::StateQueue};
    ///
    /// let queue = StateQueue::<()>::new();
    /// let here = std::thread::current().id();
    /// let task = spawn(|| ()).on(queue.queue()).then(|()| std::thread::current().id());
    /// assert_eq!(queue.run_until(&mut (), task)?, here);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn queue(&self) -> &LoopQueue {
        &self.queue
    }

    /// Runs what is queued now, with `state`, on this thread, and returns how many jobs that were;
    /// see [`LoopQueue::run_pending`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{Task, loop_queue::StateQueue};
    ///
    /// let queue = StateQueue::<Vec<u32>>::new();
    /// Task::ready(7).deliver(&queue, |list, n| list.push(n)).detach();
    /// let mut list = Vec::new();
    /// assert_eq!(queue.run_pending(&mut list), 1);
    /// assert_eq!(list, [7]);
    /// ```
    pub fn run_pending(&self, state: &mut S) -> usize {
        self.due.call_all(state);
        self.queue
            .run_pending_then(&mut || self.due.call_all(state))
    }

    /// Runs jobs with `state` until none is left or `budget` is over; see
    /// [`LoopQueue::run_pending_for`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Task, loop_queue::StateQueue};
    ///
    /// let queue = StateQueue::<u32>::new();
    /// Task::ready(7).deliver(&queue, |sum, n| *sum += n).detach();
    /// let mut sum = 0;
    /// queue.run_pending_for(&mut sum, Duration::from_millis(4));
    /// assert_eq!(sum, 7);
    /// ```
    pub fn run_pending_for(&self, state: &mut S, budget: Duration) -> usize {
        let after = &mut || self.due.call_all(state);
        self.queue.run_pending_for_then(budget, after)
    }

    /// Runs jobs with `state` until `task` is settled, and returns its outcome; see
    /// [`LoopQueue::run_until`].
    ///
    /// # Errors
    ///
    /// As for [`LoopQueue::run_until`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{spawn, loop_queue::StateQueue};
    ///
    /// let queue = StateQueue::<Vec<u32>>::new();
    /// let mut list = Vec::new();
    /// let len = spawn(|| 7).deliver(&queue, |list, n| {
    ///     list.push(n);
    ///     list.len()
    /// });
    /// assert_eq!(queue.run_until(&mut list, len)?, 1);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn run_until<T: Send + 'static>(
        &self,
        state: &mut S,
        task: Task<T>,
    ) -> Result<T, TaskError> {
        let after = &mut || self.due.call_all(state);
        self.queue.run_until_then(task, after)
    }
}

impl<S: 'static> Clone for StateQueue<S> {
    fn clone(&self) -> StateQueue<S> {
        StateQueue {
            queue: self.queue.clone(),
            due: self.due.clone(),
        }
    }
}

impl<S: 'static> Default for StateQueue<S> {
    fn default() -> StateQueue<S> {
        StateQueue::new()
    }
}

impl<S: 'static> fmt::Debug for StateQueue<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateQueue")
            .field("queued", &self.queue.pending())
            .finish()
    }
}

impl<T: Send + 'static> Task<T> {
    /// Calls `f` with the state of the loop and the value, when the owner of the loop runs `queue`;
    /// the new task is what `f` returns. A failure is passed on at once, and `f` is dropped.
    ///
    /// `f` runs on the thread that runs the queue, and so do continuations that are registered on
    /// the new task before. A panic in `f` fails the new task. A cancel drops `f`.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{spawn, loop_queue::StateQueue};
    ///
    /// struct Window { title: String }
    ///
    /// let queue = StateQueue::<Window>::new();
    /// let mut window = Window { title: "loading".into() };
    /// let task = spawn(|| 7).deliver(&queue, |window, pages| {
    ///     window.title = format!("{pages} pages");
    /// });
    /// queue.run_until(&mut window, task)?;
    /// assert_eq!(window.title, "7 pages");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn deliver<S, U, F>(self, queue: &StateQueue<S>, f: F) -> Task<U>
    where
        S: 'static,
        U: Send + 'static,
        F: FnOnce(&mut S, T) -> U + Send + 'static,
    {
        let location = Location::caller();
        deliver(self, queue, location, move |outcome| match outcome {
            Ok(value) => Ok(Box::new(move |state: &mut S| f(state, value))),
            Err(error) => {
                drop(f);
                error.passed(location);
                Err(error)
            }
        })
    }

    /// Calls `f` with the state of the loop and the outcome, value or failure, when the owner of
    /// the loop runs `queue`; otherwise like [`deliver`](Task::deliver).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{attempt, loop_queue::StateQueue};
    ///
    /// let queue = StateQueue::<String>::new();
    /// let mut status = String::new();
    /// let port = attempt(|| Ok("http".parse::<u16>()?));
    /// let task = port.deliver_outcome(&queue, |status, outcome| match outcome {
    ///     Ok(port) => *status = format!("port {port}"),
    ///     Err(error) => *status = error.to_string(),
    /// });
    /// queue.run_until(&mut status, task)?;
    /// assert_eq!(status, "invalid digit found in string");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn deliver_outcome<S, U, F>(self, queue: &StateQueue<S>, f: F) -> Task<U>
    where
        S: 'static,
        U: Send + 'static,
        F: FnOnce(&mut S, Result<T, TaskError>) -> U + Send + 'static,
    {
        deliver(self, queue, Location::caller(), move |outcome| {
            Ok(Box::new(move |state: &mut S| f(state, outcome)))
        })
    }
}

/// A closure with all but the state. Settles its task, also with a failure instead.
type Call<S> = Box<dyn FnOnce(Result<&mut S, TaskError>) + Send>;

enum Progress<S: 'static> {
    Waiting(Call<S>),
    /// `is_left`: its task was cancelled since, and counts it as a driver.
    Running {
        thread: ThreadId,
        is_left: bool,
    },
    Over,
}

/// A closure on its way to the state, as the upstream of its task and as a job of the queue.
struct Delivery<S: 'static> {
    progress: Mutex<Progress<S>>,
    due: Weak<Due<S>>,
    executor: Arc<dyn Executor>,
    /// Weak: the cell holds this.
    cell: Weak<dyn AnyCell>,
    location: &'static Location<'static>,
}

impl<S: 'static> Delivery<S> {
    fn call(&self, state: &mut S) {
        let running = Progress::Running {
            thread: thread_id(),
            is_left: false,
        };
        let Some(call) = self.take(running) else {
            return;
        };
        call(Ok(state));
        let is_left = {
            let mut progress = self.progress.lock();
            let is_left = matches!(*progress, Progress::Running { is_left: true, .. });
            *progress = Progress::Over;
            is_left
        };
        if is_left && let Some(cell) = self.cell.upgrade() {
            driver_is_back(&cell);
        }
    }

    fn reject(&self, kind: ErrorKind, why: &'static str) -> bool {
        let call = self.take(Progress::Over);
        let was_there = call.is_some();
        if let Some(call) = call {
            let at = At {
                location: self.location,
                task: None,
            };
            call(Err(TaskError::noted(kind, why, Some(at))));
        }
        was_there
    }

    /// Takes the closure if it waits.
    fn take(&self, next: Progress<S>) -> Option<Call<S>> {
        let mut progress = self.progress.lock();
        if !matches!(*progress, Progress::Waiting(_)) {
            return None;
        }
        match std::mem::replace(&mut *progress, next) {
            Progress::Waiting(call) => Some(call),
            _ => None,
        }
    }
}

impl<S: 'static> Continuation for Delivery<S> {
    /// The thread that turns the loop calls the closure right after this.
    fn run_with(self: Arc<Self>, _: u32) -> bool {
        match self.due.upgrade() {
            Some(due) => due.0.lock().push_back(self),
            None => return self.reject(ErrorKind::Rejected, GONE),
        }
        true
    }

    fn reject_with(self: Arc<Self>, _: u32, kind: ErrorKind, why: &'static str) -> bool {
        self.reject(kind, why)
    }

    fn lies_in(&self, _: u32, _: Arc<dyn Executor>) {}

    fn is_over(&self) -> bool {
        !matches!(*self.progress.lock(), Progress::Waiting(_))
    }

    fn origin(&self) -> Option<Origin> {
        Some(Origin {
            location: self.location,
            name: None,
        })
    }
}

impl<S: 'static> Withdraw for Delivery<S> {
    /// The task is cancelled.
    fn withdraw(self: Arc<Self>, _ticket: u64, sweep: &mut Sweep) -> CancelOutcome {
        if let Some(call) = self.take(Progress::Over) {
            sweep.keep(call);
            return CancelOutcome::Prevented;
        }
        let mut progress = self.progress.lock();
        let Progress::Running { thread, is_left } = &mut *progress else {
            return CancelOutcome::TooLate;
        };
        if let Some(cell) = self.cell.upgrade() {
            *is_left = true;
            // Lock order: this lock -> that of the cell.
            leave_running(&*cell, Some(*thread));
            sweep.keep(cell);
        }
        CancelOutcome::Signalled
    }
}

impl<S: 'static> Upstream for Delivery<S> {
    fn above(&self, _: &mut Vec<Arc<dyn Upstream>>) {}

    fn turner(&self) -> Option<ThreadId> {
        match *self.progress.lock() {
            Progress::Waiting(_) => self.executor.turner(),
            Progress::Running { thread, .. } => Some(thread),
            Progress::Over => None,
        }
    }
}

/// A closure that has its value.
type Prepared<S, U> = Box<dyn FnOnce(&mut S) -> U + Send>;

/// Has what `prepare` makes of the outcome of `task` called with the state. A failure that it
/// returns is the outcome of the new task.
fn deliver<S, T, U>(
    task: Task<T>,
    queue: &StateQueue<S>,
    location: &'static Location<'static>,
    prepare: impl FnOnce(Outcome<T>) -> Result<Prepared<S, U>, TaskError> + Send + 'static,
) -> Task<U>
where
    S: 'static,
    T: Send + 'static,
    U: Send + 'static,
{
    task.run();
    let pool = task.cell().and_then(|cell| cell.meta().pool.clone());
    let outer: Arc<dyn AnyCell> = TaskCell::<NoWork<U>, U>::open(TaskMeta::new(location, pool));
    let Some(inner) = task.into_cell() else {
        return Task::from_cell(outer);
    };
    let (to, step_id) = (inner.clone(), 0);
    with_state(&*outer, |state| {
        let _ = state.set_upstream(UpstreamRef { to, step_id });
    });
    let context = trace::capture();
    let (executor, due) = (queue.queue.to_shared(), Arc::downgrade(&queue.due));
    let (resolver, own) = (Resolver::<U>::new(outer.clone()), outer.clone());
    Sink::new(move |outcome| match prepare(outcome) {
        Ok(prepared) => {
            let call = with_context(context, location, prepared, resolver);
            send(executor, due, &own, location, call);
        }
        Err(error) => unhandled::drop_reporting(resolver.settle(Err(error))),
    })
    .attach(&inner);
    Task::from_cell(outer)
}

/// The closure in its tracing context, and what settles its task.
fn with_context<S: 'static, U: Send + 'static>(
    context: Option<Captured>,
    location: &'static Location<'static>,
    prepared: Prepared<S, U>,
    resolver: Resolver<U>,
) -> Call<S> {
    Box::new(move |state| {
        let at = At {
            location,
            task: None,
        };
        let outcome = state.and_then(|state| {
            let call = || match context {
                None => prepared(state),
                Some(context) => context.run(|| prepared(state)),
            };
            guard::catch(call).map_err(|payload| TaskError::panicked(payload, at))
        });
        unhandled::drop_reporting(resolver.settle(outcome));
    })
}

/// Queues a closure. Its task waits for it from now on.
fn send<S: 'static>(
    executor: Arc<dyn Executor>,
    due: Weak<Due<S>>,
    cell: &Arc<dyn AnyCell>,
    location: &'static Location<'static>,
    call: Call<S>,
) {
    let delivery = Arc::new(Delivery {
        progress: Mutex::new(Progress::Waiting(call)),
        due,
        executor: executor.clone(),
        cell: Arc::downgrade(cell),
        location,
    });
    let to = delivery.clone();
    let before = with_state(&**cell, |state| match state.phase() {
        Phase::Open => Ok(state.set_upstream(UpstreamRef { to, step_id: 0 })),
        _ => Err(to),
    });
    match before {
        Ok(before) => {
            drop(before);
            executor.execute(Job::new(delivery, 0));
        }
        // It was cancelled before.
        Err(delivery) => unhandled::drop_reporting(delivery.take(Progress::Over)),
    }
}
