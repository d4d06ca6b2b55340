//! Queues, which start jobs in order and a limited number at a time, and semaphores, which lend
//! permits.
//!
//! A [`Pool`](crate::Pool) starts what it gets as soon as a thread is free. A [`TaskQueue`] stands
//! before a pool and starts less than that:
//!
//! - one job at a time, for a resource that only one may touch: a device, a file, an account
//!   ([`TaskQueue::serial`]);
//! - a number at a time, or a number per minute, for a service that has such a limit
//!   ([`limit`](TaskQueueBuilder::limit), [`rate`](TaskQueueBuilder::rate));
//! - the important ones first ([`at`](TaskQueue::at)).
//!
//! A [`Semaphore`] is for what is not one closure: its permits go along with the work, through
//! chains and across functions, and are back when they are dropped.
//!
//! # Examples
//!
//! Requests to a service that allows three at a time and twenty a second:
//!
//! ```
//! use std::time::Duration;
//! use fast_async::{TaskQueue, all};
//!
//! # fn fetch(page: u32) -> Result<String, std::io::Error> { Ok(format!("page {page}")) }
//! let service = TaskQueue::builder().limit(3).rate(20, Duration::from_secs(1)).build()?;
//! let pages = all((1..=5).map(|page| service.attempt(move || Ok(fetch(page)?))));
//! // What a user waits for goes before the rest.
//! let first = service.at(1).attempt(|| Ok(fetch(0)?));
//! assert_eq!(first.wait()?, "page 0");
//! assert_eq!(pages.wait()?.len(), 5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to | use |
//! |---|---|
//! | run one job at a time | [`TaskQueue::serial`] |
//! | limit how many run, and how many begin in a time | [`limit`](TaskQueueBuilder::limit), [`set_limit`](TaskQueue::set_limit), [`rate`](TaskQueueBuilder::rate) |
//! | start a job | [`spawn`](TaskQueue::spawn), [`attempt`](TaskQueue::attempt), [`spawn_with`](TaskQueue::spawn_with), [`attempt_with`](TaskQueue::attempt_with), [`try_spawn`](TaskQueue::try_spawn) |
//! | run the rest of a chain as a job | [`Task::on`](crate::Task::on) with the queue |
//! | let some go first | [`at`](TaskQueue::at), [`priority`](TaskQueueBuilder::priority) |
//! | stop, continue, give up | [`pause`](TaskQueue::pause), [`resume`](TaskQueue::resume), [`clear`](TaskQueue::clear) |
//! | wait for the end, or for room | [`when_idle`](TaskQueue::when_idle), [`when_below`](TaskQueue::when_below) |
//! | hold a permit as long as you like | [`Semaphore::acquire`], [`Semaphore::try_acquire`] |
//!
//! # What holds for all of them
//!
//! - A limit counts closures that run, not tasks that are pending. A job that was cancelled, or
//!   whose time limit has ended, holds its place until its closure has returned.
//! - A job is its closure, and the task that the closure returns, if it returns one. What is
//!   chained on the task of the job runs when its place is free again.
//! - Nothing is lost: each job settles, whether it has run, was cancelled, cleared or refused, and
//!   so does each task that waits for the line or for permits.
//! - A job that waits for one that can only start after it gets the failure
//!   [`Cycle`](crate::ErrorKind::Cycle) instead of waiting without end. A permit may go anywhere,
//!   so a wait for a permit is never seen as a cycle.
//! - No thread is blocked while a job or a permit is waited for, and no closure runs on the thread
//!   that makes room. A queue and a semaphore belong to a pool, and go by its clock.
//! - [`Pool::wait_idle`](crate::Pool::wait_idle) does not wait for jobs that wait in a queue; see
//!   [`when_idle`](TaskQueue::when_idle).
//!
//! # What it costs
//!
//! Two allocations and a lock more than [`Pool::spawn`](crate::Pool::spawn) for each job, and the
//! logarithm of the length of the line. A rate keeps as many moments as it allows jobs.

// Map for maintainers, from the ground up:
//   rate.rs        how many may begin in a time: plain data
//   job.rs         a chain's job in the queue
//   watchers.rs    who waits for a short line: plain data
//   line.rs        which jobs wait, run, start next: plain data
//   core.rs        Queue: acts on what the line decides
//   watched.rs     tasks that settle when the line is short
//   builder.rs, task_queue.rs, verbs.rs    the public handle
//   semaphore.rs   Semaphore, Permit

mod builder;
mod core;
mod job;
mod line;
mod rate;
mod semaphore;
mod task_queue;
mod verbs;
mod watched;
mod watchers;

pub use builder::TaskQueueBuilder;
pub use semaphore::{Permit, Semaphore};
pub use task_queue::TaskQueue;
