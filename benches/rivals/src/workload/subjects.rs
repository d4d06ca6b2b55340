//! What does it cost to find those who have subscribed to a subject, among many?
//!
//! N: 1 000, 100 000 and 1 000 000 subscriptions, each to a pattern of its own with three tokens,
//! the second a wildcard for every tenth; 10 000 publishes, each to a subject that one pattern
//! matches. Threads: the one that publishes. Contestants: `Topics`, and a hash map from the whole
//! subject to a list of boxed callbacks, which knows no wildcards. The floor is that map without a
//! call.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ::fast_async::topic::{Message, Topic, Topics};

use crate::contest::{Contestant, Workload};

/// Publishes in one run.
const COUNT: usize = 10_000;

pub(crate) const WORKLOAD: Workload = Workload {
    name: "subjects",
    question: "What does it cost to find the subscriber of a subject among N?",
    operation: "publish",
    table: &[1_000, 100_000, 1_000_000],
    sweep: &[1_000, 10_000, 100_000, 1_000_000],
    short: &[1_000],
    operations: |_| COUNT,
    fill: COUNT,
    from_rest: false,
    reading: &[
        "Each publish goes to another subject: with a million of them, most of the time is spent waiting for memory.",
    ],
    contestants: &[
        Contestant::floor(floor),
        Contestant::ours(topics),
        Contestant::reference("HashMap of callbacks", "no patterns, no order", map),
    ],
};

static CALLS: AtomicU64 = AtomicU64::new(0);

fn count() {
    CALLS.store(CALLS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

fn subject(i: usize) -> String {
    format!("area{}.{}.event{i}", i % 10, ["on", "off"][i % 2])
}

fn pattern(i: usize) -> String {
    match i % 10 {
        0 => format!("area{}.*.event{i}", i % 10),
        _ => subject(i),
    }
}

/// The subjects that are published to: spread over all, and none twice in a row.
fn asked(n: usize) -> &'static [String] {
    static ASKED: OnceLock<Vec<String>> = OnceLock::new();
    ASKED.get_or_init(|| (0..COUNT).map(|i| subject(i * 7_919 % n)).collect())
}

fn topics(n: usize) -> Duration {
    type Kept = (Topics<u64>, Vec<Topic<Message<u64>>>);
    static TOPICS: OnceLock<Kept> = OnceLock::new();
    let asked = asked(n);
    let (topics, _) = TOPICS.get_or_init(|| {
        let topics = Topics::new();
        let subscribe = |i| {
            let topic = topics.topic(&pattern(i)).expect("a pattern");
            topic.subscribe(|message| {
                black_box(**message);
                count();
            });
            topic
        };
        let kept = (0..n).map(subscribe).collect();
        (topics, kept)
    });
    let before = CALLS.load(Ordering::Relaxed);
    let start = Instant::now();
    for (value, subject) in (0..).zip(asked) {
        topics.publish(subject, value).expect("it is open");
    }
    let spent = start.elapsed();
    assert_eq!(CALLS.load(Ordering::Relaxed) - before, COUNT as u64);
    spent
}

type Callbacks = HashMap<String, Vec<Box<dyn Fn(&u64) + Send + Sync>>>;

fn callbacks(n: usize) -> &'static Callbacks {
    static MAP: OnceLock<Callbacks> = OnceLock::new();
    MAP.get_or_init(|| {
        let mut map = Callbacks::new();
        for i in 0..n {
            map.entry(subject(i)).or_default().push(Box::new(|value| {
                black_box(*value);
                count();
            }));
        }
        map
    })
}

fn map(n: usize) -> Duration {
    let (asked, map) = (asked(n), callbacks(n));
    let start = Instant::now();
    for (value, subject) in (0..).zip(asked) {
        for callback in &map[subject] {
            callback(&value);
        }
    }
    start.elapsed()
}

fn floor(n: usize) -> Duration {
    let (asked, map) = (asked(n), callbacks(n));
    let start = Instant::now();
    let found: usize = asked.iter().map(|subject| map[subject].len()).sum();
    let spent = start.elapsed();
    assert_eq!(found, COUNT);
    spent
}
