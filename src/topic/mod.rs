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
//! The program `examples/pubsub` of the repository watches a directory: one topic of changes, a
//! callback that counts, a receiver that prints and says what it has lost, and a debounced one that
//! hashes.
//!
//! | to | use |
//! |---|---|
//! | publish | [`Topic::publish`], [`Topic::flush`], [`Topic::close`] |
//! | listen | [`Topic::subscribe`] |
//! | listen elsewhere, at one's own pace | [`Topic::on`], [`Topic::buffer`] |
//! | take values in a loop | [`Topic::receiver`] |
//! | take values in async code | [`Receiver::poll_recv`], or [`Receiver`] as a stream with the feature `stream` |
//! | wait for one | [`Topic::next`], [`Topic::next_where`] |
//! | share a value that changes | [`Watch`] |
//! | derive one | [`Topic::map`], [`Topic::filter`], [`Topic::take`], [`Topic::merge`], [`Topic::until`], [`Topic::chunks`] |
//! | derive one that is slower | [`Topic::debounce`], [`Topic::throttle`] |
//! | publish by subject | [`Topics`] |
//! | connect two | [`Topic::pipe`], [`Topic::publish_from`] |
//! | reach who comes late | [`Topic::replay`], [`Topic::hold`] |
//! | choose the pool and the clock | [`Pool::topic`](crate::Pool::topic), [`Pool::watch`](crate::Pool::watch), [`Pool::topics`](crate::Pool::topics) |
//!
//! # Which of them for which need
//!
//! | you have | take |
//! |---|---|
//! | something short to do with each value: to count, to wake, to pass on | a callback, [`subscribe`](Topic::subscribe): no queue, no other thread |
//! | a callback that takes long, or belongs to a thread of its own such as a window's | a callback behind a buffer, [`on`](Topic::on) or [`buffer`](Topic::buffer) |
//! | a loop that reads the values, on its own thread or in a task | [`receiver`](Topic::receiver) |
//! | a chain that continues with one value: the next, or the first that fits | [`next`](Topic::next), [`next_where`](Topic::next_where) |
//! | a state of which only the latest value counts: settings, a level, who is connected | [`Watch`] |
//! | values of many kinds, and subscribers that want some of them | [`Topics`], by subject |
//! | one value, once | no topic: a [`Task`](crate::Task), or a [`SharedTask`](crate::SharedTask) for several |
//! | jobs, each for one of several workers | no topic: a [`TaskQueue`](crate::TaskQueue), or `spawn` |
//!
//! # What becomes of a slow subscriber
//!
//! A callback without a buffer takes its time from the delivery: later subscribers, and values that
//! come meanwhile, wait for it. The publishers do not: a value that is published during a delivery
//! is queued, and [`publish`](Topic::publish) returns. That queue has no bound, so such a callback
//! should be short.
//!
//! A subscriber with a buffer delays no other while its buffer has room. What happens when it has
//! none is this subscriber's own choice:
//!
//! | [`Overflow`] | the slow one | the publisher | others |
//! |---|---|---|---|
//! | [`Block`](Overflow::Block) | loses nothing | waits for room, and its pool stays live | wait with the publisher |
//! | [`DropOldest`](Overflow::DropOldest) | has the latest values, and counts what it [lost](Receiver::lost) | does not wait | do not notice |
//! | [`DropIncoming`](Overflow::DropIncoming) | has the earliest values, and counts what it lost | does not wait | do not notice |
//! | [`Fail`](Overflow::Fail) | loses nothing | gets the value back: [`PublishError::Full`] | do not get that value |
//!
//! The number of a value ([`Received::seq`]) shows where something is missing. A loss never looks
//! like the end. Under `Block` no publisher waits for a receiver that was dropped, nor for itself:
//! the thread that would have to read goes beyond the limit, and so do callbacks that wait for each
//! other's room.
//!
//! # What holds for all of them
//!
//! - All subscribers get the values in one order, for publishers on all threads. A publish from
//!   inside a callback is queued behind the value in progress, so nothing recurses.
//! - A subscriber gets what is published after it subscribed. One that unsubscribes is not called
//!   again.
//! - No lock is held while user code runs or is dropped. A callback that panics is reported, and
//!   stops neither the others nor itself.
//! - A value is neither cloned nor copied: it needs no `Clone`, but has to be `Send` and `Sync`.
//!   The last subscriber that has it drops it.
//! - A topic ends when it is closed, or when its last handle is dropped. What was published before
//!   is still delivered. It does not end because its subscribers have left.
//!
//! # Derived topics
//!
//! A topic that [`map`](Topic::map) and its like return gets its values from another one, as long
//! as it has subscribers itself: with the first it subscribes to its source, once for all of them,
//! and with the last it unsubscribes. Without a subscriber its closure is not called. It ends with
//! its source, not with its last handle. Its callbacks run inside the delivery of the source, so a
//! chain of them takes as much stack as it is long, and an [`Overflow::Block`] holds up the source.
//! A value that an [`Overflow::Fail`] would refuse is counted as lost: no publisher waits for it.
//! What [`debounce`](Topic::debounce) and [`throttle`](Topic::throttle) pass on later comes on the
//! topic's pool and holds up nothing.
//!
//! # Beside other libraries
//!
//! | | slow subscriber | no subscriber | publish inside a callback | end |
//! |---|---|---|---|---|
//! | [`Topic`] | chosen by each: waits, loses and counts, or refuses | dropped, unless held or replayed | queued: one order for all | closed, or last handle; after what is buffered |
//! | tokio `broadcast` | loses the oldest, and gets `Lagged(n)`; one capacity for all | `send` fails | no callbacks | last sender |
//! | tokio `watch` | has the latest value | `send` fails; `send_replace` does not | no callbacks | last sender |
//! | `bus` | the one producer waits for the slowest | dropped | no callbacks | producer dropped |
//! | `async-broadcast` | the sender waits; or all lose the oldest, `Overflowed(n)`; one capacity for all | the sender waits, or fails | no callbacks | last sender, or last receiver |
//! | RxJS `Subject` | callbacks only: the publisher waits | dropped | nested: later subscribers get the inner value first | `complete` or `error` |
//! | Kotlin `SharedFlow` | suspends `emit`, or drops, uncounted; one buffer for all | only the replay is kept | callbacks suspend | never |
//! | Node `EventEmitter` | callbacks only: the publisher waits | dropped; an `'error'` event throws | nested: later listeners get the inner event first | none |
//!
//! The differences that bite, for those who come from there:
//!
//! - tokio `broadcast`, `bus` and `async-broadcast` clone the value for each receiver. Here it is
//!   lent: `&T`, or an `Arc<T>`.
//! - A tokio `broadcast` receiver gets its loss as an error in place of a value; here
//!   [`lost`](Receiver::lost) and [`seq`](Received::seq) tell of it, and a `for` loop goes on.
//! - A send without a receiver fails in tokio, and returns `Ok(0)` here.
//! - In an `EventEmitter` a listener that throws ends the `emit`, and one that was removed during
//!   an `emit` is still called in it. Here the others are called, and a removed one is not.
//! - `BehaviorSubject` and `StateFlow` are [`Watch`]; `StateFlow` leaves out a value that equals
//!   the last one, and a `Watch` does not: [`filter`](Topic::filter) it.
//! - Kotlin's `DROP_LATEST` drops the value that is published: [`Overflow::DropIncoming`].
//!
//! # What it costs
//!
//! A publish allocates one block for the value, however many subscribers there are. A callback
//! costs one atomic operation for each value, and none if its subscription was dropped; a buffer
//! costs one lock. Nothing is published to threads that do not wait: there is no thread behind a
//! topic.

// Map for maintainers:
//   handle.rs    Topic                    publish.rs   numbers values and hands them out
//   hub.rs       the state                deliver.rs   calls the callbacks, by one thread
//   entry.rs     a callback in the list   buffer.rs    values for one that takes them itself
//   round.rs     callbacks on executors   receiver.rs  Receiver
//   next.rs      next, next_where         kept.rs      replay, hold
//   overflow.rs  what a full buffer does  flush.rs, flushing.rs     flush
//   wait.rs      waits of receivers and publishers     reader.rs   what ends a receiver's wait
//   stream.rs    a receiver as a stream
//   left.rs      what the subscriber of a buffer leaves behind
//   effect.rs    what follows a change
//   watch.rs     Watch                    of_pool.rs   topics of a pool
//   derived.rs   map, filter, ..          pace.rs      debounce, throttle
//   source.rs    what a derived topic is attached to    feed.rs  a topic with another source
//   subjects.rs  Topics                   trie.rs      the patterns of subjects

mod buffer;
mod deliver;
mod derived;
mod effect;
mod entry;
mod feed;
mod flush;
mod flushing;
mod handle;
mod hub;
mod kept;
mod left;
mod next;
mod of_pool;
mod overflow;
mod pace;
mod publish;
mod reader;
mod receiver;
mod round;
mod source;
#[cfg(feature = "stream")]
mod stream;
mod subjects;
mod trie;
mod wait;
mod watch;

pub(crate) use feed::Feed;
pub use handle::{Topic, TopicOn};
pub use overflow::{Overflow, PublishError};
pub use receiver::{Received, Receiver};
#[cfg(feature = "stream")]
pub use stream::ReceiverStream;
pub use subjects::{Message, SubjectError, Topics};
pub use watch::Watch;
