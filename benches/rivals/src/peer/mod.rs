//! The contestants: each one's pool, started once, behind one narrow trait.
//!
//! The trait is what the workloads that only spawn and wait have in common; it is resolved at
//! compile time. Workloads that use more of a contestant's own vocabulary take its pool and speak
//! to it directly.

pub(crate) mod async_executor;
pub(crate) mod blocking;
pub(crate) mod fast_async;
pub(crate) mod floor;
pub(crate) mod futures;
pub(crate) mod rayon;
pub(crate) mod threadpool;
pub(crate) mod threads;
pub(crate) mod tokio;

/// The threads of a pool for work that computes.
pub(crate) const FEW: usize = 2;

/// The threads of a pool for work that blocks.
pub(crate) const MANY: usize = 64;

/// A job whose result can be waited for.
pub(crate) trait Peer {
    type Handle;

    fn spawn(work: impl FnOnce() -> u64 + Send + 'static) -> Self::Handle;

    /// Waits for one after another, from outside of the pool, and adds up the results.
    fn wait(handles: impl IntoIterator<Item = Self::Handle>) -> u64;
}
