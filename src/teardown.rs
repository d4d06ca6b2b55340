//! Drops what a task leaves behind, which may hold the last handle of another task, and so on: a
//! line as long as it likes, without recursing with its length (Contract: D2).

use std::any::Any;
use std::cell::{Cell, RefCell};

use crate::unhandled;

/// So many tasks may be dropped inside each other's drop; deeper ones wait until the outermost is
/// done.
const MAX_DEPTH: u32 = 64;

struct Local {
    depth: Cell<u32>,
    waiting: RefCell<Vec<Box<dyn Any>>>,
}

crate::sync::thread_local! {
    static LOCAL: Local = const { Local {
        depth: Cell::new(0),
        waiting: RefCell::new(Vec::new()),
    } };
}

/// A task is being dropped on this thread.
pub(crate) struct Level(());

/// Begins to drop a task. `None`: the stack is deep in drops already; what it leaves behind is for
/// [`later`].
#[inline]
pub(crate) fn enter() -> Option<Level> {
    let entered = LOCAL.try_with(|local| {
        let depth = local.depth.get();
        let fits = depth < MAX_DEPTH;
        local.depth.set(depth + u32::from(fits));
        fits.then(|| Level(()))
    });
    // A thread whose locals are gone has nowhere to put anything.
    entered.unwrap_or_else(|_| Some(Level(())))
}

impl Drop for Level {
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

/// Drops `remains` on the way back.
#[cold]
pub(crate) fn later(remains: impl Any) {
    let mut remains = Some(remains);
    let _ = LOCAL.try_with(|local| {
        let remains: Box<dyn Any> = Box::new(remains.take());
        local.waiting.borrow_mut().push(remains);
    });
    unhandled::discard(remains);
}

#[cold]
fn drain(local: &Local) {
    while let Some(next) = pop(local) {
        unhandled::discard(next);
    }
}

fn pop(local: &Local) -> Option<Box<dyn Any>> {
    local.waiting.borrow_mut().pop()
}
