//! fast-async itself: the global pool, and pools with a fixed number of threads.

use std::sync::OnceLock;

use ::fast_async::{Pool, Task, spawn};

use super::{FEW, Peer};

#[derive(Debug)]
pub(crate) struct FastAsync;

impl Peer for FastAsync {
    type Handle = Task<u64>;

    fn spawn(work: impl FnOnce() -> u64 + Send + 'static) -> Self::Handle {
        spawn(work)
    }

    fn wait(handles: impl IntoIterator<Item = Self::Handle>) -> u64 {
        handles
            .into_iter()
            .map(|task| task.wait().expect("the job returns"))
            .sum()
    }
}

/// The same on a pool that may have as many threads as tokio's for work that blocks comes with.
#[derive(Debug)]
pub(crate) struct FastAsyncMany;

impl Peer for FastAsyncMany {
    type Handle = Task<u64>;

    fn spawn(work: impl FnOnce() -> u64 + Send + 'static) -> Self::Handle {
        static POOL: OnceLock<Pool> = OnceLock::new();
        POOL.get_or_init(|| build(512)).spawn(work)
    }

    fn wait(handles: impl IntoIterator<Item = Self::Handle>) -> u64 {
        FastAsync::wait(handles)
    }
}

/// The same on a pool that does not grow when its threads block.
#[derive(Debug)]
pub(crate) struct FastAsyncFew;

impl Peer for FastAsyncFew {
    type Handle = Task<u64>;

    fn spawn(work: impl FnOnce() -> u64 + Send + 'static) -> Self::Handle {
        few_threads().spawn(work)
    }

    fn wait(handles: impl IntoIterator<Item = Self::Handle>) -> u64 {
        FastAsync::wait(handles)
    }
}

/// A pool that does not grow when its threads block.
pub(crate) fn few_threads() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| build(FEW))
}

pub(crate) fn one_thread() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| build(1))
}

fn build(threads: usize) -> Pool {
    Pool::builder()
        .max_threads(threads)
        .build()
        .expect("a pool starts")
}
