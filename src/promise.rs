//! The producing half: a task that is settled by hand.

mod settle_by;
mod settle_with;
mod shared;

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

pub use shared::SharedResolver;

use crate::cell::slot::Outcome;
use crate::cell::state::{Phase, Progress, State};
use crate::cell::step::Follow;
use crate::cell::task_cell::{NoWork, TaskCell};
use crate::cell::{self, AnyCell, TaskMeta, UpstreamRef, adopt, stopped, with_state};
use crate::error::{At, BoxError, ErrorKind, TaskError};
use crate::pool::Pool;
use crate::sync::{Arc, Ordering, chaos_point, thread};
use crate::task::{Task, TaskContext, own_token};
use crate::{dispatch, unhandled};

/// Returns a task and the resolver that settles it: the bridge from callbacks and other threads.
///
/// Failures name the line of this call. A function that returns the task to its own callers may be
/// `#[track_caller]`: then they name the line of its call.
///
/// # Examples
///
/// ```
/// let (resolver, task) = fast_async::deferred();
/// std::thread::spawn(move || resolver.resolve("hello"));
/// assert_eq!(task.wait()?, "hello");
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn deferred<T: Send + 'static>() -> (Resolver<T>, Task<T>) {
    let cell = TaskCell::<NoWork<T>, T>::open(TaskMeta::here());
    (Resolver::new(cell.clone()), Task::from_cell(cell))
}

/// Like [`deferred`], and also returns a context, for work that goes on elsewhere: on another
/// thread, or on another machine.
///
/// The token of the context is raised when the task is cancelled, whether or not the work has
/// [begun](Resolver::begin). The progress of the context is told to the listeners of the task.
///
/// # Examples
///
/// ```
/// use fast_async::promise::deferred_with;
///
/// let (resolver, ctx, task) = deferred_with::<u32>();
/// let worker = std::thread::spawn(move || {
///     resolver.begin();
///     while !ctx.is_cancelled() {
///         std::thread::yield_now(); // or a piece of work
///     }
///     resolver.resolve(7)
/// });
/// task.cancel();
/// assert_eq!(worker.join().unwrap(), Err(7));
/// ```
#[track_caller]
pub fn deferred_with<T: Send + 'static>() -> (Resolver<T>, TaskContext, Task<T>) {
    let (token, context) = own_token();
    let mut meta = TaskMeta::here();
    meta.extra.get_or_insert_default().token = Some(token);
    let cell = TaskCell::<NoWork<T>, T>::open(meta);
    (Resolver::new(cell.clone()), context, Task::from_cell(cell))
}

/// Like [`deferred`] for a task of `pool`, whose steps run there, for every thread that settles it.
/// `None`: the global pool. The tokens of the pool cancel it once the caller has enlisted it.
pub(crate) fn deferred_in<T: Send + 'static>(
    pool: Option<&Pool>,
    location: &'static Location<'static>,
) -> (Resolver<T>, Task<T>) {
    let meta = TaskMeta::new(location, pool.cloned());
    let cell = TaskCell::<NoWork<T>, T>::open(meta);
    let resolver = Resolver::new(cell.clone()).on_pool();
    (resolver, Task::from_cell(cell))
}

/// Settles the task it was made with; see [`deferred`].
///
/// Dropped unsettled, it settles the task as [`Abandoned`](ErrorKind::Abandoned), and as
/// [`Panicked`](ErrorKind::Panicked) where a panic drops it. The panic itself is known only where
/// this crate calls the closure, as in [`resolve_by`](Resolver::resolve_by).
///
/// The thread that settles the task runs its continuations and observers before `resolve` returns;
/// see [`on_pool`](Resolver::on_pool) for a thread that must not.
#[must_use = "dropping a resolver fails its task as abandoned"]
pub struct Resolver<T: Send + 'static> {
    /// `None` once it has settled the task.
    cell: Option<Arc<dyn AnyCell>>,
    _type: PhantomData<fn(T)>,
}

impl<T: Send + 'static> Resolver<T> {
    pub(crate) fn new(cell: Arc<dyn AnyCell>) -> Resolver<T> {
        Resolver {
            cell: Some(cell),
            _type: PhantomData,
        }
    }

    /// Has the continuations and observers of the task run on its pool instead of on the thread
    /// that settles it.
    ///
    /// For a thread that has more to do than to settle this task, such as one that reads replies
    /// from a socket. A continuation may block until a later reply arrives, which only that thread
    /// can deliver. It costs a hand-off to the pool for a task that has continuations when it is
    /// settled, and nothing for others. The same holds for a task that
    /// [`settle_with`](Resolver::settle_with) makes this one follow. The consumer's own choice,
    /// [`Task::on`], comes after it.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::deferred;
    ///
    /// let (first, reply) = deferred();
    /// let (second, next) = deferred();
    /// let (first, second) = (first.on_pool(), second.on_pool());
    /// // It blocks until the second reply is there.
    /// let sum = reply.then(move |n: u32| n + next.wait().unwrap_or(0));
    /// // One thread brings both.
    /// first.resolve(1).unwrap();
    /// second.resolve(2).unwrap();
    /// assert_eq!(sum.wait()?, 3);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn on_pool(self) -> Resolver<T> {
        if let Some(cell) = &self.cell {
            with_state(&**cell, |state| {
                if state.phase() == Phase::Open {
                    state.run_on_pool();
                }
            });
        }
        self
    }

    /// Notes that the work for the task has begun elsewhere, where a cancel can only ask it to end.
    /// From now on [`Task::cancel`] answers [`Signalled`](crate::CancelOutcome::Signalled), as for
    /// a closure that runs. Before, it answers [`Prevented`](crate::CancelOutcome::Prevented).
    ///
    /// Returns false if the task was cancelled already: then there is nothing to begin. Listeners
    /// hear of it as [`Started`](crate::EventKind::Started). Once is enough.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{CancelOutcome, deferred};
    ///
    /// let (resolver, task) = deferred::<u32>();
    /// assert!(resolver.begin());
    /// assert_eq!(task.cancel(), CancelOutcome::Signalled);
    /// assert!(!resolver.begin());
    /// ```
    pub fn begin(&self) -> bool {
        self.cell.as_deref().is_some_and(begin)
    }

    /// Returns a resolver that can be cloned, and settles the task through a reference.
    ///
    /// For callbacks that may be called more than once, or for a pair of callbacks of which one is
    /// called.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn read_async(mut ok: impl FnMut(u32), _failed: impl FnMut(i32)) { ok(7); ok(8); }
    /// let (resolver, task) = fast_async::deferred();
    /// let on_success = resolver.shared();
    /// let on_failure = on_success.clone();
    /// read_async(
    ///     move |n| {
    ///         let _ = on_success.resolve(n); // the first call settles, later ones do nothing
    ///     },
    ///     move |code| {
    ///         let _ = on_failure.reject(format!("error {code}"));
    ///     },
    /// );
    /// assert_eq!(task.wait()?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn shared(self) -> SharedResolver<T> {
        SharedResolver::new(self)
    }

    /// Settles the task with a value.
    ///
    /// This thread runs the task's continuations and observers before the call returns, unless it
    /// is inside one itself: then it runs them afterwards. So a continuation that blocks also
    /// blocks this thread. A thread that others depend on settles by a resolver that runs them [on
    /// the pool](Resolver::on_pool).
    ///
    /// # Errors
    ///
    /// Returns the value if the task was cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred();
    /// assert_eq!(resolver.resolve(7), Ok(()));
    /// assert_eq!(task.wait()?, 7);
    ///
    /// let (resolver, task) = fast_async::deferred();
    /// task.cancel();
    /// assert_eq!(resolver.resolve(7), Err(7));
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn resolve(self, value: T) -> Result<(), T> {
        match self.settle(Ok(value)) {
            Err(Ok(value)) => Err(value),
            _ => Ok(()),
        }
    }

    /// Settles the task with a failure.
    ///
    /// # Errors
    ///
    /// Returns the error if the task was cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred::<u32>();
    /// resolver.reject("no answer").unwrap();
    /// assert!(task.wait().unwrap_err().to_string().starts_with("no answer"));
    /// ```
    pub fn reject(mut self, error: impl Into<BoxError>) -> Result<(), BoxError> {
        let error = error.into();
        let Some(cell) = self.cell.take() else {
            return Err(error);
        };
        let is_failure = error.is::<TaskError>();
        let error = TaskError::failed(error, cell.meta().at());
        match settle::<T>(&cell, Err(error)) {
            // Made above, and not shared: the box can be taken out again.
            Err(Err(error)) if !is_failure => Err(error.into_cause().unwrap_or_else(Into::into)),
            Err(Err(failure)) => Err(Box::new(failure)),
            _ => Ok(()),
        }
    }

    /// Settles the task with the outcome of the task that `task` makes from `given`. Returns
    /// `given` if it is too late.
    pub(crate) fn follow<R>(mut self, given: R, task: impl FnOnce(R) -> Task<T>) -> Result<(), R> {
        let Some(cell) = self.cell.take() else {
            return Err(given);
        };
        // This thread becomes the driver until the task follows the other. That is decided before
        // `given` is taken apart: a caller that has lost a race gets it back whole.
        let claimed = with_state(&*cell, State::claim_open);
        let Some(epoch) = claimed else {
            return Err(given);
        };
        chaos_point();
        let task = task(given);
        let Some(inner) = task.cell().cloned() else {
            return Ok(());
        };
        let upstream = UpstreamRef {
            to: inner.clone(),
            step_id: 0,
        };
        let tied = with_state(&*cell, |state| {
            (state.epoch == epoch).then(|| state.set_upstream(upstream))
        });
        if tied.is_none() {
            // Cancelled since: what it was to follow is cancelled too.
            task.cancel();
            drop(task);
            stopped::driver_is_back(&cell);
            return Ok(());
        }
        drop(task.into_cell());
        let follow = Follow { inner };
        dispatch::scope(|| adopt::follow(&cell, epoch, None, Progress::default(), follow));
        Ok(())
    }

    /// The cell of the task.
    pub(crate) fn cell(&self) -> Option<Arc<dyn AnyCell>> {
        self.cell.clone()
    }

    /// Returns false once the task was cancelled: settling it has no effect then.
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred::<u32>();
    /// assert!(resolver.is_wanted());
    /// task.cancel();
    /// assert!(!resolver.is_wanted());
    /// ```
    pub fn is_wanted(&self) -> bool {
        self.cell
            .as_ref()
            .is_some_and(|cell| with_state(&**cell, |state| state.phase() == Phase::Open))
    }

    /// Settles the task; returns the outcome when it is too late.
    pub(crate) fn settle(mut self, outcome: Outcome<T>) -> Result<(), Outcome<T>> {
        match self.cell.take() {
            Some(cell) => settle(&cell, outcome),
            None => Err(outcome),
        }
    }
}

/// Notes that the work for an open cell has begun elsewhere. Returns false for any other cell.
fn begin(cell: &dyn AnyCell) -> bool {
    let begun = with_state(cell, |state| {
        (state.phase() == Phase::Open).then(|| state.begin_elsewhere())
    });
    if let Some(Some(emitter)) = &begun {
        drop(emitter.start());
    }
    begun.is_some()
}

/// Settles the task. Returns the outcome if that was done before.
fn settle<T: Send + 'static>(
    cell: &Arc<dyn AnyCell>,
    outcome: Outcome<T>,
) -> Result<(), Outcome<T>> {
    let mut local = Some(outcome);
    let settled = cell::settle::settle(cell, &mut local);
    match local {
        None => Ok(()),
        Some(outcome) if !settled => Err(outcome),
        left => {
            // A cancel came first.
            unhandled::drop_reporting(left);
            Ok(())
        }
    }
}

/// The failure of a task whose resolver is dropped unsettled, now.
fn dropped(at: At<'_>) -> TaskError {
    if !thread::panicking() {
        let why = "its resolver was dropped before settling it";
        return TaskError::noted(ErrorKind::Abandoned, why, Some(at));
    }
    let why = match thread::current_name() {
        Some(name) => format!("its resolver was dropped by a panic on thread `{name}`"),
        None => "its resolver was dropped by a panic".into(),
    };
    TaskError::noted(ErrorKind::Panicked, why, Some(at))
}

impl<T: Send + 'static> Drop for Resolver<T> {
    fn drop(&mut self) {
        if let Some(cell) = self.cell.take() {
            // ORDERING: acquire, as for a wait. Nothing is read behind it.
            if cell.settled_flag().load(Ordering::Acquire) {
                return;
            }
            let _ = settle::<T>(&cell, Err(dropped(cell.meta().at())));
        }
    }
}

impl<T: Send + 'static> fmt::Debug for Resolver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("wanted", &self.is_wanted())
            .finish()
    }
}
