//! What does it cost to give one value to many?
//!
//! N: 1, 10 and 1 000 subscribers, which add up what they get; values are published until there
//! were 100 000 deliveries. Threads: the one that publishes; it receives too. Contestants: a
//! `Topic` with callbacks, and with receivers; tokio's broadcast, async-broadcast and bus, whose
//! receivers are asked for the value after each publish; a crossbeam channel for each subscriber.
//! The floor calls boxed closures in a list.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ::bus::Bus;
use ::fast_async::topic::{Overflow, Topic};
use ::tokio::sync::broadcast;

use crate::contest::{Contestant, Workload};

/// In one run, or one publish more.
const DELIVERIES: usize = 100_000;
/// The room of channels that have one.
const ROOM: usize = 16;

pub(crate) const WORKLOAD: Workload = Workload {
    name: "publish",
    question: "What does it cost to give one value to N subscribers?",
    operation: "delivery",
    table: &[1, 10, 1_000],
    sweep: &[1, 10, 100, 1_000, 10_000],
    short: &[10],
    operations: |n| n * publishes(n),
    fill: 1,
    from_rest: false,
    reading: &[
        "A callback is called by the publisher. Channels leave the value to be asked for, which a thread of its own would do.",
    ],
    contestants: &[
        Contestant::floor(floor),
        Contestant::ours(callbacks),
        Contestant::variant("receivers", receivers),
        Contestant::peer("tokio broadcast", tokio_broadcast),
        Contestant::peer("async-broadcast", async_broadcast),
        Contestant::peer("bus", bus),
        Contestant::peer("crossbeam channels", crossbeam),
    ],
};

const fn publishes(n: usize) -> usize {
    DELIVERIES.div_ceil(n)
}

/// What all subscribers together have got.
#[derive(Clone, Default)]
struct Sum(Arc<AtomicU64>);

impl Sum {
    /// Only one thread adds.
    fn add(&self, value: u64) {
        let sum = self.0.load(Ordering::Relaxed);
        self.0.store(sum + value, Ordering::Relaxed);
    }
}

/// `publish` gives a value to all.
fn run(n: usize, sum: &Sum, mut publish: impl FnMut(u64)) -> Duration {
    let values = publishes(n) as u64;
    let start = Instant::now();
    for value in 0..values {
        publish(value);
    }
    let spent = start.elapsed();
    let each = values * (values - 1) / 2;
    assert_eq!(sum.0.load(Ordering::Relaxed), each * n as u64);
    spent
}

fn floor(n: usize) -> Duration {
    let sum = Sum::default();
    type Callback = Box<dyn FnMut(&u64)>;
    let mut callbacks: Vec<Callback> = Vec::new();
    for _ in 0..n {
        let sum = sum.clone();
        callbacks.push(black_box(Box::new(move |value: &u64| sum.add(*value))));
    }
    run(n, &sum, |value| {
        let value = black_box(Box::new(value));
        callbacks.iter_mut().for_each(|callback| callback(&value));
    })
}

fn callbacks(n: usize) -> Duration {
    let (sum, topic) = (Sum::default(), Topic::new());
    for _ in 0..n {
        let sum = sum.clone();
        topic.subscribe(move |value: &u64| sum.add(*value));
    }
    run(n, &sum, |value| {
        assert_eq!(topic.publish(value), Ok(n));
    })
}

fn receivers(n: usize) -> Duration {
    let (sum, topic) = (Sum::default(), Topic::new());
    let receivers = (0..n).map(|_| topic.receiver(ROOM, Overflow::Block));
    let mut receivers: Vec<_> = receivers.collect();
    run(n, &sum, |value| {
        assert_eq!(topic.publish(value), Ok(n));
        for receiver in &mut receivers {
            sum.add(*receiver.try_recv().expect("a value"));
        }
    })
}

fn tokio_broadcast(n: usize) -> Duration {
    let (sum, (sender, _)) = (Sum::default(), broadcast::channel(ROOM));
    let mut receivers: Vec<_> = (0..n).map(|_| sender.subscribe()).collect();
    run(n, &sum, |value| {
        assert_eq!(sender.send(value).ok(), Some(n));
        for receiver in &mut receivers {
            sum.add(receiver.try_recv().expect("a value"));
        }
    })
}

fn async_broadcast(n: usize) -> Duration {
    let (sum, (sender, receiver)) = (Sum::default(), ::async_broadcast::broadcast(ROOM));
    let mut receivers = vec![receiver; n];
    run(n, &sum, |value| {
        sender.try_broadcast(value).expect("room");
        for receiver in &mut receivers {
            sum.add(receiver.try_recv().expect("a value"));
        }
    })
}

fn bus(n: usize) -> Duration {
    let (sum, mut bus) = (Sum::default(), Bus::new(ROOM));
    let mut receivers: Vec<_> = (0..n).map(|_| bus.add_rx()).collect();
    run(n, &sum, |value| {
        bus.try_broadcast(value).expect("room");
        for receiver in &mut receivers {
            sum.add(receiver.try_recv().expect("a value"));
        }
    })
}

fn crossbeam(n: usize) -> Duration {
    let sum = Sum::default();
    let channels: Vec<_> = (0..n).map(|_| ::crossbeam_channel::bounded(ROOM)).collect();
    run(n, &sum, |value| {
        for (sender, _) in &channels {
            sender.send(value).expect("its receiver is there");
        }
        for (_, receiver) in &channels {
            sum.add(receiver.try_recv().expect("a value"));
        }
    })
}
