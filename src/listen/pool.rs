//! The events of all tasks of a pool.

use super::end;
use crate::event::{Listener, Listeners, TaskEvent};
use crate::pool::Pool;
use crate::sync::{Arc, Weak};
use crate::topic::{Feed, Topic};

impl Pool {
    /// Returns a topic of the events of all tasks whose closures run on this pool: for a console, a
    /// log, a count.
    ///
    /// A subscriber hears of the tasks that are spawned after it has subscribed: each is
    /// [`Queued`](crate::EventKind::Queued), then
    /// [`Started`](crate::EventKind::Started), and in the end
    /// [`Settled`](crate::EventKind::Settled), as its own closure has settled it, before its
    /// continuations. The events of one task come in their order; those of several are mixed. The
    /// topic ends with the pool. Tasks without a closure, as of [`deferred`](crate::deferred), are
    /// not in it.
    ///
    /// A callback without a buffer runs on the thread on which it happens, and holds that up:
    /// better [send it elsewhere](Topic::on), or take a [receiver](Topic::receiver). No task waits
    /// for room in a buffer: with [`Overflow::Block`](crate::topic::Overflow::Block) it goes over
    /// its limit. Without a subscriber a spawn costs one load more.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{Pool, topic::Overflow};
    ///
    /// let pool = Pool::new();
    /// let events = pool.events().receiver(100, Overflow::DropOldest);
    /// pool.spawn(|| 7).wait()?;
    /// let kinds: Vec<String> = events.take(3).map(|event| event.kind().to_string()).collect();
    /// assert_eq!(kinds, ["queued", "started", "settled"]);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn events(&self) -> Topic<TaskEvent> {
        // Weak: a topic keeps no pool open.
        let listeners = Arc::downgrade(self.listeners());
        Topic::fed(move |feed| match listeners.upgrade() {
            Some(to) => {
                let number = to.add(Arc::new(PoolFeed(feed)));
                let listeners = listeners.clone();
                Box::new(Listening { listeners, number })
            }
            None => end(&feed),
        })
    }
}

/// A listener to all tasks of a pool.
struct PoolFeed(Arc<Feed<TaskEvent>>);

impl Listener for PoolFeed {
    fn put(&self, event: Arc<TaskEvent>) {
        self.0.put(event);
    }

    fn end_of_task(&self) {}

    fn end_of_pool(&self) {
        self.0.end();
    }

    fn deliver(&self) {
        self.0.deliver();
    }
}

/// Stops listening when it is dropped.
struct Listening {
    listeners: Weak<Listeners>,
    number: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(listeners) = self.listeners.upgrade() {
            listeners.remove(self.number);
        }
    }
}
