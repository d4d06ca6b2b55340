//! The elastic pool: threads that run jobs, as many as the work needs and no more.
//!
//! The [protocols](crate::_documentation::pool_protocols) are wake, grow, shrink, block and close.
//! `README.md` beside this file has them, with the reason why no wake-up is lost. It defines labels
//! such as `Push.2`, which comments cite.
//!
#![cfg_attr(doc, doc = include_str!("../../docs/drawings/worker.svg"))]

// Map for maintainers, from the ground up. A file imports those above it only. settings.rs what a
// pool is made from metrics.rs a snapshot of its counters
// stack.rs how much of its stack a thread uses bound.rs how many threads the pools of the process
// may have queue/ Queues: jobs from outside, and one queue for each worker capacity.rs Capacity:
// the bound on queued jobs counts.rs the counts of threads and their invariants: plain data,
// changed under one lock idle.rs Idle: which workers sleep, and how many should be active watch.rs
// the monitor's thread, for threads that wake it registry.rs Registry: what the threads share. It
// alone knows the queues, the counts, the
//                 capacity and the monitor: the way of a job from a push to a worker
// seat.rs the place of an executor's job in the queue
// current.rs the worker of the calling thread blocking.rs what a worker does before it blocks in a
// `wait` still.rs waiting until no task runs, for a virtual clock ending.rs waiting until the pool
// is idle, or until its threads have ended shutdown.rs closing, discarding, reporting worker.rs the
// main loop of a worker monitor/ the main loop of the monitor: it adds workers when jobs block
// handle.rs Pool, the handle builder.rs PoolBuilder

mod blocking;
mod bound;
mod builder;
mod capacity;
mod counts;
mod current;
mod dump;
mod ending;
mod handle;
mod idle;
mod metrics;
mod monitor;
mod queue;
mod registry;
mod seat;
mod settings;
mod shutdown;
mod stack;
mod still;
mod watch;
mod worker;

pub(crate) use blocking::{BlockedSection, blocking, may_run_awaited, note, on_worker, run_inline};
pub use builder::PoolBuilder;
pub(crate) use dump::Awaited;
pub use dump::PoolDump;
pub use handle::{Pool, set_max_threads};
pub use metrics::PoolMetrics;
pub use settings::ConfigError;
pub use shutdown::{Shutdown, ShutdownReport};
