//! `TaskContext`: what a closure can ask about its own task.

use std::borrow::Cow;

use crate::cancel::CancelToken;
use crate::error::TaskError;
use crate::event::EventKind;
use crate::sync::Duration;

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

    /// Tells the listeners of the task that `done` of `total` is done: files, bytes, or what
    /// else the task counts. A `total` of 0 is not known yet.
    ///
    /// Never waits, and may be called as often as one likes: listeners get at most twenty a second,
    /// and always the last one; see [`event`](crate::event). Without a listener it takes about a
    /// nanosecond. After the task is settled, it does nothing that a listener hears of.
    ///
    /// # Examples
    ///
    /// ```
    /// let task = fast_async::spawn_with(|ctx| {
    ///     let pages = ["/", "/news", "/about"];
    ///     for (done, page) in pages.iter().enumerate() {
    ///         ctx.progress(done as u64, pages.len() as u64);
    ///         let _ = page; // .. load it
    ///     }
    ///     ctx.progress(3, 3);
    /// });
    /// let last = task.events().filter_map(|event| event.progress()).last();
    /// assert_eq!(last, Some((3, 3)));
    /// # task.wait()?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[inline]
    pub fn progress(&self, done: u64, total: u64) {
        self.token.reporter().report(done, total);
    }

    /// Tells the listeners of the task something in words. Those that come later do not get it.
    ///
    /// Never waits. Without a listener the message is dropped at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::EventKind;
    ///
    /// let (go, wait) = std::sync::mpsc::channel();
    /// let task = fast_async::spawn_with(move |ctx| {
    ///     wait.recv().unwrap();
    ///     ctx.message("connected");
    ///     ctx.message(format!("{} pages to go", 3));
    /// });
    /// let events = task.events();
    /// go.send(())?;
    /// let messages: Vec<String> = events
    ///     .filter(|event| matches!(event.kind(), EventKind::Message(_)))
    ///     .map(|event| event.kind().to_string())
    ///     .collect();
    /// assert_eq!(messages, ["connected", "3 pages to go"]);
    /// # task.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn message(&self, message: impl Into<Cow<'static, str>>) {
        if let Some(emitter) = self.token.reporter().emitter() {
            emitter.emit(EventKind::Message(message.into()));
        }
    }

    /// Tells that a call has failed, and is made again.
    pub(crate) fn retrying(&self, attempt: u32, error: &TaskError, pause: Duration) {
        if let Some(emitter) = self.token.reporter().emitter() {
            let error = error.clone();
            emitter.emit(EventKind::Retrying {
                attempt,
                error,
                pause,
            });
        }
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
