//! One call after the other: what the verbs share that carry a state from call to call.
//!
//! Calls are made in a loop while their outcomes are there at once. One that returns a pending task
//! goes on in a continuation of that task, which the task of the loop then follows. So a loop has
//! no thread while it waits, and needs no memory for the calls behind it.

use std::panic::Location;

use crate::cell::task_cell::Returned;
use crate::limits::RUNNER_SLICE;
use crate::pool::Pool;
use crate::sync::Instant;
use crate::task::{Given, Task, TaskBuilder, TaskContext, resolve_returned};

/// What a step has come to.
pub(super) enum Step<A, B> {
    /// The next state, or the task of it.
    Next(Given<A>),
    Done(B),
}

/// A loop under way.
struct Serial<F> {
    step: F,
    context: TaskContext,
    /// `None`: the global one.
    pool: Option<Pool>,
    location: &'static Location<'static>,
}

/// Calls `step` on `pool`, with `init` and then with each state that it returns.
pub(super) fn serial<A, B, F>(
    pool: Option<Pool>,
    location: &'static Location<'static>,
    init: A,
    step: F,
) -> Task<B>
where
    A: Send + 'static,
    B: Send + 'static,
    F: FnMut(A) -> Step<A, B> + Send + 'static,
{
    let own = pool.clone();
    TaskBuilder::of_pool(pool).attempt_at(location, move |context| {
        let serial = Serial {
            step,
            context: context.clone(),
            pool: own,
            location,
        };
        serial.turn(init)
    })
}

impl<F> Serial<F> {
    fn turn<A, B>(mut self, mut state: A) -> Given<B>
    where
        A: Send + 'static,
        B: Send + 'static,
        F: FnMut(A) -> Step<A, B> + Send + 'static,
    {
        let begun = Instant::now();
        loop {
            if let Some(error) = self.context.reason() {
                return Given::Outcome(Err(error));
            }
            let next = match (self.step)(state) {
                Step::Done(value) => return Given::Outcome(Ok(value)),
                Step::Next(next) => next,
            };
            state = match next {
                Given::Outcome(Ok(next)) if begun.elapsed() < RUNNER_SLICE => next,
                // Other jobs of the pool run first.
                Given::Outcome(Ok(next)) => return self.go_on_after(Task::settled(Ok(next))),
                Given::Outcome(Err(error)) => return Given::Outcome(Err(error)),
                Given::Task(task) => return self.go_on_after(task),
            };
        }
    }

    /// Goes on, on the pool, with the state that `task` has.
    fn go_on_after<A, B>(self, task: Task<A>) -> Given<B>
    where
        A: Send + 'static,
        B: Send + 'static,
        F: FnMut(A) -> Step<A, B> + Send + 'static,
    {
        let task = task.on(self.pool.as_ref().unwrap_or_else(|| Pool::global()));
        let location = self.location;
        Given::Task(task.link(location, move |outcome, at| match outcome {
            Ok(state) => resolve_returned(self.turn(state), at),
            Err(error) => Returned::Outcome(Err(error)),
        }))
    }
}
