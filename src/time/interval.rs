//! `every`: a closure that is called again and again, at fixed times.

use std::fmt;
use std::panic::Location;

use super::delay::sleep_until;
use super::time_of;
use crate::error::BoxError;
use crate::pool::Pool;
use crate::sync::{Arc, Duration, Instant, Mutex};
use crate::task::{CancelOnDrop, Given, IntoTask, Task, TaskBuilder, TaskContext};
use crate::unhandled;

/// Calls `f` every `period`, on a thread of the [global pool](Pool::global), for as long as the
/// returned [`Interval`] lives.
///
/// The first call comes after one period. The times are multiples of the period since this call: a
/// late call does not move those after it. `f` may return nothing, a `Result<(), BoxError>`, or a
/// `Task<()>`, which is awaited. It is never called twice at a time. If it takes longer than a
/// period, [`Missed`] says when the next call comes. A failure or a panic ends the interval.
/// [`time`](crate::time) says what holds for all timers.
///
/// With a period of zero the interval fails as [`Rejected`](crate::ErrorKind::Rejected) and calls
/// nothing.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use std::time::Duration;
/// use fast_async::every;
///
/// let (tell, told) = mpsc::channel();
/// let interval = every(Duration::from_millis(2), move || tell.send("tick").unwrap());
/// assert_eq!(told.iter().take(3).count(), 3);
/// drop(interval); // no further call begins
/// ```
#[track_caller]
pub fn every<R, F>(period: Duration, f: F) -> Interval
where
    F: FnMut() -> R + Send + 'static,
    R: Tick,
{
    start(None, period, f)
}

impl Pool {
    /// Calls `f` every `period` on a thread of this pool, by the clock of the pool; see
    /// [`every`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let (tell, told) = mpsc::channel();
    /// let hour = Duration::from_secs(3600);
    /// let interval = pool.every(hour, move || tell.send("tick").unwrap());
    /// clock.advance(24 * hour);
    /// assert_eq!(told.try_iter().count(), 24);
    /// # drop(interval);
    /// # Ok::<(), fast_async::pool::ConfigError>(())
    /// ```
    #[track_caller]
    pub fn every<R, F>(&self, period: Duration, f: F) -> Interval
    where
        F: FnMut() -> R + Send + 'static,
        R: Tick,
    {
        start(Some(self.clone()), period, f)
    }
}

/// When the next call of an interval comes if one took longer than a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// At the next multiple of the period. What was missed does not come.
    #[default]
    Skip,
    /// One period after the late call has ended. Later ones count from there.
    Delay,
    /// At once, until all that was missed has come.
    Burst,
}

/// A closure that is called again and again; made by [`every`]. Dropped, it ends: no further call
/// begins.
#[must_use = "an interval ends when it is dropped; call `detach` to let it continue"]
pub struct Interval {
    task: CancelOnDrop<()>,
    missed: Arc<Mutex<Missed>>,
}

impl Interval {
    /// Sets when the next call comes if one took longer than a period. Default: [`Missed::Skip`]. A
    /// second call replaces the setting.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{every, time::Missed};
    ///
    /// let interval = every(Duration::from_secs(60), || println!("tick")).missed(Missed::Delay);
    /// # drop(interval);
    /// ```
    pub fn missed(self, missed: Missed) -> Interval {
        *self.missed.lock() = missed;
        self
    }

    /// Ends the interval; the returned task settles when a call that is running has returned.
    ///
    /// Inside the closure of the interval, drop it instead: a wait for that task would be a wait
    /// for the own return.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::every;
    ///
    /// let interval = every(Duration::from_millis(2), || println!("tick"));
    /// interval.stop().wait()?;
    /// // Nothing is printed any more.
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn stop(self) -> Task<()> {
        self.task.cancel();
        self.task.stopped()
    }

    /// Returns a task that settles when the interval ends: with the failure of a call, or when the
    /// task is cancelled. Dropping the task lets the interval continue.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::every;
    ///
    /// let mut left = 3;
    /// let interval = every(Duration::from_millis(1), move || {
    ///     left -= 1;
    ///     if left > 0 { Ok(()) } else { Err("that is enough".into()) }
    /// });
    /// let end = interval.into_task().wait().unwrap_err();
    /// assert!(end.to_string().starts_with("that is enough"));
    /// ```
    pub fn into_task(self) -> Task<()> {
        self.task.into_task()
    }

    /// Drops the handle and lets the interval continue, to the end of the process.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// fast_async::every(Duration::from_secs(3600), || println!("still here")).detach();
    /// ```
    pub fn detach(self) {
        self.into_task().detach();
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval")
            .field("task", &*self.task)
            .field("missed", &*self.missed.lock())
            .finish()
    }
}

/// What the closure of [`every`] may return: nothing, a `Result`, or a task.
///
/// Implemented for `()`, `Result<(), BoxError>` and `Task<()>`, and for nothing else.
#[diagnostic::on_unimplemented(
    message = "a closure for `every` cannot return `{Self}`",
    note = "it returns nothing, a `Result<(), BoxError>`, or a `Task<()>`: end it with a semicolon"
)]
pub trait Tick: sealed::Sealed {
    #[doc(hidden)]
    type Task: IntoTask<Output = ()>;

    #[doc(hidden)]
    fn into_outcome(self) -> Self::Task;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for () {}
    impl Sealed for Result<(), crate::BoxError> {}
    impl Sealed for crate::Task<()> {}
}

impl Tick for () {
    type Task = Result<(), BoxError>;

    fn into_outcome(self) -> Self::Task {
        Ok(())
    }
}

impl Tick for Result<(), BoxError> {
    type Task = Self;

    fn into_outcome(self) -> Self::Task {
        self
    }
}

impl Tick for Task<()> {
    type Task = Self;

    fn into_outcome(self) -> Self::Task {
        self
    }
}

#[track_caller]
fn start<R, F>(pool: Option<Pool>, period: Duration, f: F) -> Interval
where
    F: FnMut() -> R + Send + 'static,
    R: Tick,
{
    let location = Location::caller();
    let missed = Arc::new(Mutex::new(Missed::default()));
    if period.is_zero() {
        unhandled::drop_reporting(f);
        let task = Task::rejected(pool.as_ref(), location, "give `every` a period above zero");
        let task = task.cancel_on_drop();
        return Interval { task, missed };
    }
    let due = time_of(pool.as_ref()).deadline_after(period);
    let own = missed.clone();
    let builder = TaskBuilder::of_pool(pool.clone());
    let task = builder.attempt_at(location, move |context| {
        let beat = Beat {
            period,
            due,
            missed: own,
            context: context.clone(),
            pool,
            location,
        };
        Ticker { f, beat }.wait()
    });
    let task = task.cancel_on_drop();
    Interval { task, missed }
}

/// An interval under way.
struct Ticker<F> {
    f: F,
    beat: Beat,
}

/// All of it but the closure.
struct Beat {
    period: Duration,
    /// When the next call is due. `None`: never.
    due: Option<Instant>,
    missed: Arc<Mutex<Missed>>,
    context: TaskContext,
    pool: Option<Pool>,
    location: &'static Location<'static>,
}

impl Beat {
    /// A call has ended.
    fn set_next(&mut self) {
        let now = time_of(self.pool.as_ref()).now();
        let missed = *self.missed.lock();
        self.due = self.due.and_then(|due| next(due, self.period, missed, now));
    }

    /// Settles when the next call is due.
    fn sleep(&self) -> Task<()> {
        let token = self.context.token();
        sleep_until(self.due, Some(token), self.pool.clone(), self.location)
    }
}

impl<F, R> Ticker<F>
where
    F: FnMut() -> R + Send + 'static,
    R: Tick,
{
    /// The next call, at its time.
    fn wait(self) -> Given<()> {
        let due = self.beat.sleep();
        Given::Task(due.and_then(move |()| self.call()))
    }

    fn call(mut self) -> Given<()> {
        // The handle may have gone while a call ran.
        if let Some(error) = self.beat.context.reason() {
            return Given::Outcome(Err(error));
        }
        let location = self.beat.location;
        match Given::call(location, || (self.f)().into_outcome()) {
            Given::Outcome(Ok(())) => self.go_on(),
            Given::Outcome(Err(error)) => Given::Outcome(Err(error)),
            Given::Task(task) => Given::Task(task.and_then(move |()| self.go_on())),
        }
    }

    fn go_on(mut self) -> Given<()> {
        // Cancelled meanwhile: the closure is dropped before the call counts as returned.
        if let Some(error) = self.beat.context.reason() {
            return Given::Outcome(Err(error));
        }
        self.beat.set_next();
        self.wait()
    }
}

/// When the call after the one that was due at `due` and ended at `now` is due.
fn next(due: Instant, period: Duration, missed: Missed, now: Instant) -> Option<Instant> {
    let next = due.checked_add(period)?;
    if next >= now {
        return Some(next);
    }
    match missed {
        Missed::Burst => Some(next),
        Missed::Delay => now.checked_add(period),
        Missed::Skip => {
            let (late, period) = (
                now.saturating_duration_since(next).as_nanos(),
                period.as_nanos(),
            );
            // Up to the next multiple: less than a period, so it is a number of nanoseconds that a
            // duration can tell.
            let rest = late.next_multiple_of(period) - late;
            let seconds = u64::try_from(rest / 1_000_000_000).ok()?;
            let nanos = u32::try_from(rest % 1_000_000_000).ok()?;
            now.checked_add(Duration::new(seconds, nanos))
        }
    }
}
