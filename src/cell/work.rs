//! Runs a cell that is due: calls or drops its closure, and then runs its steps.

use super::drive::drive_from;
use super::driver::{Driver, NextAction};
use super::shell::{Erased, Errand, Locked, Running};
use super::slot::{Outcome, Slot};
use super::state::{Phase, Progress};
use super::step::Follow;
use super::{AnyCell, adopt, call_off, stopped};
use crate::error::{At, TaskError};
use crate::event::Emitter;
use crate::executor::RunResult;
use crate::sync::Arc;
use crate::{dispatch, guard, locals, unhandled};

/// The result of a closure that starts or continues a task.
pub(crate) enum Returned<T> {
    Outcome(Outcome<T>),
    /// A task to adopt.
    Task(Follow),
}

impl<T> std::fmt::Debug for Returned<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Returned::Outcome(_) => "Returned::Outcome",
            Returned::Task(_) => "Returned::Task",
        })
    }
}

impl Errand<'_> {
    /// The closure is out of the cell: releases the lock.
    pub(super) fn leave(&mut self, mut inner: Locked<'_>) {
        if let Errand::Drop(error) = self
            && let Some(error) = error.take()
            && let Some(slot) = inner.head.slot()
        {
            slot.fail(error);
        }
    }

    /// `work` calls the closure, or drops it if it gets no slot.
    pub(super) fn carry_out<T: Send + 'static>(
        self,
        work: &mut dyn FnMut(Option<&At<'_>>) -> Option<Returned<T>>,
    ) -> RunResult {
        match self {
            Errand::Run(running) => running.call(work),
            Errand::Drop(_) => {
                unhandled::discard_by(&mut || drop(work(None)));
                RunResult::Other
            }
        }
    }
}

impl Running<'_> {
    /// Runs the closure and then the steps.
    fn call<T: Send + 'static>(
        mut self,
        work: &mut dyn FnMut(Option<&At<'_>>) -> Option<Returned<T>>,
    ) -> RunResult {
        let at = self.shell.meta.at();
        let mut local: Option<Outcome<T>> = None;
        let mut follow: Option<Follow> = None;
        let called = self.guarded(at, &mut || match work(Some(&at)) {
            Some(Returned::Outcome(outcome)) => local = Some(outcome),
            Some(Returned::Task(task)) => follow = Some(task),
            None => {}
        });
        if let Err(error) = called {
            follow = None;
            unhandled::drop_reporting(local.replace(Err(error)));
        }
        let came_to = match &local {
            Some(Err(_)) => RunResult::Failed,
            _ => RunResult::Completed,
        };
        let ran = match follow {
            Some(task) => follow_returned(self.cell, task, self.epoch),
            None => finish(self.cell, self.shell, &mut local, self.epoch, came_to),
        };
        // A superseded driver may still hold an outcome.
        unhandled::drop_reporting(local);
        ran
    }

    /// Calls inside `guard`, and in the closure's context if it has one. What the code around this
    /// sees is hidden. Fails if the call panics.
    fn guarded(&mut self, at: At<'_>, call: &mut dyn FnMut()) -> Result<(), TaskError> {
        unhandled::drop_reporting(self.detached.take());
        let meta = &self.shell.meta;
        if self.placed {
            meta.pool().release_place();
        }
        let _within = self.emitter.as_deref().map(Emitter::start);
        let panicked = |payload| TaskError::panicked(payload, at);
        let Some(context) = meta.take_context() else {
            let _hidden = locals::hide();
            return guard::catch(call).map_err(panicked);
        };
        let mut called = Ok(());
        // The failure is made in the context, which it keeps. A subscriber may panic too.
        let mut call = || called = guard::catch(&mut *call).map_err(panicked);
        let name = meta.name().map(|name| &**name);
        let entered = guard::catch(|| context.run(name, meta.location, &mut call));
        entered.map_err(panicked).and(called)
    }
}

/// Claims and runs what is due: the closure, or the steps of a settled task. A stale queue entry
/// runs nothing that was sent to an executor since. An executor's job runs only the hand-off with
/// the id `handoff`. `None`: there was nothing to do.
///
/// `shell` is the shell of `cell`, here and in the functions that this calls. It saves a virtual
/// call.
pub(super) fn claim(
    cell: &Arc<dyn AnyCell>,
    shell: &Erased,
    handoff: Option<u32>,
) -> Option<RunResult> {
    let mut inner = shell.inner.lock();
    let inner_now = &mut *inner;
    let state = &mut *inner_now.state;
    match state.phase() {
        // An open cell with a closure is a branch of a shared task whose value is published.
        Phase::Queued | Phase::Cold | Phase::Open
            if handoff.is_none() && inner_now.head.slot().is_none() =>
        {
            state.begin_closure();
            let (detached, emitter) = state.take_to_begin();
            let running = Running {
                cell,
                shell,
                epoch: state.epoch,
                detached,
                emitter,
                placed: std::mem::take(&mut state.placed),
            };
            Some(cell.work(inner, Errand::Run(running)))
        }
        Phase::HandedOff if state.may_run(handoff) => {
            // A closure on this thread may have run this executor's job. It continues after this
            // call.
            resume(cell, shell, inner, handoff.is_none());
            Some(RunResult::Other)
        }
        _ => None,
    }
}

/// Makes the calling thread the driver of waiting steps, and runs them. `is_job`: the thread got
/// them as a job.
pub(super) fn resume(cell: &Arc<dyn AnyCell>, shell: &Erased, mut inner: Locked<'_>, is_job: bool) {
    let state = &mut *inner.state;
    state.resume();
    let (epoch, mut held) = (state.epoch, state.last.take());
    let mut inner = Some(inner);
    cell.with_slot(&mut |local| {
        let Some(mut inner) = inner.take() else {
            return;
        };
        if held.is_none() {
            inner.slot().move_into(local);
        }
        let mut driver_state = Driver::new(local, held.take());
        let next = shell.advance(&mut inner, &mut driver_state, epoch);
        drop(inner);
        let go_on = || drive_from(cell, epoch, &mut driver_state, next);
        match is_job {
            true => dispatch::scope_of_job(go_on),
            false => dispatch::scope(go_on),
        }
        driver_state.leave();
    });
}

/// The head has its outcome, in `local`: settles the task, or runs the steps that wait for it.
/// `ran`: how the closure ended.
fn finish(
    cell: &Arc<dyn AnyCell>,
    shell: &Erased,
    local: &mut dyn Slot,
    epoch: u32,
    ran: RunResult,
) -> RunResult {
    if shell.meta.is_under_tokens() && shell.meta.is_token_cancelled() {
        // The closure may have seen the raise: no link begins after it.
        call_off::catch_up(cell);
    }
    let mut driver_state = Driver::of_head(local);
    let mut inner = shell.inner.lock();
    let inner_now = &mut *inner;
    inner_now.state.head_state.finish();
    if dispatch::is_open() && !inner_now.state.steps.is_empty() && inner_now.state.epoch == epoch {
        // A step of another task runs this closure. The steps wait in the list, or the stack would
        // grow with each fork.
        driver_state.local.move_into(inner_now.slot());
        let arrival = inner_now.state.outcome_is_in();
        drop(inner);
        arrival.proceed(cell.clone());
        return ran;
    }
    let next = shell.advance(inner_now, &mut driver_state, epoch);
    drop(inner);
    if matches!(next, NextAction::Settled) {
        driver_state.carry_out(&shell.meta);
        driver_state.leave();
        // It is empty, which the compiler cannot see.
        std::mem::forget(next);
        return ran;
    }
    match next {
        NextAction::Superseded => {
            driver_state.local.clear();
            drop(driver_state);
            stopped::driver_is_back(cell);
            RunResult::Cancelled
        }
        next => {
            dispatch::scope_of_job(|| drive_from(cell, epoch, &mut driver_state, next));
            ran
        }
    }
}

/// The closure has returned a task. The head will have its outcome.
fn follow_returned(cell: &Arc<dyn AnyCell>, follow: Follow, epoch: u32) -> RunResult {
    dispatch::scope_of_job(|| adopt::follow(cell, epoch, None, Progress::default(), follow));
    RunResult::Completed
}
