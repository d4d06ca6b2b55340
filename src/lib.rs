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
//! The [guide](_documentation::guide) begins with a first chain and ends with answers to "my
//! program hangs". This page has the concepts in a paragraph, the verbs in a table, and the
//! modules.
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `macros` | yes | the attribute `#[make_async]` |
//! | `stream` | no | [`Receiver::into_stream`](topic::Receiver#method.into_stream): values of a topic in async code |
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
#![cfg_attr(doc, doc = include_str!("../docs/drawings/task.svg"))]
//!
//! | to | use |
//! |---|---|
//! | start work | [`spawn`], [`attempt`], [`spawn_with`], [`make_async`], [`Task::new`] + [`run`](Task::run), [`Task::builder`] |
//! | settle by hand | [`deferred`], [`Resolver::shared`], [`Resolver::on_pool`], [`Task::ready`], [`Task::failed`] |
//! | continue | [`then`](Task::then), [`and_then`](Task::and_then), [`handle`](Task::handle), [`and_handle`](Task::and_handle), [`flatten`](Task::flatten) |
//! | clean up | [`finally`](Task::finally), [`and_finally`](Task::and_finally), [`finally_stopped`](Task::finally_stopped), [`using`](Task::using) |
//! | recover | [`catch`](Task::catch), [`catch_as`](Task::catch_as), [`or_else`](Task::or_else), [`TaskError::downcast`] |
//! | listen | [`subscribe`](Task::subscribe), [`on_settled`](Task::on_settled), [`inspect`](Task::inspect), [`inspect_err`](Task::inspect_err) |
//! | hear while it runs | [`TaskContext::progress`], [`on_event`](Task::on_event), [`events`](Task::events), [`Pool::events`]; see [`event`] |
//! | branch | [`share`](Task::share) |
//! | choose the thread | [`on`](Task::on) with a [`Pool`], [`Inline`], a [`LoopQueue`] or any `Fn(Job)` |
//! | mix with async code | `task.await`, [`spawn_future`], [`attempt_future`]; see [`future`](mod@future) and [the page on async](_documentation::async_code) |
//! | serve a loop | [`LoopQueue::run_pending`], [`LoopQueue::run_pending_for`], [`LoopQueue::run_until`], [`LocalLoop`](loop_queue::LocalLoop) for closures that are not `Send`, [`StateQueue`](loop_queue::StateQueue) and [`deliver`](Task::deliver) for those that need the loop's state |
//! | combine | [`all`], [`all_settled`], [`any`], [`race`], [`zip`](Task::zip), [`await_all`], [`await_first`]; see [`combine`] |
//! | go through many | [`map_limit`], [`flow::map_settled`], [`flow::map_unordered`], [`flow::each`]; see [`flow`] |
//! | limit and delay | [`delay`], [`delayed`](Task::delayed), [`timeout`](Task::timeout), [`timeout_or`](Task::timeout_or), [`within`](Task::within), [`every`]; see [`time`] |
//! | end together | [`group()`], [`Pool::group`](Pool::group); see [`group`](mod@group) |
//! | limit what runs | [`TaskQueue`], [`TaskQueue::serial`], [`Semaphore`]; see [`queue`] |
//! | try again | [`retry`](fn@retry), [`Retry`]; see [`retry`](mod@retry) |
//! | load once, keep | [`Memo`], [`Lazy`]; see [`cache`] |
//! | pass values along | [`TaskLocal`] |
//! | publish and subscribe | [`Topic`](topic::Topic), [`Receiver`](topic::Receiver), [`Watch`](topic::Watch), [`Topics`](topic::Topics); see [`topic`] |
//! | end | [`wait`](Task::wait), [`wait_parked`](Task::wait_parked), [`wait_timeout`](Task::wait_timeout), [`try_wait`](Task::try_wait), `.await` |
//! | stop | [`cancel`](Task::cancel), [`cancel_with`](Task::cancel_with), [`CancelToken`], [`stopped`](Task::stopped), [`cancel_on_drop`](Task::cancel_on_drop), [`shielded`](Task::shielded) |
//! | shape the pool | [`set_max_threads`], [`Pool`] |
//! | look | [`status`](Task::status), [`TaskError::trace`], [`Pool::metrics`], [`Pool::dump`], [tracing](_documentation::tracing) |
//!
//! [`await_all`] and [`await_first`] block the calling thread, despite their names.
//!
//! # Modules
//!
//! The names that most programs use are here and in the [`prelude`]. Each module has all names of
//! one subject: [`task`], [`promise`] (settling by hand), [`combine`] (one task out of many),
//! [`cancel`], [`error`], [`event`], [`pool`], [`executor`], [`loop_queue`], [`time`],
//! [`retry`](mod@retry), [`group`](mod@group), [`queue`], [`flow`] (many elements, some at a time),
//! [`cache`], [`future`](mod@future) (futures that a pool polls) and [`unhandled`] (reports of
//! failures).
//!
//! # Features
//!
//! | feature | default | what it adds | what it builds |
//! |---|---|---|---|
//! | `macros` | yes | [`make_async`] | `fast-async-macros`, `syn`, `quote`, `proc-macro2`, `unicode-ident` |
//!
//! Without features the crate depends on `crossbeam-channel`, `parking_lot`, `smallvec` and
//! `tracing`, and on what these need:
//!
//! ```text
//! cargo add fast-async --no-default-features
//! ```
//!
//! # Further reading
//!
//! [Guide](_documentation::guide): a chapter for each kind of problem, with whole programs.
//! [Coming from](_documentation::coming_from) another library: what its names are called here.
//! [Contract](_documentation::contract): what a program may rely on, rule by rule, and
//! [reliability](_documentation::reliability): how each rule is checked.
//! [Support](_documentation::support): platforms, compilers, versions.
//! [Performance](_documentation::performance): what an operation costs.
//! [Design](_documentation::design): why it is built as it is.
//! [Async code](_documentation::async_code) beside chains, and [tracing](_documentation::tracing).
//!
#![cfg_attr(
    not(feature = "macros"),
    doc = "[`make_async`]: https://docs.rs/fast-async/latest/fast_async/attr.make_async.html"
)]
#![forbid(unsafe_code)]
#![doc(test(attr(deny(warnings))))]

// The map of the source, for maintainers. Data goes one way: spawn -> pool -> run -> settle ->
// dispatch -> wake. Imports go down this list only; `tests/tidy.rs` checks it.
//
//   sync.rs          locks, atomics, threads, channels and clocks: the only file that names them
//   limits.rs        the numbers that may be tuned
//   room.rs          gives back the memory of lists that were long
//   guard.rs         calls user code and catches its panics
//   drop_queue.rs    drops without recursion
//   locals.rs        the values of task locals that a thread sees
//   trace.rs         the context of a closure: tracing, task locals; the spans of tasks
//   error/           TaskError and its kinds
//   executor.rs      the jobs that queues carry, and the executors that run them
//   unhandled.rs     reports of failures that nothing received
//   flat.rs          a user's value that a struct of this crate holds
//   nesting.rs       bounds how deep calls that run other work may nest on one stack
//   thread_waker.rs  wakes a thread, or a future, that waits for a task
//   turning.rs       threads that wait while a loop relies on them
//   timer/           what is due at a time: the wheel, the clocks, the timers' thread
//   event/           TaskEvent, and the way from a task to its listeners
//   cancel/          CancelToken, and what a cancel reaches
//   dispatch.rs      the list of settled tasks whose steps this thread runs
//   pool/            the threads
//   cell/            a task's closure, outcome and steps
//   promise.rs       Resolver, and task/: the two halves of a promise; they know each other
//   combine/         all, all_settled, any, race, some
//   flow/            map_limit and other verbs for many elements
//   loop_queue/      an executor that the owner of a loop turns
//   future/          futures that a pool polls; it imports `cell`
//   time/            delays and time limits; it imports `cell` and `timer`
//   retry/           calls that are made again after a failure
//   group/           scopes of tasks; it imports `cell`
//   queue/           TaskQueue, Semaphore; it imports `cell` and `timer`
//   topic/           Topic and its subscribers; it imports `cell`
//   cache/           Lazy, Memo; it imports `time`
//   listen/          on_event, events: from those listeners to users; it imports `cell`
//   unwind.rs        which handles may be used after a caught panic
//   prelude.rs       the names that most programs use
//   private.rs       what the code that `#[make_async]` writes needs

pub mod cache;
pub mod cancel;
mod cell;
pub mod combine;
mod dispatch;
mod drop_queue;
pub mod error;
pub mod event;
pub mod executor;
mod flat;
pub mod flow;
pub mod future;
pub mod group;
mod guard;
mod limits;
mod listen;
mod locals;
pub mod loop_queue;
#[cfg(all(test, any(loom, shuttle)))]
mod model;
mod nesting;
pub mod pool;
pub mod prelude;
pub mod promise;
pub mod queue;
pub mod retry;
mod room;
mod sync;
pub mod task;
mod thread_waker;
pub mod time;
mod timer;
pub mod topic;
mod trace;
mod turning;
pub mod unhandled;
mod unwind;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

// What a first program needs. The rest is in the modules.
#[doc(inline)]
pub use cache::{Lazy, Memo};
#[doc(inline)]
pub use cancel::{CancelOutcome, CancelToken};
#[doc(inline)]
pub use combine::{all, all_settled, any, await_all, await_first, race};
#[doc(inline)]
pub use error::{BoxError, ErrorKind, TaskError};
#[doc(inline)]
pub use event::{EventKind, TaskEvent};
#[doc(inline)]
pub use executor::{Executor, Inline, Job};
#[cfg(feature = "macros")]
pub use fast_async_macros::make_async;
#[doc(inline)]
pub use flow::map_limit;
#[doc(inline)]
pub use future::{attempt_future, spawn_future};
#[doc(inline)]
pub use group::group;
#[doc(inline)]
pub use loop_queue::LoopQueue;
#[doc(inline)]
pub use pool::{Pool, Shutdown, set_max_threads};
#[doc(inline)]
pub use promise::{Resolver, deferred};
#[doc(inline)]
pub use queue::{Semaphore, TaskQueue};
#[doc(inline)]
pub use retry::{Retry, retry};
#[doc(inline)]
pub use task::{
    IntoTask, SharedTask, Status, Subscription, Task, TaskBuilder, TaskContext, TaskLocal, attempt,
    attempt_with, spawn, spawn_with,
};
#[doc(inline)]
pub use time::{Clock, Interval, delay, delay_until, every};
#[doc(inline)]
pub use unhandled::set_unhandled_hook;

/// Longer texts, from the repository's `docs`.
#[cfg(any(doc, doctest))]
pub mod _documentation {
    /// A drawing in a page. The links of a document lead to the file, and in the page to the
    /// drawing: the first definition of a link counts.
    macro_rules! picture {
        (link $name:literal) => {
            concat!("[", $name, "]: #", $name)
        };
        ($path:literal) => {
            include_str!(concat!("../docs/", $path, ".svg"))
        };
        ($id:literal, $path:literal) => {
            concat!("<div id=\"", $id, "\">\n", picture!($path), "\n</div>\n")
        };
    }

    /// A document with links to others. They lead to files there, and to pages here: the first
    /// definition of a link counts.
    macro_rules! page {
        ($path:literal) => {
            concat!(
                "[first-chain]: crate::_documentation::guide::first_chain\n",
                "[errors]: crate::_documentation::guide::errors\n",
                "[observers]: crate::_documentation::guide::observers\n",
                "[waiting]: crate::_documentation::guide::waiting\n",
                "[cancelling]: crate::_documentation::guide::cancelling\n",
                "[pools]: crate::_documentation::guide::pools\n",
                "[time]: crate::_documentation::guide::time\n",
                "[flow]: crate::_documentation::guide::flow\n",
                "[events]: crate::_documentation::guide::events\n",
                "[topics]: crate::_documentation::guide::topics\n",
                "[caches]: crate::_documentation::guide::caches\n",
                "[testing]: crate::_documentation::guide::testing\n",
                "[interop]: crate::_documentation::guide::interop\n",
                "[machines]: crate::_documentation::guide::machines\n",
                "[troubleshooting]: crate::_documentation::guide::troubleshooting\n",
                "[coming-from]: crate::_documentation::coming_from\n",
                "[contract]: crate::_documentation::contract\n",
                "[design]: crate::_documentation::design\n",
                "[performance]: crate::_documentation::performance\n",
                "[reliability]: crate::_documentation::reliability\n\n",
                include_str!(concat!("../docs/", $path)),
            )
        };
    }

    #[doc = include_str!("../docs/CONTRACT.md")]
    pub mod contract {}

    #[doc = picture!(link "drawing-task")]
    #[doc = picture!(link "drawing-cell")]
    #[doc = picture!(link "drawing-worker")]
    ///
    #[doc = include_str!("../docs/DESIGN.md")]
    ///
    /// ## Drawings
    ///
    #[doc = picture!("drawings/task")]
    ///
    #[doc = picture!("drawings/cell")]
    ///
    #[doc = picture!("drawings/worker")]
    pub mod design {}

    // It has programs with `#[make_async]`.
    #[cfg(any(not(doctest), feature = "macros"))]
    #[doc = page!("COMING-FROM.md")]
    pub mod coming_from {}

    #[doc = include_str!("../docs/RELIABILITY.md")]
    pub mod reliability {}

    #[doc = page!("SUPPORT.md")]
    pub mod support {}
    // Its code needs runtimes: the package `interop` runs it.
    #[cfg(not(doctest))]
    #[doc = page!("ASYNC.md")]
    pub mod async_code {}

    #[doc = page!("TRACING.md")]
    pub mod tracing {}

    #[doc = include_str!("pool/README.md")]
    pub mod pool_protocols {}

    #[doc = picture!(link "plot-spawn_join")]
    #[doc = picture!(link "plot-producers8")]
    #[doc = picture!(link "plot-roundtrip")]
    #[doc = picture!(link "plot-roundtrip_worker")]
    #[doc = picture!(link "plot-chain")]
    #[doc = picture!(link "plot-late")]
    #[doc = picture!(link "plot-adopt")]
    #[doc = picture!(link "plot-fanout")]
    #[doc = picture!(link "plot-fanin")]
    #[doc = picture!(link "plot-all")]
    #[doc = picture!(link "plot-forkjoin")]
    #[doc = picture!(link "plot-mix")]
    #[doc = picture!(link "plot-mix_room")]
    #[doc = picture!(link "plot-cancel")]
    ///
    #[doc = include_str!("../docs/PERFORMANCE.md")]
    ///
    /// ## Plots
    ///
    #[doc = picture!("plot-spawn_join", "plots/spawn_join")]
    ///
    #[doc = picture!("plot-producers8", "plots/producers8")]
    ///
    #[doc = picture!("plot-roundtrip", "plots/roundtrip")]
    ///
    #[doc = picture!("plot-roundtrip_worker", "plots/roundtrip_worker")]
    ///
    #[doc = picture!("plot-chain", "plots/chain")]
    ///
    #[doc = picture!("plot-late", "plots/late")]
    ///
    #[doc = picture!("plot-adopt", "plots/adopt")]
    ///
    #[doc = picture!("plot-fanout", "plots/fanout")]
    ///
    #[doc = picture!("plot-fanin", "plots/fanin")]
    ///
    #[doc = picture!("plot-all", "plots/all")]
    ///
    #[doc = picture!("plot-forkjoin", "plots/forkjoin")]
    ///
    #[doc = picture!("plot-mix", "plots/mix")]
    ///
    #[doc = picture!("plot-mix_room", "plots/mix_room")]
    ///
    #[doc = picture!("plot-cancel", "plots/cancel")]
    pub mod performance {}

    #[doc = page!("guide/src/introduction.md")]
    pub mod guide {
        #[doc = page!("guide/src/first-chain.md")]
        pub mod first_chain {}

        #[doc = page!("guide/src/errors.md")]
        pub mod errors {}

        #[doc = page!("guide/src/observers.md")]
        pub mod observers {}

        #[doc = page!("guide/src/waiting.md")]
        pub mod waiting {}

        #[doc = page!("guide/src/cancelling.md")]
        pub mod cancelling {}

        #[doc = page!("guide/src/pools.md")]
        pub mod pools {}

        #[doc = page!("guide/src/time.md")]
        pub mod time {}

        #[doc = page!("guide/src/flow.md")]
        pub mod flow {}

        #[doc = page!("guide/src/events.md")]
        pub mod events {}

        #[doc = page!("guide/src/topics.md")]
        pub mod topics {}

        #[doc = page!("guide/src/caches.md")]
        pub mod caches {}

        #[doc = page!("guide/src/testing.md")]
        pub mod testing {}

        // The package `interop` runs its programs: they need other libraries.
        #[cfg(not(doctest))]
        #[doc = page!("guide/src/interop.md")]
        pub mod interop {}

        #[doc = page!("guide/src/machines.md")]
        pub mod machines {}

        #[doc = page!("guide/src/troubleshooting.md")]
        pub mod troubleshooting {}
    }
}

/// The README's code is compiled and run with the other examples.
#[cfg(all(doctest, feature = "macros"))]
#[doc = include_str!("../README.md")]
mod readme {}
