//! The settings of a pool, set one by one.

use std::fmt;

use super::handle::Pool;
use super::settings::{ConfigError, Hook, Settings};
use crate::cancel::CancelToken;
use crate::sync::Duration;
use crate::timer::Clock;

/// Settings for a [`Pool`]; made by [`Pool::builder`] or [`PoolBuilder::new`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use fast_async::Pool;
///
/// let pool = Pool::builder()
///     .name("render")
///     .core_threads(1)
///     .max_threads(8)
///     .keep_alive(Duration::from_secs(5))
///     .stack_size(4 << 20) // bytes
///     .on_thread_start(|n| println!("render-{n} starts"))
///     .on_thread_stop(|n| println!("render-{n} ends"))
///     .build()?;
/// assert_eq!(pool.max_threads(), 8);
/// # Ok::<(), fast_async::pool::ConfigError>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct PoolBuilder(Settings);

impl Pool {
    /// Returns settings for a new pool.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::builder().name("disk").max_threads(4).build()?;
    /// assert_eq!(pool.name(), "disk");
    /// # Ok::<(), fast_async::pool::ConfigError>(())
    /// ```
    pub fn builder() -> PoolBuilder {
        PoolBuilder::default()
    }
}

impl PoolBuilder {
    /// Returns the default settings; the same as [`Pool::builder`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::pool::PoolBuilder;
    ///
    /// let pool = PoolBuilder::new().name("disk").build()?;
    /// assert_eq!(pool.name(), "disk");
    /// # Ok::<(), fast_async::pool::ConfigError>(())
    /// ```
    pub fn new() -> PoolBuilder {
        PoolBuilder::default()
    }

    /// Sets the prefix of the threads' names, `<name>-<number>`. Default: `fast-async`.
    ///
    /// A zero byte in the name is left out. A second call replaces the name.
    ///
    /// # Examples
    ///
    /// ```
    /// let disk = fast_async::Pool::builder().name("disk").build()?;
    /// let name = disk.spawn(|| std::thread::current().name().map(str::to_owned));
    /// assert_eq!(name.wait()?.as_deref(), Some("disk-1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> PoolBuilder {
        self.0.name = name.into().replace('\0', "");
        self
    }

    /// Sets how many threads work when no job blocks, and stay when idle. Default: one per core.
    ///
    /// Bounded by the maximum. A second call replaces the number.
    ///
    /// # Examples
    ///
    /// ```
    /// // One job at a time, unless jobs block.
    /// let pool = fast_async::Pool::builder().core_threads(1).build()?;
    /// assert_eq!(pool.spawn(|| 7).wait()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn core_threads(mut self, threads: usize) -> PoolBuilder {
        self.0.core = threads;
        self
    }

    /// Sets how many tasks run at once at most. Default: 64.
    ///
    /// Tasks that block in [`wait`](crate::Task::wait) do not count, so this is no lock: of jobs
    /// that wait, more than that are under way. For one job after the other, take
    /// [`TaskQueue::serial`](crate::TaskQueue::serial); for a bound that holds while jobs wait, a
    /// [`TaskQueue`](crate::TaskQueue). A second call replaces the number.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::builder().max_threads(8).build()?;
    /// assert_eq!(pool.max_threads(), 8);
    /// # Ok::<(), fast_async::pool::ConfigError>(())
    /// ```
    pub fn max_threads(mut self, threads: usize) -> PoolBuilder {
        self.0.max = threads;
        self
    }

    /// Sets how long a thread above the core count stays without work. Default: one second.
    ///
    /// A second call replaces the time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = fast_async::Pool::builder().keep_alive(Duration::from_secs(10)).build()?;
    /// assert_eq!(pool.spawn(|| 7).wait()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep_alive(mut self, time: Duration) -> PoolBuilder {
        self.0.keep_alive = time;
        self
    }

    /// Sets the stack of each thread, in bytes. Default: that of [`std::thread`].
    ///
    /// A second call replaces the size.
    ///
    /// A task may rely on three quarters of it: no task is put on a stack of which a waiting task
    /// uses more than a quarter (see [`Task::wait`](crate::Task::wait)).
    ///
    /// # Examples
    ///
    /// ```
    /// fn depth(left: u32) -> u32 {
    ///     let frame = std::hint::black_box([left; 256]); // 1 KiB
    ///     if left == 0 { 0 } else { depth(left - 1) + frame[0].min(1) }
    /// }
    ///
    /// let pool = fast_async::Pool::builder().stack_size(16 << 20).build()?;
    /// assert_eq!(pool.spawn(|| depth(4_000)).wait()?, 4_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> PoolBuilder {
        self.0.stack_size = Some(bytes);
        self
    }

    /// Sets whether a thread of the pool that [waits](crate::Task::wait) for a task which has not
    /// started may run it itself. Default: yes, because it saves two switches of threads.
    ///
    /// A second call replaces the setting.
    ///
    /// Without it the task always runs on another thread, as if every `wait` on the pool's threads
    /// were a [`wait_parked`](crate::Task::wait_parked). Choose that for jobs that wait while they
    /// hold something of their thread's, as a thread-local that is borrowed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    /// use fast_async::Pool;
    ///
    /// let pool = Pool::builder().inline_waits(false).build()?;
    /// let own = pool.clone();
    /// let (outer, inner) = pool
    ///     .spawn(move || {
    ///         let inner = own.spawn(|| thread::current().id()).wait();
    ///         (thread::current().id(), inner)
    ///     })
    ///     .wait()?;
    /// assert_ne!(outer, inner?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn inline_waits(mut self, may_run: bool) -> PoolBuilder {
        self.0.inline_waits = may_run;
        self
    }

    /// Sets how many jobs may be queued. Default: no limit. A second call replaces the number.
    ///
    /// A job leaves its place when a thread begins it or when it is cancelled.
    ///
    /// At the limit `spawn` blocks until there is room. On the threads of pools, and on a thread
    /// that runs a [loop](crate::LoopQueue) or has a [local
    /// one](crate::loop_queue::LocalLoop), it exceeds the limit instead, because the pool's jobs
    /// may wait for that thread. [`Pool::try_spawn`] does not block:
    /// it returns the closure, but not on the pool's own threads. While `spawn` blocks in a
    /// callback, the pool runs the continuations of the tasks that the callback has settled.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use fast_async::Pool;
    ///
    /// let pool = Pool::builder().max_threads(1).queue_limit(1).build()?;
    /// let (start, started) = mpsc::channel();
    /// let (open, gate) = mpsc::channel::<()>();
    /// let running = pool.spawn(move || {
    ///     start.send(()).unwrap();
    ///     gate.recv().unwrap();
    /// });
    /// started.recv()?; // The only thread is busy, and the queue is empty.
    /// let queued = pool.spawn(|| "queued");
    /// assert!(pool.try_spawn(|| "one too many").is_err());
    /// open.send(())?;
    /// running.wait()?;
    /// assert_eq!(queued.wait()?, "queued");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn queue_limit(mut self, jobs: usize) -> PoolBuilder {
        self.0.queue_limit = Some(jobs);
        self
    }

    /// Cancels every task of the pool that is not settled when `token` is raised, with its whole
    /// chain, as [`TaskBuilder::cancel_token`](crate::TaskBuilder::cancel_token) does for one task.
    ///
    /// A second call adds a token: each of them cancels.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{CancelToken, Pool};
    ///
    /// let quit = CancelToken::new();
    /// let pool = Pool::builder().cancel_token(&quit).build()?;
    /// quit.cancel();
    /// assert!(pool.spawn(|| ()).wait().unwrap_err().is_cancelled());
    /// # Ok::<(), fast_async::pool::ConfigError>(())
    /// ```
    pub fn cancel_token(mut self, token: &CancelToken) -> PoolBuilder {
        self.0.cancel_tokens.push(token.clone());
        self
    }

    /// Has the delays, time limits and intervals of the pool's tasks go by a virtual clock.
    /// Default: the system's time.
    ///
    /// For tests; see [`Clock`]. A second call replaces the clock.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let tomorrow = pool.delay(Duration::from_secs(24 * 3600));
    /// clock.advance(Duration::from_secs(24 * 3600));
    /// tomorrow.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clock(mut self, clock: &Clock) -> PoolBuilder {
        self.0.clock = Some(clock.clone());
        self
    }

    /// Has the pool size itself as on a system that does not tell what a thread does. For tests.
    #[doc(hidden)]
    pub fn without_thread_states(mut self) -> PoolBuilder {
        self.0.asks_system = false;
        self
    }

    /// Sets a hook that each thread runs before its first job, with the number in its name.
    ///
    /// A panic in it is reported as an unhandled failure; the thread works on. A second call
    /// replaces the hook.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let (tell, told) = mpsc::channel();
    /// let pool = fast_async::Pool::builder()
    ///     .on_thread_start(move |number| tell.send(number).unwrap())
    ///     .build()?;
    /// pool.spawn(|| ()).wait()?;
    /// assert_eq!(told.recv()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_thread_start(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> PoolBuilder {
        self.0.on_start = Some(Hook::new(hook));
        self
    }

    /// Sets a hook that each thread runs after its last job, with the number in its name.
    ///
    /// A second call replaces the hook.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let (tell, told) = mpsc::channel();
    /// let pool = fast_async::Pool::builder()
    ///     .on_thread_stop(move |number| tell.send(number).unwrap())
    ///     .build()?;
    /// pool.spawn(|| ()).wait()?;
    /// drop(pool);
    /// assert_eq!(told.recv()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_thread_stop(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> PoolBuilder {
        self.0.on_stop = Some(Hook::new(hook));
        self
    }

    /// Makes the pool. No thread is started before there is work.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] when one of the counts or the queue limit is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Pool;
    ///
    /// let pool = Pool::builder().max_threads(2).build()?;
    /// assert_eq!(pool.spawn(|| 7).wait()?, 7);
    /// assert!(Pool::builder().max_threads(0).build().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(self) -> Result<Pool, ConfigError> {
        if self.0.max == 0 || self.0.core == 0 {
            return Err(ConfigError::ZERO_THREADS);
        }
        if self.0.queue_limit == Some(0) {
            return Err(ConfigError::ZERO_QUEUE);
        }
        Ok(Pool::from_settings(self.0))
    }
}

impl fmt::Debug for PoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("name", &self.0.name)
            .field("core_threads", &self.0.core)
            .field("max_threads", &self.0.max)
            .field("keep_alive", &self.0.keep_alive)
            .field("stack_size", &self.0.stack_size)
            .field("inline_waits", &self.0.inline_waits)
            .field("queue_limit", &self.0.queue_limit)
            .finish_non_exhaustive()
    }
}
