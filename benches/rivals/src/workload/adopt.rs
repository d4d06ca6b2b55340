//! What does a round cost of a loop that returns its next round from a continuation, and does it
//! depend on the length?
//!
//! N: 1 000 to 1 000 000 rounds; each is a job for the pool, and its continuation returns the round
//! after it. Threads: 2 workers, and the one outside; up to 64 in pools that grow. Contestants:
//! boxed futures that recurse on the spot (no job, and the stack ends), tasks each awaiting the
//! next (all of them live at once), promises whose thread waits for the next one's (at most 2 000),
//! and, as a reference, what a user of async functions writes instead: a loop. The floor queues and
//! runs one boxed closure at a time, each queueing the next.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ::fast_async::{Task, spawn};
use ::futures::FutureExt;
use ::futures::executor::block_on;
use ::futures::future::BoxFuture;

use crate::contest::{Contestant, Workload, one_each};
use crate::peer::{async_executor, futures, threads, tokio};

const NO_JOB: &str = "no job: it recurses on the spot";

pub(crate) const WORKLOAD: Workload = Workload {
    name: "adopt",
    question: "What does a round cost of a loop that returns its next round from a continuation?",
    operation: "round",
    table: &[1_000, 100_000, 1_000_000],
    sweep: &[10, 100, 1_000, 10_000, 100_000, 1_000_000],
    short: &[1_000],
    operations: one_each,
    fill: super::FILL,
    from_rest: false,
    reading: &[],
    contestants: &[
        Contestant::floor(floor),
        Contestant::ours(fast_async),
        Contestant::peer("tokio tasks", tokio),
        Contestant::peer("async-executor tasks", async_executor),
        Contestant::peer("futures ThreadPool tasks", futures),
        Contestant::peer("promisery", promisery).at_most(threads::MOST, threads::WHY),
        Contestant::peer("poll-promise", poll_promise).at_most(threads::MOST, threads::WHY),
        Contestant::reference("boxed futures", NO_JOB, boxed_futures)
            .at_most(100_000, "a million rounds overflow the stack"),
        Contestant::reference("tokio, written as a loop", "no recursion", tokio_loop),
    ],
};

fn fast_async(n: usize) -> Duration {
    fn round(left: u64) -> Task<u64> {
        spawn(move || left).and_then(|left| match left {
            0 => Task::ready(0),
            _ => round(left - 1),
        })
    }
    let start = Instant::now();
    let last = round(n as u64).wait().expect("no round fails");
    let spent = start.elapsed();
    assert_eq!(last, 0);
    spent
}

fn tokio(n: usize) -> Duration {
    fn round(left: u64) -> BoxFuture<'static, u64> {
        async move {
            match left {
                0 => 0,
                _ => ::tokio::spawn(round(left - 1))
                    .await
                    .expect("no round fails"),
            }
        }
        .boxed()
    }
    let start = Instant::now();
    let first = tokio::runtime().spawn(round(n as u64));
    let last = tokio::runtime().block_on(first).expect("no round fails");
    let spent = start.elapsed();
    assert_eq!(last, 0);
    spent
}

fn async_executor(n: usize) -> Duration {
    fn round(left: u64) -> BoxFuture<'static, u64> {
        async move {
            match left {
                0 => 0,
                _ => async_executor::pool().spawn(round(left - 1)).await,
            }
        }
        .boxed()
    }
    let start = Instant::now();
    let last = block_on(async_executor::pool().spawn(round(n as u64)));
    let spent = start.elapsed();
    assert_eq!(last, 0);
    spent
}

fn futures(n: usize) -> Duration {
    fn round(left: u64) -> BoxFuture<'static, u64> {
        async move {
            match left {
                0 => 0,
                _ => futures::spawn_on(futures::pool(), round(left - 1)).await,
            }
        }
        .boxed()
    }
    let start = Instant::now();
    let last = block_on(futures::spawn_on(futures::pool(), round(n as u64)));
    let spent = start.elapsed();
    assert_eq!(last, 0);
    spent
}

fn promisery(n: usize) -> Duration {
    fn round(left: u64) -> promisery::Promise<u64, ()> {
        promisery::Promise::new(move || match left {
            0 => Ok(0),
            _ => round(left - 1).wait_nopanic(),
        })
    }
    let start = Instant::now();
    let last = round(n as u64).wait_nopanic();
    let spent = start.elapsed();
    assert_eq!(last, Ok(0));
    spent
}

fn poll_promise(n: usize) -> Duration {
    fn round(left: u64) -> poll_promise::Promise<u64> {
        poll_promise::Promise::spawn_thread("round", move || match left {
            0 => 0,
            _ => round(left - 1).block_and_take(),
        })
    }
    let start = Instant::now();
    let last = round(n as u64).block_and_take();
    let spent = start.elapsed();
    assert_eq!(last, 0);
    spent
}

fn boxed_futures(n: usize) -> Duration {
    fn round(left: u64) -> BoxFuture<'static, u64> {
        async move {
            match left {
                0 => 0,
                _ => round(left - 1).await,
            }
        }
        .boxed()
    }
    let start = Instant::now();
    let last = block_on(round(n as u64));
    let spent = start.elapsed();
    assert_eq!(last, 0);
    spent
}

fn tokio_loop(n: usize) -> Duration {
    let start = Instant::now();
    let whole = tokio::runtime().spawn(async move {
        let mut left = n as u64;
        while left > 0 {
            left = ::tokio::spawn(async move { left - 1 })
                .await
                .expect("no round fails");
        }
        left
    });
    let last = tokio::runtime().block_on(whole).expect("no round fails");
    let spent = start.elapsed();
    assert_eq!(last, 0);
    spent
}

fn floor(n: usize) -> Duration {
    struct Queue(Vec<Round>);
    type Round = Box<dyn FnOnce(&mut Queue)>;
    fn round(left: u64) -> Round {
        black_box(Box::new(move |queue| {
            if left > 0 {
                queue.0.push(round(left - 1));
            }
        }))
    }
    let start = Instant::now();
    let mut queue = Queue(vec![round(n as u64)]);
    let mut done = 0;
    while let Some(round) = queue.0.pop() {
        round(&mut queue);
        done += 1;
    }
    let spent = start.elapsed();
    assert_eq!(done, n + 1);
    spent
}
