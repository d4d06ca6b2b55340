//! The number of handles and branches that still want the value of a shared task.

use crate::sync::{AtomicUsize, Ordering};

/// The number of handles, and of branches that have not started, with two flags in the same word.
///
/// So exactly one of two sees the other: the last consumer that leaves, and the thread that
/// publishes the value. That one reports a failure that no consumer has received.
pub(super) struct Interest(AtomicUsize);

impl Interest {
    /// The value is published.
    const SETTLED: usize = 1 << (usize::BITS - 1);
    /// The last consumer cancelled before that: a failure is not reported.
    const CANCELLED: usize = 1 << (usize::BITS - 2);
    const COUNT: usize = Self::CANCELLED - 1;

    /// One consumer, and nothing decided.
    pub(super) fn new() -> Interest {
        Interest(AtomicUsize::new(1))
    }

    pub(super) fn join(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One consumer more, where there may be none at the moment. False: the last one has cancelled,
    /// and the task with it.
    ///
    /// One update of the word: either that last one finds this consumer, or this call its cancel.
    pub(super) fn rejoin(&self) -> bool {
        let update = |now: usize| (now & Self::CANCELLED == 0).then_some(now + 1);
        let before = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
        before.is_ok()
    }

    /// The last consumer has cancelled.
    pub(super) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) & Self::CANCELLED != 0
    }

    /// One consumer leaves.
    pub(super) fn leave(&self) -> AfterLeave {
        AfterLeave::after(self.0.fetch_sub(1, Ordering::AcqRel))
    }

    /// One consumer leaves. If it is the last, its upstream is no longer wanted.
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

    /// The value is published. Returns true if the last consumer has left before, without a cancel.
    pub(super) fn settle(&self) -> bool {
        self.0.fetch_or(Self::SETTLED, Ordering::AcqRel) == 0
    }
}

/// The state after a consumer has left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterLeave {
    Others,
    /// It was the last, and the value is not published.
    Unwanted,
    /// It was the last, and the value is published.
    Value,
}

impl AfterLeave {
    fn after(before: usize) -> AfterLeave {
        match (before & Interest::COUNT, before & Interest::SETTLED) {
            (1, 0) => AfterLeave::Unwanted,
            (1, _) => AfterLeave::Value,
            _ => AfterLeave::Others,
        }
    }
}
