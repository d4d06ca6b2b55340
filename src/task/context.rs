//! What a closure can ask about its own task.

use std::panic::Location;

use crate::cancel::CancelToken;
use crate::error::{At, ErrorKind, TaskError};

/// What a task started with [`spawn_with`](crate::spawn_with) or
/// [`attempt_with`](crate::attempt_with) can ask about itself.
#[derive(Clone, Debug)]
pub struct TaskContext {
    token: CancelToken,
}

impl TaskContext {
    /// True once the task was cancelled: its result is no longer wanted.
    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// `Err` once the task was cancelled, for `ctx.check()?`.
    ///
    /// # Errors
    ///
    /// A [`TaskError`] of kind [`Cancelled`](ErrorKind::Cancelled).
    ///
    /// # Examples
    ///
    /// ```
    /// let sum = fast_async::attempt_with(|ctx| {
    ///     let mut sum = 0;
    ///     for n in 1..=100 {
    ///         ctx.check()?;
    ///         sum += n;
    ///     }
    ///     Ok(sum)
    /// });
    /// assert_eq!(sum.wait()?, 5050);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn check(&self) -> Result<(), TaskError> {
        if self.is_cancelled() {
            let at = At {
                location: Location::caller(),
                task: None,
            };
            return Err(TaskError::of(ErrorKind::Cancelled, at));
        }
        Ok(())
    }

    /// The token behind it, to pass on to other code.
    pub fn token(&self) -> &CancelToken {
        &self.token
    }
}

/// A token for a new task, and what its closure gets of it.
pub(super) fn own_token() -> (CancelToken, TaskContext) {
    let token = CancelToken::new();
    let context = TaskContext {
        token: token.clone(),
    };
    (token, context)
}
