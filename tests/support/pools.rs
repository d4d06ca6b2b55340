//! Pools that many tests use.

use fast_async::Pool;

/// A pool of at most `max_threads` threads.
pub(crate) fn pool_of(max_threads: usize) -> Pool {
    let pool = Pool::builder().name("pool").max_threads(max_threads);
    pool.build().expect("a valid pool")
}

/// A pool of one thread, which can take all of its jobs in their order.
pub(crate) fn one_thread() -> Pool {
    let pool = Pool::builder().name("one").core_threads(1).max_threads(1);
    pool.build().expect("a valid pool")
}
