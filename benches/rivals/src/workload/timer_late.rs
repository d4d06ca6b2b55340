//! How late is a timer?
//!
//! N: 100 000 timers, one every 5 microseconds, each with a closure that asks for the time. The
//! figure is not a cost: it is the lateness that 99 of 100 timers stay below, and for the variants
//! the median and the worst. A timer that fires early ends the run. Threads: as in `timer_fire`;
//! the machine should be idle. Contestants: as there. The floor is how late a thread is that sleeps
//! until a moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ::fast_async::delay_until;
use ::tokio::time::sleep_until;

use super::timer_fire::Countdown;
use crate::contest::{Contestant, Workload, one_each};
use crate::peer::tokio::timed;

/// Between two timers.
const APART: Duration = Duration::from_micros(5);
/// From the start to the first of them, for each that is to be set.
const TO_SET: Duration = Duration::from_micros(2);

pub(crate) const WORKLOAD: Workload = Workload {
    name: "timer_late",
    question: "How late is a timer, at the most, 99 times of 100?",
    operation: "timer, late",
    table: &[100_000],
    sweep: &[1_000, 10_000, 100_000],
    short: &[1_000],
    operations: one_each,
    fill: 1,
    from_rest: false,
    reading: &["tokio's timers count in milliseconds, rounded up: half of one is lost on average."],
    contestants: &[
        Contestant::floor(thread_that_sleeps),
        Contestant::ours(|n| ours(n, 0.99)).noted("99 of 100"),
        Contestant::peer("tokio sleep", |n| tokio(n, 0.99)).noted("99 of 100"),
        Contestant::variant("fast-async, median", |n| ours(n, 0.5)),
        Contestant::variant("fast-async, worst", |n| ours(n, 1.0)),
        Contestant::reference("tokio sleep, median", "the same timers", |n| tokio(n, 0.5)),
        Contestant::reference("tokio sleep, worst", "the same timers", |n| tokio(n, 1.0)),
    ],
};

/// How late each was, in nanoseconds.
#[derive(Clone)]
struct Latenesses(Arc<[AtomicU64]>);

impl Latenesses {
    fn note(&self, which: usize, due: Instant) {
        let Some(late) = Instant::now().checked_duration_since(due) else {
            eprintln!("rivals: a timer was early");
            std::process::exit(1);
        };
        self.0[which].store(late.as_nanos() as u64, Ordering::Relaxed);
    }

    /// The lateness that this part of them stays below, as if it were the cost of each of them.
    fn quantile(&self, part: f64) -> Duration {
        let mut sorted: Vec<_> = self
            .0
            .iter()
            .map(|one| one.load(Ordering::Relaxed))
            .collect();
        sorted.sort_unstable();
        let place = (part * (sorted.len() - 1) as f64).ceil() as usize;
        Duration::from_nanos(sorted[place]) * sorted.len() as u32
    }
}

fn run(n: usize, part: f64, set: impl Fn(usize, Instant, Latenesses, Countdown)) -> Duration {
    let latenesses = Latenesses((0..n).map(|_| AtomicU64::new(0)).collect());
    let done = Countdown::of(n);
    let first = Instant::now() + Duration::from_millis(20) + TO_SET * n as u32;
    for which in 0..n {
        let due = first + APART * which as u32;
        set(which, due, latenesses.clone(), done.clone());
    }
    done.wait();
    latenesses.quantile(part)
}

fn ours(n: usize, part: f64) -> Duration {
    run(n, part, |which, due, latenesses, done| {
        delay_until(due)
            .then(move |()| {
                latenesses.note(which, due);
                done.one_is_done();
            })
            .detach();
    })
}

fn tokio(n: usize, part: f64) -> Duration {
    run(n, part, |which, due, latenesses, done| {
        timed().spawn(async move {
            sleep_until(due.into()).await;
            latenesses.note(which, due);
            done.one_is_done();
        });
    })
}

/// A hundred sleeps of a millisecond: one after another, so that no more are needed.
fn thread_that_sleeps(n: usize) -> Duration {
    let latenesses = Latenesses((0..100).map(|_| AtomicU64::new(0)).collect());
    for which in 0..100 {
        let due = Instant::now() + Duration::from_millis(1);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        latenesses.note(which, due);
    }
    latenesses.quantile(0.99) / 100 * n as u32
}
