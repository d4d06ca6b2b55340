//! tokio's multi-threaded runtime: tasks, and its pool for work that blocks, limited as the others
//! are and as it comes.

use std::sync::OnceLock;

use ::tokio::runtime::{Builder, Runtime};
use ::tokio::task::JoinHandle;

use super::{FEW, MANY, Peer};

/// What is noted of the runtime with its defaults.
pub(crate) const AS_IT_COMES: &str = "up to 512 threads";

pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| build(FEW))
}

/// A runtime whose tasks share one thread.
pub(crate) fn one_thread() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| build(1))
}

/// A runtime that has timers. The others have none, so that no task pays for them.
pub(crate) fn timed() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(FEW)
            .enable_time()
            .build()
            .expect("a runtime starts")
    })
}

fn as_it_comes() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime starts"))
}

fn build(threads: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(MANY)
        .build()
        .expect("a runtime starts")
}

/// `spawn`: a future on a worker.
#[derive(Debug)]
pub(crate) struct Tasks;

impl Peer for Tasks {
    type Handle = JoinHandle<u64>;

    fn spawn(work: impl FnOnce() -> u64 + Send + 'static) -> Self::Handle {
        runtime().spawn(async move { work() })
    }

    fn wait(handles: impl IntoIterator<Item = Self::Handle>) -> u64 {
        sum(runtime(), handles)
    }
}

/// `spawn_blocking`: a closure on a thread that may block.
#[derive(Debug)]
pub(crate) struct Blocking;

impl Peer for Blocking {
    type Handle = JoinHandle<u64>;

    fn spawn(work: impl FnOnce() -> u64 + Send + 'static) -> Self::Handle {
        runtime().spawn_blocking(work)
    }

    fn wait(handles: impl IntoIterator<Item = Self::Handle>) -> u64 {
        sum(runtime(), handles)
    }
}

/// The same in a runtime that was asked for nothing.
#[derive(Debug)]
pub(crate) struct BlockingAsItComes;

impl Peer for BlockingAsItComes {
    type Handle = JoinHandle<u64>;

    fn spawn(work: impl FnOnce() -> u64 + Send + 'static) -> Self::Handle {
        as_it_comes().spawn_blocking(work)
    }

    fn wait(handles: impl IntoIterator<Item = Self::Handle>) -> u64 {
        sum(as_it_comes(), handles)
    }
}

fn sum(runtime: &Runtime, handles: impl IntoIterator<Item = JoinHandle<u64>>) -> u64 {
    runtime.block_on(async {
        let mut sum = 0;
        for handle in handles {
            sum += handle.await.expect("the task returns");
        }
        sum
    })
}
