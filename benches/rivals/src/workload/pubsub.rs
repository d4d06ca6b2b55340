//! What does it cost to have four threads publish to four that receive?
//!
//! N: 1 000 000 values, a quarter of them from each of 4 publishers; each of 4 receivers gets all
//! of them. Threads: those 8. Where a full buffer makes publishers wait, it has room for 1 024
//! values. Contestants: a `Topic` with receivers; async-broadcast, and bus with its one sender
//! behind a lock; a crossbeam channel for each receiver, to which each publisher sends. tokio's
//! broadcast has no way to wait: its buffer, and that of a variant of ours, has room for all
//! values. The floor queues and calls a boxed closure for each value and receiver.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ::bus::Bus;
use ::fast_async::topic::{Overflow, Topic};
use ::tokio::sync::broadcast;

use crate::contest::{Contestant, Workload, one_each};
use crate::peer::floor::{self, sum_below};

const PUBLISHERS: usize = 4;
const RECEIVERS: usize = 4;
const ROOM: usize = 1_024;

const HOLDS_ALL: &str = "its buffer holds all values";

pub(crate) const WORKLOAD: Workload = Workload {
    name: "pubsub",
    question: "What does it cost to have four threads publish to four that receive?",
    operation: "value, to all four",
    table: &[1_000_000],
    sweep: &[1_000, 10_000, 100_000, 1_000_000],
    short: &[1_000],
    operations: one_each,
    fill: 1,
    from_rest: false,
    reading: &[],
    contestants: &[
        Contestant::floor(|n| floor::queue(RECEIVERS * n)),
        Contestant::ours(|n| topic(n, ROOM)).noted("publishers wait for room"),
        Contestant::peer("tokio broadcast", tokio_broadcast).noted(HOLDS_ALL),
        Contestant::peer("async-broadcast", async_broadcast).noted("publishers wait for room"),
        Contestant::peer("bus, in a lock", bus).noted("publishers wait for room"),
        Contestant::peer("crossbeam channels", crossbeam).noted("publishers wait for room"),
        Contestant::variant("fast-async, room for all", |n| topic(n, n)).noted(HOLDS_ALL),
    ],
};

/// Each of `publishers` is called with its share of the values, and each of `receivers` returns the
/// sum of what it has got.
fn run<P, R>(n: usize, publishers: Vec<P>, receivers: Vec<R>) -> Duration
where
    P: FnOnce(Range<u64>) + Send,
    R: FnOnce(usize) -> u64 + Send,
{
    let n = n / PUBLISHERS * PUBLISHERS;
    let share = (n / PUBLISHERS) as u64;
    let total = AtomicU64::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        for receive in receivers {
            scope.spawn(|| total.fetch_add(receive(n), Ordering::Relaxed));
        }
        for (number, publish) in (0..).zip(publishers) {
            scope.spawn(move || publish(number * share..(number + 1) * share));
        }
    });
    let spent = start.elapsed();
    assert_eq!(total.into_inner(), RECEIVERS as u64 * sum_below(n));
    spent
}

fn topic(n: usize, room: usize) -> Duration {
    let topic = Topic::new();
    let receive = |_| {
        let receiver = topic.receiver(room, Overflow::Block);
        move |n: usize| receiver.take(n).map(|received| *received).sum::<u64>()
    };
    let receivers = (0..RECEIVERS).map(receive).collect();
    let publish = |_| {
        let topic = topic.clone();
        move |values: Range<u64>| {
            for value in values {
                topic.publish(value).expect("it is open");
            }
        }
    };
    run(n, (0..PUBLISHERS).map(publish).collect(), receivers)
}

fn tokio_broadcast(n: usize) -> Duration {
    let (sender, _) = broadcast::channel(n.max(1));
    let receive = |_| {
        let mut receiver = sender.subscribe();
        move |n: usize| {
            let values = (0..n).map(|_| receiver.blocking_recv().expect("none is lost"));
            values.sum::<u64>()
        }
    };
    let receivers = (0..RECEIVERS).map(receive).collect();
    let publish = |_| {
        let sender = sender.clone();
        move |values: Range<u64>| {
            for value in values {
                sender.send(value).expect("there are receivers");
            }
        }
    };
    run(n, (0..PUBLISHERS).map(publish).collect(), receivers)
}

fn async_broadcast(n: usize) -> Duration {
    let (sender, receiver) = ::async_broadcast::broadcast(ROOM);
    let receive = |_| {
        let mut receiver = receiver.clone();
        move |n: usize| {
            let values = (0..n).map(|_| receiver.recv_blocking().expect("it is open"));
            values.sum::<u64>()
        }
    };
    let receivers = (0..RECEIVERS).map(receive).collect();
    // This one takes nothing.
    drop(receiver);
    let publish = |_| {
        let sender = sender.clone();
        move |values: Range<u64>| {
            for value in values {
                sender.broadcast_blocking(value).expect("it is open");
            }
        }
    };
    run(n, (0..PUBLISHERS).map(publish).collect(), receivers)
}

fn bus(n: usize) -> Duration {
    let mut bus = Bus::new(ROOM);
    let receivers: Vec<_> = (0..RECEIVERS).map(|_| bus.add_rx()).collect();
    let receive = |mut receiver: ::bus::BusReader<u64>| {
        move |n: usize| {
            let values = (0..n).map(|_| receiver.recv().expect("it is open"));
            values.sum::<u64>()
        }
    };
    let receivers = receivers.into_iter().map(receive).collect();
    let bus = &Mutex::new(bus);
    let publish = |_| {
        move |values: Range<u64>| {
            for value in values {
                let mut bus = bus.lock().expect("no publisher panics");
                bus.broadcast(value);
            }
        }
    };
    run(n, (0..PUBLISHERS).map(publish).collect(), receivers)
}

fn crossbeam(n: usize) -> Duration {
    let channels = (0..RECEIVERS).map(|_| ::crossbeam_channel::bounded(ROOM));
    let (senders, receivers): (Vec<_>, Vec<_>) = channels.unzip();
    let receive = |receiver: ::crossbeam_channel::Receiver<u64>| {
        move |n: usize| {
            let values = (0..n).map(|_| receiver.recv().expect("it is open"));
            values.sum::<u64>()
        }
    };
    let receivers = receivers.into_iter().map(receive).collect();
    let publish = |_| {
        let senders = senders.clone();
        move |values: Range<u64>| {
            for value in values {
                for sender in &senders {
                    sender.send(value).expect("its receiver is there");
                }
            }
        }
    };
    run(n, (0..PUBLISHERS).map(publish).collect(), receivers)
}
