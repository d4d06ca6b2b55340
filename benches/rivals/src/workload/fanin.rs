//! What does it cost to join many pending promises into one?
//!
//! N: 200 000 promises, joined while pending, then settled one after another by another thread; the
//! joined result is waited for. Threads: the one that makes, joins and waits; the one that settles;
//! 2 workers for those that need an executor. Contestants: futures' join_all over its own channels
//! and over those of oneshot, tokio's JoinSet of tasks each awaiting a channel, promisery's all
//! over its threads (at most 2 000), each receiving. Channels received one after another are a
//! reference: they make no joined promise. The floor queues and runs boxed closures.

use std::fmt::Debug;
use std::pin::pin;
use std::time::{Duration, Instant};

use ::futures::channel::oneshot as channel;
use ::futures::executor::block_on;
use ::futures::future::join_all;
use ::tokio::task::JoinSet;

use crate::contest::{Contestant, Workload, one_each};
use crate::foreign::Language;
use crate::peer::floor::{self, sum_below};
use crate::peer::{threadpool, threads, tokio};
use crate::stage::elsewhere;

pub(crate) const WORKLOAD: Workload = Workload {
    name: "fanin",
    question: "What does it cost to join many pending promises into one?",
    operation: "promise",
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
        Contestant::peer("futures join_all", futures_join_all),
        Contestant::peer("oneshot + join_all", oneshot_join_all),
        Contestant::peer("tokio JoinSet", tokio_join_set),
        Contestant::peer("promisery all", promisery).at_most(threads::MOST, threads::WHY),
        Contestant::reference("oneshot, one by one", "no joined promise", oneshot),
        Contestant::reference(
            "poll-promise, one by one",
            "no joined promise",
            poll_promise,
        ),
        Contestant::foreign("JVM CompletableFuture", Language::Jvm),
        Contestant::foreign("Node", Language::Node).noted("settled on the one thread there is"),
        Contestant::foreign("Go, one by one", Language::Go).noted("no joined promise"),
    ],
};

fn fast_async(n: usize) -> Duration {
    let start = Instant::now();
    let (resolvers, tasks): (Vec<_>, Vec<_>) =
        (0..n).map(|_| ::fast_async::deferred::<u64>()).unzip();
    let joined = ::fast_async::all(tasks);
    elsewhere(move || {
        for (i, resolver) in (0..).zip(resolvers) {
            resolver.resolve(i).expect("no other resolver settles it");
        }
    });
    let sum = joined.wait().expect("none fails").into_iter().sum();
    checked(n, sum, start.elapsed())
}

fn futures_join_all(n: usize) -> Duration {
    let start = Instant::now();
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..n).map(|_| channel::channel::<u64>()).unzip();
    let sum = joined(receivers, move || {
        for (i, sender) in (0..).zip(senders) {
            sender.send(i).expect("the receiver waits");
        }
    });
    checked(n, sum, start.elapsed())
}

fn oneshot_join_all(n: usize) -> Duration {
    let start = Instant::now();
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..n).map(|_| ::oneshot::async_channel::<u64>()).unzip();
    let sum = joined(receivers, move || {
        for (i, sender) in (0..).zip(senders) {
            sender.send(i).expect("the receiver waits");
        }
    });
    checked(n, sum, start.elapsed())
}

/// Joins the receivers, lets `settle` run on the other thread, and adds up what comes.
fn joined<E: Debug>(
    receivers: Vec<impl Future<Output = Result<u64, E>>>,
    settle: impl FnOnce() + Send + 'static,
) -> u64 {
    let values = block_on(async {
        let mut joined = pin!(join_all(receivers));
        // Polled once, so that it waits for all of them before the first is sent.
        assert!(::futures::poll!(joined.as_mut()).is_pending());
        elsewhere(settle);
        joined.await
    });
    values
        .into_iter()
        .map(|value| value.expect("it is sent"))
        .sum()
}

fn tokio_join_set(n: usize) -> Duration {
    let start = Instant::now();
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..n)
        .map(|_| ::tokio::sync::oneshot::channel::<u64>())
        .unzip();
    let mut set = JoinSet::new();
    for receiver in receivers {
        set.spawn_on(
            async { receiver.await.expect("it is sent") },
            tokio::runtime().handle(),
        );
    }
    elsewhere(move || {
        for (i, sender) in (0..).zip(senders) {
            sender.send(i).expect("the receiver waits");
        }
    });
    let sum = tokio::runtime().block_on(set.join_all()).into_iter().sum();
    checked(n, sum, start.elapsed())
}

fn promisery(n: usize) -> Duration {
    let start = Instant::now();
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..n).map(|_| ::oneshot::channel::<u64>()).unzip();
    let promises: Vec<_> = receivers
        .into_iter()
        .map(|receiver| promisery::Promise::<u64, ()>::new(|| receiver.recv().map_err(|_| ())))
        .collect();
    let joined = promisery::Promise::all(promises);
    elsewhere(move || {
        for (i, sender) in (0..).zip(senders) {
            sender.send(i).expect("the receiver waits");
        }
    });
    let values = joined.wait_nopanic().expect("none fails");
    checked(n, values.into_iter().sum(), start.elapsed())
}

fn oneshot(n: usize) -> Duration {
    let start = Instant::now();
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..n).map(|_| ::oneshot::channel::<u64>()).unzip();
    elsewhere(move || {
        for (i, sender) in (0..).zip(senders) {
            sender.send(i).expect("the receiver waits");
        }
    });
    let sum = threadpool::receive(receivers);
    checked(n, sum, start.elapsed())
}

fn poll_promise(n: usize) -> Duration {
    let start = Instant::now();
    let (senders, promises): (Vec<_>, Vec<_>) =
        (0..n).map(|_| poll_promise::Promise::<u64>::new()).unzip();
    elsewhere(move || {
        for (i, sender) in (0..).zip(senders) {
            sender.send(i);
        }
    });
    let sum = promises
        .into_iter()
        .map(poll_promise::Promise::block_and_take)
        .sum();
    checked(n, sum, start.elapsed())
}

fn checked(n: usize, sum: u64, spent: Duration) -> Duration {
    assert_eq!(sum, sum_below(n));
    spent
}
