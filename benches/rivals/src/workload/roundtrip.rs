//! How long does it take to hand one closure to an idle pool and have its result?
//!
//! N: 10 000 closures, each spawned when the one before has been waited for: mostly the price of
//! waking a thread, twice. Threads: 2 workers, and the one outside. Contestants: every pool. The
//! crates that start a thread for every promise run at 2 000. The floor queues and runs one boxed
//! closure at a time, and wakes no thread.

use std::time::{Duration, Instant};

use crate::contest::{Contestant, Workload, one_each};
use crate::foreign::Language;
use crate::peer::floor::{self, sum_below};
use crate::peer::{
    Peer, async_executor, blocking, fast_async, futures, rayon, threadpool, threads, tokio,
};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "roundtrip",
    question: "How long does it take to hand one closure to an idle pool and have its result?",
    operation: "round trip",
    table: &[10_000],
    sweep: &[100, 1_000, 10_000],
    short: &[100],
    operations: one_each,
    fill: 1_000,
    from_rest: false,
    reading: &[],
    contestants: &[
        Contestant::floor(floor::one_by_one),
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
        Contestant::foreign("Go", Language::Go).noted("a goroutine, which wakes no thread"),
    ],
};

fn run<P: Peer>(n: usize) -> Duration {
    let start = Instant::now();
    let sum: u64 = (0..n as u64).map(|i| P::wait([P::spawn(move || i)])).sum();
    let spent = start.elapsed();
    assert_eq!(sum, sum_below(n));
    spent
}
