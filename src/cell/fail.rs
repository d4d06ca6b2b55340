//! Fails what a queue rejected: a task's head, or the rest of its steps.
//!
//! In two passes, as a cancel: the first settles what it can, and runs no user code. The second is
//! put on this thread's work list. So a caller that rejects several tasks in one scope
//! (`dispatch::scope_of_many`) has settled all of them before user code runs.

use super::displaced::{Displaced, keeping};
use super::pieces::Deferred;
use super::slot::Slot;
use super::state::{Arrival, Duty, Phase, State};
use super::step::Route;
use super::steps::Steps;
use super::{AnyCell, UpstreamRef, raise, stopped};
use crate::cancel::Sweep;
use crate::error::TaskError;
use crate::sync::{Arc, Ordering, chaos_point};
use crate::{dispatch, unhandled};

/// What has rejected a task.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A pool's queue has rejected the cell.
    Pool,
    /// An executor has dropped the job with this id.
    Executor(u32),
}

impl By {
    fn handoff(self) -> Option<u32> {
        match self {
            By::Executor(handoff) => Some(handoff),
            By::Pool => None,
        }
    }
}

/// What the first pass has done.
enum Found {
    TooLate,
    /// The head has failed.
    Head(Head),
    /// The waiting steps run as soon as possible; true if they see the failure. If an executor has
    /// rejected them, its reference is returned.
    Rest(bool, Option<Route>),
    /// Observers that an executor rejected. The outcome stays.
    Observers(Steps, Duty),
}

/// What is left to do for a task whose head has failed.
struct Head {
    upstream: Option<UpstreamRef>,
    /// The drop of the closure counts for `stopped`.
    counted: bool,
    end: End,
}

enum End {
    /// The task has no steps, and is settled. Its previous route is to be dropped.
    Settled(Duty, Route),
    Steps(Arrival),
}

/// Settles the head with `error`, if it is unsettled; later steps see a failure. Returns false when
/// it is settled.
///
/// When a queue or an executor has rejected the cell, either the head or the rest of the steps
/// cannot run. Both fail.
pub(crate) fn reject(cell: &Arc<dyn AnyCell>, error: TaskError, by: By) -> bool {
    let (found, work) = keeping(&**cell, |state, head| match state.phase() {
        Phase::Cold | Phase::Queued | Phase::Open => {
            Found::Head(fail_head(cell, state, head, &error))
        }
        Phase::HandedOff if state.may_run(by.handoff()) => match by {
            By::Pool => Found::Rest(fail_rest(state, &error), None),
            By::Executor(_) => fail_sent(cell, state, head, &error),
        },
        _ => Found::TooLate,
    });
    chaos_point();
    match found {
        Found::TooLate => false,
        Found::Head(failed) => {
            let mut sweep = Sweep::new(None);
            failed.add_to(&mut sweep, cell, work);
            sweep.take_all();
            raise::carry_out(sweep);
            true
        }
        Found::Rest(is_failed, None) => {
            dispatch::later_here(cell.clone());
            is_failed
        }
        Found::Rest(is_failed, left) => {
            // The job may have been dropped inside the call that registered its steps: the pool
            // runs them.
            dispatch::hand_over_now(cell.clone());
            // An executor is a user value.
            dispatch::later(Deferred::new(move || unhandled::drop_reporting(left)));
            is_failed
        }
        Found::Observers(steps, duty) => {
            let cell = cell.clone();
            dispatch::later(Deferred::new(move || {
                reject_observers(&cell, steps, duty, &error)
            }));
            false
        }
    }
}

/// Fails a task that has not begun.
fn fail_head(
    cell: &Arc<dyn AnyCell>,
    state: &mut State,
    head: &mut dyn Slot,
    error: &TaskError,
) -> Head {
    state.called_off |= error.is_cancelled();
    let counted = state.leave_unbegun();
    let upstream = state.take_upstream();
    head.fail(error.clone());
    state.failure = Some(error.kind());
    state.drive_here();
    let arrival = state.outcome_is_in();
    let end = match state.steps.is_empty() {
        true => {
            // ORDERING: Release, see `Shell::settled`.
            cell.settled_flag().store(true, Ordering::Release);
            End::Settled(state.settle(Some(error)), arrival.into_left())
        }
        false => End::Steps(arrival),
    };
    Head {
        upstream,
        counted,
        end,
    }
}

impl Head {
    fn add_to(self, sweep: &mut Sweep, cell: &Arc<dyn AnyCell>, work: Option<Displaced>) {
        if let Some(token) = cell.meta().token() {
            sweep.raise(token.clone());
        }
        sweep.unwanted(self.upstream.map(UpstreamRef::parts));
        let Head { counted, end, .. } = self;
        let cell = cell.clone();
        sweep.later(move || {
            if counted {
                stopped::drop_begins(&*cell);
            }
            unhandled::drop_reporting(work);
            let arrival = match end {
                End::Settled(duty, left) => {
                    unhandled::drop_reporting(left);
                    // Before the group hears that the task has left: it waits for the report.
                    duty.carry_out(cell.meta());
                    None
                }
                End::Steps(arrival) => Some(arrival),
            };
            if counted {
                stopped::driver_is_back(&cell);
            }
            if let Some(arrival) = arrival {
                arrival.proceed(cell);
            }
        });
    }
}

/// Has the waiting steps see a failure, if any of them changes the outcome. Returns false if none
/// does.
fn fail_rest(state: &mut State, error: &TaskError) -> bool {
    let is_open = !state.is_decided();
    if is_open {
        state.reject_later(error.clone());
    }
    is_open
}

/// Takes the steps that were sent to an executor, which rejects jobs: later steps run on the pool.
fn fail_sent(
    cell: &Arc<dyn AnyCell>,
    state: &mut State,
    head: &mut dyn Slot,
    error: &TaskError,
) -> Found {
    if state.is_decided() && !state.has_deferred_cancel() {
        let steps = state.steps.take();
        let failure = state.outcome(head).failure().cloned();
        // ORDERING: Release, see `Shell::settled`.
        cell.settled_flag().store(true, Ordering::Release);
        return Found::Observers(steps, state.settle(failure.as_ref()));
    }
    let is_failed = fail_rest(state, error);
    if !is_failed {
        // The observers that the cancel is deferred for see the failure.
        state.reject_later(error.clone());
    }
    Found::Rest(is_failed, Some(state.set_route(Route::Pool)))
}

fn reject_observers(cell: &Arc<dyn AnyCell>, mut steps: Steps, duty: Duty, error: &TaskError) {
    while let Some((mut step, _)) = steps.pop() {
        step.reject(error);
        unhandled::drop_reporting(step);
    }
    duty.carry_out(cell.meta());
}
