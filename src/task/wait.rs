//! Blocking until a task is settled.
//!
//! A thread that waits delays no other work, and a worker that waits does not starve its own pool
//! (Contract: W1). In this order: it hands off its work list; it runs the awaited work itself if
//! that has not started and may run here; it has a spare replace it, and sleeps. Nothing but the
//! awaited work runs on its stack.

use std::panic::Location;
use std::task::Waker;

use super::launch::start_if_cold;
use super::owed::Lookout;
use super::patience::{Patience, stopped_clock};
use super::{Task, help, owed, redeem, redeem_into};
use crate::cell::deadlock::{Turns, WaitEntry, is_awaited_here};
use crate::cell::slot::{Outcome, Slot};
use crate::cell::state::Phase;
use crate::cell::{self, AnyCell, with_state};
use crate::error::{ErrorKind, TaskError};
use crate::sync::{
    Arc, AtomicBool, Duration, Instant, Ordering, Thread, chaos_point, deadline_after, spin_hint,
    thread,
};
use crate::turning::{self, Listener};
use crate::{dispatch, pool, unhandled};

/// How often a waiting thread checks before it sleeps: a few microseconds in all. None under a
/// model checker, to which each check is a further branch.
const SPINS: u32 = if cfg!(any(loom, shuttle)) { 0 } else { 200 };

impl<T: Send + 'static> Task<T> {
    /// Blocks the calling thread until the task is settled, and returns its outcome.
    ///
    /// Inside a task, the awaited task may run on the calling thread, above the caller's frames: it
    /// finds the thread-locals of the caller as they are, borrowed or locked.
    /// [`wait_parked`](Task::wait_parked) excludes that, as does
    /// [`PoolBuilder::inline_waits`](crate::pool::PoolBuilder::inline_waits) for a pool.
    ///
    /// May be called anywhere, inside tasks, continuations and other callbacks too: the pool stays
    /// live at every size, and the pool runs the continuations of the tasks that the calling
    /// callback has settled. Only the awaited task, or one that it waits for, may run on the
    /// calling thread: if it has not started, if that thread belongs to the task's pool, is not
    /// unwinding from a panic, and has used less than a quarter of its stack.
    ///
    /// Returns after every observer that subscribed before has run. Inside an async runtime
    /// `.await` the task instead.
    ///
    /// # Errors
    ///
    /// The task's failure; or one of kind [`Cycle`](ErrorKind::Cycle) when the task can only settle
    /// after the caller returns, as when a task waits for itself; or one of kind
    /// [`Rejected`](ErrorKind::Rejected) when all threads of the caller's pool wait, jobs are
    /// queued in it, and no further thread can be created to run them; or one of kind
    /// [`Abandoned`](ErrorKind::Abandoned) when only a virtual [`Clock`](crate::Clock) can settle
    /// the task, and no thread moves it. The task is not affected in these cases.
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
    #[track_caller]
    pub fn wait(
        // The compiler shows the next line when a task is used again.
        self, // Twice? `share()` first: a shared task has any number of uses.
    ) -> Result<T, TaskError> {
        let mut outcome: Option<Outcome<T>> = None;
        wait_for(
            self.into_cell(),
            How::Freely,
            Location::caller(),
            &mut outcome,
        );
        outcome.unwrap_or_else(|| Err(TaskError::taken(None)))
    }

    /// Blocks like [`wait`](Task::wait), and never runs the task on the calling thread.
    ///
    /// For a closure that holds a borrowed thread-local, or a lock that is not reentrant, while it
    /// waits. Costs two more switches of threads where `wait` would have run the task.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Task::wait). Of kind [`Cycle`](ErrorKind::Cycle) also when only the calling
    /// thread may run the task: it was sent to a loop that this thread is running.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::RefCell;
    /// use fast_async::spawn;
    ///
    /// thread_local!(static SCRATCH: RefCell<Vec<u8>> = RefCell::default());
    ///
    /// let sum = spawn(|| {
    ///     SCRATCH.with(|scratch| {
    ///         let _mine = scratch.borrow_mut();
    ///         // On this thread it would panic.
    ///         spawn(|| SCRATCH.with(|other| other.borrow_mut().len())).wait_parked()
    ///     })
    /// });
    /// assert_eq!(sum.wait()??, 0);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn wait_parked(self) -> Result<T, TaskError> {
        let mut outcome: Option<Outcome<T>> = None;
        wait_for(
            self.into_cell(),
            How::Parked,
            Location::caller(),
            &mut outcome,
        );
        outcome.unwrap_or_else(|| Err(TaskError::taken(None)))
    }

    /// Blocks until the task is settled or `timeout` is over. A timeout too long for the clock
    /// means that there is none.
    ///
    /// Never runs the task on the calling thread, so that the limit holds. The pool runs the
    /// continuations of the tasks that the calling callback has settled. It never fails as
    /// [`Cycle`](ErrorKind::Cycle): it ends by itself.
    ///
    /// # Errors
    ///
    /// The outer `Err` returns the task, unchanged, when the time is over; the inner one is the
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
    #[track_caller]
    pub fn wait_timeout(self, timeout: Duration) -> Result<Result<T, TaskError>, Task<T>> {
        let Some(deadline) = deadline_after(timeout) else {
            return Ok(self.wait_parked());
        };
        let outcome = self.wait_as(How::Until(deadline))?;
        if let Err(error) = &outcome {
            error.waited_for(Location::caller());
        }
        Ok(outcome)
    }

    /// Returns the outcome if the task is settled and its observers have run; does not block.
    ///
    /// It starts a cold task (one made by [`Task::new`]), as [`wait`](Task::wait) does.
    /// To look without starting it, use [`status`](Task::status).
    ///
    /// # Errors
    ///
    /// The outer `Err` returns the task when it is not; the inner one is the task's failure.
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
    ///     std::thread::yield_now(); // or do other work
    /// };
    /// assert_eq!(n, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn try_wait(self) -> Result<Result<T, TaskError>, Task<T>> {
        self.run();
        redeem(self)
    }

    fn wait_as(self, how: How) -> Result<Result<T, TaskError>, Task<T>> {
        let Some(cell) = self.cell() else {
            return Err(self);
        };
        match block(cell, how) {
            End::Settled => redeem(self),
            End::TimedOut => Err(self),
            End::Cycle => Ok(Err(cycle(&**cell))),
            End::Unmanned => Ok(Err(self.unmanned())),
            End::StoppedClock => Ok(Err(stopped_clock(&**cell))),
        }
    }

    /// The calling worker is needed at other work than this wait.
    pub(crate) fn unmanned(&self) -> TaskError {
        unmanned(self.cell().map(|cell| &**cell))
    }

    /// Records that the calling thread sleeps until the task is settled or its loop has a job.
    /// Holds while the entry lives.
    ///
    /// # Errors
    ///
    /// The task can only settle after the caller has returned.
    pub(crate) fn enter_turning(&self, turns: Turns) -> Result<Option<WaitEntry>, TaskError> {
        let Some(cell) = self.cell() else {
            return Ok(None);
        };
        // A closure of a run further out may be what has to return.
        if !is_awaited_here() && !turning::is_relied_on() {
            return Ok(None);
        }
        match WaitEntry::enter(cell, None, turns) {
            Some(entry) => Ok(Some(entry)),
            None => Err(cycle(&**cell)),
        }
    }

    /// The failure of a wait that only its own thread could end.
    pub(crate) fn cycle(&self) -> TaskError {
        match self.cell() {
            Some(cell) => cycle(&**cell),
            None => self.lost(),
        }
    }

    pub(super) fn lost(&self) -> TaskError {
        lost(self.cell().map(|cell| &**cell))
    }
}

/// Blocks until the task of `cell`, whose handle was taken, is settled, and fills `outcome`. For a
/// wait without a time limit, at `place` in the source.
fn wait_for(
    cell: Option<Arc<dyn AnyCell>>,
    how: How,
    place: &'static Location<'static>,
    outcome: &mut dyn Slot,
) {
    let Some(mut cell) = cell else {
        return;
    };
    let end = block(&cell, how);
    let error = match end {
        End::Cycle => cycle(&*cell),
        End::Unmanned => unmanned(Some(&*cell)),
        End::StoppedClock => stopped_clock(&*cell),
        End::Settled | End::TimedOut => {
            if redeem_into(&mut cell, outcome) {
                if let Some(error) = outcome.failure() {
                    error.waited_for(place);
                }
                return;
            }
            lost(Some(&*cell))
        }
    };
    outcome.fail(error);
    cell::release(&*cell);
}

fn lost(cell: Option<&dyn AnyCell>) -> TaskError {
    TaskError::noted(
        ErrorKind::Abandoned,
        "another consumer has taken its outcome; this is a bug in fast-async",
        cell.map(|cell| cell.meta().at()),
    )
}

/// The failure of a wait that can only end after its own return.
pub(super) fn cycle(cell: &dyn AnyCell) -> TaskError {
    TaskError::noted(
        ErrorKind::Cycle,
        "return the task or chain it with `and_then` instead of waiting for it",
        Some(cell.meta().at()),
    )
}

/// The failure of a wait in a pool whose threads all wait, when no further one can be created.
pub(super) fn unmanned(cell: Option<&dyn AnyCell>) -> TaskError {
    TaskError::noted(
        ErrorKind::Rejected,
        "all threads of the caller's pool wait, and no further one can be created; chain with \
         `and_then` instead of waiting inside tasks",
        cell.map(|cell| cell.meta().at()),
    )
}

/// What a wait may do.
#[derive(Clone, Copy)]
pub(super) enum How {
    /// Run the awaited work on the calling thread, where that is allowed.
    Freely,
    /// Sleep only.
    Parked,
    /// Sleep only, until then.
    Until(Instant),
}

impl How {
    fn deadline(self) -> Option<Instant> {
        match self {
            How::Until(deadline) => Some(deadline),
            How::Freely | How::Parked => None,
        }
    }
}

pub(super) enum End {
    Settled,
    TimedOut,
    Cycle,
    /// The caller's pool needs this thread for its queued jobs.
    Unmanned,
    /// Only a virtual clock can end the wait, and no thread moves it.
    StoppedClock,
}

/// Blocks until `cell` is settled.
#[inline]
fn block(cell: &Arc<dyn AnyCell>, how: How) -> End {
    let flag = cell.settled_flag();
    // ORDERING: acquire, so that a thread that sees the flag sees the outcome.
    if flag.load(Ordering::Acquire) {
        return End::Settled;
    }
    block_unsettled(cell, flag, how)
}

#[inline(never)]
fn block_unsettled(cell: &Arc<dyn AnyCell>, flag: &AtomicBool, how: How) -> End {
    // ORDERING: as in `block`.
    let settled = || flag.load(Ordering::Acquire);
    help_first(cell, &settled, how);
    if settled() {
        return End::Settled;
    }
    block_on(cell, &thread::current(), &settled, None, how, |waiter| {
        let replaced = with_state(&**cell, |state| {
            (state.phase() != Phase::Settled).then(|| std::mem::replace(&mut state.waiter, waiter))
        });
        // A future's waker that was left here is foreign code.
        let sleeps = replaced.is_some();
        unhandled::drop_reporting(replaced);
        sleeps
    })
}

/// What a thread does before it may sleep: it runs the awaited work, where it may, or has what it
/// holds done by other threads.
pub(super) fn help_first(cell: &Arc<dyn AnyCell>, done: &dyn Fn() -> bool, how: How) {
    if matches!(how, How::Freely) && pool::may_run_awaited() {
        return help::run_awaited(cell, done);
    }
    dispatch::hand_off_all();
    start_if_cold(cell);
    if pool::on_worker() || dispatch::is_open() {
        help::send_branches(cell, how.deadline().is_some(), done);
    }
}

/// Blocks until `done`, after `help_first`; `over` is true then, unless `cell` is settled.
/// `sleep_on(Some(..))` registers this thread, which is `me`, to be woken, unless it is done
/// already; `sleep_on(None)` takes that back.
pub(super) fn block_on(
    cell: &Arc<dyn AnyCell>,
    me: &Thread,
    done: &dyn Fn() -> bool,
    over: Option<&Arc<AtomicBool>>,
    how: How,
    mut sleep_on: impl FnMut(Option<Waker>) -> bool,
) -> End {
    let deadline = how.deadline();
    let listener = match deadline {
        None => turning::listen(|| me.waker()),
        Some(_) => None,
    };
    // Work that was sent to a loop of this thread. Of a wait that only sleeps it is none.
    let run_owed = || matches!(how, How::Freely) && owed::run(cell, done);
    if listener.is_some() {
        run_owed();
    }
    if spin_until(done) {
        return End::Settled;
    }
    loop {
        // A wait that ends by itself closes no cycle.
        let may_close = is_awaited_here() || listener.is_some();
        let entry = if deadline.is_none() && may_close {
            let entry = WaitEntry::enter(cell, over, Turns::No);
            if entry.is_none() {
                // It may have been sent to this thread's loop just now.
                if listener.is_some() && run_owed() {
                    continue;
                }
                sleep_on(None);
                return End::Cycle;
            }
            entry
        } else {
            None
        };
        if !sleep_on(Some(me.waker())) {
            return End::Settled;
        }
        chaos_point();
        match sleep_until(cell, me, done, listener.as_ref(), deadline) {
            None => {
                // What runs here now does not wait for this thread.
                drop(entry);
                run_owed();
            }
            Some(end @ (End::TimedOut | End::Unmanned | End::StoppedClock)) => {
                sleep_on(None);
                return if done() { End::Settled } else { end };
            }
            Some(end) => return end,
        }
    }
}

/// Looks a short time whether the awaited is `done`, and returns whether it is. It does not yield:
/// on a busy machine that costs whole turns of other processes.
fn spin_until(done: &dyn Fn() -> bool) -> bool {
    for _ in 0..SPINS {
        if done() {
            return true;
        }
        spin_hint();
    }
    false
}

/// Sleeps in a section in which the pool lets another thread run; `None` when it was nudged.
fn sleep_until(
    cell: &Arc<dyn AnyCell>,
    me: &Thread,
    done: &dyn Fn() -> bool,
    listener: Option<&Listener>,
    deadline: Option<Instant>,
) -> Option<End> {
    let is_nudged = || listener.is_some_and(Listener::is_nudged);
    let mut patience = match deadline {
        None => Patience::new(cell),
        Some(_) => None,
    };
    let mut lookout = Lookout::new(deadline.is_some());
    let mut look = || {
        lookout.look(cell);
        if patience.as_mut().is_some_and(Patience::is_over) {
            return Err(End::StoppedClock);
        }
        let nap = patience.as_ref().and_then(Patience::nap);
        Ok(nap.into_iter().chain(lookout.nap()).min())
    };
    pool::blocking(|place| sleep(me, done, &is_nudged, deadline, &mut look, place))
}

/// Looks whether the wait is in vain. Returns after what time to look again.
type Look<'a> = &'a mut dyn FnMut() -> Result<Option<Duration>, End>;

/// Sleeps until `done`, or until the deadline; `None` when it was nudged.
fn sleep(
    me: &Thread,
    done: &dyn Fn() -> bool,
    is_nudged: &dyn Fn() -> bool,
    deadline: Option<Instant>,
    look: Look<'_>,
    place: &pool::BlockedSection,
) -> Option<End> {
    loop {
        if done() {
            return Some(End::Settled);
        }
        if is_nudged() {
            return None;
        }
        let Ok(pause) = place.ensure_worker(deadline) else {
            return Some(End::Unmanned);
        };
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Some(End::TimedOut);
        }
        let look = match look() {
            Ok(nap) => nap,
            Err(end) => return Some(end),
        };
        match left.into_iter().chain(pause).chain(look).min() {
            None => me.park(),
            Some(nap) => me.park_timeout(nap),
        }
    }
}
