//! What does a link of a long chain cost, and does it depend on the length?
//!
//! N: 10 to 1 000 000 continuations, each adding one and capturing a word, registered on one
//! pending promise that is then settled; the end is waited for. Threads: the one that builds and
//! settles; 2 workers for those that need an executor. Contestants: boxed futures polled in place
//! (their poll recurses: the stack ends before a million), tasks each awaiting the task before,
//! promisery's thread with its list of jobs, poll-promise's thread for every link (at most 2 000).
//! Jobs on rayon and threadpool can only block until the job before has sent: two links would hold
//! both threads. The floor calls a list of boxed closures, value by value.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ::futures::FutureExt;
use ::futures::channel::oneshot;
use ::futures::executor::block_on;
use ::futures::future::BoxFuture;

use crate::contest::{Contestant, Workload, one_each};
use crate::foreign::Language;
use crate::peer::{async_executor, futures, threads, tokio};

type Step = Box<dyn FnOnce(u64) -> u64 + Send>;

pub(crate) const WORKLOAD: Workload = Workload {
    name: "chain",
    question: "What does a link of a long chain cost, and does it depend on the length?",
    operation: "link",
    table: &[10, 1_000, 200_000, 1_000_000],
    sweep: &[10, 100, 1_000, 10_000, 200_000, 1_000_000],
    short: &[1_000],
    operations: one_each,
    fill: super::FILL,
    from_rest: false,
    reading: &[],
    contestants: &[
        Contestant::floor(floor),
        Contestant::ours(fast_async),
        Contestant::peer("boxed futures", boxed_futures).at_most(
            200_000,
            "a million overflow 32 MB of stack, 200 000 the usual 8 MB",
        ),
        Contestant::peer("tokio tasks", tokio),
        Contestant::peer("async-executor tasks", async_executor),
        Contestant::peer("futures ThreadPool tasks", futures),
        Contestant::peer("promisery", promisery),
        Contestant::peer("poll-promise", poll_promise).at_most(threads::MOST, threads::WHY),
        Contestant::foreign("JVM CompletableFuture", Language::Jvm),
        Contestant::foreign("Node", Language::Node),
        Contestant::foreign("Go", Language::Go).noted("a goroutine for every link"),
    ],
};

pub(super) fn fast_async(n: usize) -> Duration {
    let start = Instant::now();
    let (resolver, mut task) = fast_async::deferred::<u64>();
    for i in 1..=n as u64 {
        task = task.then(move |value| (value + 1).min(i));
    }
    resolver.resolve(0).expect("no other resolver settles it");
    let value = task.wait().expect("no link fails");
    let spent = start.elapsed();
    assert_eq!(value, n as u64);
    spent
}

fn boxed_futures(n: usize) -> Duration {
    let start = Instant::now();
    let (sender, receiver) = oneshot::channel::<u64>();
    let mut future: BoxFuture<'static, u64> = receiver.map(|value| value.unwrap_or(0)).boxed();
    for i in 1..=n as u64 {
        future = future.map(move |value| (value + 1).min(i)).boxed();
    }
    sender.send(0).expect("the receiver is held here");
    let value = block_on(future);
    let spent = start.elapsed();
    assert_eq!(value, n as u64);
    spent
}

fn tokio(n: usize) -> Duration {
    let runtime = tokio::runtime();
    let start = Instant::now();
    let (sender, receiver) = oneshot::channel::<u64>();
    let mut task = runtime.spawn(async { receiver.await.expect("it is sent") });
    for i in 1..=n as u64 {
        task = runtime.spawn(async move { (task.await.expect("no link fails") + 1).min(i) });
    }
    sender.send(0).expect("the receiver is held by a task");
    let value = runtime.block_on(task).expect("no link fails");
    let spent = start.elapsed();
    assert_eq!(value, n as u64);
    spent
}

fn async_executor(n: usize) -> Duration {
    let pool = async_executor::pool();
    let start = Instant::now();
    let (sender, receiver) = oneshot::channel::<u64>();
    let mut task = pool.spawn(async { receiver.await.expect("it is sent") });
    for i in 1..=n as u64 {
        task = pool.spawn(async move { (task.await + 1).min(i) });
    }
    sender.send(0).expect("the receiver is held by a task");
    let value = block_on(task);
    let spent = start.elapsed();
    assert_eq!(value, n as u64);
    spent
}

fn futures(n: usize) -> Duration {
    let pool = futures::pool();
    let start = Instant::now();
    let (sender, receiver) = oneshot::channel::<u64>();
    let mut task = futures::spawn_on(pool, async { receiver.await.expect("it is sent") });
    for i in 1..=n as u64 {
        task = futures::spawn_on(pool, async move { (task.await + 1).min(i) });
    }
    sender.send(0).expect("the receiver is held by a task");
    let value = block_on(task);
    let spent = start.elapsed();
    assert_eq!(value, n as u64);
    spent
}

fn promisery(n: usize) -> Duration {
    let start = Instant::now();
    let (sender, receiver) = ::oneshot::channel::<u64>();
    let mut promise = promisery::Promise::<u64, ()>::new(|| receiver.recv().map_err(|_| ()));
    for i in 1..=n as u64 {
        promise = promise.map(move |value| Ok((value + 1).min(i)));
    }
    sender.send(0).expect("the promise's thread receives it");
    let value = promise.wait_nopanic().expect("no link fails");
    let spent = start.elapsed();
    assert_eq!(value, n as u64);
    spent
}

fn poll_promise(n: usize) -> Duration {
    let start = Instant::now();
    let (sender, mut promise) = poll_promise::Promise::<u64>::new();
    for i in 1..=n as u64 {
        promise = poll_promise::Promise::spawn_thread("link", move || {
            (promise.block_and_take() + 1).min(i)
        });
    }
    sender.send(0);
    let value = promise.block_and_take();
    let spent = start.elapsed();
    assert_eq!(value, n as u64);
    spent
}

fn floor(n: usize) -> Duration {
    let start = Instant::now();
    let mut steps: Vec<Step> = Vec::new();
    for i in 1..=n as u64 {
        // It captures its number: a closure without captures would not be allocated.
        steps.push(black_box(Box::new(move |value| (value + 1).min(i))));
    }
    let value = steps.into_iter().fold(0, |value, step| step(value));
    let spent = start.elapsed();
    assert_eq!(value, n as u64);
    spent
}
