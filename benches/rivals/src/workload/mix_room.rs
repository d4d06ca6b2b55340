//! How long do short jobs wait behind jobs that block, when the pool has room for more threads?
//!
//! N: 100 000 no-op closures, spawned right after 32 naps of 50 ms into the same pool; the time
//! until the last no-op is done. Every run starts from rest, as in `mix`. Threads: up to 64, of
//! which the naps take half, or as many as the pool comes with: what counts is how soon a pool
//! starts the others, and what it does with them. No nap need be waited for: no-ops on free threads
//! are all there is to do. Contestants: pools that take closures and grow; pools of a fixed size
//! with 64 threads. The floor queues and runs the no-ops alone, on a heap as new as everyone's
//! here.

use std::time::Duration;

use super::mix::{LIMITED, run};
use crate::contest::{Contestant, Workload, one_each};
use crate::peer::{MANY, Peer, blocking, fast_async, floor, rayon, threadpool, tokio};

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
    from_rest: true,
    reading: &[
        "At N = 100 the figure is how soon a pool has more threads than naps. fast-async adds one for each thread that it has found",
        "asleep at two ticks of a millisecond, and twice as many each time: 33 after 12 to 14 ms, 140 000 ns a no-op at N = 100. The",
        "others start one with each job: sooner there, and 10 to 30 times as much for each no-op at N = 100 000.",
    ],
    contestants: &[
        Contestant::floor(floor::queue),
        Contestant::ours(behind::<fast_async::FastAsync>).noted(LIMITED),
        Contestant::peer("tokio spawn_blocking", behind::<tokio::Blocking>).noted(LIMITED),
        Contestant::peer(
            "tokio spawn_blocking, as it comes",
            behind::<tokio::BlockingAsItComes>,
        )
        .noted(tokio::AS_IT_COMES),
        Contestant::peer("blocking", behind::<blocking::Blocking>).noted(LIMITED),
        Contestant::peer("blocking, as it comes", behind::<blocking::Blocking>)
            .noted(blocking::AS_IT_COMES)
            .as_it_comes(),
        Contestant::peer("rayon, 64 threads", behind::<rayon::ManyThreads>),
        Contestant::peer("threadpool, 64 threads", behind::<threadpool::ManyThreads>),
    ],
};

fn behind<P: Peer>(n: usize) -> Duration {
    run::<NAPS, P, P>(n)
}
