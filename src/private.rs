//! The names that code written by `#[make_async]` may use: no part of the public interface.

pub use crate::Task;

use crate::{BoxError, Retry, TaskBuilder, TaskQueue};

/// Asks of an argument what its journey to another thread asks.
///
/// Generated code calls this on each argument where its type is written, so that the compiler
/// points there and not at the closure that captures them all.
pub fn argument<T: Send>(_: &T) {}

/// Starts a body whose value is the value of the task.
#[track_caller]
pub fn spawn<T, F>(builder: TaskBuilder, body: F) -> Task<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    builder.spawn(body)
}

/// Starts a body that may fail with any error that turns into a [`BoxError`].
///
/// The error is converted on the thread that made it, so that it need not be `Send` before, and it
/// is converted by `Into`, which keeps its type: `downcast_ref` finds it again.
#[track_caller]
pub fn attempt<T, E, F>(builder: TaskBuilder, body: F) -> Task<T>
where
    T: Send + 'static,
    E: Into<BoxError>,
    F: FnOnce() -> Result<T, E> + Send + 'static,
{
    builder.attempt(move || body().map_err(Into::into))
}

/// A handle of the queue for the body of a job, which may have been moved there with `queue`.
pub fn queue(queue: &TaskQueue) -> TaskQueue {
    queue.clone()
}

/// Starts a body as a job of a queue; see [`spawn`].
#[track_caller]
pub fn spawn_in<T, F>(queue: TaskQueue, body: F) -> Task<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    queue.spawn(body)
}

/// Starts a body that may fail as a job of a queue; see [`attempt`].
#[track_caller]
pub fn attempt_in<T, E, F>(queue: TaskQueue, body: F) -> Task<T>
where
    T: Send + 'static,
    E: Into<BoxError>,
    F: FnOnce() -> Result<T, E> + Send + 'static,
{
    queue.attempt(move || body().map_err(Into::into))
}

/// The value of the option `retry`.
#[diagnostic::on_unimplemented(
    message = "`retry` is a number of calls, or a `Retry`",
    label = "write `retry = 3`, or `retry = Retry::attempts(3)` with more settings"
)]
pub trait Policy {
    /// Returns it as a policy.
    fn into_policy(self) -> Retry;
}

impl Policy for u32 {
    fn into_policy(self) -> Retry {
        Retry::attempts(self)
    }
}

impl Policy for Retry {
    fn into_policy(self) -> Retry {
        self
    }
}

/// Returns the policy that the option `retry` stands for.
pub fn policy(given: impl Policy) -> Retry {
    given.into_policy()
}

/// Starts a body that is called again after a failure; see [`attempt`].
#[track_caller]
pub fn retry<T, E, F>(builder: TaskBuilder, policy: Retry, mut body: F) -> Task<T>
where
    T: Send + 'static,
    E: Into<BoxError>,
    F: FnMut() -> Result<T, E> + Send + 'static,
{
    crate::retry::start(builder, policy, move |_| body().map_err(Into::into))
}

/// The number of tasks that all searches for cycles together have visited, for tests that count.
pub fn searched_for_cycles() -> u64 {
    crate::cell::deadlock::visited()
}

/// The number of tasks that all waiting threads have visited to find work, for tests that count.
pub fn looked_at_by_waits() -> u64 {
    crate::task::looks()
}
