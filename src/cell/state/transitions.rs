//! The transitions of a cell's phase, except those that register a step or settle the cell: these
//! are in `state.rs`. No file outside `state` writes the phase.
//!
//! Each is called under the cell's lock. Each returns what the caller must do, or drop, without
//! that lock.

use super::{HeadState, Phase, State, UpstreamRef};
use crate::cell::step::Step;
use crate::sync::thread_id;

impl State {
    /// Cold to Queued. True: the caller must queue the closure.
    #[must_use = "the closure never runs otherwise"]
    pub(crate) fn start(&mut self) -> bool {
        let was_cold = self.phase == Phase::Cold;
        if was_cold {
            self.phase = Phase::Queued;
        }
        was_cold
    }

    /// Open to Queued, for a branch of a shared task whose value is published: the pool runs it.
    /// Returns what it waited for. `None`: the branch is not open any more.
    #[must_use = "the caller must queue the branch"]
    pub(crate) fn queue_branch(&mut self) -> Option<Option<UpstreamRef>> {
        if self.phase != Phase::Open {
            return None;
        }
        self.phase = Phase::Queued;
        Some(self.take_upstream())
    }

    /// Open to Driving, for a resolver that is about to name the task to follow. Returns the epoch
    /// of the driver. `None`: the task is not open any more.
    #[must_use = "a task that is claimed must be settled"]
    pub(crate) fn claim_open(&mut self) -> Option<u32> {
        if self.phase != Phase::Open {
            return None;
        }
        self.phase = Phase::Driving;
        Some(self.epoch)
    }

    /// Open to Driving: the calling thread has the outcome.
    #[inline]
    pub(crate) fn begin_settling(&mut self) {
        debug_assert!(self.phase == Phase::Open);
        self.phase = Phase::Driving;
        self.head_state.finish();
        self.drive_here();
    }

    /// The calling thread is about to poll the future of an open task. False: the task is not open
    /// any more.
    #[must_use = "the future of a settled task is not polled"]
    pub(crate) fn begin_poll(&mut self) -> bool {
        self.polled = self.phase == Phase::Open;
        if self.polled {
            self.drive_here();
        }
        self.polled
    }

    /// The future is pending.
    pub(crate) fn end_poll(&mut self) {
        self.polled = false;
    }

    /// A thread runs the task, or will without anything else happening first.
    pub(crate) fn has_work(&self) -> bool {
        match self.phase {
            Phase::Queued | Phase::Driving | Phase::Following | Phase::HandedOff => {
                !self.is_decided()
            }
            _ => false,
        }
    }

    /// A thread, the driver, runs user code of the task.
    pub(crate) fn is_driven(&self) -> bool {
        match self.phase {
            Phase::Driving => true,
            Phase::Open => self.polled,
            _ => false,
        }
    }

    /// Cold, Queued or Open to Driving: the calling thread is about to call the closure.
    #[inline]
    pub(crate) fn begin_closure(&mut self) {
        debug_assert!(matches!(
            self.phase,
            Phase::Cold | Phase::Queued | Phase::Open
        ));
        self.phase = Phase::Driving;
        self.driver = Some(thread_id());
        self.note_driven();
        self.head_state = HeadState::Running;
    }

    /// HandedOff to Driving: the calling thread is about to run the steps.
    #[inline]
    pub(crate) fn resume(&mut self) {
        debug_assert!(self.phase == Phase::HandedOff);
        self.phase = Phase::Driving;
        self.drive_here();
        self.depart();
        // Observers may be first: a cancel leaves them to this driver.
        self.observing = true;
    }

    /// Driving to HandedOff: the driver has stored the outcome, and another thread runs the steps.
    #[inline]
    pub(crate) fn stop_driving(&mut self) {
        debug_assert!(self.phase == Phase::Driving);
        self.phase = Phase::HandedOff;
    }

    /// Driving to Following. Returns what the task waited for before.
    #[must_use = "it is to be dropped without the lock"]
    pub(crate) fn follow(&mut self, upstream: UpstreamRef) -> Option<UpstreamRef> {
        debug_assert!(self.phase == Phase::Driving);
        self.phase = Phase::Following;
        self.set_upstream(upstream)
    }

    /// Following to Forwarded: another task takes this one's place. Returns the rest, to be
    /// dropped.
    #[must_use = "it is to be dropped without the lock"]
    pub(crate) fn forward(&mut self) -> (Option<UpstreamRef>, Option<Box<dyn Step>>) {
        debug_assert!(self.phase == Phase::Following);
        self.phase = Phase::Forwarded;
        self.count_as_ended();
        (self.take_upstream(), self.last.take())
    }

    /// Any phase before Settled, to Driving without a driver: a cancel has taken the task, and the
    /// thread that cancels becomes the driver later.
    pub(crate) fn take_away(&mut self) {
        debug_assert!(!matches!(self.phase, Phase::Settled | Phase::Forwarded));
        self.phase = Phase::Driving;
        self.drive_nowhere();
        self.observing = true;
    }

    /// The task fails as a whole, at its last link. Every driver is superseded, and its closures
    /// and links are no longer wanted.
    #[inline]
    pub(crate) fn cancel_at_tail(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        self.cancelled = true;
        self.called_off = true;
        self.handled = true;
        self.head_state.finish();
        self.pending_links = 0;
    }
}
