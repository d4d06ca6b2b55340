//! `group`: runs a block, and waits for what was started in it.

use std::fmt;
use std::panic::Location;

use super::block::Block;
use super::core::{Core, timed_out};
use super::handle::Group;
use crate::error::{ErrorKind, TaskError};
use crate::pool::Pool;
use crate::promise::{Resolver, deferred_in};
use crate::sync::{Arc, Duration};
use crate::task::Task;
use crate::{guard, unhandled};

/// Calls `block` with a group, and returns when it and everything started in the group has ended.
///
/// The [module](mod@crate::group) has the rules. Blocks the calling thread as [`Task::wait`] does:
/// in a task it runs the group's tasks itself, or the pool replaces the thread.
///
/// # Errors
///
/// The first unhandled failure: of a task that was started in the group, or of the block,
/// whose panic is a failure too. Those that came after it are its
/// [`others`](TaskError::others). One of kind [`Cycle`](ErrorKind::Cycle), at once, when a task of
/// the group waits for the task that calls this.
///
/// # Examples
///
/// ```
/// use fast_async::group;
///
/// let total = group(|g| {
///     let (left, right) = (g.spawn(|| 20), g.spawn(|| 22));
///     g.spawn(|| println!("no handle waits for this, but the group does")).detach();
///     Ok(left.wait()? + right.wait()?)
/// })?;
/// assert_eq!(total, 42);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn group<B: Block>(block: impl FnOnce(&Group) -> B) -> Result<B::Value, TaskError> {
    Group::builder().run(block)
}

impl Group {
    /// Returns settings for a group.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::group::Group;
    ///
    /// let n = Group::builder().keep_going().run(|g| Ok(g.spawn(|| 7).wait()?));
    /// assert_eq!(n?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn builder() -> GroupBuilder {
        GroupBuilder::default()
    }
}

/// Settings for a group; made by [`Group::builder`].
///
/// A second call of a method replaces what the first has set.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use fast_async::group::Group;
///
/// let answer = Group::builder()
///     .timeout(Duration::from_secs(10))
///     .run(|g| Ok(g.spawn(|| 42).wait()?))?;
/// assert_eq!(answer, 42);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "a builder does nothing until `run` is called"]
pub struct GroupBuilder {
    pool: Option<Pool>,
    keeps_going: bool,
    timeout: Option<Duration>,
}

impl GroupBuilder {
    /// Runs the tasks of the group on `pool`, and goes by its clock. Without it: the global pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{Pool, group::Group};
    ///
    /// let disk = Pool::builder().name("disk").build()?;
    /// let name = Group::builder().pool(&disk).run(|g| {
    ///     Ok(g.spawn(|| std::thread::current().name().map(str::to_owned)).wait()?)
    /// });
    /// assert!(name?.is_some_and(|name| name.starts_with("disk")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pool(mut self, pool: &Pool) -> GroupBuilder {
        self.pool = Some(pool.clone());
        self
    }

    /// Lets the others continue when one fails. The group fails even so, at its end.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{Task, group::Group};
    ///
    /// let mut kept = None;
    /// let error = Group::builder().keep_going().run(|g| {
    ///     let failing: Task<()> = g.attempt(|| Err("disk full".into()));
    ///     failing.detach();
    ///     kept = Some(g.spawn(|| "done even so"));
    /// });
    /// assert!(error.is_err());
    /// assert_eq!(kept.unwrap().wait()?, "done even so");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn keep_going(mut self) -> GroupBuilder {
        self.keeps_going = true;
        self
    }

    /// Cancels the tasks when `duration` has passed since the group began; the group then fails as
    /// [`TimedOut`](ErrorKind::TimedOut).
    ///
    /// The block itself is not interrupted, but what it waits for is, unless it waits for something
    /// from outside. What has finished by then can be had from handles that the block leaves
    /// outside.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{ErrorKind, group::Group};
    ///
    /// let mut quick = None;
    /// let late = Group::builder().timeout(Duration::from_millis(50)).run(|g| {
    ///     quick = Some(g.spawn(|| 1));
    ///     g.spawn_with(|ctx| {
    ///         while !ctx.is_cancelled() {
    ///             std::thread::yield_now();
    ///         }
    ///     })
    ///     .detach();
    /// });
    /// assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
    /// assert_eq!(quick.unwrap().wait()?, 1);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn timeout(mut self, duration: Duration) -> GroupBuilder {
        self.timeout = Some(duration);
        self
    }

    /// Calls `block` with the group; see [`group`](crate::group()).
    ///
    /// # Errors
    ///
    /// As for [`group`](crate::group()); also one of kind [`TimedOut`](ErrorKind::TimedOut).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::group::Group;
    ///
    /// let sum: u32 = Group::builder().run(|g| {
    ///     let parts: Vec<_> = (0..4).map(|n| g.spawn(move || n * n)).collect();
    ///     let parts: Result<Vec<u32>, _> = parts.into_iter().map(|part| part.wait()).collect();
    ///     Ok(parts?.iter().sum())
    /// })?;
    /// assert_eq!(sum, 14);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn run<B: Block>(self, block: impl FnOnce(&Group) -> B) -> Result<B::Value, TaskError> {
        let core = Core::new(self.pool, self.keeps_going, Location::caller());
        let limit = self.timeout.map(|duration| Limit::begin(&core, duration));
        let group = Group::new(core.clone());
        let value = match guard::catch(|| block(&group).into_result()) {
            Ok(Ok(value)) => Some(value),
            Ok(Err(error)) => {
                core.fail(TaskError::failed(error, core.at()));
                None
            }
            Err(payload) => {
                core.fail(TaskError::panicked(payload, core.at()));
                None
            }
        };
        match (end(&core, limit, value.is_some()), value) {
            (Ok(()), Some(value)) => Ok(value),
            (Ok(()), None) => Err(timed_out(&core)),
            (Err(error), value) => {
                unhandled::drop_reporting(value);
                Err(error)
            }
        }
    }
}

/// Waits for the tasks, and tells how the group ends. What needs no type parameter is compiled
/// once.
fn end(core: &Arc<Core>, limit: Option<Limit>, has_value: bool) -> Result<(), TaskError> {
    let waited = core.wait_for_all();
    let is_late = limit.is_some_and(Limit::end);
    let failure = core.take_failures();
    let ended = match (waited, failure) {
        (Err(error), _) => Err(error),
        (Ok(()), _) if is_late => Err(timed_out(core)),
        (Ok(()), Some(error)) => Err(error),
        (Ok(()), None) if has_value => Ok(()),
        (Ok(()), None) => Err(timed_out(core)),
    };
    core.tell_settled(ended.as_ref().err());
    ended
}

/// A time limit that is running.
struct Limit {
    resolver: Resolver<()>,
    task: Task<()>,
}

impl Limit {
    fn begin(core: &Arc<Core>, duration: Duration) -> Limit {
        let (resolver, task) = deferred_in(core.pool.as_ref(), core.at().location);
        // Its cancel is that of the group's tasks.
        core.bind(&task);
        let task = task.timeout(duration);
        Limit { resolver, task }
    }

    /// The group has ended. True: it was too late.
    fn end(self) -> bool {
        let _ = self.resolver.resolve(());
        let error = self.task.wait().err();
        error.is_some_and(|error| error.kind() == ErrorKind::TimedOut)
    }
}

impl fmt::Debug for GroupBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupBuilder")
            .field("keeps_going", &self.keeps_going)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// Calls `block` with a group whose tasks run on this pool; see [`group`](crate::group()).
    ///
    /// # Errors
    ///
    /// As for [`group`](crate::group()).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// assert_eq!(pool.group(|g| Ok(g.spawn(|| 7).wait()?))?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn group<B: Block>(&self, block: impl FnOnce(&Group) -> B) -> Result<B::Value, TaskError> {
        Group::builder().pool(self).run(block)
    }
}
