//! The failure of a group: the first one, with those that came after it beside it.

use super::{Cause, Inner, TaskError};
use crate::sync::{Arc, AtomicBool, AtomicU32, Mutex};

impl TaskError {
    /// Returns the failures that came after this one in the same [group](crate::group()), in their
    /// order. Empty for every other failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{Task, group::Group};
    ///
    /// let failed = Group::builder().keep_going().run(|g| {
    ///     for name in ["one", "two"] {
    ///         let task: Task<()> = g.attempt(move || Err(name.into()));
    ///         task.detach();
    ///     }
    /// });
    /// assert_eq!(failed.unwrap_err().others().len(), 1);
    /// ```
    pub fn others(&self) -> &[TaskError] {
        match &self.0.cause {
            Cause::First(_, others) => others,
            Cause::PassedOn(error) => error.others(),
            _ => &[],
        }
    }

    /// The failure of a group, whose first failure this is. It is yet to be handled.
    pub(crate) fn followed_by(self, others: Vec<TaskError>) -> TaskError {
        // A failure of an inner group is not nested: the depth of groups must not matter.
        let (first, inner) = match &self.0.cause {
            Cause::First(first, inner) => (first.clone(), inner.to_vec()),
            _ => (self, Vec::new()),
        };
        let others: Vec<TaskError> = inner.into_iter().chain(others).collect();
        TaskError(Arc::new(Inner {
            kind: first.0.kind,
            task: first.0.task.clone(),
            location: first.0.location,
            reported: AtomicBool::new(false),
            attempts: AtomicU32::new(first.attempts().unwrap_or(0)),
            context: None,
            way: Mutex::default(),
            cause: Cause::First(first, others.into()),
        }))
    }
}
