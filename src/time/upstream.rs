//! What a task with a timer waits for, as cancels and searches for cycles see it.

use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::{AnyCell, Upstream};
use crate::sync::{Arc, Mutex};
use crate::timer::{Armed, Due};

/// A timer, for a task that waits for nothing else.
pub(super) struct Timer(pub(super) Armed);

impl Withdraw for Timer {
    fn withdraw(self: Arc<Self>, _ticket: u64, sweep: &mut Sweep) -> CancelOutcome {
        // What it was to settle is dropped in the second pass.
        sweep.keep_some(self.0.disarm());
        CancelOutcome::Prevented
    }
}

impl Upstream for Timer {
    fn above(&self, _: &mut Vec<Arc<dyn Upstream>>) {}

    fn timer(&self) -> Option<&Armed> {
        Some(&self.0)
    }

    fn is_virtual_time(&self) -> bool {
        self.0.is_virtual()
    }
}

/// A task that is waited for under a time limit.
pub(super) struct Limited {
    pub(super) inner: Arc<dyn AnyCell>,
    /// The end of the limit. No other lock is taken, and nothing is dropped, under this one.
    timer: Mutex<End>,
}

/// Whether the limit is still to end.
enum End {
    /// The timer is yet to be armed.
    Open,
    Armed(Armed),
    /// The outcome has been delivered.
    Over,
}

impl Limited {
    pub(super) fn new(inner: Arc<dyn AnyCell>) -> Arc<Limited> {
        Arc::new(Limited {
            inner,
            timer: Mutex::new(End::Open),
        })
    }

    /// The outcome was delivered: disarms the timer, or prevents it from being armed.
    pub(super) fn finish(&self) -> Option<Box<dyn Due>> {
        let before = std::mem::replace(&mut *self.timer.lock(), End::Over);
        match before {
            End::Armed(armed) => armed.disarm(),
            End::Open | End::Over => None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(*self.timer.lock(), End::Over)
    }

    /// The timer is armed. Disarms it if the outcome has come in between.
    pub(super) fn set(&self, armed: Armed) -> Option<Box<dyn Due>> {
        let mut timer = self.timer.lock();
        if let End::Over = *timer {
            drop(timer);
            return armed.disarm();
        }
        *timer = End::Armed(armed);
        None
    }
}

impl Withdraw for Limited {
    fn withdraw(self: Arc<Self>, _ticket: u64, sweep: &mut Sweep) -> CancelOutcome {
        sweep.unwanted([(self.inner.clone() as Arc<dyn Withdraw>, 0)]);
        CancelOutcome::Prevented
    }
}

impl Upstream for Limited {
    /// The limit ends the wait too, so it closes no cycle.
    fn needs_all(&self) -> bool {
        false
    }

    fn limited(&self) -> Option<Arc<dyn AnyCell>> {
        Some(self.inner.clone())
    }

    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        let is_virtual = match &*self.timer.lock() {
            End::Armed(armed) => armed.is_virtual(),
            End::Open | End::Over => false,
        };
        found.push(Arc::new(Passage { is_virtual }));
        found.push(self.inner.clone());
    }
}

/// Time that passes: it waits for nothing.
struct Passage {
    is_virtual: bool,
}

impl Withdraw for Passage {
    fn withdraw(self: Arc<Self>, _ticket: u64, _: &mut Sweep) -> CancelOutcome {
        CancelOutcome::Prevented
    }
}

impl Upstream for Passage {
    fn above(&self, _: &mut Vec<Arc<dyn Upstream>>) {}

    fn is_virtual_time(&self) -> bool {
        self.is_virtual
    }
}
