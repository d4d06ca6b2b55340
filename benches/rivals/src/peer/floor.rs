//! The least a job can cost: a boxed closure, queued, called through a pointer, freed, on one
//! thread.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

pub(crate) type Boxed = Box<dyn FnOnce() -> u64 + Send>;

/// Queues `n` boxed closures, then runs them in order.
pub(crate) fn queue(n: usize) -> Duration {
    let start = Instant::now();
    let mut queue = VecDeque::new();
    for i in 0..n as u64 {
        queue.push_back(boxed(move || i));
    }
    let sum: u64 = queue.drain(..).map(|work| work()).sum();
    let spent = start.elapsed();
    assert_eq!(sum, sum_below(n));
    spent
}

/// Queues and runs one boxed closure `n` times.
pub(crate) fn one_by_one(n: usize) -> Duration {
    let start = Instant::now();
    let mut queue = VecDeque::new();
    let mut sum = 0;
    for i in 0..n as u64 {
        queue.push_back(boxed(move || i));
        sum += black_box(&mut queue).pop_front().map_or(0, |work| work());
    }
    let spent = start.elapsed();
    assert_eq!(sum, sum_below(n));
    spent
}

/// Hidden from the optimiser, which would otherwise call the closure directly or not allocate at
/// all.
pub(crate) fn boxed(work: impl FnOnce() -> u64 + Send + 'static) -> Boxed {
    black_box(Box::new(work))
}

/// What the results of `n` jobs, each returning its number, add up to.
pub(crate) const fn sum_below(n: usize) -> u64 {
    let n = n as u64;
    n * n.saturating_sub(1) / 2
}
