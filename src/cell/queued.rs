//! A cell as queues and executors see it.

use super::fail::{self, By};
use super::task_cell::{Returned, TaskCell};
use super::work::claim;
use super::{AnyCell, UpstreamRef, call_off, deadlock, hand_off, with_state};
use crate::error::{At, ErrorKind, TaskError};
use crate::executor::{Continuation, Executor, Line, Origin, Place, RunResult, Runnable};
use crate::sync::{Arc, Ordering};
use crate::unhandled;

fn run(cell: Arc<dyn AnyCell>) -> RunResult {
    let shell = cell.shell();
    if shell.meta.is_under_tokens() && shell.meta.is_token_cancelled() {
        // A thread that the raise has unblocked may arrive here before the raise does.
        call_off::catch_up(&cell);
    }
    claim(&cell, shell, None).unwrap_or(RunResult::Other)
}

fn run_with(cell: Arc<dyn AnyCell>, handoff: u32) -> bool {
    claim(&cell, cell.shell(), Some(handoff)).is_some()
}

fn take_place(cell: &dyn AnyCell) {
    with_state(cell, |state| state.placed = true);
}

fn give_place_back(cell: &dyn AnyCell) -> bool {
    with_state(cell, |state| std::mem::take(&mut state.placed))
}

fn lies_in(cell: &dyn AnyCell, handoff: u32, queue: Arc<dyn Executor>) {
    // The replaced queue belongs to this crate: no user code is dropped with it.
    with_state(cell, |state| state.note_queue(handoff, queue));
}

fn note_place(cell: &dyn AnyCell, handoff: u32, place: Arc<dyn Place>) -> bool {
    // A replaced place is this crate's own: no user code is dropped with it.
    with_state(cell, |state| state.note_place(handoff, place))
}

fn reject(cell: Arc<dyn AnyCell>, by: By, kind: ErrorKind, why: &'static str) -> bool {
    let error = TaskError::noted(kind, why, Some(cell.meta().at()));
    fail::reject(&cell, error, by)
}

fn in_line(cell: Arc<dyn AnyCell>, handoff: u32, line: Line<'_>) -> bool {
    let left = match line {
        Line::IsStuck => return deadlock::is_in_a_cycle(&cell),
        Line::Waits(upstream) => {
            let upstream = upstream.downcast_ref::<UpstreamRef>().cloned();
            with_state(&*cell, |state| state.wait_in_line(handoff, upstream))
        }
        Line::Left => with_state(&*cell, |state| state.leave_line(handoff)),
    };
    // It may be the last reference to the queue.
    unhandled::drop_reporting(left);
    false
}

fn origin(cell: &dyn AnyCell) -> Option<Origin> {
    let meta = cell.meta();
    Some(Origin {
        location: meta.location,
        name: meta.name().cloned(),
    })
}

// What follows is compiled for every call site: each function calls one that is not.

impl<F, T> Runnable for TaskCell<F, T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    fn run(self: Arc<Self>) -> RunResult {
        run(self)
    }

    fn take_place(&self) {
        take_place(self);
    }

    fn give_place_back(&self) -> bool {
        give_place_back(self)
    }

    fn hand_off(self: Arc<Self>) {
        hand_off::hand_off(self);
    }

    fn hand_off_to_pool(self: Arc<Self>) {
        hand_off::hand_off_to_pool(self);
    }

    fn reject(self: Arc<Self>, kind: ErrorKind, why: &'static str) -> bool {
        reject(self, By::Pool, kind, why)
    }

    fn is_spent(&self) -> bool {
        // ORDERING: acquire, as for a wait. A late subscriber clears the flag before it queues its
        // entry: the queue's lock lets each thread that sees the entry see the flag too.
        self.settled.load(Ordering::Acquire)
    }

    fn origin(&self) -> Option<Origin> {
        origin(self)
    }
}

impl<F, T> Continuation for TaskCell<F, T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    fn run_with(self: Arc<Self>, handoff: u32) -> bool {
        run_with(self, handoff)
    }

    fn reject_with(self: Arc<Self>, handoff: u32, kind: ErrorKind, why: &'static str) -> bool {
        reject(self, By::Executor(handoff), kind, why)
    }

    fn lies_in(&self, handoff: u32, queue: Arc<dyn Executor>) {
        lies_in(self, handoff, queue);
    }

    fn note_place(&self, handoff: u32, place: Arc<dyn Place>) -> bool {
        note_place(self, handoff, place)
    }

    fn is_over(&self) -> bool {
        self.is_spent()
    }

    fn in_line(self: Arc<Self>, handoff: u32, line: Line<'_>) -> bool {
        in_line(self, handoff, line)
    }

    fn origin(&self) -> Option<Origin> {
        origin(self)
    }
}
