//! The events of a group.

use super::prompt::Prompt;
use super::{Listening, TaskFeed, call, receive};
use crate::event::TaskEvent;
use crate::group::Group;
use crate::sync::Arc;
use crate::task::Subscription;
use crate::topic::{Receiver, Topic};

impl Group {
    /// Calls `f` with each event of the group: how many of its tasks have ended, of how many that
    /// were started, and how it ends.
    ///
    /// As for [`Task::on_event`](crate::Task::on_event).
    ///
    /// # Examples
    ///
    /// ```
    /// fast_async::group(|g| {
    ///     g.on_event(|event| println!("{event}"));
    ///     for n in 0..10 {
    ///         g.spawn(move || n * n).detach();
    ///     }
    /// })?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn on_event<F>(&self, f: F) -> Subscription
    where
        F: FnMut(&TaskEvent) + Send + 'static,
    {
        call(&topic_of(self), &Prompt::on(self.pool()), f)
    }

    /// Returns the events of the group, for a loop on another thread; see
    /// [`on_event`](Group::on_event).
    ///
    /// # Examples
    ///
    /// ```
    /// let mut events = None;
    /// fast_async::group(|g| {
    ///     events = Some(g.events());
    ///     g.spawn(|| 1).detach();
    ///     g.spawn(|| 2).detach();
    /// })?;
    /// let progress = events.unwrap().filter_map(|event| event.progress());
    /// assert_eq!(progress.last(), Some((2, 2)));
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn events(&self) -> Receiver<TaskEvent> {
        receive(&topic_of(self))
    }
}

fn topic_of(group: &Group) -> Topic<TaskEvent> {
    let group = group.clone();
    Topic::fed(move |feed| {
        let emitter = group.emitter();
        let number = emitter.add(Arc::new(TaskFeed(feed)));
        Box::new(Listening::new(emitter, number, None))
    })
}
