//! Branches of a shared task whose closures run on an executor.

use std::fmt;
use std::panic::Location;

use super::SharedTask;
use crate::cell::slot::Outcome;
use crate::cell::step::Route;
use crate::cell::task_cell::Returned;
use crate::error::{At, TaskError};
use crate::executor::Executor;
use crate::sync::Ordering;
use crate::task::route::route_to;
use crate::task::{IntoTask, Task, resolve_returned};

impl<T: Send + Sync + 'static> SharedTask<T> {
    /// Returns the shared task with an executor, on which branches made from that run.
    ///
    /// The task itself, its observers and its other branches are not affected. Branches that are
    /// sent to one executor arrive there in the order of their registration.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{spawn, LoopQueue};
    ///
    /// let window = LoopQueue::new();
    /// let here = std::thread::current().id();
    /// let text = spawn(|| "shared".to_string()).share();
    /// let shown = text.on(&window).then(move |text| {
    ///     assert_eq!(std::thread::current().id(), here);
    ///     text.len()
    /// });
    /// assert_eq!(window.run_until(shown)?, 6);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn on<E>(&self, executor: &E) -> SharedOn<'_, T>
    where
        E: Executor + Clone + 'static,
    {
        SharedOn {
            source: self,
            route: route_to(executor),
        }
    }
}

/// A shared task with an executor that runs the closures of its branches; made by
/// [`SharedTask::on`].
#[must_use = "an executor runs only the branches that are made from this"]
pub struct SharedOn<'a, T> {
    source: &'a SharedTask<T>,
    route: Route,
}

impl<T: Send + Sync + 'static> SharedOn<'_, T> {
    /// Calls `f` on the executor with a reference to the value; see [`SharedTask::then`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{spawn, Pool};
    ///
    /// let disk = Pool::builder().name("disk").build()?;
    /// let text = spawn(|| "shared".to_string()).share();
    /// assert_eq!(text.on(&disk).then(|text| text.len()).wait()?, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn then<U, F>(&self, f: F) -> Task<U>
    where
        F: FnOnce(&T) -> U + Send + 'static,
        U: Send + 'static,
    {
        self.branch(Location::caller(), move |outcome, _| {
            Returned::Outcome(outcome.map(f).map_err(TaskError::clone))
        })
    }

    /// Calls `f` on the executor with a reference to the value; `f` may fail, or return another
    /// task. See [`SharedTask::and_then`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{spawn, Pool};
    ///
    /// let disk = Pool::builder().name("disk").build()?;
    /// let text = spawn(|| "8080".to_string()).share();
    /// let port = text.on(&disk).and_then(|text| Ok(text.parse::<u16>()?));
    /// assert_eq!(port.wait()?, 8080);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn and_then<R, F>(&self, f: F) -> Task<R::Output>
    where
        F: FnOnce(&T) -> R + Send + 'static,
        R: IntoTask,
    {
        self.branch(Location::caller(), move |outcome, at| match outcome {
            Ok(value) => resolve_returned(f(value), at),
            Err(error) => Returned::Outcome(Err(error.clone())),
        })
    }

    /// Calls `f` on the executor with a reference to the outcome; see [`SharedTask::handle`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{attempt, Inline};
    ///
    /// let parsed = attempt(|| Ok("http".parse::<u16>()?)).share();
    /// let port = parsed.on(&Inline).handle(|outcome| outcome.copied().unwrap_or(80));
    /// assert_eq!(port.wait()?, 80);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn handle<U, F>(&self, f: F) -> Task<U>
    where
        F: FnOnce(Result<&T, &TaskError>) -> U + Send + 'static,
        U: Send + 'static,
    {
        self.branch(Location::caller(), move |outcome, _| {
            Returned::Outcome(Ok(f(outcome)))
        })
    }

    /// Calls `f` on the executor with a reference to the outcome; `f` may fail, or return another
    /// task. See [`SharedTask::and_handle`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{attempt, spawn, Inline, Task};
    ///
    /// let parsed = attempt(|| Ok("http".parse::<u16>()?)).share();
    /// let port = parsed.on(&Inline).and_handle(|outcome| match outcome {
    ///     Ok(_) => Task::from(outcome),
    ///     Err(_) => spawn(|| 80),
    /// });
    /// assert_eq!(port.wait()?, 80);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn and_handle<R, F>(&self, f: F) -> Task<R::Output>
    where
        F: FnOnce(Result<&T, &TaskError>) -> R + Send + 'static,
        R: IntoTask,
    {
        self.branch(Location::caller(), move |outcome, at| {
            resolve_returned(f(outcome), at)
        })
    }

    /// The branch itself runs no user code: it forwards the failure, or the signal that there is a
    /// value, to the executor, where `f` borrows the value.
    fn branch<U, F>(&self, location: &'static Location<'static>, f: F) -> Task<U>
    where
        F: FnOnce(Result<&T, &TaskError>, &At<'_>) -> Returned<U> + Send + 'static,
        U: Send + 'static,
    {
        let shared = self.source.shared.clone();
        let branch = self.arrival(location).on_route(self.route.clone());
        branch.link(location, move |arrival: Outcome<()>, at| {
            match (&arrival, shared.value.get()) {
                (Err(error), _) => f(Err(error), at),
                (Ok(()), Some(outcome)) => f(outcome.as_ref(), at),
                (Ok(()), None) => Returned::Outcome(Err(shared.without_outcome())),
            }
        })
    }

    /// A branch that settles with the shared task, and has its failure.
    fn arrival(&self, location: &'static Location<'static>) -> Task<()> {
        let without_value = |outcome: Result<&T, &TaskError>| match outcome {
            Ok(_) => Ok(()),
            Err(error) => Err(error.clone()),
        };
        let shared = &self.source.shared;
        if shared.cell.settled_flag().load(Ordering::Acquire)
            && let Some(outcome) = shared.value.get()
        {
            return self
                .source
                .settled_branch(without_value(outcome.as_ref()), location);
        }
        self.source.branch(location, move |outcome, _| {
            Returned::Outcome(without_value(outcome))
        })
    }
}

impl<T> fmt::Debug for SharedOn<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedOn").field(self.source).finish()
    }
}
