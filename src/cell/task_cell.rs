//! The cell itself: a task's closure and its head outcome with their types, behind a shell that has
//! none.
//!
//! What is generic over the closure here is compiled for every call site of a user's program. It
//! takes the closure out and calls it. Everything else works on [`Erased`].

use std::any::Any;
use std::mem::ManuallyDrop;

use super::drive::{self, Driver, NextAction, drive_from};
pub(crate) use super::head::Returned;
use super::head::{Body, Head};
use super::slot::{Outcome, Slot, with_slot};
use super::state::{Phase, Progress, Registered, Role, State};
use super::step::{Follow, Step};
use super::work::{Errand, Running};
use super::{AnyCell, TaskMeta, adopt, call_off, stop, tear};
use crate::error::{At, TaskError};
use crate::executor::RunResult;
use crate::sync::{Arc, AtomicBool, Mutex, MutexGuard, Ordering};
use crate::{dispatch, unhandled};

/// A cell whose head is an `H`. The head produces the first outcome, and the steps turn it into the
/// final one.
pub(crate) struct Shell<H: Body + ?Sized> {
    /// Emptied in `drop`.
    pub(super) meta: ManuallyDrop<TaskMeta>,
    /// True while the phase is `Settled`; written under the lock, read without it.
    pub(super) settled: AtomicBool,
    pub(super) inner: Mutex<Inner<H>>,
}

pub(crate) struct Inner<H: Body + ?Sized> {
    /// Emptied in `drop`.
    pub(super) state: ManuallyDrop<State>,
    pub(super) head: H,
}

/// A cell whose closure is an `F`.
pub(crate) type TaskCell<F, T> = Shell<Head<F, T>>;

/// A cell without the types of its closure and its outcome.
pub(crate) type Erased = Shell<dyn Body>;

/// A cell while it is locked.
pub(crate) type Locked<'a> = MutexGuard<'a, Inner<dyn Body>>;

/// The closure of a cell that has none: its outcome comes from outside.
pub(crate) type NoWork<T> = fn(&At<'_>) -> Returned<T>;

impl<F, T> TaskCell<F, T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    #[inline]
    pub(crate) fn new(meta: TaskMeta, phase: Phase, work: F) -> Arc<Self> {
        Arc::new(Shell {
            meta: ManuallyDrop::new(meta),
            settled: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                state: ManuallyDrop::new(State::new(phase)),
                head: Head::Work(work),
            }),
        })
    }
}

impl<T: Send + 'static> TaskCell<NoWork<T>, T> {
    /// A cell that waits for an outcome from outside.
    pub(crate) fn open(meta: TaskMeta) -> Arc<Self> {
        TaskCell::without_work(meta, Phase::Open, None)
    }

    /// A cell that is settled from the start.
    pub(crate) fn settled(meta: TaskMeta, outcome: Outcome<T>) -> Arc<Self> {
        TaskCell::without_work(meta, Phase::Settled, Some(outcome))
    }

    fn without_work(meta: TaskMeta, phase: Phase, value: Option<Outcome<T>>) -> Arc<Self> {
        let mut state = State::new(phase);
        state.pending_links = u32::from(value.is_none());
        Arc::new(Shell {
            meta: ManuallyDrop::new(meta),
            settled: AtomicBool::new(value.is_some()),
            inner: Mutex::new(Inner {
                state: ManuallyDrop::new(state),
                head: Head::Outcome(value),
            }),
        })
    }
}

impl Inner<dyn Body> {
    /// The head has its outcome, or may get one: its closure was claimed.
    fn slot(&mut self) -> &mut dyn Slot {
        let slot = self.head.slot();
        slot.expect("a closure is claimed before there is an outcome")
    }
}

impl Erased {
    /// Under the lock: what the driver does next.
    #[inline]
    fn advance(
        &self,
        inner: &mut Inner<dyn Body>,
        driver_state: &mut Driver<'_>,
        epoch: u32,
    ) -> NextAction {
        let next = drive::next(&mut inner.state, &mut inner.head, driver_state, epoch);
        if next.is_the_end() {
            self.settled.store(true, Ordering::Release);
        }
        next
    }

    /// Appends a step. Use [`register`](super::register).
    #[inline]
    pub(super) fn push(&self, step: Box<dyn Step>, role: Role) -> (u64, Registered) {
        let mut inner = self.inner.lock();
        let pushed = inner.state.register(step, role);
        if pushed.1 == Registered::Late {
            self.settled.store(false, Ordering::Relaxed);
        }
        pushed
    }

    /// Makes the calling thread, which holds the outcome, the driver of an open cell, and takes the
    /// first step. Returns the driver's epoch. `None`: the cell is not open any more, or its steps
    /// run on the pool.
    pub(crate) fn settle(&self, driver_state: &mut Driver<'_>) -> Option<(u32, NextAction)> {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        if inner.state.phase() != Phase::Open || inner.state.is_on_pool() {
            return None;
        }
        inner.state.begin_settling();
        let epoch = inner.state.epoch;
        let next = self.advance(inner, driver_state, epoch);
        Some((epoch, next))
    }

    /// Settles an open cell with the outcome in `local` if that is all there is to do: the cell has
    /// no step, no waiter, no upstream and no token, and the outcome is a value. False: nothing was
    /// done.
    pub(crate) fn settle_alone(&self, local: &mut dyn Slot) -> bool {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        if inner.state.phase() != Phase::Open || !inner.state.is_bare() || local.failure().is_some()
        {
            return false;
        }
        local.move_into(inner.slot());
        inner.state.settle_alone();
        // ORDERING: release, so that a thread that sees the flag sees the outcome.
        self.settled.store(true, Ordering::Release);
        true
    }

    /// Takes the next step for the driver. Only `drive` calls it.
    pub(super) fn next(&self, driver_state: &mut Driver<'_>, epoch: u32) -> NextAction {
        self.advance(&mut self.inner.lock(), driver_state, epoch)
    }

    /// The state and the head's slot, for the only owner of the cell. `None` while there is a
    /// closure.
    pub(crate) fn get_mut_if_settled(&mut self) -> Option<(&mut State, &mut dyn Slot)> {
        let inner = self.inner.get_mut();
        let slot = inner.head.slot()?;
        Some((&mut inner.state, slot))
    }
}

/// Replaces the closure, which will never run, by a failure.
#[cold]
pub(super) fn replace_closure(cell: &dyn AnyCell, inner: Locked<'_>, error: TaskError) {
    cell.work(inner, Errand::Drop(Some(error)));
    unhandled::drop_reporting(cell.meta().take_context());
}

/// Drops the closure if it has not been claimed, and the head's outcome if `outcome` is true.
pub(super) fn drop_head(cell: &dyn AnyCell, outcome: bool) {
    let mut inner = cell.shell().inner.lock();
    match inner.head.slot() {
        None => {
            cell.work(inner, Errand::Drop(None));
            unhandled::drop_reporting(cell.meta().take_context());
        }
        Some(_) if !outcome => {}
        Some(_) => {
            let mut inner = Some(inner);
            cell.with_slot(&mut |local| {
                if let Some(mut inner) = inner.take() {
                    inner.slot().move_into(local);
                }
            });
        }
    }
}

/// Claims and runs what is due: the closure, or the steps of a settled task. A stale queue entry
/// runs nothing that was sent to an executor since. An executor's job runs only the hand-off with
/// the id `handoff`. `None`: there was nothing to do.
///
/// `shell` is the shell of `cell`, here and in the functions that this calls. It saves a virtual
/// call.
pub(super) fn claim(
    cell: &Arc<dyn AnyCell>,
    shell: &Erased,
    handoff: Option<u32>,
) -> Option<RunResult> {
    let mut inner = shell.inner.lock();
    let inner_now = &mut *inner;
    let state = &mut *inner_now.state;
    match state.phase() {
        // An open cell with a closure is a branch of a shared task whose value is published.
        Phase::Queued | Phase::Cold | Phase::Open
            if handoff.is_none() && inner_now.head.slot().is_none() =>
        {
            state.begin_closure();
            let running = Running {
                cell,
                shell,
                epoch: state.epoch,
                detached: state.take_upstream(),
                placed: std::mem::take(&mut state.placed),
            };
            Some(cell.work(inner, Errand::Run(running)))
        }
        Phase::HandedOff if state.may_run(handoff) => {
            // A closure on this thread may have run this executor's job. It continues after this
            // call.
            resume(cell, shell, inner, handoff.is_none());
            Some(RunResult::Other)
        }
        _ => None,
    }
}

/// Makes the calling thread the driver of waiting steps, and runs them. `is_job`: the thread got
/// them as a job.
pub(super) fn resume(cell: &Arc<dyn AnyCell>, shell: &Erased, mut inner: Locked<'_>, is_job: bool) {
    let state = &mut *inner.state;
    state.resume();
    let (epoch, mut held) = (state.epoch, state.last.take());
    let mut inner = Some(inner);
    cell.with_slot(&mut |local| {
        let Some(mut inner) = inner.take() else {
            return;
        };
        if held.is_none() {
            inner.slot().move_into(local);
        }
        let mut driver_state = Driver::new(local, held.take());
        let next = shell.advance(&mut inner, &mut driver_state, epoch);
        drop(inner);
        let go_on = || drive_from(cell, epoch, &mut driver_state, next);
        match is_job {
            true => dispatch::scope_of_job(go_on),
            false => dispatch::scope(go_on),
        }
        driver_state.leave();
    });
}

/// The head has its outcome, in `local`: settles the task, or runs the steps that wait for it.
/// `ran`: how the closure ended.
pub(super) fn finish(
    cell: &Arc<dyn AnyCell>,
    shell: &Erased,
    local: &mut dyn Slot,
    epoch: u32,
    ran: RunResult,
) -> RunResult {
    if shell.meta.is_under_tokens() && shell.meta.is_token_cancelled() {
        // The closure may have seen the raise: no link begins after it.
        call_off::catch_up(cell);
    }
    let mut driver_state = Driver::of_head(local);
    let mut inner = shell.inner.lock();
    let inner_now = &mut *inner;
    inner_now.state.head_state.finish();
    if dispatch::is_open() && !inner_now.state.steps.is_empty() && inner_now.state.epoch == epoch {
        // A step of another task runs this closure. The steps wait in the list, or the stack would
        // grow with each fork.
        driver_state.local.move_into(inner_now.slot());
        let arrival = inner_now.state.outcome_is_in();
        drop(inner);
        arrival.proceed(cell.clone());
        return ran;
    }
    let next = shell.advance(inner_now, &mut driver_state, epoch);
    drop(inner);
    if matches!(next, NextAction::Settled) {
        driver_state.carry_out();
        driver_state.leave();
        // It is empty, which the compiler cannot see.
        std::mem::forget(next);
        return ran;
    }
    match next {
        NextAction::Superseded => {
            driver_state.local.clear();
            drop(driver_state);
            stop::driver_is_back(cell);
            RunResult::Cancelled
        }
        next => {
            dispatch::scope_of_job(|| drive_from(cell, epoch, &mut driver_state, next));
            ran
        }
    }
}

/// The closure has returned a task. The head will have its outcome.
pub(super) fn follow(cell: &Arc<dyn AnyCell>, follow: Follow, epoch: u32) -> RunResult {
    dispatch::scope_of_job(|| adopt::follow(cell, epoch, None, Progress::default(), follow));
    RunResult::Completed
}

// What follows is compiled for every call site: each function calls one that is not.

impl<F, T> AnyCell for TaskCell<F, T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    fn shell(&self) -> &Erased {
        self
    }

    fn shell_mut(&mut self) -> &mut Erased {
        self
    }

    fn work(&self, mut inner: Locked<'_>, mut errand: Errand<'_>) -> RunResult {
        let head: &mut dyn Any = &mut inner.head;
        let mut work = head.downcast_mut().and_then(Head::<F, T>::take_work);
        errand.leave(inner);
        errand.carry_out::<T>(&mut |at| match (work.take(), at) {
            (Some(work), Some(at)) => Some(work(at)),
            _ => None,
        })
    }

    fn with_slot(&self, f: &mut dyn FnMut(&mut dyn Slot)) {
        with_slot::<T>(f);
    }
}

impl<H: Body + ?Sized> Drop for Shell<H> {
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        tear::down(&mut self.meta, &mut inner.state, inner.head.erased());
    }
}
