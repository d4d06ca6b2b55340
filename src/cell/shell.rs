//! A cell without the types of its closure and its outcome: its parts, its lock, and the trait
//! through which all but a few functions see it.

use std::mem::ManuallyDrop;

use super::TaskMeta;
use super::head::{Body, UnclaimedSlot};
use super::slot::Slot;
use super::state::{Registered, Role, State};
use super::step::Step;
use super::upstream::{Upstream, UpstreamRef};
use crate::cancel::Member;
use crate::error::TaskError;
use crate::event::Emitter;
use crate::executor::{Continuation, RunResult, Runnable};
use crate::sync::{Arc, AtomicBool, Mutex, MutexGuard, Ordering};
use crate::unhandled;

/// A cell whose head is an `H`. The head produces the first outcome, and the steps turn it into the
/// final one.
pub(crate) struct Shell<H: Body + ?Sized> {
    /// Emptied in `drop`.
    pub(super) meta: ManuallyDrop<TaskMeta>,
    /// True while the phase is `Settled`; written under the lock, read without it.
    // ORDERING: set with Release when the outcome is in place, and read with Acquire: a thread that
    // sees the flag sees the outcome too. Cleared with Relaxed before the late step is queued. A
    // thread that still sees the flag takes the lock and finds the new phase, or has popped the
    // entry of that step: then the queue's lock has shown it the cleared flag.
    pub(super) settled: AtomicBool,
    /// True once closures that belong to the task may run on after its end: a cancel or a time
    /// limit has left them. Written under the lock.
    // ORDERING: Relaxed. Who delivers the outcome has had the lock since.
    pub(super) outlived: AtomicBool,
    pub(super) inner: Mutex<Inner<H>>,
}

pub(crate) struct Inner<H: Body + ?Sized> {
    /// Emptied in `drop`.
    pub(super) state: ManuallyDrop<State>,
    pub(super) head: H,
}

/// A cell without the types of its closure and its outcome.
pub(crate) type Erased = Shell<dyn Body>;

/// A cell while it is locked.
pub(crate) type Locked<'a> = MutexGuard<'a, Inner<dyn Body>>;

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

    /// True once closures of the task may run on after its end.
    #[inline]
    pub(crate) fn is_outlived(&self) -> bool {
        self.shell().outlived.load(Ordering::Relaxed)
    }

    /// Notes, under the lock, whether closures of the task may run on after its end.
    pub(super) fn note_outlived(&self, state: &State) {
        if state.has_left_running() {
            self.shell().outlived.store(true, Ordering::Relaxed);
        }
    }

    /// Drops the closure if it has not been claimed, and the head's outcome if `outcome` is true.
    pub(super) fn drop_head(&self, outcome: bool) {
        drop_head(self, outcome);
    }
}

/// What to do with a closure.
pub(crate) enum Errand<'a> {
    /// Call it; its result is the head's outcome.
    Run(Running<'a>),
    /// Drop it; the failure takes its place.
    Drop(Option<TaskError>),
}

/// A closure that this thread has claimed.
pub(crate) struct Running<'a> {
    pub(super) cell: &'a Arc<dyn AnyCell>,
    pub(super) shell: &'a Erased,
    pub(super) epoch: u32,
    /// What the task waited for.
    pub(super) detached: Option<UpstreamRef>,
    /// Tells that the closure begins, if the task has had a listener to its events.
    pub(super) emitter: Option<Arc<Emitter>>,
    /// The task held a slot in its pool's queue: a waiting thread claimed it before a worker popped
    /// it.
    pub(super) placed: bool,
}

impl Inner<dyn Body> {
    /// The head has its outcome, or may get one: its closure was claimed.
    #[inline]
    pub(super) fn slot(&mut self) -> &mut dyn Slot {
        let slot = self.head.slot();
        slot.expect("a closure is claimed before there is an outcome")
    }
}

impl Erased {
    /// Appends a step. Use [`register`](super::register).
    #[inline]
    pub(super) fn push(&self, step: Box<dyn Step>, role: Role) -> (u64, Registered) {
        let mut inner = self.inner.lock();
        let pushed = inner.state.register(step, role);
        if pushed.1 == Registered::Late {
            // ORDERING: Relaxed, see `settled`.
            self.settled.store(false, Ordering::Relaxed);
        }
        pushed
    }

    /// The state and the head's slot, for the only owner of the cell. `None` while there is a
    /// closure.
    pub(crate) fn get_mut_if_settled(&mut self) -> Option<(&mut State, &mut dyn Slot)> {
        let inner = self.inner.get_mut();
        let slot = inner.head.slot()?;
        Some((&mut inner.state, slot))
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
        replace_closure(cell, inner, error);
    }
    result
}

/// Calls `f` with the state of the locked cell. Cheaper than [`with`] if the outcome is not needed.
#[inline]
pub(crate) fn with_state<R>(cell: &dyn AnyCell, f: impl FnOnce(&mut State) -> R) -> R {
    f(&mut cell.shell().inner.lock().state)
}

/// Returns the address, which identifies a cell.
pub(crate) fn address(cell: &dyn AnyCell) -> *const () {
    std::ptr::from_ref(cell).cast()
}

/// Replaces the closure, which will never run, by a failure.
#[cold]
fn replace_closure(cell: &dyn AnyCell, inner: Locked<'_>, error: TaskError) {
    cell.work(inner, Errand::Drop(Some(error)));
    unhandled::drop_reporting(cell.meta().take_context());
}

/// Drops the closure if it has not been claimed, and the head's outcome if `outcome` is true.
fn drop_head(cell: &dyn AnyCell, outcome: bool) {
    let mut inner = cell.shell().inner.lock();
    match inner.head.slot() {
        None => {
            cell.work(inner, Errand::Drop(None));
            unhandled::drop_reporting(cell.meta().take_context());
        }
        Some(slot) if !outcome || slot.is_empty() => {}
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
