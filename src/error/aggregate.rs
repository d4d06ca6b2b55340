//! Several failures as one.

use std::error::Error;
use std::fmt;

use super::TaskError;

/// The error of [`any`](crate::any) when every task failed: all failures, in the order of the
/// tasks. Also that of [`some`](crate::combine::some) when too many tasks failed.
#[derive(Clone)]
pub struct AggregateError {
    /// One for each task that failed, in the order of the tasks.
    pub(crate) errors: Vec<TaskError>,
    /// The index in `errors` of the earliest failure.
    pub(crate) first: usize,
    /// The number of tasks.
    pub(crate) of: usize,
}

impl AggregateError {
    /// Returns every failure, in the order in which the tasks were given.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{any, error::AggregateError, Task};
    ///
    /// let mirrors = [Task::<u32>::failed("1 is down"), Task::failed("2 is slow")];
    /// let err = any(mirrors).wait().unwrap_err();
    /// let all = err.downcast_ref::<AggregateError>().unwrap();
    /// for err in all.errors() {
    ///     eprintln!("{err}");
    /// }
    /// assert!(all.errors()[1].to_string().starts_with("2 is slow"));
    /// ```
    pub fn errors(&self) -> &[TaskError] {
        &self.errors
    }

    /// Returns every failure by value, in the order in which the tasks were given.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{any, error::AggregateError, Task};
    ///
    /// let err = any([Task::<u32>::failed("1 is down")]).wait().unwrap_err();
    /// let all = err.downcast::<AggregateError>().unwrap();
    /// assert_eq!(all.into_errors().len(), 1);
    /// ```
    pub fn into_errors(mut self) -> Vec<TaskError> {
        std::mem::take(&mut self.errors)
    }

    /// Returns the earliest failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{any, deferred, error::AggregateError};
    ///
    /// let (one, first) = deferred::<u32>();
    /// let (two, second) = deferred();
    /// let task = any([first, second]);
    /// two.reject("2 is slow").unwrap();
    /// one.reject("1 is down").unwrap();
    /// let err = task.wait().unwrap_err();
    /// let all = err.downcast_ref::<AggregateError>().unwrap();
    /// assert!(all.first().to_string().starts_with("2 is slow"));
    /// ```
    pub fn first(&self) -> &TaskError {
        &self.errors[self.first]
    }
}

/// An aggregate may hold another one, and so on, as deep as `any` was nested. The following
/// functions do not recurse for it.
impl Drop for AggregateError {
    fn drop(&mut self) {
        let mut pending = std::mem::take(&mut self.errors);
        while let Some(mut error) = pending.pop() {
            if let Some(inner) = error.aggregate_mut() {
                pending.append(&mut inner.errors);
            }
        }
    }
}

impl fmt::Display for AggregateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = self.first();
        while let Some(inner) = first.downcast_ref::<AggregateError>() {
            first = inner.first();
        }
        match self.errors.len() {
            all if all == self.of => write!(f, "all {all} tasks failed")?,
            some => write!(f, "{some} of {} tasks failed", self.of)?,
        }
        match f.alternate() {
            true => write!(f, "; the first failure: {first:#}"),
            false => write!(f, "; the first failure: {first}"),
        }
    }
}

impl fmt::Debug for AggregateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for error in &self.errors {
            match error.downcast_ref::<AggregateError>() {
                Some(inner) => list.entry(&format_args!("{inner}")),
                None => list.entry(error),
            };
        }
        list.finish()
    }
}

impl Error for AggregateError {
    /// The source of the earliest failure, which `Display` writes.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.first().source()
    }
}
