//! What one worker did between ticks, and whether it counts as blocked.

use super::os::ThreadState;

use crate::limits::{BLOCKED_SAMPLES, MAX_STARTS_WHILE_BLOCKED, STUCK_NANOS};

/// What is recorded of one worker between ticks.
#[derive(Clone, Copy, Default)]
pub(super) struct WorkerHistory {
    /// The time of its last sample, in nanoseconds; 0: never.
    at: u64,
    started: u64,
    wanted: Option<u64>,
    asleep: u32,
    may_wait_for_lock: bool,
    /// When it was first found asleep.
    since: u64,
}

impl WorkerHistory {
    /// Records what a worker does; `None`: it has no job. `started`: jobs it has begun so far.
    pub(super) fn note(&mut self, at: u64, started: u64, told: Option<ThreadState>) {
        let flows = self.at > 0 && started.saturating_sub(self.started) > MAX_STARTS_WHILE_BLOCKED;
        let wanted = told.and_then(|told| told.wanted);
        // Asleep at this moment, but not for most of the time.
        let works = wanted.zip(self.wanted).is_some_and(|(now, before)| {
            now.saturating_sub(before) >= at.saturating_sub(self.at) / 4
        });
        let asleep = told.is_some_and(|told| told.asleep) && !flows && !works;
        let is_same = asleep && self.asleep > 0;
        *self = WorkerHistory {
            at,
            started,
            wanted,
            asleep: if asleep { self.asleep + 1 } else { 0 },
            may_wait_for_lock: told.is_some_and(|told| told.may_wait_for_lock),
            since: if is_same { self.since } else { at },
        };
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.asleep >= BLOCKED_SAMPLES
    }

    /// The last sample did not find it asleep.
    pub(super) fn is_awake(&self) -> bool {
        self.asleep == 0
    }

    /// It is blocked, and may be waiting for a lock whose holder has lost its processor.
    pub(super) fn is_maybe_lock_blocked(&self) -> bool {
        self.is_blocked() && self.may_wait_for_lock
    }

    /// It has been at the same job since the last tick.
    pub(super) fn is_same(&self, started: u64) -> bool {
        self.at > 0 && self.started == started
    }

    /// It has been blocked in this job for so long that other workers should take the jobs behind
    /// it.
    pub(super) fn is_long_blocked(&self, at: u64, started: u64) -> bool {
        self.is_blocked() && self.is_same(started) && at.saturating_sub(self.since) >= STUCK_NANOS
    }

    pub(super) fn forget(&mut self) {
        self.asleep = 0;
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    /// A tick per millisecond.
    const TICK: u64 = 1_000_000;
    const ASLEEP: Option<ThreadState> = Some(ThreadState {
        asleep: true,
        may_wait_for_lock: false,
        wanted: Some(0),
    });
    const RUNS: Option<ThreadState> = Some(ThreadState {
        asleep: false,
        may_wait_for_lock: false,
        wanted: None,
    });

    fn watch(looks: &[(u64, Option<ThreadState>)]) -> WorkerHistory {
        let mut history = WorkerHistory::default();
        for (tick, &(started, told)) in (1..).zip(looks) {
            history.note(tick * TICK, started, told);
        }
        history
    }

    #[test]
    fn a_worker_is_blocked_after_two_samples() {
        assert!(!watch(&[(1, ASLEEP)]).is_blocked());
        assert!(watch(&[(1, ASLEEP), (1, ASLEEP)]).is_blocked());
        assert!(!watch(&[(1, ASLEEP), (1, RUNS), (1, ASLEEP)]).is_blocked());
        assert!(!watch(&[(1, ASLEEP), (1, None), (1, ASLEEP)]).is_blocked());
        // Short naps, a few per tick, count as blocking too.
        assert!(watch(&[(1, ASLEEP), (4, ASLEEP), (7, ASLEEP)]).is_blocked());
        assert!(watch(&[(1, ASLEEP), (5, ASLEEP), (9, ASLEEP)]).is_blocked());
        // A flood is not.
        assert!(!watch(&[(1, ASLEEP), (900, ASLEEP), (901, ASLEEP)]).is_blocked());
        assert!(!watch(&[(0, RUNS), (900, ASLEEP)]).is_blocked());
        // A worker that ran or was ready for a quarter of the time since the last tick is not
        // blocked.
        let slept = |wanted| {
            ASLEEP.map(|told| ThreadState {
                wanted: Some(wanted),
                ..told
            })
        };
        assert!(!watch(&[(1, slept(0)), (1, slept(TICK / 4))]).is_blocked());
        assert!(watch(&[(1, slept(7)), (1, slept(7 + TICK / 8))]).is_blocked());
        let mut history = watch(&[(5, ASLEEP), (5, ASLEEP)]);
        assert!(history.is_same(5) && !history.is_same(6) && !WorkerHistory::default().is_same(0));
        assert!(!history.is_maybe_lock_blocked());
        let locked = ASLEEP.map(|told| ThreadState {
            may_wait_for_lock: true,
            ..told
        });
        let maybe_lock_blocked =
            |second, third| watch(&[(1, second), (1, third)]).is_maybe_lock_blocked();
        assert!(maybe_lock_blocked(ASLEEP, locked) && !maybe_lock_blocked(locked, ASLEEP));
        assert!(!maybe_lock_blocked(RUNS, locked), "not blocked yet");
        let later = TICK + STUCK_NANOS;
        assert!(history.is_long_blocked(later, 5) && !history.is_long_blocked(later, 6));
        assert!(!history.is_long_blocked(later - 1, 5));
        history.forget();
        assert!(!history.is_blocked());
    }
}
