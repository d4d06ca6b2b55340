//! The names that most programs use: `use fast_async::prelude::*;`.
//!
//! It has the verbs that start and combine tasks, the handles that these return, and the errors. It
//! has no names that other crates use for other things, such as `Status`, `Job` or `Inline`.
//!
//! # Examples
//!
//! ```
//! use fast_async::prelude::*;
//!
//! let squares = all((1..=3).map(|n| spawn(move || n * n)));
//! let sum: i32 = squares.then(|squares| squares.iter().sum()).wait()?;
//! assert_eq!(sum, 14);
//! # Ok::<(), TaskError>(())
//! ```

#[doc(no_inline)]
pub use crate::{
    CancelToken, ErrorKind, LoopQueue, Pool, Resolver, SharedTask, Task, TaskContext, TaskError,
    all, all_settled, any, attempt, attempt_with, await_all, await_first, deferred, spawn,
    spawn_with,
};

#[cfg(feature = "macros")]
#[doc(no_inline)]
pub use crate::make_async;
