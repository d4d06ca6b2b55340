//! What does it cost to have all that was started waited for, without a handle for each?
//!
//! N: 1 000 000 no-op closures, started in a group by one thread outside of the pool, with their
//! handles dropped. Threads: 2 workers, and the one outside. Contestants: `group`; the same
//! closures spawned without a group, until the pool is idle; tokio's JoinSet, which keeps every
//! result until it is taken, and tokio-util's TaskTracker. The floor queues and runs boxed
//! closures.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ::tokio::task::JoinSet;
use ::tokio_util::task::TaskTracker;

use crate::contest::{Contestant, Workload, one_each};
use crate::peer::fast_async::few_threads;
use crate::peer::floor;
use crate::peer::tokio::runtime;

/// No pool takes that long.
const LIMIT: Duration = Duration::from_secs(100);

pub(crate) const WORKLOAD: Workload = Workload {
    name: "group",
    question: "What does it cost to wait for all that was started, without a handle for each?",
    operation: "child",
    table: &[1_000, 1_000_000],
    sweep: &[10, 100, 1_000, 10_000, 100_000, 1_000_000],
    short: &[1_000],
    operations: one_each,
    fill: super::FILL,
    from_rest: false,
    reading: &[],
    contestants: &[
        Contestant::floor(floor::queue),
        Contestant::ours(in_group),
        Contestant::variant("bare spawn", bare),
        Contestant::peer("tokio JoinSet", join_set),
        Contestant::peer("tokio TaskTracker", task_tracker),
    ],
};

fn in_group(n: usize) -> Duration {
    let start = Instant::now();
    let ended = few_threads().group(|group| {
        for i in 0..n as u64 {
            group.spawn(move || black_box(i)).detach();
        }
    });
    let spent = start.elapsed();
    ended.expect("none fails");
    spent
}

fn bare(n: usize) -> Duration {
    let pool = few_threads();
    let start = Instant::now();
    for i in 0..n as u64 {
        pool.spawn(move || black_box(i)).detach();
    }
    let is_idle = pool.wait_idle(LIMIT);
    let spent = start.elapsed();
    assert!(is_idle, "the pool hangs");
    spent
}

fn join_set(n: usize) -> Duration {
    let start = Instant::now();
    let mut set = JoinSet::new();
    for i in 0..n as u64 {
        set.spawn_on(async move { black_box(i) }, runtime().handle());
    }
    let mut count = 0;
    runtime().block_on(async {
        while set.join_next().await.is_some() {
            count += 1;
        }
    });
    let spent = start.elapsed();
    assert_eq!(count, n);
    spent
}

fn task_tracker(n: usize) -> Duration {
    let start = Instant::now();
    let tracker = TaskTracker::new();
    for i in 0..n as u64 {
        drop(tracker.spawn_on(async move { black_box(i) }, runtime().handle()));
    }
    tracker.close();
    runtime().block_on(tracker.wait());
    start.elapsed()
}
