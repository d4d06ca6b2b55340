//! A queue whose closures get the state that the owner of the loop has: a window, a game, an `App`.

use std::fmt;
use std::ops::Deref;
use std::panic::Location;

use super::delivery::{Call, Due, Lending, send};
use super::queue::LoopQueue;
use crate::cell::call_off::enlist;
use crate::cell::slot::Outcome;
use crate::cell::task_cell::{NoWork, TaskCell};
use crate::cell::{AnyCell, TaskMeta, UpstreamRef, with_state};
use crate::error::{At, TaskError};
use crate::executor::{Executor, Job};
use crate::promise::Resolver;
use crate::sync::{Arc, Duration, Ordering};
use crate::task::{Sink, Task};
use crate::trace::Captured;
use crate::{dispatch, guard, locals, trace, unhandled};

/// A [`LoopQueue`] for a loop that has a state: closures given to [`Task::deliver`] get a `&mut` to
/// it when the owner of the loop runs the queue.
///
/// So what a chain brings reaches a window's own fields without a channel or a lock. The state
/// stays with its owner, who lends it to each run. A clone is another handle of the same queue.
/// Deliveries, and the jobs that are sent through [`queue`](StateQueue::queue), run in the order in
/// which they arrived.
///
/// A closure that is queued when the last handle is dropped is dropped, and its task fails as
/// [`Rejected`](crate::ErrorKind::Rejected). Inside a run, a `wait` for a task that only this loop
/// can settle fails as [`Cycle`](crate::ErrorKind::Cycle), and so does a run of a loop that does
/// not lend this state: it is lent already.
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
pub struct StateQueue<S: 'static>(Arc<Handle<S>>);

/// Goes with the last handle.
struct Handle<S: 'static>(Option<Parts<S>>);

struct Parts<S: 'static> {
    queue: LoopQueue,
    due: Arc<Due<S>>,
}

impl<S: 'static> Deref for Handle<S> {
    type Target = Parts<S>;

    fn deref(&self) -> &Parts<S> {
        self.0.as_ref().expect("only its drop takes them")
    }
}

impl<S: 'static> Drop for Handle<S> {
    fn drop(&mut self) {
        let parts = self.0.take();
        // All of both lines is rejected before user code runs.
        dispatch::scope_of_many(|| drop(parts));
    }
}

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
        let due = Arc::new(Due::of(&queue));
        StateQueue(Arc::new(Handle(Some(Parts { queue, due }))))
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
        &self.0.queue
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
        self.0.queue.run_pending_with(&mut self.lend(state))
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
        let lending = &mut self.lend(state);
        self.0.queue.run_pending_for_with(budget, lending)
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
        self.0.queue.run_until_with(task, &mut self.lend(state))
    }

    fn lend<'a>(&'a self, state: &'a mut S) -> Lending<'a, S> {
        Lending::begin(&self.0.due, state)
    }
}

impl<S: 'static> Clone for StateQueue<S> {
    fn clone(&self) -> StateQueue<S> {
        StateQueue(self.0.clone())
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
            .field("queued", &self.0.queue.pending())
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
                unhandled::drop_reporting(f);
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

/// Runs the step that queues a closure, on the thread that settles the task. As an executor it gets
/// the step at once, also inside a callback, which may block.
#[derive(Clone)]
struct AtOnce;

impl Executor for AtOnce {
    fn execute(&self, job: Job) {
        job.run();
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
    let task = match task.is_settled() {
        true => task,
        false => task.on(&AtOnce),
    };
    let meta = match task.cell() {
        Some(cell) => cell.meta().continued_unnamed(location),
        None => TaskMeta::new(location, None),
    };
    let outer: Arc<dyn AnyCell> = TaskCell::<NoWork<U>, U>::open(meta);
    let Some(inner) = task.into_cell() else {
        return Task::from_cell(outer);
    };
    let (to, step_id) = (inner.clone(), 0);
    with_state(&*outer, |state| {
        let _ = state.set_upstream(UpstreamRef { to, step_id });
    });
    let context = trace::capture();
    let executor = queue.0.queue.to_shared();
    let due = (Arc::downgrade(&queue.0.due), queue.0.due.lenders());
    let (resolver, own) = (Resolver::<U>::new(outer.clone()), outer.clone());
    Sink::new(move |outcome| match prepare(outcome) {
        Ok(prepared) => {
            let call = with_context(context, location, prepared, resolver);
            send(executor, due, &own, location, call);
        }
        Err(error) => unhandled::drop_reporting(resolver.settle(Err(error))),
    })
    .attach(&inner);
    // After that: a task that was cancelled without a handle has no outcome for a late step.
    if outer.meta().is_under_tokens() && !outer.settled_flag().load(Ordering::Acquire) {
        enlist(&outer);
    }
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
        let call = || match context {
            None => {
                let _hidden = locals::hide();
                prepared(state)
            }
            Some(context) => context.run(|| prepared(state)),
        };
        let outcome = guard::catch(call).map_err(|payload| TaskError::panicked(payload, at));
        unhandled::drop_reporting(resolver.settle(outcome));
    })
}
