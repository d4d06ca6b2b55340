//! How long do short jobs wait behind as many jobs that block as the pool may have threads?
//!
//! N: 100 000 no-op closures, spawned right after 64 naps of 50 ms into the same pool; the time
//! until the last no-op is done. Every run starts from rest: a new process, in which 1 000 no-ops
//! were waited for one by one, so that the pool is there but has not grown. Threads: up to 64, or
//! as many as the pool comes with; pools of a fixed size once with 2 and once with 64. What is
//! possible: with at most 64 threads, all of them napping, no pool can beat 50 ms / N, which at
//! this N is 500 ns per no-op. Only one that may have more threads can, and only by starting more
//! than 64 within the 50 ms. Contestants: pools that take closures. tokio's tasks with the naps on
//! its other pool are a reference: there is no queue in common. Crates that start a thread for
//! every promise have no pool to fill. The floor queues and runs the no-ops alone; its heap, as
//! everyone's here, is new, so that it costs more than in other workloads.

use std::time::{Duration, Instant};

use crate::contest::{Contestant, Workload, one_each};
use crate::peer::floor::{self, sum_below};
use crate::peer::{MANY, Peer, blocking, fast_async, rayon, threadpool, tokio};

/// As many as there may be threads.
const NAPS: usize = MANY;
const NAP: Duration = Duration::from_millis(50);

/// No-ops waited for one by one before the naps: they start a pool without making it grow.
const STARTERS: u64 = 1_000;
/// As long as threads may still look for work, and much less than any pool keeps an idle one.
const CALM: Duration = Duration::from_millis(5);

/// What is noted of those that cannot beat the naps when these are as many, where the name does not
/// say it.
pub(super) const LIMITED: &str = "at most 64 threads";

pub(crate) const WORKLOAD: Workload = Workload {
    name: "mix",
    question: "How long do short jobs wait behind as many jobs that block as there may be threads?",
    operation: "no-op",
    table: &[100_000],
    sweep: &[100, 1_000, 10_000, 100_000],
    short: &[1_000],
    operations: one_each,
    fill: 1,
    from_rest: true,
    reading: &[
        "The falling line is 50 ms / N: with at most 64 threads all of them nap, and no no-op can run before the first nap ends,",
        "at N = 100 after 500 000 ns a no-op. Only who may have more than 64 threads can be faster there: pools with limits of some",
        "500 start one with each job, which pays at N = 100, and costs 5 to 15 times as much for each no-op at N = 100 000.",
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
        Contestant::variant(
            "fast-async, 512 threads",
            behind::<fast_async::FastAsyncMany>,
        ),
        Contestant::peer("rayon, 2 threads", behind::<rayon::Rayon>),
        Contestant::peer("threadpool, 2 threads", behind::<threadpool::Threadpool>),
        Contestant::reference(
            "tokio spawn",
            "the naps are on another pool",
            run::<NAPS, tokio::Blocking, tokio::Tasks>,
        ),
    ],
};

fn behind<P: Peer>(n: usize) -> Duration {
    run::<NAPS, P, P>(n)
}

/// Starts the pools, spawns `NAPS` naps, then `n` no-ops, and times the no-ops alone.
pub(super) fn run<const NAPS: usize, Naps: Peer, Short: Peer>(n: usize) -> Duration {
    start::<Naps>();
    start::<Short>();
    std::thread::sleep(CALM);
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

fn start<P: Peer>() {
    let sum: u64 = (0..STARTERS).map(|i| P::wait([P::spawn(move || i)])).sum();
    assert_eq!(sum, sum_below(STARTERS as usize));
}
