//! Starting work.

use std::panic::Location;

use super::into_task::land;
use super::{IntoTask, Task};
use crate::cancel::CancelToken;
use crate::cell::node::{Node, Returned};
use crate::cell::state::Phase;
use crate::cell::{About, Cell, Extra, start};
use crate::error::{At, ErrorKind, TaskError};
use crate::pool::Pool;
use crate::sync::Arc;
use crate::trace;

/// Runs `f` on a thread of the [global pool](Pool::global).
///
/// Starts at once; does not block, and goes on when the task is dropped. It ends with the process,
/// though: when `main` returns, what is still running is lost, unless `main` waits for it with
/// [`wait`](Task::wait), or for everything with [`Pool::global().wait_idle(..)`](Pool::wait_idle).
/// A panic in `f` settles the task as [`Panicked`](crate::ErrorKind::Panicked). For work that may
/// fail, see [`attempt`].
///
/// # Examples
///
/// ```
/// let task = fast_async::spawn(|| (1..=10).sum::<u32>());
/// assert_eq!(task.wait()?, 55);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn spawn<T, F>(f: F) -> Task<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    launch(About::here(), move |_: &At<'_>| Returned::Outcome(Ok(f())))
}

/// Runs `f`, which may fail or return another task, on a thread of the [global pool](Pool::global).
///
/// In `f` the `?` operator takes any error.
///
/// # Examples
///
/// ```
/// use fast_async::attempt;
///
/// let port = attempt(|| Ok("8080".parse::<u16>()?));
/// assert_eq!(port.wait()?, 8080);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn attempt<R, F>(f: F) -> Task<R::Output>
where
    F: FnOnce() -> R + Send + 'static,
    R: IntoTask,
{
    launch(About::here(), move |at: &At<'_>| land(f(), at))
}

/// Runs `f` with a [`TaskContext`], by which it can tell that it has been cancelled.
///
/// # Examples
///
/// ```
/// use fast_async::{spawn_with, CancelOutcome};
///
/// let task = spawn_with(|ctx| {
///     while !ctx.is_cancelled() {
///         std::thread::yield_now();
///     }
/// });
/// task.cancel();
/// assert!(task.wait().unwrap_err().is_cancelled());
/// ```
#[track_caller]
pub fn spawn_with<T, F>(f: F) -> Task<T>
where
    F: FnOnce(&TaskContext) -> T + Send + 'static,
    T: Send + 'static,
{
    Task::<()>::builder().spawn_with(f)
}

/// Runs `f`, which may fail or return another task, with a [`TaskContext`]; `ctx.check()?` works in
/// it.
///
/// # Examples
///
/// ```
/// use fast_async::attempt_with;
///
/// let task = attempt_with(|ctx| {
///     loop {
///         ctx.check()?;
///         std::thread::yield_now();
///     }
///     #[allow(unreachable_code)]
///     Ok(())
/// });
/// task.cancel();
/// assert!(task.wait().unwrap_err().is_cancelled());
/// ```
#[track_caller]
pub fn attempt_with<R, F>(f: F) -> Task<R::Output>
where
    F: FnOnce(&TaskContext) -> R + Send + 'static,
    R: IntoTask,
{
    Task::<()>::builder().attempt_with(f)
}

/// What a task started with [`spawn_with`] or [`attempt_with`] can ask about itself.
#[derive(Clone, Debug)]
pub struct TaskContext {
    token: CancelToken,
}

impl TaskContext {
    /// True once the task was cancelled: its result is no longer wanted.
    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// `Err` once the task was cancelled, for `ctx.check()?`.
    ///
    /// # Errors
    ///
    /// A [`TaskError`] of kind [`Cancelled`](ErrorKind::Cancelled).
    #[track_caller]
    pub fn check(&self) -> Result<(), TaskError> {
        if self.is_cancelled() {
            let at = At {
                location: Location::caller(),
                task: None,
            };
            return Err(TaskError::of(ErrorKind::Cancelled, at));
        }
        Ok(())
    }

    /// The token behind it, to pass on to other code.
    pub fn token(&self) -> &CancelToken {
        &self.token
    }
}

/// Settings for a task; made by [`Task::builder`].
///
/// # Examples
///
/// ```
/// use fast_async::Task;
///
/// let err = Task::<()>::builder()
///     .name("load")
///     .attempt(|| Ok(std::fs::read("/no/such/file")?))
///     .wait()
///     .unwrap_err();
/// assert_eq!(err.task_name(), Some("load"));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `spawn` or `attempt` is called"]
pub struct TaskBuilder {
    name: Option<Arc<str>>,
    pool: Option<Pool>,
    parent: Option<CancelToken>,
}

impl TaskBuilder {
    /// Names the task, for errors, spans and debug output.
    pub fn name(mut self, name: impl Into<String>) -> TaskBuilder {
        self.name = Some(name.into().into());
        self
    }

    /// Runs the task, and those of its continuations that need a thread, on `pool`.
    pub fn pool(mut self, pool: &Pool) -> TaskBuilder {
        self.pool = Some(pool.clone());
        self
    }

    /// Cancels the task when `token` is raised.
    pub fn cancel_token(mut self, token: &CancelToken) -> TaskBuilder {
        self.parent = Some(token.clone());
        self
    }

    /// Starts `f`; see [`spawn`].
    #[track_caller]
    pub fn spawn<T, F>(self, f: F) -> Task<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.launch(Location::caller(), None, move |_: &At<'_>| {
            Returned::Outcome(Ok(f()))
        })
    }

    /// Starts `f`, which may fail or return another task; see [`attempt`].
    #[track_caller]
    pub fn attempt<R, F>(self, f: F) -> Task<R::Output>
    where
        F: FnOnce() -> R + Send + 'static,
        R: IntoTask,
    {
        self.launch(Location::caller(), None, move |at: &At<'_>| land(f(), at))
    }

    /// Starts `f` with a [`TaskContext`]; see [`spawn_with`].
    #[track_caller]
    pub fn spawn_with<T, F>(self, f: F) -> Task<T>
    where
        F: FnOnce(&TaskContext) -> T + Send + 'static,
        T: Send + 'static,
    {
        let (token, context) = own_token();
        self.launch(Location::caller(), Some(token), move |_: &At<'_>| {
            Returned::Outcome(Ok(f(&context)))
        })
    }

    /// Starts `f`, which may fail or return another task, with a [`TaskContext`]: `ctx.check()?`
    /// works in it.
    #[track_caller]
    pub fn attempt_with<R, F>(self, f: F) -> Task<R::Output>
    where
        F: FnOnce(&TaskContext) -> R + Send + 'static,
        R: IntoTask,
    {
        let (token, context) = own_token();
        self.launch(Location::caller(), Some(token), move |at: &At<'_>| {
            land(f(&context), at)
        })
    }

    fn launch<T, F>(
        self,
        location: &'static Location<'static>,
        token: Option<CancelToken>,
        work: F,
    ) -> Task<T>
    where
        F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
        T: Send + 'static,
    {
        let about = About {
            location,
            pool: self.pool,
            extra: (self.name.is_some() || token.is_some()).then(|| {
                Box::new(Extra {
                    name: self.name,
                    token,
                })
            }),
        };
        let Some(parent) = self.parent else {
            return launch(about, work);
        };
        let cell = prepare(about, work);
        cancel_with(&parent, &cell);
        launch_cell(cell)
    }
}

fn own_token() -> (CancelToken, TaskContext) {
    let token = CancelToken::new();
    let context = TaskContext {
        token: token.clone(),
    };
    (token, context)
}

/// Cancels the head of `cell` when `parent` is raised; forgets about it when the task is settled.
fn cancel_with(parent: &CancelToken, cell: &Arc<dyn Cell>) {
    let target = Arc::downgrade(cell);
    let callback = parent.on_cancel(move || {
        if let Some(cell) = target.upgrade() {
            cell.cancel_head();
        }
    });
    // The first step there is: gone as soon as the head has its outcome.
    crate::cell::register(
        cell,
        super::subscribe::when_settled(move || {
            callback.unregister();
        }),
        crate::cell::state::Role::Observer,
    );
}

/// A cell with its closure, wrapped in the tracing context of the caller.
fn prepare<T, F>(about: About, work: F) -> Arc<dyn Cell>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    prepare_as(about, Phase::Queued, work)
}

fn prepare_as<T, F>(about: About, phase: Phase, work: F) -> Arc<dyn Cell>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    match trace::capture() {
        None => Node::new(about, phase, work),
        Some(context) => Node::new(about, phase, move |at: &At<'_>| context.run(|| work(at))),
    }
}

fn launch<T, F>(about: About, work: F) -> Task<T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    launch_cell(prepare(about, work))
}

fn launch_cell<T>(cell: Arc<dyn Cell>) -> Task<T> {
    if let Some(token) = cell.about().pool.as_ref().and_then(Pool::cancel_token) {
        cancel_with(token, &cell);
    }
    start(&cell);
    Task::from_cell(cell)
}

impl<T: Send + 'static> Task<T> {
    /// A task that starts when it is asked to: by [`run`](Task::run), [`wait`](Task::wait), a
    /// continuation or an observer.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Task;
    ///
    /// let task = Task::new(|| 1 + 1);
    /// task.run();
    /// assert_eq!(task.wait()?, 2);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn new<F>(f: F) -> Task<T>
    where
        F: FnOnce() -> T + Send + 'static,
    {
        Task::from_cell(prepare_as(About::here(), Phase::Cold, move |_: &At<'_>| {
            Returned::Outcome(Ok(f()))
        }))
    }

    /// Starts a task made by [`Task::new`]; does nothing to one that was started already.
    pub fn run(&self) {
        let Some(cell) = self.cell() else { return };
        let was_cold = crate::cell::with(&**cell, |state, _| {
            let cold = state.phase == Phase::Cold;
            if cold {
                state.phase = Phase::Queued;
            }
            cold
        });
        if was_cold {
            start(cell);
        }
    }
}

impl Task<()> {
    /// Settings for a new task. (The value's type is that of the closure; `Task::builder()` needs
    /// none.)
    pub fn builder() -> TaskBuilder {
        TaskBuilder::default()
    }
}

impl Pool {
    /// Runs `f` on a thread of this pool; see [`spawn`].
    #[track_caller]
    pub fn spawn<T, F>(&self, f: F) -> Task<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        launch(self.about(Location::caller()), move |_: &At<'_>| {
            Returned::Outcome(Ok(f()))
        })
    }

    /// Runs `f`, which may fail or return another task, on a thread of this pool; see [`attempt`].
    #[track_caller]
    pub fn attempt<R, F>(&self, f: F) -> Task<R::Output>
    where
        F: FnOnce() -> R + Send + 'static,
        R: IntoTask,
    {
        launch(self.about(Location::caller()), move |at: &At<'_>| {
            land(f(), at)
        })
    }

    /// Runs `f` with a [`TaskContext`] on a thread of this pool; see [`spawn_with`].
    #[track_caller]
    pub fn spawn_with<T, F>(&self, f: F) -> Task<T>
    where
        F: FnOnce(&TaskContext) -> T + Send + 'static,
        T: Send + 'static,
    {
        TaskBuilder::default().pool(self).spawn_with(f)
    }

    /// Runs `f` if the queue has room for it; see
    /// [`PoolBuilder::queue_limit`](crate::PoolBuilder::queue_limit). Never waits.
    ///
    /// # Errors
    ///
    /// Hands `f` back, untouched, when the queue is full or the pool is shut down.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// let task = match pool.try_spawn(|| 7) {
    ///     Ok(task) => task,
    ///     Err(busy) => fast_async::Task::ready(busy()),
    /// };
    /// assert_eq!(task.wait()?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn try_spawn<T, F>(&self, f: F) -> Result<Task<T>, F>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if !self.try_room() {
            return Err(f);
        }
        let cell = prepare(self.about(Location::caller()), move |_: &At<'_>| {
            Returned::Outcome(Ok(f()))
        });
        if let Some(token) = self.cancel_token() {
            cancel_with(token, &cell);
        }
        if let Err(refused) = self.submit(cell.clone()) {
            refused.settle();
        }
        Ok(Task::from_cell(cell))
    }

    fn about(&self, location: &'static Location<'static>) -> About {
        About {
            location,
            pool: Some(self.clone()),
            extra: None,
        }
    }
}
