//! Topics of another pool than the global one.

use super::handle::Topic;
use super::subjects::Topics;
use super::watch::Watch;
use crate::pool::Pool;

impl Pool {
    /// Makes a [`Topic`] of this pool.
    ///
    /// The callbacks that it runs behind buffers, and what is chained on its tasks, run on this
    /// pool, unless they are sent elsewhere. [`debounce`](Topic::debounce) and
    /// [`throttle`](Topic::throttle) go by its clock. Topics that are derived from it are of this
    /// pool too. A topic is a handle of its pool: it keeps it open.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let typed = pool.topic();
    /// let settled = typed.debounce(Duration::from_secs(60)).next();
    /// typed.publish("fast")?;
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(*settled.wait()?, "fast");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn topic<T: Send + Sync + 'static>(&self) -> Topic<T> {
        Topic::in_pool(Some(self.clone()))
    }

    /// Makes a [`Watch`] of this pool; see [`topic`](Pool::topic).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// let level = pool.watch(1);
    /// let high = level.wait_for(|level| *level > 10);
    /// level.set(11)?;
    /// assert_eq!(*high.wait()?, 11);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn watch<T: Send + Sync + 'static>(&self, value: T) -> Watch<T> {
        Watch::of(self.topic(), value)
    }

    /// Makes [`Topics`] of this pool; see [`topic`](Pool::topic).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// let topics = pool.topics();
    /// let next = topics.topic("house.>")?.next();
    /// topics.publish("house.kitchen", 7)?;
    /// assert_eq!(**next.wait().unwrap(), 7);
    /// # Ok::<(), fast_async::topic::SubjectError>(())
    /// ```
    pub fn topics<T: Send + Sync + 'static>(&self) -> Topics<T> {
        Topics::in_pool(Some(self.clone()))
    }
}
