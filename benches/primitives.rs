//! What do the parts cost of which an operation consists: a lock, a count, an allocation, a fence,
//! a wake-up?
//!
//! N: 1 000 of each in a row, uncontended; for the wake-up 100 times there and back between two
//! threads. Threads: one; two for the wake-up.

mod support;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread;

use parking_lot::Mutex;
use support::measure;

const N: u64 = 1_000;
const WAKES: u64 = 100;

fn main() {
    let lock = Mutex::new(0_u64);
    measure(
        "lock and unlock",
        &[N],
        |n| n,
        |n| {
            (0..n).for_each(|i| *black_box(&lock).lock() += i);
        },
    );
    let count = Arc::new(0_u64);
    measure(
        "clone an Arc and drop it",
        &[N],
        |n| n,
        |n| {
            (0..n).for_each(|_| drop(black_box(count.clone())));
        },
    );
    measure(
        "allocate 48 bytes and free them",
        &[N],
        |n| n,
        |n| {
            (0..n).for_each(|i| drop(black_box(Box::new([i; 6]))));
        },
    );
    measure(
        "fence",
        &[N],
        |n| n,
        |n| {
            (0..n).for_each(|i| {
                black_box(i);
                fence(Ordering::SeqCst);
            });
        },
    );
    measure(
        "box a closure, call it, free it",
        &[N],
        |n| n,
        |n| {
            (0..n).for_each(|i| {
                let closure: Box<dyn FnOnce() -> u64> = black_box(Box::new(move || i));
                black_box(closure());
            });
        },
    );
    measure("wake a thread and be woken", &[WAKES], |n| n, wake);
}

/// Two threads that wake each other in turn.
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
