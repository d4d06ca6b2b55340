//! The `blocking` crate: closures on a pool that grows up to the limit set in the environment.

use ::blocking::{Task, unblock};
use ::futures::executor::block_on;

use super::Peer;

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
