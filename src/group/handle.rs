//! `Group`, the handle by which tasks are started in a group.

use std::fmt;
use std::panic::Location;

use super::core::{Core, Status};
use crate::cancel::CancelToken;
use crate::cell::task_cell::Returned;
use crate::cell::{AnyCell, ExtraMeta, TaskMeta};
use crate::error::{At, BoxError, ErrorKind, Reason};
use crate::event::Emitter;
use crate::pool::Pool;
use crate::sync::Arc;
use crate::task::{
    Closure, IntoTask, Task, TaskContext, new_cell, own_token, resolve_returned, start_new,
};
use crate::unhandled::Overseen;

/// A group: what is started in it ends before the call of [`group`](crate::group()) returns.
///
/// Cloning gives another handle of the same group, for tasks that start more of them.
#[derive(Clone)]
pub struct Group(Arc<Core>);

impl Group {
    pub(super) fn new(core: Arc<Core>) -> Group {
        Group(core)
    }

    /// What tells the events of the group.
    pub(crate) fn emitter(&self) -> &Arc<Emitter> {
        self.0.emitter()
    }

    /// `None`: the global pool.
    pub(crate) fn pool(&self) -> Option<&Pool> {
        self.0.pool.as_ref()
    }

    /// Runs `f` as a task of the group; see [`spawn`](crate::spawn).
    ///
    /// # Errors
    ///
    /// In a group that was cancelled, or has ended, the task fails as
    /// [`Rejected`](ErrorKind::Rejected), and `f` is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let n = fast_async::group(|g| Ok(g.spawn(|| 6 * 7).wait()?))?;
    /// assert_eq!(n, 42);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn spawn<T, F>(&self, f: F) -> Task<T>
    where
        F: Closure<T> + Send + 'static,
        T: Send + 'static,
    {
        self.start(Location::caller(), None, move |_: &At<'_>| {
            Returned::Outcome(Ok(f()))
        })
    }

    /// The same for a closure that may fail, or return another task; see
    /// [`attempt`](crate::attempt).
    ///
    /// # Errors
    ///
    /// As for [`spawn`](Group::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// let failed = fast_async::group(|g| {
    ///     g.attempt(|| Ok("x".parse::<u16>()?)).detach();
    /// });
    /// assert!(failed.unwrap_err().is::<std::num::ParseIntError>());
    /// ```
    #[track_caller]
    pub fn attempt<R, F>(&self, f: F) -> Task<R::Output>
    where
        F: Closure<R> + Send + 'static,
        R: IntoTask,
    {
        self.start(Location::caller(), None, move |at: &At<'_>| {
            resolve_returned(f(), at)
        })
    }

    /// The same with a [`TaskContext`], by which the closure sees that the group is cancelled; see
    /// [`spawn_with`](crate::spawn_with).
    ///
    /// # Errors
    ///
    /// As for [`spawn`](Group::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// fast_async::group(|g| {
    ///     g.spawn_with(|ctx| {
    ///         while !ctx.is_cancelled() {
    ///             std::thread::yield_now();
    ///         }
    ///     })
    ///     .detach();
    ///     g.cancel();
    /// })?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn spawn_with<T, F>(&self, f: F) -> Task<T>
    where
        F: FnOnce(&TaskContext) -> T + Send + 'static,
        T: Send + 'static,
    {
        let (token, context) = own_token();
        self.start(Location::caller(), Some(token), move |_: &At<'_>| {
            Returned::Outcome(Ok(f(&context)))
        })
    }

    /// Both of it: a closure with a [`TaskContext`] that may fail, or return another task.
    ///
    /// # Errors
    ///
    /// As for [`spawn`](Group::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// let port = fast_async::group(|g| {
    ///     let port = g.attempt_with(|ctx| {
    ///         ctx.check()?;
    ///         Ok("8080".parse::<u16>()?)
    ///     });
    ///     Ok(port.wait()?)
    /// });
    /// assert_eq!(port?, 8080);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn attempt_with<R, F>(&self, f: F) -> Task<R::Output>
    where
        F: FnOnce(&TaskContext) -> R + Send + 'static,
        R: IntoTask,
    {
        let (token, context) = own_token();
        self.start(Location::caller(), Some(token), move |at: &At<'_>| {
            resolve_returned(f(&context), at)
        })
    }

    fn start<T, F>(
        &self,
        location: &'static Location<'static>,
        token: Option<CancelToken>,
        work: F,
    ) -> Task<T>
    where
        F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
        T: Send + 'static,
    {
        let number = self.0.next_number();
        let meta = TaskMeta {
            location,
            pool: self.0.pool.clone(),
            extra: Some(Box::new(ExtraMeta {
                token,
                overseer: Some(Overseen {
                    by: self.0.clone(),
                    number,
                }),
                ..ExtraMeta::default()
            })),
        };
        let cell = new_cell(meta, work);
        let status = self.enter(number, &cell);
        let task = Task::from_cell(cell);
        if status == Status::Cancelled {
            // The group's own failure says what is wrong: this one is not reported too.
            let _ = task.error();
        }
        task
    }

    fn enter(&self, number: u64, cell: &Arc<dyn AnyCell>) -> Status {
        let status = self.0.join(number, cell);
        let why = match status {
            Status::Open => {
                start_new(cell);
                return status;
            }
            Status::Cancelled => "its group was cancelled",
            Status::Ended => "its group has ended; start it before the block returns",
        };
        crate::cell::with_state(&**cell, |state| state.overseen = false);
        cell.clone().reject(ErrorKind::Rejected, why);
        status
    }

    /// Cancels the tasks of the group; later ones are rejected.
    ///
    /// No failure by itself: if nothing else fails, the group returns the value of its block. The
    /// group still waits until their closures have returned.
    ///
    /// # Examples
    ///
    /// The first answer is enough:
    ///
    /// ```
    /// use fast_async::{any, group};
    ///
    /// let first = group(|g| {
    ///     let answers = [1, 2, 3].map(|n| g.spawn(move || n));
    ///     let first = any(answers).wait()?;
    ///     g.cancel();
    ///     Ok(first)
    /// })?;
    /// assert!((1..=3).contains(&first));
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn cancel(&self) {
        self.0.cancel(None);
    }

    /// The same with a reason, which the failures of the tasks carry.
    ///
    /// # Examples
    ///
    /// ```
    /// fast_async::group(|g| {
    ///     let task = g.spawn_with(|ctx| while !ctx.is_cancelled() {});
    ///     g.cancel_with("enough");
    ///     assert!(task.wait().unwrap_err().to_string().contains("enough"));
    /// })?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn cancel_with(&self, reason: impl Into<BoxError>) {
        self.0.cancel(Some(Reason::new(reason)));
    }

    /// Returns true once the group was cancelled: by [`cancel`](Group::cancel), by a failure, or by
    /// its time limit; also when it has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// fast_async::group(|g| {
    ///     assert!(!g.is_cancelled());
    ///     g.cancel();
    ///     assert!(g.is_cancelled());
    /// })?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.0.status() != Status::Open
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("running", &self.0.live())
            .field("status", &self.0.status())
            .finish()
    }
}
