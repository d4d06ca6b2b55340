//! A resource that is released on every way out.

use std::panic::{Location, resume_unwind};

use crate::cancel::{CancelOutcome, CancelToken, Sweep, Withdraw};
use crate::cell::call_off::enlist;
use crate::cell::slot::Outcome;
use crate::cell::stopped::{driver_is_back, leave_running};
use crate::cell::task_cell::{NoWork, TaskCell};
use crate::cell::{AnyCell, TaskMeta, Upstream, UpstreamRef, with_state};
use crate::error::TaskError;
use crate::promise::Resolver;
use crate::sync::{Arc, Mutex};
use crate::task::{Given, IntoTask, Sink, Task, TaskBuilder};
use crate::{guard, unhandled};

impl<T: Send + 'static> Task<T> {
    /// Lends the value of this task to `body`, and gives it to `release` when `body`, and the task
    /// that it may have returned, are done.
    ///
    /// Returns a task that settles as `body` does, after the release. `release` is called once for
    /// each value, on every outcome: a failure, a panic, a cancel. It is not called if this task
    /// fails, since there is nothing to release.
    ///
    /// Cancelling the new task cancels the task of `body`. The value is released when the closures
    /// of that task have returned. A cancel does not reach this task, so that a value which comes
    /// late is not lost: it is released when it comes, and `body` is not called.
    /// [`stopped`](Task::stopped) of the new task waits for all of that.
    ///
    /// `body` runs on the pool of this task, and `release` on the thread where the last closure of
    /// `body` has returned. What is chained on the new task runs there too, or, if that is settled
    /// by then, on the pool of this task: an [`on`](Task::on) before `using` ends with it. For work
    /// that outlives `body`, let this task have an `Arc`, which `body` can clone.
    ///
    /// # Errors
    ///
    /// Fails as this task, `body` or `release` does. If both of the last two fail, the failure of
    /// `body` is that of the task, and the other is [reported](crate::set_unhandled_hook).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use fast_async::attempt;
    ///
    /// let path = std::env::temp_dir().join("fast-async-doc-using.tmp");
    /// let own = path.clone();
    /// attempt(move || Ok(std::fs::File::create(own)?))
    ///     .using(
    ///         |file| Ok(file.write_all(b"some text")?),
    ///         |file| Ok(file.sync_all()?),
    ///     )
    ///     .wait()?;
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn using<R, Q>(
        self,
        body: impl FnOnce(&mut T) -> R + Send + 'static,
        release: impl FnOnce(T) -> Q + Send + 'static,
    ) -> Task<R::Output>
    where
        R: IntoTask,
        Q: IntoTask<Output = ()>,
    {
        let location = Location::caller();
        let meta = match self.cell() {
            Some(cell) => cell.meta().continued(location),
            None => TaskMeta::new(location, None),
        };
        let outer: Arc<dyn AnyCell> = TaskCell::<NoWork<R::Output>, R::Output>::open(meta);
        let Some(acquired) = self.into_cell() else {
            return Task::from_cell(outer);
        };
        let using = Using::new(outer.clone(), acquired.clone());
        let own = using.clone();
        let arrive = move |acquired: Outcome<T>| match acquired {
            Err(error) => own.finish(Some(Err(error)), Some(Ok(()))),
            Ok(value) => own.lend(value, body, release),
        };
        Sink::new(arrive).attach(&acquired);
        Task::from_cell(outer)
    }
}

struct Using<U: Send + 'static> {
    /// Raised when the result is no longer wanted.
    token: CancelToken,
    location: &'static Location<'static>,
    outer: Arc<dyn AnyCell>,
    /// No other lock is taken, and nothing of the user's is dropped, under this one.
    inner: Mutex<Inner<U>>,
}

struct Inner<U: Send + 'static> {
    /// `None` once the result is decided, or not wanted.
    resolver: Option<Resolver<U>>,
    /// What is waited for: the value, or the task of the body.
    waits_for: Option<Arc<dyn AnyCell>>,
    /// Of the body.
    outcome: Option<Outcome<U>>,
    released: Option<Outcome<()>>,
    is_over: bool,
}

impl<U: Send + 'static> Using<U> {
    fn new(outer: Arc<dyn AnyCell>, waits_for: Arc<dyn AnyCell>) -> Arc<Using<U>> {
        let using = Arc::new(Using {
            token: CancelToken::new(),
            location: outer.meta().location,
            outer: outer.clone(),
            inner: Mutex::new(Inner {
                resolver: Some(Resolver::new(outer.clone())),
                waits_for: Some(waits_for),
                outcome: None,
                released: None,
                is_over: false,
            }),
        });
        let to = using.clone();
        with_state(&*outer, |state| {
            let _ = state.set_upstream(UpstreamRef { to, step_id: 0 });
        });
        if outer.meta().is_under_tokens() {
            enlist(&outer);
        }
        using
    }

    /// The value is there.
    fn lend<T, R, Q>(
        self: Arc<Self>,
        value: T,
        body: impl FnOnce(&mut T) -> R + Send + 'static,
        release: impl FnOnce(T) -> Q + Send + 'static,
    ) where
        T: Send + 'static,
        R: IntoTask<Output = U>,
        Q: IntoTask<Output = ()>,
    {
        let slot = Arc::new(Mutex::new(Some(value)));
        let lent = slot.clone();
        let builder = TaskBuilder::of_pool(self.outer.meta().pool.clone());
        let builder = builder.cancel_token(&self.token);
        let task = builder.attempt_at(self.location, move |_| {
            let value = lent.lock().take();
            let mut value = value.expect("it is released after the body");
            let returned = guard::catch(|| body(&mut value));
            *lent.lock() = Some(value);
            returned.unwrap_or_else(|payload| resume_unwind(payload))
        });
        let own = self.clone();
        // Not a task of its own: a pool whose tokens are raised, or that is shut down, would not
        // run it.
        let task = task.finally_stopped(move || {
            let value = slot.lock().take();
            let given = Given::call(own.location, || {
                release(value.expect("the body has put it back"))
            });
            own.release_begun(given);
        });
        let Some(cell) = task.into_cell() else { return };
        let before = self.inner.lock().waits_for.replace(cell.clone());
        drop(before);
        Sink::new(move |outcome| self.finish(Some(outcome), None)).attach(&cell);
    }

    fn release_begun(self: Arc<Self>, given: Given<()>) {
        let task = match given {
            Given::Outcome(released) => return self.finish(None, Some(released)),
            Given::Task(task) => task,
        };
        if let Some(cell) = task.into_cell() {
            Sink::new(move |released| self.finish(None, Some(released))).attach(&cell);
        }
    }

    /// The body or the release is done. With the second of the two, all is over.
    fn finish(&self, outcome: Option<Outcome<U>>, released: Option<Outcome<()>>) {
        let mut inner = self.inner.lock();
        if outcome.is_some() {
            inner.outcome = outcome;
        }
        if released.is_some() {
            inner.released = released;
        }
        if inner.outcome.is_none() || inner.released.is_none() {
            return;
        }
        inner.is_over = true;
        let (outcome, released) = (inner.outcome.take(), inner.released.take());
        let (resolver, waits_for) = (inner.resolver.take(), inner.waits_for.take());
        drop(inner);
        unhandled::drop_reporting(waits_for);
        let failure = released.and_then(Result::err);
        match (resolver, outcome) {
            (Some(resolver), Some(Ok(value))) => {
                let outcome = match failure {
                    Some(error) => {
                        unhandled::drop_reporting(value);
                        Err(error)
                    }
                    None => Ok(value),
                };
                unhandled::drop_reporting(resolver.settle(outcome));
            }
            (Some(resolver), Some(outcome)) => {
                report(failure);
                unhandled::drop_reporting(resolver.settle(outcome));
            }
            (_, outcome) => {
                unhandled::drop_reporting(outcome);
                report(failure);
                driver_is_back(&self.outer);
            }
        }
    }
}

/// A failure of the release that no task has.
fn report(failure: Option<TaskError>) {
    if let Some(error) = failure {
        unhandled::report(error);
    }
}

impl<U: Send + 'static> Withdraw for Using<U> {
    /// The new task is cancelled.
    fn withdraw(self: Arc<Self>, _ticket: u64, sweep: &mut Sweep) -> CancelOutcome {
        leave_running(&*self.outer, None);
        let (resolver, is_over) = {
            let mut inner = self.inner.lock();
            (inner.resolver.take(), inner.is_over)
        };
        sweep.keep(resolver);
        if is_over {
            sweep.later(move || driver_is_back(&self.outer));
            return CancelOutcome::TooLate;
        }
        sweep.raise(self.token.clone());
        CancelOutcome::Signalled
    }
}

impl<U: Send + 'static> Upstream for Using<U> {
    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        if let Some(task) = &self.inner.lock().waits_for {
            found.push(task.clone());
        }
    }
}
