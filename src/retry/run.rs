//! A retry under way: one call, and what follows from its outcome.
//!
//! A call runs in the closure of the task, or in a continuation of the pause before it. It returns
//! the task of the next pause, which the task of the retry then follows. So a retry has no thread
//! while it sleeps, and needs no memory for the calls behind it.

use std::panic::Location;

use super::limited;
use super::plan::Plan;
use super::{Attempt, Retry};
use crate::error::TaskError;
use crate::sync::Duration;
use crate::task::{Given, IntoTask, Task, TaskBuilder};
use crate::time::{sleep, time_of};
use crate::unhandled;

/// A retry under way.
struct Run<F> {
    f: F,
    plan: Plan,
}

/// Starts a retry as a task with these settings.
#[track_caller]
pub(crate) fn start<R, F>(builder: TaskBuilder, policy: Retry, f: F) -> Task<R::Output>
where
    F: FnMut(&Attempt) -> R + Send + 'static,
    R: IntoTask,
{
    let location = Location::caller();
    if policy.attempts == 0 {
        unhandled::drop_reporting(f);
        let what_to_do = "give `Retry::attempts` at least 1";
        return Task::rejected(builder.own_pool(), location, what_to_do);
    }
    let pool = builder.own_pool().cloned();
    let end = policy.total.and_then(|total| {
        let time = time_of(pool.as_ref());
        time.deadline_after(total)
    });
    builder.attempt_at(location, move |context| {
        let plan = Plan::new(policy, context, pool, location, end);
        Run { f, plan }.turn()
    })
}

impl<F, R> Run<F>
where
    F: FnMut(&Attempt) -> R + Send + 'static,
    R: IntoTask,
{
    /// The next call.
    fn turn(mut self) -> Given<R::Output> {
        if let Some(error) = self.plan.attempt.context.reason() {
            return Given::Outcome(Err(error));
        }
        let attempt = &mut self.plan.attempt;
        attempt.number = attempt.number.saturating_add(1);
        if let Some(limit) = self.plan.policy.per_attempt {
            let again = |f, plan, pause| Run { f, plan }.after(pause);
            return limited::turn(self.f, self.plan, limit, again);
        }
        let location = self.plan.location;
        match Given::call(location, || (self.f)(&self.plan.attempt)) {
            Given::Outcome(Ok(value)) => Given::Outcome(Ok(value)),
            Given::Outcome(Err(error)) => self.failed(error),
            Given::Task(task) => Given::Task(task.or_else(move |error| self.failed(error))),
        }
    }

    /// The last call has failed.
    fn failed(mut self, error: TaskError) -> Given<R::Output> {
        match self.plan.pause(error) {
            Ok((pause, _)) => self.after(pause),
            Err(error) => Given::Outcome(Err(error)),
        }
    }

    /// The next call, after a pause.
    fn after(self, pause: Duration) -> Given<R::Output> {
        let pool = self.plan.pool.clone();
        let pause = sleep(pause, self.plan.attempt.token(), pool, self.plan.location);
        Given::Task(pause.and_then(move |()| self.turn()))
    }
}
