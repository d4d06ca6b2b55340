//! Closures that never leave the thread of their loop.
//!
//! A store of that thread holds them (`store.rs`). The task holds the number of its closure.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::rc::Rc;

use super::queue::{LoopQueue, Queue};
use super::store::{self, Store};
use crate::cell::slot::Outcome;
use crate::cell::task_cell::Returned;
use crate::error::{At, ErrorKind, TaskError};
use crate::sync::{Arc, Weak, thread_id};
use crate::task::{IntoTask, Task, resolve_returned};
use crate::turning::Turning;

/// The loop of one thread: continuations that are registered here may hold what belongs to that
/// thread, an `Rc` or a widget. They need not be `Send`.
///
/// It stays on the thread that made it. Such a continuation is called and dropped on that thread
/// only: when [`queue`](LocalLoop::queue) is run there, or when the loop is dropped, which settles
/// the tasks of what was not called as [`ErrorKind::Rejected`](crate::ErrorKind::Rejected), each as
/// soon as the task before it is settled. When a task is cancelled, its continuation is dropped in
/// the next run.
///
/// # Examples
///
/// ```
/// use std::cell::RefCell;
/// use std::rc::Rc;
/// use fast_async::{spawn, loop_queue::LocalLoop};
///
/// let window = LocalLoop::new();
/// let label = Rc::new(RefCell::new(String::new()));
/// let shown = window.then(spawn(|| "loaded".to_string()), {
///     let label = label.clone();
///     move |text| *label.borrow_mut() = text
/// });
/// // A window would call `window.queue().run_pending()` once per frame.
/// window.queue().run_until(shown)?;
/// assert_eq!(*label.borrow(), "loaded");
/// # Ok::<(), fast_async::TaskError>(())
/// ```
///
/// It cannot be sent to another thread:
///
/// ```compile_fail,E0277
/// let window = fast_async::loop_queue::LocalLoop::new();
/// std::thread::spawn(move || window.queue().run_pending());
/// ```
pub struct LocalLoop {
    queue: LoopQueue,
    store: Rc<Store>,
    /// A `wait` on this thread runs what it waits for, if that was sent here.
    _turning: Turning,
}

impl LocalLoop {
    /// Makes a loop for the calling thread, with an empty queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{loop_queue::LocalLoop, Task};
    ///
    /// let window = LocalLoop::new();
    /// let text = window.then(Task::ready(7), |n| n.to_string());
    /// assert_eq!(window.queue().run_pending(), 1);
    /// assert_eq!(text.wait()?, "7");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn new() -> LocalLoop {
        LocalLoop::of(LoopQueue::build(None, Some(thread_id())))
    }

    /// Makes a loop for the calling thread whose queue calls `notify` when something arrives.
    ///
    /// `notify` runs on the thread that brings it; see [`LoopQueue::with_notify`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{spawn, loop_queue::LocalLoop};
    ///
    /// let (wake, events) = std::sync::mpsc::channel();
    /// let window = LocalLoop::with_notify(move || {
    ///     let _ = wake.send(());
    /// });
    /// let text = window.then(spawn(|| 7), |n| n.to_string());
    /// events.recv()?; // where the loop sleeps
    /// window.queue().run_pending();
    /// assert_eq!(text.wait()?, "7");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_notify(notify: impl Fn() + Send + Sync + 'static) -> LocalLoop {
        LocalLoop::of(LoopQueue::build(Some(Box::new(notify)), Some(thread_id())))
    }

    fn of(queue: LoopQueue) -> LocalLoop {
        let store = Rc::<Store>::default();
        store::add(Arc::as_ptr(&queue.0).addr(), store.clone());
        LocalLoop {
            queue,
            store,
            _turning: Turning::begin(),
        }
    }

    /// Returns the queue of this loop: turn it on this thread, and send chains through it from any.
    ///
    /// On other threads a clone of it is an executor only: there its
    /// [`run_pending`](LoopQueue::run_pending) runs nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{spawn, loop_queue::LocalLoop};
    ///
    /// let window = LocalLoop::new();
    /// let here = std::thread::current().id();
    /// let task = spawn(|| ()).on(window.queue()).then(|()| std::thread::current().id());
    /// assert_eq!(window.queue().run_until(task)?, here);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn queue(&self) -> &LoopQueue {
        &self.queue
    }

    /// Calls `f` with the value of `task` on this thread, in a turn of the queue; the new task is
    /// what `f` returns. A failure passes by, and `f` is dropped in that turn.
    ///
    /// Continuations of the new task run in the queue too, as after [`Task::on`](crate::Task::on).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use fast_async::{spawn, loop_queue::LocalLoop};
    ///
    /// let window = LocalLoop::new();
    /// let title = Rc::new("Report".to_string());
    /// let label = window.then(spawn(|| 7), move |pages| format!("{title}: {pages} pages"));
    /// assert_eq!(window.queue().run_until(label)?, "Report: 7 pages");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn then<T, U, F>(&self, task: Task<T>, f: F) -> Task<U>
    where
        T: Send + 'static,
        U: Send + 'static,
        F: FnOnce(T) -> U + 'static,
    {
        self.link(
            task,
            Location::caller(),
            f,
            |outcome, f, at| match outcome {
                Ok(value) => Returned::Outcome(Ok(f(value))),
                Err(error) => skipped(error, at),
            },
        )
    }

    /// Like [`then`](LocalLoop::then) for an `f` that may fail, or that returns another task, whose
    /// outcome becomes that of the new one.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use fast_async::{spawn, loop_queue::LocalLoop};
    ///
    /// let window = LocalLoop::new();
    /// let scale = Rc::new(3);
    /// let area = window.and_then(spawn(|| 7), move |n| {
    ///     let width = n * *scale;
    ///     spawn(move || width * width)
    /// });
    /// assert_eq!(window.queue().run_until(area)?, 441);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn and_then<T, R, F>(&self, task: Task<T>, f: F) -> Task<R::Output>
    where
        T: Send + 'static,
        R: IntoTask,
        F: FnOnce(T) -> R + 'static,
    {
        self.link(
            task,
            Location::caller(),
            f,
            |outcome, f, at| match outcome {
                Ok(value) => resolve_returned(f(value), at),
                Err(error) => skipped(error, at),
            },
        )
    }

    /// Calls `f` with the outcome of `task`, value or failure, on this thread, in a turn of the
    /// queue; the new task is what `f` returns.
    ///
    /// When the loop is dropped first, or `task` is cancelled by way of the new one, `f` is
    /// dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use fast_async::{attempt, loop_queue::LocalLoop};
    ///
    /// let window = LocalLoop::new();
    /// let title = Rc::new("Port".to_string());
    /// let port = attempt(|| Ok("http".parse::<u16>()?));
    /// let label = window.handle(port, move |outcome| match outcome {
    ///     Ok(port) => format!("{title} {port}"),
    ///     Err(_) => format!("{title} unknown"),
    /// });
    /// assert_eq!(window.queue().run_until(label)?, "Port unknown");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn handle<T, U, F>(&self, task: Task<T>, f: F) -> Task<U>
    where
        T: Send + 'static,
        U: Send + 'static,
        F: FnOnce(Result<T, TaskError>) -> U + 'static,
    {
        self.link(task, Location::caller(), f, |outcome, f, _| {
            Returned::Outcome(Ok(f(outcome)))
        })
    }

    fn link<T, U, F>(
        &self,
        task: Task<T>,
        location: &'static Location<'static>,
        f: F,
        call: fn(Outcome<T>, F, &At<'_>) -> Returned<U>,
    ) -> Task<U>
    where
        T: Send + 'static,
        U: Send + 'static,
        F: 'static,
    {
        let number = self.store.add(Box::new(f));
        let step_id = Ticket::<F> {
            queue: Arc::downgrade(&self.queue.0),
            number: Some(number),
            _type: PhantomData,
        };
        task.on(&self.queue)
            .link(location, move |outcome, at| match step_id.redeem() {
                Some(f) => call(outcome, f, at),
                None => Returned::Outcome(Err(match outcome {
                    Err(error) => error,
                    Ok(_) => TaskError::noted(
                        ErrorKind::Rejected,
                        "the loop of its continuation is gone",
                        Some(*at),
                    ),
                })),
            })
    }
}

/// The outcome of a continuation that a failure passes by.
fn skipped<U>(error: TaskError, at: &At<'_>) -> Returned<U> {
    error.passed(at.location);
    Returned::Outcome(Err(error))
}

/// What a task holds of a closure that it cannot hold itself.
struct Ticket<F> {
    queue: Weak<Queue>,
    /// `None` once it is redeemed.
    number: Option<u64>,
    _type: PhantomData<fn() -> F>,
}

impl<F: 'static> Ticket<F> {
    /// The closure; `None` on other threads, and after the loop is dropped.
    fn redeem(mut self) -> Option<F> {
        let store = store::of(self.queue.as_ptr().addr())?;
        let closure = store.take(self.number.take()?)?;
        closure.downcast().ok().map(|closure| *closure)
    }
}

impl<F> Drop for Ticket<F> {
    fn drop(&mut self) {
        if let Some(number) = self.number
            && let Some(queue) = self.queue.upgrade()
        {
            queue.ring(|bell| bell.forgotten.push(number));
        }
    }
}

impl Drop for LocalLoop {
    fn drop(&mut self) {
        store::remove(Arc::as_ptr(&self.queue.0).addr());
        self.queue.0.bell.lock().is_closed = true;
        // Nothing is sent any more. Each job rejects its task, for which the drop of a closure may
        // wait.
        self.queue.0.reject_all();
        self.store.clear();
    }
}

impl Default for LocalLoop {
    fn default() -> LocalLoop {
        LocalLoop::new()
    }
}

impl fmt::Debug for LocalLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalLoop")
            .field("queued", &self.queue.pending())
            .field("closures", &self.store.len())
            .finish()
    }
}
