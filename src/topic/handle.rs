//! `Topic`, the handle: publishing and subscribing.

use std::fmt;
use std::panic::Location;

use super::entry::Listener;
use super::hub::Hub;
use super::left::Callback;
use super::next;
use super::overflow::{Overflow, PublishError};
use super::receiver::Receiver;
use super::round;
use crate::executor::Executor;
use crate::pool::Pool;
use crate::sync::Arc;
use crate::task::{Subscription, Task};
use crate::{drop_queue, unhandled};

/// Values that come one after the other, for any number of subscribers.
///
/// A clone is another handle of the same topic. The topic is closed when the last handle is
/// dropped; subscribers and receivers are no handles, but a callback that has captured a handle
/// keeps the topic open until [`close`](Topic::close) is called. See [the module](super) for what
/// holds for all subscribers.
///
/// # Examples
///
/// ```
/// use fast_async::topic::Topic;
///
/// let (seen, tell) = std::sync::mpsc::channel();
/// let topic = Topic::new();
/// topic.subscribe(move |n: &u32| seen.send(n * 2).unwrap());
/// topic.publish(21)?;
/// assert_eq!(tell.recv()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Topic<T: Send + Sync + 'static>(Arc<Owner<T>>);

/// What the handles share.
struct Owner<T: Send + Sync + 'static> {
    hub: Arc<Hub<T>>,
    /// The last handle closes the topic. A derived one ends with its source.
    closes: bool,
}

impl<T: Send + Sync + 'static> Drop for Owner<T> {
    fn drop(&mut self) {
        let (hub, closes) = (self.hub.clone(), self.closes);
        drop_queue::flat(move || {
            if closes {
                hub.close();
            }
            unhandled::drop_reporting(hub);
        });
    }
}

impl<T: Send + Sync + 'static> Topic<T> {
    /// Makes a topic without subscribers; see [`Pool::topic`] for one of another pool than the
    /// global one.
    ///
    /// # Examples
    ///
    /// ```
    /// let topic = fast_async::topic::Topic::new();
    /// assert_eq!(topic.publish("no subscriber"), Ok(0));
    /// ```
    pub fn new() -> Topic<T> {
        Topic::in_pool(None)
    }

    /// Makes one of `pool`; `None`: of the global pool.
    pub(super) fn in_pool(pool: Option<Pool>) -> Topic<T> {
        let (hub, closes) = (Hub::new(pool), true);
        Topic(Arc::new(Owner { hub, closes }))
    }

    /// A handle of a derived topic.
    pub(super) fn of_hub(hub: Arc<Hub<T>>) -> Topic<T> {
        let closes = false;
        Topic(Arc::new(Owner { hub, closes }))
    }

    /// Has each subscriber get the last `count` values first, and then what is published, without a
    /// gap and without one twice. Default: 0.
    ///
    /// No publisher waits for the earlier values: a callback without a buffer gets them on the
    /// topic's pool, and [`next`](Topic::next) does not get them. They go into a
    /// buffer beyond its limit where its [`Overflow`] drops nothing. Subscribers of a closed topic
    /// get them too, and then the end. A second call replaces the number, for all handles: it drops
    /// the oldest of what is too much, and does not bring back what was dropped before.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let topic = Topic::new().replay(2);
    /// for n in [1, 2, 3] {
    ///     topic.publish(n)?;
    /// }
    /// let late = topic.receiver(16, Overflow::Block);
    /// topic.publish(4)?;
    /// topic.close();
    /// assert_eq!(late.map(|n| *n).collect::<Vec<_>>(), [2, 3, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replay(self, count: usize) -> Topic<T> {
        let excess = self.hub().lock().kept.set_replay(count);
        unhandled::drop_each(excess);
        self
    }

    /// Keeps the last `count` values that are published without a subscriber, for the next
    /// subscriber, which gets them first. Default: 0.
    ///
    /// One subscriber gets them; see [`replay`](Topic::replay) for all, and for how they come. Of
    /// more values the oldest are dropped. A task for the [`next`](Topic::next) value leaves them
    /// there. A second call replaces the number, as for [`replay`](Topic::replay).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let topic = Topic::new().hold(16);
    /// topic.publish("early")?;
    /// let mut first = topic.receiver(16, Overflow::Block);
    /// let mut second = topic.receiver(16, Overflow::Block);
    /// assert_eq!(*first.recv()?, "early");
    /// assert!(second.try_recv().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hold(self, count: usize) -> Topic<T> {
        let excess = self.hub().lock().kept.set_hold(count);
        unhandled::drop_each(excess);
        self
    }

    pub(super) fn hub(&self) -> &Arc<Hub<T>> {
        &self.0.hub
    }

    /// Publishes a value, and returns how many subscribers it goes to.
    ///
    /// The callbacks without a buffer run on this thread, before the call returns. If another
    /// thread delivers, or this one does inside a callback, the value is queued, that thread
    /// delivers it, and the call returns at once. With no subscriber the value is dropped. In a
    /// line of more than some dozens of derived topics, jobs of the topic's pool deliver to those
    /// beyond.
    ///
    /// Blocks while the buffer of a subscriber with [`Overflow::Block`] is full.
    ///
    /// # Errors
    ///
    /// Returns the value when the topic is closed, or when a subscriber with [`Overflow::Fail`] has
    /// no room.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::Topic;
    ///
    /// let topic = Topic::new();
    /// topic.subscribe(|text: &String| println!("{text}"));
    /// assert_eq!(topic.publish("hello".to_string())?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish(&self, value: T) -> Result<usize, PublishError<T>> {
        self.hub().publish(value)
    }

    /// Calls `f` with each value that is published from now on.
    ///
    /// It runs on the thread that delivers, which is one that publishes, and all subscribers after
    /// it wait for it; see [`on`](Topic::on) for one that takes long. A panic in it is reported,
    /// and it stays subscribed. On a topic that is closed `f` is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::Topic;
    ///
    /// let topic = Topic::new();
    /// let mut sum = 0;
    /// let subscription = topic.subscribe(move |n: &u32| {
    ///     sum += n;
    ///     println!("{sum} so far");
    /// });
    /// topic.publish(1)?;
    /// subscription.unsubscribe();
    /// assert_eq!(topic.publish(2)?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn subscribe<F>(&self, f: F) -> Subscription
    where
        F: FnMut(&T) + Send + 'static,
    {
        let location = Location::caller();
        match self.hub().listen(Box::new(Call { f, location })) {
            Ok(node) => Subscription::elsewhere(node),
            Err(listener) => {
                unhandled::drop_reporting(listener);
                Subscription::none()
            }
        }
    }

    /// Begins to subscribe a callback that runs on `executor`, behind its own buffer.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::LoopQueue;
    /// use fast_async::topic::Topic;
    ///
    /// let window = LoopQueue::new();
    /// let topic = Topic::new();
    /// topic.on(&window).subscribe(|text: &String| println!("{text}"));
    /// topic.publish("drawn in the next turn".to_string())?;
    /// assert_eq!(window.run_pending(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on<E>(&self, executor: &E) -> TopicOn<'_, T>
    where
        E: Executor + Clone + 'static,
    {
        TopicOn {
            topic: self,
            executor: Some(executor.to_shared()),
            limit: DEFAULT_LIMIT,
            overflow: Overflow::Block,
        }
    }

    /// Begins to subscribe a callback behind a buffer of `limit` values; it runs on the topic's
    /// pool, or on what [`on`](TopicOn::on) says.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let topic = Topic::new();
    /// topic.buffer(16, Overflow::DropOldest).subscribe(|n: &u32| println!("{n}"));
    /// topic.publish(1)?;
    /// topic.flush().wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn buffer(&self, limit: usize, overflow: Overflow) -> TopicOn<'_, T> {
        TopicOn {
            topic: self,
            executor: None,
            limit,
            overflow,
        }
    }

    /// Returns a task for the next value, from this call on.
    ///
    /// The task is a future too. Its continuations run on the topic's pool, so that they delay no
    /// other subscriber. A cancel leaves nothing in the topic; a token of the pool cancels it too.
    ///
    /// The task fails as [`Abandoned`](crate::ErrorKind::Abandoned) when the topic is closed before
    /// the value comes. A wait for it inside a callback of the topic fails as
    /// [`Cycle`](crate::ErrorKind::Cycle): the next value comes when the callback has returned.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::Topic;
    ///
    /// let topic = Topic::new();
    /// let next = topic.next();
    /// topic.publish(7)?;
    /// topic.publish(8)?;
    /// assert_eq!(*next.wait()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn next(&self) -> Task<Arc<T>> {
        next::next(self.hub(), |_: &T| true)
    }

    /// Returns a task for the next value that `predicate` is true for, from this call on; see
    /// [`next`](Topic::next).
    ///
    /// `predicate` runs on the thread that delivers. If it panics, the task fails so.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::Topic;
    ///
    /// let topic = Topic::new();
    /// let next = topic.next_where(|n| n % 2 == 0);
    /// topic.publish(7)?;
    /// topic.publish(8)?;
    /// assert_eq!(*next.wait()?, 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn next_where<P>(&self, predicate: P) -> Task<Arc<T>>
    where
        P: FnMut(&T) -> bool + Send + 'static,
    {
        next::next(self.hub(), predicate)
    }

    /// Returns a receiver with a buffer of `limit` values, which gets what is published from now
    /// on. A limit of 0 is one of 1.
    ///
    /// With [`Overflow::Block`] the thread that read from it last, and before that the one that
    /// made it, is not blocked: it would have to make room itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let topic = Topic::new();
    /// let receiver = topic.receiver(16, Overflow::Block);
    /// let sum = fast_async::spawn(move || receiver.map(|n: _| *n).sum::<u32>());
    /// topic.publish(20)?;
    /// topic.publish(22)?;
    /// topic.close();
    /// assert_eq!(sum.wait()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn receiver(&self, limit: usize, overflow: Overflow) -> Receiver<T> {
        Receiver::new(self.hub().add_buffer((limit, overflow), None))
    }

    /// Returns a task that settles when all callbacks have returned that the values published
    /// before this call go to. What is in the buffers of receivers does not count.
    ///
    /// In a callback of this topic, which would wait for its own return, the task fails as
    /// [`Cycle`](crate::ErrorKind::Cycle).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Pool;
    /// use fast_async::topic::Topic;
    ///
    /// let topic = Topic::new();
    /// topic.on(Pool::global()).subscribe(|n: &u32| println!("{n}"));
    /// topic.publish(1)?;
    /// topic.flush().wait()?; // it was printed
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn flush(&self) -> Task<()> {
        self.hub().flush()
    }

    /// Ends the topic: nothing more can be published.
    ///
    /// Subscribers get what was published before, and are dropped then. Tasks that wait for the
    /// [`next`](Topic::next) value fail as [`Abandoned`](crate::ErrorKind::Abandoned). Receivers
    /// end when their buffers are empty. Has no effect the second time.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::ErrorKind;
    /// use fast_async::topic::Topic;
    ///
    /// let topic = Topic::<u32>::new();
    /// let next = topic.next();
    /// topic.close();
    /// assert_eq!(next.wait().unwrap_err().kind(), ErrorKind::Abandoned);
    /// assert!(topic.publish(1).is_err());
    /// ```
    pub fn close(&self) {
        self.hub().close();
    }

    /// Returns true once the topic is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let topic = fast_async::topic::Topic::<u32>::new();
    /// assert!(!topic.is_closed());
    /// topic.close();
    /// assert!(topic.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.hub().lock().is_closed
    }

    /// Returns how many subscribers there are: callbacks, receivers, and tasks for the next value.
    ///
    /// # Examples
    ///
    /// ```
    /// let topic = fast_async::topic::Topic::<u32>::new();
    /// let next = topic.next();
    /// assert_eq!(topic.subscribers(), 1);
    /// next.cancel();
    /// assert_eq!(topic.subscribers(), 0);
    /// ```
    pub fn subscribers(&self) -> usize {
        self.hub().lock().live
    }
}

/// How many values a callback on an executor may be behind, unless it says otherwise.
const DEFAULT_LIMIT: usize = 1024;

/// A callback that is to be subscribed behind a buffer; made by [`Topic::on`] and
/// [`Topic::buffer`]. A second call of one of its settings replaces the first.
#[must_use = "nothing is subscribed before `subscribe`"]
pub struct TopicOn<'a, T: Send + Sync + 'static> {
    topic: &'a Topic<T>,
    executor: Option<Arc<dyn Executor>>,
    limit: usize,
    overflow: Overflow,
}

impl<T: Send + Sync + 'static> TopicOn<'_, T> {
    /// Has the callback run on `executor`.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Pool;
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let (topic, pool) = (Topic::new(), Pool::new());
    /// let buffered = topic.buffer(16, Overflow::DropOldest).on(&pool);
    /// buffered.subscribe(|n: &u32| println!("{n}"));
    /// # topic.publish(1)?;
    /// # topic.flush().wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on<E>(mut self, executor: &E) -> Self
    where
        E: Executor + Clone + 'static,
    {
        self.executor = Some(executor.to_shared());
        self
    }

    /// Sets how many values the buffer holds, and what happens to one that finds it full. Default:
    /// 1,024, and [`Overflow::Block`]. A limit of 0 is one of 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Pool;
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let topic = Topic::new();
    /// let buffered = topic.on(Pool::global()).buffer(16, Overflow::DropOldest);
    /// buffered.subscribe(|n: &u32| println!("{n}"));
    /// # topic.publish(1)?;
    /// # topic.flush().wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn buffer(mut self, limit: usize, overflow: Overflow) -> Self {
        (self.limit, self.overflow) = (limit, overflow);
        self
    }

    /// Calls `f` on the executor with each value that is published from now on, one call at a time.
    ///
    /// It delays no other subscriber, unless the buffer is full and [`Overflow::Block`] makes the
    /// publisher wait. A panic in it is reported, and it stays subscribed. If the executor drops
    /// its job, it is unsubscribed, and a failure is reported.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Pool;
    /// use fast_async::topic::Topic;
    ///
    /// let topic = Topic::new();
    /// let subscription = topic.on(Pool::global()).subscribe(|n: &u32| println!("{n}"));
    /// topic.publish(1)?;
    /// topic.flush().wait()?;
    /// assert!(subscription.unsubscribe());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn subscribe<F>(self, mut f: F) -> Subscription
    where
        F: FnMut(&T) + Send + 'static,
    {
        let location = Location::caller();
        let callback: Callback<T> = Box::new(move |value| round::call(location, || f(value)));
        let pool = || self.topic.hub().pool().unwrap_or(Pool::global());
        let executor = self.executor.unwrap_or_else(|| pool().to_shared());
        let to = Some((executor, callback));
        let limit = (self.limit, self.overflow);
        let buffer = self.topic.hub().add_buffer(limit, to);
        Subscription::elsewhere(buffer)
    }
}

/// A callback without a buffer.
struct Call<F> {
    f: F,
    location: &'static Location<'static>,
}

impl<T, F> Listener<T> for Call<F>
where
    T: Send + Sync + 'static,
    F: FnMut(&T) + Send + 'static,
{
    #[inline]
    fn hear(&mut self, value: &Arc<T>) -> bool {
        (self.f)(value);
        true
    }

    fn location(&self) -> &'static Location<'static> {
        self.location
    }

    fn end(self: Box<Self>) {
        unhandled::drop_reporting(self);
    }
}

impl<T: Send + Sync + 'static> Clone for Topic<T> {
    fn clone(&self) -> Topic<T> {
        Topic(self.0.clone())
    }
}

impl<T: Send + Sync + 'static> Default for Topic<T> {
    fn default() -> Topic<T> {
        Topic::new()
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Topic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic")
            .field("subscribers", &self.subscribers())
            .field("closed", &self.is_closed())
            .finish()
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for TopicOn<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicOn")
            .field("limit", &self.limit)
            .field("overflow", &self.overflow)
            .finish_non_exhaustive()
    }
}
