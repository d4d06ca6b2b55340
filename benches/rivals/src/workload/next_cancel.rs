//! What does it cost to wait for the next value, and to give up?
//!
//! N: waiters that stay, 100 and 100 000; then 10 000 more begin to wait and give up, one after
//! another. Threads: the one that does it. Contestants: `next` of a `Topic`, cancelled; a listener
//! of event-listener, and a future of tokio's Notify, polled once, dropped. The floor makes, queues
//! and calls a boxed closure.

use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::{Arc, Once, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use ::event_listener::Event;
use ::fast_async::Task;
use ::fast_async::topic::Topic;
use ::tokio::sync::Notify;

use crate::contest::{Contestant, Workload};
use crate::peer::floor;

/// Waiters that give up in one run.
const COUNT: usize = 10_000;

pub(crate) const WORKLOAD: Workload = Workload {
    name: "next_cancel",
    question: "What does it cost to wait for the next value and give up, beside N that wait?",
    operation: "wait given up",
    table: &[100, 100_000],
    sweep: &[1, 100, 10_000, 100_000],
    short: &[100],
    operations: |_| COUNT,
    fill: COUNT,
    from_rest: false,
    reading: &[
        "A listener is an event without a value, and no task: nothing can be chained to it.",
    ],
    contestants: &[
        Contestant::floor(|_| floor::one_by_one(COUNT)),
        Contestant::ours(next),
        Contestant::peer("event-listener", listener),
        Contestant::peer("tokio Notify", notify),
    ],
};

fn next(n: usize) -> Duration {
    type Waiting = (Topic<u64>, Vec<Task<Arc<u64>>>);
    static WAITING: OnceLock<Waiting> = OnceLock::new();
    let (topic, waiting) = WAITING.get_or_init(|| {
        let topic = Topic::new();
        let waiting = (0..n).map(|_| topic.next()).collect();
        (topic, waiting)
    });
    let start = Instant::now();
    for _ in 0..COUNT {
        black_box(topic.next()).cancel();
    }
    let spent = start.elapsed();
    assert_eq!((topic.subscribers(), waiting.len()), (n, n));
    spent
}

fn listener(n: usize) -> Duration {
    static EVENT: OnceLock<Event> = OnceLock::new();
    let event = EVENT.get_or_init(|| {
        let event = Event::new();
        (0..n).for_each(|_| std::mem::forget(event.listen()));
        event
    });
    let start = Instant::now();
    for _ in 0..COUNT {
        drop(black_box(event.listen()));
    }
    start.elapsed()
}

fn notify(n: usize) -> Duration {
    static NOTIFY: Notify = Notify::const_new();
    static WAITING: Once = Once::new();
    WAITING.call_once(|| {
        for _ in 0..n {
            let mut waits = Box::pin(NOTIFY.notified());
            begin(waits.as_mut());
            std::mem::forget(waits);
        }
    });
    let start = Instant::now();
    for _ in 0..COUNT {
        begin(black_box(pin!(NOTIFY.notified())));
    }
    start.elapsed()
}

/// A future waits from its first poll on.
fn begin<F: Future>(future: Pin<&mut F>) {
    let polled = future.poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Pending), "nothing is published");
}
