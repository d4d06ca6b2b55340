//! What does it cost to start a closure and wait for it, many at a time?
//!
//! N: 200 000 no-op closures, spawned by one thread outside of the pool, which then waits for every
//! handle in order. Threads: 2 workers, and the one outside; up to 64 in pools that grow.
//! Contestants: every pool. The crates that start a thread for every promise run at 2 000. The
//! floor queues the boxed closures and runs them on the spot.

use std::time::{Duration, Instant};

use crate::contest::{Contestant, Workload, one_each};
use crate::foreign::Language;
use crate::peer::floor::{self, sum_below};
use crate::peer::{
    Peer, async_executor, blocking, fast_async, futures, rayon, threadpool, threads, tokio,
};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "spawn_join",
    question: "What does it cost to start a closure and wait for it, many at a time?",
    operation: "closure",
    table: &[200_000],
    sweep: &[10, 100, 1_000, 10_000, 200_000],
    short: &[1_000],
    operations: one_each,
    fill: super::FILL,
    from_rest: false,
    reading: &[],
    contestants: &[
        Contestant::floor(floor::queue),
        Contestant::ours(run::<fast_async::FastAsync>),
        Contestant::peer("tokio spawn", run::<tokio::Tasks>),
        Contestant::peer("tokio spawn_blocking", run::<tokio::Blocking>),
        Contestant::peer("rayon + oneshot", run::<rayon::Rayon>),
        Contestant::peer("futures ThreadPool", run::<futures::Futures>),
        Contestant::peer("async-executor", run::<async_executor::AsyncExecutor>),
        Contestant::peer("blocking", run::<blocking::Blocking>),
        Contestant::peer("threadpool + oneshot", run::<threadpool::Threadpool>),
        Contestant::peer("promisery", run::<threads::Promisery>)
            .at_most(threads::MOST, threads::WHY),
        Contestant::peer("poll-promise", run::<threads::PollPromise>)
            .at_most(threads::MOST, threads::WHY),
        Contestant::foreign("JVM CompletableFuture", Language::Jvm),
        Contestant::foreign("Go", Language::Go),
    ],
};

pub(super) fn run<P: Peer>(n: usize) -> Duration {
    let start = Instant::now();
    let handles: Vec<_> = (0..n as u64).map(|i| P::spawn(move || i)).collect();
    let sum = P::wait(handles);
    let spent = start.elapsed();
    assert_eq!(sum, sum_below(n));
    spent
}
