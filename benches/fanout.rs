//! What does an observer cost, and does it depend on how many there are?
//!
//! N: 10, 1 000 and 100 000 observers of one pending task that is then settled; each looks at the
//! value once. Threads: the one that subscribes and settles.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fast_async::deferred;
use support::measure;

fn main() {
    measure("fanout", &[10, 1_000, 100_000], |n| n, fanout);
}

fn fanout(n: u64) {
    let seen = Arc::new(AtomicU64::new(0));
    let (resolver, task) = deferred::<u64>();
    for _ in 0..n {
        let seen = seen.clone();
        task.on_settled(move |outcome| {
            seen.fetch_add(outcome.copied().unwrap_or(0), Ordering::Relaxed);
        });
    }
    resolver.resolve(1).expect("nobody else settles it");
    assert_eq!(seen.load(Ordering::Relaxed), n);
}
