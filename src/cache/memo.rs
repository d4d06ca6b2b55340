//! `Memo`: values by key, each loaded when it is first asked for.

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::panic::Location;

use super::core::Core;
use crate::pool::Pool;
use crate::sync::{Arc, Duration};
use crate::task::{IntoTask, SharedTask};

/// A cache: loads the value of a key when it is first asked for, once for all callers, and keeps
/// it.
///
/// The loader runs on the global pool, or on [another](Memo::pool). It returns what the closures of
/// [`attempt`](crate::attempt()) return: `Ok` of a value, an error, or a task. A failure goes to
/// all callers of that load and is not kept. [The module](crate::cache) has the rules.
///
/// A clone is another handle of the same cache. Loads that run when the last one is dropped
/// continue for their callers. A loader that holds a handle of its own cache keeps it alive; use a
/// `static` for that.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use fast_async::Memo;
///
/// # fn query(id: u32) -> Result<String, std::io::Error> { Ok(format!("user {id}")) }
/// let names = Memo::new(|id: &u32| Ok(query(*id)?))
///     .ttl(Duration::from_secs(60))
///     .capacity(10_000);
/// let name = names.get(7);
/// assert_eq!(name.wait()?, "user 7");
/// assert_eq!(names.get(7).cloned().wait()?, "user 7"); // loaded once
/// # Ok::<(), fast_async::TaskError>(())
/// ```
pub struct Memo<K: Send + Sync + 'static, T: Send + Sync + 'static>(Arc<Core<K, T>>);

impl<K, T> Memo<K, T>
where
    K: Hash + Eq + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    /// Makes an empty cache. `loader` is called with the key whose value is asked for.
    ///
    /// Its calls may run in parallel, for different keys. It runs in the tracing span and with the
    /// [task locals](crate::TaskLocal) of the call that starts the load. Its errors show the place
    /// of this call.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Memo;
    ///
    /// let squares = Memo::new(|n: &u64| Ok(n * n));
    /// assert_eq!(*squares.get(12).wait()?, 144);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    ///
    /// A load that notices when no caller wants it any more:
    ///
    /// ```
    /// use fast_async::{Memo, attempt_with};
    ///
    /// let primes = Memo::new(|limit: &u64| {
    ///     let limit = *limit;
    ///     attempt_with(move |ctx| {
    ///         let mut count = 0;
    ///         for n in 2..limit {
    ///             ctx.check()?;
    ///             count += u64::from((2..n).all(|d| n % d != 0));
    ///         }
    ///         Ok(count)
    ///     })
    /// });
    /// assert_eq!(*primes.get(100).wait()?, 25);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn new<R, F>(loader: F) -> Memo<K, T>
    where
        F: Fn(&K) -> R + Send + Sync + 'static,
        R: IntoTask<Output = T>,
    {
        Memo(Core::new(Location::caller(), loader))
    }

    /// Returns the task of the value: one that is there, the load that is under way, or a new one.
    ///
    /// Does not wait for the value. In a pool with a
    /// [`queue_limit`](crate::pool::PoolBuilder::queue_limit) a new load waits for room, as
    /// [`Pool::spawn`](crate::Pool::spawn) does. [Cancelling](SharedTask::cancel) the task takes it
    /// from no other caller; the load is cancelled when all of its callers have cancelled. A caller
    /// that drops the task lets the load continue.
    ///
    /// # Errors
    ///
    /// The task fails as the load does. A loader that waits for its own key gets the failure
    /// [`Cycle`](crate::ErrorKind::Cycle).
    ///
    /// # Panics
    ///
    /// If `Hash` or `Eq` of the key panics; the cache is as before then.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{Memo, all};
    ///
    /// let lengths = Memo::new(|text: &String| Ok(text.len()));
    /// // One load: the second call joins it, or finds its value.
    /// let both = all([lengths.get("four".into()), lengths.get("four".into())]);
    /// assert_eq!(both.wait()?, [4, 4]);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn get(&self, key: K) -> SharedTask<T> {
        self.0.get(key)
    }

    /// Returns what [`get`](Memo::get) would return without a new load: the task of a value, or of
    /// a load that is under way. It does not count as a use of the value.
    ///
    /// # Panics
    ///
    /// As for [`get`](Memo::get).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Memo;
    ///
    /// let lengths = Memo::new(|text: &String| Ok(text.len()));
    /// assert!(lengths.peek("four").is_none());
    /// lengths.get("four".into()).wait()?;
    /// assert!(lengths.peek("four").is_some_and(|task| task.is_settled()));
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn peek<Q>(&self, key: &Q) -> Option<SharedTask<T>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.peek(key)
    }

    /// Loads the value of a key anew, and returns the task of that load.
    ///
    /// Other calls get the earlier value until the new one is there. If the load fails, the earlier
    /// value stays, for as long as it would have without it. A load of the key that is under way is
    /// joined, though it may have begun before this call: [`forget`](Memo::forget) the key first if
    /// that is too early.
    ///
    /// # Errors
    ///
    /// The task fails as the load does.
    ///
    /// # Panics
    ///
    /// As for [`get`](Memo::get).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use fast_async::Memo;
    ///
    /// let count = AtomicU32::new(0);
    /// let versions = Memo::new(move |_: &&str| Ok(count.fetch_add(1, Ordering::Relaxed)));
    /// assert_eq!(*versions.get("page").wait()?, 0);
    /// assert_eq!(*versions.refresh("page").wait()?, 1);
    /// assert_eq!(*versions.get("page").wait()?, 1);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn refresh(&self, key: K) -> SharedTask<T> {
        self.0.refresh(key)
    }

    /// Removes what there is for a key. Returns false if there is nothing.
    ///
    /// A load that is under way continues for its callers, and its value is not kept. The next call
    /// of [`get`](Memo::get) begins a load of its own.
    ///
    /// # Panics
    ///
    /// As for [`get`](Memo::get).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Memo;
    ///
    /// let lengths = Memo::new(|text: &String| Ok(text.len()));
    /// lengths.get("four".into()).wait()?;
    /// assert!(lengths.forget("four"));
    /// assert!(!lengths.forget("four"));
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn forget<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.forget(key)
    }
}

impl<K: Send + Sync + 'static, T: Send + Sync + 'static> Memo<K, T> {
    /// Keeps a value for `ttl`, counted from the end of its load, by the clock of the pool. Without
    /// it values do not expire.
    ///
    /// A value is dropped when its time is over, on the pool, also if no call asks for it. With a
    /// `ttl` of zero no value is kept: calls join a load that is under way, and that is all. A
    /// second call replaces the time; values that are there keep the time that they have.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Memo, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let minute = Duration::from_secs(60);
    /// let lengths = Memo::new(|text: &&str| Ok(text.len())).pool(&pool).ttl(minute);
    /// lengths.get("four").wait()?;
    /// clock.advance(minute);
    /// assert!(lengths.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ttl(self, ttl: Duration) -> Memo<K, T> {
        self.0.set_ttl(ttl);
        self
    }

    /// Keeps `values` values at the most. Of more the one that was not used for the longest time is
    /// removed. Without it their number is not limited.
    ///
    /// [`get`](Memo::get) and the end of a load are uses. Loads that are under way do not count,
    /// and are not removed: a value counts from the end of its load. With 0 no value is kept, and
    /// calls join a load that is under way. A second call replaces the number.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Memo;
    ///
    /// let squares = Memo::new(|n: &u64| Ok(n * n)).capacity(2);
    /// for n in [1, 2, 1, 3] {
    ///     squares.get(n).wait()?;
    /// }
    /// assert!(squares.peek(&2).is_none(), "it was used before 1 and 3");
    /// assert_eq!(squares.len(), 2);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn capacity(self, values: usize) -> Memo<K, T> {
        self.0.set_capacity(values);
        self
    }

    /// Runs the loader on `pool`, and goes by its clock. Without it: the global pool. A second call
    /// replaces the pool, for loads that begin later.
    ///
    /// A loader may start its work elsewhere too, such as on a [`TaskQueue`](crate::TaskQueue), and
    /// return the task of that.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{Memo, Pool};
    ///
    /// let disk = Pool::builder().name("disk").build()?;
    /// let names = Memo::new(|_: &u32| Ok(std::thread::current().name().map(str::to_owned)));
    /// let names = names.pool(&disk);
    /// assert!(names.get(1).wait()?.as_ref().is_some_and(|name| name.starts_with("disk")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pool(self, pool: &Pool) -> Memo<K, T> {
        self.0.set_pool(pool);
        self
    }

    /// Removes everything, as [`forget`](Memo::forget) does for one key.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Memo;
    ///
    /// let squares = Memo::new(|n: &u64| Ok(n * n));
    /// squares.get(12).wait()?;
    /// squares.clear();
    /// assert!(squares.is_empty());
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn clear(&self) {
        self.0.clear();
    }

    /// Returns the number of keys that have a value or a load under way.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Memo;
    ///
    /// let squares = Memo::new(|n: &u64| Ok(n * n));
    /// squares.get(12).wait()?;
    /// assert_eq!(squares.len(), 1);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if no key has a value or a load under way. The cache holds neither memory nor a
    /// timer then.
    ///
    /// # Examples
    ///
    /// ```
    /// let squares = fast_async::Memo::new(|n: &u64| Ok(n * n));
    /// assert!(squares.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Send + Sync + 'static, T: Send + Sync + 'static> Clone for Memo<K, T> {
    fn clone(&self) -> Memo<K, T> {
        Memo(self.0.clone())
    }
}

impl<K: Send + Sync + 'static, T: Send + Sync + 'static> fmt::Debug for Memo<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
