//! What does it cost to wait, on a worker, for work that has not started?
//!
//! N: 10 000 closures, each spawned by the one worker there is and waited for before the next: no
//! other thread could start them. Threads: 1 worker; the thread outside sleeps. Contestants:
//! executors of futures, which suspend the parent and run the child; pools whose waiters block
//! would never return. A rayon scope runs what it waits for, but has no handle to wait for. The
//! floor runs one boxed closure at a time.

use std::time::{Duration, Instant};

use ::futures::executor::block_on;

use crate::contest::{Contestant, Workload, one_each};
use crate::peer::floor::{self, sum_below};
use crate::peer::{async_executor, fast_async, futures, rayon, tokio};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "roundtrip_worker",
    question: "What does it cost to wait, on a worker, for work that has not started?",
    operation: "round trip",
    table: &[10_000],
    sweep: &[10, 100, 1_000, 10_000],
    short: &[1_000],
    operations: one_each,
    fill: super::FILL,
    from_rest: false,
    reading: &[],
    contestants: &[
        Contestant::floor(floor::one_by_one),
        Contestant::ours(fast_async),
        Contestant::peer("tokio spawn", tokio),
        Contestant::peer("async-executor", async_executor),
        Contestant::peer("futures ThreadPool", futures),
        Contestant::reference("rayon scope", "no task objects", rayon),
    ],
};

fn fast_async(n: usize) -> Duration {
    let pool = fast_async::one_thread();
    let (sum, spent) = pool
        .spawn(move || {
            let start = Instant::now();
            let sum = (0..n as u64)
                .map(|i| pool.spawn(move || i).wait().expect("the child returns"))
                .sum();
            (sum, start.elapsed())
        })
        .wait()
        .expect("the parent returns");
    checked(n, sum, spent)
}

fn tokio(n: usize) -> Duration {
    let runtime = tokio::one_thread();
    let parent = runtime.spawn(async move {
        let start = Instant::now();
        let mut sum = 0;
        for i in 0..n as u64 {
            sum += runtime
                .spawn(async move { i })
                .await
                .expect("the child returns");
        }
        (sum, start.elapsed())
    });
    let (sum, spent) = runtime.block_on(parent).expect("the parent returns");
    checked(n, sum, spent)
}

fn async_executor(n: usize) -> Duration {
    let pool = async_executor::one_thread();
    let parent = pool.spawn(async move {
        let start = Instant::now();
        let mut sum = 0;
        for i in 0..n as u64 {
            sum += pool.spawn(async move { i }).await;
        }
        (sum, start.elapsed())
    });
    let (sum, spent) = block_on(parent);
    checked(n, sum, spent)
}

fn futures(n: usize) -> Duration {
    let pool = futures::one_thread();
    let parent = futures::spawn_on(pool, async move {
        let start = Instant::now();
        let mut sum = 0;
        for i in 0..n as u64 {
            sum += futures::spawn_on(pool, async move { i }).await;
        }
        (sum, start.elapsed())
    });
    let (sum, spent) = block_on(parent);
    checked(n, sum, spent)
}

fn rayon(n: usize) -> Duration {
    let (sum, spent) = rayon::one_thread().install(|| {
        let start = Instant::now();
        let mut sum = 0;
        for i in 0..n as u64 {
            let mut result = 0;
            ::rayon::scope(|scope| scope.spawn(|_| result = i));
            sum += result;
        }
        (sum, start.elapsed())
    });
    checked(n, sum, spent)
}

fn checked(n: usize, sum: u64, spent: Duration) -> Duration {
    assert_eq!(sum, sum_below(n));
    spent
}
