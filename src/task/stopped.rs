//! Waiting until a cancelled task's closures have returned.

use std::panic::Location;

use super::Task;
use super::link::observe;
use crate::cell::state::Role;
use crate::cell::stopped::{StopOf, step, when_stopped};
use crate::cell::task_cell::{NoWork, TaskCell};
use crate::cell::{self, TaskMeta, UpstreamRef};
use crate::promise::Resolver;
use crate::trace;

impl<T: Send + 'static> Task<T> {
    /// Returns a task that settles when no closure of this task runs and none registered so far
    /// will run.
    ///
    /// A [cancel](Task::cancel) settles a task at once, and a closure that is running continues
    /// until it checks its token. This task settles when that closure has returned and what it
    /// captured and returned is dropped. For a task that was not cancelled, or was before it began,
    /// that is when it settles itself. If the closure had returned another task, which was
    /// cancelled with this one, that one's closures count too. The inputs of [`all`](crate::all)
    /// and [`any`](crate::any), and the source of a [`SharedTask`](crate::SharedTask), do not.
    ///
    /// It settles with `()` on every outcome, and a failure does not count as handled. It may be
    /// called at any time and repeatedly, and does not start a cold task. Dropping or cancelling
    /// the returned task changes nothing.
    ///
    /// A closure that waits for the `stopped()` of its own task waits for its own return, before
    /// and after a cancel. That wait, or one of several that wait for each other in this way, fails
    /// as [`Cycle`](crate::ErrorKind::Cycle).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::spawn_with;
    ///
    /// let path = std::env::temp_dir().join("fast-async-doc-stopped.tmp");
    /// let file = path.clone();
    /// let writer = spawn_with(move |ctx| {
    ///     while !ctx.is_cancelled() {
    ///         let _ = std::fs::write(&file, "a block");
    ///     }
    ///     let _ = std::fs::write(&file, "the last block");
    /// });
    /// writer.cancel();
    /// // The writer may be at its last block yet.
    /// writer.stopped().wait()?;
    /// let _ = std::fs::remove_file(&path);
    /// assert!(!path.exists());
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn stopped(&self) -> Task<()> {
        let meta = TaskMeta {
            pool: self.cell().and_then(|cell| cell.meta().pool.clone()),
            ..TaskMeta::here()
        };
        let Some(cell) = self.cell() else {
            return Task::ready(());
        };
        let stopped = TaskCell::<NoWork<()>, ()>::open(meta);
        let upstream = UpstreamRef {
            to: StopOf::new(cell),
            step_id: 0,
        };
        let _ = cell::with_state(&*stopped, |state| state.set_upstream(upstream));
        let resolver = Settles(Some(Resolver::new(stopped.clone())));
        // Dropped when it is called, and also when the task never runs.
        let told = when_stopped(cell.clone(), Box::new(move || drop(resolver)));
        drop(told);
        Task::from_cell(stopped)
    }

    /// Calls `f` on every outcome when no closure registered before runs any more; like
    /// [`finally`](Task::finally), but never at the same time as a closure that was cancelled while
    /// it ran.
    ///
    /// The outcome does not wait for `f` when the task is cancelled: it is there at once, and `f`
    /// runs when the closure has returned, on the thread of that closure; see
    /// [`stopped`](Task::stopped). Otherwise `f` runs in the order of registration, before what is
    /// registered later and before `wait` returns. A panic in `f` is reported and changes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::spawn_with;
    /// use std::sync::mpsc;
    ///
    /// let (tell, told) = mpsc::channel();
    /// let last = tell.clone();
    /// let writer = spawn_with(move |ctx| {
    ///     while !ctx.is_cancelled() {
    ///         std::thread::yield_now();
    ///     }
    ///     tell.send("last write").unwrap();
    /// })
    /// .finally_stopped(move || last.send("remove").unwrap());
    /// writer.cancel();
    /// writer.stopped().wait()?;
    /// let seen: Vec<_> = told.iter().collect();
    /// // The writer may have been cancelled before it began.
    /// assert!(seen == ["last write", "remove"] || seen == ["remove"]);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn finally_stopped<F>(self, f: F) -> Task<T>
    where
        F: FnOnce() + Send + 'static,
    {
        let location = Location::caller();
        let context = trace::capture();
        if let Some(cell) = self.cell() {
            let name = cell.meta().name().cloned();
            let told = move || {
                observe(location, name.as_ref(), || match context {
                    Some(context) => context.run(f),
                    None => f(),
                });
            };
            cell::register(cell, step(cell, Box::new(told)), Role::Observer);
        }
        self
    }
}

/// Settles the task it was made for when it is dropped.
struct Settles(Option<Resolver<()>>);

impl Drop for Settles {
    fn drop(&mut self) {
        if let Some(resolver) = self.0.take() {
            let _ = resolver.resolve(());
        }
    }
}
