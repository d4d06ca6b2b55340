//! A virtual clock, which moves only by a call.

// Lock order: `state` alone. No pool is waited for, and nothing fires, under it.

use std::fmt;

use super::wheel::{Key, Wheel};
use super::{Due, Still};
use crate::sync::{Arc, Condvar, Duration, Instant, Mutex, Weak};

/// For how long a wait sleeps that only the clock can end, if the program does not say.
const PATIENCE: Duration = Duration::from_secs(10);

/// A virtual clock for tests: time that stands still until [`advance`](Clock::advance) moves it.
///
/// A pool that is built [with a clock](crate::pool::PoolBuilder::clock) uses it: for the delays,
/// time limits and intervals of its tasks. Other pools use the system's time. So tests of timing
/// need no sleep, and tests with different clocks run in parallel. A clone is another handle of the
/// same clock; several pools may share one.
///
/// Blocking calls with a limit, as [`Task::wait_timeout`](crate::Task::wait_timeout), go by the
/// system's time.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use fast_async::{Clock, ErrorKind, Pool};
///
/// let clock = Clock::manual();
/// let pool = Pool::builder().clock(&clock).build()?;
///
/// let hour = Duration::from_secs(3600);
/// let report = pool.delay(hour).then(|()| "the report").timeout(2 * hour);
/// clock.advance(hour); // takes no hour
/// assert!(report.is_settled());
/// assert_eq!(report.wait()?, "the report");
///
/// let late = pool.delay(3 * hour).timeout(hour);
/// clock.advance(hour);
/// assert_eq!(late.wait().unwrap_err().kind(), ErrorKind::TimedOut);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Clock(pub(super) Arc<Shared>);

pub(super) struct Shared {
    /// Points in time are nanoseconds since then.
    origin: Instant,
    pub(super) state: Mutex<State>,
    /// Signalled when a hold of an automatic clock ends.
    pub(super) released: Condvar,
}

pub(super) struct State {
    now: u64,
    pub(super) wheel: Wheel<Box<dyn Due>>,
    /// `None`: only calls move the clock.
    pub(super) auto: Option<Auto>,
    /// Where the call that moves the clock is to end. `None`: no call moves it.
    pub(super) target: Option<u64>,
    /// Raised by each call that moves the clock.
    moves: u64,
    /// For how long, by the system's time, a wait for the clock alone sees no such call.
    patience: Duration,
    /// The pools that go by this clock.
    pools: Vec<Weak<dyn Still>>,
}

/// A clock that moves by itself.
#[derive(Default)]
pub(super) struct Auto {
    /// The guards that hold it.
    pub(super) holds: usize,
    /// The thread that moves it exists. Invariant: while it does not, the wheel is empty, or the
    /// thread that has armed a timer is about to start it.
    pub(super) has_thread: bool,
}

impl Clock {
    /// Makes a clock that stands still until [`advance`](Clock::advance) is called. It begins at
    /// the present.
    ///
    /// # Examples
    ///
    /// ```
    /// let clock = fast_async::Clock::manual();
    /// assert_eq!(clock.now(), clock.now());
    /// ```
    pub fn manual() -> Clock {
        Clock::make(None)
    }

    pub(super) fn make(auto: Option<Auto>) -> Clock {
        Clock(Arc::new(Shared {
            origin: Instant::now(),
            state: Mutex::new(State {
                now: 0,
                wheel: Wheel::new(),
                auto,
                target: None,
                moves: 0,
                patience: PATIENCE,
                pools: Vec::new(),
            }),
            released: Condvar::new(),
        }))
    }

    /// Returns the time of this clock.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let clock = fast_async::Clock::manual();
    /// let before = clock.now();
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(clock.now() - before, Duration::from_secs(60));
    /// ```
    pub fn now(&self) -> Instant {
        let now = self.0.state.lock().now;
        self.moment(now)
    }

    /// Returns the earliest pending deadline. `None`: no timer is pending.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let minute = pool.delay(Duration::from_secs(60));
    /// assert_eq!(clock.next_deadline(), Some(clock.now() + Duration::from_secs(60)));
    /// minute.cancel();
    /// assert_eq!(clock.next_deadline(), None);
    /// # Ok::<(), fast_async::pool::ConfigError>(())
    /// ```
    pub fn next_deadline(&self) -> Option<Instant> {
        let first = self.0.state.lock().wheel.first_deadline()?;
        Some(self.moment(first))
    }

    /// Returns how many timers wait for this clock.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let task = pool.spawn(|| 7).delayed(Duration::from_secs(1));
    /// clock.advance(Duration::ZERO); // the closure has run
    /// assert_eq!(clock.pending(), 1);
    /// task.cancel();
    /// assert_eq!(clock.pending(), 0);
    /// # Ok::<(), fast_async::pool::ConfigError>(())
    /// ```
    pub fn pending(&self) -> usize {
        self.0.state.lock().wheel.len()
    }

    /// Sets for how long, by the system's time, a wait without a limit may sleep that only this
    /// clock can end while no call moves it. Default: 10 seconds.
    ///
    /// Such a wait, as [`Task::wait`](crate::Task::wait) for a delay, would hang a test in which no
    /// thread calls [`advance`](Clock::advance). It fails instead, as
    /// [`Abandoned`](crate::ErrorKind::Abandoned), and says when the next timer is due. The time
    /// begins anew with each call of `advance`, and while the pools of the clock have work.
    /// `Duration::MAX` sets no limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, ErrorKind, Pool};
    ///
    /// let clock = Clock::manual();
    /// clock.set_patience(Duration::from_millis(1));
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let error = pool.delay(Duration::from_secs(60)).wait().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Abandoned);
    /// assert!(error.to_string().contains("the next timer is due in 60s"));
    /// # Ok::<(), fast_async::pool::ConfigError>(())
    /// ```
    pub fn set_patience(&self, patience: Duration) {
        self.0.state.lock().patience = patience;
    }

    pub(crate) fn patience(&self) -> Duration {
        self.0.state.lock().patience
    }

    /// How often it was moved. `None`: something moves it right now.
    pub(crate) fn moves(&self) -> Option<u64> {
        let state = self.0.state.lock();
        let moves_itself = state.auto.as_ref().is_some_and(|auto| auto.holds == 0);
        (state.target.is_none() && !moves_itself).then_some(state.moves)
    }

    /// How long it is to the next deadline.
    pub(crate) fn next_timer(&self) -> Option<Duration> {
        let mut state = self.0.state.lock();
        let first = state.wheel.first_deadline()?;
        Some(Duration::from_nanos(first.saturating_sub(state.now)))
    }

    /// All pools of the clock are still at this moment.
    pub(crate) fn is_still(&self) -> bool {
        self.pools().iter().all(|pool| pool.is_still())
    }

    /// Moves the clock by `duration`, from deadline to deadline, and blocks until it is there.
    ///
    /// First it waits until the pools of the clock are still: no job is queued or runs, and no
    /// continuation; threads that sleep in a blocking call of this crate do not count. Then it goes
    /// to the next deadline, settles one task, waits again, and so on. So all effects of a deadline
    /// happen before the next, also for equal deadlines, and timers that are made in the process
    /// fire at their own times. When it returns, the pools are still. A job that blocks outside of
    /// this crate keeps it waiting.
    ///
    /// Called inside a task, it does not wait for that task. A call while another one is under way
    /// adds its duration to that one and returns at once. A duration beyond the range of the clock
    /// (584 years from its beginning), such as `Duration::MAX`, moves to the last deadline that is
    /// pending at the call.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let own = pool.clone();
    /// // The second delay is made when the first is over, and counts from there.
    /// let task = pool.delay(Duration::from_secs(1)).and_then(move |()| {
    ///     own.delay(Duration::from_secs(1))
    /// });
    /// clock.advance(Duration::from_secs(2));
    /// assert!(task.is_settled());
    /// # task.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advance(&self, duration: Duration) {
        {
            let mut state = self.0.state.lock();
            state.moves = state.moves.wrapping_add(1);
            let from = state.target.unwrap_or(state.now);
            let to = u64::try_from(duration.as_nanos()).ok();
            let to = to.and_then(|nanos| from.checked_add(nanos));
            let to = to.unwrap_or_else(|| state.wheel.last_deadline().unwrap_or(0).max(from));
            if state.target.replace(to).is_some() {
                return;
            }
        }
        loop {
            self.await_still();
            let due = self.0.state.lock().step();
            let Some(due) = due else { return };
            due.fire();
        }
    }

    /// Waits until all pools of the clock are still at once.
    pub(super) fn await_still(&self) {
        let pools = self.pools();
        // What one of them does may set another going.
        while pools.iter().any(|pool| pool.await_still()) {}
    }

    /// The pools that use this clock.
    fn pools(&self) -> Vec<Arc<dyn Still>> {
        let mut state = self.0.state.lock();
        state.pools.retain(|pool| pool.strong_count() > 0);
        state.pools.iter().filter_map(Weak::upgrade).collect()
    }

    /// The pool uses this clock.
    pub(crate) fn watch(&self, pool: Weak<dyn Still>) {
        self.0.state.lock().pools.push(pool);
    }

    fn moment(&self, nanos: u64) -> Instant {
        self.0.origin + Duration::from_nanos(nanos)
    }

    /// As [`SystemTimers::arm`](super::system::SystemTimers::arm).
    pub(super) fn arm(
        &self,
        deadline: Instant,
        due: Box<dyn Due>,
    ) -> Result<Option<Key>, Box<dyn Due>> {
        let since = deadline.saturating_duration_since(self.0.origin);
        let Ok(deadline) = u64::try_from(since.as_nanos()) else {
            return Ok(None);
        };
        self.0.state.lock().wheel.insert(deadline, due).map(Some)
    }

    /// As [`SystemTimers::disarm`](super::system::SystemTimers::disarm).
    pub(super) fn disarm(&self, key: Key) -> Option<Box<dyn Due>> {
        self.0.state.lock().wheel.remove(key)
    }
}

impl State {
    /// Goes to the first deadline, which is that of the returned timer. `None`: a call moves the
    /// clock, or there is no timer.
    pub(super) fn step_alone(&mut self) -> Option<Box<dyn Due>> {
        if self.target.is_some() {
            return None;
        }
        self.now = self.wheel.first_deadline()?.max(self.now);
        self.wheel.pop(self.now)
    }

    /// Goes to the next deadline, and returns the first that is due then. `None`: the clock is
    /// where it was to go.
    fn step(&mut self) -> Option<Box<dyn Due>> {
        let target = self.target?;
        let first = self.wheel.first_deadline();
        self.now = first.unwrap_or(target).min(target).max(self.now);
        let due = self.wheel.pop(self.now);
        if due.is_none() {
            self.target = None;
        }
        due
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.lock();
        f.debug_struct("Clock")
            .field("since_start", &Duration::from_nanos(state.now))
            .field("timers", &state.wheel.len())
            .finish()
    }
}
