//! The `threadpool` crate, with a `oneshot` channel for every result.

use std::sync::OnceLock;

use ::threadpool::ThreadPool;

use super::{FEW, MANY, Peer};

fn pool() -> &'static ThreadPool {
    static POOL: OnceLock<ThreadPool> = OnceLock::new();
    POOL.get_or_init(|| ThreadPool::new(FEW))
}

fn many_threads() -> &'static ThreadPool {
    static POOL: OnceLock<ThreadPool> = OnceLock::new();
    POOL.get_or_init(|| ThreadPool::new(MANY))
}

#[derive(Debug)]
pub(crate) struct Threadpool;

impl Peer for Threadpool {
    type Handle = oneshot::Receiver<u64>;

    fn spawn(work: impl FnOnce() -> u64 + Send + 'static) -> Self::Handle {
        spawn_on(pool(), work)
    }

    fn wait(handles: impl IntoIterator<Item = Self::Handle>) -> u64 {
        receive(handles)
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
        receive(handles)
    }
}

fn spawn_on(
    pool: &ThreadPool,
    work: impl FnOnce() -> u64 + Send + 'static,
) -> oneshot::Receiver<u64> {
    let (sender, receiver) = oneshot::channel();
    pool.execute(move || sender.send(work()).expect("the receiver waits"));
    receiver
}

/// Blocks on one receiver after another.
pub(crate) fn receive(receivers: impl IntoIterator<Item = oneshot::Receiver<u64>>) -> u64 {
    receivers
        .into_iter()
        .map(|receiver| receiver.recv().expect("the job returns"))
        .sum()
}
