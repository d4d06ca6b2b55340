//! `TaskContext`: what a closure can ask about its own task.

use crate::cancel::CancelToken;
use crate::error::TaskError;

/// What a running closure can ask about its task; the argument of closures started with
/// [`spawn_with`](crate::spawn_with) and [`attempt_with`](crate::attempt_with).
#[derive(Clone, Debug)]
pub struct TaskContext {
    token: CancelToken,
}

impl TaskContext {
    /// Returns true once the task was cancelled: its result is no longer wanted.
    ///
    /// # Examples
    ///
    /// ```
    /// let task = fast_async::spawn_with(|ctx| {
    ///     while !ctx.is_cancelled() {
    ///         std::thread::yield_now(); // or a piece of work
    ///     }
    /// });
    /// task.cancel();
    /// assert!(task.wait().unwrap_err().is_cancelled());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Fails once the task was cancelled, for `ctx.check()?`.
    ///
    /// # Errors
    ///
    /// Returns a [`TaskError`] of kind [`Cancelled`](crate::ErrorKind::Cancelled), with the reason
    /// of the cancel, if one was given.
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
        self.token.reason().map_or(Ok(()), Err)
    }

    /// Returns the failure that the task was cancelled with, which carries the reason, if one was
    /// given. `None` while the task is not cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let task = fast_async::spawn_with(move |ctx| {
    ///     while !ctx.is_cancelled() {
    ///         std::thread::yield_now();
    ///     }
    ///     tell.send(ctx.reason().unwrap().to_string()).unwrap();
    /// });
    /// # while task.thread().is_none() { std::thread::yield_now() }
    /// task.cancel_with("no one asks for it any more");
    /// assert!(told.recv()?.contains("no one asks"));
    /// # Ok::<(), std::sync::mpsc::RecvError>(())
    /// ```
    #[track_caller]
    pub fn reason(&self) -> Option<TaskError> {
        self.token.reason()
    }

    /// Returns the token that a cancel of the task raises, to pass on to other code.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{spawn_with, CancelToken};
    ///
    /// fn scan(pages: u32, token: &CancelToken) -> usize {
    ///     (0..pages).take_while(|_| !token.is_cancelled()).count()
    /// }
    ///
    /// let task = spawn_with(|ctx| scan(100, ctx.token()));
    /// assert_eq!(task.wait()?, 100);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn token(&self) -> &CancelToken {
        &self.token
    }
}

/// A token for a new task, and what its closure gets of it.
pub(crate) fn own_token() -> (CancelToken, TaskContext) {
    let token = CancelToken::new();
    let context = TaskContext {
        token: token.clone(),
    };
    (token, context)
}
