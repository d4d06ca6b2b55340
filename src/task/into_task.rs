//! What a closure that may fail, or that starts more work, can return.

use std::panic::Location;

use crate::cell::step::Follow;
use crate::cell::task_cell::{NoWork, Returned};
use crate::cell::{TaskMeta, task_cell::TaskCell, with};
use crate::error::{At, BoxError, ErrorKind, TaskError};
use crate::pool::Pool;
use crate::promise::Resolver;
use crate::sync::Ordering;
use crate::task::{SharedTask, Task};

/// The type that closures of [`attempt`](crate::attempt), [`and_then`](Task::and_then) and
/// [`or_else`](Task::or_else) return: a `Result` with any error, or another task.
///
/// Implemented for `Result<T, BoxError>`, `Task<T>` and [`SharedTask<T>`], and for nothing else:
/// that is what lets `?` and `.into()` in a closure find their error type without an annotation.
///
/// # Errors of `anyhow`
///
/// `?` turns an `anyhow::Error` into a [`BoxError`] too, but into one of a private type of that
/// crate: `Display` and `source` work, and [`catch_as`](Task::catch_as) and
/// [`downcast_ref`](TaskError::downcast_ref) do not find the error that was given to `anyhow`. A
/// search along `source()` does not find it either, because the private type takes its place.
/// Unwrap it where it enters the task:
///
/// ```
/// use std::io;
/// # fn read_config() -> anyhow::Result<String> {
/// #     Ok(std::fs::read_to_string("/no/such/file")?)
/// # }
///
/// let text = fast_async::attempt(|| {
///     read_config().map_err(|err| err.reallocate_into_boxed_dyn_error_without_backtrace())
/// })
/// .catch_as::<io::Error>(|err| format!("({})", err.kind()));
/// assert_eq!(text.wait()?, "(entity not found)");
/// # Ok::<(), fast_async::TaskError>(())
/// ```
///
/// An error to which `anyhow` has added a context is of another type, the context's, with the
/// original as its source: `err.downcast::<io::Error>()` of `anyhow` looks behind that.
#[diagnostic::on_unimplemented(
    message = "a closure for `attempt`, `and_then` or `or_else` cannot return `{Self}`",
    label = "returns `{Self}`, which is neither `Result<_, BoxError>` nor a `Task`",
    note = "a result with another error type: write `Ok(result?)`, or `spawn(..).flatten()` instead of `attempt(..)`, and `then(..).flatten()` instead of `and_then(..)`",
    note = "a future: `attempt_future(..)` instead of `attempt(..)`, and `and_then(|value| spawn_future(..))`; nothing polls it otherwise",
    note = "a plain value: use `spawn` instead of `attempt`, `then` instead of `and_then`, `catch` instead of `or_else`, or write `Ok(value)`"
)]
pub trait IntoTask: sealed::Sealed {
    /// The value of the task.
    type Output: Send + 'static;

    /// Returns the task, or a settled one for a result.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{BoxError, IntoTask};
    ///
    /// let parsed: Result<u16, BoxError> = "8080".parse().map_err(Into::into);
    /// assert_eq!(parsed.into_task().wait()?, 8080);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    fn into_task(self) -> Task<Self::Output>;

    #[doc(hidden)]
    fn resolve_returned(self, place: RegisteredAt<'_>) -> ReturnedOpaque<Self::Output>;

    /// Settles the task of `resolver`, or reports that this was too late.
    #[doc(hidden)]
    fn settle(self, resolver: Resolver<Self::Output>) -> Result<(), Self>
    where
        Self: Sized;
}

/// What the closure returned, in the terms of the cell; opaque, because the trait is public and the
/// cell is not.
#[doc(hidden)]
#[derive(Debug)]
pub struct ReturnedOpaque<T>(pub(super) Returned<T>);

/// Where the closure was registered.
#[doc(hidden)]
#[derive(Debug)]
pub struct RegisteredAt<'a>(pub(super) At<'a>);

/// What a closure that was registered at `at` has returned.
pub(crate) fn resolve_returned<R: IntoTask>(returned: R, at: &At<'_>) -> Returned<R::Output> {
    returned.resolve_returned(RegisteredAt(*at)).0
}

/// The value of a task that [`Task::flatten`] takes: a `Result` with any error, or another task.
///
/// Implemented for `Result<T, E>` where `E` converts into a [`BoxError`] (any error type, those of
/// `anyhow` and strings too), `Task<T>` and [`SharedTask<T>`]. [`IntoTask`] knows fewer types, so
/// that a closure can infer the type of its error.
#[diagnostic::on_unimplemented(
    message = "a task of `{Self}` cannot be flattened",
    label = "`{Self}` is neither a `Result` with an error nor a `Task`",
    note = "the error of a result must convert into `Box<dyn Error + Send + Sync>`: every `Error + Send + Sync + 'static` does, and so do strings"
)]
pub trait Nested: sealed::Nested {
    /// The value of the flattened task.
    type Output: Send + 'static;

    #[doc(hidden)]
    fn resolve_nested(self, place: RegisteredAt<'_>) -> ReturnedOpaque<Self::Output>;
}

impl<T: Send + 'static, E: Into<BoxError>> Nested for Result<T, E> {
    type Output = T;

    fn resolve_nested(self, place: RegisteredAt<'_>) -> ReturnedOpaque<T> {
        self.map_err(Into::into).resolve_returned(place)
    }
}

impl<T: Send + 'static> Nested for Task<T> {
    type Output = T;

    fn resolve_nested(self, place: RegisteredAt<'_>) -> ReturnedOpaque<T> {
        self.resolve_returned(place)
    }
}

impl<T: Clone + Send + Sync + 'static> Nested for SharedTask<T> {
    type Output = T;

    fn resolve_nested(self, place: RegisteredAt<'_>) -> ReturnedOpaque<T> {
        self.resolve_returned(place)
    }
}

/// What was in the value of a task, for a `flatten` at `at`.
pub(super) fn resolve_nested<R: Nested>(nested: R, at: &At<'_>) -> Returned<R::Output> {
    nested.resolve_nested(RegisteredAt(*at)).0
}

pub(super) mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for Result<T, crate::BoxError> {}
    impl<T> Sealed for crate::Task<T> {}
    impl<T> Sealed for crate::SharedTask<T> {}

    pub trait Nested {}
    impl<T, E> Nested for Result<T, E> {}
    impl<T> Nested for crate::Task<T> {}
    impl<T> Nested for crate::SharedTask<T> {}
}

impl<T: Send + 'static> IntoTask for Result<T, BoxError> {
    type Output = T;

    #[track_caller]
    fn into_task(self) -> Task<T> {
        match self {
            Ok(value) => Task::ready(value),
            Err(error) => Task::failed(error),
        }
    }

    fn resolve_returned(self, place: RegisteredAt<'_>) -> ReturnedOpaque<T> {
        ReturnedOpaque(Returned::Outcome(
            self.map_err(|error| TaskError::failed(error, place.0)),
        ))
    }

    fn settle(self, resolver: Resolver<T>) -> Result<(), Self> {
        match self {
            Ok(value) => resolver.resolve(value).map_err(Ok),
            Err(error) => resolver.reject(error).map_err(Err),
        }
    }
}

impl<T: Send + 'static> IntoTask for Task<T> {
    type Output = T;

    fn into_task(self) -> Task<T> {
        self
    }

    fn resolve_returned(self, place: RegisteredAt<'_>) -> ReturnedOpaque<T> {
        let Some(inner) = self.into_cell() else {
            let error = TaskError::of(crate::ErrorKind::Cycle, place.0);
            return ReturnedOpaque(Returned::Outcome(Err(error)));
        };
        // A settled task delivers its outcome at once, unless closures of it may run on.
        if inner.settled_flag().load(Ordering::Acquire)
            && !inner.is_outlived()
            && let Some(outcome) = super::take_outcome(&*inner)
        {
            return ReturnedOpaque(Returned::Outcome(outcome));
        }
        ReturnedOpaque(Returned::Task(Follow { inner }))
    }

    fn settle(self, resolver: Resolver<T>) -> Result<(), Self> {
        // A settled task delivers its outcome at once, unless closures of it may run on.
        if let Some(cell) = self.cell().cloned()
            && cell.settled_flag().load(Ordering::Acquire)
            && !cell.is_outlived()
            && let Some(outcome) = super::take_outcome(&*cell)
        {
            return resolver.settle(outcome).map_err(|outcome| {
                super::put_back(&*cell, outcome);
                self
            });
        }
        resolver.follow(self, |task| task)
    }
}

/// A task that is settled from the start, as `outcome` is.
///
/// # Examples
///
/// ```
/// use fast_async::{spawn, Task};
///
/// let outcome = spawn(|| 7).wait();
/// assert_eq!(Task::from(outcome).wait()?, 7);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
impl<T: Send + 'static> From<Result<T, TaskError>> for Task<T> {
    #[track_caller]
    fn from(outcome: Result<T, TaskError>) -> Task<T> {
        Task::settled(outcome)
    }
}

/// A task that is settled from the start, with a clone of a shared task's outcome.
impl<T: Clone + Send + 'static> From<Result<&T, &TaskError>> for Task<T> {
    #[track_caller]
    fn from(outcome: Result<&T, &TaskError>) -> Task<T> {
        Task::settled(outcome.cloned().map_err(TaskError::clone))
    }
}

impl<T: Clone + Send + Sync + 'static> IntoTask for SharedTask<T> {
    type Output = T;

    #[track_caller]
    fn into_task(self) -> Task<T> {
        self.cloned()
    }

    fn resolve_returned(self, place: RegisteredAt<'_>) -> ReturnedOpaque<T> {
        self.cloned().resolve_returned(place)
    }

    fn settle(self, resolver: Resolver<T>) -> Result<(), Self> {
        resolver.follow(self, |shared| shared.cloned())
    }
}

impl<T: Send + 'static> Task<T> {
    /// A task that is settled from the start.
    #[track_caller]
    pub(crate) fn settled(outcome: Result<T, TaskError>) -> Task<T> {
        Task::from_cell(TaskCell::<NoWork<T>, T>::settled(TaskMeta::here(), outcome))
    }

    /// A task of `pool` that fails as `Rejected` from the start: its arguments were of no use.
    pub(crate) fn rejected(
        pool: Option<&Pool>,
        location: &'static Location<'static>,
        what_to_do: &'static str,
    ) -> Task<T> {
        let at = At {
            location,
            task: None,
        };
        let error = TaskError::noted(ErrorKind::Rejected, what_to_do, Some(at));
        let meta = TaskMeta::new(location, pool.cloned());
        Task::from_cell(TaskCell::<NoWork<T>, T>::settled(meta, Err(error)))
    }

    /// Returns a task that is settled with `value` from the start.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Task;
    /// assert_eq!(Task::ready(7).then(|n| n + 1).wait()?, 8);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn ready(value: T) -> Task<T> {
        Task::settled(Ok(value))
    }

    /// Returns a task that has failed with `error` from the start.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Task;
    /// let task: Task<u8> = Task::failed("no such user");
    /// assert_eq!(task.catch(|_| 0).wait()?, 0);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn failed(error: impl Into<BoxError>) -> Task<T> {
        let meta = crate::cell::TaskMeta::here();
        let error = TaskError::failed(error.into(), meta.at());
        Task::from_cell(TaskCell::<NoWork<T>, T>::settled(meta, Err(error)))
    }

    /// Returns the failure, if the task is settled, has failed, and its observers have run.
    ///
    /// The failure counts as handled then. It is `None` while observers that subscribed before
    /// still run, though [`status`](Task::status) returns [`Failure`](crate::Status::Failure) and
    /// [`is_settled`](Task::is_settled) returns true already: observers see the failure first.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Task;
    /// let task: Task<()> = Task::failed("no");
    /// assert!(task.error().is_some());
    /// ```
    pub fn error(&self) -> Option<TaskError> {
        let cell = self.cell()?;
        let failure = with(&**cell, |state, head| {
            if state.phase() != crate::cell::state::Phase::Settled {
                return None;
            }
            let failure = state.outcome(head).failure().cloned();
            state.handled |= failure.is_some();
            failure
        })?;
        // Looked at for good: also when it travels on, down the chain or to another task.
        let _ = failure.claim_report();
        Some(failure)
    }
}
