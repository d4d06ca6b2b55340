//! Branches of a shared task: each is a new task that borrows the value.

use std::panic::Location;

use super::SharedTask;
use crate::cell::call_off::{enlist, enlist_again};
use crate::cell::slot::{Outcome, Slot};
use crate::cell::state::{Phase, Role};
use crate::cell::step::{Flow, Step};
use crate::cell::task_cell::{NoWork, Returned, TaskCell};
use crate::cell::{self, AnyCell, TaskMeta, Upstream, UpstreamRef, with_state};
use crate::error::{At, TaskError};
use crate::sync::{Arc, Ordering};
use crate::task::{IntoTask, Task, resolve_returned};
use crate::{dispatch, guard, trace, unhandled};

impl<T: Send + Sync + 'static> SharedTask<T> {
    /// Calls `f` with a reference to the value, and returns a task for what `f` returns. A failure
    /// is passed on.
    ///
    /// # Examples
    ///
    /// ```
    /// let shared = fast_async::spawn(|| vec![3, 1, 2]).share();
    /// let max = shared.then(|v| v.iter().max().copied());
    /// assert_eq!(max.wait()?, Some(3));
    /// # Ok::<(), fast_async::TaskError>(())
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

    /// Calls `f` with a reference to the value; `f` may fail, or return another task, whose outcome
    /// becomes that of the new one. A failure is passed on.
    ///
    /// # Examples
    ///
    /// ```
    /// let shared = fast_async::spawn(|| "8080".to_string()).share();
    /// let port = shared.and_then(|text| Ok(text.parse::<u16>()?));
    /// assert_eq!(port.wait()?, 8080);
    /// # Ok::<(), fast_async::TaskError>(())
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

    /// Calls `f` with a reference to the outcome, value or failure, and returns a task for what `f`
    /// returns.
    ///
    /// # Examples
    ///
    /// ```
    /// let parsed = fast_async::attempt(|| Ok("http".parse::<u16>()?)).share();
    /// let port = parsed.handle(|outcome| outcome.copied().unwrap_or(80));
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

    /// Calls `f` with a reference to the outcome, value or failure; `f` may fail, or return another
    /// task, whose outcome becomes that of the new one.
    ///
    /// `Task::from(outcome)` passes the outcome on.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{attempt, spawn, Task};
    ///
    /// let parsed = attempt(|| Ok("http".parse::<u16>()?)).share();
    /// let port = parsed.and_handle(|outcome| match outcome {
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

    /// Returns a task for a clone of the value.
    ///
    /// This call makes the clone if the task is settled and its observers have run.
    ///
    /// # Examples
    ///
    /// ```
    /// let shared = fast_async::spawn(|| "text".to_string()).share();
    /// let own: fast_async::Task<String> = shared.cloned();
    /// assert_eq!(own.wait()?, "text");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn cloned(&self) -> Task<T>
    where
        T: Clone,
    {
        if self.shared.cell.settled_flag().load(Ordering::Acquire)
            && let Some(outcome) = self.shared.value.get()
        {
            return self.clone_now(outcome, Location::caller());
        }
        self.branch(Location::caller(), |outcome, _| {
            Returned::Outcome(outcome.cloned().map_err(TaskError::clone))
        })
    }

    pub(super) fn branch<U, F>(&self, location: &'static Location<'static>, f: F) -> Task<U>
    where
        F: FnOnce(Result<&T, &TaskError>, &At<'_>) -> Returned<U> + Send + 'static,
        U: Send + 'static,
    {
        let mut meta = self.about_branch(location);
        let shared = self.shared.clone();
        let work = move |at: &At<'_>| {
            // A failure is passed on to this branch, which reports it if its consumer does not
            // receive it.
            shared.handled.store(true, Ordering::Release);
            // A branch that has started no longer counts as a consumer.
            shared.interest.leave();
            match shared.value.get() {
                Some(outcome) => f(outcome.as_ref(), at),
                None => Returned::Outcome(Err(shared.without_outcome())),
            }
        };
        if let Some(context) = trace::capture() {
            meta.set_context(context.of_branch());
        }
        let branch: Arc<dyn AnyCell> = TaskCell::new(meta, Phase::Open, work);
        self.shared.interest.join();
        let start = StartBranch {
            branch: Some(branch.clone()),
            enlists: self.put_under_tokens(&branch),
        };
        let is_sent = self.shared.is_sent;
        let start: Box<dyn Step> = match is_sent {
            false => Box::new(start),
            true => Box::new(StartThere {
                start,
                source: self.shared.cell.clone(),
            }),
        };
        let step_id = cell::register(&self.shared.cell, start, Role::Observer);
        with_state(&*branch, |state| {
            if is_sent {
                state.expect_route();
            }
            if state.phase() == Phase::Open {
                let _ = state.set_upstream(UpstreamRef {
                    to: self.shared.clone(),
                    step_id,
                });
            }
        });
        Task::from_cell(branch)
    }

    /// A branch is under the tokens of its source: from its start on, or from now on if the source
    /// is settled. Before that it gets the failure of the source. Returns what tells, when it
    /// starts, whether that has failed.
    fn put_under_tokens(&self, branch: &Arc<dyn AnyCell>) -> Option<Arc<dyn Upstream>> {
        if !branch.meta().is_under_tokens() {
            return None;
        }
        if self.is_settled() {
            enlist_again(branch);
            return None;
        }
        Some(self.shared.clone())
    }

    fn about_branch(&self, location: &'static Location<'static>) -> TaskMeta {
        self.shared.cell.meta().continued(location)
    }

    /// A branch that is settled from the start with a clone, which this call makes.
    fn clone_now(&self, outcome: &Outcome<T>, location: &'static Location<'static>) -> Task<T>
    where
        T: Clone,
    {
        let cloned = match guard::catch(|| outcome.clone()) {
            Ok(cloned) => cloned,
            Err(payload) => {
                let at = self.about_branch(location);
                Err(TaskError::panicked(payload, at.at()))
            }
        };
        self.settled_branch(cloned, location)
    }

    /// A branch of a settled task that is settled from the start. Its continuations run where the
    /// source was sent.
    pub(super) fn settled_branch<U: Send + 'static>(
        &self,
        outcome: Outcome<U>,
        location: &'static Location<'static>,
    ) -> Task<U> {
        let meta = self.about_branch(location);
        // A failure is passed on to the branch, which reports it if its consumer does not receive
        // it.
        self.shared.handled.store(true, Ordering::Release);
        let branch = TaskCell::<NoWork<U>, U>::settled(meta, outcome);
        if self.shared.is_sent {
            let route = with_state(&*self.shared.cell, |state| state.route().clone());
            let _ = with_state(&*branch, |state| state.set_route(route));
        }
        Task::from_cell(branch)
    }
}

/// Starts a branch. Its closure runs now; its own steps run after this dispatch.
struct StartBranch {
    branch: Option<Arc<dyn AnyCell>>,
    /// The source, if the branch has yet to be put under its tokens.
    enlists: Option<Arc<dyn Upstream>>,
}

impl StartBranch {
    fn go(&mut self) {
        if let Some(branch) = self.branch.take() {
            match self.enlists.take() {
                None => {}
                // By one of the tokens, perhaps. The branch sees that failure.
                Some(source) if source.has_failed() => enlist_again(&branch),
                Some(_) => enlist(&branch),
            }
            dispatch::scope(|| branch.run());
        }
    }
}

/// Starts a branch of a task that was sent to an executor. The branch runs there too, whether a
/// continuation is registered on it before or after.
struct StartThere {
    start: StartBranch,
    source: Arc<dyn AnyCell>,
}

impl StartThere {
    /// Takes over the route of the source. The calling thread works for that executor.
    fn inherit(&self) {
        if let Some(branch) = &self.start.branch {
            let route = with_state(&*self.source, |state| state.route().clone());
            let left = with_state(&**branch, |state| state.arrive_at(route));
            // An executor is the user's to drop.
            unhandled::drop_reporting(left);
        }
    }
}

impl Step for StartThere {
    fn run(&mut self, input: &mut dyn Slot, name: Option<&Arc<str>>) -> Flow {
        self.inherit();
        self.start.run(input, name)
    }

    fn cancel(&mut self, error: &TaskError) {
        self.start.cancel(error);
    }

    fn reject(&mut self, error: &TaskError) {
        self.start.reject(error);
    }
}

impl Step for StartBranch {
    fn run(&mut self, _: &mut dyn Slot, _: Option<&Arc<str>>) -> Flow {
        self.go();
        Flow::Observed
    }

    fn cancel(&mut self, _: &TaskError) {
        self.go();
    }

    fn reject(&mut self, error: &TaskError) {
        if let Some(branch) = self.branch.take() {
            branch.reject(
                error.kind(),
                "the executor of its shared task dropped the job",
            );
        }
    }
}
