//! How long do short jobs wait behind as many jobs that block as the pool may have threads?
//!
//! N: 100 000 no-op closures, spawned right after 64 naps of 50 ms into the same pool; the time until the last no-op is done. At
//! this N a single nap of 50 ms is 500 ns per no-op: all 64 threads taken, no pool can do it in much less.
//! Threads: up to 64 where the pool can grow; pools of a fixed size once with 2 and once with 64.
//! Contestants: pools that take closures. tokio's tasks with the naps on its other pool are a reference: there is no queue in common.
//! The floor queues and runs the no-ops alone.

use std::time::{Duration, Instant};

use crate::contest::{Contestant, Workload, one_each};
use crate::peer::floor::{self, sum_below};
use crate::peer::{MANY, Peer, blocking, fast_async, rayon, threadpool, tokio};

/// As many as there may be threads.
const NAPS: usize = MANY;
const NAP: Duration = Duration::from_millis(50);

pub(crate) const WORKLOAD: Workload = Workload {
    name: "mix",
    question: "How long do short jobs wait behind as many jobs that block as there may be threads?",
    operation: "no-op",
    table: &[100_000],
    sweep: &[100, 1_000, 10_000, 100_000],
    short: &[1_000],
    operations: one_each,
    fill: 1,
    contestants: &[
        Contestant::floor(floor::queue),
        Contestant::ours(run::<NAPS, fast_async::FastAsync, fast_async::FastAsync>),
        Contestant::peer(
            "tokio spawn_blocking",
            run::<NAPS, tokio::Blocking, tokio::Blocking>,
        ),
        Contestant::peer(
            "blocking",
            run::<NAPS, blocking::Blocking, blocking::Blocking>,
        ),
        Contestant::peer(
            "rayon, 64 threads",
            run::<NAPS, rayon::ManyThreads, rayon::ManyThreads>,
        ),
        Contestant::peer(
            "threadpool, 64 threads",
            run::<NAPS, threadpool::ManyThreads, threadpool::ManyThreads>,
        ),
        Contestant::peer("rayon, 2 threads", run::<NAPS, rayon::Rayon, rayon::Rayon>),
        Contestant::peer(
            "threadpool, 2 threads",
            run::<NAPS, threadpool::Threadpool, threadpool::Threadpool>,
        ),
        Contestant::reference(
            "tokio spawn",
            "the naps are on another pool",
            run::<NAPS, tokio::Blocking, tokio::Tasks>,
        ),
    ],
};

/// Spawns `NAPS` naps, then `n` no-ops, and times the no-ops alone.
pub(super) fn run<const NAPS: usize, Naps: Peer, Short: Peer>(n: usize) -> Duration {
    let naps: Vec<_> = (0..NAPS)
        .map(|_| {
            Naps::spawn(|| {
                std::thread::sleep(NAP);
                1
            })
        })
        .collect();
    let start = Instant::now();
    let handles: Vec<_> = (0..n as u64).map(|i| Short::spawn(move || i)).collect();
    let sum = Short::wait(handles);
    let spent = start.elapsed();
    assert_eq!(sum, sum_below(n));
    assert_eq!(Naps::wait(naps), NAPS as u64);
    spent
}
