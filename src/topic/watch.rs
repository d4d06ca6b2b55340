//! `Watch`: the latest value, and the subscribers to its changes.

use std::fmt;

use super::entry::Listener;
use super::handle::Topic;
use super::hub::{Refused, Since};
use super::next::{Waiter, tie};
use super::overflow::{Overflow, PublishError};
use super::receiver::Receiver;
use crate::sync::Arc;
use crate::task::Task;
use crate::unhandled;

/// A value that changes, for any number of threads that look at it or wait for a change.
///
/// Cloning gives another handle of the same value. It is a [`Topic`] that keeps its last value;
/// [`topic`](Watch::topic) returns that, to subscribe to.
///
/// # Examples
///
/// ```
/// use fast_async::topic::Watch;
///
/// let level = Watch::new(0);
/// let high = level.wait_for(|level| *level > 10);
/// level.set(7)?;
/// level.update(|level| level + 5)?;
/// assert_eq!(*level.get(), 12);
/// assert_eq!(*high.wait()?, 12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Watch<T: Send + Sync + 'static>(Topic<T>);

impl<T: Send + Sync + 'static> Watch<T> {
    /// Makes one with this value.
    ///
    /// # Examples
    ///
    /// ```
    /// let watch = fast_async::topic::Watch::new("idle");
    /// assert_eq!(*watch.get(), "idle");
    /// ```
    pub fn new(value: T) -> Watch<T> {
        Watch::of(Topic::new(), value)
    }

    /// Makes one of a topic that is new.
    pub(super) fn of(topic: Topic<T>, value: T) -> Watch<T> {
        let topic = topic.replay(1);
        let published = topic.publish(value);
        debug_assert!(published.is_ok());
        topic.hub().lock().kept.keep_one();
        Watch(topic)
    }

    /// Returns the present value. Other threads may change it at any time.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::Watch;
    ///
    /// let watch = Watch::new(1);
    /// let before = watch.get();
    /// watch.set(2)?;
    /// assert_eq!((*before, *watch.get()), (1, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(&self) -> Arc<T> {
        self.numbered().1
    }

    /// The value, and how many there were before it.
    fn numbered(&self) -> (u64, Arc<T>) {
        let latest = self.0.hub().lock().kept.latest().cloned();
        latest.expect("a watch has a value from the start, and always keeps one")
    }

    /// Changes the value, and publishes it to the subscribers of [`topic`](Watch::topic).
    ///
    /// Returns how many there are; see [`Topic::publish`] for the thread that calls them.
    ///
    /// # Errors
    ///
    /// As for [`Topic::publish`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::Watch;
    ///
    /// let watch = Watch::new(1);
    /// assert_eq!(watch.set(2)?, 0);
    /// watch.close();
    /// assert_eq!(watch.set(3).unwrap_err().into_inner(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set(&self, value: T) -> Result<usize, PublishError<T>> {
        self.0.publish(value)
    }

    /// Changes the value to what `f` makes of it; no other change comes between.
    ///
    /// `f` is called without a lock, and again if another thread has changed the value in between.
    /// Returns how many subscribers there are.
    ///
    /// # Errors
    ///
    /// As for [`Topic::publish`], with the new value.
    ///
    /// # Panics
    ///
    /// If `f` panics. The value is unchanged then.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::Watch;
    ///
    /// let count = Watch::new(1);
    /// count.update(|n| n + 1)?;
    /// assert_eq!(*count.get(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn update(&self, mut f: impl FnMut(&T) -> T) -> Result<usize, PublishError<T>> {
        loop {
            let (number, before) = self.numbered();
            let value = f(&before);
            match self.0.hub().publish_at(number + 1, value) {
                Ok(Ok(live)) => return Ok(live),
                Ok(Err(error)) => return Err(error),
                Err(outdated) => unhandled::drop_reporting(outdated),
            }
        }
    }

    /// Returns a task for the next value that is set, from this call on; see [`Topic::next`].
    ///
    /// Several changes may come before the caller looks again. For a loop that misses no change to
    /// the value it last saw, use [`receiver`](Watch::receiver).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::Watch;
    ///
    /// let watch = Watch::new(1);
    /// let changed = watch.changed();
    /// watch.set(2)?;
    /// assert_eq!(*changed.wait()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn changed(&self) -> Task<Arc<T>> {
        self.0.next()
    }

    /// Returns a task for the first value that `predicate` is true for: this one, or one that is
    /// set later.
    ///
    /// `predicate` is called in here first, and then on the thread that delivers. If it panics, the
    /// task fails so. The task fails as [`Abandoned`](crate::ErrorKind::Abandoned) when the watch
    /// is closed before.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::Watch;
    ///
    /// let watch = Watch::new(1);
    /// assert_eq!(*watch.wait_for(|n| *n == 1).wait()?, 1);
    /// let two = watch.wait_for(|n| *n == 2);
    /// watch.set(2)?;
    /// assert_eq!(*two.wait()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn wait_for<P>(&self, predicate: P) -> Task<Arc<T>>
    where
        P: FnMut(&T) -> bool + Send + 'static,
    {
        let hub = self.0.hub();
        let (waiter, task) = Waiter::new(hub, predicate);
        let mut waiter: Box<dyn Listener<T>> = Box::new(waiter);
        loop {
            let (number, value) = self.numbered();
            if !waiter.hear(&value) {
                return task;
            }
            waiter = match hub.add(waiter, Since::Number(number + 1)) {
                Ok((node, _)) => {
                    tie(&task, node);
                    hub.tune();
                    return task;
                }
                Err(Refused::Outdated(waiter)) => waiter,
                Err(Refused::Closed(waiter)) => {
                    waiter.end();
                    return task;
                }
            };
        }
    }

    /// Returns a receiver whose first value is the present one. It then has the latest value that
    /// it has not taken, and counts those that it missed as [lost](Receiver::lost).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::Watch;
    ///
    /// let watch = Watch::new(1);
    /// let mut receiver = watch.receiver();
    /// assert_eq!(*receiver.recv()?, 1);
    /// watch.set(2)?;
    /// watch.set(3)?;
    /// watch.close();
    /// assert_eq!(*receiver.recv()?, 3);
    /// assert!(receiver.recv().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn receiver(&self) -> Receiver<T> {
        self.0.receiver(1, Overflow::DropOldest)
    }

    /// Returns the topic of the values. Its subscribers get the value of now first.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::Watch;
    ///
    /// let watch = Watch::new(1);
    /// watch.topic().subscribe(|n| println!("it is {n} now"));
    /// watch.set(2)?;
    /// # watch.topic().flush().wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn topic(&self) -> &Topic<T> {
        &self.0
    }

    /// Ends the changes; see [`Topic::close`]. The value remains.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::Watch;
    ///
    /// let watch = Watch::new(1);
    /// watch.close();
    /// assert!(watch.set(2).is_err());
    /// assert_eq!(*watch.get(), 1);
    /// ```
    pub fn close(&self) {
        self.0.close();
    }
}

impl<T: Send + Sync + 'static> Clone for Watch<T> {
    fn clone(&self) -> Watch<T> {
        Watch(self.0.clone())
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("subscribers", &self.0.subscribers())
            .finish_non_exhaustive()
    }
}
