//! What programs pass around: closures, and the values and errors that they return.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::Duration;

use fast_async::{
    BoxError, ErrorKind, Resolver, Subscription, Task, TaskError, error::AggregateError,
    task::CancelOnDrop,
};

use super::World;
use crate::model::{mix, mix_input};
use crate::program::{Body, Deed, Ends};
use crate::seen::{Failure, Kind, Saw};

/// What the message of every panic of a program begins with; the number of its closure follows.
pub(crate) const PANIC: &str = "closure ";

/// Longer than any task of a program takes.
const PATIENCE: Duration = Duration::from_secs(50);

/// An error of a program.
#[derive(Debug)]
pub(super) struct Fault(pub(super) usize);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {}", self.0)
    }
}

impl Error for Fault {}

pub(crate) fn failure(error: &TaskError) -> Failure {
    let panicked = || error.panic_message()?.strip_prefix(PANIC)?.parse().ok();
    match error.kind() {
        ErrorKind::Failed => match error.downcast_ref::<Fault>() {
            Some(fault) => Failure(Kind::Failed, fault.0),
            None if error.is::<AggregateError>() => Failure(Kind::Aggregate, 0),
            None => Failure(Kind::Other, 0),
        },
        ErrorKind::Panicked => match panicked() {
            Some(body) => Failure(Kind::Panicked, body),
            None => Failure(Kind::Other, 1),
        },
        ErrorKind::Abandoned => Failure(Kind::Abandoned, 0),
        ErrorKind::Cancelled => Failure(Kind::Cancelled, 0),
        ErrorKind::Cycle => Failure(Kind::Cycle, 0),
        _ => Failure(Kind::Other, 2),
    }
}

/// A value that is counted as long as it lives.
pub(super) struct Value(pub(super) u32, pub(super) Arc<AtomicIsize>);

impl Drop for Value {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) fn saw(outcome: Result<&Value, &TaskError>) -> Saw {
    Some(outcome.map(|value| value.0).map_err(failure))
}

/// A closure of a program, with what it has captured.
pub(super) struct Closure {
    pub(super) body: Body,
    pub(super) world: Arc<World>,
    pub(super) resolver: Option<Resolver<Value>>,
    pub(super) guard: Option<CancelOnDrop<Value>>,
    pub(super) task: Option<Task<Value>>,
    pub(super) subscription: Option<Subscription>,
    /// The task that it waits for.
    pub(super) awaited: Option<Task<Value>>,
    /// The task that it returns.
    pub(super) returns: Option<Task<Value>>,
}

impl Drop for Closure {
    fn drop(&mut self) {
        self.resolver = None;
        self.guard = None;
        self.task = None;
        self.awaited = None;
        self.returns = None;
        self.world.drops.lock().unwrap()[self.body] += 1;
    }
}

impl Closure {
    pub(super) fn call(mut self, saw: Saw) -> Result<Value, BoxError> {
        self.run(saw)
    }

    pub(super) fn call_for_task(mut self, saw: Saw) -> Task<Value> {
        let _ = self.run(saw);
        self.returns.take().expect("it returns a task")
    }

    fn run(&mut self, saw: Saw) -> Result<Value, BoxError> {
        let closure = self.world.program.closures[self.body];
        self.world.calls.lock().unwrap()[closure.line].push((self.body, saw));
        if let Some(resolver) = self.resolver.take() {
            let _ = resolver.resolve(self.world.value(2000 + self.body as u32));
        }
        drop(self.guard.take());
        drop(self.task.take());
        if let Some(subscription) = self.subscription.take() {
            subscription.unsubscribe();
        }
        if let Some(task) = self.awaited.take() {
            let outcome = match closure.deed {
                Deed::Wait(_, true) => task.wait_timeout(PATIENCE).map_err(drop),
                _ => Ok(task.wait()),
            };
            let outcome =
                outcome.expect("a task that settles without this closure does so in time");
            let is_cycle = outcome.is_err_and(|error| error.kind() == ErrorKind::Cycle);
            assert!(!is_cycle, "no cycle leads back to this closure");
        }
        match closure.ends {
            Ends::Panic => panic!("{PANIC}{}", self.body),
            Ends::Error => Err(Fault(self.body).into()),
            Ends::Value | Ends::Task(_) => Ok(self.world.value(mix(mix_input(saw), self.body))),
        }
    }

    /// For a closure that cannot fail.
    pub(super) fn value(self, saw: Saw) -> Value {
        self.call(saw).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(super) fn observe(self, saw: Saw) {
        drop(self.call(saw));
    }
}
