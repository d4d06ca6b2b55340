//! What does it cost to spawn a job and cancel it before it starts?
//!
//! N: 200 000 jobs queued while every thread of the pool is held, all cancelled; then the threads
//! are released, and one more job is waited for, so that work which a pool defers until it pops the
//! cancelled job is part of the figure. Threads: 2 workers, held; 64 for the pools that block; and
//! the one outside. Contestants: those whose handles cancel; channels to rayon and threadpool
//! cannot take a job back. The floor makes, queues and drops boxed closures.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ::fast_async::CancelOutcome;
use ::futures::executor::block_on;

use crate::contest::{Contestant, Workload, one_each};
use crate::foreign::Language;
use crate::peer::floor::boxed;
use crate::peer::{self, FEW, MANY, Peer, async_executor, fast_async, futures, tokio};
use crate::stage::Gate;

pub(crate) const WORKLOAD: Workload = Workload {
    name: "cancel",
    question: "What does it cost to spawn a job and cancel it before it starts?",
    operation: "job",
    table: &[200_000],
    sweep: &[100, 1_000, 10_000, 200_000],
    short: &[1_000],
    operations: one_each,
    fill: 1_000,
    from_rest: false,
    reading: &[
        "At N = 100 the wake-up of the threads that were held, and of the one outside that waits for the last job, is a large part:",
        "some ten microseconds, spread over 100 jobs. Where 64 threads were held, it is 64 wake-ups.",
    ],
    contestants: &[
        Contestant::floor(floor),
        Contestant::ours(fast_async),
        Contestant::peer("tokio spawn", tokio_tasks),
        Contestant::peer("tokio spawn_blocking", tokio_blocking),
        Contestant::peer("async-executor", async_executor),
        Contestant::peer("futures ThreadPool", futures),
        Contestant::peer("blocking", blocking),
        Contestant::foreign("JVM CompletableFuture", Language::Jvm),
    ],
};

/// How many of the jobs ran: none may.
static RAN: AtomicU64 = AtomicU64::new(0);

fn job(i: u64) -> impl FnOnce() -> u64 + Send + 'static {
    move || RAN.fetch_add(1, Ordering::Relaxed) + i
}

/// Spawns, cancels and clears away, behind a closed gate.
fn behind<H>(
    gate: Gate,
    n: usize,
    spawn: impl Fn(u64) -> H,
    cancel: impl Fn(H),
    last: impl FnOnce() -> u64,
) -> Duration {
    let start = Instant::now();
    let handles: Vec<H> = (0..n as u64).map(spawn).collect();
    handles.into_iter().for_each(cancel);
    gate.open();
    last();
    let spent = start.elapsed();
    assert_eq!(RAN.load(Ordering::Relaxed), 0, "a cancelled job ran");
    spent
}

fn fast_async(n: usize) -> Duration {
    let pool = fast_async::few_threads();
    behind(
        Gate::close(FEW, |held| drop(pool.spawn(held))),
        n,
        |i| pool.spawn(job(i)),
        |task| assert_eq!(task.cancel(), CancelOutcome::Prevented),
        || pool.spawn(|| 0).wait().expect("it returns"),
    )
}

fn tokio_tasks(n: usize) -> Duration {
    let runtime = tokio::runtime();
    behind(
        Gate::close(FEW, |held| drop(runtime.spawn(async { held() }))),
        n,
        |i| tokio::Tasks::spawn(job(i)),
        |handle| handle.abort(),
        || tokio::Tasks::wait([tokio::Tasks::spawn(|| 0)]),
    )
}

fn tokio_blocking(n: usize) -> Duration {
    let runtime = tokio::runtime();
    behind(
        Gate::close(MANY, |held| drop(runtime.spawn_blocking(held))),
        n,
        |i| tokio::Blocking::spawn(job(i)),
        |handle| handle.abort(),
        || tokio::Blocking::wait([tokio::Blocking::spawn(|| 0)]),
    )
}

fn async_executor(n: usize) -> Duration {
    let pool = async_executor::pool();
    behind(
        Gate::close(FEW, |held| pool.spawn(async { held() }).detach()),
        n,
        |i| async_executor::AsyncExecutor::spawn(job(i)),
        drop,
        || block_on(pool.spawn(async { 0 })),
    )
}

fn futures(n: usize) -> Duration {
    let pool = futures::pool();
    behind(
        Gate::close(FEW, |held| pool.spawn_ok(async { held() })),
        n,
        |i| futures::Futures::spawn(job(i)),
        drop,
        || futures::Futures::wait([futures::Futures::spawn(|| 0)]),
    )
}

fn blocking(n: usize) -> Duration {
    use peer::blocking::Blocking;
    behind(
        Gate::close(MANY, |held| ::blocking::unblock(held).detach()),
        n,
        |i| Blocking::spawn(job(i)),
        drop,
        || Blocking::wait([Blocking::spawn(|| 0)]),
    )
}

fn floor(n: usize) -> Duration {
    let start = Instant::now();
    let mut queue = VecDeque::new();
    for i in 0..n as u64 {
        queue.push_back(boxed(job(i)));
    }
    queue.drain(..).for_each(drop);
    let spent = start.elapsed();
    assert_eq!(RAN.load(Ordering::Relaxed), 0, "a dropped job ran");
    spent
}
