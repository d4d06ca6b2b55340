//! Cancelling a task, and shielding one from a cancel.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Sink, Task, held_outcome};
use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::call_off::enlist;
use crate::cell::cancel::cancel;
use crate::cell::slot::Outcome;
use crate::cell::state::Phase;
use crate::cell::task_cell::{NoWork, TaskCell};
use crate::cell::{self, AnyCell, TaskMeta, Upstream, UpstreamRef, with_state};
use crate::error::{BoxError, Reason, TaskError};
use crate::promise::Resolver;
use crate::sync::Arc;
use crate::{drop_queue, unhandled};

impl<T: Send + 'static> Task<T> {
    /// Settles the task as [`Cancelled`](crate::ErrorKind::Cancelled), now, unless it is settled
    /// already.
    ///
    /// What has not started never will, and what it captured is dropped at once. A closure that is
    /// running is not stopped: its [token](crate::TaskContext::is_cancelled) is raised, what it
    /// returns is dropped, and a task that it returns is cancelled;
    /// [`stopped`](Task::stopped) waits until all of that is over. Tasks that only this one waits
    /// for are cancelled with it, up to the first [`shielded`](Task::shielded) one.
    /// `finally` closures run and observers see the cancellation as a failure: now, on the calling
    /// thread, also when [`on`](Task::on) chose another.
    ///
    /// All that is to be cancelled is cancelled before any of that code runs. Called inside a
    /// callback (a continuation, an observer, a callback of a token), the cancel runs it after that
    /// callback has returned; see [`CancelToken`](crate::CancelToken).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{deferred, CancelOutcome};
    ///
    /// let (resolver, task) = deferred::<u32>();
    /// let task = task.then(|n| n + 1);
    /// assert_eq!(task.cancel(), CancelOutcome::Prevented);
    /// assert_eq!(task.cancel(), CancelOutcome::TooLate);
    /// assert!(task.wait().unwrap_err().is_cancelled());
    /// assert_eq!(resolver.resolve(1), Err(1));
    /// ```
    pub fn cancel(&self) -> CancelOutcome {
        self.cancel_because(None)
    }

    /// Cancels the task like [`cancel`](Task::cancel), with a reason.
    ///
    /// The failures of the cancelled tasks carry it, and so does the token that their closures see.
    /// A reason for a task that is settled is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_resolver, task) = fast_async::deferred::<u32>();
    /// task.cancel_with("the window was closed");
    /// let error = task.wait().unwrap_err();
    /// assert!(error.is_cancelled());
    /// assert!(error.to_string().contains("the window was closed"));
    /// ```
    pub fn cancel_with(&self, reason: impl Into<BoxError>) -> CancelOutcome {
        self.cancel_because(Some(Reason::new(reason)))
    }

    fn cancel_because(&self, why: Option<Reason>) -> CancelOutcome {
        match self.cell() {
            Some(cell) => cancel(cell, held_outcome::<T>, why),
            None => CancelOutcome::TooLate,
        }
    }

    /// Returns a guard that cancels the task when it is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred::<u32>();
    /// drop(task.cancel_on_drop());
    /// assert!(resolver.resolve(1).is_err());
    /// ```
    pub fn cancel_on_drop(self) -> CancelOnDrop<T> {
        CancelOnDrop(Some(self))
    }

    /// Returns a task with the same outcome that can be cancelled without cancelling this one. Its
    /// continuations run where this one was [sent](Task::on).
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred::<u32>();
    /// task.shielded().cancel();
    /// assert!(resolver.resolve(1).is_ok(), "the source is not cancelled");
    /// ```
    #[track_caller]
    pub fn shielded(self) -> Task<T> {
        let meta = match self.cell() {
            Some(cell) => cell.meta().continued(Location::caller()),
            None => TaskMeta::here(),
        };
        let outer: Arc<dyn AnyCell> = TaskCell::<NoWork<T>, T>::open(meta);
        let resolver = Resolver::new(outer.clone());
        if let Some(inner) = self.into_cell() {
            let shield = UpstreamRef {
                to: Arc::new(Shield(inner.clone())),
                step_id: 0,
            };
            let _ = cell::with_state(&*outer, |state| state.set_upstream(shield));
            let source = Arc::downgrade(&inner);
            let pass_on = move |outcome: Outcome<T>| {
                let source = source.upgrade();
                if let (Some(source), Some(outer)) = (&source, resolver.cell()) {
                    follow_route(&**source, &*outer);
                }
                // The shield was cancelled: a failure has no consumer.
                if let Err(Err(error)) = resolver.settle(outcome) {
                    let was_asked_for = source.is_some_and(|source| {
                        with_state(&*source, |state| state.was_asked_for(&error))
                    });
                    if !was_asked_for {
                        unhandled::report(error);
                    }
                }
            };
            Sink::new(pass_on).attach(&inner);
            if outer.meta().is_under_tokens() {
                enlist(&outer);
            }
        }
        Task::from_cell(outer)
    }
}

/// Has the steps of `outer`, which is about to be settled, run where `source` was sent.
fn follow_route(source: &dyn AnyCell, outer: &dyn AnyCell) {
    let route = with_state(source, |state| state.route().clone());
    let left = with_state(outer, |state| match state.phase() {
        Phase::Open => state.arrive_at(route),
        _ => Some(route),
    });
    unhandled::drop_reporting(left);
}

/// What a shielded task waits for: a search for cycles sees it, and a cancel does not reach it.
struct Shield(Arc<dyn AnyCell>);

impl Withdraw for Shield {
    fn withdraw(self: Arc<Self>, _ticket: u64, _: &mut Sweep) -> CancelOutcome {
        CancelOutcome::Prevented
    }
}

impl Upstream for Shield {
    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        found.push(self.0.clone());
    }
}

/// A task that is cancelled when this is dropped; made by [`Task::cancel_on_drop`].
///
/// Gives access to the task by reference, and is a future as the task is;
/// [`into_task`](CancelOnDrop::into_task) takes it out again.
#[must_use = "the task is cancelled as soon as the guard is dropped"]
pub struct CancelOnDrop<T: Send + 'static>(Option<Task<T>>);

impl<T: Send + 'static> CancelOnDrop<T> {
    /// Returns the task, which a drop no longer cancels.
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred();
    /// let guard = task.cancel_on_drop();
    /// let task = guard.into_task();
    /// resolver.resolve(7).unwrap();
    /// assert_eq!(task.wait()?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn into_task(mut self) -> Task<T> {
        self.0.take().unwrap_or_else(empty)
    }

    /// Blocks until the task is settled, and returns its outcome; see [`Task::wait`].
    ///
    /// # Errors
    ///
    /// The task's failure.
    ///
    /// # Examples
    ///
    /// ```
    /// let guard = fast_async::spawn(|| 7).cancel_on_drop();
    /// assert_eq!(guard.wait()?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn wait(self) -> Result<T, TaskError> {
        self.into_task().wait()
    }
}

/// Replaces a task that was taken out; no user sees it.
fn empty<T: Send + 'static>() -> Task<T> {
    Task::from_cell(TaskCell::<NoWork<T>, T>::open(TaskMeta::here()))
}

impl<T: Send + 'static> Deref for CancelOnDrop<T> {
    type Target = Task<T>;

    fn deref(&self) -> &Task<T> {
        self.0.as_ref().expect("the task is taken only by value")
    }
}

/// Resolves as the task does; dropped before that, it cancels the task.
///
/// # Examples
///
/// ```
/// # fn assert_future<F: std::future::Future>(_: &F) {}
/// async fn answer() -> Result<u32, fast_async::TaskError> {
///     // Cancelled, if the caller drops this future while it waits.
///     fast_async::spawn(|| 42).cancel_on_drop().await
/// }
/// # assert_future(&answer());
/// ```
impl<T: Send + 'static> Future for CancelOnDrop<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Some(task) => Pin::new(task).poll(context),
            None => Poll::Pending,
        }
    }
}

impl<T: Send + 'static> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            drop_queue::flat(move || {
                task.cancel();
            });
        }
    }
}

impl<T: Send + 'static> fmt::Debug for CancelOnDrop<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelOnDrop").field(&self.0).finish()
    }
}
