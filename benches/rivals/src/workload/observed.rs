//! What does it cost to be observed by `tracing`?
//!
//! N: 200 000 operations. Three workloads: `observed` spawns no-op closures and waits for them, as
//! `spawn_join` does; `observed_chain` registers links on a pending promise, as `chain` does;
//! `unhandled` fails promises and drops them. Threads: as there. Contestants: fast-async alone,
//! each time watched in another way. The subscribers are the least there can be: one that takes
//! every span and event and counts them, and one that takes none. What a real one does with them
//! comes on top. A process is watched from its start to its end.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ::fast_async::{Task, TaskError, set_unhandled_hook};
use ::tracing::span::{Attributes, Id, Record};
use ::tracing::subscriber::{Interest, Subscriber, set_global_default};
use ::tracing::{Event, Metadata, info_span};

use super::{chain, spawn_join};
use crate::contest::{Contestant, Workload, one_each};
use crate::peer::fast_async::FastAsync;
use crate::peer::floor::sum_below;

pub(crate) const OBSERVED: Workload = Workload {
    name: "observed",
    question: "What does a spawn cost when a tracing subscriber listens?",
    operation: "closure",
    table: &[200_000],
    sweep: &[1_000, 10_000, 200_000],
    short: &[1_000],
    operations: one_each,
    fill: super::FILL,
    from_rest: false,
    reading: &[],
    contestants: &[
        Contestant::ours(spawn_join::run::<FastAsync>).noted("no subscriber"),
        Contestant::variant("subscriber that takes nothing", |n| {
            watched(TakesNothing, || spawn_join::run::<FastAsync>(n))
        }),
        Contestant::variant("subscriber that takes everything", |n| {
            watched(TakesEverything::new(), || spawn_join::run::<FastAsync>(n))
        }),
        Contestant::variant("the same, inside a span", |n| {
            watched(TakesEverything::new(), || {
                info_span!("request").in_scope(|| spawn_join::run::<FastAsync>(n))
            })
        }),
        Contestant::variant("named tasks, no subscriber", named),
        Contestant::variant("named tasks, takes nothing", |n| {
            watched(TakesNothing, || named(n))
        }),
        Contestant::variant("named tasks, takes everything", |n| {
            watched(TakesEverything::new(), || named(n))
        }),
    ],
};

pub(crate) const CHAIN: Workload = Workload {
    name: "observed_chain",
    question: "What does a link cost when a tracing subscriber listens?",
    operation: "link",
    contestants: &[
        Contestant::ours(chain::fast_async).noted("no subscriber"),
        Contestant::variant("subscriber that takes nothing", |n| {
            watched(TakesNothing, || chain::fast_async(n))
        }),
        Contestant::variant("subscriber that takes everything", |n| {
            watched(TakesEverything::new(), || chain::fast_async(n))
        }),
        Contestant::variant("the same, inside a span", |n| {
            watched(TakesEverything::new(), || {
                info_span!("request").in_scope(|| chain::fast_async(n))
            })
        }),
    ],
    ..OBSERVED
};

pub(crate) const UNHANDLED: Workload = Workload {
    name: "unhandled",
    question: "What does a failure cost that nothing receives?",
    operation: "failure",
    contestants: &[
        Contestant::ours(received).noted("the failure is waited for"),
        Contestant::variant("unhandled, a hook", |n| {
            static HOOK: Once = Once::new();
            HOOK.call_once(|| set_unhandled_hook(count));
            SEEN.store(0, Ordering::Relaxed);
            let spent = dropped(n);
            assert_eq!(SEEN.load(Ordering::Relaxed), n as u64);
            spent
        }),
        Contestant::variant("unhandled, takes everything", |n| {
            watched(TakesEverything::new(), || dropped(n))
        }),
        Contestant::variant("unhandled, takes nothing", |n| {
            watched(TakesNothing, || dropped(n))
        }),
    ],
    ..OBSERVED
};

/// What was reported.
static SEEN: AtomicU64 = AtomicU64::new(0);

fn count(_: &TaskError) {
    SEEN.fetch_add(1, Ordering::Relaxed);
}

/// Has `subscriber` watch the process from the first call on.
fn watched(subscriber: impl Subscriber + Send + Sync, run: impl FnOnce() -> Duration) -> Duration {
    static SET: Once = Once::new();
    SET.call_once(|| set_global_default(subscriber).expect("there is no other"));
    run()
}

fn named(n: usize) -> Duration {
    let start = Instant::now();
    let tasks: Vec<_> = (0..n as u64)
        .map(|i| Task::<()>::builder().name("job").spawn(move || i))
        .collect();
    let outcomes = tasks.into_iter().map(Task::wait);
    let sum: u64 = outcomes.map(|value| value.expect("it returns")).sum();
    let spent = start.elapsed();
    assert_eq!(sum, sum_below(n));
    spent
}

fn received(n: usize) -> Duration {
    let start = Instant::now();
    let failed = (0..n)
        .filter(|_| Task::<u64>::failed("lost").wait().is_err())
        .count();
    let spent = start.elapsed();
    assert_eq!(failed, n);
    spent
}

fn dropped(n: usize) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        drop(Task::<u64>::failed("lost"));
    }
    start.elapsed()
}

struct TakesNothing;

impl Subscriber for TakesNothing {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::never()
    }
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct TakesEverything {
    spans: AtomicU64,
    events: AtomicU64,
}

impl TakesEverything {
    const fn new() -> Self {
        Self {
            spans: AtomicU64::new(1),
            events: AtomicU64::new(0),
        }
    }
}

impl Subscriber for TakesEverything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed))
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
