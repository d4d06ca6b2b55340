//! Raising a token, and the second pass of a cancel, which runs user code.

use std::collections::VecDeque;

use super::UpstreamRef;
use super::pieces::{Deferred, InTurn, Pieces, on_the_pool};
use crate::cancel::{Callback, CancelCallback, CancelOutcome, CancelToken, Raise, Sweep};
use crate::error::{BoxError, Reason};
use crate::sync::{Arc, Mutex, chaos_point, thread};
use crate::{dispatch, nesting, unhandled};

impl CancelToken {
    /// Raises the token and those below it, cancels the tasks under them, and then runs their
    /// callbacks on this thread.
    ///
    /// Returns true for the call that raised it. [`CancelToken`] describes the order, and what is
    /// different inside a callback. A callback that panics is reported as an unhandled failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{CancelToken, Task};
    ///
    /// let token = CancelToken::new();
    /// let task = Task::builder().cancel_token(&token).spawn_with(|ctx| {
    ///     while !ctx.is_cancelled() {
    ///         std::thread::yield_now();
    ///     }
    /// });
    /// assert!(token.cancel());
    /// assert!(!token.cancel(), "it was cancelled already");
    /// assert!(task.wait().unwrap_err().is_cancelled());
    /// ```
    pub fn cancel(&self) -> bool {
        self.raise(None)
    }

    /// Raises the token like [`cancel`](CancelToken::cancel), with a reason that the failures of
    /// the cancelled tasks carry. A reason for a token that is raised already is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{CancelToken, Task};
    ///
    /// let token = CancelToken::new();
    /// let task = Task::builder().cancel_token(&token).spawn_with(|ctx| {
    ///     while !ctx.is_cancelled() {
    ///         std::thread::yield_now();
    ///     }
    /// });
    /// token.cancel_with("the window was closed");
    /// let error = task.wait().unwrap_err();
    /// assert!(error.is_cancelled());
    /// assert!(error.to_string().contains("the window was closed"));
    /// ```
    pub fn cancel_with(&self, reason: impl Into<BoxError>) -> bool {
        self.raise(Some(Reason::new(reason)))
    }

    /// Calls `f` once when the token is raised, on the thread that raises it, in the second pass
    /// that [`CancelToken`] describes; at once, on this thread, if it is raised already.
    ///
    /// Callbacks of a raised token that register each other nest at most 64 deep, less if they need
    /// much stack; a further one is called when these have returned. On a thread that unwinds, the
    /// global pool calls `f`.
    ///
    /// Dropping what is returned does not take `f` back; [`CancelCallback::unregister`] does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use fast_async::CancelToken;
    ///
    /// let (tell, told) = mpsc::channel();
    /// let token = CancelToken::new();
    /// token.on_cancel(move || tell.send("stop").unwrap());
    /// token.cancel();
    /// assert_eq!(told.recv()?, "stop");
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    pub fn on_cancel(&self, f: impl FnOnce() + Send + 'static) -> CancelCallback {
        let (registered, due) = self.add_callback(Callback::new(f));
        if let Some(f) = due {
            call_at_once(f);
        }
        registered
    }

    fn raise(&self, why: Option<Reason>) -> bool {
        let mut sweep = Sweep::new(why);
        let did_it = sweep.raise_now(self.clone());
        if did_it {
            chaos_point();
            sweep.take_all();
            carry_out(sweep);
        }
        did_it
    }
}

/// Calls a callback of a token that is raised already. It may register the next one: where calls
/// are nested deep, the work list of this thread takes it. On a thread that unwinds it would find
/// `thread::panicking()`.
fn call_at_once(f: Callback) {
    if thread::panicking() {
        return on_the_pool(Deferred::new(move || f.call()));
    }
    match nesting::enter() {
        Some(_level) => f.call(),
        None => dispatch::later(Deferred::new(move || f.call())),
    }
}

/// The second pass: puts it on this thread's work list, and, unless a scope is open, runs the list
/// to its end.
///
/// While one piece blocks, other threads run the rest. On a thread that unwinds no user code runs:
/// it would find `thread::panicking()`. A thread of the global pool does the second pass there.
pub(crate) fn carry_out(sweep: Sweep) {
    if thread::panicking() && !dispatch::is_open() {
        return on_the_pool(Deferred::new(move || carry_out(sweep)));
    }
    let (after, raised, passed) = sweep.into_parts();
    dispatch::scope_of_many(|| {
        for piece in after {
            dispatch::later(Deferred::new(piece));
        }
        if !raised.is_empty() {
            // After the steps of the tasks, which earlier pieces put on the list.
            let callbacks = Arc::new(InTurn(Callbacks(Mutex::new(raised.into()))));
            dispatch::later(Deferred::new(move || dispatch::later(callbacks)));
        }
        dispatch::later(Deferred::new(move || unhandled::drop_reporting(passed)));
    });
}

/// Withdraws the upstreams that are no longer wanted, and runs the user code that this causes.
pub(crate) fn withdraw_all(
    unwanted: impl IntoIterator<Item = UpstreamRef, IntoIter: DoubleEndedIterator>,
) -> Option<CancelOutcome> {
    let mut sweep = Sweep::new(None);
    sweep.unwanted(unwanted.into_iter().map(UpstreamRef::parts));
    let outcome = sweep.take_all();
    carry_out(sweep);
    outcome
}

/// The callbacks of raised tokens, in their order.
struct Callbacks(Mutex<VecDeque<Arc<dyn Raise>>>);

impl Pieces for Callbacks {
    type Piece = Callback;

    fn next(&self) -> Option<Callback> {
        loop {
            let token = self.0.lock().front().cloned()?;
            if let Some(callback) = token.take_callback() {
                return Some(callback);
            }
            let mut tokens = self.0.lock();
            // Another thread may have emptied the list too.
            if tokens
                .front()
                .is_some_and(|front| Arc::ptr_eq(front, &token))
            {
                let passed = tokens.pop_front();
                drop(tokens);
                drop(passed);
            }
        }
    }

    /// One at a time: the others may be unregistered in between.
    fn call(&self, callback: Callback) {
        callback.call();
    }
}
