//! Counters of a pool to read.

use super::registry::Registry;

/// A snapshot of a pool's counters. Each is exact, but they are not read at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolMetrics {
    /// Threads alive.
    pub threads: usize,
    /// The greatest number of threads that were alive at once.
    pub peak_threads: usize,
    /// Threads asleep because there is no work.
    pub idle: usize,
    /// Threads blocked in a `wait` inside a task.
    pub blocked: usize,
    /// Jobs queued; one that was cancelled counts until a thread takes it off the queue.
    pub queued: usize,
    /// Tasks whose closure is running.
    pub running: usize,
    /// Tasks whose closure ran and succeeded.
    pub completed: u64,
    /// Tasks whose closure ran and failed.
    pub failed: u64,
    /// Tasks that were cancelled while their closure ran.
    pub cancelled: u64,
    /// How often a thread was added or woken to replace one that blocks in a `wait`.
    pub spares: u64,
}

impl PoolMetrics {
    pub(super) fn of(registry: &Registry) -> PoolMetrics {
        let (totals, running) = registry.queues.totals();
        let queued = registry.queues.len();
        let counts = registry.idle.lock();
        PoolMetrics {
            threads: counts.alive(),
            peak_threads: counts.peak,
            idle: counts.idle.len(),
            blocked: counts.blocked,
            queued,
            running,
            completed: totals.completed,
            failed: totals.failed,
            cancelled: totals.cancelled,
            spares: counts.spares,
        }
    }
}
