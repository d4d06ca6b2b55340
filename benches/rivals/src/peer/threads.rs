//! The promise crates that start a thread for every promise: promisery and poll-promise.

use super::Peer;

/// As many as they do in reasonable time, and without running out of threads.
pub(crate) const MOST: usize = 2_000;

pub(crate) const WHY: &str = "a thread for every promise";

#[derive(Debug)]
pub(crate) struct Promisery;

impl Peer for Promisery {
    type Handle = promisery::Promise<u64, ()>;

    fn spawn(work: impl FnOnce() -> u64 + Send + 'static) -> Self::Handle {
        promisery::Promise::new(move || Ok(work()))
    }

    fn wait(handles: impl IntoIterator<Item = Self::Handle>) -> u64 {
        handles
            .into_iter()
            .map(|promise| promise.wait_nopanic().expect("the job returns"))
            .sum()
    }
}

#[derive(Debug)]
pub(crate) struct PollPromise;

impl Peer for PollPromise {
    type Handle = poll_promise::Promise<u64>;

    fn spawn(work: impl FnOnce() -> u64 + Send + 'static) -> Self::Handle {
        poll_promise::Promise::spawn_thread("promise", work)
    }

    fn wait(handles: impl IntoIterator<Item = Self::Handle>) -> u64 {
        handles
            .into_iter()
            .map(poll_promise::Promise::block_and_take)
            .sum()
    }
}
