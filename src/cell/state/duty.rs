//! What the thread that settled a task does after it has released the lock.

use std::task::Waker;

use crate::cancel::Membership;
use crate::cell::{TaskMeta, UpstreamRef};
use crate::error::TaskError;
use crate::{thread_waker, unhandled};

/// What the thread that settled a task must do after it has released the lock.
#[derive(Default)]
#[must_use = "waiters sleep until it is carried out"]
pub(crate) struct Duty {
    pub(crate) wake: Option<Waker>,
    /// An unhandled failure that no step and no handle can receive any more.
    pub(crate) report: Option<TaskError>,
    /// The reference to what the task waited for, to be dropped.
    pub(crate) detached: Option<UpstreamRef>,
    /// The membership in the tokens of the task, to be dropped.
    pub(crate) left: Option<Box<Membership>>,
    /// The group of the task is to be told that it has ended.
    pub(crate) leaves: bool,
    /// Tasks that it was to wait for may have left closures running, for which the group waits.
    pub(crate) lingers: bool,
}

impl Duty {
    /// Returns true if there is nothing to do.
    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        let has_none = self.wake.is_none() && self.report.is_none();
        has_none && self.detached.is_none() && self.left.is_none() && !self.leaves
    }

    /// `meta`: that of the task.
    pub(crate) fn carry_out(self, meta: &TaskMeta) {
        drop(self.detached);
        if let Some(left) = self.left {
            // These may be the last handles of tokens, whose callbacks are user values.
            unhandled::drop_reporting(left);
        }
        if let Some(waiter) = self.wake {
            thread_waker::wake(waiter);
        }
        if let Some(error) = self.report {
            meta.report(error);
        }
        // Behind the report, which the group waits for.
        if self.leaves
            && let Some(overseer) = meta.overseer()
        {
            match self.lingers {
                true => overseer.linger(),
                false => overseer.leave(),
            }
        }
    }
}
