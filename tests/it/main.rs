//! All tests that can share a process: each module has the rules of one part.
//!
//! They run side by side in threads, so none of them changes what belongs to the process: the hook
//! for unhandled failures, the limit of the global pool, counters of the whole process. Tests that
//! do run as a child (`support::isolated`) or have a binary of their own.

mod adopt;
mod ancestor;
mod blocking;
mod branches;
mod cache;
mod cancel;
mod chain;
mod clock;
mod combine;
mod cycles;
mod debounce;
mod dispatch;
mod doors;
mod drops;
mod errors_out;
mod events;
mod every;
mod executor;
mod flow;
mod future;
mod group;
mod handed;
mod infer;
mod loops;
#[cfg(feature = "macros")]
mod make_async;
mod many;
mod metrics;
mod panics;
mod park_token;
mod passes;
mod places;
mod pool;
mod pool_blocking;
mod queue;
mod queue_chains;
mod raise;
mod reentrancy;
mod resolver;
mod results;
mod retry;
mod serial;
mod setters;
mod settle;
mod shape;
mod share;
mod shared_await;
mod spawn_future;
mod status;
mod stopped;
mod stopped_cycles;
#[allow(
    dead_code,
    unused_imports,
    reason = "binaries of their own use the rest"
)]
#[path = "../support/mod.rs"]
mod support;
mod task_local;
mod time;
mod topic;
mod traps;
mod using;
mod wait;
