//! Who still wants the value of a shared task.

use crate::sync::{AtomicUsize, Ordering};

/// How many still want the value: handles, and branches that have not started; and, in the same
/// word, what has been decided. So the last of them knows whether the value was there before it
/// went, and whoever publishes the value knows whether the last had gone before: a failure is
/// reported by exactly one of the two.
pub(super) struct Interest(AtomicUsize);

impl Interest {
    /// The value is there.
    const SETTLED: usize = 1 << (usize::BITS - 1);
    /// The last consumer cancelled before that: nobody wants to hear of a failure.
    const CANCELLED: usize = 1 << (usize::BITS - 2);
    const COUNT: usize = Self::CANCELLED - 1;

    /// One consumer, and nothing decided.
    pub(super) fn new() -> Interest {
        Interest(AtomicUsize::new(1))
    }

    pub(super) fn join(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One consumer goes.
    pub(super) fn leave(&self) -> AfterLeave {
        AfterLeave::after(self.0.fetch_sub(1, Ordering::AcqRel))
    }

    /// One consumer goes, and if it is the last, what it waited for is no longer wanted.
    pub(super) fn cancel(&self) -> AfterLeave {
        let update = |now: usize| {
            let cancels = now == 1;
            Some(now - 1 + if cancels { Self::CANCELLED } else { 0 })
        };
        let before = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, update);
        AfterLeave::after(before.unwrap_or_else(|now| now))
    }

    /// The value is there. True when it comes too late for the last consumer, who has gone without
    /// cancelling.
    pub(super) fn settle(&self) -> bool {
        let before = if cfg!(planted = "plain_look") {
            let before = self.0.load(Ordering::Acquire);
            self.0.fetch_or(Self::SETTLED, Ordering::AcqRel);
            before
        } else {
            self.0.fetch_or(Self::SETTLED, Ordering::AcqRel)
        };
        before == 0
    }
}

/// What was left when a consumer went.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterLeave {
    Others,
    /// It was the last, and the value is yet to come.
    Nobody,
    /// It was the last, and the value is there.
    Value,
}

impl AfterLeave {
    fn after(before: usize) -> AfterLeave {
        match (before & Interest::COUNT, before & Interest::SETTLED) {
            (1, 0) => AfterLeave::Nobody,
            (1, _) => AfterLeave::Value,
            _ => AfterLeave::Others,
        }
    }
}
