//! A task that waits for another under a time limit: which of the two is first, the outcome or the
//! end.

use std::panic::Location;

use super::upstream::Limited;
use super::{When, refused, time_of};
use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::call_off::enlist;
use crate::cell::slot::{Outcome, Slot, cast};
use crate::cell::task_cell::{NoWork, TaskCell};
use crate::cell::{AnyCell, UpstreamRef, stopped, timed, with_state};
use crate::error::{ErrorKind, Reason, TaskError};
use crate::promise::Resolver;
use crate::sync::{Arc, Instant};
use crate::task::{Sink, Task};
use crate::timer::{Due, TimeSource};
use crate::unhandled;

/// A task and the end of the time that it may take.
pub(super) struct Limit {
    /// The task that may take so long. Its handle was taken.
    pub(super) inner: Arc<dyn AnyCell>,
    time: TimeSource,
    deadline: Instant,
}

/// A task that needs no timer.
pub(super) enum Untimed<T> {
    /// It has its outcome, or the limit never ends.
    Free(Task<T>),
    /// The limit has ended already.
    Over(Task<T>),
}

impl Limit {
    /// Takes the handle of `task`.
    ///
    /// # Errors
    ///
    /// Returns the task if it needs no timer.
    pub(super) fn new<T>(task: Task<T>, when: When) -> Result<Limit, Untimed<T>> {
        let Some(inner) = task.cell().cloned() else {
            return Err(Untimed::Free(task));
        };
        if with_state(&*inner, |state| state.is_decided()) {
            return Err(Untimed::Free(task));
        }
        let time = time_of(inner.meta().pool.as_ref());
        let Some(deadline) = when.deadline(&time) else {
            return Err(Untimed::Free(task));
        };
        if deadline <= time.now() {
            return Err(Untimed::Over(task));
        }
        drop(task.into_cell());
        Ok(Limit {
            inner,
            time,
            deadline,
        })
    }

    /// Makes the task that waits for the limited one, as yet open.
    pub(super) fn open<U>(
        &self,
        location: &'static Location<'static>,
    ) -> (Arc<dyn AnyCell>, Arc<Limited>)
    where
        U: Send + 'static,
    {
        let meta = self.inner.meta().continued(location);
        let outer = TaskCell::<NoWork<U>, U>::open(meta);
        let limited = Limited::new(self.inner.clone());
        let is_sent = self.is_sent();
        with_state(&*outer, |state| {
            let to = limited.clone();
            let _ = state.set_upstream(UpstreamRef { to, step_id: 0 });
            if is_sent {
                state.expect_route();
            }
        });
        (outer, limited)
    }

    /// The chain of the limited task was sent elsewhere.
    pub(super) fn is_sent(&self) -> bool {
        with_state(&*self.inner, |state| state.is_sent())
    }

    /// Registers `settle`, called with the outcome of the limited task after the timer is disarmed,
    /// and `end`, fired at the end of the time.
    pub(super) fn begin<T: Send + 'static>(
        self,
        outer: &Arc<dyn AnyCell>,
        limited: Arc<Limited>,
        end: Box<dyn Due>,
        settle: impl FnOnce(Outcome<T>) + Send + 'static,
    ) {
        let timer = limited.clone();
        let on_outcome = move |outcome: Outcome<T>| {
            let end = timer.finish();
            settle(outcome);
            // It holds tasks and user values.
            unhandled::drop_reporting(end);
        };
        // Before the timer is armed: a task that was cancelled without a handle has no outcome of
        // the type that a late step expects.
        Sink::new(on_outcome).attach(&self.inner);
        if limited.is_over() {
            unhandled::drop_reporting(end);
            return;
        }
        if let Some(armed) = self.time.arm(self.deadline, end) {
            unhandled::drop_reporting(limited.set(armed));
        }
        // The outcome of the limited task may be on its way, and it may have been shielded.
        if outer.meta().is_under_tokens() {
            enlist(outer);
        }
    }
}

/// Returns true if the limited task has its outcome, even if observers have not seen it: the
/// outcome then precedes the end.
pub(super) fn is_decided(inner: &Arc<dyn AnyCell>) -> bool {
    with_state(&**inner, |state| {
        // The step that takes the outcome counts as a link. It took the place of the handle.
        let own = u32::from(state.detached);
        state.pending_links <= own
    })
}

/// Settles a task with the outcome of `inner`; its steps run where those of `inner` run. A failure
/// that comes after the limit and is no cancel is reported.
pub(super) fn pass_on<T, U: Send + 'static>(
    inner: &Arc<dyn AnyCell>,
    is_sent: bool,
    resolver: Resolver<U>,
    outcome: Outcome<T>,
    f: impl FnOnce(T) -> U,
) {
    if let (true, Some(outer)) = (inner.is_outlived(), resolver.cell()) {
        stopped::leave_behind(&*outer, inner);
    }
    // On a cancel this thread does not work for the executor.
    let is_cancelled = outcome.as_ref().is_err_and(TaskError::is_cancelled);
    if let (true, Some(outer)) = (is_sent && !is_cancelled, resolver.cell()) {
        let route = with_state(&**inner, |state| state.route().clone());
        let passed = with_state(&*outer, |state| state.arrive_at(route));
        // An executor is the user's to drop.
        unhandled::drop_reporting(passed);
    }
    if let Err(Err(error)) = resolver.settle(outcome.map(f))
        && !with_state(&**inner, |state| state.was_asked_for(&error))
    {
        unhandled::report(error);
    }
}

/// Runs the steps that wait for the end of a limit: where `inner` was sent, or on its pool.
pub(super) fn proceed(
    inner: &Arc<dyn AnyCell>,
    is_sent: bool,
    outer: &Arc<dyn AnyCell>,
    left: timed::Left,
    sweep: &mut Sweep,
) {
    match left {
        timed::Left::Alone => {}
        left if is_sent => timed::go_where(inner, outer, left, sweep),
        timed::Left::Waiting => timed::go_on(outer),
        timed::Left::Settled => {}
    }
}

/// Drops the rest of a limit that ended after the outcome.
pub(super) fn pass_over(outer: Arc<dyn AnyCell>, left: impl Send + 'static) {
    let mut sweep = Sweep::new(None);
    sweep.keep(left);
    timed::elsewhere(outer, sweep);
}

/// Returns a task for the outcome of `task`. If the limit ends first, `task` is cancelled, and the
/// outcome is `fallback`, or `TimedOut` without one.
pub(super) fn limit<T: Send + 'static>(
    task: Task<T>,
    when: When,
    fallback: Option<T>,
    location: &'static Location<'static>,
) -> Task<T> {
    let limit = match Limit::new(task, when) {
        Ok(limit) => limit,
        Err(Untimed::Free(task)) => {
            unhandled::drop_reporting(fallback);
            return task;
        }
        Err(Untimed::Over(task)) => return over(task, fallback, location),
    };
    let (outer, limited) = limit.open::<T>(location);
    let task = Task::from_cell(outer.clone());
    let end = Box::new(End {
        outer: outer.clone(),
        inner: limit.inner.clone(),
        is_sent: limit.is_sent(),
        fallback,
    });
    let (inner, is_sent) = (limit.inner.clone(), limit.is_sent());
    let resolver = Resolver::<T>::new(outer.clone());
    limit.begin(&outer, limited, end, move |outcome: Outcome<T>| {
        pass_on(&inner, is_sent, resolver, outcome, |value| value);
    });
    task
}

/// The time of `task` is over from the start.
fn over<T: Send + 'static>(
    task: Task<T>,
    fallback: Option<T>,
    location: &'static Location<'static>,
) -> Task<T> {
    let Some(cell) = task.cell().cloned() else {
        return task;
    };
    let meta = cell.meta().continued(location);
    let error = TaskError::of(ErrorKind::TimedOut, meta.at());
    match task.cancel_with(error.clone()) {
        // It has settled in between.
        CancelOutcome::TooLate => {
            unhandled::drop_reporting(fallback);
            task
        }
        _ => {
            let outcome = fallback.ok_or(error);
            let outer: Arc<dyn AnyCell> = TaskCell::<NoWork<T>, T>::settled(meta, outcome);
            stopped::leave_behind(&*outer, &cell);
            stopped::forget_stopped(&*outer);
            Task::from_cell(outer)
        }
    }
}

/// Ends the wait for a task.
struct End<T> {
    outer: Arc<dyn AnyCell>,
    inner: Arc<dyn AnyCell>,
    is_sent: bool,
    fallback: Option<T>,
}

impl<T: Send + 'static> End<T> {
    /// Settles the outer task and cancels the inner one; `why` is for the closures of that one.
    fn settle(self, outcome: Outcome<T>, why: TaskError) {
        let mut sweep = Sweep::new(Some(Reason::new(why)));
        let mut outcome = Some(outcome);
        let mut put = |slot: &mut dyn Slot| *cast(slot) = outcome.take();
        // Before anything that waits for its end is told.
        stopped::leave_behind(&*self.outer, &self.inner);
        let left = timed::settle(&self.outer, &mut put, &mut sweep);
        if left != timed::Left::Alone {
            sweep.unwanted([(self.inner.clone() as Arc<dyn Withdraw>, 0)]);
            sweep.take_all();
        }
        proceed(&self.inner, self.is_sent, &self.outer, left, &mut sweep);
        // What has not found its place, and the inner task, are the user's to drop.
        sweep.keep((outcome, self.inner));
        let outer = self.outer.clone();
        sweep.later(move || stopped::forget_stopped(&*outer));
        timed::elsewhere(self.outer, sweep);
    }
}

impl<T: Send + 'static> Due for End<T> {
    fn fire(mut self: Box<Self>) {
        if is_decided(&self.inner) {
            // The step that delivers the outcome is about to run.
            return pass_over(self.outer, (self.fallback, self.inner));
        }
        let error = TaskError::of(ErrorKind::TimedOut, self.outer.meta().at());
        let outcome = self.fallback.take().map_or_else(|| Err(error.clone()), Ok);
        self.settle(outcome, error);
    }

    fn refuse(self: Box<Self>) {
        let error = refused(&*self.outer);
        self.settle(Err(error.clone()), error);
    }
}
