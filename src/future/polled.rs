//! A future that a pool polls: once, and once more for each time that it was woken since.
//!
//! The future waits without a thread. What can wake it keeps it: wakers, and the job of a poll that
//! is due. The task knows it only weakly. So a future whose last waker is dropped while it is
//! pending goes too, and its task fails, because no poll would ever come.
//!
//! | phase | where the future is | left by |
//! |---|---|---|
//! | `Idle` | here | a wake-up or a cancel (`Queued`), the drop of the last waker |
//! | `Queued` | here; a job for it is in the queue of a pool | the job (`Polling`) |
//! | `Polling` | on the stack of the thread that polls or drops it | its return, a wake-up (`Woken`) |
//! | `Woken` | the same, and another poll is due | its return (`Queued`) |
//! | `Over` | dropped | never |

// Lock order: a pool's queue -> the lock of `inner` -> that of the task's cell. No user code runs
// or is dropped under these, and no waker.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Wake, Waker};

use super::outcome::{Reads, discard, replace, settle};
use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::state::State;
use crate::cell::stopped::{driver_is_back, drop_begins, leave_running};
use crate::cell::task_cell::Returned;
use crate::cell::{self, AnyCell, Upstream, UpstreamRef, with_state};
use crate::error::{ErrorKind, TaskError};
use crate::executor::{Origin, RunResult, Runnable};
use crate::sync::{Arc, Mutex, ThreadId, Weak, chaos_point, thread_id};
use crate::trace::Captured;
use crate::{guard, unhandled};

pub(super) type Pinned<R> = Pin<Box<dyn Future<Output = R> + Send>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Queued,
    Polling,
    Woken,
    Over,
}

/// Why a future is polled no more. The next thread that has it drops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unwanted {
    /// Its task was cancelled, and counts the drop as a driver.
    Cancelled,
    /// Nothing can wake it.
    Abandoned,
}

/// A future, and what it is polled with.
struct Work<R> {
    future: Pinned<R>,
    /// Released with the future.
    context: Option<Box<Captured>>,
    cell: Arc<dyn AnyCell>,
}

struct Inner<R> {
    phase: Phase,
    unwanted: Option<Unwanted>,
    /// The thread that polls the future or drops it.
    thread: Option<ThreadId>,
    /// The queued job holds a place in the queue of a pool that has a limit.
    placed: bool,
    /// `None` while a thread has it, and once it is over.
    work: Option<Work<R>>,
}

/// The future of a task for a `T`, with an output of type `R`.
pub(super) struct Polled<R: 'static, T: Send + 'static> {
    inner: Mutex<Inner<R>>,
    reads: Reads<R, T>,
}

/// What the thread does that has polled a future which is pending.
enum Next<R> {
    /// Nothing: a wake-up queues it.
    Wait,
    /// It was woken meanwhile.
    Queue(Arc<dyn AnyCell>),
    Drop(Work<R>),
}

impl<R: 'static, T: Send + 'static> Polled<R, T> {
    /// A future that is to be queued. Its task is cancelled with it.
    pub(super) fn new(
        cell: &Arc<dyn AnyCell>,
        future: Pinned<R>,
        context: Option<Box<Captured>>,
        reads: Reads<R, T>,
    ) -> Arc<Polled<R, T>> {
        let work = Work {
            future,
            context,
            cell: cell.clone(),
        };
        let polled = Arc::new(Polled::queued(work, None, reads));
        let to = Arc::new(Tie {
            polled: Arc::downgrade(&polled),
            cell: Arc::downgrade(cell),
        });
        // A new task waits for nothing else.
        with_state(&**cell, |state| {
            let _ = state.set_upstream(UpstreamRef { to, step_id: 0 });
        });
        polled
    }

    fn queued(work: Work<R>, unwanted: Option<Unwanted>, reads: Reads<R, T>) -> Polled<R, T> {
        Polled {
            inner: Mutex::new(Inner {
                phase: Phase::Queued,
                unwanted,
                thread: None,
                placed: false,
                work: Some(work),
            }),
            reads,
        }
    }

    /// Takes the future that is queued. `None`: another thread has.
    fn begin(&self) -> Option<(Work<R>, Option<Unwanted>)> {
        let mut inner = self.inner.lock();
        if inner.phase != Phase::Queued {
            return None;
        }
        inner.phase = Phase::Polling;
        inner.thread = Some(thread_id());
        let unwanted = inner.unwanted;
        inner.work.take().map(|work| (work, unwanted))
    }

    /// Polls the future, or drops it.
    fn turn(self: &Arc<Self>) -> RunResult {
        let Some((mut work, unwanted)) = self.begin() else {
            return RunResult::Other;
        };
        match unwanted {
            None => {}
            Some(Unwanted::Cancelled) => {
                drop_begins(&*work.cell);
                return self.end(work, None);
            }
            Some(Unwanted::Abandoned) => return self.end(work, None),
        }
        if !with_state(&*work.cell, State::begin_poll) {
            // A cancel has taken the task, and is about to come here.
            return self.end(work, None);
        }
        chaos_point();
        let waker = Waker::from(self.clone());
        match work.poll(&waker, self.reads) {
            Poll::Pending => {
                drop(waker);
                self.pause(work)
            }
            Poll::Ready(returned) => self.end(work, Some(returned)),
        }
    }

    /// The future is pending.
    fn pause(self: &Arc<Self>, work: Work<R>) -> RunResult {
        with_state(&*work.cell, State::end_poll);
        match self.put_back(work) {
            Next::Wait => RunResult::Other,
            Next::Queue(cell) => {
                cell::queue(&cell, self.clone());
                RunResult::Other
            }
            Next::Drop(work) => self.end(work, None),
        }
    }

    fn put_back(&self, work: Work<R>) -> Next<R> {
        let mut inner = self.inner.lock();
        if inner.unwanted.is_some() {
            return Next::Drop(work);
        }
        inner.thread = None;
        let next = match inner.phase {
            Phase::Woken => {
                inner.phase = Phase::Queued;
                Next::Queue(work.cell.clone())
            }
            _ => {
                inner.phase = Phase::Idle;
                Next::Wait
            }
        };
        inner.work = Some(work);
        next
    }

    /// Drops the future, and then settles the task, unless a cancel has.
    fn end(&self, work: Work<R>, returned: Option<Returned<T>>) -> RunResult {
        let Work {
            future,
            context,
            cell,
        } = work;
        let mut future = Some(future);
        let dropped = in_context(context.as_deref(), || guard::drop_caught(future.take()));
        // It is still there if a subscriber has panicked.
        unhandled::drop_reporting((future, context));
        let unwanted = {
            let mut inner = self.inner.lock();
            inner.phase = Phase::Over;
            inner.thread = None;
            inner.unwanted
        };
        let returned = match dropped {
            Ok(Ok(())) => returned,
            Ok(Err(payload)) | Err(payload) => Some(replace(returned, payload, cell.meta().at())),
        };
        match (unwanted, returned) {
            (Some(Unwanted::Cancelled), returned) => {
                discard(returned);
                driver_is_back(&cell);
                RunResult::Cancelled
            }
            (Some(Unwanted::Abandoned), _) => {
                let why = "nothing can wake its future, which has dropped its waker";
                let at = Some(cell.meta().at());
                let error = TaskError::noted(ErrorKind::Abandoned, why, at);
                settle::<T>(cell, Returned::Outcome(Err(error)))
            }
            (None, Some(returned)) => settle(cell, returned),
            (None, None) => RunResult::Cancelled,
        }
    }

    /// Records a wake-up. Returns the cell of a future that must be queued.
    fn note_wake(&self) -> Option<Arc<dyn AnyCell>> {
        let mut inner = self.inner.lock();
        match inner.phase {
            Phase::Idle => {
                inner.phase = Phase::Queued;
                inner.work.as_ref().map(|work| work.cell.clone())
            }
            Phase::Polling => {
                inner.phase = Phase::Woken;
                None
            }
            Phase::Queued | Phase::Woken | Phase::Over => None,
        }
    }
}

impl<R> Work<R> {
    fn poll<T>(&mut self, waker: &Waker, reads: Reads<R, T>) -> Poll<Returned<T>> {
        let at = self.cell.meta().at();
        let panicked = |payload| {
            let error = TaskError::panicked(payload, at);
            Poll::Ready(Returned::Outcome(Err(error)))
        };
        let future = &mut self.future;
        // The failure is made in the context, which it keeps.
        let poll = || {
            let poll = || {
                let polled = future.as_mut().poll(&mut Context::from_waker(waker));
                polled.map(|output| reads(output, &at))
            };
            guard::catch(poll).unwrap_or_else(panicked)
        };
        in_context(self.context.as_deref(), poll).unwrap_or_else(panicked)
    }
}

/// Calls `f`, which does not panic. A `tracing` subscriber may.
fn in_context<V>(context: Option<&Captured>, f: impl FnOnce() -> V) -> Result<V, guard::Payload> {
    match context {
        None => Ok(f()),
        Some(context) => guard::catch(|| context.enter(f)),
    }
}

impl<R: 'static, T: Send + 'static> Wake for Polled<R, T> {
    fn wake(self: Arc<Self>) {
        if let Some(cell) = self.note_wake() {
            cell::queue(&cell, self);
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(cell) = self.note_wake() {
            cell::queue(&cell, self.clone());
        }
    }
}

impl<R: 'static, T: Send + 'static> Runnable for Polled<R, T> {
    fn run(self: Arc<Self>) -> RunResult {
        self.turn()
    }

    fn hand_off(self: Arc<Self>) {
        self.run();
    }

    fn reject(self: Arc<Self>, kind: ErrorKind, why: &'static str) -> bool {
        let Some((work, _)) = self.begin() else {
            return false;
        };
        let error = TaskError::noted(kind, why, Some(work.cell.meta().at()));
        self.end(work, Some(Returned::Outcome(Err(error)))) != RunResult::Cancelled
    }

    fn take_place(&self) {
        let mut inner = self.inner.lock();
        if inner.unwanted != Some(Unwanted::Cancelled) {
            inner.placed = true;
            return;
        }
        // It is queued to be dropped, which needs no place.
        let cell = inner.work.as_ref().map(|work| work.cell.clone());
        drop(inner);
        if let Some(cell) = cell {
            cell.meta().pool().release_place();
            // The future has another reference to it.
            drop(cell);
        }
    }

    fn give_place_back(&self) -> bool {
        std::mem::take(&mut self.inner.lock().placed)
    }

    fn origin(&self) -> Option<Origin> {
        let inner = self.inner.lock();
        let meta = inner.work.as_ref()?.cell.meta();
        Some(Origin {
            location: meta.location,
            name: meta.name().cloned(),
        })
    }
}

impl<R: 'static, T: Send + 'static> Drop for Polled<R, T> {
    /// A future that is still here can be woken no more. A pool drops it, because this thread may
    /// hold locks of code that drops a waker.
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        let unwanted = inner.unwanted.or(Some(Unwanted::Abandoned));
        if let Some(work) = inner.work.take() {
            let cell = work.cell.clone();
            cell::queue(&cell, Arc::new(Polled::queued(work, unwanted, self.reads)));
        }
    }
}

/// The future of a task, as the task sees it.
struct Tie<R: 'static, T: Send + 'static> {
    polled: Weak<Polled<R, T>>,
    /// Weak: the cell holds this.
    cell: Weak<dyn AnyCell>,
}

impl<R: 'static, T: Send + 'static> Withdraw for Tie<R, T> {
    /// The task is cancelled.
    fn withdraw(self: Arc<Self>, _ticket: u64, sweep: &mut Sweep) -> CancelOutcome {
        let (Some(polled), Some(cell)) = (self.polled.upgrade(), self.cell.upgrade()) else {
            // A thread of a pool drops the future already.
            return CancelOutcome::Prevented;
        };
        let (phase, placed) = {
            let mut inner = polled.inner.lock();
            let phase = inner.phase;
            if phase != Phase::Over {
                inner.unwanted = Some(Unwanted::Cancelled);
                leave_running(&*cell, inner.thread);
            }
            if phase == Phase::Idle {
                inner.phase = Phase::Queued;
            }
            (phase, std::mem::take(&mut inner.placed))
        };
        if placed {
            // The job that is queued drops the future.
            cell.meta().pool().release_place();
        }
        match phase {
            Phase::Idle => {
                sweep.later(move || cell::queue(&cell, polled));
                CancelOutcome::Prevented
            }
            Phase::Queued => {
                sweep.keep(polled);
                CancelOutcome::Prevented
            }
            Phase::Polling | Phase::Woken => {
                sweep.keep(polled);
                CancelOutcome::Signalled
            }
            Phase::Over => {
                sweep.keep(polled);
                CancelOutcome::TooLate
            }
        }
    }
}

impl<R: 'static, T: Send + 'static> Upstream for Tie<R, T> {
    fn above(&self, _: &mut Vec<Arc<dyn Upstream>>) {}
}
