//! What a cancel, or the end of a time limit, leaves running: `stopped` is to wait for it.

use super::{Phase, State};
use crate::cell::AnyCell;
use crate::sync::{Arc, ThreadId};

impl State {
    /// A cancel takes the task from its driver, which is counted until it returns, or from the task
    /// that it follows, which is cancelled too.
    #[cold]
    pub(in crate::cell) fn leave_running(&mut self) {
        let rare = self.rare.get_or_insert_default();
        if self.phase == Phase::Driving {
            rare.stop.leave_driver(self.driver);
        } else if let Some(upstream) = &rare.upstream {
            rare.stop.leave_followed(upstream.to.clone().cell());
        }
    }

    /// A cancel takes an open task, and cancels the task that it waits for, under a time limit or
    /// not.
    pub(in crate::cell) fn leave_limited(&mut self) {
        if let Some(rare) = &mut self.rare
            && let Some(upstream) = &rare.upstream
        {
            let left = upstream.to.limited();
            let left = left.or_else(|| upstream.to.clone().cell());
            rare.stop.leave_followed(left);
        }
    }

    /// The closures of these may run on, and belong to this task.
    #[cold]
    pub(in crate::cell) fn leave_behind(
        &mut self,
        left: impl IntoIterator<Item = Arc<dyn AnyCell>>,
    ) {
        self.rare.get_or_insert_default().stop.leave_followed(left);
    }

    /// What the task has left behind, for the one that takes its place.
    pub(in crate::cell) fn take_left(&mut self) -> Vec<Arc<dyn AnyCell>> {
        let stop = self.stop();
        stop.map(|stop| std::mem::take(&mut stop.followed))
            .unwrap_or_default()
    }

    pub(in crate::cell) fn has_left_running(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.stop.has_left())
    }

    /// Closures of this task run elsewhere, and count as one driver. `thread`: theirs, if known.
    #[cold]
    pub(in crate::cell) fn leave_elsewhere(&mut self, thread: Option<ThreadId>) {
        self.rare.get_or_insert_default().stop.leave_driver(thread);
    }

    /// A cancel has removed the closure, and counts as a driver until it has dropped the closure.
    /// False: there was no closure that had not begun.
    pub(in crate::cell) fn leave_unbegun(&mut self) -> bool {
        let has_closure = matches!(self.phase, Phase::Cold | Phase::Queued);
        if has_closure {
            self.rare.get_or_insert_default().stop.leave_driver(None);
        }
        has_closure
    }
}
