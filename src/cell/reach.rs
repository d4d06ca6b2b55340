//! What a cancel, a token and a search for cycles see of a cell.

use super::task_cell::{Returned, TaskCell};
use super::{AnyCell, Upstream, call_off, cancel, with_state};
use crate::cancel::{CancelOutcome, CancelToken, Member, Sweep, Withdraw};
use crate::error::At;
use crate::sync::Arc;

fn above(cell: &dyn AnyCell, found: &mut Vec<Arc<dyn Upstream>>) {
    let upstream = with_state(cell, |state| state.upstream().cloned());
    found.extend(upstream.map(|upstream| upstream.to));
}

fn withdraw(cell: Arc<dyn AnyCell>, sweep: &mut Sweep) -> CancelOutcome {
    cancel::withdraw(&cell, sweep)
}

fn call_off(cell: Arc<dyn AnyCell>, token: &CancelToken, sweep: &mut Sweep) {
    call_off::call_off(&cell, token, sweep);
}

// What follows is compiled for every call site: each function calls one that is not.

impl<F, T> Withdraw for TaskCell<F, T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    fn withdraw(self: Arc<Self>, _ticket: u64, sweep: &mut Sweep) -> CancelOutcome {
        withdraw(self, sweep)
    }
}

impl<F, T> Member for TaskCell<F, T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    fn call_off(self: Arc<Self>, token: &CancelToken, sweep: &mut Sweep) {
        call_off(self, token, sweep);
    }
}

impl<F, T> Upstream for TaskCell<F, T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        above(self, found);
    }

    fn cell(self: Arc<Self>) -> Option<Arc<dyn AnyCell>> {
        Some(self)
    }
}
