//! Topics that are made of others. They are lazy: each has an entry in its source while it has
//! subscribers itself, and none otherwise.

use std::panic::Location;

use super::entry::Listener;
use super::handle::Topic;
use super::hub::Hub;
use super::source::{Attached, Source};
use crate::sync::{Arc, AtomicUsize, Ordering};
use crate::task::{Subscription, Task};
use crate::unhandled;

impl<T: Send + Sync + 'static> Topic<T> {
    /// Returns a topic of what `f` makes of each value.
    ///
    /// `f` is called once for a value, however many subscribers the new topic has, and not at all
    /// while it has none. It runs on the thread that delivers. If it panics, that is reported, and
    /// the value is left out. [The module](super) says what holds for all derived topics.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::Topic;
    ///
    /// let celsius = Topic::new();
    /// let fahrenheit = celsius.map(|c| c * 9.0 / 5.0 + 32.0);
    /// let next = fahrenheit.next();
    /// celsius.publish(100.0)?;
    /// assert_eq!(*next.wait()?, 212.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map<U, F>(&self, f: F) -> Topic<U>
    where
        U: Send + Sync + 'static,
        F: Fn(&T) -> U + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.derive(move || {
            let f = f.clone();
            move |value: &Arc<T>, to: &Hub<U>| to.pass_on(Arc::new(f(value)))
        })
    }

    /// Returns a topic of the values that `predicate` is true for; see [`map`](Topic::map).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::Topic;
    ///
    /// let topic = Topic::new();
    /// let next = topic.filter(|n| n % 2 == 0).next();
    /// topic.publish(1)?;
    /// topic.publish(2)?;
    /// assert_eq!(*next.wait()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn filter<P>(&self, predicate: P) -> Topic<T>
    where
        P: Fn(&T) -> bool + Send + Sync + 'static,
    {
        let predicate = Arc::new(predicate);
        self.derive(move || {
            let predicate = predicate.clone();
            move |value: &Arc<T>, to: &Hub<T>| !predicate(value) || to.pass_on(value.clone())
        })
    }

    /// Returns a topic of the next `count` values, which ends after the last of them.
    ///
    /// Values that come while it has no subscriber do not count.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let topic = Topic::new();
    /// let two = topic.take(2).receiver(8, Overflow::Block);
    /// for n in [1, 2, 3] {
    ///     topic.publish(n)?;
    /// }
    /// assert_eq!(two.map(|n| *n).collect::<Vec<_>>(), [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn take(&self, count: usize) -> Topic<T> {
        let left = Arc::new(AtomicUsize::new(count));
        let derived = self.derive(move || {
            let left = left.clone();
            move |value: &Arc<T>, to: &Hub<T>| {
                // One thread at a time delivers.
                let now = left.load(Ordering::Relaxed).saturating_sub(1);
                left.store(now, Ordering::Relaxed);
                let stays = to.pass_on(value.clone()) && now > 0;
                if !stays {
                    to.close();
                }
                stays
            }
        });
        if count == 0 {
            derived.close();
        }
        derived
    }

    /// Returns a topic of the values of this one and of `other`, which ends when both have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let (left, right) = (Topic::new(), Topic::new());
    /// let both = left.merge(&right).receiver(8, Overflow::Block);
    /// left.publish(1)?;
    /// right.publish(2)?;
    /// drop((left, right));
    /// assert_eq!(both.map(|n| *n).collect::<Vec<_>>(), [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn merge(&self, other: &Topic<T>) -> Topic<T> {
        let location = Location::caller();
        let sources = [self.hub().clone(), other.hub().clone()];
        let hub = self.hub().derived();
        let me = hub.me();
        hub.set_source(Source::new(move |attached: &mut Attached| {
            let left = Arc::new(AtomicUsize::new(sources.len()));
            for source in &sources {
                let Some(to) = me.upgrade() else { break };
                let left = left.clone();
                // ORDERING: the last one has to see what the others have published.
                let is_last = move || left.fetch_sub(1, Ordering::AcqRel) == 1;
                let pipe = Pipe {
                    to,
                    f: |value: &Arc<T>, to: &Hub<T>| to.pass_on(value.clone()),
                    end: Some(move |to: &Hub<T>| {
                        if is_last() {
                            to.close();
                        }
                    }),
                    location,
                };
                source.attach(Box::new(pipe), attached);
            }
        }));
        Topic::of_hub(hub)
    }

    /// Returns a topic of the values that come before `task` settles, one way or the other.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let (stop, stopped) = fast_async::deferred();
    /// let topic = Topic::new();
    /// let some = topic.until(stopped).receiver(8, Overflow::Block);
    /// topic.publish(1)?;
    /// stop.resolve(()).unwrap();
    /// topic.publish(2)?;
    /// assert_eq!(some.map(|n| *n).collect::<Vec<_>>(), [1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn until<S: Send + 'static>(&self, task: Task<S>) -> Topic<T> {
        let derived = self.derive(|| |value: &Arc<T>, to: &Hub<T>| to.pass_on(value.clone()));
        let hub = derived.hub().me();
        let closes = task.handle(move |outcome| {
            unhandled::drop_reporting(outcome);
            if let Some(hub) = hub.upgrade() {
                hub.close();
                unhandled::drop_reporting(hub);
            }
        });
        closes.detach();
        derived
    }

    /// Returns a topic of `count` values each, in their order. What is left at the end comes last.
    /// A count of 0 is one of 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let topic = Topic::new();
    /// let pairs = topic.chunks(2).receiver(8, Overflow::Block);
    /// for n in [1, 2, 3] {
    ///     topic.publish(n)?;
    /// }
    /// topic.close();
    /// assert_eq!(pairs.map(|chunk| chunk.len()).collect::<Vec<_>>(), [2, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn chunks(&self, count: usize) -> Topic<Vec<Arc<T>>> {
        let source = self.hub().clone();
        let hub = source.derived();
        let me = hub.me();
        hub.set_source(Source::new(move |attached: &mut Attached| {
            if let Some(to) = me.upgrade() {
                let chunk = Vec::new();
                let chunks = Chunks { to, chunk, count };
                source.attach(Box::new(chunks), attached);
            }
        }));
        Topic::of_hub(hub)
    }

    /// Publishes each value to `to` as well, until the subscription ends or `to` is closed. Neither
    /// topic keeps the other open.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::Topic;
    ///
    /// let (from, to) = (Topic::new(), Topic::new());
    /// from.pipe(&to);
    /// let next = to.next();
    /// from.publish(7)?;
    /// assert_eq!(*next.wait()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn pipe(&self, to: &Topic<T>) -> Subscription {
        let pipe = Pipe {
            to: to.hub().clone(),
            f: |value: &Arc<T>, to: &Hub<T>| to.pass_on(value.clone()),
            end: Some(|_: &Hub<T>| ()),
            location: Location::caller(),
        };
        match self.hub().listen(Box::new(pipe)) {
            Ok(node) => Subscription::elsewhere(node),
            Err(listener) => {
                unhandled::drop_reporting(listener);
                Subscription::none()
            }
        }
    }

    /// Publishes the value of `task` when it comes, and keeps the topic open until then. A failure
    /// is [reported](crate::unhandled).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::Topic;
    ///
    /// let topic = Topic::new();
    /// let next = topic.next();
    /// topic.publish_from(fast_async::spawn(|| 7));
    /// assert_eq!(*next.wait()?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn publish_from(&self, task: Task<T>) {
        let topic = self.clone();
        task.then(move |value| drop(topic.publish(value))).detach();
    }

    /// Makes a topic whose values are derived from this topic's values. `pipe` makes the closure
    /// that passes them on; false: no more are wanted.
    #[track_caller]
    fn derive<U, F>(&self, pipe: impl Fn() -> F + Send + Sync + 'static) -> Topic<U>
    where
        U: Send + Sync + 'static,
        F: FnMut(&Arc<T>, &Hub<U>) -> bool + Send + 'static,
    {
        let location = Location::caller();
        let source = self.hub().clone();
        let hub = source.derived();
        let me = hub.me();
        hub.set_source(Source::new(move |attached: &mut Attached| {
            if let Some(to) = me.upgrade() {
                let pipe = Pipe {
                    to,
                    f: pipe(),
                    end: Some(|to: &Hub<U>| to.close()),
                    location,
                };
                source.attach(Box::new(pipe), attached);
            }
        }));
        Topic::of_hub(hub)
    }
}

/// Passes the values of a source on to a topic.
struct Pipe<U, F, E> {
    to: Arc<Hub<U>>,
    f: F,
    /// Called at the end of the source.
    end: Option<E>,
    location: &'static Location<'static>,
}

impl<T, U, F, E> Listener<T> for Pipe<U, F, E>
where
    T: Send + Sync + 'static,
    U: Send + Sync + 'static,
    F: FnMut(&Arc<T>, &Hub<U>) -> bool + Send + 'static,
    E: FnOnce(&Hub<U>) + Send + 'static,
{
    fn hear(&mut self, value: &Arc<T>) -> bool {
        (self.f)(value, &self.to)
    }

    fn location(&self) -> &'static Location<'static> {
        self.location
    }

    fn end(mut self: Box<Self>) {
        if let Some(end) = self.end.take() {
            end(&self.to);
        }
    }
}

/// Gathers values.
struct Chunks<T: Send + Sync + 'static> {
    to: Arc<Hub<Vec<Arc<T>>>>,
    chunk: Vec<Arc<T>>,
    count: usize,
}

impl<T: Send + Sync + 'static> Drop for Chunks<T> {
    fn drop(&mut self) {
        unhandled::drop_each(self.chunk.drain(..));
    }
}

impl<T: Send + Sync + 'static> Listener<T> for Chunks<T> {
    fn hear(&mut self, value: &Arc<T>) -> bool {
        self.chunk.push(value.clone());
        if self.chunk.len() < self.count {
            return true;
        }
        self.to.pass_on(Arc::new(std::mem::take(&mut self.chunk)))
    }

    fn end(mut self: Box<Self>) {
        if !self.chunk.is_empty() {
            self.to.pass_on(Arc::new(std::mem::take(&mut self.chunk)));
        }
        self.to.close();
    }
}
