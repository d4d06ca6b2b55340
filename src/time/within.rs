//! A limit that hands the task back.

use std::panic::Location;

use super::limit::{Limit, Untimed, is_decided, pass_on, pass_over, proceed};
use super::{When, refused};
use crate::cancel::Sweep;
use crate::cell::call_off::enlist_again;
use crate::cell::slot::{Outcome, Slot, cast};
use crate::cell::task_cell::{NoWork, TaskCell};
use crate::cell::{AnyCell, UpstreamRef, timed, with_state};
use crate::promise::Resolver;
use crate::sync::{Arc, Duration, Mutex};
use crate::task::Task;
use crate::timer::Due;

impl<T: Send + 'static> Task<T> {
    /// Returns a task that settles with this one, or after `duration`: then with `Err` of this
    /// task, which continues.
    ///
    /// For work that is still useful when late. Otherwise like [`timeout`](Task::timeout).
    /// Cancelling the new task cancels this one while it waits for it; the returned task is
    /// cancelled separately.
    ///
    /// # Errors
    ///
    /// The new task fails when this one does in time. The inner `Err` is this task.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (resolver, reply) = fast_async::deferred();
    /// let reply = match reply.within(Duration::from_millis(5)).wait()? {
    ///     Ok(reply) => unreachable!("no reply was sent: {reply}"),
    ///     Err(late) => late,
    /// };
    /// println!("no reply yet");
    /// resolver.resolve("hello").unwrap();
    /// assert_eq!(reply.wait()?, "hello");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn within(self, duration: Duration) -> Task<Result<T, Task<T>>> {
        within(self, When::After(duration), Location::caller())
    }
}

fn within<T: Send + 'static>(
    task: Task<T>,
    when: When,
    location: &'static Location<'static>,
) -> Task<Result<T, Task<T>>> {
    let limit = match Limit::new(task, when) {
        Ok(limit) => limit,
        Err(Untimed::Free(task)) => return task.then(Ok),
        Err(Untimed::Over(task)) => return over(task, location),
    };
    let (outer, limited) = limit.open::<Result<T, Task<T>>>(location);
    let task = Task::from_cell(outer.clone());
    let taker = Arc::new(Mutex::new(Taker::Outer(Resolver::new(outer.clone()))));
    let end = Box::new(HandBack {
        outer: outer.clone(),
        inner: limit.inner.clone(),
        is_sent: limit.is_sent(),
        taker: taker.clone(),
    });
    let (inner, is_sent) = (limit.inner.clone(), limit.is_sent());
    limit.begin(&outer, limited, end, move |outcome: Outcome<T>| {
        let taker = std::mem::replace(&mut *taker.lock(), Taker::None);
        match taker {
            Taker::Outer(resolver) => pass_on(&inner, is_sent, resolver, outcome, Ok),
            Taker::Late(resolver) => pass_on(&inner, is_sent, resolver, outcome, |value| value),
            Taker::None => {}
        }
    });
    task
}

/// The time is over from the start.
fn over<T: Send + 'static>(
    task: Task<T>,
    location: &'static Location<'static>,
) -> Task<Result<T, Task<T>>> {
    match task.cell().map(|cell| cell.meta().continued(location)) {
        Some(meta) => Task::from_cell(TaskCell::<NoWork<Result<T, Task<T>>>, _>::settled(
            meta,
            Ok(Err(task)),
        )),
        None => Task::ready(Err(task)),
    }
}

/// Who gets the outcome of the limited task.
enum Taker<T: Send + 'static> {
    Outer(Resolver<Result<T, Task<T>>>),
    /// The task that was handed back.
    Late(Resolver<T>),
    /// It was called.
    None,
}

/// Hands the limited task back.
struct HandBack<T: Send + 'static> {
    outer: Arc<dyn AnyCell>,
    inner: Arc<dyn AnyCell>,
    is_sent: bool,
    /// Lock order: this lock -> that of a cell which no other thread knows yet. Nothing is dropped
    /// under it.
    taker: Arc<Mutex<Taker<T>>>,
}

impl<T: Send + 'static> HandBack<T> {
    /// Makes the task to return, which gets the outcome from now on. `None`: the outcome was
    /// delivered. Also returns the resolver that got it before.
    fn take_over(&self) -> Option<(Task<T>, Taker<T>)> {
        let mut taker = self.taker.lock();
        if !matches!(*taker, Taker::Outer(_)) {
            return None;
        }
        let meta = self.inner.meta();
        let cell: Arc<dyn AnyCell> = TaskCell::<NoWork<T>, T>::open(meta.continued(meta.location));
        let to = self.inner.clone();
        with_state(&*cell, |state| {
            let _ = state.set_upstream(UpstreamRef { to, step_id: 0 });
            if self.is_sent {
                state.expect_route();
            }
        });
        let late = Taker::Late(Resolver::new(cell.clone()));
        let before = std::mem::replace(&mut *taker, late);
        drop(taker);
        if cell.meta().is_under_tokens() {
            // A token that is raised already cancels the limited task, whose outcome comes here.
            // On this thread no user code runs.
            enlist_again(&cell);
        }
        Some((Task::from_cell(cell), before))
    }

    fn settle(self, outcome: Outcome<Result<T, Task<T>>>, left: impl Send + 'static) {
        let mut sweep = Sweep::new(None);
        let mut outcome = Some(outcome);
        let mut put = |slot: &mut dyn Slot| *cast(slot) = outcome.take();
        let state = timed::settle(&self.outer, &mut put, &mut sweep);
        proceed(&self.inner, self.is_sent, &self.outer, state, &mut sweep);
        // The task is not handed back if the outer one was cancelled.
        sweep.keep((outcome, left, self.inner, self.taker));
        timed::elsewhere(self.outer, sweep);
    }
}

impl<T: Send + 'static> Due for HandBack<T> {
    fn fire(self: Box<Self>) {
        let taken_over = match is_decided(&self.inner) {
            true => None,
            false => self.take_over(),
        };
        match taken_over {
            Some((task, before)) => self.settle(Ok(Err(task)), before),
            None => pass_over(self.outer, (self.inner, self.taker)),
        }
    }

    fn refuse(self: Box<Self>) {
        let error = refused(&*self.outer);
        self.settle(Err(error), ());
    }
}
