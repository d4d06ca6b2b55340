//! Groups: what is started in a block has ended when the block's call returns.
//!
//! A [`spawn`](crate::spawn) outlives the function that calls it. In a [`group()`] nothing does:
//! the call returns when every closure that was started in it has returned, whether it succeeded,
//! failed or was cancelled. So no work is left behind, and no error is lost.
//!
//! # Examples
//!
//! Resize all pictures of a folder, or fail:
//!
//! ```
//! use fast_async::group;
//!
//! # fn pictures() -> Vec<&'static str> { vec!["a.png", "b.png"] }
//! # fn resize(_: &str) -> Result<(), std::io::Error> { Ok(()) }
//! let count = group(|g| {
//!     let mut count = 0;
//!     for picture in pictures() {
//!         // The block keeps no handle: a failure is the group's.
//!         g.attempt(move || Ok(resize(picture)?)).detach();
//!         count += 1;
//!     }
//!     Ok(count)
//! })?;
//! assert_eq!(count, 2);
//! # Ok::<(), fast_async::TaskError>(())
//! ```
//!
//! | to | use |
//! |---|---|
//! | run a block in a group | [`group()`], [`Pool::group`](crate::Pool::group) |
//! | choose a pool, a time limit, what a failure does | [`Group::builder`] |
//! | start a task | [`Group::spawn`], [`attempt`](Group::attempt), [`spawn_with`](Group::spawn_with), [`attempt_with`](Group::attempt_with) |
//! | start more from inside a task | a clone of the [`Group`] |
//! | stop the rest | [`Group::cancel`] |
//! | see all failures | [`TaskError::others`](crate::TaskError::others) |
//!
//! # What holds for all of them
//!
//! - A failure counts if it is unhandled, as for [reports](crate::unhandled): it is the group's
//!   when the last handle of its task is dropped. A failure that the task's own `catch` has
//!   handled, or that the block has received from `wait`, spares the others.
//! - The first failure that counts cancels the rest, unless the group [keeps
//!   going](GroupBuilder::keep_going). The group fails with it; those that came later are its
//!   [`others`](crate::TaskError::others), at most 64; further ones are reported as unhandled.
//! - A failure or a panic of the block cancels the rest too. The block's own value survives tasks
//!   that [`cancel`](Group::cancel) has ended.
//! - Continuations of a task of the group belong to it. A task whose handle leaves the group is
//!   waited for too; a failure that occurs after the group has ended is reported as usual.
//! - A task that is started in a group which was cancelled, or has ended, fails as
//!   [`Rejected`](crate::ErrorKind::Rejected), and its closure is dropped.
//! - The group waits for closures as long as they take: one that does not look at its
//!   [context](crate::TaskContext) is not interrupted.
//!
//! # What it costs
//!
//! An allocation and two short locks more than [`spawn`](crate::spawn) for each task. Tasks that
//! have ended and whose handles are dropped leave nothing behind.

// Map for maintainers, from the ground up:
//   core.rs     Core: who is in the group, what has failed     block.rs   what a block returns
//   handle.rs   Group: starting, cancelling                    run.rs     the call, its settings

mod block;
mod core;
mod handle;
mod run;

pub use block::Block;
pub use handle::Group;
pub use run::{GroupBuilder, group};
