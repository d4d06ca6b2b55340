//! The names that code written by `#[make_async]` may use: no part of the public interface.

pub use crate::Task;

use crate::{BoxError, TaskBuilder};

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

/// The number of tasks that all searches for cycles together have visited, for tests that count.
pub fn searched_for_cycles() -> u64 {
    crate::cell::deadlock::visited()
}

/// The number of tasks that all waiting threads have visited to find work, for tests that count.
pub fn looked_at_by_waits() -> u64 {
    crate::task::looks()
}
