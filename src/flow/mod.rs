//! Many elements, some at a time: an iterator, a closure, and how many may run at once.
//!
//! ```
//! use fast_async::{flow, map_limit, spawn};
//!
//! # fn download(page: u32) -> std::io::Result<String> { Ok(format!("page {page}")) }
//! // Four downloads at a time.
//! let sizes = map_limit(1..=20, 4, |page| Ok(download(page)?.len()));
//! assert_eq!(sizes.wait()?.len(), 20);
//!
//! // The same, and a page that is missing does not end it.
//! let pages = flow::map_settled(1..=20, 4, |page| Ok(download(page)?)).wait()?;
//! assert_eq!(pages.iter().flatten().count(), 20);
//!
//! // A closure may return a task too.
//! let doubled = map_limit(1..=3, 2, |n| spawn(move || n * 2));
//! assert_eq!(doubled.wait()?, [2, 4, 6]);
//! # Ok::<(), fast_async::TaskError>(())
//! ```
//!
//! | to get | use |
//! |---|---|
//! | all values, or the first failure | [`map_limit`] |
//! | all outcomes | [`map_settled`] |
//! | the values that are there | [`filter_map`] |
//! | outcomes as they come, in constant memory | [`map_unordered`] |
//! | the effect only | [`each`] |
//! | one value, one call after the other | [`reduce`] |
//! | calls until one says so | [`repeat_while`] |
//! | a resource that is released on every way out | [`Task::using`](crate::Task::using) |
//!
//! Each function is a method of [`Pool`](crate::Pool) too. For tasks that run already, or all of
//! which may run at once, see [`combine`](crate::combine).
//!
//! # What holds for those with a limit
//!
//! - The iterator is pulled on the pool, in its order, by one thread at a time, and only when an
//!   element may start. It may block; it may be endless.
//! - Closures run in parallel, up to the limit and to what the pool has threads for. Other jobs of
//!   the pool run in between.
//! - The limit counts what runs. An element holds its place until its closure has returned. If the
//!   closure returns a task, the element holds its place until the task is settled and
//!   [stopped](crate::Task::stopped). The end of a [time limit](crate::Task::timeout) settles the
//!   task, but it keeps the place until the closure behind the limit has returned.
//! - A cancel of the task that is returned, and the first failure, end the pulling, drop the
//!   iterator and the closure, and cancel the tasks that closures have returned. A closure that
//!   runs is not interrupted; [`stopped`](crate::Task::stopped) of the whole waits for it. Dropping
//!   the task cancels nothing.
//! - A panic of a closure is a failure of its element. A panic of the iterator fails the whole.
//! - A limit of 0 is an error. For no limit but that of the pool, give `usize::MAX`.
//!
//! # What it costs
//!
//! No task is made for an element: a runner on the pool pulls one after the other, about a tenth of
//! a microsecond each. A task that a closure returns costs what it costs elsewhere.

// Map for maintainers:
//   runners.rs   who pulls, who runs, and the end    control.rs    what they share
//   elements.rs  the iterator and the closure
//   collect.rs   what becomes of the outcomes        map_limit.rs, ..   one verb each
//   stream.rs    outcomes on their way to a reader   map_unordered.rs   on top of it
//   serial.rs    one call after the other            reduce.rs, repeat_while.rs   on top of it

mod collect;
mod control;
mod each;
mod elements;
mod filter_map;
mod map_limit;
mod map_settled;
mod map_unordered;
mod next_outcome;
mod reduce;
mod repeat_while;
mod runners;
mod serial;
mod stream;
mod using;

pub use each::each;
pub use filter_map::filter_map;
pub use map_limit::map_limit;
pub use map_settled::map_settled;
pub use map_unordered::{Results, map_unordered};
pub use reduce::reduce;
pub use repeat_while::repeat_while;
