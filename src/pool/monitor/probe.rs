//! Measures whether a processor is idle, by how long other threads keep the calling one from
//! running.
//!
//! For systems without thread states. It cannot distinguish this process's threads from others': on
//! a machine that is busy with something else, no processor is idle either.

use crate::limits::{PROBE_FIRST_PAUSE, PROBE_GAP, PROBE_LAST_PAUSE, PROBE_PROOF, PROBE_TIME};
use crate::sync::{Instant, thread};

/// When to probe, and what the last probes have found.
#[derive(Default)]
pub(super) struct Asker {
    /// Looks until the next probe, and how many the last pause had.
    left: u32,
    pause: u32,
    /// Probes in a row that found an idle processor.
    idle: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Idle,
    Busy,
    /// It is too early for the next probe, or it takes another one to tell.
    Later,
}

impl Asker {
    /// Returns true if a processor is idle. Call it at most once per tick. `surely`: requires more
    /// than one probe.
    pub(super) fn ask(&mut self, surely: bool, probe: impl FnOnce() -> bool) -> Answer {
        if self.left > 0 {
            self.left -= 1;
            return Answer::Later;
        }
        if !probe() {
            self.pause = (2 * self.pause).clamp(PROBE_FIRST_PAUSE, PROBE_LAST_PAUSE);
            self.left = self.pause;
            self.idle = 0;
            return Answer::Busy;
        }
        self.pause = 0;
        self.idle += 1;
        if surely && self.idle < PROBE_PROOF {
            return Answer::Later;
        }
        self.idle = 0;
        Answer::Idle
    }
}

/// Runs for three milliseconds, offering its processor to others all the while. False as soon as
/// one takes it.
pub(super) fn has_idle_processor() -> bool {
    let start = Instant::now();
    let mut last = start;
    while last.saturating_duration_since(start) < PROBE_TIME {
        // On a processor with another runnable thread this returns after a time slice of it.
        thread::yield_now();
        let now = Instant::now();
        if now.saturating_duration_since(last) > PROBE_GAP {
            return false;
        }
        last = now;
    }
    true
}
