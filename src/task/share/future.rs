//! A shared task in async code: awaited by reference it lends its value, by value it clones it.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::SharedTask;
use super::signal::Signal;
use crate::cell::state::Role;
use crate::cell::{self, with_state};
use crate::error::TaskError;
use crate::guard;
use crate::sync::{Arc, Mutex, Ordering};
use crate::task::Task;
use crate::thread_waker;

/// Resolves to a reference to the value, as [`SharedTask::wait`] returns it.
///
/// # Examples
///
/// ```
/// # fn assert_future<F: std::future::Future>(_: &F) {}
/// async fn len(text: &fast_async::SharedTask<String>) -> Result<usize, fast_async::TaskError> {
///     Ok(text.await?.len())
/// }
/// # assert_future(&len(&fast_async::spawn(String::new).share()));
/// ```
impl<'a, T: Send + Sync + 'static> IntoFuture for &'a SharedTask<T> {
    type Output = Result<&'a T, TaskError>;
    type IntoFuture = SharedFuture<'a, T>;

    fn into_future(self) -> SharedFuture<'a, T> {
        SharedFuture {
            source: self,
            place: None,
        }
    }
}

/// Resolves to a clone of the value, as [`SharedTask::cloned`] returns it.
impl<T: Clone + Send + Sync + 'static> IntoFuture for SharedTask<T> {
    type Output = Result<T, TaskError>;
    type IntoFuture = Task<T>;

    #[track_caller]
    fn into_future(self) -> Task<T> {
        self.cloned()
    }
}

/// The future of a reference to a [`SharedTask`]; made by its `IntoFuture`, which `.await` calls.
///
/// Any number of them may wait at once. It resolves after the observers that were registered before
/// its first poll have run. A drop leaves no step in the task.
#[must_use = "a future does nothing until it is polled"]
pub struct SharedFuture<'a, T> {
    source: &'a SharedTask<T>,
    /// Where it waits in the list of the cell, after the first poll.
    place: Option<Place>,
}

struct Place {
    step_id: u64,
    wait: Arc<Mutex<Wait>>,
}

/// No user code runs under its lock: wakers are cloned, dropped and called without it. No other
/// lock is taken under it.
struct Wait {
    /// The step has run. Set once, under the lock under which `waker` is taken: so a poll either
    /// sees this, or leaves a waker that the step finds.
    is_over: bool,
    waker: Option<Waker>,
}

impl<'a, T: Send + Sync + 'static> SharedFuture<'a, T> {
    fn outcome(&self) -> Poll<Result<&'a T, TaskError>> {
        let shared = &self.source.shared;
        Poll::Ready(match shared.value.get() {
            Some(outcome) => self.source.give(outcome),
            None => Err(shared.without_outcome()),
        })
    }
}

impl<'a, T: Send + Sync + 'static> Future for SharedFuture<'a, T> {
    type Output = Result<&'a T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let cell = &self.source.shared.cell;
        let Some(place) = &self.place else {
            // ORDERING: acquire, as for a wait: the value was written before the flag.
            let is_settled = cell.settled_flag().load(Ordering::Acquire);
            if is_settled && self.source.shared.value.get().is_some() {
                return self.outcome();
            }
            let wait = Arc::new(Mutex::new(Wait {
                is_over: false,
                waker: Some(context.waker().clone()),
            }));
            let called = wait.clone();
            let step = Box::new(Signal::new(move || end(&called)));
            let step_id = cell::register(cell, step, Role::Observer);
            self.place = Some(Place { step_id, wait });
            return Poll::Pending;
        };
        let mut waker = Some(context.waker().clone());
        let is_over = {
            let mut wait = place.wait.lock();
            if !wait.is_over {
                std::mem::swap(&mut wait.waker, &mut waker);
            }
            wait.is_over
        };
        guard::drop_quietly(waker);
        match is_over {
            true => self.outcome(),
            false => Poll::Pending,
        }
    }
}

impl<T> Drop for SharedFuture<'_, T> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            let step = with_state(&*self.source.shared.cell, |state| {
                state.remove(place.step_id)
            });
            // Its waker is foreign code.
            guard::drop_quietly((step, place));
        }
    }
}

impl<T> fmt::Debug for SharedFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedFuture").field(self.source).finish()
    }
}

/// The observers before the future's place have run.
fn end(wait: &Mutex<Wait>) {
    let waker = {
        let mut wait = wait.lock();
        wait.is_over = true;
        wait.waker.take()
    };
    if let Some(waker) = waker {
        thread_waker::wake(waker);
    }
}
