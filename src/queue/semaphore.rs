//! `Semaphore`: permits that tasks wait for in the order of the calls.

// Lock order: `line`, or `rest`, alone. Nothing is settled or dropped under them.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::Location;

use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::call_off::enlist;
use crate::cell::pieces::{InTurn, Pieces};
use crate::cell::{Upstream, UpstreamRef};
use crate::drop_queue;
use crate::executor::Runnable;
use crate::pool::Pool;
use crate::promise::{Resolver, deferred_in};
use crate::sync::{Arc, AtomicU64, Mutex, Ordering};
use crate::task::{Task, tie};

/// A number of permits, which tasks borrow and return.
///
/// Cloning gives another handle of the same permits. See [`queue`](crate::queue) for when to use a
/// [`TaskQueue`](crate::TaskQueue) instead.
///
/// # Examples
///
/// ```
/// use fast_async::Semaphore;
///
/// let connections = Semaphore::new(10);
/// let reply = connections.acquire(1).then(|permit| {
///     let reply = "a reply"; // ask for it
///     drop(permit);
///     reply
/// });
/// assert_eq!(reply.wait()?, "a reply");
/// assert_eq!(connections.available(), 10);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[derive(Clone)]
pub struct Semaphore(Arc<Shared>);

struct Shared {
    /// `None`: the global pool.
    pool: Option<Pool>,
    capacity: usize,
    tickets: AtomicU64,
    line: Mutex<Line>,
}

/// Invariant: the first in `waiting` asks for more than is `available`, whenever the lock is free.
struct Line {
    available: usize,
    /// By their tickets, which rise.
    waiting: BTreeMap<u64, Waiting>,
}

struct Waiting {
    permits: usize,
    resolver: Resolver<Permit>,
}

impl Line {
    /// Takes `permits`, if they are free and no `acquire` waits.
    fn take(&mut self, permits: usize) -> bool {
        let is_free = self.waiting.is_empty() && permits <= self.available;
        if is_free {
            self.available -= permits;
        }
        is_free
    }

    /// Removes the entries whose permits are free now, in their order.
    fn grant(&mut self) -> VecDeque<Waiting> {
        let mut granted = VecDeque::new();
        while let Some(first) = self.waiting.first_entry()
            && first.get().permits <= self.available
        {
            let first = first.remove();
            self.available -= first.permits;
            granted.push_back(first);
        }
        granted
    }
}

impl Semaphore {
    /// Returns a semaphore with `permits` permits.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = fast_async::Semaphore::new(3);
    /// assert_eq!((semaphore.capacity(), semaphore.available()), (3, 3));
    /// ```
    pub fn new(permits: usize) -> Semaphore {
        Semaphore::make(permits, None)
    }

    /// The same; the tasks of [`acquire`](Semaphore::acquire) belong to `pool`, and what is chained
    /// on them runs there.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{Pool, Semaphore};
    ///
    /// let disk = Pool::builder().name("disk").build()?;
    /// let semaphore = Semaphore::with_pool(1, &disk);
    /// let name = semaphore.acquire(1).then(|_| std::thread::current().name().map(str::to_owned));
    /// assert!(name.wait()?.is_some_and(|name| name.starts_with("disk")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_pool(permits: usize, pool: &Pool) -> Semaphore {
        Semaphore::make(permits, Some(pool.clone()))
    }

    fn make(permits: usize, pool: Option<Pool>) -> Semaphore {
        let line = Line {
            available: permits,
            waiting: BTreeMap::new(),
        };
        Semaphore(Arc::new(Shared {
            pool,
            capacity: permits,
            tickets: AtomicU64::new(0),
            line: Mutex::new(line),
        }))
    }

    /// Returns a task for `permits` at once, which it waits for without a thread.
    ///
    /// In the order of the calls: one for few permits does not overtake an earlier one for many. If
    /// it is cancelled while it waits, it leaves the line, and later ones may be next. The permits
    /// are returned when the [`Permit`] is dropped.
    ///
    /// What is chained on the task runs on the pool, never on the thread that gives permits back.
    ///
    /// # Errors
    ///
    /// Fails at once as [`Rejected`](crate::ErrorKind::Rejected) when the semaphore has fewer
    /// permits than that.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Semaphore;
    ///
    /// let memory = Semaphore::new(512);
    /// let permit = memory.acquire(100).wait()?;
    /// assert_eq!((permit.permits(), memory.available()), (100, 412));
    /// assert!(memory.acquire(513).wait().is_err());
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn acquire(&self, permits: usize) -> Task<Permit> {
        let location = Location::caller();
        let pool = self.0.pool.as_ref();
        if permits > self.0.capacity {
            let what_to_do =
                "more permits than the semaphore has: ask for `capacity()` at the most";
            return Task::rejected(pool, location, what_to_do);
        }
        let (resolver, task) = deferred_in(pool, location);
        if let Some(permit) = self.try_acquire(permits) {
            let _ = resolver.resolve(permit);
        } else {
            self.wait_in_line(permits, resolver, &task);
        }
        task
    }

    fn wait_in_line(&self, permits: usize, resolver: Resolver<Permit>, task: &Task<Permit>) {
        let Some(cell) = task.cell() else { return };
        let ticket = self.0.tickets.fetch_add(1, Ordering::Relaxed);
        let to = self.0.clone();
        tie(
            cell,
            UpstreamRef {
                to,
                step_id: ticket,
            },
        );
        let granted = {
            let mut line = self.0.line.lock();
            line.waiting.insert(ticket, Waiting { permits, resolver });
            line.grant()
        };
        self.0.deliver(granted);
        if cell.meta().is_under_tokens() {
            enlist(cell);
        }
    }

    /// Returns `permits` at once if they are free and no `acquire` waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = fast_async::Semaphore::new(1);
    /// let permit = semaphore.try_acquire(1).unwrap();
    /// assert!(semaphore.try_acquire(1).is_none());
    /// drop(permit);
    /// assert!(semaphore.try_acquire(1).is_some());
    /// ```
    pub fn try_acquire(&self, permits: usize) -> Option<Permit> {
        let is_free = self.0.line.lock().take(permits);
        is_free.then(|| Permit {
            shared: self.0.clone(),
            permits,
        })
    }

    /// Returns the number of free permits.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(fast_async::Semaphore::new(3).available(), 3);
    /// ```
    pub fn available(&self) -> usize {
        self.0.line.lock().available
    }

    /// Returns how many permits there are in all.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(fast_async::Semaphore::new(3).capacity(), 3);
    /// ```
    pub fn capacity(&self) -> usize {
        self.0.capacity
    }

    /// Returns how many calls of [`acquire`](Semaphore::acquire) wait.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = fast_async::Semaphore::new(1);
    /// let permit = semaphore.try_acquire(1);
    /// let task = semaphore.acquire(1);
    /// assert_eq!(semaphore.waiting(), 1);
    /// drop(permit);
    /// # drop(task.wait()?);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn waiting(&self) -> usize {
        self.0.line.lock().waiting.len()
    }
}

impl Shared {
    fn give_back(self: &Arc<Self>, permits: usize) {
        let granted = self.put_back(permits);
        self.deliver(granted);
    }

    fn put_back(&self, permits: usize) -> VecDeque<Waiting> {
        let mut line = self.line.lock();
        line.available += permits;
        line.grant()
    }

    /// A loop, and not recursion: permits without a taker return here. What follows one of them may
    /// wait for another.
    fn deliver(self: &Arc<Self>, mut granted: VecDeque<Waiting>) {
        while granted.len() == 1 {
            let only = granted.pop_front().into_iter();
            granted = only.flat_map(|waiting| self.grant(waiting)).collect();
        }
        if !granted.is_empty() {
            let rest = Mutex::new(granted);
            let shared = self.clone();
            Arc::new(InTurn(Granted { shared, rest })).run();
        }
    }

    /// Returns those who are next if this one was cancelled.
    fn grant(self: &Arc<Self>, Waiting { permits, resolver }: Waiting) -> VecDeque<Waiting> {
        let permit = Permit {
            shared: self.clone(),
            permits,
        };
        match resolver.resolve(permit) {
            Ok(()) => VecDeque::new(),
            Err(mut refused) => self.put_back(std::mem::take(&mut refused.permits)),
        }
    }
}

/// Those whose permits are free.
struct Granted {
    shared: Arc<Shared>,
    /// Those that no thread has taken.
    rest: Mutex<VecDeque<Waiting>>,
}

impl Pieces for Granted {
    type Piece = Waiting;

    fn next(&self) -> Option<Waiting> {
        self.rest.lock().pop_front()
    }

    fn call(&self, waiting: Waiting) {
        let more = self.shared.grant(waiting);
        self.rest.lock().extend(more);
    }
}

/// What a task that waits for permits, waits for.
impl Withdraw for Shared {
    fn withdraw(self: Arc<Self>, ticket: u64, sweep: &mut Sweep) -> CancelOutcome {
        let (removed, granted) = {
            let mut line = self.line.lock();
            let removed = line.waiting.remove(&ticket);
            (removed.map(|waiting| waiting.resolver), line.grant())
        };
        sweep.keep_some(removed);
        if !granted.is_empty() {
            sweep.later(move || self.deliver(granted));
        }
        CancelOutcome::Prevented
    }
}

/// Who has the permits is not known: a permit may go anywhere.
impl Upstream for Shared {
    fn above(&self, _: &mut Vec<Arc<dyn Upstream>>) {}
}

/// Permits of a [`Semaphore`], which has them back when this is dropped.
///
/// # Examples
///
/// ```
/// let semaphore = fast_async::Semaphore::new(2);
/// {
///     let _permit = semaphore.acquire(2).wait()?;
///     assert_eq!(semaphore.available(), 0);
/// }
/// assert_eq!(semaphore.available(), 2);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[must_use = "the permits are given back as soon as this is dropped"]
pub struct Permit {
    shared: Arc<Shared>,
    permits: usize,
}

impl Permit {
    /// Returns how many permits these are.
    ///
    /// # Examples
    ///
    /// ```
    /// let permit = fast_async::Semaphore::new(3).acquire(2).wait()?;
    /// assert_eq!(permit.permits(), 2);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn permits(&self) -> usize {
        self.permits
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let permits = std::mem::take(&mut self.permits);
        if permits == 0 {
            return;
        }
        let shared = self.shared.clone();
        // It may settle a task without a consumer, whose permits return to the semaphore.
        drop_queue::flat(move || shared.give_back(permits));
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (available, waiting) = {
            let line = self.0.line.lock();
            (line.available, line.waiting.len())
        };
        f.debug_struct("Semaphore")
            .field("capacity", &self.0.capacity)
            .field("available", &available)
            .field("waiting", &waiting)
            .finish()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.permits).finish()
    }
}
