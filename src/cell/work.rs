//! Calls or drops a closure that was taken out of its cell.

use super::head::Returned;
use super::slot::Outcome;
use super::step::Follow;
use super::task_cell::{self, Erased, Locked};
use super::{AnyCell, UpstreamRef};
use crate::error::{At, TaskError};
use crate::executor::RunResult;
use crate::sync::Arc;
use crate::{guard, unhandled};

/// What to do with a closure.
pub(crate) enum Errand<'a> {
    /// Call it; its result is the head's outcome.
    Run(Running<'a>),
    /// Drop it; the failure takes its place.
    Drop(Option<TaskError>),
}

/// A closure that this thread has claimed.
pub(crate) struct Running<'a> {
    pub(super) cell: &'a Arc<dyn AnyCell>,
    pub(super) shell: &'a Erased,
    pub(super) epoch: u32,
    /// What the task waited for.
    pub(super) detached: Option<UpstreamRef>,
    /// The task held a slot in its pool's queue: a waiting thread claimed it before a worker popped
    /// it.
    pub(super) placed: bool,
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
        let called = self.guarded(&mut || match work(Some(&at)) {
            Some(Returned::Outcome(outcome)) => local = Some(outcome),
            Some(Returned::Task(task)) => follow = Some(task),
            None => {}
        });
        if let Err(payload) = called {
            follow = None;
            unhandled::drop_reporting(local.replace(Err(TaskError::panicked(payload, at))));
        }
        let came_to = match &local {
            Some(Err(_)) => RunResult::Failed,
            _ => RunResult::Completed,
        };
        let ran = match follow {
            Some(task) => task_cell::follow(self.cell, task, self.epoch),
            None => task_cell::finish(self.cell, self.shell, &mut local, self.epoch, came_to),
        };
        // A superseded driver may still hold an outcome.
        unhandled::drop_reporting(local);
        ran
    }

    /// Calls inside `guard`, and in the closure's tracing context if it has one.
    fn guarded(&mut self, call: &mut dyn FnMut()) -> Result<(), guard::Payload> {
        unhandled::drop_reporting(self.detached.take());
        let meta = &self.shell.meta;
        if self.placed {
            meta.pool().release_place();
        }
        let context = meta.take_context();
        guard::catch(|| match context {
            None => call(),
            Some(context) => context.run(meta.name().map(|name| &**name), call),
        })
    }
}
