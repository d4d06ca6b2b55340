//! Promises for threads: start work with [`spawn`], chain [`then`](Task::then),
//! [`catch`](Task::catch) and [`finally`](Task::finally) on it as in JavaScript, let any number of
//! [subscribers](Task::subscribe) listen, and block with [`wait`](Task::wait) at the end.
//!
//! No `async` is needed; where there is some, a [`Task`] is a future.
//!
//! ```
//! use fast_async::{attempt, spawn};
//!
//! # let path = std::env::temp_dir().join("fast-async-doc-access.log");
//! # std::fs::write(&path, "GET /\nGET /favicon.ico\n")?;
//! let lines = attempt(move || Ok(std::fs::read_to_string(path)?)) // may fail
//!     .then(|text| text.lines().count())        // a plain value
//!     .and_then(|n| spawn(move || n * 2))       // a result or a task: flattened, never nested
//!     .catch(|err| { eprintln!("{err}"); 0 })   // recover with a plain value
//!     .finally(|| println!("done"))             // runs on every outcome, changes nothing
//!     .wait()?;                                 // blocks: Result<T, TaskError>
//! assert_eq!(lines, 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Usage
//!
//! ```text
//! cargo add fast-async
//! ```
//!
//! # Concepts
//!
//! A [`Task`] is a promise for one value. It *settles* once: with the value, or with a
//! [`TaskError`]. *Observers* ([`subscribe`](Task::subscribe)) borrow the outcome, in the order in
//! which they subscribed. One *consumer* takes it after them: a continuation such as
//! [`then`](Task::then), which returns a new task, or [`wait`](Task::wait), which blocks. A
//! [`SharedTask`] has any number of consumers, which borrow the value. A [`Pool`] has the threads
//! that run the closures; most programs use only the global one. A failure that no consumer
//! received is [reported](set_unhandled_hook).
//!
//! | to | use |
//! |---|---|
//! | start work | [`spawn`], [`attempt`], [`spawn_with`], [`make_async`], [`Task::new`] + [`run`](Task::run), [`Task::builder`] |
//! | settle by hand | [`deferred`], [`SharedResolver`], [`Resolver::on_pool`], [`Task::ready`], [`Task::failed`] |
//! | go on | [`then`](Task::then), [`and_then`](Task::and_then), [`handle`](Task::handle), [`and_handle`](Task::and_handle), [`flatten`](Task::flatten) |
//! | clean up | [`finally`](Task::finally), [`and_finally`](Task::and_finally), [`finally_stopped`](Task::finally_stopped) |
//! | recover | [`catch`](Task::catch), [`catch_as`](Task::catch_as), [`or_else`](Task::or_else), [`TaskError::downcast`] |
//! | listen | [`subscribe`](Task::subscribe), [`on_settled`](Task::on_settled), [`inspect`](Task::inspect), [`inspect_err`](Task::inspect_err) |
//! | branch | [`share`](Task::share) |
//! | choose the thread | [`on`](Task::on) with a [`Pool`], [`Inline`], a [`LoopQueue`] or any `Fn(Job)` |
//! | serve a loop | [`LoopQueue::run_pending`], [`LoopQueue::run_pending_for`], [`LoopQueue::run_until`], [`LocalLoop`] for closures that are not `Send` |
//! | combine | [`all`], [`all_settled`], [`any`], [`await_all`], [`await_first`] |
//! | end | [`wait`](Task::wait), [`wait_parked`](Task::wait_parked), [`wait_timeout`](Task::wait_timeout), [`try_wait`](Task::try_wait), `.await` |
//! | stop | [`cancel`](Task::cancel), [`cancel_with`](Task::cancel_with), [`CancelToken`], [`stopped`](Task::stopped), [`cancel_on_drop`](Task::cancel_on_drop), [`shielded`](Task::shielded) |
//! | shape the pool | [`set_max_threads`], [`Pool`] |
//!
//! [`await_all`] and [`await_first`] block the calling thread, despite their names.
//!
//! Why it is built as it is: [design](_documentation::design). What it promises, and how each
//! promise is checked: [reliability](_documentation::reliability).

#![forbid(unsafe_code)]
#![doc(test(attr(deny(warnings))))]

// The map of the house, for maintainers. Data goes one way: spawn -> pool -> run -> settle ->
// dispatch -> wake. Imports go down this list only; `tests/tidy.rs` keeps it so.
//
//   sync.rs        locks, atomics, threads, channels and clocks: the only file that names them
//   guard.rs       the wall around user code
//   drop_queue.rs    drops of what holds handles that hold more
//   error/         TaskError and its kinds
//   executor.rs    what queues carry and who runs it
//   nesting.rs     how deep calls that run other work stand on one stack
//   thread_waker.rs   how whoever sleeps on a task is woken
//   turning.rs     threads that wait although a loop relies on them
//   trace.rs       the tracing context of a closure         unhandled.rs  failures nobody looked at
//   cancel/        CancelToken, and what a cancel reaches
//   dispatch.rs    the per-thread work list                  pool/         the threads
//   cell/          a task's closure, outcome and subscribers
//   promise.rs     Resolver and task/: the producing and the consuming half; they know each other
//   combine/       all, all_settled, any                   loop_queue/   an executor built on tasks
//   unwind.rs      what may be used on after a panic
//   private.rs     what the code that `#[make_async]` writes needs
//
// Room for the families to come: `time`, `flow`, `group`, `queue`, `topic`, `cache`, each a folder
// and a public module of its own. They stand above `task`, `promise` and `combine`, beside
// `loop_queue`. They import only these, `cancel`, `error`, `executor` and `sync`: never `cell` or
// the inside of `pool`. All may import `time`; `time` imports none of the others.

mod cancel;
mod cell;
mod combine;
mod dispatch;
mod drop_queue;
mod error;
mod executor;
mod guard;
mod loop_queue;
#[cfg(all(test, any(loom, shuttle)))]
mod model;
mod nesting;
mod pool;
mod promise;
mod sync;
mod task;
mod thread_waker;
mod trace;
mod turning;
mod unhandled;
mod unwind;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use cancel::{CancelCallback, CancelOutcome, CancelToken};
pub use combine::{All, AllSettled, all, all_settled, any, await_all, await_first};
pub use error::{AggregateError, BoxError, ErrorKind, TaskError};
pub use executor::{Executor, Inline, Job};
pub use fast_async_macros::make_async;
pub use loop_queue::{LocalLoop, LoopQueue};
pub use pool::{
    ConfigError, Pool, PoolBuilder, PoolMetrics, Shutdown, ShutdownReport, set_max_threads,
};
pub use promise::{Resolver, SharedResolver, deferred};
pub use task::{
    CancelOnDrop, IntoTask, SharedTask, Status, Subscription, SubscriptionGuard, Task, TaskBuilder,
    TaskContext, attempt, attempt_with, spawn, spawn_with,
};
pub use unhandled::{clear_unhandled_hook, set_unhandled_hook};

/// Longer texts, from the repository's `docs`.
#[cfg(any(doc, doctest))]
pub mod _documentation {
    #[doc = include_str!("../docs/DESIGN.md")]
    pub mod design {}
    #[doc = include_str!("../docs/RELIABILITY.md")]
    pub mod reliability {}
    #[doc = include_str!("../docs/PERFORMANCE.md")]
    pub mod performance {}
}

/// The README's code is compiled and run with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
