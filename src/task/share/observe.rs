//! Observers of a shared task, and threads that wait for it.

use std::panic::Location;

use super::signal::Signal;
use super::{Shared, SharedTask};
use crate::cell::listen::FailureOf;
use crate::cell::slot::{Outcome, Slot};
use crate::cell::state::Role;
use crate::cell::step::{Flow, Step};
use crate::cell::{self, AnyCell, with_state};
use crate::error::TaskError;
use crate::sync::{Arc, AtomicBool, Duration, Ordering, deadline_after, thread};
use crate::task::link::observe;
use crate::task::patience::stopped_clock;
use crate::task::subscribe::{Subscription, observe_with};
use crate::task::wait::{self, End, How};
use crate::thread_waker;

impl<T: Send + Sync + 'static> SharedTask<T> {
    /// Calls one of the closures when the task is settled; see
    /// [`Task::subscribe`](crate::Task::subscribe).
    ///
    /// # Examples
    ///
    /// ```
    /// let shared = fast_async::spawn(|| "text".to_string()).share();
    /// shared.subscribe(|text| println!("{text}"), |err| eprintln!("{err}"));
    /// assert_eq!(shared.wait()?, "text");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn subscribe<S, F>(&self, on_success: S, on_failure: F) -> Subscription
    where
        S: FnOnce(&T) + Send + 'static,
        F: FnOnce(&TaskError) + Send + 'static,
    {
        self.on_settled(move |outcome| match outcome {
            Ok(value) => on_success(value),
            Err(error) => on_failure(error),
        })
    }

    /// Calls `f` with a reference to the outcome when the task is settled; see
    /// [`Task::on_settled`](crate::Task::on_settled).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let (send, lengths) = mpsc::channel();
    /// let shared = fast_async::spawn(|| "text".to_string()).share();
    /// shared.on_settled(move |outcome| {
    ///     let _ = send.send(outcome.map_or(0, |text| text.len()));
    /// });
    /// assert_eq!(lengths.recv()?, 4);
    /// assert_eq!(shared.wait()?, "text");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn on_settled<F>(&self, f: F) -> Subscription
    where
        F: FnOnce(Result<&T, &TaskError>) + Send + 'static,
    {
        let location = Location::caller();
        let shared = self.shared.clone();
        let step = Box::new(ObserveShared::new(shared, f, location));
        observe_with(Some(&self.shared.cell), step)
    }

    /// Blocks until the task is settled, and returns a reference to its value. Inside a task, the
    /// awaited task may run on the calling thread, as in [`Task::wait`](crate::Task::wait).
    ///
    /// May be called any number of times, from any number of threads.
    ///
    /// # Errors
    ///
    /// The task's failure; see [`Task::wait`](crate::Task::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// let names = fast_async::spawn(|| vec!["Ada", "Grace"]).share();
    /// let first: &str = names.wait()?[0];
    /// assert_eq!((first, names.wait()?.len()), ("Ada", 2));
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn wait(&self) -> Result<&T, TaskError> {
        match self.wait_as(How::Freely) {
            Some(outcome) => outcome,
            None => Err(self.shared.without_outcome()),
        }
    }

    /// Blocks like [`wait`](SharedTask::wait), and never runs the task on the calling thread; see
    /// [`Task::wait_parked`](crate::Task::wait_parked).
    ///
    /// # Errors
    ///
    /// The task's failure.
    ///
    /// # Examples
    ///
    /// ```
    /// let names = fast_async::spawn(|| vec!["Ada", "Grace"]).share();
    /// assert_eq!(names.wait_parked()?.len(), 2);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn wait_parked(&self) -> Result<&T, TaskError> {
        match self.wait_as(How::Parked) {
            Some(outcome) => outcome,
            None => Err(self.shared.without_outcome()),
        }
    }

    /// Blocks until the task is settled or `timeout` is over; returns `None` then.
    ///
    /// Never runs the task on the calling thread.
    ///
    /// # Errors
    ///
    /// The task's failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (resolver, task) = fast_async::deferred();
    /// let shared = task.share();
    /// assert!(shared.wait_timeout(Duration::from_millis(1)).is_none());
    /// resolver.resolve("now").unwrap();
    /// assert_eq!(*shared.wait_timeout(Duration::MAX).unwrap()?, "now");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> Option<Result<&T, TaskError>> {
        match deadline_after(timeout) {
            Some(deadline) => self.wait_as(How::Until(deadline)),
            None => Some(self.wait_parked()),
        }
    }

    /// Returns the outcome once the task is [settled](SharedTask::is_settled), and `None` before;
    /// does not block.
    ///
    /// # Errors
    ///
    /// The task's failure.
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred();
    /// let shared = task.share();
    /// assert!(shared.try_wait().is_none());
    /// resolver.resolve("now").unwrap();
    /// assert_eq!(*shared.try_wait().unwrap()?, "now");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn try_wait(&self) -> Option<Result<&T, TaskError>> {
        self.shared.value.get().map(|outcome| self.give(outcome))
    }

    /// Returns the failure, if the task is settled and failed; it counts as handled then.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Task;
    /// let shared = Task::<u8>::failed("no").share();
    /// assert!(shared.error().is_some());
    /// ```
    pub fn error(&self) -> Option<TaskError> {
        let failure = self.try_wait()?.err()?;
        // It counts as handled even if the failure is passed elsewhere, as for `Task::error`.
        let _ = failure.claim_report();
        Some(failure)
    }

    /// What finds the failure of the published outcome.
    pub(crate) fn failure_of(&self) -> FailureOf {
        let shared = self.shared.clone();
        Box::new(move || shared.value.get()?.as_ref().err().cloned())
    }

    /// The cell of the task.
    pub(crate) fn cell(&self) -> &Arc<dyn AnyCell> {
        &self.shared.cell
    }

    pub(super) fn give<'a>(&self, outcome: &'a Outcome<T>) -> Result<&'a T, TaskError> {
        outcome.as_ref().map_err(|error| {
            self.shared.handled.store(true, Ordering::Release);
            error.clone()
        })
    }

    fn wait_as(&self, how: How) -> Option<Result<&T, TaskError>> {
        let cell = &self.shared.cell;
        if !cell.settled_flag().load(Ordering::Acquire) || self.shared.value.get().is_none() {
            // A step in the list: the wait ends after all observers that subscribed before have run
            // (Contract: D7).
            let turn = Arc::new(AtomicBool::new(false));
            let done = || turn.load(Ordering::Acquire);
            let me = thread::current();
            let (reached, waker) = (turn.clone(), me.waker());
            let step = Signal::new(move || {
                reached.store(true, Ordering::Release);
                thread_waker::wake(waker);
            });
            let number = cell::register(cell, Box::new(step), Role::Observer);
            wait::help_first(cell, &done, how);
            let end = wait::block_on(cell, &me, &done, Some(&turn), how, |waiter| {
                if waiter.is_none() {
                    let step = with_state(&**cell, |state| state.remove(number));
                    drop(step);
                }
                !done()
            });
            match end {
                End::Settled => {}
                End::TimedOut => return None,
                end @ (End::Cycle | End::Unmanned | End::StoppedClock) => {
                    let step = with_state(&**cell, |state| state.remove(number));
                    drop(step);
                    // Inside one of its own observers the value is published, though later
                    // observers have not run.
                    return Some(match self.shared.value.get() {
                        Some(outcome) => self.give(outcome),
                        None if matches!(end, End::Cycle) => Err(wait::cycle(&**cell)),
                        None if matches!(end, End::StoppedClock) => Err(stopped_clock(&**cell)),
                        None => Err(wait::unmanned(Some(&**cell))),
                    });
                }
            }
        }
        self.shared.value.get().map(|outcome| self.give(outcome))
    }
}

/// Calls an observer with the published outcome.
struct ObserveShared<T, F> {
    shared: Arc<Shared<T>>,
    work: Option<F>,
    location: &'static Location<'static>,
}

impl<T, F> ObserveShared<T, F> {
    fn new(
        shared: Arc<Shared<T>>,
        work: F,
        location: &'static Location<'static>,
    ) -> ObserveShared<T, F> {
        ObserveShared {
            shared,
            work: Some(work),
            location,
        }
    }
}

impl<T, F> Step for ObserveShared<T, F>
where
    T: Send + Sync,
    F: FnOnce(Result<&T, &TaskError>) + Send,
{
    fn run(&mut self, _: &mut dyn Slot, name: Option<&Arc<str>>) -> Flow {
        if let (Some(outcome), Some(work)) = (self.shared.value.get(), self.work.take()) {
            observe(self.location, name, || work(outcome.as_ref()));
        }
        Flow::Observed
    }

    fn cancel(&mut self, error: &TaskError) {
        if let Some(work) = self.work.take() {
            observe(self.location, None, || work(Err(error)));
        }
    }
}
