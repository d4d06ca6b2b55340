//! Topics: values that come one after the other, for any number of subscribers.
//!
//! A [`Task`](crate::Task) settles once. What happens again and again (a reading, a message, a
//! change) is published to a [`Topic`].
//!
//! ```
//! use fast_async::Pool;
//! use fast_async::topic::{Overflow, Topic};
//!
//! let readings = Topic::new();
//! // On the publishing thread, at once.
//! readings.subscribe(|celsius: &f64| println!("{celsius} degrees"));
//! // On the pool, behind a buffer; of too many values the oldest are dropped.
//! let buffered = readings.on(Pool::global()).buffer(16, Overflow::DropOldest);
//! buffered.subscribe(|celsius| println!("{} kelvin", celsius + 273.15));
//! // As a task: the next one that is too high.
//! let alarm = readings.next_where(|celsius| *celsius > 30.0);
//! // As an iterator, on any thread.
//! let receiver = readings.receiver(16, Overflow::Block);
//! let mean = fast_async::spawn(move || {
//!     let all: Vec<f64> = receiver.map(|celsius| *celsius).collect();
//!     all.iter().sum::<f64>() / all.len() as f64
//! });
//!
//! for celsius in [19.0, 22.0, 31.0] {
//!     readings.publish(celsius)?;
//! }
//! assert_eq!(*alarm.wait()?, 31.0);
//! readings.flush().wait()?; // the callbacks have returned
//! readings.close();
//! assert_eq!(mean.wait()?, 24.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to | use |
//! |---|---|
//! | publish | [`Topic::publish`], [`Topic::flush`], [`Topic::close`] |
//! | listen | [`Topic::subscribe`] |
//! | listen elsewhere, at one's own pace | [`Topic::on`], [`Topic::buffer`] |
//! | take values in a loop | [`Topic::receiver`] |
//! | wait for one | [`Topic::next`], [`Topic::next_where`] |
//! | share a value that changes | [`Watch`] |
//! | derive one | [`Topic::map`], [`Topic::filter`], [`Topic::take`], [`Topic::merge`], [`Topic::until`], [`Topic::chunks`] |
//! | publish by subject | [`Topics`] |
//! | connect two | [`Topic::pipe`], [`Topic::publish_from`] |
//! | reach who comes late | [`Topic::replay`], [`Topic::hold`] |
//!
//! # What holds for all of them
//!
//! - All subscribers get the values in one order, for publishers on all threads. A publish from
//!   inside a callback is queued behind the value in progress, so nothing recurses.
//! - A subscriber gets what is published after it subscribed. One that unsubscribes is not called
//!   again.
//! - No lock is held while user code runs or is dropped. A callback that panics is reported, and
//!   stops neither the others nor itself.
//! - A subscriber without a buffer delays later subscribers, and the values published while it
//!   runs. One with a buffer delays no other, unless the buffer is full and [`Overflow::Block`] is
//!   set. Then the publisher waits as in [`Task::wait`](crate::Task::wait), so its pool stays live.
//! - A value is neither cloned nor copied: it needs no `Clone`, but has to be `Send` and `Sync`.
//!   The last subscriber that has it drops it.
//! - A topic ends when it is closed, or when its last handle is dropped. What was published before
//!   is still delivered.
//!
//! # Derived topics
//!
//! A topic that [`map`](Topic::map) and its like return gets its values from another one, as long
//! as it has subscribers itself: with the first it subscribes to its source, once for all of them,
//! and with the last it unsubscribes. Without a subscriber its closure is not called. It ends with
//! its source, not with its last handle. Its callbacks run inside the delivery of the source, so a
//! chain of them takes as much stack as it is long, and an [`Overflow::Block`] holds up the source.
//! A value that an [`Overflow::Fail`] would refuse is counted as lost: no publisher waits for it.
//!
//! # What it costs
//!
//! A publish allocates one block for the value, however many subscribers there are. A callback
//! costs two atomic operations for each value, a buffer one lock. Nothing is published to threads
//! that do not wait: there is no thread behind a topic.

// Map for maintainers:
//   handle.rs    Topic                    publish.rs   numbers values and hands them out
//   hub.rs       the state                deliver.rs   calls the callbacks, by one thread
//   entry.rs     a callback in the list   buffer.rs    values for one that takes them itself
//   round.rs     callbacks on executors   receiver.rs  Receiver
//   next.rs      next, next_where         kept.rs      replay, hold
//   overflow.rs  what a full buffer does  flush.rs     flush
//   watch.rs     Watch                    derived.rs   map, filter, ..
//   source.rs    what a derived topic is attached to    feed.rs  a topic with another source
//   subjects.rs  Topics                   trie.rs      the patterns of subjects

mod buffer;
mod deliver;
mod derived;
mod entry;
mod feed;
mod flush;
mod handle;
mod hub;
mod kept;
mod next;
mod overflow;
mod publish;
mod receiver;
mod round;
mod source;
mod subjects;
mod trie;
mod watch;

pub(crate) use feed::Feed;
pub use handle::{Topic, TopicOn};
pub use overflow::{Overflow, PublishError};
pub use receiver::{Received, Receiver};
pub use subjects::{Message, SubjectError, Topics};
pub use watch::Watch;
