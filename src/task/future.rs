//! A task is a future too.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Task, take_outcome};
use crate::cell::state::Phase;
use crate::cell::with_state;
use crate::error::TaskError;
use crate::guard;

/// Resolves to what [`wait`](Task::wait) would return, in any async runtime.
///
/// Polled again after it was ready, it returns a failure of kind
/// [`Abandoned`](crate::ErrorKind::Abandoned), and so does every other method that returns the
/// outcome.
impl<T: Send + 'static> Future for Task<T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.run();
        let Some(cell) = self.cell() else {
            return Poll::Pending;
        };
        // Cloned before the lock is taken: a waker is foreign code.
        let mut waker = Some(context.waker().clone());
        let (settled, old) = with_state(&**cell, |state| {
            if state.phase() == Phase::Settled {
                return (true, None);
            }
            (false, std::mem::replace(&mut state.waiter, waker.take()))
        });
        guard::drop_quietly((waker, old));
        if !settled {
            return Poll::Pending;
        }
        take_outcome(&**cell).map_or_else(
            || {
                // A step that was registered since runs first.
                context.waker().wake_by_ref();
                Poll::Pending
            },
            Poll::Ready,
        )
    }
}
