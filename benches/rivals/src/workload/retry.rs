//! What does a retry cost whose first call succeeds?
//!
//! N: 1 000 and 200 000 calls, started by one thread outside of the pool, which then waits for
//! every handle in order. Threads: 2 workers, and the one outside. Contestants: fast-async alone,
//! and what is retried without the retry: `attempt`, and `attempt_with` for a closure that looks
//! whether it was cancelled. The floor queues and runs boxed closures.

use std::time::{Duration, Instant};

use ::fast_async::{Pool, Retry, Task};

use crate::contest::{Contestant, Workload, one_each};
use crate::peer::fast_async::few_threads;
use crate::peer::floor::{self, sum_below};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "retry",
    question: "What does a retry cost whose first call succeeds?",
    operation: "call",
    table: &[1_000, 200_000],
    sweep: &[10, 100, 1_000, 10_000, 200_000],
    short: &[1_000],
    operations: one_each,
    fill: super::FILL,
    from_rest: false,
    reading: &[],
    contestants: &[
        Contestant::floor(floor::queue),
        Contestant::ours(|n| run(n, |pool, i| pool.retry(Retry::attempts(3), move |_| Ok(i)))),
        Contestant::variant("bare attempt", |n| {
            run(n, |pool, i| pool.attempt(move || Ok(i)))
        }),
        Contestant::variant("with a backoff", |n| {
            let policy = || Retry::attempts(3).exponential(MOMENT, 100 * MOMENT);
            run(n, move |pool, i| pool.retry(policy(), move |_| Ok(i)))
        }),
        Contestant::variant("a closure that looks for a cancel", |n| {
            run(n, |pool, i| {
                pool.retry(Retry::attempts(3), move |attempt| {
                    attempt.check()?;
                    Ok(i)
                })
            })
        }),
        Contestant::variant("bare attempt_with that looks for one", |n| {
            run(n, |pool, i| {
                pool.attempt_with(move |context| {
                    context.check()?;
                    Ok(i)
                })
            })
        }),
    ],
};

const MOMENT: Duration = Duration::from_millis(10);

fn run(n: usize, call: impl Fn(&Pool, u64) -> Task<u64>) -> Duration {
    let pool = few_threads();
    let start = Instant::now();
    let tasks: Vec<_> = (0..n as u64).map(|i| call(pool, i)).collect();
    let outcomes = tasks.into_iter().map(Task::wait);
    let sum: u64 = outcomes.map(|value| value.expect("none fails")).sum();
    let spent = start.elapsed();
    assert_eq!(sum, sum_below(n));
    spent
}
