//! How well does the pool's entrance take eight threads at once?
//!
//! N: 200 000 no-op closures, 25 000 from each of 8 threads outside of the pool; each waits for its
//! own. Threads: 8 producers, 2 workers; up to 64 in pools that grow. Contestants: every pool. The
//! crates that start a thread for every promise run at 2 000. The floor is one thread that queues
//! and runs all of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::contest::{Contestant, Workload, one_each};
use crate::foreign::Language;
use crate::peer::floor::{self, sum_below};
use crate::peer::{
    Peer, async_executor, blocking, fast_async, futures, rayon, threadpool, threads, tokio,
};
use crate::stage::together;

const PRODUCERS: usize = 8;

pub(crate) const WORKLOAD: Workload = Workload {
    name: "producers8",
    question: "How well does the pool's entrance take eight threads at once?",
    operation: "closure",
    table: &[200_000],
    sweep: &[80, 800, 8_000, 80_000, 200_000],
    short: &[800],
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

fn run<P: Peer>(n: usize) -> Duration {
    let share = n / PRODUCERS;
    let sum = AtomicU64::new(0);
    let spent = together(PRODUCERS, || {
        let handles: Vec<_> = (0..share as u64).map(|i| P::spawn(move || i)).collect();
        sum.fetch_add(P::wait(handles), Ordering::Relaxed);
    });
    assert_eq!(sum.into_inner(), PRODUCERS as u64 * sum_below(share));
    spent
}
