//! A task whose value many may borrow.

// Map for maintainers:
//   mod.rs       the handle: making, cancelling, dropping
//   branch.rs    then, and_then, handle, and_handle, cloned    on.rs  branches on an executor
//   observe.rs   observers, and threads that wait    future.rs  async code that waits
//   signal.rs    signals that the steps before it are done
//   interest.rs  counts the handles and branches that want the value
//   flight.rs    the task as a cache holds it

mod branch;
mod flight;
mod future;
mod interest;
mod observe;
mod on;
mod signal;

use std::fmt;

pub(crate) use flight::Flight;
pub use future::SharedFuture;
use interest::{AfterLeave, Interest};
pub use on::SharedOn;

use super::link::Sink;
use super::{Status, Task, status, thread_of};
use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::raise::withdraw_all;
use crate::cell::slot::Outcome;
use crate::cell::task_cell::{NoWork, TaskCell};
use crate::cell::{AnyCell, TaskMeta, Upstream, UpstreamRef, is_driven_here, with_state};
use crate::error::{ErrorKind, TaskError};
use crate::sync::{Arc, AtomicBool, OnceLock, Ordering, ThreadId};
use crate::{drop_queue, unhandled};

/// A task that can be cloned: every clone borrows the one value, which is dropped with the last
/// clone.
///
/// Made by [`Task::share`]. `T` need not be `Clone`, but it must be `Sync`.
///
/// # Examples
///
/// ```
/// use fast_async::spawn;
///
/// let text = spawn(|| "shared".to_string()).share();
/// let len = text.then(|text| text.len());
/// let upper = text.then(|text| text.to_uppercase());
/// assert_eq!((len.wait()?, upper.wait()?.as_str()), (6, "SHARED"));
/// assert_eq!(text.wait()?, "shared");
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[must_use = "dropping a shared task detaches it"]
pub struct SharedTask<T> {
    shared: Arc<Shared<T>>,
}

pub(crate) struct Shared<T> {
    /// The cell whose outcome is published here; its later steps are this task's observers and
    /// branches.
    cell: Arc<dyn AnyCell>,
    value: OnceLock<Outcome<T>>,
    interest: Interest,
    /// A handle or a branch has received the failure.
    handled: AtomicBool,
    /// The task was sent elsewhere before it was shared; so are its branches.
    is_sent: bool,
    /// Drops the value. A function pointer, because only `share` knows that `T: 'static`, which a
    /// deferred drop needs.
    bury: fn(Option<Outcome<T>>),
}

fn bury<T: 'static>(value: Option<Outcome<T>>) {
    drop_queue::flat(move || unhandled::drop_reporting(value));
}

impl<T: Send + Sync + 'static> Task<T> {
    /// Returns a task that can be cloned, borrowed and branched.
    ///
    /// Branches and handles borrow the one value. Observers that subscribed before run first.
    ///
    /// # Examples
    ///
    /// ```
    /// let config = fast_async::spawn(|| vec!["host", "port"]).share();
    /// let other = config.clone();
    /// let reader = std::thread::spawn(move || other.wait().map(|keys| keys.len()));
    /// assert_eq!(config.wait()?, &["host", "port"]);
    /// assert_eq!(reader.join().unwrap()?, 2);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn share(self) -> SharedTask<T> {
        let cell = match self.into_cell() {
            Some(cell) => cell,
            None => TaskCell::<NoWork<T>, T>::open(TaskMeta::here()),
        };
        let is_sent = with_state(&*cell, |state| state.is_sent());
        let shared = Arc::new(Shared {
            cell,
            value: OnceLock::new(),
            interest: Interest::new(),
            handled: AtomicBool::new(false),
            is_sent,
            bury: bury::<T>,
        });
        let publish = {
            let shared = shared.clone();
            move |outcome: Outcome<T>| shared.publish(outcome)
        };
        // Branches and observers may come while the value is being published.
        Sink::keep_listeners(publish).attach(&shared.cell);
        SharedTask { shared }
    }
}

impl<T> Shared<T> {
    fn publish(&self, outcome: Outcome<T>) {
        if self.value.set(outcome).is_err() {
            return;
        }
        if self.interest.settle() {
            self.report_unseen();
        }
    }

    fn report_unseen(&self) {
        if let Some(Err(error)) = self.value.get()
            && !with_state(&*self.cell, |state| state.was_asked_for(error))
            && !self.handled.swap(true, Ordering::AcqRel)
        {
            self.cell.meta().report(error.clone());
        }
    }

    /// A consumer was cancelled. If it was the last, and the value is published, the caller reports
    /// a failure.
    fn leave(&self) -> AfterLeave {
        self.interest.cancel()
    }

    /// The failure that a consumer gets when there is no outcome to lend.
    fn without_outcome(&self) -> TaskError {
        TaskError::noted(
            ErrorKind::Abandoned,
            "the shared task has no outcome",
            Some(self.cell.meta().at()),
        )
    }

    fn source(&self) -> UpstreamRef {
        UpstreamRef {
            to: self.cell.clone(),
            step_id: 0,
        }
    }
}

impl<T: Send + Sync + 'static> SharedTask<T> {
    /// Drops this handle's interest, and cancels the task if no other handle or branch wants it.
    ///
    /// Returns `None` while another one does: the task is not cancelled then.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{deferred, CancelOutcome};
    ///
    /// let (resolver, task) = deferred::<u32>();
    /// let one = task.share();
    /// let other = one.clone();
    /// assert_eq!(one.cancel(), None);
    /// assert!(resolver.is_wanted());
    /// assert_eq!(other.cancel(), Some(CancelOutcome::Prevented));
    /// assert!(!resolver.is_wanted());
    /// ```
    pub fn cancel(self) -> Option<CancelOutcome> {
        if self.is_settled() {
            return Some(CancelOutcome::TooLate);
        }
        let shared = self.shared.clone();
        // `leave` removes the count of this handle, and returns whether it was the last.
        shared.interest.join();
        drop(self);
        match shared.leave() {
            AfterLeave::Others => None,
            AfterLeave::Value => {
                shared.report_unseen();
                Some(CancelOutcome::TooLate)
            }
            AfterLeave::Unwanted => match withdraw_all([shared.source()]) {
                // The value was being published, and no consumer is left to receive it.
                Some(CancelOutcome::TooLate) => Some(CancelOutcome::Signalled),
                outcome => outcome.or(Some(CancelOutcome::Prevented)),
            },
        }
    }
}

impl<T> SharedTask<T> {
    /// Returns what the task does, or how it was settled; a failure does not count as handled by
    /// that.
    ///
    /// It becomes settled at the same moment as [`is_settled`](SharedTask::is_settled).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{deferred, Status};
    ///
    /// let (resolver, task) = deferred();
    /// let shared = task.share();
    /// assert_eq!(shared.status(), Status::Waiting);
    /// resolver.resolve(7).unwrap();
    /// assert_eq!(shared.status(), Status::Success);
    /// ```
    pub fn status(&self) -> Status {
        match self.shared.value.get() {
            // Its outcome is about to be published.
            None => match status::of(&*self.shared.cell) {
                status if status.is_settled() => Status::Running,
                status => status,
            },
            Some(outcome) => Status::settled(outcome.as_ref().err().map(TaskError::kind)),
        }
    }

    /// Returns true once the outcome is final, and can be borrowed.
    ///
    /// As for [`Task::is_settled`], observers of this task may still run. Those that were
    /// registered before [`share`](Task::share) have run, as before a continuation.
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred();
    /// let shared = task.share();
    /// assert!(!shared.is_settled());
    /// resolver.resolve(7).unwrap();
    /// assert!(shared.is_settled());
    /// ```
    pub fn is_settled(&self) -> bool {
        self.shared.value.get().is_some()
    }

    /// Returns the thread that runs, or ran, the task's closure; see [`Task::thread`].
    ///
    /// # Examples
    ///
    /// ```
    /// let shared = fast_async::spawn(|| std::thread::current().id()).share();
    /// let id = *shared.wait()?;
    /// assert_eq!(shared.thread(), Some(id));
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn thread(&self) -> Option<ThreadId> {
        thread_of(&*self.shared.cell)
    }

    /// Returns the name that [`TaskBuilder::name`](crate::TaskBuilder::name) set.
    ///
    /// # Examples
    ///
    /// ```
    /// let shared = fast_async::Task::builder().name("load").spawn(|| 7).share();
    /// assert_eq!(shared.name(), Some("load"));
    /// ```
    pub fn name(&self) -> Option<&str> {
        self.shared.cell.meta().name().map(|name| &**name)
    }
}

impl<T> Clone for SharedTask<T> {
    fn clone(&self) -> SharedTask<T> {
        self.shared.interest.join();
        SharedTask {
            shared: self.shared.clone(),
        }
    }
}

impl<T> Drop for SharedTask<T> {
    fn drop(&mut self) {
        if self.shared.interest.leave() == AfterLeave::Value {
            self.shared.report_unseen();
        }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        (self.bury)(self.value.take());
    }
}

impl<T> fmt::Debug for SharedTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedTask")
            .field("name", &self.name())
            .field("status", &self.status())
            .finish()
    }
}

impl<T: Send + Sync + 'static> Withdraw for Shared<T> {
    fn withdraw(self: Arc<Self>, step_id: u64, sweep: &mut Sweep) -> CancelOutcome {
        let step = with_state(&*self.cell, |state| {
            (step_id > 0).then(|| state.remove(step_id)).flatten()
        });
        if let Some(step) = step {
            sweep.later(move || unhandled::drop_reporting(step));
        }
        match self.leave() {
            AfterLeave::Others => {}
            AfterLeave::Value => sweep.later(move || self.report_unseen()),
            AfterLeave::Unwanted => sweep.unwanted([self.source().parts()]),
        }
        CancelOutcome::Prevented
    }
}

impl<T: Send + Sync + 'static> Upstream for Shared<T> {
    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        found.push(self.cell.clone());
    }

    fn has_failed(&self) -> bool {
        self.value.get().is_some_and(Result::is_err)
    }

    fn is_ready(&self) -> bool {
        self.value.get().is_some() && is_driven_here(&*self.cell)
    }
}
