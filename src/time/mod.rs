//! Time: delays, time limits, intervals, and a virtual clock for tests.
//!
//! ```
//! use std::time::Duration;
//! use fast_async::{attempt, delay, ErrorKind};
//!
//! // Nothing blocks while it waits.
//! let answer = delay(Duration::from_millis(5))
//!     .and_then(|()| attempt(|| Ok("42".parse::<u32>()?)))
//!     .timeout(Duration::from_secs(60))
//!     .catch(|error| match error.kind() {
//!         ErrorKind::TimedOut => 0,
//!         other => panic!("it {other}"),
//!     });
//! assert_eq!(answer.wait()?, 42);
//! # Ok::<(), fast_async::TaskError>(())
//! ```
//!
//! | to | use |
//! |---|---|
//! | continue later | [`delay`], [`delay_until`], [`Pool::delay`](crate::Pool::delay), [`Task::delayed`](crate::Task::delayed) |
//! | give up | [`Task::timeout`](crate::Task::timeout), [`Task::timeout_at`](crate::Task::timeout_at) |
//! | take something else | [`Task::timeout_or`](crate::Task::timeout_or) |
//! | do it again and again | [`every`], [`Pool::every`](crate::Pool::every), [`Missed`] |
//! | merge calls that come close together | [`Debounce`], [`Throttle`] |
//! | look again later | [`Task::within`](crate::Task::within) |
//! | test | [`Clock::manual`], [`Clock::auto`], [`PoolBuilder::clock`](crate::pool::PoolBuilder::clock) |
//!
//! # Which clock
//!
//! A task uses the clock of its pool: the system's monotonic time, or a virtual [`Clock`]. The
//! functions of this module, and tasks of the global pool, use the system's. A combined task, as
//! that of [`all`](crate::all()), uses the clock of its first input. Monotonic time does
//! not jump when the date is set. Whether it advances while the machine sleeps depends on the
//! system; see [`Instant`].
//!
//! # What holds for all of them
//!
//! - Never early. Deadlines are kept to the nanosecond, and the system decides how late its thread
//!   wakes. Due timers fire in the order of the deadlines, and in the order of the calls for equal
//!   deadlines.
//! - A deadline that has passed, and a duration of zero, fire at once. One beyond the range of the
//!   clock, such as `Duration::MAX`, never fires.
//! - No thread is blocked, and no closure runs on the timer's thread. That thread settles the task;
//!   what is chained on it runs on the task's pool. There is one such thread in a process, started
//!   by the first timer; it ends when there has been none for ten seconds. It calls the wakers of
//!   futures that await a task, as the thread of every reactor does.
//! - A timer that is no longer needed is removed at once. Arming and disarming take constant time.
//! - Pending timers delay neither [`Pool::wait_idle`](crate::Pool::wait_idle) nor
//!   [`Pool::shutdown`](crate::Pool::shutdown) nor the end of the process.
//! - If the system refuses the thread, the task fails as [`Rejected`](crate::ErrorKind::Rejected).
//!   The next timer asks again.

// Map for maintainers:
//   delay.rs     delay, delayed             limit.rs    the end of a time limit
//   timeout.rs   timeout, timeout_or        within.rs   within
//   upstream.rs  what a task with a timer waits for    interval.rs  every
//   rule.rs      when merged calls run      merge.rs    merging calls
//   batch.rs     calls that are merged      present_run.rs  what they wait for
//   alarm.rs     their timer
//   debounce.rs  Debounce                   throttle.rs  Throttle

pub(crate) mod alarm;
mod batch;
mod debounce;
mod delay;
mod interval;
mod limit;
mod merge;
mod present_run;
pub(crate) mod rule;
mod throttle;
mod timeout;
mod upstream;
mod within;

pub use crate::timer::{Clock, ClockHold};
pub use debounce::Debounce;
pub(crate) use delay::sleep;
pub use delay::{delay, delay_until};
pub use interval::{Interval, Missed, Tick, every};
pub use throttle::Throttle;
pub(crate) use timeout::limited;

use crate::cell::AnyCell;
use crate::error::{ErrorKind, TaskError};
use crate::pool::Pool;
use crate::sync::{Duration, Instant};
use crate::timer::TimeSource;

/// When something is to happen.
#[derive(Clone, Copy)]
enum When {
    After(Duration),
    At(Instant),
}

impl When {
    /// `None`: never.
    fn deadline(self, time: &TimeSource) -> Option<Instant> {
        match self {
            When::After(duration) => time.deadline_after(duration),
            When::At(moment) => Some(moment),
        }
    }
}

/// Returns the time that tasks of `pool` use. The global pool, which is `None`, uses the system's.
pub(crate) fn time_of(pool: Option<&Pool>) -> TimeSource {
    pool.map_or(TimeSource::System, Pool::time)
}

/// The failure of a task whose timer was refused.
fn refused(cell: &dyn AnyCell) -> TaskError {
    TaskError::noted(
        ErrorKind::Rejected,
        "the system would not create the thread that timers need",
        Some(cell.meta().at()),
    )
}
