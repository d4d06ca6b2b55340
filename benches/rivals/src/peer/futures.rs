//! The futures crate's `ThreadPool`, with its `RemoteHandle` for every result.

use std::sync::OnceLock;

use ::futures::executor::{ThreadPool, block_on};
use ::futures::future::RemoteHandle;
use ::futures::task::SpawnExt;

use super::{FEW, Peer};

pub(crate) fn pool() -> &'static ThreadPool {
    static POOL: OnceLock<ThreadPool> = OnceLock::new();
    POOL.get_or_init(|| build(FEW))
}

pub(crate) fn one_thread() -> &'static ThreadPool {
    static POOL: OnceLock<ThreadPool> = OnceLock::new();
    POOL.get_or_init(|| build(1))
}

fn build(threads: usize) -> ThreadPool {
    ThreadPool::builder()
        .pool_size(threads)
        .create()
        .expect("a pool starts")
}

pub(crate) fn spawn_on<T: Send + 'static>(
    pool: &ThreadPool,
    work: impl Future<Output = T> + Send + 'static,
) -> RemoteHandle<T> {
    pool.spawn_with_handle(work).expect("the pool is open")
}

#[derive(Debug)]
pub(crate) struct Futures;

impl Peer for Futures {
    type Handle = RemoteHandle<u64>;

    fn spawn(work: impl FnOnce() -> u64 + Send + 'static) -> Self::Handle {
        spawn_on(pool(), async move { work() })
    }

    fn wait(handles: impl IntoIterator<Item = Self::Handle>) -> u64 {
        block_on(sum(handles))
    }
}

/// Awaits one after another.
pub(crate) async fn sum<F: Future<Output = u64>>(futures: impl IntoIterator<Item = F>) -> u64 {
    let mut sum = 0;
    for future in futures {
        sum += future.await;
    }
    sum
}
