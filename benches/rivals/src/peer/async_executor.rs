//! async-executor's `Executor`, run by its own threads.

use std::future::pending;
use std::sync::OnceLock;

use ::async_executor::{Executor, Task};
use ::futures::executor::block_on;

use super::{FEW, Peer};

pub(crate) fn pool() -> &'static Executor<'static> {
    static POOL: OnceLock<&'static Executor<'static>> = OnceLock::new();
    POOL.get_or_init(|| start(FEW))
}

pub(crate) fn one_thread() -> &'static Executor<'static> {
    static POOL: OnceLock<&'static Executor<'static>> = OnceLock::new();
    POOL.get_or_init(|| start(1))
}

/// The threads run for as long as the process does, and so does what they run.
fn start(threads: usize) -> &'static Executor<'static> {
    let executor: &'static Executor<'static> = Box::leak(Box::new(Executor::new()));
    for _ in 0..threads {
        std::thread::spawn(|| block_on(executor.run(pending::<()>())));
    }
    executor
}

#[derive(Debug)]
pub(crate) struct AsyncExecutor;

impl Peer for AsyncExecutor {
    type Handle = Task<u64>;

    fn spawn(work: impl FnOnce() -> u64 + Send + 'static) -> Self::Handle {
        pool().spawn(async move { work() })
    }

    fn wait(handles: impl IntoIterator<Item = Self::Handle>) -> u64 {
        block_on(super::futures::sum(handles))
    }
}
