//! `Task`, the handle of work that was started, and what can be done with it.

// Map for maintainers:
//   mod.rs        the handle: making, looking, dropping
//   spawn.rs      starting work         builder.rs  with settings    try_spawn.rs  its refusal
//   closure.rs    what a task is started with    context.rs  what a closure can ask
//   into_task.rs  what closures return
//   local.rs      TaskLocal
//   given.rs      what a closure has returned, for families that call it again
//   launch.rs     from a closure to a queued cell    held.rs  whose closure waits for a place
//   chain.rs      then, catch, finally, ..    link.rs, finally.rs  the steps behind them
//   route.rs      on
//   subscribe.rs  observers     observed.rs  from a subscription to its task     share/ SharedTask
//   wait.rs       blocking     help.rs  what a waiter runs
//   owed.rs       waiting on the thread of a loop    patience.rs  for a clock that stands still
//   future.rs     awaiting                    cancel.rs     cancelling, shielding
//   stopped.rs    until cancelled closures have returned     status.rs  what a task does
//   dump.rs       what the threads of a pool do
//   traced.rs     steps in their tracing context

mod builder;
mod cancel;
mod chain;
mod closure;
mod context;
mod dump;
mod finally;
mod future;
mod given;
mod held;
mod help;
mod into_task;
mod launch;
mod link;
mod local;
mod observed;
mod owed;
mod patience;
mod route;
mod share;
mod spawn;
mod status;
mod stopped;
mod subscribe;
mod traced;
mod try_spawn;
mod wait;
mod wrapped;

use std::fmt;
use std::marker::PhantomData;

pub use builder::TaskBuilder;
pub use cancel::CancelOnDrop;
pub use closure::Closure;
pub use context::TaskContext;
pub(crate) use context::own_token;
pub(crate) use given::Given;
pub(crate) use held::{Starter, expect_dependents, held, start, tie};
pub(crate) use help::looks;
pub(crate) use into_task::resolve_returned;
pub use into_task::{IntoTask, Nested};
pub(crate) use launch::{new_cell, start_new};
pub(crate) use link::{Sink, held_outcome};
pub use local::TaskLocal;
pub(crate) use observed::Registration;
pub(crate) use share::Flight;
pub use share::{SharedFuture, SharedOn, SharedTask};
pub use spawn::{attempt, attempt_with, spawn, spawn_with};
pub use status::Status;
pub(crate) use subscribe::observe_with;
pub use subscribe::{Subscription, SubscriptionGuard};
use traced::traced;
pub use try_spawn::TrySpawnError;

use crate::cell::slot::{Outcome, Slot, cast};
use crate::cell::state::{Phase, Role, State};
use crate::cell::step::Step;
use crate::cell::{self, AnyCell, with, with_state};
use crate::error::TaskError;
use crate::sync::{Arc, ThreadId};

/// A promise for a `T`: work that was started, or will be.
///
/// Made by [`spawn`], [`attempt`], [`Task::new`], [`deferred`](crate::deferred) and
/// [`Pool::spawn`](crate::Pool::spawn). A task settles once, as a value or as a
/// [`TaskError`]. Continuations ([`then`](Task::then), [`catch`](Task::catch),
/// ..) take the outcome and return a new task; observers ([`subscribe`](Task::subscribe), ..)
/// borrow it first; [`wait`](Task::wait) blocks for it; `.await` works in any async runtime.
///
/// Dropping a task detaches it: the work continues. See [`cancel_on_drop`](Task::cancel_on_drop)
/// for the opposite.
///
/// # Which thread runs a continuation
///
/// The thread that settles the task, right after; if the task is settled already, a thread of its
/// pool. The call that registers it never runs it. See [`on`](Task::on) to choose.
///
/// # Examples
///
/// ```
/// use fast_async::spawn;
///
/// let n = spawn(|| 6)
///     .then(|n| n * 7)
///     .finally(|| println!("done"))
///     .wait()?;
/// assert_eq!(n, 42);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[must_use = "dropping a task detaches it and its failure is only reported; call `.wait()`, chain on it, or `.detach()` it; one that a closure of `then` returned is joined by `and_then`, or by `flatten`"]
// The compiler shows the next line where a value is wanted.
#[rustfmt::skip]
pub struct Task<T> { // Was it returned in `then`? `and_then` passes on its value.
    /// `None` only while a consuming method runs.
    cell: Option<Arc<dyn AnyCell>>,
    _type: PhantomData<fn() -> T>,
}

impl<T> Task<T> {
    pub(crate) fn from_cell(cell: Arc<dyn AnyCell>) -> Task<T> {
        Task {
            cell: Some(cell),
            _type: PhantomData,
        }
    }

    pub(crate) fn cell(&self) -> Option<&Arc<dyn AnyCell>> {
        self.cell.as_ref()
    }

    /// Takes the cell out of the handle, whose drop does nothing then.
    #[inline]
    pub(crate) fn into_cell(mut self) -> Option<Arc<dyn AnyCell>> {
        let cell = self.cell.take();
        std::mem::forget(self);
        cell
    }

    /// Appends a step; the handle is that of what the step makes of the task.
    #[inline]
    pub(crate) fn append<U>(self, step: Box<dyn Step>, role: Role) -> Task<U> {
        let cell = self.into_cell();
        append(cell.as_ref(), step, role);
        Task {
            cell,
            _type: PhantomData,
        }
    }

    /// Drops the handle explicitly: the work continues without it, and may be lost when the program
    /// ends.
    ///
    /// A handle that is dropped without it while the task has work to do counts as forgotten: if
    /// `main` returns before that work is done, a line on stderr says so.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{spawn, Pool};
    ///
    /// spawn(|| println!("saved")).detach();
    /// // Before `main` returns:
    /// Pool::global().wait_idle(Duration::from_secs(10));
    /// ```
    pub fn detach(self) {
        if let Some(cell) = self.into_cell() {
            cell::release(&*cell);
        }
    }

    /// Returns true once the outcome is final: nothing changes it any more, and a cancel is too
    /// late.
    ///
    /// Observers of this task may still run. [`try_wait`](Task::try_wait) and
    /// [`error`](Task::error) return the outcome after them, because they see it first.
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred();
    /// assert!(!task.is_settled());
    /// resolver.resolve(7).unwrap();
    /// assert!(task.is_settled());
    /// assert_eq!(task.wait()?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn is_settled(&self) -> bool {
        self.status().is_settled()
    }

    /// Returns what the task does, or how it was settled; a failure does not count as handled by
    /// that.
    ///
    /// It may be outdated when it is returned, except that a settled task stays so. It is settled
    /// from the same moment on as [`is_settled`](Task::is_settled) says.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{deferred, Status, Task};
    ///
    /// let (resolver, task) = deferred();
    /// assert_eq!(task.status(), Status::Waiting);
    /// resolver.resolve(1).unwrap();
    /// assert_eq!(task.status(), Status::Success);
    ///
    /// let cold = Task::new(|| 7);
    /// assert_eq!(cold.status(), Status::Cold);
    /// cold.cancel();
    /// assert_eq!(cold.status(), Status::Cancelled);
    /// ```
    pub fn status(&self) -> Status {
        match &self.cell {
            Some(cell) => status::of(&**cell),
            None => Status::Waiting,
        }
    }

    /// Returns the thread that runs, or ran, the task's closure; `None` before it began.
    ///
    /// For a task without a closure: the thread that ran its continuations last.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Task;
    ///
    /// let task = Task::new(|| ());
    /// assert!(task.thread().is_none());
    /// task.run();
    /// task.stopped().wait()?;
    /// assert!(task.thread().is_some_and(|id| id != std::thread::current().id()));
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn thread(&self) -> Option<ThreadId> {
        thread_of(&**self.cell.as_ref()?)
    }

    /// Returns the name that [`TaskBuilder::name`] set.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Task;
    ///
    /// let task = Task::builder().name("load").spawn(|| 7);
    /// assert_eq!(task.name(), Some("load"));
    /// assert_eq!(Task::ready(7).name(), None);
    /// # task.wait()?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn name(&self) -> Option<&str> {
        self.cell.as_ref()?.meta().name().map(|name| &**name)
    }
}

/// Appends a step, with the context of the caller if there is one.
fn append(cell: Option<&Arc<dyn AnyCell>>, step: Box<dyn Step>, role: Role) {
    let step = traced(step);
    if let Some(cell) = cell {
        cell::register(cell, step, role);
    }
}

fn thread_of(cell: &dyn AnyCell) -> Option<ThreadId> {
    with_state(cell, |state| state.thread())
}

/// Takes the outcome of a settled task, which then counts as handled. `None`: it is not settled.
pub(crate) fn take_outcome<T: Send + 'static>(cell: &dyn AnyCell) -> Option<Outcome<T>> {
    let taken = with(cell, take_settled::<T>)?;
    Some(taken.unwrap_or_else(|| Err(TaskError::taken(Some(cell.meta().at())))))
}

/// The same for a handle. Returns the handle when the task is not settled.
fn redeem<T: Send + 'static>(mut task: Task<T>) -> Result<Outcome<T>, Task<T>> {
    let mut outcome: Option<Outcome<T>> = None;
    if !task
        .cell
        .as_mut()
        .is_some_and(|cell| redeem_into(cell, &mut outcome))
    {
        return Err(task);
    }
    // The outcome is handled and moved out: a drop of the handle would have nothing to do.
    drop(task.into_cell());
    Ok(outcome.unwrap_or_else(|| Err(TaskError::taken(None))))
}

/// Moves the outcome of a settled task into `outcome`; false when it is not settled. Most often
/// this is the only reference to the cell, and no lock is needed.
fn redeem_into(cell: &mut Arc<dyn AnyCell>, outcome: &mut dyn Slot) -> bool {
    let alone = Arc::get_mut(cell).and_then(|cell| cell.shell_mut().get_mut_if_settled());
    let moved = match alone {
        Some((state, head)) => move_settled(state, head, outcome),
        None => None,
    };
    let moved = moved.or_else(|| with(&**cell, |state, head| move_settled(state, head, outcome)));
    if moved == Some(false) {
        outcome.fail(TaskError::taken(Some(cell.meta().at())));
    }
    moved.is_some()
}

/// Moves what there is to take from a settled task. Returns whether there was anything; `None`: the
/// task is not settled.
fn move_settled(state: &mut State, head: &mut dyn Slot, to: &mut dyn Slot) -> Option<bool> {
    (state.phase() == Phase::Settled).then(|| {
        state.handled = true;
        state.outcome(head).move_into(to)
    })
}

/// What there is to take, for a settled task.
fn take_settled<T: Send + 'static>(
    state: &mut State,
    head: &mut dyn Slot,
) -> Option<Option<Outcome<T>>> {
    if state.phase() != Phase::Settled {
        return None;
    }
    state.handled = true;
    Some(cast::<T>(state.outcome(head)).take())
}

/// Undoes a `take_outcome`, for the owner of the only handle. A failure is unhandled again.
fn put_back<T: Send + 'static>(cell: &dyn AnyCell, outcome: Outcome<T>) {
    with(cell, |state, head| {
        state.handled = false;
        *cast::<T>(state.outcome(head)) = Some(outcome);
    });
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let Some(cell) = self.cell.take() {
            cell::forget(&*cell);
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name())
            .field("status", &self.status())
            .finish()
    }
}
