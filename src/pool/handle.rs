//! The handle of a pool: spawn, shut down, wait until idle.

use std::fmt;

use super::registry::{Mains, Registry, Rejected};
use super::seat::{Seat, Seated};
use super::settings::{ConfigError, Settings};
use super::shutdown::{self, Shutdown, ShutdownReport};
use super::{PoolDump, PoolMetrics, blocking, current, ending, monitor, worker};
use crate::cancel::CancelToken;
use crate::event::Listeners;
use crate::executor::{Executor, Job, Runnable};
use crate::sync::{Arc, Duration, OnceLock, Weak, deadline_after};
use crate::timer::{Clock, Still, TimeSource};
use crate::{dispatch, turning, unhandled};

/// A pool of threads.
///
/// Starts no thread until there is work; short jobs use one thread per core; when jobs block it
/// adds threads, up to its maximum (64 unless changed); idle threads above the core count end after
/// a keep-alive time. A task may [wait](crate::Task::wait) for a task in the same pool at any size.
///
/// Most programs never name a pool: [`spawn`](crate::spawn) and [`attempt`](crate::attempt) use
/// [`Pool::global`]. A separate pool keeps one kind of work from delaying another.
///
/// A clone is another handle. When the last handle is dropped, accepted work is finished and the
/// threads end; the drop does not block. Tasks, and continuations that were started on the pool,
/// hold a handle. A process made by `fork` has none of the threads: use no pool of its parent's
/// there.
///
/// # Examples
///
/// ```
/// use fast_async::Pool;
///
/// let disk = Pool::builder().name("disk").max_threads(4).build()?;
/// let n = disk.spawn(|| 6 * 7).wait()?;
/// assert_eq!(n, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Pool(Arc<Handle>);

/// Closes the pool when the last handle is dropped; the threads hold only the registry.
struct Handle {
    registry: Arc<Registry>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.registry.close();
    }
}

impl Pool {
    /// Makes a pool with the default settings.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// assert_eq!(pool.spawn(|| 1 + 1).wait()?, 2);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn new() -> Pool {
        Pool::from_settings(Settings::default())
    }

    /// Returns the pool that [`spawn`](crate::spawn) uses: created on first use, never closed.
    ///
    /// It has the default settings; [`set_max_threads`] changes its maximum.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Pool;
    ///
    /// let task = Pool::global().spawn(|| 7); // the same as `spawn(|| 7)`
    /// assert_eq!(task.wait()?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn global() -> &'static Pool {
        crate::sync::statics! {
            static GLOBAL: OnceLock<Pool> = OnceLock::new();
        }
        GLOBAL.get_or_init(Pool::new)
    }

    /// Ends the global pool, for models: its threads must not outlive an execution.
    #[cfg(all(test, any(loom, shuttle)))]
    pub(crate) fn close_global() {
        Pool::global().0.registry.close();
    }

    pub(super) fn from_settings(settings: Settings) -> Pool {
        unhandled::watch_exit();
        let mains = Mains {
            worker: worker::worker_main,
            monitor: monitor::monitor_main,
        };
        let clock = settings.clock.clone();
        let registry = Registry::new(settings, mains);
        if let Some(clock) = clock {
            let pool: Weak<dyn Still> = Arc::<Registry>::downgrade(&registry);
            clock.watch(pool);
        }
        Pool(Arc::new(Handle { registry }))
    }

    /// Queues work that begins, after `acquire_place` or `try_acquire_place`.
    pub(crate) fn submit(&self, work: Arc<dyn Runnable>) -> Result<(), Rejected> {
        let own = current::worker_of(&self.0.registry);
        let local = own.as_ref().map(|worker| &*worker.local);
        self.0.registry.submit(work, local)
    }

    /// Queues work that continues a task: it needs no free place.
    pub(crate) fn submit_continuation(&self, work: Arc<dyn Runnable>) -> Result<(), Rejected> {
        self.0.registry.submit_continuation(work, self.is_current())
    }

    /// The same before all jobs that wait. For what takes no long time.
    pub(crate) fn submit_first(&self, work: Arc<dyn Runnable>) -> Result<(), Rejected> {
        self.0.registry.submit_first(work, self.is_current())
    }

    /// Returns true if its tasks have listeners: a new one is to be announced to them.
    #[inline]
    pub(crate) fn is_heard(&self) -> bool {
        self.0.registry.listeners.is_heard()
    }

    /// Those that hear of the tasks of this pool.
    pub(crate) fn listeners(&self) -> &Arc<Listeners> {
        &self.0.registry.listeners
    }

    /// The tokens that cancel every task of this pool.
    pub(crate) fn cancel_tokens(&self) -> &[CancelToken] {
        &self.0.registry.settings.cancel_tokens
    }

    /// The time that the tasks of this pool go by.
    pub(crate) fn time(&self) -> TimeSource {
        TimeSource::of(self.0.registry.settings.clock.as_ref())
    }

    /// The virtual clock that the pool uses, if it does.
    pub(crate) fn clock(&self) -> Option<&Clock> {
        self.0.registry.settings.clock.as_ref()
    }

    /// The pool uses a virtual clock.
    pub(crate) fn has_clock(&self) -> bool {
        self.0.registry.settings.clock.is_some()
    }

    /// True on this pool's own threads.
    pub(crate) fn is_current(&self) -> bool {
        current::is_on(&self.0.registry)
    }

    /// Takes a place of the queue, and waits for a free one; see
    /// [`PoolBuilder::queue_limit`](super::PoolBuilder). Returns true if a place was taken: the
    /// caller records it in the job, which releases it. Without a limit, and on this pool's own
    /// threads, none is taken. It does not wait on another pool's threads, nor on a thread on which
    /// a loop relies: a worker may wait for that loop.
    pub(crate) fn acquire_place(&self) -> bool {
        let registry = &self.0.registry;
        let Some(capacity) = &registry.capacity else {
            return false;
        };
        if self.is_current() {
            return false;
        }
        // The steps of what this thread has settled may free a place (Contract: W1). One check is
        // enough, because the list belongs to this thread alone.
        if capacity.is_full() {
            dispatch::hand_off_all();
        }
        let may_wait = !blocking::on_worker() && !turning::is_relied_on();
        capacity.acquire(|| may_wait && !registry.is_closed());
        true
    }

    /// True once the pool is shut down; stays true.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.registry.is_closed()
    }

    /// The same without waiting. `None`: no place is free, or the pool is closed.
    pub(crate) fn try_acquire_place(&self) -> Option<bool> {
        let registry = &self.0.registry;
        if registry.is_closed() {
            return None;
        }
        match &registry.capacity {
            Some(capacity) if !self.is_current() => capacity.try_acquire().then_some(true),
            _ => Some(false),
        }
    }

    /// A job that held a place will not be taken from the queue by a worker.
    pub(crate) fn release_place(&self) {
        self.0.registry.release_place();
    }

    /// Sets how many tasks of this pool run at once at most, from now on.
    ///
    /// Tasks that block in [`wait`](crate::Task::wait) do not count. When one of them continues,
    /// one more than `max` may run until another has finished.
    ///
    /// May be called at any time. When the maximum shrinks, tasks that are running finish; surplus
    /// threads take no further work.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] when `max` is 0; nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// pool.set_max_threads(2)?;
    /// assert!(pool.set_max_threads(0).is_err());
    /// # Ok::<(), fast_async::pool::ConfigError>(())
    /// ```
    pub fn set_max_threads(&self, max: usize) -> Result<(), ConfigError> {
        if max == 0 {
            return Err(ConfigError::ZERO_THREADS);
        }
        self.0.registry.set_max(max);
        Ok(())
    }

    /// Returns how many tasks of this pool run at once at most.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// assert_eq!(pool.max_threads(), 64);
    /// pool.set_max_threads(8)?;
    /// assert_eq!(pool.max_threads(), 8);
    /// # Ok::<(), fast_async::pool::ConfigError>(())
    /// ```
    pub fn max_threads(&self) -> usize {
        self.0.registry.idle.lock().max
    }

    /// Returns the prefix of the threads' names, which a number follows.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(fast_async::Pool::global().name(), "fast-async");
    /// ```
    pub fn name(&self) -> &str {
        &self.0.registry.settings.name
    }

    /// Blocks until no job of this pool is queued, running or dispatching its continuations, or
    /// until `timeout` is over; returns true when the pool is idle.
    ///
    /// Called from a task of this pool, it does not wait for that task. `Duration::MAX` means that
    /// there is no limit. Runs nothing on the calling thread. If it is called in a callback, the
    /// pool runs the continuations of the tasks that the callback has settled.
    ///
    /// Give it a limit in a task of another pool whose end this pool may be waiting for: such a
    /// cycle of pools is not found, and the call lasts until the limit.
    ///
    /// Call it before `main` returns to wait for detached work: tasks that still run when the
    /// process ends are lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{spawn, Pool};
    ///
    /// spawn(|| println!("detached, but not lost")).detach();
    /// assert!(Pool::global().wait_idle(Duration::from_secs(10)));
    /// ```
    pub fn wait_idle(&self, timeout: Duration) -> bool {
        let idle = ending::wait_idle(&self.0.registry, deadline_after(timeout));
        unhandled::say_all();
        idle
    }

    /// What the threads do now.
    pub(crate) fn look(&self) -> PoolDump {
        PoolDump::of(&self.0.registry)
    }

    /// Returns the counters of this pool; cheap enough to poll.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// pool.spawn(|| ()).wait()?;
    /// pool.wait_idle(std::time::Duration::MAX);
    /// assert_eq!(pool.metrics().completed, 1);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn metrics(&self) -> PoolMetrics {
        PoolMetrics::of(&self.0.registry)
    }

    /// Closes the pool, waits until its threads have ended, and returns what was left.
    ///
    /// [`Shutdown::Drain`] runs everything that was accepted; [`Shutdown::Discard`] settles what
    /// has not started as [`Cancelled`](crate::ErrorKind::Cancelled). Tasks that are running are
    /// never stopped. `deadline` bounds the wait (`Duration::MAX`: none); tasks that have not ended
    /// by then continue in the background. Give it a deadline in a task of another pool that this
    /// one may be waiting for, as for [`wait_idle`](Pool::wait_idle).
    ///
    /// From a task of this pool it works too, and does not wait for the calling thread. Runs
    /// nothing on that thread. If it is called in a callback, the pool runs the continuations of
    /// the tasks that the callback has settled. Afterwards `spawn` returns tasks that fail as
    /// [`Rejected`](crate::ErrorKind::Rejected). The [global](Pool::global) pool stays open: there
    /// it only waits for, or discards, what is queued.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Pool, Shutdown};
    ///
    /// let pool = Pool::new();
    /// let task = pool.spawn(|| "done");
    /// let report = pool.shutdown(Shutdown::Drain, Duration::from_secs(5));
    /// assert!(report.is_complete());
    /// assert_eq!(task.wait()?, "done");
    /// assert!(pool.spawn(|| ()).wait().is_err());
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn shutdown(&self, mode: Shutdown, deadline: Duration) -> ShutdownReport {
        let deadline = deadline_after(deadline);
        let is_global = Arc::ptr_eq(&self.0, &Pool::global().0);
        let report = shutdown::shutdown(&self.0.registry, mode, deadline, !is_global);
        unhandled::say_all();
        report
    }
}

impl Executor for Pool {
    fn execute(&self, job: Job) {
        let registry = &self.0.registry;
        let work = match registry.capacity {
            None => job.into_work(),
            Some(_) => Seated::runnable(job, Seat::new(registry)),
        };
        if let Err(rejected) = self.submit_continuation(work) {
            rejected.settle();
        }
    }

    fn has_threads(&self) -> bool {
        true
    }
}

impl Default for Pool {
    fn default() -> Pool {
        Pool::new()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.name())
            .field("metrics", &self.metrics())
            .finish()
    }
}

/// Sets how many tasks of the [global pool](Pool::global) run at once at most, from now on.
/// Default: 64.
///
/// # Errors
///
/// Returns [`ConfigError`] when `max` is 0; nothing has changed then.
///
/// # Examples
///
/// ```
/// fast_async::set_max_threads(8)?;
/// # Ok::<(), fast_async::pool::ConfigError>(())
/// ```
pub fn set_max_threads(max: usize) -> Result<(), ConfigError> {
    Pool::global().set_max_threads(max)
}
