//! What does a job cost that waits for its turn?
//!
//! N: 100 000 no-op closures, given by one thread outside of the pool to something that runs one of
//! them at a time, in order; then the thread waits for every handle. Threads: 2 workers, and the
//! one outside. Contestants: a serial `TaskQueue`; tokio tasks that wait for a semaphore's only
//! permit, or for a mutex. A pool of one thread is a reference: its thread is of no use to others.
//! `TaskQueue` with a limit of 8 is a variant. The floor queues and runs boxed closures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::fast_async::{Task, TaskQueue};
use ::tokio::sync::{Mutex, Semaphore};

use crate::contest::{Contestant, Workload, one_each};
use crate::peer::fast_async::{few_threads, one_thread};
use crate::peer::floor::{self, sum_below};
use crate::peer::tokio::runtime;

pub(crate) const WORKLOAD: Workload = Workload {
    name: "queue",
    question: "What does a job cost that waits for its turn?",
    operation: "job",
    table: &[100_000],
    sweep: &[10, 100, 1_000, 10_000, 100_000],
    short: &[1_000],
    operations: one_each,
    fill: super::FILL,
    from_rest: false,
    reading: &[],
    contestants: &[
        Contestant::floor(floor::queue),
        Contestant::ours(|n| in_queue(n, 1)),
        Contestant::peer("tokio Semaphore", tokio_semaphore),
        Contestant::peer("tokio Mutex", tokio_mutex),
        Contestant::variant("at most 8 at a time", |n| in_queue(n, 8)),
        Contestant::reference("fast-async, one thread", "a thread of its own", |n| {
            let pool = one_thread();
            run(n, |i| pool.spawn(move || i))
        }),
    ],
};

fn run(n: usize, spawn: impl Fn(u64) -> Task<u64>) -> Duration {
    let start = Instant::now();
    let tasks: Vec<_> = (0..n as u64).map(spawn).collect();
    let outcomes = tasks.into_iter().map(Task::wait);
    let sum: u64 = outcomes.map(|value| value.expect("none fails")).sum();
    let spent = start.elapsed();
    assert_eq!(sum, sum_below(n));
    spent
}

fn in_queue(n: usize, limit: usize) -> Duration {
    let queue = TaskQueue::builder().pool(few_threads()).limit(limit);
    let queue = queue.build().expect("a limit above 0");
    run(n, |i| queue.spawn(move || i))
}

fn in_tokio<F>(n: usize, job: impl Fn(u64) -> F) -> Duration
where
    F: Future<Output = u64> + Send + 'static,
{
    let start = Instant::now();
    let handles: Vec<_> = (0..n as u64).map(|i| runtime().spawn(job(i))).collect();
    let sum = runtime().block_on(async {
        let mut sum = 0;
        for handle in handles {
            sum += handle.await.expect("none fails");
        }
        sum
    });
    let spent = start.elapsed();
    assert_eq!(sum, sum_below(n));
    spent
}

fn tokio_semaphore(n: usize) -> Duration {
    let one = Arc::new(Semaphore::new(1));
    in_tokio(n, |i| {
        let one = one.clone();
        async move {
            let _permit = one.acquire().await.expect("it is open");
            i
        }
    })
}

fn tokio_mutex(n: usize) -> Duration {
    let one = Arc::new(Mutex::new(()));
    in_tokio(n, |i| {
        let one = one.clone();
        async move {
            let _locked = one.lock().await;
            i
        }
    })
}
