//! The chains of [`fast_async`] over several machines: a call to another machine is a
//! [`Task`](fast_async::Task), a subject is a topic, and work that was accepted survives killed
//! workers, killed servers and a killed caller.
//!
//! The servers are those of [NATS](https://nats.io) with JetStream. [`Remote::local`] is the same
//! without a server, for tests and for one machine. No closure travels: a program runs the
//! functions that it serves, and nothing foreign.
//!
//! ```
//! use fast_async::CancelToken;
//! use fast_async_remote::{Call, Remote};
//!
//! const LENGTH: Call<String, usize> = Call::new("length-v1");
//!
//! let remote = Remote::local();
//! let stop = CancelToken::new();
//! let worker = remote
//!     .worker("texts")
//!     .slots(8)
//!     .serve(&LENGTH, |job, text| {
//!         job.check()?; // cancelled, superseded or out of time
//!         job.progress(1, 1);
//!         Ok(text.len())
//!     });
//! let worker = std::thread::spawn({
//!     let stop = stop.clone();
//!     move || worker.run_until(&stop)
//! });
//!
//! let texts = remote.queue("texts");
//! let lengths: Vec<_> = ["a", "bc"]
//!     .map(|text| texts.push(&LENGTH, text.into()).id(text).send())
//!     .into();
//! assert_eq!(fast_async::await_all(lengths)?, [1, 2]);
//! let again = texts.attach(&LENGTH, "bc"); // also from another program, later
//! assert_eq!(again.wait()?, 2);
//!
//! stop.cancel();
//! assert_eq!(worker.join().unwrap()?.done, 2);
//! # Ok::<(), fast_async::BoxError>(())
//! ```
//!
//! | to | use |
//! |---|---|
//! | connect | [`Remote::connect`], [`Remote::options`], [`Remote::local`] |
//! | name a function | [`Call`] |
//! | run it elsewhere, at least once | [`Queue::push`] |
//! | run it elsewhere, at most once | [`Remote::call`] |
//! | find a job again | [`Push::id`], [`Queue::attach`] |
//! | serve functions | [`Remote::worker`] |
//! | see what failed for good | [`Queue::dead_letters`] |
//! | publish and subscribe | [`Remote::topic`] |
//!
//! # What is promised
//!
//! - A pushed job counts as accepted when the server has stored it. It runs **at least once**, and
//!   has **one outcome**: the first that is stored. Every task that waits for it, early, late or
//!   elsewhere, settles with that one. Runs of one job may overlap when a worker was taken for
//!   dead; the one that comes late is told, and its result is dropped.
//! - A dead worker's job runs elsewhere when its lease has ended. A live one keeps its job.
//! - A job that fails, or kills its worker, is tried so many times, and then is a dead letter.
//! - A task settles: with the outcome, or as `Expired`, `ResultExpired`, `NoWorker`, `TimedOut`.
//!   Only a push without [`expires`](Push::expires) waits for a worker as long as it takes.
//! - A cancel settles the task at once. A job that is queued does not run; one that runs is asked
//!   to end. If it finishes first, its outcome is the one that is stored, and other tasks see that.
//!
//! Not promised: exactly once, an order of jobs, and that a job survives a loss of power while the
//! server writes to its disk only every other minute, as it does unless configured otherwise
//! (`sync_interval: always`).

// The map of the source, for maintainers. Imports go down this list only.
//
//   error.rs      RemoteError
//   nesting.rs    how deep a foreign value may be nested
//   codec.rs      how values and records look on the wire
//   record.rs     what is sent and stored
//   name.rs       Call, names and keys
//   io.rs         the I/O thread
//   engine.rs     what both engines do: local.rs (with pubsub.rs), nats/
//   job.rs        Job, for handlers
//   mailbox.rs    from the I/O thread to a task
//   caller.rs     the tasks that wait for outcomes
//   remote.rs     Remote; it, options.rs and the next ones know each other
//   queue.rs, call.rs, topic.rs, dead.rs, worker/

mod call;
mod caller;
mod codec;
mod dead;
mod engine;
mod error;
mod io;
mod job;
mod local;
mod mailbox;
mod name;
mod nats;
mod nesting;
mod options;
mod pubsub;
mod queue;
mod record;
mod remote;
mod topic;
mod worker;

pub use call::CallRequest;
pub use dead::DeadLetter;
pub use error::{Permanent, RemoteError, RemoteErrorKind};
pub use job::Job;
pub use name::Call;
pub use options::RemoteOptions;
pub use queue::{Push, Queue, Receipt};
pub use remote::Remote;
pub use topic::RemoteTopic;
pub use worker::{Worker, WorkerReport};
