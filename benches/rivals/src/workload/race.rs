//! What does it cost to have the first result of ten?
//!
//! N: 1 000 races, one after another, each of 10 no-op closures that are spawned for it from
//! outside of the pool; and of 10 tasks that are settled already. Threads: 2 workers, and the one
//! outside. Contestants: `race`; futures' `select_all` over each executor's handles, with the
//! losers dropped. Dropping a handle of tokio's detaches the task, where a race cancels it. The
//! floor queues and runs boxed closures.

use std::time::{Duration, Instant};

use ::fast_async::{Task, race};
use ::futures::executor::block_on;
use ::futures::future::{ready, select_all};

use crate::contest::{Contestant, Workload, one_each};
use crate::peer::async_executor::AsyncExecutor;
use crate::peer::fast_async::FastAsync;
use crate::peer::futures::Futures;
use crate::peer::{Peer, floor, tokio};

const RUNNERS: usize = 10;

pub(crate) const WORKLOAD: Workload = Workload {
    name: "race",
    question: "What does it cost to have the first result of ten?",
    operation: "race of ten",
    table: &[1_000],
    sweep: &[10, 100, 1_000, 10_000],
    short: &[100],
    operations: one_each,
    fill: 1_000,
    from_rest: false,
    reading: &[],
    contestants: &[
        Contestant::floor(|n| floor::queue(RUNNERS * n)),
        Contestant::ours(|n| {
            one_by_one(n, || {
                race(spawned::<FastAsync>()).wait().expect("none fails")
            })
        }),
        Contestant::peer("tokio + select_all", |n| {
            one_by_one(n, || {
                let first = tokio::runtime().block_on(select_all(spawned::<tokio::Tasks>()));
                first.0.expect("none fails")
            })
        }),
        Contestant::peer("async-executor + select_all", |n| {
            one_by_one(n, || block_on(select_all(spawned::<AsyncExecutor>())).0)
        }),
        Contestant::peer("futures ThreadPool + select_all", |n| {
            one_by_one(n, || block_on(select_all(spawned::<Futures>())).0)
        }),
        Contestant::variant("settled tasks", |n| {
            one_by_one(n, || {
                let tasks = (0..RUNNERS as u64).map(Task::ready);
                race(tasks).wait().expect("none fails")
            })
        }),
        Contestant::reference("select_all, ready futures", "no tasks", |n| {
            one_by_one(n, || block_on(select_all((0..RUNNERS as u64).map(ready))).0)
        }),
    ],
};

fn spawned<P: Peer>() -> Vec<P::Handle> {
    (0..RUNNERS as u64).map(|i| P::spawn(move || i)).collect()
}

fn one_by_one(n: usize, mut race: impl FnMut() -> u64) -> Duration {
    let start = Instant::now();
    let sum: u64 = (0..n).map(|_| race()).sum();
    let spent = start.elapsed();
    assert!(sum < (RUNNERS * n) as u64);
    spent
}
