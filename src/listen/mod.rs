//! Listening: from the emitters of tasks, groups and pools to the closures and loops of users.
//!
//! Each listener has a topic of its own, which the emitter feeds. So it has a buffer, runs where it
//! is told to, and leaves as the subscriber of every topic does.

// Map for maintainers: mod.rs tasks    pool.rs all tasks of a pool    group.rs groups
// prompt.rs where callbacks run

mod group;
mod pool;
mod prompt;

use std::any::Any;

use prompt::Prompt;

use crate::cell::listen::{FailureOf, listen};
use crate::cell::{AnyCell, with_state};
use crate::drop_queue;
use crate::event::{Emitter, Listener, TaskEvent};
use crate::executor::Executor;
use crate::limits::EVENTS_KEPT;
use crate::sync::{Arc, Mutex, Weak};
use crate::task::{SharedTask, Subscription, Task, observe_with};
use crate::topic::{Feed, Overflow, Receiver, Topic};

impl<T: Send + 'static> Task<T> {
    /// Calls `f` with each event of the task: when it starts, how far it has come, how it settles.
    ///
    /// It first gets the state as it stands. `f` runs as a job of the task's pool, before the jobs
    /// that are queued there, one call at a time; or on the executor that the chain was
    /// [sent](Task::on) to before. It delays neither the task nor other listeners; see
    /// [`event`](crate::event) for what it may miss when it is slow. A panic in `f` is reported,
    /// and `f` is called with the next event.
    ///
    /// Starts a task made by [`Task::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::EventKind;
    ///
    /// let task = fast_async::spawn_with(|ctx| {
    ///     for done in 1..=1000 {
    ///         ctx.progress(done, 1000);
    ///     }
    /// });
    /// task.on_event(|event| match event.kind() {
    ///     EventKind::Progress { done, total } => println!("{}%", 100 * done / total),
    ///     other => println!("{other}"),
    /// });
    /// task.wait()?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn on_event<F>(&self, f: F) -> Subscription
    where
        F: FnMut(&TaskEvent) + Send + 'static,
    {
        let executor = executor_of(self.cell());
        call(&topic_of(self.cell(), None), &executor, f)
    }

    /// Returns the events of the task, for a loop: it ends after
    /// [`Settled`](crate::EventKind::Settled).
    ///
    /// It first gets the state as it stands. What the loop does not come to is
    /// [counted](Receiver::lost), the oldest first, beyond 1,024 events. Dropping the receiver
    /// stops listening.
    ///
    /// Starts a task made by [`Task::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// let task = fast_async::spawn_with(|ctx| {
    ///     ctx.progress(1, 1);
    ///     7
    /// });
    /// for event in task.events() {
    ///     println!("{event}");
    /// }
    /// assert_eq!(task.wait()?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn events(&self) -> Receiver<TaskEvent> {
        receive(&topic_of(self.cell(), None))
    }
}

impl<T: Send + Sync + 'static> SharedTask<T> {
    /// Calls `f` with each event of the task; see [`Task::on_event`](crate::Task::on_event).
    ///
    /// # Examples
    ///
    /// ```
    /// let shared = fast_async::spawn_with(|ctx| ctx.progress(1, 1)).share();
    /// shared.on_event(|event| println!("{event}"));
    /// shared.wait()?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn on_event<F>(&self, f: F) -> Subscription
    where
        F: FnMut(&TaskEvent) + Send + 'static,
    {
        let executor = executor_of(Some(self.cell()));
        let topic = topic_of(Some(self.cell()), Some(self.failure_of()));
        call(&topic, &executor, f)
    }

    /// Returns the events of the task, for a loop; see [`Task::events`](crate::Task::events).
    ///
    /// # Examples
    ///
    /// ```
    /// let shared = fast_async::spawn(|| 7).share();
    /// for event in shared.events() {
    ///     println!("{event}");
    /// }
    /// assert_eq!(*shared.wait()?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn events(&self) -> Receiver<TaskEvent> {
        receive(&topic_of(Some(self.cell()), Some(self.failure_of())))
    }
}

// What follows is compiled once.

/// Subscribes a closure, with a buffer that delays no task.
#[track_caller]
fn call<F>(topic: &Topic<TaskEvent>, executor: &Arc<dyn Executor>, f: F) -> Subscription
where
    F: FnMut(&TaskEvent) + Send + 'static,
{
    let buffered = topic.buffer(EVENTS_KEPT, Overflow::DropOldest);
    buffered.on(executor).subscribe(f)
}

fn receive(topic: &Topic<TaskEvent>) -> Receiver<TaskEvent> {
    topic.receiver(EVENTS_KEPT, Overflow::DropOldest)
}

/// Where listeners to a task are called.
fn executor_of(cell: Option<&Arc<dyn AnyCell>>) -> Arc<dyn Executor> {
    let sent_to = cell.and_then(|cell| with_state(&**cell, |state| state.hears_on()));
    sent_to.unwrap_or_else(|| {
        let pool = cell.and_then(|cell| cell.meta().pool.as_ref());
        Prompt::on(pool)
    })
}

/// The events of a task, for one subscriber. `failure` finds the failure if the cell has none.
fn topic_of(cell: Option<&Arc<dyn AnyCell>>, failure: Option<FailureOf>) -> Topic<TaskEvent> {
    // Taken by the subscriber: a topic that outlives the task does not keep its cell.
    let task = Mutex::new(cell.cloned().map(|cell| (cell, failure)));
    Topic::fed(move |feed| {
        let taken = task.lock().take();
        match taken {
            Some((cell, failure)) => Box::new(listen_to(&cell, failure, feed)),
            None => end(&feed),
        }
    })
}

/// Ends a feed that has no source.
fn end(feed: &Feed<TaskEvent>) -> Box<dyn Any + Send> {
    feed.end();
    feed.deliver();
    Box::new(())
}

fn listen_to(
    cell: &Arc<dyn AnyCell>,
    failure: Option<FailureOf>,
    feed: Arc<Feed<TaskEvent>>,
) -> Listening {
    let mut step = listen(cell, Arc::new(TaskFeed(feed)), None);
    if let Some(failure) = failure {
        step = step.by(failure);
    }
    let (emitter, number) = step.listener();
    let step = observe_with(Some(cell), Box::new(step));
    Listening::new(&emitter, number, Some(step))
}

/// A listener to one task, or to one group.
struct TaskFeed(Arc<Feed<TaskEvent>>);

impl Listener for TaskFeed {
    fn put(&self, event: Arc<TaskEvent>) {
        self.0.put(event);
    }

    fn end_of_task(&self) {
        self.0.end();
    }

    fn deliver(&self) {
        self.0.deliver();
    }
}

/// Stops listening when it is dropped.
struct Listening {
    emitter: Weak<Emitter>,
    number: u64,
    /// Of the step that tells how the task has settled.
    step: Option<Subscription>,
}

impl Listening {
    fn new(emitter: &Arc<Emitter>, number: u64, step: Option<Subscription>) -> Listening {
        let emitter = Arc::downgrade(emitter);
        Listening {
            emitter,
            number,
            step,
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let (emitter, number, step) = (self.emitter.upgrade(), self.number, self.step.take());
        drop_queue::flat(move || {
            if let Some(emitter) = emitter {
                emitter.remove(number);
            }
            if let Some(step) = step {
                step.unsubscribe();
            }
        });
    }
}
