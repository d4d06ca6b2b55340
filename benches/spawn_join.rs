//! What does it cost to start a closure and wait for it, many at a time?
//!
//! N: 10, 1 000 and 100 000 no-op closures, spawned by one thread outside of the pool, which then
//! waits for every handle in order. Threads: the one outside, and the global pool's.

mod support;

use fast_async::{Task, spawn};
use support::measure;

fn main() {
    measure("spawn_join", &[10, 1_000, 100_000], |n| n, spawn_join);
}

fn spawn_join(n: u64) {
    let tasks: Vec<Task<u64>> = (0..n).map(|i| spawn(move || i)).collect();
    let sum: u64 = tasks
        .into_iter()
        .map(|task| task.wait().expect("a no-op does not fail"))
        .sum();
    assert_eq!(sum, n * (n - 1) / 2);
}
