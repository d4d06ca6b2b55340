//! A closure on its way to the state of a loop.
//!
//! It is a job of an ordinary loop's queue. Such a job cannot carry a reference to the state. So
//! its run only puts the closure in front of the thread that turns the loop, which calls it with
//! the state right after the job.

// Lock order: that of one delivery -> that of its cell, or of the lenders; the graph of waits may
// be locked before it. `Due` has a lock of its own. No user code runs or is dropped under any of
// them.

use std::collections::VecDeque;
use std::panic::Location;

use super::kept::WeakQueue;
use super::lenders::Lenders;
use super::queue::{Lender, LoopQueue, give_way};
use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::deadlock::Turns;
use crate::cell::pieces::Deferred;
use crate::cell::state::Phase;
use crate::cell::stopped::{driver_is_back, leave_running};
use crate::cell::{AnyCell, Upstream, UpstreamRef, with_state};
use crate::error::ErrorKind;
use crate::executor::{Continuation, Executor, Job, Origin};
use crate::sync::{Arc, Mutex, ThreadId, Weak, thread_id};
use crate::{dispatch, unhandled};

/// Closures that are to be called with the state now.
pub(super) struct Due<S: 'static> {
    /// In their order.
    deliveries: Mutex<VecDeque<Arc<Delivery<S>>>>,
    lenders: Lenders,
    queue: WeakQueue,
}

impl<S: 'static> Due<S> {
    pub(super) fn lenders(&self) -> Lenders {
        self.lenders.clone()
    }

    pub(super) fn of(queue: &LoopQueue) -> Due<S> {
        Due {
            deliveries: Mutex::new(VecDeque::new()),
            lenders: Lenders::new(),
            queue: queue.downgrade(),
        }
    }

    /// A job of the queue has run on this thread, which calls the closure right after this if it
    /// has the state. Otherwise the thread that has it is to wake up.
    fn add(&self, delivery: Arc<Delivery<S>>) {
        self.deliveries.lock().push_back(delivery);
        if !self.lenders.has_this_thread() {
            self.queue.ring();
        }
    }

    fn next(&self) -> Option<Arc<Delivery<S>>> {
        self.deliveries.lock().pop_front()
    }
}

/// A run that lends the state, on the thread that began it.
pub(super) struct Lending<'a, S: 'static> {
    due: &'a Due<S>,
    state: &'a mut S,
}

impl<'a, S: 'static> Lending<'a, S> {
    pub(super) fn begin(due: &'a Due<S>, state: &'a mut S) -> Lending<'a, S> {
        due.lenders.add();
        Lending { due, state }
    }
}

impl<S: 'static> Lender for Lending<'_, S> {
    fn call_due(&mut self) {
        while let Some(delivery) = self.due.next() {
            give_way();
            delivery.call(self.state);
        }
    }

    fn has_due(&self) -> bool {
        !self.due.deliveries.lock().is_empty()
    }

    fn turns(&self) -> Turns {
        Turns::Lends(self.due.lenders.key())
    }
}

impl<S: 'static> Drop for Lending<'_, S> {
    fn drop(&mut self) {
        self.due.lenders.remove();
    }
}

impl<S: 'static> Drop for Due<S> {
    fn drop(&mut self) {
        // Their jobs were run by a thread that had no state to lend.
        let left = std::mem::take(self.deliveries.get_mut());
        if left.is_empty() {
            return;
        }
        dispatch::scope_of_many(|| {
            for delivery in left {
                delivery.reject(ErrorKind::Rejected, GONE);
            }
        });
    }
}

const GONE: &str = "the loop that it was delivered to is gone";

/// A closure with all but the state. Settles its task.
pub(super) type Call<S> = Box<dyn FnOnce(&mut S) + Send>;

enum Progress<S: 'static> {
    Waiting(Call<S>),
    /// `is_left`: its task was cancelled since, and counts it as a driver.
    Running {
        thread: ThreadId,
        is_left: bool,
    },
    Over,
}

/// A closure on its way to the state, as the upstream of its task and as a job of the queue.
struct Delivery<S: 'static> {
    progress: Mutex<Progress<S>>,
    due: Weak<Due<S>>,
    lenders: Lenders,
    executor: Arc<dyn Executor>,
    /// Weak: the cell holds this.
    cell: Weak<dyn AnyCell>,
    location: &'static Location<'static>,
}

impl<S: 'static> Delivery<S> {
    fn call(&self, state: &mut S) {
        let running = Progress::Running {
            thread: thread_id(),
            is_left: false,
        };
        let Some(call) = self.take(running) else {
            return;
        };
        call(state);
        let is_left = {
            let mut progress = self.progress.lock();
            let is_left = matches!(*progress, Progress::Running { is_left: true, .. });
            *progress = Progress::Over;
            is_left
        };
        if is_left && let Some(cell) = self.cell.upgrade() {
            driver_is_back(&cell);
        }
    }

    /// Fails the task. In an open scope of `dispatch` no user code runs or is dropped: it is put on
    /// the list.
    fn reject(&self, kind: ErrorKind, why: &'static str) -> bool {
        let Some(call) = self.take(Progress::Over) else {
            return false;
        };
        dispatch::scope_of_many(|| {
            // The closure goes before what follows the failure.
            dispatch::later(Deferred::new(move || unhandled::drop_reporting(call)));
            if let Some(cell) = self.cell.upgrade() {
                cell.reject(kind, why);
            }
        });
        true
    }

    /// Takes the closure if it waits.
    fn take(&self, next: Progress<S>) -> Option<Call<S>> {
        let mut progress = self.progress.lock();
        if !matches!(*progress, Progress::Waiting(_)) {
            return None;
        }
        match std::mem::replace(&mut *progress, next) {
            Progress::Waiting(call) => Some(call),
            _ => None,
        }
    }
}

impl<S: 'static> Continuation for Delivery<S> {
    fn run_with(self: Arc<Self>, _: u32) -> bool {
        match self.due.upgrade() {
            Some(due) => due.add(self),
            None => return self.reject(ErrorKind::Rejected, GONE),
        }
        true
    }

    fn reject_with(self: Arc<Self>, _: u32, kind: ErrorKind, why: &'static str) -> bool {
        self.reject(kind, why)
    }

    fn lies_in(&self, _: u32, _: Arc<dyn Executor>) {}

    fn is_over(&self) -> bool {
        !matches!(*self.progress.lock(), Progress::Waiting(_))
    }

    fn origin(&self) -> Option<Origin> {
        Some(Origin {
            location: self.location,
            name: None,
        })
    }
}

impl<S: 'static> Withdraw for Delivery<S> {
    /// The task is cancelled.
    fn withdraw(self: Arc<Self>, _ticket: u64, sweep: &mut Sweep) -> CancelOutcome {
        if let Some(call) = self.take(Progress::Over) {
            sweep.keep(call);
            return CancelOutcome::Prevented;
        }
        let mut progress = self.progress.lock();
        let Progress::Running { thread, is_left } = &mut *progress else {
            return CancelOutcome::TooLate;
        };
        if let Some(cell) = self.cell.upgrade() {
            *is_left = true;
            // Lock order: this lock -> that of the cell.
            leave_running(&*cell, Some(*thread));
            sweep.keep(cell);
        }
        CancelOutcome::Signalled
    }
}

impl<S: 'static> Upstream for Delivery<S> {
    fn above(&self, _: &mut Vec<Arc<dyn Upstream>>) {}

    fn turner(&self) -> Option<ThreadId> {
        match *self.progress.lock() {
            Progress::Waiting(_) => self.executor.turner(),
            Progress::Running { thread, .. } => Some(thread),
            Progress::Over => None,
        }
    }

    fn lender(&self) -> Option<(ThreadId, usize)> {
        match *self.progress.lock() {
            Progress::Waiting(_) => Some((self.lenders.only()?, self.lenders.key())),
            _ => None,
        }
    }

    fn expected_turner(&self) -> Option<ThreadId> {
        match *self.progress.lock() {
            Progress::Waiting(_) => self.executor.expected_turner(),
            _ => None,
        }
    }
}

/// Queues a closure. Its task waits for it from now on.
pub(super) fn send<S: 'static>(
    executor: Arc<dyn Executor>,
    (due, lenders): (Weak<Due<S>>, Lenders),
    cell: &Arc<dyn AnyCell>,
    location: &'static Location<'static>,
    call: Call<S>,
) {
    let delivery = Arc::new(Delivery {
        progress: Mutex::new(Progress::Waiting(call)),
        due,
        lenders,
        executor: executor.clone(),
        cell: Arc::downgrade(cell),
        location,
    });
    let to = delivery.clone();
    let before = with_state(&**cell, |state| match state.phase() {
        Phase::Open => Ok(state.set_upstream(UpstreamRef { to, step_id: 0 })),
        _ => Err(to),
    });
    match before {
        Ok(before) => {
            drop(before);
            executor.execute(Job::new(delivery, 0));
        }
        // It was cancelled before.
        Err(delivery) => unhandled::drop_reporting(delivery.take(Progress::Over)),
    }
}
