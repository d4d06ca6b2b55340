//! Has the steps of a task run where they belong: by its executor, its pool, or the calling thread.

use super::pieces::Deferred;
use super::state::Handoff;
use super::step::Route;
use super::submit::{queue, submit_continuation};
use super::{AnyCell, state, with_state, work};
use crate::error::ErrorKind;
use crate::executor::{Job, RunResult, Runnable};
use crate::sync::{Arc, thread};
use crate::{dispatch, guard, nesting, unhandled};

/// Has the steps of a task whose phase is `HandedOff` run by their route.
///
/// They may run inside this call and call it again. If the nesting is deep, or the thread unwinds,
/// the work list of this thread takes the task. A thread without a list, as one that runs a task in
/// a wait, leaves it to the pool.
pub(crate) fn hand_off(cell: Arc<dyn AnyCell>) {
    let shell = cell.shell();
    let mut inner = shell.inner.lock();
    let state = &mut inner.state;
    let is_inline = match state.route() {
        Route::Inline => state.phase() == state::Phase::HandedOff,
        // The pool runs nothing here.
        Route::Pool => {
            let to = state.begin_handoff();
            drop(inner);
            return hand_to(to, cell);
        }
        Route::Executor(_) => false,
    };
    let Some(_level) = enter() else {
        drop(inner);
        if dispatch::hand_off_later(cell.clone()).is_err() {
            queue(&cell, Arc::new(Detour(cell.clone())));
        }
        return;
    };
    if !is_inline {
        let to = state.begin_handoff();
        drop(inner);
        hand_to(to, cell);
    } else if shell.meta.is_under_tokens() {
        drop(inner);
        dispatch::scope(|| cell.run());
    } else {
        work::resume(&cell, shell, inner, false);
    }
}

/// The same for a thread that is about to block: steps that would run on the settling thread go to
/// the task's pool.
pub(crate) fn hand_off_to_pool(cell: Arc<dyn AnyCell>) {
    let may_call = match with_state(&*cell, |state| state.belongs_elsewhere()) {
        true => enter(),
        // The pool runs nothing here.
        false => nesting::enter(),
    };
    let Some(_level) = may_call else {
        return queue(&cell, Arc::new(Detour(cell.clone())));
    };
    let to = with_state(&*cell, |state| state.begin_handoff());
    hand_to(to, cell);
}

/// Begins a call of user code. `None`: the stack is deep in such calls, or the thread unwinds and
/// the code would find `thread::panicking()`.
fn enter() -> Option<nesting::Level> {
    match thread::panicking() {
        true => None,
        false => nesting::enter(),
    }
}

fn hand_to(to: Handoff, cell: Arc<dyn AnyCell>) {
    match to {
        Handoff::Taken => {}
        Handoff::Executor(executor, handoff) => {
            // A job that is lost in a panic rejects its task in its drop.
            let job = Job::new(cell, handoff);
            if let Err(payload) = guard::catch(|| executor.execute(job)) {
                guard::drop_quietly(payload);
            }
            // `executor` may be the last reference, as the job may have been to its task.
            unhandled::drop_reporting(executor);
        }
        Handoff::Pool | Handoff::Inline => submit_continuation(cell),
    }
}

/// Hands a task off from a thread with a shallow stack.
pub(super) struct Detour(pub(super) Arc<dyn AnyCell>);

impl Runnable for Detour {
    fn run(self: Arc<Self>) -> RunResult {
        hand_off(self.0.clone());
        RunResult::Other
    }

    fn hand_off(self: Arc<Self>) {
        queue(&self.0, self.clone());
    }

    fn reject(self: Arc<Self>, _: ErrorKind, _: &'static str) -> bool {
        // The system grants no other thread, so this one does it.
        let cell = self.0.clone();
        dispatch::later_here(Deferred::new(move || {
            let to = with_state(&*cell, |state| state.begin_handoff());
            hand_to(to, cell);
        }));
        false
    }
}
