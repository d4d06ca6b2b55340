//! `Lazy`: one value, loaded when it is first asked for.

use std::fmt;

use super::memo::Memo;
use crate::pool::Pool;
use crate::sync::Duration;
use crate::task::{IntoTask, SharedTask};

/// One value that is loaded when it is first asked for, once for all callers, and kept: a
/// [`Memo`] without keys.
///
/// Unlike a `LazyLock` its loader may fail, and the next call loads again. [The
/// module](crate::cache) has the rules.
///
/// # Examples
///
/// ```
/// use std::sync::LazyLock;
/// use fast_async::Lazy;
///
/// # fn read() -> Result<String, std::io::Error> { Ok("port 8080".into()) }
/// static CONFIG: LazyLock<Lazy<String>> = LazyLock::new(|| Lazy::new(|| Ok(read()?)));
///
/// assert_eq!(CONFIG.get().wait()?, "port 8080");
/// # Ok::<(), fast_async::TaskError>(())
/// ```
pub struct Lazy<T: Send + Sync + 'static>(Memo<(), T>);

impl<T: Send + Sync + 'static> Lazy<T> {
    /// Makes a value that `loader` loads when it is first asked for; see [`Memo::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{Lazy, spawn};
    ///
    /// let answer = Lazy::new(|| spawn(|| 6 * 7));
    /// assert_eq!(*answer.get().wait()?, 42);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn new<R, F>(loader: F) -> Lazy<T>
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: IntoTask<Output = T>,
    {
        Lazy(Memo::new(move |()| loader()))
    }

    /// Keeps the value for `ttl`, counted from the end of its load; see [`Memo::ttl`]. A second
    /// call replaces the time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Lazy, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let rates = Lazy::new(|| Ok("1.08")).pool(&pool).ttl(Duration::from_secs(60));
    /// rates.get().wait()?;
    /// clock.advance(Duration::from_secs(60));
    /// assert!(rates.peek().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ttl(self, ttl: Duration) -> Lazy<T> {
        Lazy(self.0.ttl(ttl))
    }

    /// Runs the loader on `pool`, and goes by its clock; see [`Memo::pool`]. A second call
    /// replaces the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{Lazy, Pool};
    ///
    /// let disk = Pool::builder().name("disk").build()?;
    /// let config = Lazy::new(|| Ok("text")).pool(&disk);
    /// assert_eq!(*config.get().wait()?, "text");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pool(self, pool: &Pool) -> Lazy<T> {
        Lazy(self.0.pool(pool))
    }

    /// Returns the task of the value: one that is there, the load that is under way, or a new one;
    /// see [`Memo::get`].
    ///
    /// # Errors
    ///
    /// The task fails as the load does.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{ErrorKind, Lazy};
    ///
    /// let port = Lazy::new(|| Ok("http".parse::<u16>()?));
    /// assert_eq!(port.get().wait().unwrap_err().kind(), ErrorKind::Failed);
    /// assert!(port.peek().is_none(), "the next call loads again");
    /// ```
    pub fn get(&self) -> SharedTask<T> {
        self.0.get(())
    }

    /// Returns what [`get`](Lazy::get) would return without a new load; see [`Memo::peek`].
    ///
    /// # Examples
    ///
    /// ```
    /// let answer = fast_async::Lazy::new(|| Ok(42));
    /// assert!(answer.peek().is_none());
    /// answer.get().wait()?;
    /// assert!(answer.peek().is_some());
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn peek(&self) -> Option<SharedTask<T>> {
        self.0.peek(&())
    }

    /// Loads the value anew; calls get the earlier one meanwhile. See [`Memo::refresh`].
    ///
    /// # Errors
    ///
    /// The task fails as the load does.
    ///
    /// # Examples
    ///
    /// ```
    /// let config = fast_async::Lazy::new(|| Ok("text"));
    /// config.get().wait()?;
    /// config.refresh().wait()?; // after a change of the file, say
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn refresh(&self) -> SharedTask<T> {
        self.0.refresh(())
    }

    /// Removes the value. Returns false if there is none, and no load. See [`Memo::forget`].
    ///
    /// # Examples
    ///
    /// ```
    /// let answer = fast_async::Lazy::new(|| Ok(42));
    /// answer.get().wait()?;
    /// assert!(answer.forget());
    /// assert!(answer.peek().is_none());
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn forget(&self) -> bool {
        self.0.forget(&())
    }
}

impl<T: Send + Sync + 'static> Clone for Lazy<T> {
    fn clone(&self) -> Lazy<T> {
        Lazy(self.0.clone())
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Lazy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lazy")
            .field("is_empty", &self.0.is_empty())
            .finish_non_exhaustive()
    }
}
