//! `TaskLocal`: values that code sees without getting them as arguments.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;

use crate::flat::Flat;
use crate::locals::{self, Entered, Reach};
use crate::sync::Arc;

/// A key under which code finds a value that it does not get as an argument: the number of a
/// request, the user on whose behalf it runs, the language of its messages.
///
/// [`scope`](TaskLocal::scope) sets the value for a closure, and for all that it calls on this
/// thread. What else sees it depends on the key:
///
/// - A key made by [`new`](TaskLocal::new) is for the closure of the scope alone. Closures that it
///   registers, for tasks and continuations, do not see the value.
/// - A key made by [`inherited`](TaskLocal::inherited) is for those closures too. Each closure of a
///   task, a continuation, an observer and a job of a queue carries the values that its
///   registration has seen, to the thread that runs it, and registers others with them.
///
/// A closure sees the values that it carries and no others, whichever thread runs it: not those of
/// a scope that settles or cancels its task, or that waits for it and so runs it. The earlier
/// values are there again when it has returned, also by a panic. Callbacks of a
/// [`CancelToken`](crate::CancelToken) and of a [topic](crate::topic) carry none.
///
/// A key is a `static`; a `const` does not compile, because it would be another key at each use. A
/// closure holds what it carries until it has run or can no longer run; then the last one of them
/// drops the value. A panic of that drop is reported.
///
/// # Cost
///
/// Where no value is set: a load of a thread-local for each registration. A scope takes two
/// allocations. A closure that carries values takes one, for all keys together.
///
/// # Examples
///
/// ```
/// use fast_async::{TaskLocal, spawn};
///
/// static REQUEST: TaskLocal<u64> = TaskLocal::inherited();
///
/// fn log(text: &str) -> String {
///     format!("[{}] {text}", REQUEST.get().unwrap_or(0))
/// }
///
/// let reply = REQUEST.scope(17, || {
///     spawn(|| log("loaded")).then(|line| line + " and " + &log("shown"))
/// });
/// assert_eq!(reply.wait()?, "[17] loaded and [17] shown");
/// assert_eq!(log("idle"), "[0] idle");
/// # Ok::<(), fast_async::TaskError>(())
/// ```
pub struct TaskLocal<T> {
    reach: Reach,
    _type: PhantomData<fn(T) -> T>,
}

impl<T: Send + Sync + 'static> TaskLocal<T> {
    /// Makes a key whose value only the closure of the scope sees, with all that it calls.
    ///
    /// For what must not leave the work at hand, such as a transaction or a lock that is held.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{TaskLocal, spawn};
    ///
    /// static DEPTH: TaskLocal<u32> = TaskLocal::new();
    ///
    /// let (here, there) = DEPTH.scope(3, || (DEPTH.get(), spawn(|| DEPTH.get()).wait()));
    /// assert_eq!((here, there?), (Some(3), None));
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub const fn new() -> TaskLocal<T> {
        TaskLocal {
            reach: Reach::Own,
            _type: PhantomData,
        }
    }

    /// Makes a key whose value closures carry that are registered in the scope, and so on.
    ///
    /// For what describes the work as a whole, such as the number of a request.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{TaskLocal, spawn};
    ///
    /// static USER: TaskLocal<&str> = TaskLocal::inherited();
    ///
    /// let task = USER.scope("ada", || spawn(|| spawn(|| USER.get()).wait()));
    /// assert_eq!(task.wait()??, Some("ada"));
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub const fn inherited() -> TaskLocal<T> {
        TaskLocal {
            reach: Reach::Inherited,
            _type: PhantomData,
        }
    }

    /// Calls `f`, which sees `value`, and returns what `f` returns.
    ///
    /// Scopes nest: a scope of the same key inside hides the outer value until it ends. The value
    /// is dropped at the end, on this thread, unless a closure carries it.
    ///
    /// # Panics
    ///
    /// If `f` panics. The earlier value is there again then too.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::TaskLocal;
    ///
    /// static LANGUAGE: TaskLocal<String> = TaskLocal::inherited();
    ///
    /// LANGUAGE.scope("en".into(), || {
    ///     let inner = LANGUAGE.scope("de".into(), || LANGUAGE.get());
    ///     assert_eq!(inner.as_deref(), Some("de"));
    ///     assert_eq!(LANGUAGE.get().as_deref(), Some("en"));
    /// });
    /// ```
    pub fn scope<R>(&'static self, value: T, f: impl FnOnce() -> R) -> R {
        let value: Arc<dyn Any + Send + Sync> = Arc::new(Flat::new(value));
        let _scope = Scope {
            entered: Some(locals::set(self.reach, self.key(), value.clone())),
            value: Some(value),
        };
        f()
    }

    /// Calls `f` with a reference to the value, and returns what `f` returns. `None`: there is no
    /// value here, and `f` is not called.
    ///
    /// # Panics
    ///
    /// If `f` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Mutex;
    /// use fast_async::TaskLocal;
    ///
    /// static QUERIES: TaskLocal<Mutex<Vec<String>>> = TaskLocal::inherited();
    ///
    /// fn query(text: &str) {
    ///     QUERIES.with(|queries| queries.lock().unwrap().push(text.into()));
    /// }
    ///
    /// query("outside, where no one collects them");
    /// let count = QUERIES.scope(Mutex::default(), || {
    ///     query("select 1");
    ///     query("select 2");
    ///     QUERIES.with(|queries| queries.lock().unwrap().len())
    /// });
    /// assert_eq!(count, Some(2));
    /// ```
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Option<R> {
        let value = locals::find(self.reach, self.key())?;
        let value: &Flat<T> = value.downcast_ref()?;
        Some(f(value))
    }

    /// Returns a clone of the value. `None`: there is no value here.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::TaskLocal;
    ///
    /// static REQUEST: TaskLocal<u64> = TaskLocal::inherited();
    ///
    /// assert_eq!(REQUEST.get(), None);
    /// assert_eq!(REQUEST.scope(17, || REQUEST.get()), Some(17));
    /// ```
    pub fn get(&'static self) -> Option<T>
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    /// The address, which is that of this key alone: it is not of size zero, and it is never moved.
    fn key(&'static self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl<T: Send + Sync + 'static> Default for TaskLocal<T> {
    fn default() -> TaskLocal<T> {
        TaskLocal::new()
    }
}

/// Keeps a key from being a `const`: a reference to one with a drop does not live long enough.
impl<T> Drop for TaskLocal<T> {
    fn drop(&mut self) {}
}

/// The end of a scope: the earlier value first, so that the drop of this one does not see it.
struct Scope {
    entered: Option<Entered>,
    value: Option<Arc<dyn Any + Send + Sync>>,
}

impl Drop for Scope {
    fn drop(&mut self) {
        drop(self.entered.take());
        drop(self.value.take());
    }
}

impl<T> fmt::Debug for TaskLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLocal")
            .field("reach", &self.reach)
            .finish()
    }
}
