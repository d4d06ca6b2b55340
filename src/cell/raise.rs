//! Raising a token, and the second pass of a cancel, which runs user code.

use std::collections::VecDeque;

use super::UpstreamRef;
use crate::cancel::{Callback, CancelOutcome, CancelToken, Raise, Sweep};
use crate::error::{BoxError, ErrorKind, Reason};
use crate::executor::{RunResult, Runnable};
use crate::pool::Pool;
use crate::sync::{Arc, Mutex, chaos_point};
use crate::{dispatch, unhandled};

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

/// The second pass: puts it on this thread's work list, and, unless a scope is open, runs the list
/// to its end.
///
/// While one piece blocks, other threads run the rest of the list.
pub(crate) fn carry_out(sweep: Sweep) {
    let (after, raised, passed) = sweep.into_parts();
    let is_outermost = !dispatch::is_open();
    dispatch::scope(|| {
        for piece in after {
            dispatch::later(Deferred::new(piece));
        }
        if !raised.is_empty() {
            // After the steps of the tasks, which earlier pieces put on the list.
            let callbacks = Arc::new(Callbacks(Mutex::new(raised.into())));
            dispatch::later(Deferred::new(move || dispatch::later(callbacks)));
        }
        dispatch::later(Deferred::new(move || unhandled::drop_reporting(passed)));
        // Without a budget, so that all of it is done when the call returns.
        if is_outermost {
            dispatch::run_all();
        }
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

/// A piece of the second pass.
pub(super) struct Deferred<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send + 'static> Deferred<F> {
    pub(super) fn new(f: F) -> Arc<Deferred<F>> {
        Arc::new(Deferred(Mutex::new(Some(f))))
    }

    fn call(&self) {
        let f = self.0.lock().take();
        if let Some(f) = f {
            f();
        }
    }
}

impl<F: FnOnce() + Send + 'static> Runnable for Deferred<F> {
    fn run(self: Arc<Self>) -> RunResult {
        self.call();
        RunResult::Other
    }

    fn hand_off(self: Arc<Self>) {
        on_the_pool(self);
    }

    fn reject(self: Arc<Self>, _: ErrorKind, _: &'static str) -> bool {
        self.call();
        false
    }
}

/// The callbacks of raised tokens, in their order.
struct Callbacks(Mutex<VecDeque<Arc<dyn Raise>>>);

impl Callbacks {
    /// Takes the next callback.
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
}

impl Runnable for Callbacks {
    fn run(self: Arc<Self>) -> RunResult {
        let Some(first) = self.next() else {
            return RunResult::Other;
        };
        // If one of them blocks, another thread takes the rest. Otherwise this entry finds nothing
        // left.
        dispatch::later(self.clone());
        let mut next = Some(first);
        while let Some(callback) = next {
            // One at a time: the others may be unregistered in between.
            callback.call();
            next = self.next();
        }
        RunResult::Other
    }

    fn hand_off(self: Arc<Self>) {
        on_the_pool(self);
    }

    fn reject(self: Arc<Self>, _: ErrorKind, _: &'static str) -> bool {
        self.run();
        false
    }
}

/// Runs `work` on the global pool, which never closes, or here if the system grants no thread.
pub(super) fn on_the_pool(work: Arc<dyn Runnable>) {
    if let Err(rejected) = Pool::global().submit_continuation(work) {
        rejected.settle();
    }
}
