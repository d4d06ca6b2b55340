//! What does it cost to set a timer and to take it back, beside others that stay?
//!
//! N: timers that stay, 1 000 and 1 000 000, due in hours and set before; then 10 000 more are set
//! and taken back, one after another. Threads: the one that does it; the workers and the thread of
//! the timers sleep. Contestants: `delay` with `cancel`, and tokio's `sleep`, boxed and polled
//! once, dropped; a limit on a task that stays pending: `timeout` with `cancel`, and tokio's
//! `timeout` likewise. In Java a limit on a future that then gets its value. The floor makes, lists
//! and drops a boxed closure.

use std::hint::black_box;
use std::pin::Pin;
use std::sync::{Once, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use ::fast_async::{Task, deferred, delay};
use ::tokio::sync::oneshot;
use ::tokio::time::{sleep, timeout};

use crate::contest::{Contestant, Workload};
use crate::foreign::Language;
use crate::peer::floor;
use crate::peer::tokio::timed;

/// Timers set and taken back in one run.
const COUNT: usize = 10_000;
/// Far beyond any round.
const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) const WORKLOAD: Workload = Workload {
    name: "timer_cancel",
    question: "What does it cost to set a timer and to take it back, beside N that stay?",
    operation: "timer",
    table: &[1_000, 1_000_000],
    sweep: &[1, 1_000, 100_000, 1_000_000],
    short: &[1_000],
    operations: |_| COUNT,
    fill: COUNT,
    from_rest: false,
    reading: &["What a `delay` costs beside its timer is that of a task: see `cancel`."],
    contestants: &[
        Contestant::floor(|_| floor::one_by_one(COUNT)),
        Contestant::ours(ours),
        Contestant::peer("tokio sleep", tokio_sleep),
        Contestant::variant("fast-async timeout", ours_timeout)
            .noted("a limit on a task that is made for it"),
        Contestant::reference(
            "tokio timeout",
            "a limit on a future that is made for it",
            tokio_timeout,
        ),
        Contestant::foreign("JVM CompletableFuture", Language::Jvm),
    ],
};

/// The deadline of the `i`th of those that stay: all different, over some hours.
fn later(i: usize) -> Duration {
    HOUR + Duration::from_millis(i as u64 * 7)
}

/// Has `n` timers stay, for as long as the process runs.
fn keep_ours(n: usize) {
    static KEPT: OnceLock<Vec<Task<()>>> = OnceLock::new();
    let kept = KEPT.get_or_init(|| (0..n).map(|i| delay(later(i))).collect());
    assert_eq!(kept.len(), n);
}

fn ours(n: usize) -> Duration {
    keep_ours(n);
    let start = Instant::now();
    for i in 0..COUNT {
        black_box(delay(later(i))).cancel();
    }
    start.elapsed()
}

fn ours_timeout(n: usize) -> Duration {
    keep_ours(n);
    let start = Instant::now();
    for i in 0..COUNT {
        let (_resolver, task) = deferred::<u64>();
        black_box(task.timeout(later(i))).cancel();
    }
    start.elapsed()
}

/// A future is set by its first poll.
fn begin<F: Future>(future: Pin<&mut F>) {
    let polled = future.poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Pending), "it is due in an hour");
}

/// The same, inside of the runtime.
fn keep_tokio(n: usize) {
    static KEPT: Once = Once::new();
    KEPT.call_once(|| {
        for i in 0..n {
            let mut kept = Box::pin(sleep(later(i)));
            begin(kept.as_mut());
            std::mem::forget(kept);
        }
    });
}

fn tokio_sleep(n: usize) -> Duration {
    let _inside = timed().enter();
    keep_tokio(n);
    let start = Instant::now();
    for i in 0..COUNT {
        let mut timer = Box::pin(sleep(later(i)));
        begin(timer.as_mut());
        drop(black_box(timer));
    }
    start.elapsed()
}

fn tokio_timeout(n: usize) -> Duration {
    let _inside = timed().enter();
    keep_tokio(n);
    let start = Instant::now();
    for i in 0..COUNT {
        let (_sender, receiver) = oneshot::channel::<u64>();
        let mut limited = Box::pin(timeout(later(i), receiver));
        begin(limited.as_mut());
        drop(black_box(limited));
    }
    start.elapsed()
}
