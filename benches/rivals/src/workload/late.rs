//! What does a continuation cost that comes after the result?
//!
//! N: 200 000 promises settled beforehand, outside of the timing; one continuation is registered on
//! each, then all are waited for. Threads: 2 workers, and the one outside; up to 64 in pools that
//! grow. Contestants: those with a handle that can be awaited later; each continuation is a new
//! task, as it is here. The crates that start a thread for every promise run at 2 000. References:
//! channels whose value is there, received by a job on rayon and threadpool, which would hold a
//! thread each if it were not; boxed futures, awaited without any executor. The floor queues and
//! runs boxed closures.

use std::time::{Duration, Instant};

use ::futures::FutureExt;
use ::futures::channel::oneshot;
use ::futures::executor::block_on;

use crate::contest::{Contestant, Workload, one_each};
use crate::peer::floor::{self, sum_below};
use crate::peer::{
    Peer, async_executor, fast_async::FastAsync, futures, rayon::Rayon, threadpool::Threadpool,
    threads, tokio,
};

const HOLDS: &str = "a pending value would hold its thread";

pub(crate) const WORKLOAD: Workload = Workload {
    name: "late",
    question: "What does a continuation cost that comes after the result?",
    operation: "continuation",
    table: &[200_000],
    sweep: &[10, 100, 1_000, 10_000, 200_000],
    short: &[1_000],
    operations: one_each,
    fill: super::FILL,
    from_rest: false,
    reading: &[],
    contestants: &[
        Contestant::floor(floor::queue),
        Contestant::ours(fast_async),
        Contestant::peer("tokio spawn", tokio),
        Contestant::peer("async-executor", async_executor),
        Contestant::peer("futures ThreadPool", futures),
        Contestant::peer("promisery", promisery).at_most(threads::MOST, threads::WHY),
        Contestant::peer("poll-promise", poll_promise).at_most(threads::MOST, threads::WHY),
        Contestant::reference("rayon + oneshot", HOLDS, received::<Rayon>),
        Contestant::reference("threadpool + oneshot", HOLDS, received::<Threadpool>),
        Contestant::reference(
            "boxed futures",
            "no job: it runs on the spot",
            boxed_futures,
        ),
    ],
};

fn fast_async(n: usize) -> Duration {
    let settled: Vec<_> = (0..n as u64).map(::fast_async::Task::ready).collect();
    let start = Instant::now();
    let tasks: Vec<_> = settled
        .into_iter()
        .map(|task| task.then(|value| value + 1))
        .collect();
    let sum = FastAsync::wait(tasks);
    checked(n, sum, start.elapsed())
}

fn tokio(n: usize) -> Duration {
    let runtime = tokio::runtime();
    let settled: Vec<_> = (0..n as u64)
        .map(|i| tokio::Tasks::spawn(move || i))
        .collect();
    while !settled.iter().all(|handle| handle.is_finished()) {
        std::thread::yield_now();
    }
    let start = Instant::now();
    let tasks: Vec<_> = settled
        .into_iter()
        .map(|handle| runtime.spawn(async { handle.await.expect("it has returned") + 1 }))
        .collect();
    let sum = tokio::Tasks::wait(tasks);
    checked(n, sum, start.elapsed())
}

fn async_executor(n: usize) -> Duration {
    let pool = async_executor::pool();
    let settled: Vec<_> = (0..n as u64)
        .map(|i| async_executor::AsyncExecutor::spawn(move || i))
        .collect();
    while !settled.iter().all(|task| task.is_finished()) {
        std::thread::yield_now();
    }
    let start = Instant::now();
    let tasks: Vec<_> = settled
        .into_iter()
        .map(|task| pool.spawn(async { task.await + 1 }))
        .collect();
    let sum = async_executor::AsyncExecutor::wait(tasks);
    checked(n, sum, start.elapsed())
}

fn futures(n: usize) -> Duration {
    let pool = futures::pool();
    // The pool's own handles do not say whether they are finished; these channels are.
    let settled: Vec<_> = (0..n as u64)
        .map(|i| {
            let (sender, receiver) = oneshot::channel();
            sender.send(i).expect("the receiver is held here");
            receiver
        })
        .collect();
    let start = Instant::now();
    let tasks: Vec<_> = settled
        .into_iter()
        .map(|result| futures::spawn_on(pool, async { result.await.expect("it was sent") + 1 }))
        .collect();
    let sum = block_on(futures::sum(tasks));
    checked(n, sum, start.elapsed())
}

fn promisery(n: usize) -> Duration {
    let settled: Vec<_> = (0..n as u64)
        .map(promisery::Promise::<u64, ()>::resolve)
        .collect();
    while !settled.iter().all(promisery::Promise::fulfilled) {
        std::thread::yield_now();
    }
    let start = Instant::now();
    let promises: Vec<_> = settled
        .into_iter()
        .map(|promise| promise.map(|value| Ok(value + 1)))
        .collect();
    let sum = threads::Promisery::wait(promises);
    checked(n, sum, start.elapsed())
}

fn poll_promise(n: usize) -> Duration {
    let settled: Vec<_> = (0..n as u64)
        .map(poll_promise::Promise::from_ready)
        .collect();
    let start = Instant::now();
    let promises: Vec<_> = settled
        .into_iter()
        .map(|promise| threads::PollPromise::spawn(move || promise.block_and_take() + 1))
        .collect();
    let sum = threads::PollPromise::wait(promises);
    checked(n, sum, start.elapsed())
}

/// A job for each channel, which holds its value already.
fn received<P: Peer>(n: usize) -> Duration {
    let settled: Vec<_> = (0..n as u64)
        .map(|i| {
            let (sender, receiver) = ::oneshot::channel();
            sender.send(i).expect("the receiver is held here");
            receiver
        })
        .collect();
    let start = Instant::now();
    let handles: Vec<_> = settled
        .into_iter()
        .map(|result| P::spawn(move || result.recv().expect("it was sent") + 1))
        .collect();
    let sum = P::wait(handles);
    checked(n, sum, start.elapsed())
}

fn boxed_futures(n: usize) -> Duration {
    let settled: Vec<_> = (0..n as u64).map(::futures::future::ready).collect();
    let start = Instant::now();
    let continued: Vec<_> = settled
        .into_iter()
        .map(|value| value.map(|value| value + 1).boxed())
        .collect();
    let sum = block_on(futures::sum(continued));
    checked(n, sum, start.elapsed())
}

fn checked(n: usize, sum: u64, spent: Duration) -> Duration {
    assert_eq!(sum, sum_below(n) + n as u64);
    spent
}
