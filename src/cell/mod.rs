//! The cell of a task: its closure, its outcome and its subscriber list, in one allocation.
//!
//! A `Task` has one consumer, so a chain of `then`s is a line. The derived task of a link needs no
//! new cell: it is the same cell with one more step in its list. A new cell begins at a fork
//! (`share`).

// Map for maintainers:
//   state.rs      phases and transitions, as a table; state/ what interrupts a driver
//   steps/        the list of steps               step.rs      an entry of it
//   slot.rs       an outcome without its type     head.rs      a closure, then its outcome
//   task_cell.rs  the cell: closure and outcome with their types, the rest without
//   work.rs       calls or drops a closure        displaced.rs takes a closure out
//   drive.rs      runs the steps                  due.rs       settles on the timers' thread
//   adopt.rs      follows a returned task         deadlock/    finds cycles of waiting
//   cancel.rs     a cancel meets the driver       fail.rs      fails what a queue rejected
//   call_off.rs   a token meets the driver        raise.rs     tokens; second pass of a cancel
//   stop.rs       counts closures left running    tear.rs      drops what a cell leaves behind
//   reach.rs      the cell as cancels and searches see it    queued.rs  as queues see it
//
// Locks: deadlock::GRAPH -> one cell's lock. No thread holds the locks of two cells, and no user
// code runs or is dropped under either.

pub(crate) mod adopt;
pub(crate) mod call_off;
pub(crate) mod cancel;
pub(crate) mod deadlock;
mod displaced;
pub(crate) mod drive;
pub(crate) mod due;
mod fail;
mod head;
mod queued;
pub(crate) mod raise;
mod reach;
pub(crate) mod slot;
pub(crate) mod state;
pub(crate) mod step;
pub(crate) mod steps;
pub(crate) mod stop;
pub(crate) mod task_cell;
mod tear;
mod work;

use std::panic::Location;

use smallvec::SmallVec;

use crate::cancel::{CancelToken, Member, WeakToken, Withdraw};
use crate::error::{At, ErrorKind};
use crate::executor::{Continuation, Job, RunResult, Runnable};
use crate::pool::Pool;
use crate::sync::{Arc, AtomicBool, TakeOnce, ThreadId, thread_id};
use crate::trace::TaskContext;
use crate::{dispatch, guard, nesting, unhandled};
use head::UnclaimedSlot;
use slot::Slot;
use state::{Handoff, Registered, Role, State};
use step::{Route, Step};
use task_cell::{Erased, Locked};
use work::Errand;

/// The name of a task, its pool, its tokens and the location of its spawn. Never changes.
pub(crate) struct TaskMeta {
    pub(crate) location: &'static Location<'static>,
    /// `None`: the global pool.
    pub(crate) pool: Option<Pool>,
    pub(crate) extra: Option<Box<ExtraMeta>>,
}

#[derive(Default)]
pub(crate) struct ExtraMeta {
    pub(crate) name: Option<Arc<str>>,
    /// Raised when the task is cancelled while its closure runs.
    pub(crate) token: Option<CancelToken>,
    /// Each of them cancels the task when it is raised.
    pub(crate) parents: SmallVec<[WeakToken; 1]>,
    /// Released with the closure.
    pub(crate) context: Option<TakeOnce<TaskContext>>,
}

impl TaskMeta {
    #[track_caller]
    pub(crate) fn here() -> TaskMeta {
        TaskMeta {
            location: Location::caller(),
            pool: None,
            extra: None,
        }
    }

    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        self.extra.as_ref()?.name.as_ref()
    }

    pub(crate) fn token(&self) -> Option<&CancelToken> {
        self.extra.as_ref()?.token.as_ref()
    }

    fn parents(&self) -> &[WeakToken] {
        let extra = self.extra.as_ref();
        extra.map_or(&[], |extra| &extra.parents)
    }

    fn pool_tokens(&self) -> &[CancelToken] {
        self.pool.as_ref().map_or(&[], Pool::cancel_tokens)
    }

    /// Returns true if the task has a token that may cancel it.
    #[inline]
    pub(crate) fn is_under_tokens(&self) -> bool {
        (self.extra.is_some() || self.pool.is_some())
            && !(self.parents().is_empty() && self.pool_tokens().is_empty())
    }

    /// Returns true if a token of the task is raised. The thread that raised it will cancel this
    /// task.
    pub(crate) fn is_token_cancelled(&self) -> bool {
        self.parents().iter().any(WeakToken::is_cancelled)
            || self.pool_tokens().iter().any(CancelToken::is_cancelled)
    }

    /// The tokens that cancel the task, each once.
    pub(crate) fn tokens(&self) -> SmallVec<[CancelToken; 1]> {
        let mut tokens: SmallVec<[CancelToken; 1]> = SmallVec::new();
        let own = self.parents().iter().filter_map(WeakToken::upgrade);
        for token in own.chain(self.pool_tokens().iter().cloned()) {
            if !tokens.iter().any(|other| other.is(&token)) {
                tokens.push(token);
            }
        }
        tokens
    }

    /// Every token that cancels this task cancels the other one too.
    pub(crate) fn is_covered_by(&self, other: &TaskMeta) -> bool {
        let covers = |token: &CancelToken| {
            let weak = token.downgrade();
            other.parents().iter().any(|own| own.is(&weak))
                || other.pool_tokens().iter().any(|own| own.is(token))
        };
        !self.is_under_tokens() || self.tokens().iter().all(covers)
    }

    /// The closure runs in this context.
    #[cold]
    pub(crate) fn set_context(&mut self, context: TaskContext) {
        let extra = self.extra.get_or_insert_default();
        extra.context = Some(TakeOnce::new(context));
    }

    /// The closure's tracing context, for the thread that runs or drops the closure.
    #[inline]
    pub(crate) fn take_context(&self) -> Option<TaskContext> {
        self.extra.as_ref()?.context.as_ref()?.take()
    }

    pub(crate) fn at(&self) -> At<'_> {
        At {
            location: self.location,
            task: self.name(),
        }
    }

    pub(crate) fn pool(&self) -> &Pool {
        self.pool.as_ref().unwrap_or_else(|| Pool::global())
    }
}

/// A cell without the types of its closure and its outcome. Functions that do not need those types
/// are compiled once, for the [`Erased`] cell.
pub(crate) trait AnyCell: Runnable + Continuation + Upstream + Member {
    fn shell(&self) -> &Erased;

    fn shell_mut(&mut self) -> &mut Erased;

    /// Takes the closure out, releases the lock, and calls or drops the closure, as `errand` says.
    /// Returns the result of a call.
    fn work(&self, inner: Locked<'_>, errand: Errand<'_>) -> RunResult;

    /// Calls `f` with an empty slot for an outcome of the head's type, and drops what it leaves
    /// there.
    fn with_slot(&self, f: &mut dyn FnMut(&mut dyn Slot));
}

impl dyn AnyCell + '_ {
    #[inline]
    pub(crate) fn meta(&self) -> &TaskMeta {
        &self.shell().meta
    }

    /// True while the phase is `Settled`; written under the lock, to be read without it.
    #[inline]
    pub(crate) fn settled_flag(&self) -> &AtomicBool {
        &self.shell().settled
    }

    /// Drops the closure if it has not been claimed, and the head's outcome if `outcome` is true.
    fn drop_head(&self, outcome: bool) {
        task_cell::drop_head(self, outcome);
    }
}

/// Something that a task waits for.
pub(crate) trait Upstream: Withdraw {
    /// Adds to `found` what this itself waits for.
    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>);

    /// False if one of the upstreams may be enough. A waiting thread then runs none of them,
    /// because it could not return before that one ends.
    fn needs_all(&self) -> bool {
        true
    }

    /// Adds to `found` the threads whose user code this waits for, besides the drivers of its
    /// upstreams. Call it while the result of `above` is held.
    fn left_running(&self, _found: &mut Vec<ThreadId>) {}

    /// A cycle leads through this, which is broken only while one of its upstreams leads elsewhere.
    /// From now on this searches for the cycle each time one of them fails.
    fn mark_at_risk(&self) {}

    /// The cell behind it, if it is one.
    fn cell(self: Arc<Self>) -> Option<Arc<dyn AnyCell>> {
        None
    }

    /// True if its value is published and this thread is the one that delivers it.
    fn is_ready(&self) -> bool {
        false
    }
}

/// A task's upstream reference to what it waits for.
#[derive(Clone)]
pub(crate) struct UpstreamRef {
    pub(crate) to: Arc<dyn Upstream>,
    /// The id of the task's step in the list of the upstream, if there is one; else 0.
    pub(crate) step_id: u64,
}

impl UpstreamRef {
    /// Returns the reference in the form that a sweep takes.
    pub(crate) fn parts(self) -> (Arc<dyn Withdraw>, u64) {
        (self.to, self.step_id)
    }
}

/// Calls `f` with the cell locked.
#[inline]
pub(crate) fn with<R>(cell: &dyn AnyCell, f: impl FnOnce(&mut State, &mut dyn Slot) -> R) -> R {
    let mut inner = cell.shell().inner.lock();
    let inner_now = &mut *inner;
    let mut unclaimed = UnclaimedSlot(None);
    let slot = inner_now.head.slot().unwrap_or(&mut unclaimed);
    let result = f(&mut inner_now.state, slot);
    if let Some(error) = unclaimed.0 {
        task_cell::replace_closure(cell, inner, error);
    }
    result
}

/// Calls `f` with the state of the locked cell. Cheaper than [`with`] if the outcome is not needed.
#[inline]
pub(crate) fn with_state<R>(cell: &dyn AnyCell, f: impl FnOnce(&mut State) -> R) -> R {
    f(&mut cell.shell().inner.lock().state)
}

/// True while the calling thread runs the closure or a step of `cell`.
pub(crate) fn is_driven_here(cell: &dyn AnyCell) -> bool {
    with_state(cell, |state| {
        state.phase() == state::Phase::Driving && state.driver == Some(thread_id())
    })
}

/// Returns the address, which identifies a cell.
pub(crate) fn address(cell: &dyn AnyCell) -> *const () {
    std::ptr::from_ref(cell).cast()
}

/// Registers a step and ensures that it will run. Returns its number. For functions that are
/// compiled once.
#[inline(always)]
pub(crate) fn register(cell: &Arc<dyn AnyCell>, step: Box<dyn Step>, role: Role) -> u64 {
    let (number, registered) = cell.shell().push(step, role);
    if registered != Registered::Pending {
        begin_again(cell, registered);
    }
    number
}

/// Ensures that a thread runs a step registered on a task without a driver.
#[inline(never)]
fn begin_again(cell: &Arc<dyn AnyCell>, registered: Registered) {
    match registered {
        Registered::Pending => {}
        Registered::Late => {
            if cell.meta().is_under_tokens() {
                call_off::enlist_again(cell);
            }
            cell.clone().hand_off();
        }
        Registered::Cold => enqueue(cell),
    }
}

/// Queues a cold task's closure in its pool. The phase is `Queued` already.
pub(crate) fn enqueue(cell: &Arc<dyn AnyCell>) {
    enqueue_in(cell.meta().pool(), cell);
}

/// The same for a caller that knows the pool.
#[inline]
pub(crate) fn enqueue_in(pool: &Pool, cell: &Arc<dyn AnyCell>) {
    if pool.acquire_place() && !take_place(cell) {
        return;
    }
    if let Err(rejected) = pool.submit(cell.clone()) {
        rejected.settle();
    }
}

/// Records that a task holds a slot in its pool's queue. Returns false if the task was cancelled
/// first; the caller then releases the slot.
pub(crate) fn take_place(cell: &Arc<dyn AnyCell>) -> bool {
    let is_queued = with_state(&**cell, |state| {
        state.placed = state.phase() == state::Phase::Queued;
        state.placed
    });
    if !is_queued {
        cell.meta().pool().release_place();
    }
    is_queued
}

/// Has the steps of a task whose phase is `HandedOff` run by their route.
///
/// They may run inside this call and call it again. If the nesting is deep, the work list of this
/// thread takes the task. A thread without a list, which is one that runs a task in a wait, leaves
/// it to the pool.
pub(crate) fn hand_off(cell: Arc<dyn AnyCell>) {
    let shell = cell.shell();
    let mut inner = shell.inner.lock();
    let state = &mut inner.state;
    let is_inline = match state.route() {
        Route::Inline => state.phase() == state::Phase::HandedOff,
        // The pool runs nothing here.
        Route::Pool => {
            let to = state.begin_handoff();
            drop(inner);
            return hand_to(to, cell);
        }
        Route::Executor(_) => false,
    };
    let Some(_level) = nesting::enter() else {
        drop(inner);
        if dispatch::hand_off_later(cell.clone()).is_err() {
            queue(&cell, Arc::new(Detour(cell.clone())));
        }
        return;
    };
    if !is_inline {
        let to = state.begin_handoff();
        drop(inner);
        hand_to(to, cell);
    } else if shell.meta.is_under_tokens() {
        drop(inner);
        dispatch::scope(|| cell.run());
    } else {
        task_cell::resume(&cell, shell, inner, false);
    }
}

/// The same for a thread that is about to block: steps that would run on the settling thread go to
/// the task's pool.
pub(crate) fn hand_off_to_pool(cell: Arc<dyn AnyCell>) {
    let Some(_level) = nesting::enter() else {
        return queue(&cell, Arc::new(Detour(cell.clone())));
    };
    let to = with_state(&*cell, |state| state.begin_handoff());
    hand_to(to, cell);
}

fn hand_to(to: Handoff, cell: Arc<dyn AnyCell>) {
    match to {
        Handoff::Taken => {}
        Handoff::Executor(executor, handoff) => {
            // A job that is lost in a panic rejects its task in its drop.
            let job = Job::new(cell, handoff);
            if let Err(payload) = guard::catch(|| executor.execute(job)) {
                guard::drop_quietly(payload);
            }
            // `executor` may be the last reference, as the job may have been to its task.
            unhandled::drop_reporting(executor);
        }
        Handoff::Pool | Handoff::Inline => submit_continuation(cell),
    }
}

/// Queues steps, or a branch of a shared task, in the pool of their task.
pub(crate) fn submit_continuation(cell: Arc<dyn AnyCell>) {
    queue(&cell, cell.clone());
}

/// Queues `work` in the pool of `cell`.
fn queue(cell: &Arc<dyn AnyCell>, work: Arc<dyn Runnable>) {
    let rejected = cell.meta().pool().submit_continuation(work).err();
    // Continuations outlive their pool: on a closed one they move to the global pool, which never
    // closes.
    if let Some(rejected) =
        rejected.and_then(|rejected| Pool::global().submit_continuation(rejected.work).err())
    {
        rejected.settle();
    }
}

/// Hands a task off from a thread with a shallow stack.
struct Detour(Arc<dyn AnyCell>);

impl Runnable for Detour {
    fn run(self: Arc<Self>) -> RunResult {
        hand_off(self.0.clone());
        RunResult::Other
    }

    fn hand_off(self: Arc<Self>) {
        queue(&self.0, self.clone());
    }

    fn reject(self: Arc<Self>, _: ErrorKind, _: &'static str) -> bool {
        // The system grants no other thread, so this one does it.
        let to = with_state(&*self.0, |state| state.begin_handoff());
        hand_to(to, self.0.clone());
        false
    }
}

/// The last handle of a task is dropped. An unhandled failure is reported here, or when the task is
/// settled.
pub(crate) fn release(cell: &dyn AnyCell) {
    let (unseen, waiter) = with(cell, |state, head| {
        state.detached = true;
        // No waiter is left to be woken, and a future's waker may own much memory.
        let waiter = state.waiter.take();
        if state.phase() != state::Phase::Settled || state.handled {
            return (None, waiter);
        }
        state.handled = true;
        let failure = state.outcome(head).failure().cloned();
        (failure.filter(|error| !state.was_asked_for(error)), waiter)
    });
    unhandled::drop_reporting(waiter);
    if let Some(error) = unseen {
        unhandled::report(error);
    }
}
