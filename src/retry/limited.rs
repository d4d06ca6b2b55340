//! Calls with a time limit each: a task for each call, which leaves the closure behind when its
//! time is over.

use super::Attempt;
use super::plan::Plan;
use crate::cancel::CancelToken;
use crate::error::TaskError;
use crate::sync::{Arc, Duration, Mutex};
use crate::task::{Given, IntoTask, Task, TaskBuilder};
use crate::time::{limited, time_of};

/// The closure. `None`: a call of it has not returned. No other lock is taken under this one, and
/// nothing is dropped.
type Place<F> = Arc<Mutex<Option<F>>>;

/// The next call, after a pause.
type Again<F, T> = fn(F, Plan, Duration) -> Given<T>;

/// The call that the plan counts already, in a new task.
pub(super) fn turn<F, R>(
    f: F,
    plan: Plan,
    limit: Duration,
    again: Again<F, R::Output>,
) -> Given<R::Output>
where
    F: FnMut(&Attempt) -> R + Send + 'static,
    R: IntoTask,
{
    let place: Place<F> = Arc::new(Mutex::new(Some(f)));
    // The task of the whole does not follow this one yet when a cancel comes right now.
    let token = CancelToken::new();
    let raised = token.clone();
    let callback = plan.attempt.token().on_cancel(move || {
        raised.cancel();
    });
    let task = call(place.clone(), &plan, &token);
    let stopped = task.stopped();
    let task = limited(task, limit, plan.location);
    Given::Task(task.or_else(move |error| {
        callback.unregister();
        failed(place, plan, error, stopped, again)
    }))
}

/// `token` cancels it.
fn call<F, R>(place: Place<F>, plan: &Plan, token: &CancelToken) -> Task<R::Output>
where
    F: FnMut(&Attempt) -> R + Send + 'static,
    R: IntoTask,
{
    let (location, mut attempt) = (plan.location, plan.attempt.clone());
    let builder = TaskBuilder::of_pool(plan.pool.clone()).cancel_token(token);
    builder.attempt_at(location, move |context| {
        attempt.context = context.clone();
        let f = place.lock().take();
        let mut f = f.expect("one call at a time takes the closure");
        let given = Given::call(location, || f(&attempt));
        *place.lock() = Some(f);
        given
    })
}

/// The call has failed. `stopped` settles when its closure has returned.
fn failed<F, T>(
    place: Place<F>,
    mut plan: Plan,
    error: TaskError,
    stopped: Task<()>,
    again: Again<F, T>,
) -> Given<T>
where
    F: Send + 'static,
    T: Send + 'static,
{
    let (pause, error) = match plan.pause(error) {
        Ok(next) => next,
        Err(error) => return Given::Outcome(Err(error)),
    };
    let time = time_of(plan.pool.as_ref());
    let deadline = time.deadline_after(pause);
    // It may never return: the retry ends when its time is over.
    let stopped = match plan.end {
        Some(end) => {
            let left = end.saturating_duration_since(time.now());
            limited(stopped, left, plan.location)
        }
        None => stopped,
    };
    let next = stopped.and_handle(move |outcome| {
        let f = place.lock().take();
        match (f, outcome) {
            (Some(f), Ok(())) => {
                let left = deadline.map_or(pause, |end| end.saturating_duration_since(time.now()));
                again(f, plan, left)
            }
            _ => Given::Outcome(Err(plan.give_up(error))),
        }
    });
    Given::Task(next)
}
