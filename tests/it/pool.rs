//! The pool: how it grows and shrinks, what it rejects, how it becomes idle and how it ends.

mod end;
mod rest;
mod room;
mod settings;
mod size;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many run at once, and the most there ever were.
#[derive(Clone, Default)]
struct Crowd {
    now: Arc<AtomicUsize>,
    peak: Arc<AtomicUsize>,
}

impl Crowd {
    fn during<R>(&self, f: impl FnOnce() -> R) -> R {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.peak.fetch_max(now, Ordering::SeqCst);
        let result = f();
        self.now.fetch_sub(1, Ordering::SeqCst);
        result
    }

    fn peak(&self) -> usize {
        self.peak.load(Ordering::SeqCst)
    }
}

/// Some work for the processor.
fn grind(rounds: u64) -> u64 {
    (0..rounds).fold(1, |sum, n| {
        std::hint::black_box(sum * 31 + n % 7) % 1_000_003
    })
}
