//! Caches: values that are loaded once for all that ask for them, and kept.
//!
//! A [`Lazy`] is one value, a [`Memo`] is one for each key. Both load a value when it is first
//! asked for, and return a [`SharedTask`](crate::SharedTask): a value that is there is a task that
//! is settled. Take one
//!
//! - for what is expensive to get and changes rarely: a configuration, a user, a compiled template;
//! - against a stampede: a hundred requests for one page that is not there yet are one load;
//! - as a single flight and no more, with a [`ttl`](Memo::ttl) of zero: calls at the same time
//!   share one load, and nothing is kept.
//!
//! For one value that cannot fail and is not worth a task, the standard library has `LazyLock`.
//!
//! # Examples
//!
//! Prices of a slow service, each asked for once in a minute at the most, with the previous price
//! at hand while it is asked again:
//!
//! ```
//! use std::time::Duration;
//! use fast_async::{Memo, Retry, retry};
//!
//! # fn ask(item: &str) -> Result<u32, std::io::Error> { Ok(item.len() as u32 * 100) }
//! let prices = Memo::new(|item: &String| {
//!     let item = item.clone();
//!     // A task of its own: tried again, and limited.
//!     retry(Retry::attempts(3), move |_| Ok(ask(&item)?)).timeout(Duration::from_secs(5))
//! })
//! .ttl(Duration::from_secs(60))
//! .capacity(1_000);
//!
//! // One load, however many ask for it and wherever they are.
//! let readers = ["tea", "tea", "salt"].map(|item| {
//!     let prices = prices.clone();
//!     std::thread::spawn(move || prices.get(item.into()).cloned().wait())
//! });
//! let [first, second, third] = readers.map(|reader| reader.join().unwrap());
//! assert_eq!((first?, second?, third?), (300, 300, 400));
//!
//! // The price is known to have changed. Until the new one is there, others see the old one.
//! let new = prices.refresh("tea".into());
//! assert_eq!(*new.wait()?, 300);
//! # Ok::<(), fast_async::TaskError>(())
//! ```
//!
//! | to | use |
//! |---|---|
//! | load one value once | [`Lazy::new`], [`Lazy::get`] |
//! | load a value for each key | [`Memo::new`], [`Memo::get`] |
//! | let values expire | [`Memo::ttl`], [`Lazy::ttl`] |
//! | limit their number | [`Memo::capacity`] |
//! | look without loading | [`Memo::peek`], [`Memo::len`] |
//! | load anew, and serve the old value meanwhile | [`Memo::refresh`] |
//! | remove | [`Memo::forget`], [`Memo::clear`] |
//! | choose the pool, and with it the clock | [`Memo::pool`] |
//! | get a value of one's own | [`SharedTask::cloned`](crate::SharedTask::cloned) |
//! | continue from the value | [`SharedTask::then`](crate::SharedTask::then) |
//!
//! # What holds for both
//!
//! - There is one load for a key at a time, and all of its callers get its outcome, whether it is a
//!   value, an error or a panic. Only a value is kept: after a failure the next call loads anew.
//! - A caller that [cancels](crate::SharedTask::cancel) its task takes it from no other. When all
//!   have cancelled, the load is cancelled, and a later call starts another one, which may run
//!   before the closure of the cancelled one has returned. A load whose callers have dropped their
//!   tasks continues, and its value is kept.
//! - What is [forgotten](Memo::forget) while it is loaded goes to the callers that wait for it, and
//!   is not kept. Its end does not affect a later load.
//! - A loader that asks for the value of its own key, directly or through others, gets the failure
//!   [`Cycle`](crate::ErrorKind::Cycle).
//! - A value is kept until its time is over, until more than the capacity are there, or until it is
//!   removed; then it is dropped as soon as no task of it is held. That happens on the thread that
//!   removes it: one that calls the cache, one that ends a load, or one of the pool when its time
//!   is over. An empty cache holds no memory and no timer.
//! - No lock is held while the loader, `Hash` and `Eq` of a key, or a drop of a key or a value run:
//!   each may call the cache.
//!
//! # What it costs
//!
//! A call for a value that is there: a hash, a lock, and four reference counts; with a `ttl` also a
//! look at the clock, with a `capacity` a second lock and a few steps in a map. It allocates
//! nothing. A load costs what [`attempt`](crate::attempt()) and [`share`](crate::Task::share) cost,
//! and about four allocations for its entry. Of all values of a cache together there is one timer
//! at the most.

// Map for maintainers, from the ground up:
//   key.rs     a key, and the hash of it     table.rs    the entries: plain data
//   state.rs   what is decided under the lock
//   core.rs    finds, loads and expires      memo.rs, lazy.rs    the public handles

mod core;
mod key;
mod lazy;
mod memo;
mod state;
mod table;

pub use lazy::Lazy;
pub use memo::Memo;
