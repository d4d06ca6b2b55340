//! What does a task cost whose parent is a task and waits for it?
//!
//! N: the argument of naive fib, 10 and 20: 177 and 21 891 calls, every one of them a task, waited
//! for by the call above. Threads: the one outside that waits for the first, and the global pool's.

mod support;

use fast_async::{Task, spawn};
use support::measure;

fn fib(n: u64) -> Task<u64> {
    spawn(move || {
        if n < 2 {
            return n;
        }
        let (a, b) = (fib(n - 1), fib(n - 2));
        a.wait().expect("no call fails") + b.wait().expect("no call fails")
    })
}

fn number(n: u64) -> u64 {
    (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0
}

/// How many calls `fib(n)` makes, its own included.
fn calls(n: u64) -> u64 {
    2 * number(n + 1) - 1
}

fn main() {
    measure("forkjoin", &[10, 20], calls, |n| {
        assert_eq!(fib(n).wait().expect("no call fails"), number(n));
    });
}
