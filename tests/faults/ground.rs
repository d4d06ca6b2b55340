//! Where every test stands, and what must hold of it before and after.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use fast_async::{Pool, spawn};

use crate::support::{Drops, PATIENCE, Token, assert_still_dispatches, expected, reports, within};
use crate::verbs::Charge;

/// A pool of two threads, both up, and what must hold of it after any fault.
pub(crate) struct Ground {
    pub(crate) pool: Pool,
    /// Of this test alone: what its panics say.
    pub(crate) name: &'static str,
    pub(crate) drops: Drops,
}

/// Runs a test with a fault in it, and looks whether everything works on.
pub(crate) fn stand(name: &'static str, test: impl FnOnce(&Ground) + Send + 'static) {
    within(move || {
        let pool = Pool::builder().name("faulty").core_threads(2);
        let ground = Ground {
            pool: pool.max_threads(2).build().expect("a valid pool"),
            name,
            drops: Drops::new(),
        };
        ground.check();
        test(&ground);
        ground.check();
    });
}

impl Ground {
    #[track_caller]
    pub(crate) fn check(&self) {
        assert_still_dispatches();
        assert!(self.pool.wait_idle(PATIENCE), "the pool becomes idle");
        let meet = Arc::new(Barrier::new(2));
        let tasks = [meet.clone(), meet].map(|meet| {
            self.pool.spawn(move || {
                meet.wait();
                assert_still_dispatches();
            })
        });
        for task in tasks {
            let outcome = task.wait_timeout(PATIENCE).expect("two threads work");
            outcome.expect("a thread that still dispatches");
        }
        assert!(self.pool.wait_idle(PATIENCE), "the pool becomes idle");
        // A thread that has done its work needs a moment to sit down.
        let start = Instant::now();
        let mut metrics = self.pool.metrics();
        while metrics.idle < metrics.threads && start.elapsed() < PATIENCE {
            thread::yield_now();
            metrics = self.pool.metrics();
        }
        let busy = (metrics.blocked, metrics.queued, metrics.running);
        assert_eq!(busy, (0, 0, 0), "{metrics:?}");
        assert_eq!(metrics.idle, metrics.threads, "{metrics:?}");
        // A thread that took the place of one that was blocked stays for a while.
        let spares = metrics.threads.checked_sub(2).map(|more| more as u64);
        let is_whole = spares.is_some_and(|spares| spares <= metrics.spares);
        assert!(is_whole, "{metrics:?}");
        spawn(assert_still_dispatches)
            .wait()
            .expect("the global pool works");
    }

    pub(crate) fn grenade(&self) -> Grenade {
        Grenade(self.name, self.drops.token())
    }

    /// Panics that could fail no task were reported.
    #[track_caller]
    pub(crate) fn check_reports(&self, count: usize) {
        assert_eq!(reports(&format!("{} went off", self.name)), count);
    }

    pub(crate) fn charges(&self) -> [Charge; 4] {
        [
            Charge::Text(self.name),
            Charge::Typed,
            Charge::Payload(self.drops.bomb()),
            Charge::Capture(self.grenade()),
        ]
    }
}

/// Panics when it is dropped, unless that would end the process.
#[derive(Debug)]
pub(crate) struct Grenade(
    &'static str,
    #[allow(dead_code, reason = "counts its drop")] Token,
);

impl Drop for Grenade {
    fn drop(&mut self) {
        if !thread::panicking() {
            expected(&format!("{} went off", self.0));
        }
    }
}

impl fmt::Display for Grenade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an error that panics when it is dropped")
    }
}

impl Error for Grenade {}
