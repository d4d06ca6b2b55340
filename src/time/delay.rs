//! Tasks that settle at a time.

use std::panic::Location;

use super::upstream::Timer;
use super::{When, refused, time_of};
use crate::cancel::{CancelToken, Sweep};
use crate::cell::call_off::enlist;
use crate::cell::slot::{Slot, cast};
use crate::cell::state::Phase;
use crate::cell::task_cell::{NoWork, TaskCell};
use crate::cell::{AnyCell, ExtraMeta, TaskMeta, UpstreamRef, timed, with_state};
use crate::error::TaskError;
use crate::pool::Pool;
use crate::sync::{Arc, Duration, Instant};
use crate::task::Task;
use crate::timer::Due;

/// Returns a task that settles after `duration`.
///
/// No thread is blocked. Cancelling the task disarms the timer. Continuations of the task run on
/// the [global pool](Pool::global); see [`Pool::delay`] for another one. See [`time`](crate::time)
/// for the rules of all timers.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use fast_async::delay;
///
/// let start = Instant::now();
/// let task = delay(Duration::from_millis(20)).then(|()| "later");
/// assert_eq!(task.wait()?, "later");
/// assert!(start.elapsed() >= Duration::from_millis(20));
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn delay(duration: Duration) -> Task<()> {
    after(When::After(duration), None, Location::caller())
}

/// Returns a task that settles at `deadline`, at once if that has passed; see [`delay`].
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use fast_async::delay_until;
///
/// let deadline = Instant::now() + Duration::from_millis(20);
/// delay_until(deadline).wait()?;
/// assert!(Instant::now() >= deadline);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn delay_until(deadline: Instant) -> Task<()> {
    after(When::At(deadline), None, Location::caller())
}

impl Pool {
    /// Returns a task of this pool that settles after `duration`, by the clock of the pool; see
    /// [`delay`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let task = pool.delay(Duration::from_secs(3600));
    /// clock.advance(Duration::from_secs(3600));
    /// assert!(task.is_settled());
    /// # task.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn delay(&self, duration: Duration) -> Task<()> {
        let pool = Some(self.clone());
        after(When::After(duration), pool, Location::caller())
    }

    /// Returns a task of this pool that settles at `deadline`, by the clock of the pool; see
    /// [`delay_until`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let task = pool.delay_until(clock.now() + Duration::from_secs(60));
    /// clock.advance(Duration::from_secs(60));
    /// assert!(task.is_settled());
    /// # task.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn delay_until(&self, deadline: Instant) -> Task<()> {
        let pool = Some(self.clone());
        after(When::At(deadline), pool, Location::caller())
    }
}

impl<T: Send + 'static> Task<T> {
    /// Returns a task for the same value, `duration` after this one has a value. A failure is
    /// passed on at once.
    ///
    /// Cancelling the new task while it waits drops the value. See [`time`](crate::time) for the
    /// rules of all timers.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let task = pool.spawn(|| 7).delayed(Duration::from_secs(60));
    /// clock.advance(Duration::from_secs(59));
    /// assert!(!task.is_settled());
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(task.wait()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn delayed(self, duration: Duration) -> Task<T> {
        let location = Location::caller();
        let pool = self.cell().and_then(|cell| cell.meta().pool.clone());
        self.and_then(move |value| {
            after(When::After(duration), pool, location).then(move |()| value)
        })
    }
}

/// Returns a task of `pool` that settles after `duration`, for a call at `location`. A raise of
/// `token` cancels it, also before the task that is to follow it does.
pub(crate) fn sleep(
    duration: Duration,
    token: &CancelToken,
    pool: Option<Pool>,
    location: &'static Location<'static>,
) -> Task<()> {
    settles(
        When::After(duration),
        meta_under(Some(token), pool, location),
    )
}

/// The same for a deadline. `None`: it never comes.
pub(super) fn sleep_until(
    deadline: Option<Instant>,
    token: Option<&CancelToken>,
    pool: Option<Pool>,
    location: &'static Location<'static>,
) -> Task<()> {
    let when = deadline.map_or(When::After(Duration::MAX), When::At);
    settles(when, meta_under(token, pool, location))
}

fn meta_under(
    token: Option<&CancelToken>,
    pool: Option<Pool>,
    location: &'static Location<'static>,
) -> TaskMeta {
    let extra = token.map(|token| {
        let mut extra = ExtraMeta::default();
        extra.parents.push(token.downgrade());
        Box::new(extra)
    });
    TaskMeta {
        location,
        pool,
        extra,
    }
}

/// Returns a task of `pool` that settles then.
fn after(when: When, pool: Option<Pool>, location: &'static Location<'static>) -> Task<()> {
    settles(when, meta_under(None, pool, location))
}

/// Returns a task that settles then.
pub(super) fn settles(when: When, meta: TaskMeta) -> Task<()> {
    let time = time_of(meta.pool.as_ref());
    let deadline = when.deadline(&time);
    if deadline.is_some_and(|deadline| deadline <= time.now()) {
        return Task::from_cell(TaskCell::<NoWork<()>, ()>::settled(meta, Ok(())));
    }
    let cell: Arc<dyn AnyCell> = TaskCell::<NoWork<()>, ()>::open(meta);
    let task = Task::from_cell(cell.clone());
    let wake = || Box::new(Wake { cell: cell.clone() });
    if let Some(armed) = deadline.and_then(|deadline| time.arm(deadline, wake())) {
        // A cancel of the task disarms the timer.
        with_state(&*cell, |state| {
            if state.phase() == Phase::Open {
                let to = Arc::new(Timer(armed));
                let _ = state.set_upstream(UpstreamRef { to, step_id: 0 });
            }
        });
    }
    if cell.meta().is_under_tokens() {
        enlist(&cell);
    }
    task
}

/// Settles a task when its timer fires.
struct Wake {
    cell: Arc<dyn AnyCell>,
}

impl Wake {
    fn settle(self, outcome: Result<(), TaskError>) {
        let mut sweep = Sweep::new(None);
        let mut outcome = Some(outcome);
        let mut put = |slot: &mut dyn Slot| *cast(slot) = outcome.take();
        let left = timed::settle(&self.cell, &mut put, &mut sweep);
        if left == timed::Left::Waiting {
            timed::go_on(&self.cell);
        }
        timed::elsewhere(self.cell, sweep);
    }
}

impl Due for Wake {
    fn fire(self: Box<Self>) {
        self.settle(Ok(()));
    }

    fn refuse(self: Box<Self>) {
        let error = refused(&*self.cell);
        self.settle(Err(error));
    }
}
