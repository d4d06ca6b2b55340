//! What the thread that settled a task does when it has let go of the lock.

use std::task::Waker;

use crate::cancel::Membership;
use crate::cell::UpstreamRef;
use crate::error::TaskError;
use crate::{thread_waker, unhandled};

/// What whoever settled a task must do when the lock is gone.
#[derive(Default)]
#[must_use = "waiters sleep until it is carried out"]
pub(crate) struct Duty {
    pub(crate) wake: Option<Waker>,
    /// A failure that nobody looked at and nobody will.
    pub(crate) report: Option<TaskError>,
    /// What the task waited for; held on to no longer.
    pub(crate) detached: Option<UpstreamRef>,
    /// The tokens it was under.
    pub(crate) left: Option<Box<Membership>>,
}

impl Duty {
    /// Nothing is to be done.
    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        let has_none = self.wake.is_none() && self.report.is_none();
        has_none && self.detached.is_none() && self.left.is_none()
    }

    pub(crate) fn carry_out(self) {
        drop(self.detached);
        if let Some(left) = self.left {
            // The last handles of tokens may go, and their callbacks are the user's to drop.
            unhandled::drop_reporting(left);
        }
        if let Some(waiter) = self.wake {
            thread_waker::wake(waiter);
        }
        if let Some(error) = self.report {
            unhandled::report(error);
        }
    }
}
