//! Events: what a task tells its listeners while it runs.
//!
//! ```
//! use fast_async::{EventKind, spawn_with};
//!
//! let task = spawn_with(|ctx| {
//!     for page in 1..=30 {
//!         // .. load a page
//!         ctx.progress(page, 30);
//!     }
//!     "all pages"
//! });
//! for event in task.events() {
//!     match event.kind() {
//!         EventKind::Started => println!("begins"),
//!         EventKind::Progress { done, total } => println!("{done} of {total}"),
//!         EventKind::Settled { failure: None } => println!("done"),
//!         other => println!("{other}"),
//!     }
//! }
//! assert_eq!(task.wait()?, "all pages");
//! # Ok::<(), fast_async::TaskError>(())
//! ```
//!
//! | to | use |
//! |---|---|
//! | tell | [`TaskContext::progress`](crate::TaskContext::progress), [`TaskContext::message`](crate::TaskContext::message), [`Attempt::progress`](crate::retry::Attempt::progress) |
//! | hear of one task in a loop | [`Task::events`](crate::Task::events), [`SharedTask::events`](crate::SharedTask::events) |
//! | have a closure called | [`Task::on_event`](crate::Task::on_event), [`SharedTask::on_event`](crate::SharedTask::on_event) |
//! | hear of a group | [`Group::events`](crate::group::Group::events), [`Group::on_event`](crate::group::Group::on_event) |
//! | hear of all tasks of a pool | [`Pool::events`](crate::Pool::events) |
//!
//! A task that combines others ([`all`](crate::all()), [`any`](crate::any()),
//! [`race`](crate::race()), [`map_limit`](crate::map_limit()) and their kin) tells how many of them
//! are settled, without a word in the code.
//!
//! # What holds for all of them
//!
//! - The events of one task come in their order. [`Settled`](EventKind::Settled) is the last one,
//!   and comes once.
//! - A listener that comes late first gets the state as it stands: whether the task has started,
//!   its last progress, and how it has settled. A message that was told before is not repeated.
//! - Progress is told at most once in 50 milliseconds, by the clock of the pool. What comes in
//!   between is kept, the newest of it, and told with the next event, at the latest before
//!   `Settled`. So the last progress is always told.
//! - No task waits for a listener. A callback runs as a job of the pool, before the jobs that are
//!   queued there, and never inside the task that tells. If the chain was sent to an executor by
//!   [`Task::on`](crate::Task::on) before, the callback runs there. So events may arrive after
//!   [`wait`](crate::Task::wait) has returned.
//! - Each listener has a buffer of 1,024 events. Of those that it does not come to, the oldest are
//!   dropped.
//! - `Settled` tells of the task as it is where the listener stands in the chain, as for an
//!   [observer](crate::Task::on_settled): before the continuations that are chained on it later.
//! - A task tells what its own context is given. A task whose outcome it takes over, as behind
//!   [`and_then`](crate::Task::and_then), has listeners of its own. To have both heard in one
//!   place, give the closure of the other one a clone of the context.
//!
//! # What it costs
//!
//! Nothing is told without a listener: an event costs one load then. A progress is stored too, for
//! listeners to come, which takes about a nanosecond. The first listener of a task allocates.

// Map for maintainers, from the ground up:
//   kind.rs      TaskEvent, EventKind, TaskId     current.rs    whose closure this thread runs
//   emitter.rs   from a task to its listeners     reporter.rs   the progress of a context
//   listeners.rs those of a pool
// `listen/` has what users call.

mod current;
mod emitter;
mod kind;
mod listeners;
mod reporter;

pub(crate) use current::current;
pub(crate) use emitter::{Counts, Emitter, Listener, ProgressSource, Stage};
pub(crate) use kind::About;
pub use kind::{EventKind, TaskEvent, TaskId};
pub(crate) use listeners::Listeners;
pub(crate) use reporter::Reporter;
