//! Blocking until a task is settled.
//!
//! A worker that waits must not starve its own pool (Contract: W1). In this order: it runs the
//! awaited work itself if that has not started; it runs what is on its own work list; it lets
//! another thread take its place and sleeps. It never takes unrelated work from a queue.

use std::collections::HashSet;
use std::task::Waker;

use super::launch::start_if_cold;
use super::{Task, owed, redeem, ring};
use crate::cell::state::{Phase, State};
use crate::cell::step::Route;
use crate::cell::{Cell, Upstream, address, with};
use crate::error::{ErrorKind, TaskError};
use crate::sync::{
    Arc, Duration, Instant, Ordering, Thread, chaos_point, deadline_after, spin_hint, thread,
};
use crate::turning::{self, Listener};
use crate::{dispatch, pool, unhandled};

/// Looks before a waiting thread goes to sleep; a few microseconds in all. To a model checker they
/// are but more of the same.
const SPINS: u32 = if cfg!(any(loom, shuttle)) { 0 } else { 200 };
const YIELDS: u32 = if cfg!(any(loom, shuttle)) { 0 } else { 4 };

impl<T: Send + 'static> Task<T> {
    /// Blocks until the task is settled, and gives its outcome.
    ///
    /// May be called anywhere, inside tasks and continuations too: the pool stays live whatever its
    /// size. Returns after every observer that subscribed before has run. Inside an async runtime
    /// `.await` the task instead.
    ///
    /// # Errors
    ///
    /// The task's failure; or one of kind [`Cycle`](ErrorKind::Cycle) when the task can only settle
    /// after the caller returns, as when a task waits for itself.
    ///
    /// # Examples
    ///
    /// ```
    /// fn answer() -> Result<u32, Box<dyn std::error::Error>> {
    ///     Ok(fast_async::spawn(|| 42).wait()?)
    /// }
    /// assert_eq!(answer()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(self) -> Result<T, TaskError> {
        match self.wait_until(None) {
            Ok(outcome) => outcome,
            Err(task) => Err(task.lost()),
        }
    }

    /// Blocks until the task is settled or `timeout` is over. A timeout too long for the clock
    /// means for ever.
    ///
    /// # Errors
    ///
    /// The outer `Err` gives the task back, unharmed, when the time is over; the inner one is the
    /// task's failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (resolver, task) = fast_async::deferred();
    /// let task = task.wait_timeout(Duration::from_millis(1)).unwrap_err();
    /// resolver.resolve("now").unwrap();
    /// assert_eq!(task.wait()?, "now");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn wait_timeout(self, timeout: Duration) -> Result<Result<T, TaskError>, Task<T>> {
        match deadline_after(timeout) {
            Some(deadline) => self.wait_until(Some(deadline)),
            None => Ok(self.wait()),
        }
    }

    /// Gives the outcome if the task is settled and its observers have run. Starts a cold task.
    ///
    /// # Errors
    ///
    /// The outer `Err` gives the task back when it is not; the inner one is the task's failure.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut task = fast_async::spawn(|| 7);
    /// let n = loop {
    ///     match task.try_wait() {
    ///         Ok(outcome) => break outcome?,
    ///         Err(pending) => task = pending,
    ///     }
    ///     std::thread::yield_now(); // or something else to do meanwhile
    /// };
    /// assert_eq!(n, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn try_wait(self) -> Result<Result<T, TaskError>, Task<T>> {
        self.run();
        redeem(self)
    }

    fn wait_until(self, deadline: Option<Instant>) -> Result<Result<T, TaskError>, Task<T>> {
        let Some(cell) = self.cell() else {
            return Err(self);
        };
        if !cell.idle().load(Ordering::Acquire) {
            match block(cell, deadline) {
                End::Settled => {}
                End::TimedOut => return Err(self),
                End::Cycle => return Ok(Err(cycle(&**cell))),
            }
        }
        redeem(self)
    }

    pub(super) fn lost(&self) -> TaskError {
        TaskError::noted(
            ErrorKind::Abandoned,
            "its outcome was taken by somebody else; this is a bug in fast-async",
            self.cell().map(|cell| cell.about().at()),
        )
    }
}

/// The caller stands between `cell` and its outcome.
pub(super) fn cycle(cell: &dyn Cell) -> TaskError {
    TaskError::noted(
        ErrorKind::Cycle,
        "return the task or chain it with `and_then` instead of waiting for it",
        Some(cell.about().at()),
    )
}

pub(super) enum End {
    Settled,
    TimedOut,
    Cycle,
}

/// Blocks until `cell` is idle.
pub(super) fn block(cell: &Arc<dyn Cell>, deadline: Option<Instant>) -> End {
    let idle = || cell.idle().load(Ordering::Acquire);
    block_on(cell, &thread::current(), &idle, deadline, |waiter| {
        let replaced = with(&**cell, |state, _| {
            (state.phase != Phase::Settled).then(|| std::mem::replace(&mut state.waiter, waiter))
        });
        // A future's waker that was left here is foreign code.
        let sleeps = replaced.is_some();
        unhandled::discard(replaced);
        sleeps
    })
}

/// Blocks until `done`. `sleep_on(Some(..))` registers this thread, which is `me`, to be woken,
/// unless it is done already; `sleep_on(None)` takes that back.
pub(super) fn block_on(
    cell: &Arc<dyn Cell>,
    me: &Thread,
    done: &dyn Fn() -> bool,
    deadline: Option<Instant>,
    mut sleep_on: impl FnMut(Option<Waker>) -> bool,
) -> End {
    let on_worker = pool::on_worker();
    if on_worker && deadline.is_none() && pool::run_back(address(&**cell)) && done() {
        return End::Settled;
    }
    // Where the waiter will run a cold task itself, no queue needs to know.
    if deadline.is_some() || !cell.about().pool().is_current() {
        start_if_cold(cell);
    }
    if deadline.is_none() && (on_worker || dispatch::is_open()) {
        help(cell, done);
    }
    let listener = match deadline {
        None => turning::listen(|| me.waker()),
        Some(_) => None,
    };
    if listener.is_some() {
        owed::run(cell, done);
    }
    run_own_list(done);
    for round in 0..SPINS + YIELDS {
        if done() {
            return End::Settled;
        }
        if round < SPINS {
            spin_hint();
        } else {
            thread::yield_now();
        }
    }
    loop {
        // Only a thread that runs a closure or a continuation, or turns a loop, can be what it waits
        // for.
        let _entered = if on_worker || dispatch::is_open() || listener.is_some() {
            let entered = ring::enter(cell, deadline.is_some());
            if entered.closes_a_ring(cell) {
                // It may have been sent to this thread's loop just now.
                if listener.is_some() && owed::run(cell, done) {
                    continue;
                }
                return End::Cycle;
            }
            Some(entered)
        } else {
            None
        };
        if !sleep_on(Some(me.waker())) {
            return End::Settled;
        }
        chaos_point();
        let is_nudged = || listener.as_ref().is_some_and(Listener::is_nudged);
        match pool::blocking(|place| sleep(me, done, &is_nudged, deadline, place)) {
            None => {
                owed::run(cell, done);
                run_own_list(done);
            }
            Some(End::TimedOut) => {
                sleep_on(None);
                return if done() { End::Settled } else { End::TimedOut };
            }
            Some(end) => return end,
        }
    }
}

/// Sleeps until `done`, or until the deadline; `None` when it was nudged.
fn sleep(
    me: &Thread,
    done: &dyn Fn() -> bool,
    is_nudged: &dyn Fn() -> bool,
    deadline: Option<Instant>,
    place: &pool::Place,
) -> Option<End> {
    loop {
        if done() {
            return Some(End::Settled);
        }
        if is_nudged() {
            return None;
        }
        let slice = place.keep_manned();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Some(End::TimedOut);
        }
        match left.into_iter().chain(slice).min() {
            None => me.park(),
            Some(nap) => me.park_timeout(nap),
        }
    }
}

/// Runs what is on this thread's work list, until `done`. True when there was something.
fn run_own_list(done: &dyn Fn() -> bool) -> bool {
    let mut progress = false;
    while !done() {
        match pool::deeper(dispatch::run_one) {
            Some(true) => progress = true,
            Some(false) => break,
            // Each callback waits for the next one's task. Others have the rest, on stacks of their
            // own.
            None => return dispatch::hand_over_all() || progress,
        }
    }
    progress
}

/// Runs what `cell` waits for, as far as it has not started, on this thread.
fn help(cell: &Arc<dyn Cell>, done: &dyn Fn() -> bool) {
    loop {
        let mut progress = false;
        let mut above: Vec<Arc<dyn Upstream>> = Vec::new();
        let mut pending = vec![cell.clone()];
        // Which upstreams this round has come by: where fans meet again in a shared task, and fan out
        // again above it, there are more ways up than anybody could walk.
        let mut seen = HashSet::new();
        while let Some(cell) = pending.pop() {
            if done() {
                return;
            }
            if run_here(&cell) {
                progress = true;
                continue;
            }
            cell.above(&mut above);
            // A fan may be wide: each of its members is looked at once in a round.
            while let Some(upstream) = above.pop() {
                // A line needs no memory of where it has been; a fan does.
                let is_line = above.is_empty() && pending.is_empty() && seen.is_empty();
                if !is_line && !seen.insert(Arc::as_ptr(&upstream).cast::<()>()) {
                    continue;
                }
                match upstream.clone().cell() {
                    Some(cell) => pending.push(cell),
                    None => upstream.above(&mut above),
                }
            }
        }
        progress |= run_own_list(done);
        if !progress || done() {
            return;
        }
    }
}

/// Runs the closure, or the waiting steps, of `cell` if nobody has begun to, and if they belong on
/// this pool.
fn run_here(cell: &Arc<dyn Cell>) -> bool {
    let (startable, source) = with(&**cell, |state, _| is_startable(state));
    // A branch of a shared task whose value is there, and whose turn in the list has not come: the
    // thread among whose callbacks this is would come to it in a moment.
    let belongs_here = match source {
        Some(source) => source.is_ready(),
        None => cell.about().pool().is_current(),
    };
    if !startable || !belongs_here {
        return false;
    }
    let ran = pool::deeper(|| {
        if !pool::run_back(address(&**cell)) {
            pool::note(cell.clone().run());
        }
    });
    if ran.is_none() {
        // Too deep for this stack. A stand-in will find it in a queue, unless it never was in one.
        start_if_cold(cell);
    }
    ran.is_some()
}

/// Whether nobody has begun with it; and what a branch of a shared task waits for.
fn is_startable(state: &State) -> (bool, Option<Arc<dyn Upstream>>) {
    match state.phase {
        Phase::Cold | Phase::Queued => (true, None),
        Phase::Handed => (matches!(state.route(), Route::Pool), None),
        Phase::Open => match state.upstream() {
            Some(tie) => (true, Some(tie.to.clone())),
            None => (false, None),
        },
        _ => (false, None),
    }
}
