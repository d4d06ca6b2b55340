//! What does it cost to spawn a group and have its results as one list?
//!
//! N: 10 and 100 000 no-op closures, spawned from outside of the pool, joined, and waited for as
//! one. Threads: 2 workers, and the one outside; up to 64 in pools that grow. Contestants: futures'
//! join_all over each executor's handles, tokio's JoinSet, promisery's all (at most 2 000 threads).
//! Channels and poll-promise's promises received one after another are a reference: they make no
//! joined promise. The floor queues and runs boxed closures.

use std::time::{Duration, Instant};

use ::futures::executor::block_on;
use ::futures::future::join_all;
use ::tokio::task::JoinSet;

use crate::contest::{Contestant, Workload, one_each};
use crate::foreign::Language;
use crate::peer::async_executor::AsyncExecutor;
use crate::peer::fast_async::FastAsync;
use crate::peer::floor::{self, sum_below};
use crate::peer::futures::Futures;
use crate::peer::threads::Promisery;
use crate::peer::{Peer, rayon, threadpool, threads, tokio};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "all",
    question: "What does it cost to spawn a group and have its results as one list?",
    operation: "task",
    table: &[10, 100_000],
    sweep: &[10, 100, 1_000, 10_000, 100_000],
    short: &[1_000],
    operations: one_each,
    fill: super::FILL,
    from_rest: false,
    reading: &[],
    contestants: &[
        Contestant::floor(floor::queue),
        Contestant::ours(fast_async),
        Contestant::peer("tokio + join_all", tokio_join_all),
        Contestant::peer("tokio JoinSet", tokio_join_set),
        Contestant::peer("async-executor + join_all", async_executor),
        Contestant::peer("futures ThreadPool + join_all", futures),
        Contestant::peer("promisery all", promisery).at_most(threads::MOST, threads::WHY),
        Contestant::reference(
            "rayon + oneshot, one by one",
            "no joined promise",
            collected::<rayon::Rayon>,
        ),
        Contestant::reference(
            "threadpool + oneshot, one by one",
            "no joined promise",
            collected::<threadpool::Threadpool>,
        ),
        Contestant::reference(
            "poll-promise, one by one",
            "no joined promise",
            collected::<threads::PollPromise>,
        )
        .at_most(threads::MOST, threads::WHY),
        Contestant::foreign("JVM CompletableFuture", Language::Jvm),
    ],
};

fn fast_async(n: usize) -> Duration {
    let start = Instant::now();
    let results = ::fast_async::all(spawned::<FastAsync>(n)).wait();
    checked(n, results.expect("none fails"), start)
}

fn tokio_join_all(n: usize) -> Duration {
    let start = Instant::now();
    let joined = join_all(spawned::<tokio::Tasks>(n));
    let results = tokio::runtime().block_on(joined);
    checked(
        n,
        results
            .into_iter()
            .map(|result| result.expect("none fails"))
            .collect(),
        start,
    )
}

fn tokio_join_set(n: usize) -> Duration {
    let start = Instant::now();
    let mut set = JoinSet::new();
    for i in 0..n as u64 {
        set.spawn_on(async move { i }, tokio::runtime().handle());
    }
    let results = tokio::runtime().block_on(set.join_all());
    checked(n, results, start)
}

fn async_executor(n: usize) -> Duration {
    let start = Instant::now();
    let results = block_on(join_all(spawned::<AsyncExecutor>(n)));
    checked(n, results, start)
}

fn futures(n: usize) -> Duration {
    let start = Instant::now();
    let results = block_on(join_all(spawned::<Futures>(n)));
    checked(n, results, start)
}

fn promisery(n: usize) -> Duration {
    let start = Instant::now();
    let results = promisery::Promise::all(spawned::<Promisery>(n)).wait_nopanic();
    checked(n, results.expect("none fails"), start)
}

/// Received one by one into a list: such a pool has no join.
fn collected<P: Peer>(n: usize) -> Duration {
    let start = Instant::now();
    let handles = spawned::<P>(n);
    let results = handles
        .into_iter()
        .map(|handle| P::wait([handle]))
        .collect();
    checked(n, results, start)
}

fn spawned<P: Peer>(n: usize) -> Vec<P::Handle> {
    (0..n as u64).map(|i| P::spawn(move || i)).collect()
}

fn checked(n: usize, results: Vec<u64>, start: Instant) -> Duration {
    let spent = start.elapsed();
    assert_eq!(results.len(), n);
    assert_eq!(results.into_iter().sum::<u64>(), sum_below(n));
    spent
}
