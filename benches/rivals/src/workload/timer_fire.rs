//! What does a timer cost that fires?
//!
//! N: 100 000 timers, all due at the same moment, and a closure behind each. The figure is the time
//! to set them, and the time from the moment when they are due until the last closure has run; not
//! the time in between. Threads: the one that sets them, 2 workers, and the thread of the timers
//! where there is one. Contestants: `delay_until` with `then`, and a tokio task that sleeps. The
//! floor queues and runs boxed closures.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use ::fast_async::delay_until;
use ::tokio::time::sleep_until;

use crate::contest::{Contestant, Workload, one_each};
use crate::peer::floor;
use crate::peer::tokio::timed;

pub(crate) const WORKLOAD: Workload = Workload {
    name: "timer_fire",
    question: "What does a timer cost that fires?",
    operation: "timer",
    table: &[100_000],
    sweep: &[1_000, 10_000, 100_000],
    short: &[1_000],
    operations: one_each,
    fill: 1,
    from_rest: false,
    reading: &[],
    contestants: &[
        Contestant::floor(floor::queue),
        Contestant::ours(ours),
        Contestant::peer("tokio sleep", tokio),
    ],
};

/// Counts down on many threads; the last wakes the one that waits.
#[derive(Clone)]
pub(super) struct Countdown(Arc<(AtomicUsize, Thread)>);

impl Countdown {
    /// For the calling thread to wait for.
    pub(super) fn of(n: usize) -> Countdown {
        Countdown(Arc::new((AtomicUsize::new(n), thread::current())))
    }

    pub(super) fn one_is_done(&self) {
        let (left, waiter) = &*self.0;
        if left.fetch_sub(1, Ordering::AcqRel) == 1 {
            waiter.unpark();
        }
    }

    pub(super) fn wait(&self) {
        while self.0.0.load(Ordering::Acquire) > 0 {
            thread::park();
        }
    }
}

/// Long enough to set them all.
fn due_after(n: usize) -> Duration {
    Duration::from_millis(20) + Duration::from_micros(2) * n as u32
}

/// `set` has a closure called at that moment.
fn fire(n: usize, set: impl Fn(Instant, Countdown)) -> Duration {
    let done = Countdown::of(n);
    let start = Instant::now();
    let due = start + due_after(n);
    for _ in 0..n {
        set(due, done.clone());
    }
    let set = Instant::now();
    done.wait();
    (set - start) + due.max(set).elapsed()
}

fn ours(n: usize) -> Duration {
    fire(n, |due, done| {
        delay_until(due).then(move |()| done.one_is_done()).detach();
    })
}

fn tokio(n: usize) -> Duration {
    fire(n, |due, done| {
        timed().spawn(async move {
            sleep_until(due.into()).await;
            done.one_is_done();
        });
    })
}
