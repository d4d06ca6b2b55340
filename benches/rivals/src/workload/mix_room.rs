//! How long do short jobs wait behind jobs that block, when the pool has room for more threads?
//!
//! N: 100 000 no-op closures, spawned right after 32 naps of 50 ms into the same pool; the time until the last no-op is done.
//! Threads: up to 64, of which the naps take half: what counts is how soon a pool starts the others, and what it does with them.
//! Contestants: pools that take closures and grow; pools of a fixed size with 64 threads.
//! The floor queues and runs the no-ops alone.

use super::mix::run;
use crate::contest::{Contestant, Workload, one_each};
use crate::peer::{MANY, blocking, fast_async, floor, rayon, threadpool, tokio};

/// Half of the threads there may be.
const NAPS: usize = MANY / 2;

pub(crate) const WORKLOAD: Workload = Workload {
    name: "mix_room",
    question: "How long do short jobs wait behind jobs that block, when there is room for more threads?",
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
    ],
};
