//! Fails a task at its current link, because one of its tokens is raised.
//!
//! `cancel.rs` is the other place where a cancel meets a driver: there the whole task is cancelled.

use smallvec::SmallVec;

use super::displaced::keeping;
use super::slot::Slot;
use super::state::{Arrival, Phase, State};
use super::{AnyCell, UpstreamRef, raise, stopped, with_state};
use crate::cancel::{CancelToken, Member, Membership, Sweep};
use crate::error::TaskError;
use crate::sync::{Arc, chaos_point};
use crate::unhandled;

/// The state in which a raise finds a task.
enum Found {
    /// It is settled, or another cancel has reached it.
    TooLate,
    /// Its head, or the task that a link follows, had no outcome yet: the failure has replaced it.
    Failed(Failed),
    /// Links are running, or wait for an executor: their driver fails the task before the next one.
    /// It has the failure that this one has replaced, if any.
    LeftToDriver(Option<TaskError>),
}

struct Failed {
    /// The head had not settled.
    head: bool,
    upstream: Option<UpstreamRef>,
    placed: bool,
    /// The drop of the closure counts for `stopped`.
    counted: bool,
    /// Runs its steps with the failure.
    arrival: Arrival,
}

/// Puts a new task under the tokens that it was made with. One that is raised already cancels it.
pub(crate) fn enlist(cell: &Arc<dyn AnyCell>) {
    let tokens = cell.meta().tokens();
    for token in join(cell, tokens) {
        call_off_now(cell, &token);
    }
}

/// Puts a settled task that has got further steps under its tokens again, or a new task that
/// continues one which was under them. A token that is raised already does not affect it, because
/// the task was settled first, or passes its failure on.
#[cold]
pub(crate) fn enlist_again(cell: &Arc<dyn AnyCell>) {
    let tokens = cell.meta().tokens();
    for token in join(cell, tokens) {
        with_state(&**cell, |state| {
            state
                .membership()
                .map(|membership| membership.forget(&token))
        });
    }
}

/// Returns the tokens that are raised.
fn join(cell: &Arc<dyn AnyCell>, tokens: SmallVec<[CancelToken; 1]>) -> SmallVec<[CancelToken; 1]> {
    let membership = Box::new(Membership::new(tokens.clone()));
    let number = membership.number();
    let before = with_state(&**cell, |state| state.enlist(membership));
    unhandled::drop_reporting(before);
    chaos_point();
    let member: Arc<dyn Member> = cell.clone();
    let mut raised = tokens;
    raised.retain(|token| !token.join(number, &member));
    raised
}

/// A raise on another thread may be about to reach this task: does the same for this task now.
#[cold]
pub(super) fn catch_up(cell: &Arc<dyn AnyCell>) {
    let raised = with_state(&**cell, |state| state.membership()?.raised());
    if let Some(token) = raised {
        call_off_now(cell, &token);
    }
}

fn call_off_now(cell: &Arc<dyn AnyCell>, token: &CancelToken) {
    let mut sweep = Sweep::new(token.why());
    call_off(cell, token, &mut sweep);
    sweep.take_all();
    raise::carry_out(sweep);
}

/// Cancels the task because of `token`, unless that was done before.
pub(super) fn call_off(cell: &Arc<dyn AnyCell>, token: &CancelToken, sweep: &mut Sweep) {
    let is_due = |state: &mut State| state.membership().is_some_and(|own| own.forget(token));
    call_off_if(cell, sweep, is_due);
}

/// Cancels the task because of its group, which waits for it.
pub(crate) fn call_off_overseen(cell: &Arc<dyn AnyCell>, sweep: &mut Sweep) {
    call_off_if(cell, sweep, |state| state.overseen);
}

fn call_off_if(
    cell: &Arc<dyn AnyCell>,
    sweep: &mut Sweep,
    is_due: impl FnOnce(&mut State) -> bool,
) {
    let error = TaskError::cancelled(cell.meta().at(), sweep.why.as_ref());
    let (found, work) = keeping(&**cell, |state, head| {
        if !is_due(state) || state.has_deferred_cancel() {
            return Found::TooLate;
        }
        let found = fail_here(state, head, error);
        cell.note_outlived(state);
        found
    });
    let failed = match found {
        Found::TooLate => return,
        Found::LeftToDriver(replaced) => return sweep.keep_some(replaced),
        Found::Failed(failed) => failed,
    };
    if failed.placed {
        cell.meta().pool().release_place();
    }
    if failed.head
        && let Some(token) = cell.meta().token()
    {
        sweep.raise(token.clone());
    }
    sweep.unwanted(failed.upstream.map(UpstreamRef::parts));
    let counted = failed.counted;
    if work.is_some() || counted {
        let task = cell.clone();
        sweep.later(move || {
            if counted {
                stopped::drop_begins(&*task);
            }
            unhandled::drop_reporting(work);
            if counted {
                stopped::driver_is_back(&task);
            }
        });
    }
    let (task, arrival) = (cell.clone(), failed.arrival);
    sweep.later(move || arrival.proceed(task));
}

/// Fails the task at the link where it stands.
fn fail_here(state: &mut State, head: &mut dyn Slot, error: TaskError) -> Found {
    let is_head = !state.head_state.is_over();
    let mut counted = false;
    match state.phase() {
        Phase::Cold | Phase::Queued | Phase::Open => {
            counted = state.leave_unbegun();
            head.fail(error);
        }
        Phase::Driving if is_head => head.fail(error),
        Phase::Following => state.outcome(head).fail(error),
        Phase::Driving | Phase::HandedOff if !state.is_decided() => {
            return Found::LeftToDriver(state.fail_later(error));
        }
        _ => return Found::TooLate,
    }
    match state.phase() {
        Phase::Driving | Phase::Following => state.leave_running(),
        Phase::Open => state.leave_limited(),
        _ => {}
    }
    let upstream = state.take_upstream();
    // A driver, or a followed task, is superseded from now on.
    state.epoch = state.epoch.wrapping_add(1);
    let arrival = state.outcome_is_in();
    state.cancelled = true;
    state.called_off = true;
    Found::Failed(Failed {
        head: is_head,
        upstream,
        placed: std::mem::take(&mut state.placed),
        counted,
        arrival,
    })
}
