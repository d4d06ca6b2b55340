//! Tasks whose closures wait until a queue has a place for them.

use std::panic::Location;

use super::Task;
use super::launch::new_cell_in_phase;
use crate::cancel::CancelToken;
use crate::cell::call_off::enlist;
use crate::cell::listen::announce;
use crate::cell::state::{Phase, State};
use crate::cell::task_cell::Returned;
use crate::cell::{AnyCell, ExtraMeta, TaskMeta, UpstreamRef, with_state};
use crate::error::At;
use crate::pool::Pool;
use crate::sync::Arc;
use crate::unhandled;

/// What starts the closures of new tasks.
pub(crate) trait Starter {
    /// `None`: the global pool.
    fn pool(&self) -> Option<&Pool>;

    /// Called once for each new task. Must ensure that [`start`] is called. A token may have
    /// cancelled the task already.
    fn admit(&self, cell: &Arc<dyn AnyCell>);
}

/// Makes a task and leaves it to `starter`. `token`: the token of the closure's context.
pub(crate) fn held<T, F>(
    starter: &dyn Starter,
    location: &'static Location<'static>,
    token: Option<CancelToken>,
    work: F,
) -> Task<T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    let extra = token.map(|token| {
        Box::new(ExtraMeta {
            token: Some(token),
            ..ExtraMeta::default()
        })
    });
    let pool = starter.pool().cloned();
    let meta = TaskMeta {
        location,
        pool,
        extra,
    };
    let cell = new_cell_in_phase(meta, Phase::Open, work);
    leave_to(starter, &cell);
    Task::from_cell(cell)
}

fn leave_to(starter: &dyn Starter, cell: &Arc<dyn AnyCell>) {
    if cell.meta().is_under_tokens() {
        enlist(cell);
    }
    let pool = cell.meta().pool();
    if pool.is_heard() {
        announce(pool, cell);
    }
    starter.admit(cell);
}

/// Records that others may wait for this task without a step in its list.
pub(crate) fn expect_dependents(cell: &Arc<dyn AnyCell>) {
    with_state(&**cell, |state| state.has_dependents = true);
}

/// Notes what a task waits for until it is started, unless it has been.
pub(crate) fn tie(cell: &Arc<dyn AnyCell>, upstream: UpstreamRef) {
    let before = with_state(&**cell, |state| match state.phase() {
        Phase::Open => state.set_upstream(upstream),
        _ => Some(upstream),
    });
    drop(before);
}

/// Queues the closure in the pool of its task, in the order of the calls. Does not wait for a place
/// in a bounded queue, and does nothing for a task that is settled.
pub(crate) fn start(cell: Arc<dyn AnyCell>) {
    let Some(upstream) = with_state(&*cell, State::queue_branch) else {
        return;
    };
    unhandled::drop_reporting(upstream);
    let refused = cell.meta().pool().submit_continuation(cell.clone()).err();
    if let Some(refused) = refused {
        refused.settle();
    }
}
