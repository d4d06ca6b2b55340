//! The end of a task: its last handle is dropped, and then the last reference to its cell.

use super::head::Body;
use super::shell::Shell;
use super::state::{Phase, State};
use super::{AnyCell, TaskMeta, with};
use crate::error::{ErrorKind, TaskError};
use crate::{drop_queue, unhandled};

/// The last handle of a task is dropped, or taken by the crate. An unhandled failure is reported
/// here, or when the task is settled.
pub(crate) fn release(cell: &dyn AnyCell) {
    let_go(cell, false);
}

/// The user drops the last handle of a task.
pub(crate) fn forget(cell: &dyn AnyCell) {
    let_go(cell, true);
}

fn let_go(cell: &dyn AnyCell, is_counted: bool) {
    let (unseen, waiter) = with(cell, |state, head| {
        state.detached = true;
        if is_counted && state.has_work() {
            state.dropped = true;
            unhandled::note_dropped();
        }
        // No waiter is left to be woken, and a future's waker may own much memory.
        let waiter = state.waiter.take();
        if state.phase() != Phase::Settled || state.handled {
            return (None, waiter);
        }
        state.handled = true;
        let failure = state.outcome(head).failure().cloned();
        (failure.filter(|error| !state.was_asked_for(error)), waiter)
    });
    unhandled::drop_reporting(waiter);
    if let Some(error) = unseen {
        cell.meta().report(error);
    }
}

impl<H: Body + ?Sized> Drop for Shell<H> {
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        down(&mut self.meta, &mut inner.state, inner.head.erased());
    }
}

/// The rest of a cell whose drop had to wait.
struct Remains {
    meta: TaskMeta,
    state: State,
    head: Box<dyn Body>,
}

impl Drop for Remains {
    fn drop(&mut self) {
        down(&mut self.meta, &mut self.state, &mut *self.head);
    }
}

/// An outcome that nothing took, and no observer saw, may be a value that asks to be looked at.
fn report_unseen(meta: &TaskMeta, state: &mut State, head: &mut dyn Body) {
    if state.observed || state.phase() != Phase::Settled {
        return;
    }
    let Some(slot) = head.slot() else { return };
    if let Some(why) = state.outcome(slot).unseen() {
        unhandled::report(TaskError::noted(ErrorKind::Failed, why, Some(meta.at())));
    }
}

/// Drops the contents of a cell whose last reference is dropped.
///
/// That may happen on any thread, even while a panic unwinds. A panic of the user's `Drop` must not
/// leave this function.
fn down(meta: &mut TaskMeta, state: &mut State, head: &mut dyn Body) {
    let is_bare =
        meta.extra.is_none() && state.is_bare() && head.slot().is_some_and(|slot| slot.is_empty());
    if is_bare && meta.pool.is_none() {
        return;
    }
    let Some(_level) = drop_queue::enter() else {
        let remains = Remains {
            meta: TaskMeta {
                location: meta.location,
                extra: meta.extra.take(),
                pool: meta.pool.take(),
            },
            state: std::mem::replace(state, State::new(Phase::Forwarded)),
            head: head.take(),
        };
        return drop_queue::later(move || drop(remains));
    };
    if is_bare {
        return unhandled::drop_reporting(meta.pool.take());
    }
    let overseen = std::mem::take(&mut state.overseen);
    report_unseen(meta, state, head);
    state.count_as_ended();
    unhandled::discard_by(&mut || head.clear());
    if let Some(step) = state.last.take() {
        unhandled::drop_reporting(step);
    }
    while let Some((step, _)) = state.steps.pop() {
        unhandled::drop_reporting(step);
    }
    if let Some(waiter) = state.waiter.take() {
        unhandled::drop_reporting(waiter);
    }
    // Executors, callbacks of tokens and hooks of pools are user values too.
    if let Some(rare) = state.take_rare() {
        unhandled::drop_reporting(rare);
    }
    if overseen && let Some(overseer) = meta.overseer() {
        overseer.leave();
    }
    if let Some(extra) = meta.extra.take() {
        unhandled::drop_reporting(extra);
    }
    if let Some(pool) = meta.pool.take() {
        unhandled::drop_reporting(pool);
    }
}
