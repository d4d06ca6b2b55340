//! What is over leaves no memory behind in what lives on.
//!
//! The bytes of the whole process are counted, so each test runs in a new process.

#[path = "../support/bytes.rs"]
mod bytes;
mod caches;
mod cancelled;
mod families;
mod lists;
mod queues;
#[allow(dead_code, unused_imports, reason = "this binary uses a part of it")]
#[path = "../support/mod.rs"]
mod support;
mod values;

use std::thread;
use std::time::{Duration, Instant};

use bytes::live_bytes;
use fast_async::Pool;
use support::PATIENCE;

/// Rounds of what must leave nothing behind.
const ROUNDS: usize = 10_000;
/// The same where a round gives the processor away.
const WAITS: usize = 3_000;
/// What lists and the harness may keep of what is over.
const SLACK: isize = 64 << 10;

/// Does `round` that number of times; the memory in use must not grow with it.
#[track_caller]
fn stays_small(rounds: usize, mut round: impl FnMut()) {
    for _ in 0..rounds / 10 {
        round();
    }
    let before = live_bytes();
    for _ in 0..rounds {
        round();
    }
    let grown = live_bytes() - before;
    // The least that a list keeps of what it forgets to take out is a pointer a round.
    let slack = isize::try_from(6 * rounds).unwrap().max(16 << 10);
    assert!(grown < slack, "{grown} bytes more after {rounds} rounds");
}

/// No more bytes are in use than `before`. Other threads may be about to free some.
#[track_caller]
fn comes_down_to(before: isize) {
    // Before gates give up: a panic takes memory too.
    let deadline = Instant::now() + PATIENCE / 2;
    while live_bytes() - before >= SLACK {
        let held = live_bytes() - before;
        assert!(Instant::now() < deadline, "{held} bytes are held");
        thread::park_timeout(Duration::from_micros(200));
    }
}

fn one_thread() -> Pool {
    Pool::builder().max_threads(1).build().unwrap()
}
