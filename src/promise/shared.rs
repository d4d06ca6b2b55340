//! A resolver that several callbacks hold: the first to settle the task wins.

use std::fmt;

use super::Resolver;
use crate::error::BoxError;
use crate::sync::{Arc, Mutex};

/// Settles the task it was made with; see [`Resolver::shared`].
///
/// A clone is another handle of the same resolver. The first call that settles wins; every later
/// one returns its argument as an error. When the last clone is dropped and none has settled the
/// task, that is [`Abandoned`](crate::ErrorKind::Abandoned).
#[must_use = "dropping the last clone of a resolver fails its task as abandoned"]
pub struct SharedResolver<T: Send + 'static> {
    /// Taken by the call that wins; `None` for good afterwards. No user code runs under the lock:
    /// the resolver settles after it was taken out. Lock order: this lock -> the cell's.
    resolver: Arc<Mutex<Option<Resolver<T>>>>,
}

impl<T: Send + 'static> SharedResolver<T> {
    pub(super) fn new(resolver: Resolver<T>) -> SharedResolver<T> {
        SharedResolver {
            resolver: Arc::new(Mutex::new(Some(resolver))),
        }
    }

    pub(super) fn take(&self) -> Option<Resolver<T>> {
        self.resolver.lock().take()
    }

    /// Settles the task with a value; see [`Resolver::resolve`].
    ///
    /// # Errors
    ///
    /// Returns the value when the task was cancelled, or when another call has settled it.
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred();
    /// let resolver = resolver.shared();
    /// assert_eq!(resolver.resolve(7), Ok(()));
    /// assert_eq!(resolver.resolve(8), Err(8));
    /// assert_eq!(task.wait()?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn resolve(&self, value: T) -> Result<(), T> {
        match self.take() {
            Some(resolver) => resolver.resolve(value),
            None => Err(value),
        }
    }

    /// Settles the task with a failure; see [`Resolver::reject`].
    ///
    /// # Errors
    ///
    /// Returns the error when the task was cancelled, or when another call has settled it.
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred::<u32>();
    /// let resolver = resolver.shared();
    /// assert!(resolver.reject("no answer").is_ok());
    /// assert!(resolver.reject("no answer again").is_err());
    /// assert!(task.wait().unwrap_err().to_string().starts_with("no answer"));
    /// ```
    pub fn reject(&self, error: impl Into<BoxError>) -> Result<(), BoxError> {
        // The conversion is user code: it may use this very resolver.
        let error = error.into();
        match self.take() {
            Some(resolver) => resolver.reject(error),
            None => Err(error),
        }
    }

    /// Notes that the work for the task has begun elsewhere; see [`Resolver::begin`].
    ///
    /// Returns false if the task was cancelled, or a call has settled it.
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred::<u32>();
    /// let resolver = resolver.shared();
    /// assert!(resolver.begin());
    /// assert_eq!(resolver.resolve(7), Ok(()));
    /// assert!(!resolver.begin());
    /// # task.wait().unwrap();
    /// ```
    pub fn begin(&self) -> bool {
        // Listeners may hear of it through an executor of the user: without the lock.
        let cell = self.resolver.lock().as_ref().and_then(Resolver::cell);
        cell.as_deref().is_some_and(super::begin)
    }

    /// Returns false once the task was cancelled, or a call has settled it.
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred::<u32>();
    /// let resolver = resolver.shared();
    /// assert!(resolver.is_wanted());
    /// task.cancel();
    /// assert!(!resolver.is_wanted());
    /// ```
    pub fn is_wanted(&self) -> bool {
        let resolver = self.resolver.lock();
        resolver.as_ref().is_some_and(Resolver::is_wanted)
    }
}

impl<T: Send + 'static> Clone for SharedResolver<T> {
    fn clone(&self) -> SharedResolver<T> {
        SharedResolver {
            resolver: self.resolver.clone(),
        }
    }
}

impl<T: Send + 'static> fmt::Debug for SharedResolver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedResolver")
            .field("wanted", &self.is_wanted())
            .finish()
    }
}
