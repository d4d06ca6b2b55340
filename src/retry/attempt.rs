//! What a call can ask about itself.

use std::borrow::Cow;

use crate::cancel::CancelToken;
use crate::error::TaskError;
use crate::task::TaskContext;

/// What the closure of a [`retry`](crate::retry()) can ask: which call it is, and whether its
/// result is still wanted.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub(super) number: u32,
    pub(super) most: u32,
    pub(super) context: TaskContext,
    /// That of the retry, which has the listeners. For a hedge, the same as `context`.
    pub(super) whole: TaskContext,
}

impl Attempt {
    /// Returns the number of this call; the first is 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{retry, Retry};
    ///
    /// let task = retry(Retry::attempts(3), |attempt| match attempt.number() {
    ///     3 => Ok("at last"),
    ///     _ => Err("not yet".into()),
    /// });
    /// assert_eq!(task.wait()?, "at last");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns true for the last call that the number of attempts allows.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{retry, Retry};
    ///
    /// let task = retry(Retry::attempts(1), |attempt| Ok(attempt.is_last()));
    /// assert!(task.wait()?);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn is_last(&self) -> bool {
        self.number >= self.most
    }

    /// Returns true once the result of this call is no longer wanted: the task was cancelled, or
    /// the time of the call is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{retry, ErrorKind, Retry};
    ///
    /// let policy = Retry::attempts(2).per_attempt(Duration::from_millis(2));
    /// let task = retry(policy, |attempt| {
    ///     while !attempt.is_cancelled() {
    ///         std::thread::yield_now(); // or a piece of work
    ///     }
    ///     Ok(())
    /// });
    /// assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::TimedOut);
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.context.is_cancelled()
    }

    /// Fails once the result of this call is no longer wanted, for `attempt.check()?`.
    ///
    /// # Errors
    ///
    /// As for [`TaskContext::check`](crate::TaskContext::check).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{retry, Retry};
    ///
    /// let sum = retry(Retry::attempts(2), |attempt| {
    ///     let mut sum = 0;
    ///     for n in 1..=100 {
    ///         attempt.check()?;
    ///         sum += n;
    ///     }
    ///     Ok(sum)
    /// });
    /// assert_eq!(sum.wait()?, 5050);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn check(&self) -> Result<(), TaskError> {
        self.context.check()
    }

    /// Returns the token that is raised when the result of this call is no longer wanted, to pass
    /// on to other code.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{retry, CancelToken, Retry};
    ///
    /// fn scan(pages: u32, token: &CancelToken) -> usize {
    ///     (0..pages).take_while(|_| !token.is_cancelled()).count()
    /// }
    ///
    /// let task = retry(Retry::attempts(2), |attempt| Ok(scan(100, attempt.token())));
    /// assert_eq!(task.wait()?, 100);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn token(&self) -> &CancelToken {
        self.context.token()
    }

    /// Tells the listeners of the retry that `done` of `total` is done; see
    /// [`TaskContext::progress`]. Each call of a [`hedge`](crate::retry::hedge) is a task of its
    /// own, and has no listener.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{retry, Retry};
    ///
    /// let task = retry(Retry::attempts(3), |attempt| {
    ///     attempt.progress(10, 10);
    ///     Ok("all of it")
    /// });
    /// let last = task.events().filter_map(|event| event.progress()).last();
    /// assert_eq!(last, Some((10, 10)));
    /// # task.wait()?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn progress(&self, done: u64, total: u64) {
        self.whole.progress(done, total);
    }

    /// Tells the listeners of the retry something in words; see [`TaskContext::message`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{retry, Retry};
    ///
    /// let task = retry(Retry::attempts(3), |attempt| {
    ///     attempt.message(format!("call {}", attempt.number()));
    ///     Ok(())
    /// });
    /// task.on_event(|event| println!("{event}"));
    /// task.wait()?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn message(&self, message: impl Into<Cow<'static, str>>) {
        self.whole.message(message);
    }
}
