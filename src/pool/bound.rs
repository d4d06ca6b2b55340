//! How many threads the pools of the process may have together.

#[cfg(not(all(test, any(loom, shuttle))))]
use crate::sync::{AtomicUsize, Ordering};

/// How many threads the pools of a process may have together for one of them to get a thread beyond
/// its maximum. On Linux a thread takes four mappings of the 65,530 that a process may have unless
/// configured otherwise, and a thread that gets only some of them aborts the process.
#[cfg(not(all(test, any(loom, shuttle))))]
const SPARE_BOUND: usize = 8192;

/// The threads of all pools, those being created included. No model reaches this number.
#[cfg(not(all(test, any(loom, shuttle))))]
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Counts a thread for as long as it lives.
pub(super) struct Counted(());

impl Counted {
    pub(super) fn new() -> Counted {
        #[cfg(not(all(test, any(loom, shuttle))))]
        THREADS.fetch_add(1, Ordering::Relaxed);
        Counted(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        #[cfg(not(all(test, any(loom, shuttle))))]
        THREADS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The process has as many threads of pools as it may.
pub(super) fn is_reached() -> bool {
    #[cfg(all(test, any(loom, shuttle)))]
    return false;
    #[cfg(not(all(test, any(loom, shuttle))))]
    return THREADS.load(Ordering::Relaxed) >= SPARE_BOUND;
}
