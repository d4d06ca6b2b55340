//! Continuations: `then`, `catch`, `finally` and the others that turn an outcome into the next one.

use std::marker::PhantomData;
use std::panic::Location;

use super::finally::{AndFinally, Finally};
use super::into_task::{resolve_nested, resolve_returned};
use super::link::link;
use super::{IntoTask, Nested, Task};
use crate::cell::slot::Outcome;
use crate::cell::state::Role;
use crate::cell::task_cell::Returned;
use crate::error::{At, TaskError};

impl<T: Send + 'static> Task<T> {
    /// Calls `f` with the value, and returns a task for what `f` returns.
    ///
    /// A failure is passed on, and `f` is dropped. See [`Task`] for the thread that runs `f`. A
    /// panic in it fails the new task.
    ///
    /// # Examples
    ///
    /// ```
    /// let n = fast_async::spawn(|| "four").then(str::len).wait()?;
    /// assert_eq!(n, 4);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn then<U, F>(
        // The compiler shows the next line when a task is used again.
        self, // Twice? `share()` first: a shared task has any number of uses.
        f: F,
    ) -> Task<U>
    where
        F: FnOnce(T) -> U + Send + 'static,
        U: Send + 'static,
    {
        self.link(Location::caller(), move |outcome, at| {
            Returned::Outcome(match outcome {
                Ok(value) => Ok(f(value)),
                Err(error) => Err(skip(f, error, at)),
            })
        })
    }

    /// Calls `f` with the value; `f` may fail, or return another task, whose outcome becomes that
    /// of the new one. A failure is passed on, and `f` is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::spawn;
    ///
    /// let n = spawn(|| "8080")
    ///     .and_then(|text| Ok(text.parse::<u16>()?))
    ///     .and_then(|port| spawn(move || port + 1))
    ///     .wait()?;
    /// assert_eq!(n, 8081);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn and_then<R, F>(
        // The compiler shows the next line when a task is used again.
        self, // Twice? `share()` first: a shared task has any number of uses.
        f: F,
    ) -> Task<R::Output>
    where
        F: FnOnce(T) -> R + Send + 'static,
        R: IntoTask,
    {
        self.link(Location::caller(), move |outcome, at| match outcome {
            Ok(value) => resolve_returned(f(value), at),
            Err(error) => Returned::Outcome(Err(skip(f, error, at))),
        })
    }

    /// Turns a failure into a value. On success `f` is dropped and the value is passed on.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::attempt;
    ///
    /// let n = attempt(|| Ok("x".parse::<i32>()?)).catch(|err| {
    ///     eprintln!("{err}");
    ///     0
    /// });
    /// assert_eq!(n.wait()?, 0);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn catch<F>(self, f: F) -> Task<T>
    where
        F: FnOnce(TaskError) -> T + Send + 'static,
    {
        self.link(Location::caller(), move |outcome, _| {
            Returned::Outcome(Ok(match outcome {
                Ok(value) => pass_by(f, value),
                Err(error) => f(error),
            }))
        })
    }

    /// Replaces a failure by the outcome of `f`, which may fail again, or return a task. On success
    /// `f` is dropped and the value is passed on.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{attempt, spawn, Task};
    ///
    /// let text: Task<String> = attempt(|| Ok(std::fs::read_to_string("/no/such/file")?))
    ///     .or_else(|_| spawn(|| "default".to_string()));
    /// assert_eq!(text.wait()?, "default");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn or_else<R, F>(self, f: F) -> Task<T>
    where
        F: FnOnce(TaskError) -> R + Send + 'static,
        R: IntoTask<Output = T>,
    {
        self.link(Location::caller(), move |outcome, at| match outcome {
            Ok(value) => Returned::Outcome(Ok(pass_by(f, value))),
            Err(error) => resolve_returned(f(error), at),
        })
    }

    /// Turns a failure into a value if the user's error is an `E`; other failures, and values, are
    /// passed on.
    ///
    /// Compares the error itself, as [`downcast_ref`](TaskError::downcast_ref) does: neither at its
    /// sources nor into an `anyhow::Error`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    /// use fast_async::attempt;
    ///
    /// let text = attempt(|| Ok(std::fs::read_to_string("/no/such/file")?))
    ///     .catch_as::<io::Error>(|err| format!("({})", err.kind()));
    /// assert_eq!(text.wait()?, "(entity not found)");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn catch_as<E: std::error::Error + 'static>(
        self,
        f: impl FnOnce(&E) -> T + Send + 'static,
    ) -> Task<T> {
        self.link(Location::caller(), move |outcome, at| {
            Returned::Outcome(match outcome {
                Err(error) => match error.downcast_ref::<E>() {
                    Some(known) => Ok(f(known)),
                    None => Err(skip(f, error, at)),
                },
                Ok(value) => Ok(pass_by(f, value)),
            })
        })
    }

    /// Calls `f` with the outcome, value or failure, and returns a task for what `f` returns.
    ///
    /// # Examples
    ///
    /// ```
    /// let text = fast_async::spawn(|| 7).handle(|outcome| match outcome {
    ///     Ok(n) => format!("got {n}"),
    ///     Err(err) => format!("failed: {err}"),
    /// });
    /// assert_eq!(text.wait()?, "got 7");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn handle<U, F>(self, f: F) -> Task<U>
    where
        F: FnOnce(Result<T, TaskError>) -> U + Send + 'static,
        U: Send + 'static,
    {
        self.link(Location::caller(), move |outcome, _| {
            Returned::Outcome(Ok(f(outcome)))
        })
    }

    /// Calls `f` with the outcome, value or failure; `f` may fail, or return another task, whose
    /// outcome becomes that of the new one.
    ///
    /// `Task::from(outcome)` passes the outcome on.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{attempt, spawn, Task};
    ///
    /// let port = attempt(|| Ok("http".parse::<u16>()?)).and_handle(|outcome| match outcome {
    ///     Ok(_) => Task::from(outcome),
    ///     Err(_) => spawn(|| 80),
    /// });
    /// assert_eq!(port.wait()?, 80);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn and_handle<R, F>(self, f: F) -> Task<R::Output>
    where
        F: FnOnce(Result<T, TaskError>) -> R + Send + 'static,
        R: IntoTask,
    {
        self.link(Location::caller(), move |outcome, at| {
            resolve_returned(f(outcome), at)
        })
    }

    /// Calls `f` on every outcome, a cancellation included, and passes the outcome on when the task
    /// or result that `f` returns has succeeded. A failure of that replaces the outcome.
    ///
    /// On a cancellation the new task settles as `Cancelled` without waiting for what `f` returns,
    /// whose failure is reported.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use fast_async::spawn;
    ///
    /// let (tell, told) = mpsc::channel();
    /// let n = spawn(|| 7)
    ///     .and_finally(|| spawn(move || tell.send("closed").unwrap()))
    ///     .wait()?;
    /// assert_eq!((n, told.try_recv()), (7, Ok("closed")));
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn and_finally<R, F>(self, f: F) -> Task<T>
    where
        F: FnOnce() -> R + Send + 'static,
        R: IntoTask,
    {
        let step = Box::new(AndFinally::<T, F> {
            work: Some(f),
            location: Location::caller(),
            _type: PhantomData,
        });
        self.append(step, Role::Closing)
    }

    /// Calls `f` on every outcome, a cancellation included, and passes the outcome on.
    ///
    /// When the task is cancelled while a closure runs, `f` runs at the same time as that closure;
    /// see [`finally_stopped`](Task::finally_stopped) for one that must come after it.
    ///
    /// A panic in `f` replaces the outcome by [`Panicked`](crate::ErrorKind::Panicked). On a
    /// cancellation a panic in it is reported and the outcome stays `Cancelled`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let (tell, told) = mpsc::channel();
    /// fast_async::spawn(|| 7).finally(move || tell.send("closed").unwrap()).wait()?;
    /// assert_eq!(told.recv().unwrap(), "closed");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn finally<F>(self, f: F) -> Task<T>
    where
        F: FnOnce() + Send + 'static,
    {
        let step = Box::new(Finally {
            work: Some(f),
            location: Location::caller(),
        });
        self.append(step, Role::Closing)
    }

    pub(crate) fn link<U, F>(self, location: &'static Location<'static>, work: F) -> Task<U>
    where
        U: Send + 'static,
        F: FnOnce(Outcome<T>, &At<'_>) -> Returned<U> + Send + 'static,
    {
        self.append(link(location, work), Role::Link)
    }
}

impl<T: Send + 'static> Task<T> {
    /// Returns a task for the inner outcome of a task of a result, or of a task of a task. An `Err`
    /// in the value, of any error type, becomes the failure of the new task.
    ///
    /// So `spawn(f).flatten()` is an [`attempt`](crate::attempt) of an `f` that returns a `Result`
    /// with an error of its own, and `then(f).flatten()` such an `and_then`.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::spawn;
    ///
    /// let text = spawn(|| std::fs::read_to_string("/no/such/file")).flatten();
    /// assert_eq!(text.catch(|_| "default".to_string()).wait()?, "default");
    ///
    /// let nested = spawn(|| spawn(|| 7));
    /// assert_eq!(nested.flatten().wait()?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn flatten(self) -> Task<T::Output>
    where
        T: Nested,
    {
        self.link(Location::caller(), |outcome, at| match outcome {
            Ok(inner) => resolve_nested(inner, at),
            Err(error) => Returned::Outcome(Err(skip((), error, at))),
        })
    }
}

/// Drops a closure that a failure passes by.
fn skip<F>(closure: F, error: TaskError, at: &At<'_>) -> TaskError {
    drop(closure);
    error.passed(at.location);
    error
}

/// Drops a closure that is not called, and then returns `value`. If the closure were dropped as the
/// caller returns, a panic in its drop would leak the returned value (rust-lang/rust#47949).
fn pass_by<F, V>(closure: F, value: V) -> V {
    drop(closure);
    value
}
