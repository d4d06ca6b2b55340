//! From a closure to a task: its cell, the tracing context and the tokens around it, the queue.

use super::Task;
use crate::cell::call_off::enlist;
use crate::cell::state::{Phase, State};
use crate::cell::task_cell::{Returned, TaskCell};
use crate::cell::{AnyCell, TaskMeta, enqueue, enqueue_in, with_state};
use crate::error::At;
use crate::sync::Arc;
use crate::trace;

/// A cell with its closure, wrapped in the tracing context of the caller.
pub(crate) fn new_cell<T, F>(meta: TaskMeta, work: F) -> Arc<dyn AnyCell>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    new_cell_in_phase(meta, Phase::Queued, work)
}

pub(super) fn new_cell_in_phase<T, F>(mut meta: TaskMeta, phase: Phase, work: F) -> Arc<dyn AnyCell>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    note_context(&mut meta);
    TaskCell::new(meta, phase, work)
}

/// Notes the tracing context of the caller, in which the closure will run.
fn note_context(meta: &mut TaskMeta) {
    if let Some(context) = trace::capture() {
        meta.set_context(context.of_task());
    }
}

/// Starts a cold task; leaves one alone that was started already.
pub(super) fn start_if_cold(cell: &Arc<dyn AnyCell>) {
    if with_state(&**cell, State::start) {
        enqueue(cell);
    }
}

pub(super) fn spawn_task<T, F>(meta: TaskMeta, work: F) -> Task<T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    let cell = new_cell(meta, work);
    start_new(&cell);
    Task::from_cell(cell)
}

/// Gives a new task to its pool, unless a token has cancelled it.
pub(crate) fn start_new(cell: &Arc<dyn AnyCell>) {
    let meta = cell.meta();
    if meta.is_under_tokens() {
        enlist(cell);
        if with_state(&**cell, |state| state.phase() != Phase::Queued) {
            // Cancelled: it needs no place in a queue.
            return;
        }
    }
    enqueue_in(meta.pool(), cell);
}
