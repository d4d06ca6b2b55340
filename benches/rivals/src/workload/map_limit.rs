//! What does it cost to run a closure for each of many elements, some at a time, and to have the
//! results in order?
//!
//! N: 1 000 000 numbers, a no-op for each, at most 8 at a time. Threads: 2 workers, and the one
//! outside that waits. Contestants: `map_limit`; futures' `buffered(8)` over tasks of tokio and of
//! async-executor. rayon's parallel iterator is a reference: it needs the length beforehand, splits
//! the range, and bounds nothing but its threads. The floor queues and runs boxed closures.

use std::time::{Duration, Instant};

use ::futures::executor::block_on;
use ::futures::{StreamExt, stream};
use ::rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::contest::{Contestant, Workload, one_each};
use crate::peer::async_executor::AsyncExecutor;
use crate::peer::fast_async::few_threads;
use crate::peer::floor::{self, sum_below};
use crate::peer::{Peer, rayon, tokio};

const LIMIT: usize = 8;

pub(crate) const WORKLOAD: Workload = Workload {
    name: "map_limit",
    question: "What does it cost to map many elements, 8 at a time, with the results in order?",
    operation: "element",
    table: &[1_000_000],
    sweep: &[100, 1_000, 10_000, 100_000, 1_000_000],
    short: &[1_000],
    operations: one_each,
    fill: super::FILL,
    from_rest: false,
    reading: &[],
    contestants: &[
        Contestant::floor(floor::queue),
        Contestant::ours(fast_async),
        Contestant::peer("tokio + buffered", tokio),
        Contestant::peer("async-executor + buffered", async_executor),
        Contestant::reference(
            "rayon into_par_iter",
            "splits a range of known length",
            rayon,
        ),
    ],
};

fn fast_async(n: usize) -> Duration {
    let start = Instant::now();
    let results = few_threads().map_limit(0..n as u64, LIMIT, Ok).wait();
    checked(n, &results.expect("none fails"), start)
}

fn tokio(n: usize) -> Duration {
    let start = Instant::now();
    let tasks = stream::iter(0..n as u64).map(|i| tokio::Tasks::spawn(move || i));
    let results = tokio::runtime().block_on(
        tasks
            .buffered(LIMIT)
            .map(|result| result.expect("none fails"))
            .collect::<Vec<_>>(),
    );
    checked(n, &results, start)
}

fn async_executor(n: usize) -> Duration {
    let start = Instant::now();
    let tasks = stream::iter(0..n as u64).map(|i| AsyncExecutor::spawn(move || i));
    let results = block_on(tasks.buffered(LIMIT).collect::<Vec<_>>());
    checked(n, &results, start)
}

fn rayon(n: usize) -> Duration {
    let start = Instant::now();
    let results = rayon::pool().install(|| {
        let elements = (0..n as u64).into_par_iter();
        elements.map(std::hint::black_box).collect::<Vec<_>>()
    });
    checked(n, &results, start)
}

fn checked(n: usize, results: &[u64], start: Instant) -> Duration {
    let spent = start.elapsed();
    assert_eq!(results.len(), n);
    assert!(results.is_sorted(), "in the order of the elements");
    assert_eq!(results.iter().sum::<u64>(), sum_below(n));
    spent
}
