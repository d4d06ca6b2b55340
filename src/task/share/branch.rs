//! Branches of a shared task: each is a task of its own that borrows the value.

use std::panic::Location;

use super::SharedTask;
use crate::cell::node::{Node, Returned};
use crate::cell::slot::{Outcome, Slot};
use crate::cell::state::{Phase, Role};
use crate::cell::step::{Step, Turn};
use crate::cell::{self, About, Cell, Extra, Tie, with};
use crate::error::{At, TaskError};
use crate::sync::{Arc, Ordering};
use crate::task::Task;
use crate::{dispatch, trace};

impl<T: Send + Sync + 'static> SharedTask<T> {
    /// Calls `f` with a reference to the value; gives a task for what it returns. A failure passes
    /// by.
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
        self.branch(Location::caller(), move |outcome| {
            outcome.map(f).map_err(TaskError::clone)
        })
    }

    /// Calls `f` with a reference to the outcome, whichever it is.
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
        self.branch(Location::caller(), move |outcome| Ok(f(outcome)))
    }

    /// A task for a clone of the value.
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
        self.branch(Location::caller(), |outcome| {
            outcome.cloned().map_err(TaskError::clone)
        })
    }

    fn branch<U, F>(&self, location: &'static Location<'static>, f: F) -> Task<U>
    where
        F: FnOnce(Result<&T, &TaskError>) -> Outcome<U> + Send + 'static,
        U: Send + 'static,
    {
        let source = self.shared.cell.about();
        let mut about = About {
            location,
            pool: source.pool.clone(),
            extra: source.name().map(|name| {
                Box::new(Extra {
                    name: Some(name.clone()),
                    ..Extra::default()
                })
            }),
        };
        let shared = self.shared.clone();
        let work = move |_: &At<'_>| {
            // A failure that is handed on is looked at by whoever gets it.
            shared.looked.store(true, Ordering::Release);
            // From here on this branch is no consumer that could be waited for.
            shared.consumers.leave();
            let outcome = match shared.value.get() {
                Some(outcome) => f(outcome.as_ref()),
                None => Err(shared.without_outcome()),
            };
            Returned::Outcome(outcome)
        };
        if let Some(context) = trace::capture() {
            about.set_context(context.of_branch());
        }
        let branch: Arc<dyn Cell> = Node::new(about, Phase::Open, work);
        self.shared.consumers.join();
        let ticket = cell::register(
            &self.shared.cell,
            Box::new(Start::new(branch.clone())),
            Role::Observer,
        );
        with(&*branch, |state, _| {
            if state.phase == Phase::Open {
                let _ = state.tie_to(Tie {
                    to: self.shared.clone(),
                    ticket,
                });
            }
        });
        Task::from_cell(branch)
    }
}

/// Starts a branch: its closure runs in its turn, the rest of it when this dispatch has come to an
/// end.
struct Start {
    branch: Option<Arc<dyn Cell>>,
}

impl Start {
    fn new(branch: Arc<dyn Cell>) -> Start {
        Start {
            branch: Some(branch),
        }
    }

    fn go(&mut self) {
        if let Some(branch) = self.branch.take() {
            dispatch::scope(|| branch.run());
        }
    }
}

impl Step for Start {
    fn run(&mut self, _: &mut dyn Slot, _: Option<&Arc<str>>) -> Turn {
        self.go();
        Turn::Looked
    }

    fn cancel(&mut self, _: &TaskError) {
        self.go();
    }

    fn refuse(&mut self, error: &TaskError) {
        if let Some(branch) = self.branch.take() {
            branch.refuse(
                error.kind(),
                "the executor of its shared task dropped the job",
            );
        }
    }
}
