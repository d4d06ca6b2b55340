//! What do the parts cost of which an operation consists: a lock, a count, an allocation, a fence,
//! a wake-up, a report that no listener hears?
//!
//! N: 1 000 of each in a row, uncontended; for the wake-up 100 times there and back between two
//! threads. Threads: one; two for the wake-up. Prints the least and the median of 200 rounds; with
//! `--test` of two.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread;
use std::time::Instant;

use parking_lot::Mutex;

const N: u64 = 1_000;
const WAKES: u64 = 100;

fn main() {
    let short = std::env::args().any(|arg| arg == "--test");
    let rounds = if short { 2 } else { 200 };
    println!("ns each{:>43}{:>10}", "least", "median");
    let lock = Mutex::new(0_u64);
    measure("lock and unlock", rounds, N, |i| {
        *black_box(&lock).lock() += i
    });
    let count = Arc::new(0_u64);
    measure("clone an Arc and drop it", rounds, N, |_| {
        drop(black_box(count.clone()))
    });
    measure("allocate 48 bytes and free them", rounds, N, |i| {
        drop(black_box(Box::new([i; 6])));
    });
    measure("fence", rounds, N, |i| {
        black_box(i);
        fence(Ordering::SeqCst);
    });
    measure("box a closure, call it, free it", rounds, N, |i| {
        let closure: Box<dyn FnOnce() -> u64> = black_box(Box::new(move || i));
        black_box(closure());
    });
    let context = fast_async::spawn_with(fast_async::TaskContext::clone);
    let context = context.wait().expect("it has a value");
    measure("report progress without a listener", rounds, N, |i| {
        black_box(&context).progress(i, N);
    });
    report("wake a thread and be woken", rounds, WAKES, wake);
}

/// Times `n` calls of `operation` in a row.
fn measure(name: &str, rounds: usize, n: u64, operation: impl Fn(u64)) {
    report(name, rounds, n, |n| (0..n).for_each(&operation));
}

/// Times `run`, which does `n` operations.
fn report(name: &str, rounds: usize, n: u64, run: impl Fn(u64)) {
    let round = |_| {
        let start = Instant::now();
        run(n);
        start.elapsed().as_nanos() as f64 / n as f64
    };
    let mut each: Vec<f64> = (0..rounds).map(round).collect();
    each.sort_by(f64::total_cmp);
    println!("{name:<40}{:>10.1}{:>10.1}", each[0], each[rounds / 2]);
}

/// Two threads that wake each other alternately.
fn wake(times: u64) {
    let turns = [AtomicBool::new(false), AtomicBool::new(false)];
    let come = |turn: &AtomicBool| {
        while !turn.swap(false, Ordering::Acquire) {
            thread::park();
        }
    };
    let first = thread::current();
    thread::scope(|scope| {
        let echo = scope.spawn(|| {
            for _ in 0..times {
                come(&turns[0]);
                turns[1].store(true, Ordering::Release);
                first.unpark();
            }
        });
        for _ in 0..times {
            turns[0].store(true, Ordering::Release);
            echo.thread().unpark();
            come(&turns[1]);
        }
    });
}
