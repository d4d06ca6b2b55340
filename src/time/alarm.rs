//! The one timer of calls, or of values, that wait.

use std::panic::Location;

use super::delay::sleep_until;
use crate::error::TaskError;
use crate::pool::Pool;
use crate::sync::Instant;
use crate::task::{Status, Task};

/// A timer that is kept under a lock. It may come before what waits is due: then it is armed again.
///
/// Its task is made, cancelled and dropped without that lock.
#[derive(Default)]
pub(crate) struct Alarm {
    is_armed: bool,
    /// Raised each time that it is armed or taken back.
    number: u64,
    task: Option<Task<()>>,
}

/// What has become of an alarm.
pub(crate) enum Rung {
    /// Its time has come.
    InTime,
    /// It has failed: the system refuses the thread that timers need.
    Refused(TaskError),
    /// It was cancelled, by the token of its pool or because it is not needed.
    Cancelled,
}

impl Alarm {
    /// Something waits. `Some`: the caller must arm the alarm, by [`ring_at`], under this number.
    pub(crate) fn set(&mut self) -> Option<u64> {
        if self.is_armed {
            return None;
        }
        self.is_armed = true;
        self.number += 1;
        Some(self.number)
    }

    /// False: this alarm was taken back.
    pub(crate) fn is_current(&self, number: u64) -> bool {
        self.is_armed && self.number == number
    }

    /// Keeps the task of the alarm that was armed. Returns it if it is not needed any more, for the
    /// caller to [`cancel`].
    pub(crate) fn keep(&mut self, number: u64, task: Task<()>) -> Option<Task<()>> {
        match self.is_current(number) {
            true => self.task.replace(task),
            false => Some(task),
        }
    }

    /// It is not needed, or has come. The caller [`cancel`]s the task.
    pub(crate) fn take_back(&mut self) -> Option<Task<()>> {
        self.is_armed = false;
        self.number += 1;
        self.task.take()
    }
}

/// Calls `ring` at `due`, in `pool`, and returns the task of that. Calls it earlier if it is
/// certain that the time will not come: before this returns, where no timer can be had.
pub(crate) fn ring_at(
    due: Instant,
    pool: Option<Pool>,
    location: &'static Location<'static>,
    ring: impl FnOnce(Rung) + Send + 'static,
) -> Option<Task<()>> {
    let mut bell = Bell(Some(ring));
    let task = sleep_until(Some(due), None, pool, location);
    if task.status() == Status::Failure {
        if let Ok(Err(error)) = task.try_wait() {
            // Not by the pool, which may have no thread either.
            bell.ring(Rung::Refused(error));
        }
        return None;
    }
    Some(task.handle(move |outcome| {
        bell.ring(match outcome {
            Ok(()) => Rung::InTime,
            Err(error) => Rung::Refused(error),
        });
    }))
}

/// Cancels the task of an alarm.
pub(crate) fn cancel(task: Option<Task<()>>) {
    if let Some(task) = task {
        task.cancel();
    }
}

/// Rings once.
struct Bell<F: FnOnce(Rung)>(Option<F>);

impl<F: FnOnce(Rung)> Bell<F> {
    fn ring(&mut self, how: Rung) {
        if let Some(ring) = self.0.take() {
            ring(how);
        }
    }
}

impl<F: FnOnce(Rung)> Drop for Bell<F> {
    fn drop(&mut self) {
        self.ring(Rung::Cancelled);
    }
}
