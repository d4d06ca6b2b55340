//! From a closure to a task: its cell, the tracing context and the tokens around it, the queue.

use super::Task;
use super::subscribe::when_settled;
use crate::cancel::CancelToken;
use crate::cell::node::{Node, Returned};
use crate::cell::state::{Phase, Role};
use crate::cell::{About, Cell, register, start, with};
use crate::error::At;
use crate::pool::Pool;
use crate::sync::Arc;
use crate::trace;

/// Cancels the head of `cell` when `parent` is raised; forgets about it when the task is settled.
pub(super) fn cancel_with(parent: &CancelToken, cell: &Arc<dyn Cell>) {
    let target = Arc::downgrade(cell);
    let callback = parent.on_cancel(move || {
        if let Some(cell) = target.upgrade() {
            cell.cancel_head();
        }
    });
    // The first step there is: gone as soon as the head has its outcome. It holds the token, which
    // may be a child that nobody else has kept; the token holds the cell weakly.
    let token = parent.clone();
    register(
        cell,
        when_settled(move || {
            callback.unregister();
            drop(token);
        }),
        Role::Observer,
    );
}

/// A cell with its closure, wrapped in the tracing context of the caller.
pub(super) fn prepare<T, F>(about: About, work: F) -> Arc<dyn Cell>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    prepare_as(about, Phase::Queued, work)
}

pub(super) fn prepare_as<T, F>(mut about: About, phase: Phase, work: F) -> Arc<dyn Cell>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    note_context(&mut about);
    Node::new(about, phase, work)
}

/// The closure of a task that is being made is to run in the caller's tracing context.
fn note_context(about: &mut About) {
    if let Some(context) = trace::capture() {
        about.set_context(context.of_task());
    }
}

/// Starts a cold task; leaves one alone that was started already.
pub(super) fn start_if_cold(cell: &Arc<dyn Cell>) {
    let was_cold = with(&**cell, |state, _| {
        let cold = state.phase == Phase::Cold;
        if cold {
            state.phase = Phase::Queued;
        }
        cold
    });
    if was_cold {
        start(cell);
    }
}

pub(super) fn launch<T, F>(about: About, work: F) -> Task<T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    launch_cell(prepare(about, work))
}

pub(super) fn launch_cell<T>(cell: Arc<dyn Cell>) -> Task<T> {
    start_new(&cell);
    Task::from_cell(cell)
}

fn start_new(cell: &Arc<dyn Cell>) {
    if let Some(token) = cell.about().pool.as_ref().and_then(Pool::cancel_token) {
        cancel_with(token, cell);
    }
    start(cell);
}
