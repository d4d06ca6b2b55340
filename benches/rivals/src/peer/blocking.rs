//! The `blocking` crate: closures on a pool that grows up to the limit set in the environment,
//! where one is set.

use ::blocking::{Task, unblock};
use ::futures::executor::block_on;

use super::Peer;

/// What is noted of a contestant whose process sets no limit.
pub(crate) const AS_IT_COMES: &str = "up to 500 threads";

#[derive(Debug)]
pub(crate) struct Blocking;

impl Peer for Blocking {
    type Handle = Task<u64>;

    fn spawn(work: impl FnOnce() -> u64 + Send + 'static) -> Self::Handle {
        unblock(work)
    }

    fn wait(handles: impl IntoIterator<Item = Self::Handle>) -> u64 {
        block_on(super::futures::sum(handles))
    }
}
