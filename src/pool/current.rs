//! The worker of the calling thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::queue::LocalQueue;
use super::registry::Registry;
use super::stack::Stack;
use crate::sync::Arc;

/// What a thread knows about being a worker.
pub(super) struct Worker {
    pub(super) registry: Arc<Registry>,
    pub(super) local: Arc<LocalQueue>,
    pub(super) stack: Stack,
    pub(super) stage: Cell<WorkerStage>,
}

/// Where a worker is in its life. User code runs, and may block, in each of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkerStage {
    /// Its start hook runs. It counts as active.
    Starting,
    Working,
    /// Its stop hook runs. It counts as leaving, and is no longer active.
    Leaving,
}

crate::sync::thread_local! {
    static CURRENT: RefCell<Option<Rc<Worker>>> = const { RefCell::new(None) };
    /// The address of the pool that this thread was made for. It is kept when `CURRENT` is cleared:
    /// callbacks of rejected jobs and destructors of thread-locals run after that.
    static MADE_FOR: Cell<usize> = const { Cell::new(0) };
}

/// Calls `f` with this thread's worker, if it is one.
pub(super) fn with_current<R>(f: impl FnOnce(&Rc<Worker>) -> R) -> Option<R> {
    CURRENT
        .try_with(|current| current.borrow().as_ref().map(f))
        .ok()
        .flatten()
}

/// The calling thread's worker, if it is one of this very pool.
pub(super) fn worker_of(registry: &Arc<Registry>) -> Option<Rc<Worker>> {
    with_current(|worker| Arc::ptr_eq(&worker.registry, registry).then(|| worker.clone())).flatten()
}

/// True on a thread of this very pool.
pub(super) fn is_on(registry: &Arc<Registry>) -> bool {
    with_current(|worker| Arc::ptr_eq(&worker.registry, registry)).unwrap_or(false)
}

/// True on a worker of this very pool that `active` or `blocked` counts.
pub(super) fn counts_in(registry: &Arc<Registry>) -> bool {
    let counts = |worker: &Rc<Worker>| {
        Arc::ptr_eq(&worker.registry, registry) && worker.stage.get() != WorkerStage::Leaving
    };
    with_current(counts).unwrap_or(false)
}

/// True on a thread that was made for this very pool, also after it has left the counts.
pub(super) fn is_made_for(registry: &Arc<Registry>) -> bool {
    let address = MADE_FOR.try_with(Cell::get).unwrap_or(0);
    address == Arc::as_ptr(registry).addr()
}

/// Makes `worker` the calling thread's worker, until `leave`.
pub(super) fn enter(worker: Rc<Worker>) {
    MADE_FOR.set(Arc::as_ptr(&worker.registry).addr());
    CURRENT.with(|current| *current.borrow_mut() = Some(worker));
}

pub(super) fn leave() {
    CURRENT.with(|current| *current.borrow_mut() = None);
}
