//! Drops the contents of cells. These may hold the last handle of another task, and so on: a line
//! of any length is dropped without recursion (Contract: D2).
//!
//! Every `Drop` in this crate that drops a user value uses this queue.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;

use crate::guard;
use crate::limits::MAX_DROP_DEPTH;

/// Drops something that was put off.
type Drops = Box<dyn FnOnce()>;

struct Local {
    depth: Cell<u32>,
    /// Invariant: empty, and without an allocation, while `depth` is 0.
    waiting: ManuallyDrop<RefCell<Vec<Drops>>>,
}

crate::sync::thread_local! {
    /// Nothing in it needs a destructor, so it is there as long as its thread runs: also while the
    /// other thread-locals are destroyed.
    static LOCAL: Local = const { Local {
        depth: Cell::new(0),
        waiting: ManuallyDrop::new(RefCell::new(Vec::new())),
    } };
}

/// Something is being dropped on this thread.
pub(crate) struct DropDepth(());

/// Begins a drop. `None`: drops are nested too deep already; the caller must use [`later`].
#[inline]
pub(crate) fn enter() -> Option<DropDepth> {
    let entered = LOCAL.try_with(|local| {
        let depth = local.depth.get();
        let fits = depth < MAX_DROP_DEPTH;
        local.depth.set(depth + u32::from(fits));
        // Not made where it does not fit: its drop would count down.
        fits.then(|| DropDepth(()))
    });
    // If the system destroys thread-locals even so, there is no queue, and values are dropped at
    // once.
    entered.unwrap_or_else(|_| Some(DropDepth(())))
}

impl Drop for DropDepth {
    #[inline]
    fn drop(&mut self) {
        let _ = LOCAL.try_with(|local| {
            let depth = local.depth.get();
            if depth == 1 && !local.waiting.borrow().is_empty() {
                drain(local);
            }
            local.depth.set(depth.saturating_sub(1));
        });
    }
}

/// Calls `f`, which drops something, when the outermost drop on this thread is done.
#[cold]
pub(crate) fn later(f: impl FnOnce() + 'static) {
    let mut f = Some(f);
    let _ = LOCAL.try_with(|local| {
        if let Some(f) = f.take() {
            local.waiting.borrow_mut().push(Box::new(f));
        }
    });
    if let Some(f) = f {
        f();
    }
}

/// Calls `f`, which drops something: now, or, where the stack is deep in drops, when the outermost
/// of them is done.
pub(crate) fn flat(f: impl FnOnce() + 'static) {
    match enter() {
        Some(_level) => f(),
        None => later(f),
    }
}

#[cold]
fn drain(local: &Local) {
    while let Some(next) = pop(local) {
        // What is put off catches what user code throws; this wall keeps the others if it does not.
        if let Err(payload) = guard::catch(next) {
            guard::drop_quietly(payload);
        }
    }
    drop(local.waiting.take());
}

fn pop(local: &Local) -> Option<Drops> {
    local.waiting.borrow_mut().pop()
}
