//! Which time a pool uses: the system's, or a virtual clock's.

use super::Due;
use super::clock::Clock;
use super::wheel::Key;
use super::{auto, system};
use crate::sync::{Duration, Instant};

/// The time that a pool uses.
#[derive(Clone)]
pub(crate) enum TimeSource {
    System,
    Virtual(Clock),
}

/// A timer that was armed. Dropping it changes nothing.
#[derive(Clone)]
pub(crate) struct Armed {
    source: TimeSource,
    key: Key,
}

impl TimeSource {
    pub(crate) fn of(clock: Option<&Clock>) -> TimeSource {
        clock.map_or(TimeSource::System, |clock| {
            TimeSource::Virtual(clock.clone())
        })
    }

    /// Waits until the timers' thread has ended, for models: it must not outlive an execution.
    #[cfg(all(test, any(loom, shuttle)))]
    pub(crate) fn join_thread() {
        system::timers().join();
    }

    pub(crate) fn now(&self) -> Instant {
        match self {
            TimeSource::System => Instant::now(),
            TimeSource::Virtual(clock) => clock.now(),
        }
    }

    /// The moment `duration` from now. `None`: never.
    pub(crate) fn deadline_after(&self, duration: Duration) -> Option<Instant> {
        self.now().checked_add(duration)
    }

    /// Has `due` fired at `deadline`, or here if that has passed. `None`: it was fired here, or
    /// refused, or it never fires.
    pub(crate) fn arm(&self, deadline: Instant, due: Box<dyn Due>) -> Option<Armed> {
        if deadline <= self.now() {
            due.fire();
            return None;
        }
        let armed = match self {
            TimeSource::System => system::timers().arm(deadline, due),
            TimeSource::Virtual(clock) => auto::arm(clock, deadline, due),
        };
        match armed {
            Ok(key) => Some(Armed {
                source: self.clone(),
                key: key?,
            }),
            Err(due) => {
                due.refuse();
                None
            }
        }
    }
}

impl Armed {
    pub(crate) fn is_virtual(&self) -> bool {
        matches!(self.source, TimeSource::Virtual(_))
    }

    /// Takes the timer back, in constant time. `None`: it is firing, or has fired.
    pub(crate) fn disarm(&self) -> Option<Box<dyn Due>> {
        match &self.source {
            TimeSource::System => system::timers().disarm(self.key),
            TimeSource::Virtual(clock) => clock.disarm(self.key),
        }
    }
}
