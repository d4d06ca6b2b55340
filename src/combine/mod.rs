//! Combinators: one task out of many.
//!
//! ```
//! use fast_async::{all, combine::some, race, spawn};
//!
//! let mirrors = || (1..=3).map(|n| spawn(move || format!("mirror {n}")));
//! let pages = all(mirrors()).zip(some(2, mirrors()));
//! let fastest = race(mirrors());
//! let (all, two) = pages.wait()?;
//! assert_eq!((all.len(), two.len()), (3, 2));
//! assert!(fastest.wait()?.starts_with("mirror"));
//! # Ok::<(), fast_async::TaskError>(())
//! ```
//!
//! | to get | use | of an empty list |
//! |---|---|---|
//! | all values, or the first failure | [`all`], [`await_all`], [`Task::zip`](crate::Task::zip) | an empty list |
//! | all outcomes | [`all_settled`] | an empty list |
//! | the first value, or all failures | [`any`], [`await_first`] | fails as [`Empty`](crate::ErrorKind::Empty) |
//! | the first values, with their places | [`some`] | fails as [`Empty`](crate::ErrorKind::Empty), unless it is to take none |
//! | the first outcome | [`race`] | fails as [`Empty`](crate::ErrorKind::Empty) |
//!
//! # What holds for all of them
//!
//! - They take every iterator of tasks. [`all`] and [`all_settled`] also take tuples of two to
//!   eight tasks of different types, and a `HashMap` or a `BTreeMap` whose values are tasks.
//! - A [`SharedTask`](crate::SharedTask) may take the place of a task; its value is cloned.
//! - Results are in the order of the tasks, except those of [`some`].
//! - A task whose outcome is no longer needed is cancelled, unless it is
//!   [shielded](crate::Task::shielded). Cancelling the combined task cancels those that are not
//!   settled. No step stays on a task that is still pending.
//! - A failure in a result counts as handled. So does one that came too late for the result.
//! - The functions take what is settled already as it is, and block no thread, except
//!   [`await_all`] and [`await_first`].

// Map for maintainers:
//   input.rs   what they take           group.rs   the inputs, once each has its step
//   all.rs     all values               map.rs, zip.rs, settled.rs   on top of it
//   first.rs   the first successes      any.rs, some.rs   on top of it
//   race.rs    the first outcome

mod all;
mod any;
mod first;
mod group;
mod input;
mod map;
mod race;
mod settled;
mod some;
mod zip;

pub use all::{All, all, await_all};
pub use any::{any, await_first};
pub use race::race;
pub use settled::{AllSettled, all_settled};
pub use some::some;
