//! The verbs that start jobs of a queue: those of [`Pool`](crate::Pool).

use std::panic::Location;

use super::core::Queue;
use super::job::Host;
use super::task_queue::TaskQueue;
use crate::cell::AnyCell;
use crate::cell::task_cell::Returned;
use crate::error::At;
use crate::pool::Pool;
use crate::sync::Arc;
use crate::task::{
    Closure, IntoTask, Starter, Task, TaskContext, TrySpawnError, held, own_token, resolve_returned,
};

/// A new job on its way into the queue.
struct Entering<'a> {
    queue: &'a Arc<Queue>,
    priority: i32,
    number: u64,
    /// It was given a place before.
    placed: bool,
}

impl Starter for Entering<'_> {
    fn pool(&self) -> Option<&Pool> {
        self.queue.pool.as_ref()
    }

    fn admit(&self, cell: &Arc<dyn AnyCell>) {
        self.queue
            .admit(self.number, self.priority, self.placed, cell);
    }
}

impl Entering<'_> {
    /// What the closure of the job calls first.
    fn begins(&self) -> Begins {
        Begins(self.queue.has_rate.then(|| self.queue.clone()), self.number)
    }
}

struct Begins(Option<Arc<Queue>>, u64);

impl Begins {
    fn tell(self) {
        if let Some(queue) = self.0 {
            queue.begin(self.1, None);
        }
    }
}

impl TaskQueue {
    fn entering(&self) -> Entering<'_> {
        Entering {
            queue: self.queue(),
            priority: self.priority,
            number: self.queue().next_number(),
            placed: false,
        }
    }

    /// Runs `f` on the queue's pool when it has a place; see [`spawn`](crate::spawn).
    ///
    /// The call does not block. Cancelled while it waits, the job frees its place in the line at
    /// once and is not charged to the rate. Cancelled while it runs, it holds its place until `f`
    /// has returned. What is chained on the task is no part of the job, and holds no place.
    ///
    /// # Errors
    ///
    /// The task fails as for [`Pool::spawn`](crate::Pool::spawn). A job that waits for one behind
    /// it, where no other can end before, gets the failure [`Cycle`](crate::ErrorKind::Cycle).
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = fast_async::TaskQueue::serial();
    /// assert_eq!(queue.spawn(|| 6 * 7).wait()?, 42);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn spawn<T, F>(&self, f: F) -> Task<T>
    where
        F: Closure<T> + Send + 'static,
        T: Send + 'static,
    {
        let entering = self.entering();
        let begins = entering.begins();
        held(&entering, Location::caller(), None, move |_: &At<'_>| {
            begins.tell();
            Returned::Outcome(Ok(f()))
        })
    }

    /// The same for a closure that may fail, or return another task, which is part of the job; see
    /// [`attempt`](crate::attempt).
    ///
    /// # Errors
    ///
    /// As for [`spawn`](TaskQueue::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = fast_async::TaskQueue::serial();
    /// let port = queue.attempt(|| Ok("8080".parse::<u16>()?));
    /// assert_eq!(port.wait()?, 8080);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn attempt<R, F>(&self, f: F) -> Task<R::Output>
    where
        F: Closure<R> + Send + 'static,
        R: IntoTask,
    {
        let entering = self.entering();
        let begins = entering.begins();
        held(&entering, Location::caller(), None, move |at: &At<'_>| {
            begins.tell();
            resolve_returned(f(), at)
        })
    }

    /// The same with a [`TaskContext`], by which the closure sees that it is cancelled; see
    /// [`spawn_with`](crate::spawn_with).
    ///
    /// # Errors
    ///
    /// As for [`spawn`](TaskQueue::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = fast_async::TaskQueue::serial();
    /// let count = queue.spawn_with(|ctx| (0..100).take_while(|_| !ctx.is_cancelled()).count());
    /// assert_eq!(count.wait()?, 100);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn spawn_with<T, F>(&self, f: F) -> Task<T>
    where
        F: FnOnce(&TaskContext) -> T + Send + 'static,
        T: Send + 'static,
    {
        let (token, context) = own_token();
        let entering = self.entering();
        let begins = entering.begins();
        let token = Some(token);
        held(&entering, Location::caller(), token, move |_: &At<'_>| {
            begins.tell();
            Returned::Outcome(Ok(f(&context)))
        })
    }

    /// Both of it: a closure with a [`TaskContext`] that may fail, or return another task.
    ///
    /// # Errors
    ///
    /// As for [`spawn`](TaskQueue::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = fast_async::TaskQueue::serial();
    /// let port = queue.attempt_with(|ctx| {
    ///     ctx.check()?;
    ///     Ok("8080".parse::<u16>()?)
    /// });
    /// assert_eq!(port.wait()?, 8080);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn attempt_with<R, F>(&self, f: F) -> Task<R::Output>
    where
        F: FnOnce(&TaskContext) -> R + Send + 'static,
        R: IntoTask,
    {
        let (token, context) = own_token();
        let entering = self.entering();
        let begins = entering.begins();
        let token = Some(token);
        held(&entering, Location::caller(), token, move |at: &At<'_>| {
            begins.tell();
            resolve_returned(f(&context), at)
        })
    }

    /// Like [`spawn`](TaskQueue::spawn) if the job need not wait, else returns the closure.
    ///
    /// # Errors
    ///
    /// [`TrySpawnError::Full`] when the limit is reached, the rate used up, or the queue paused,
    /// and when other jobs wait. [`TrySpawnError::Closed`] when the pool is shut down.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = fast_async::TaskQueue::serial();
    /// queue.pause();
    /// let f = queue.try_spawn(|| 7).unwrap_err().into_inner();
    /// assert_eq!(f(), 7);
    /// ```
    #[track_caller]
    pub fn try_spawn<T, F>(&self, f: F) -> Result<Task<T>, TrySpawnError<F>>
    where
        F: Closure<T> + Send + 'static,
        T: Send + 'static,
    {
        let mut entering = self.entering();
        if self.queue().pool().is_closed() {
            return Err(TrySpawnError::Closed(f));
        }
        entering.placed = self.queue().try_place(entering.number);
        if !entering.placed {
            return Err(TrySpawnError::Full(f));
        }
        let begins = entering.begins();
        let task = held(&entering, Location::caller(), None, move |_: &At<'_>| {
            begins.tell();
            Returned::Outcome(Ok(f()))
        });
        Ok(task)
    }
}
