//! rayon's pool, with a `oneshot` channel for every result.

use std::sync::OnceLock;

use ::rayon::{ThreadPool, ThreadPoolBuilder};

use super::{FEW, MANY, Peer};

pub(crate) fn pool() -> &'static ThreadPool {
    static POOL: OnceLock<ThreadPool> = OnceLock::new();
    POOL.get_or_init(|| build(FEW))
}

pub(crate) fn one_thread() -> &'static ThreadPool {
    static POOL: OnceLock<ThreadPool> = OnceLock::new();
    POOL.get_or_init(|| build(1))
}

fn many_threads() -> &'static ThreadPool {
    static POOL: OnceLock<ThreadPool> = OnceLock::new();
    POOL.get_or_init(|| build(MANY))
}

fn build(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("a pool starts")
}

#[derive(Debug)]
pub(crate) struct Rayon;

impl Peer for Rayon {
    type Handle = oneshot::Receiver<u64>;

    fn spawn(work: impl FnOnce() -> u64 + Send + 'static) -> Self::Handle {
        spawn_on(pool(), work)
    }

    fn wait(handles: impl IntoIterator<Item = Self::Handle>) -> u64 {
        super::threadpool::receive(handles)
    }
}

/// The same with a fixed number of threads that is meant for work that blocks.
#[derive(Debug)]
pub(crate) struct ManyThreads;

impl Peer for ManyThreads {
    type Handle = oneshot::Receiver<u64>;

    fn spawn(work: impl FnOnce() -> u64 + Send + 'static) -> Self::Handle {
        spawn_on(many_threads(), work)
    }

    fn wait(handles: impl IntoIterator<Item = Self::Handle>) -> u64 {
        super::threadpool::receive(handles)
    }
}

fn spawn_on(
    pool: &ThreadPool,
    work: impl FnOnce() -> u64 + Send + 'static,
) -> oneshot::Receiver<u64> {
    let (sender, receiver) = oneshot::channel();
    pool.spawn(move || sender.send(work()).expect("the receiver waits"));
    receiver
}
