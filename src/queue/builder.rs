//! Making a queue.

use std::fmt;

use super::core::{Queue, ZERO_LIMIT};
use super::rate::Rate;
use super::task_queue::TaskQueue;
use crate::pool::{ConfigError, Pool};
use crate::sync::Duration;

/// Settings for a [`TaskQueue`]; made by [`TaskQueue::builder`].
///
/// A second call of a method replaces what the first has set.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use fast_async::TaskQueue;
///
/// let requests = TaskQueue::builder()
///     .limit(4)                            // four at a time
///     .rate(100, Duration::from_secs(60))  // and a hundred a minute
///     .build()?;
/// let reply = requests.spawn(|| "ok");
/// assert_eq!(reply.wait()?, "ok");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct TaskQueueBuilder {
    limit: Option<usize>,
    rate: Option<(usize, Duration)>,
    priority: i32,
    pool: Option<Pool>,
    is_paused: bool,
}

const ZERO_RATE: &str =
    "a rate of 0 jobs would start nothing: it must be 1 or more; to stop a queue, call `pause`";
const ZERO_WINDOW: &str = "a rate needs a time longer than zero; leave it out for no rate";

impl TaskQueue {
    /// Returns settings for a new queue.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = fast_async::TaskQueue::builder().limit(2).build()?;
    /// assert_eq!(queue.spawn(|| 1).wait()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> TaskQueueBuilder {
        TaskQueueBuilder::default()
    }
}

impl TaskQueueBuilder {
    /// Sets how many jobs run at once at most. Without it only the pool limits them.
    ///
    /// # Examples
    ///
    /// ```
    /// let two = fast_async::TaskQueue::builder().limit(2).build()?;
    /// assert_eq!(two.limit(), 2);
    /// # Ok::<(), fast_async::pool::ConfigError>(())
    /// ```
    pub fn limit(mut self, jobs: usize) -> TaskQueueBuilder {
        self.limit = Some(jobs);
        self
    }

    /// Sets that no more than `jobs` begin within any time as long as `per`.
    ///
    /// Not just within each second on the clock: after `jobs` of them have begun at once, the next
    /// begins when `per` has passed since the first. A job counts from the moment at which its
    /// closure begins; one that was cancelled before does not count. The queue stores `jobs`
    /// moments.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool, TaskQueue};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let queue = TaskQueue::builder().pool(&pool).rate(1, Duration::from_secs(1)).build()?;
    /// let (first, second) = (queue.spawn(|| 1), queue.spawn(|| 2));
    /// assert_eq!(first.wait()?, 1);
    /// assert!(!second.is_settled());
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(second.wait()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rate(mut self, jobs: usize, per: Duration) -> TaskQueueBuilder {
        self.rate = Some((jobs, per));
        self
    }

    /// Sets the priority of jobs that are started without [`at`](TaskQueue::at): 0 unless set. A
    /// greater one is earlier.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = fast_async::TaskQueue::builder().limit(1).priority(5).build()?;
    /// let urgent = queue.at(9); // before the others
    /// assert_eq!(urgent.spawn(|| 1).wait()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn priority(mut self, priority: i32) -> TaskQueueBuilder {
        self.priority = priority;
        self
    }

    /// Runs the jobs on `pool`, and goes by its clock. Without it: the global pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{Pool, TaskQueue};
    ///
    /// let disk = Pool::builder().name("disk").build()?;
    /// let queue = TaskQueue::builder().limit(1).pool(&disk).build()?;
    /// let name = queue.spawn(|| std::thread::current().name().map(str::to_owned));
    /// assert!(name.wait()?.is_some_and(|name| name.starts_with("disk")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pool(mut self, pool: &Pool) -> TaskQueueBuilder {
        self.pool = Some(pool.clone());
        self
    }

    /// Makes a queue that starts nothing before [`resume`](TaskQueue::resume). One call of that is
    /// enough, even if this was called twice.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = fast_async::TaskQueue::builder().paused().build()?;
    /// let task = queue.spawn(|| 1);
    /// assert!(!task.is_settled());
    /// queue.resume();
    /// assert_eq!(task.wait()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn paused(mut self) -> TaskQueueBuilder {
        self.is_paused = true;
        self
    }

    /// Makes the queue.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for a limit of 0, a rate of 0 jobs, and a rate in no time.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::TaskQueue;
    ///
    /// assert!(TaskQueue::builder().limit(3).build().is_ok());
    /// let error = TaskQueue::builder().limit(0).build().unwrap_err();
    /// assert!(error.to_string().contains("1 or more"));
    /// ```
    pub fn build(self) -> Result<TaskQueue, ConfigError> {
        let rate = match self.rate {
            Some((0, _)) => return Err(ConfigError::new(ZERO_RATE)),
            Some((_, Duration::ZERO)) => return Err(ConfigError::new(ZERO_WINDOW)),
            rate => rate.map(|(jobs, per)| Rate::new(jobs, per)),
        };
        let limit = match self.limit {
            Some(0) => return Err(ZERO_LIMIT),
            limit => limit.unwrap_or(usize::MAX),
        };
        let queue = Queue::new(self.pool, limit, rate);
        queue.with(|line| line.set_paused(self.is_paused));
        Ok(TaskQueue::new(queue, self.priority))
    }
}

impl fmt::Debug for TaskQueueBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskQueueBuilder")
            .field("limit", &self.limit)
            .field("rate", &self.rate)
            .field("priority", &self.priority)
            .field("is_paused", &self.is_paused)
            .finish_non_exhaustive()
    }
}
