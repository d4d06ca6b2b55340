//! What does an observer cost, and does it depend on how many there are?
//!
//! N: 1 to 1 000 000 observers of one pending promise, each capturing a word, which is then
//! settled; all have seen the value at the end. Threads: the one that registers and settles; 2
//! workers for those that need an executor. Contestants: clones of futures' `Shared`, all polled
//! once, then awaited in turn or together, or each by a task of an executor; tokio tasks watching
//! one channel. Some tasks may subscribe only after the value is there, which favours them. The
//! promise crates have no observers: the first reader consumes theirs; so does the first reader of
//! a channel on rayon or threadpool. The floor calls a list of boxed closures.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ::futures::channel::oneshot;
use ::futures::executor::block_on;
use ::futures::future::{self, FutureExt};
use ::tokio::sync::watch;

use crate::contest::{Contestant, Workload, one_each};
use crate::foreign::Language;
use crate::peer::tokio::{self, Tasks};
use crate::peer::{Peer, async_executor, futures};

type Observer = Box<dyn FnOnce(&u64) + Send>;

pub(crate) const WORKLOAD: Workload = Workload {
    name: "fanout",
    question: "What does an observer cost, and does it depend on how many there are?",
    operation: "observer",
    table: &[1, 10, 200_000, 1_000_000],
    sweep: &[1, 10, 100, 1_000, 10_000, 200_000, 1_000_000],
    short: &[1_000],
    operations: one_each,
    fill: super::FILL,
    from_rest: false,
    reading: &[],
    contestants: &[
        Contestant::floor(floor),
        Contestant::ours(fast_async),
        Contestant::peer("futures Shared, in turn", shared_in_turn),
        Contestant::peer("futures Shared + join_all", shared_joined),
        Contestant::peer("async-executor + Shared", async_executor),
        Contestant::peer("futures ThreadPool + Shared", thread_pool),
        Contestant::peer("tokio watch", tokio_watch),
        Contestant::foreign("JVM CompletableFuture", Language::Jvm),
        Contestant::foreign("Node", Language::Node),
        Contestant::foreign("Go", Language::Go).noted("a goroutine for every observer"),
    ],
};

/// What the observers have seen, added up: they return nothing.
static SEEN: AtomicU64 = AtomicU64::new(0);

/// `i` is what the observer has captured.
fn see(value: u64, i: usize) {
    SEEN.fetch_add(value, Ordering::Relaxed);
    black_box(i);
}

fn fast_async(n: usize) -> Duration {
    let start = Instant::now();
    let (resolver, task) = ::fast_async::deferred::<u64>();
    for i in 0..n {
        task.subscribe(move |value| see(*value, i), |_| {});
    }
    resolver.resolve(1).expect("no other resolver settles it");
    // The consumer's turn comes after all observers.
    task.wait().expect("it is resolved");
    let spent = start.elapsed();
    assert_eq!(SEEN.swap(0, Ordering::Relaxed), n as u64);
    spent
}

fn shared_in_turn(n: usize) -> Duration {
    let start = Instant::now();
    let (sender, receiver) = oneshot::channel::<u64>();
    let shared = receiver.map(|value| value.unwrap_or(0)).shared();
    let mut observers: Vec<_> = (0..n)
        .map(|i| shared.clone().map(move |value| see(value, i)))
        .collect();
    for observer in &mut observers {
        assert!(observer.now_or_never().is_none());
    }
    sender.send(1).expect("the receiver is held here");
    block_on(async {
        for observer in observers {
            observer.await;
        }
    });
    let spent = start.elapsed();
    assert_eq!(SEEN.swap(0, Ordering::Relaxed), n as u64);
    spent
}

fn shared_joined(n: usize) -> Duration {
    let start = Instant::now();
    let (sender, receiver) = oneshot::channel::<u64>();
    let shared = receiver.map(|value| value.unwrap_or(0)).shared();
    let observers =
        future::join_all((0..n).map(|i| shared.clone().map(move |value| see(value, i))));
    // Polled in this order: every observer finds the value pending, then it is sent.
    block_on(future::join(observers, async {
        sender.send(1).expect("the receiver is held here");
    }));
    let spent = start.elapsed();
    assert_eq!(SEEN.swap(0, Ordering::Relaxed), n as u64);
    spent
}

fn async_executor(n: usize) -> Duration {
    let start = Instant::now();
    let (sender, observers) = observers(n);
    let tasks: Vec<_> = observers
        .map(|observer| async_executor::pool().spawn(observer))
        .collect();
    settled(n, sender, tasks, start)
}

fn thread_pool(n: usize) -> Duration {
    let start = Instant::now();
    let (sender, observers) = observers(n);
    let tasks: Vec<_> = observers
        .map(|observer| futures::spawn_on(futures::pool(), observer))
        .collect();
    settled(n, sender, tasks, start)
}

/// Futures for an executor to run, and what they wait for.
fn observers(
    n: usize,
) -> (
    oneshot::Sender<u64>,
    impl Iterator<Item = impl Future<Output = ()> + Send + 'static>,
) {
    let (sender, receiver) = oneshot::channel::<u64>();
    let shared = receiver.map(|value| value.unwrap_or(0)).shared();
    let observers = (0..n).map(move |i| shared.clone().map(move |value| see(value, i)));
    (sender, observers)
}

/// Settles, and waits until every task has seen the value.
fn settled(
    n: usize,
    sender: oneshot::Sender<u64>,
    tasks: Vec<impl Future<Output = ()>>,
    start: Instant,
) -> Duration {
    sender.send(1).expect("an observer holds the receiver");
    block_on(async {
        for task in tasks {
            task.await;
        }
    });
    let spent = start.elapsed();
    assert_eq!(SEEN.swap(0, Ordering::Relaxed), n as u64);
    spent
}

fn tokio_watch(n: usize) -> Duration {
    let start = Instant::now();
    let (sender, receiver) = watch::channel(0);
    let observers: Vec<_> = (0..n)
        .map(|_| {
            let mut receiver = receiver.clone();
            tokio::runtime().spawn(async move {
                receiver.changed().await.expect("the sender is kept");
                *receiver.borrow()
            })
        })
        .collect();
    sender.send(1).expect("the receiver is held here");
    let sum = Tasks::wait(observers);
    let spent = start.elapsed();
    assert_eq!(sum, n as u64);
    spent
}

fn floor(n: usize) -> Duration {
    let start = Instant::now();
    let mut observers: Vec<Observer> = Vec::new();
    for i in 0..n {
        // It captures its number: a closure without captures would not be allocated.
        observers.push(black_box(Box::new(move |value| {
            see(*value, i);
        })));
    }
    for observer in observers {
        observer(&1);
    }
    let spent = start.elapsed();
    assert_eq!(SEEN.swap(0, Ordering::Relaxed), n as u64);
    spent
}
