//! A cell with the types of its closure and its outcome.
//!
//! What is generic over the closure here is compiled for every call site of a user's program. It
//! takes the closure out and calls it. Everything else works on [`Erased`].

use std::any::Any;
use std::mem::ManuallyDrop;

use super::head::Head;
use super::shell::{Erased, Errand, Inner, Locked, Shell};
use super::slot::{Outcome, Slot, with_slot};
use super::state::{Phase, State};
pub(crate) use super::work::Returned;
use super::{AnyCell, TaskMeta};
use crate::error::At;
use crate::executor::RunResult;
use crate::sync::{Arc, AtomicBool, Mutex};

/// A cell whose closure is an `F`.
pub(crate) type TaskCell<F, T> = Shell<Head<F, T>>;

/// The closure of a cell that has none: its outcome comes from outside.
pub(crate) type NoWork<T> = fn(&At<'_>) -> Returned<T>;

impl<F, T> TaskCell<F, T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    #[inline]
    pub(crate) fn new(meta: TaskMeta, phase: Phase, work: F) -> Arc<Self> {
        let mut state = State::new(phase);
        state.overseen = meta.overseer().is_some();
        Arc::new(Shell {
            meta: ManuallyDrop::new(meta),
            settled: AtomicBool::new(false),
            outlived: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                state: ManuallyDrop::new(state),
                head: Head::Work(work),
            }),
        })
    }
}

impl<T: Send + 'static> TaskCell<NoWork<T>, T> {
    /// A cell that waits for an outcome from outside.
    pub(crate) fn open(meta: TaskMeta) -> Arc<Self> {
        TaskCell::without_work(meta, Phase::Open, None)
    }

    /// A cell that is settled from the start.
    pub(crate) fn settled(meta: TaskMeta, outcome: Outcome<T>) -> Arc<Self> {
        TaskCell::without_work(meta, Phase::Settled, Some(outcome))
    }

    fn without_work(meta: TaskMeta, phase: Phase, value: Option<Outcome<T>>) -> Arc<Self> {
        let mut state = State::new(phase);
        state.pending_links = u32::from(value.is_none());
        Arc::new(Shell {
            meta: ManuallyDrop::new(meta),
            settled: AtomicBool::new(value.is_some()),
            outlived: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                state: ManuallyDrop::new(state),
                head: Head::Outcome(value),
            }),
        })
    }
}

// What follows is compiled for every call site: each function calls one that is not.

impl<F, T> AnyCell for TaskCell<F, T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    fn shell(&self) -> &Erased {
        self
    }

    fn shell_mut(&mut self) -> &mut Erased {
        self
    }

    fn work(&self, mut inner: Locked<'_>, mut errand: Errand<'_>) -> RunResult {
        let head: &mut dyn Any = &mut inner.head;
        let mut work = head.downcast_mut().and_then(Head::<F, T>::take_work);
        errand.leave(inner);
        errand.carry_out::<T>(&mut |at| match (work.take(), at) {
            (Some(work), Some(at)) => Some(work(at)),
            _ => None,
        })
    }

    fn with_slot(&self, f: &mut dyn FnMut(&mut dyn Slot)) {
        with_slot::<T>(f);
    }
}
