//! How does the price of a spawn grow with the number of threads that spawn?
//!
//! N: 200 000 no-op closures, in equal shares from 1 to 32 threads, into one pool whose two workers
//! are held all the while: what is timed is the entrance alone, one lock for all. The jobs run
//! after that. With as many threads as cores or fewer, half the price is possible at two cores.
//! Contestants: fast-async with each number of threads, and two pools with other entrances: one
//! list under a lock, and lock-free segments. The floor makes and queues boxed closures on one
//! thread.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::contest::{Contestant, Workload, one_each};
use crate::peer::floor::{boxed, sum_below};
use crate::peer::{FEW, Peer, fast_async, rayon, threadpool};
use crate::stage::{Gate, together};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "producers",
    question: "How does the price of a spawn grow with the number of threads that spawn?",
    operation: "spawn",
    table: &[200_000],
    sweep: &[3_200, 32_000, 200_000],
    short: &[3_200],
    operations: one_each,
    fill: 32_000,
    from_rest: false,
    reading: &[],
    contestants: &[
        Contestant::floor(floor),
        Contestant::ours(run::<fast_async::FastAsyncFew, 1>).noted("1 thread"),
        Contestant::variant("fast-async, 2 threads", run::<fast_async::FastAsyncFew, 2>),
        Contestant::variant("fast-async, 4 threads", run::<fast_async::FastAsyncFew, 4>),
        Contestant::variant("fast-async, 8 threads", run::<fast_async::FastAsyncFew, 8>),
        Contestant::variant(
            "fast-async, 16 threads",
            run::<fast_async::FastAsyncFew, 16>,
        ),
        Contestant::variant(
            "fast-async, 32 threads",
            run::<fast_async::FastAsyncFew, 32>,
        ),
        Contestant::variant("rayon + oneshot, 1 thread", run::<rayon::Rayon, 1>),
        Contestant::variant("rayon + oneshot, 8 threads", run::<rayon::Rayon, 8>),
        Contestant::variant("rayon + oneshot, 32 threads", run::<rayon::Rayon, 32>),
        Contestant::variant(
            "threadpool + oneshot, 1 thread",
            run::<threadpool::Threadpool, 1>,
        ),
        Contestant::variant(
            "threadpool + oneshot, 8 threads",
            run::<threadpool::Threadpool, 8>,
        ),
        Contestant::variant(
            "threadpool + oneshot, 32 threads",
            run::<threadpool::Threadpool, 32>,
        ),
    ],
};

/// Spawns behind a closed gate, and waits outside of the timing.
fn run<P: Peer<Handle: Send>, const PRODUCERS: usize>(n: usize) -> Duration {
    let mut holders = Vec::new();
    let gate = Gate::close(FEW, |held| {
        holders.push(P::spawn(move || {
            held();
            0
        }));
    });
    let share = (n / PRODUCERS) as u64;
    let kept = Mutex::new(Vec::new());
    let spent = together(PRODUCERS, || {
        let handles: Vec<_> = (0..share).map(|i| P::spawn(move || i)).collect();
        kept.lock().expect("no thread panics").push(handles);
    });
    gate.open();
    P::wait(holders);
    for handles in kept.into_inner().expect("no thread panics") {
        assert_eq!(P::wait(handles), sum_below(share as usize));
    }
    spent
}

fn floor(n: usize) -> Duration {
    let start = Instant::now();
    let queue: Vec<_> = (0..n as u64).map(|i| boxed(move || i)).collect();
    let spent = start.elapsed();
    drop(queue);
    spent
}
