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

/// Drops `value`, here or, when the stack is deep in drops already, on the way back. A panic in
/// that is reported.
pub(crate) fn tear_down<V: 'static>(value: V) {
    if !std::mem::needs_drop::<V>() {
        return;
    }
    let mut value = Some(value);
    let _ = LOCAL.try_with(|local| {
        let depth = local.depth.get();
        if depth >= MAX_DEPTH {
            if let Some(value) = value.take() {
                local.waiting.borrow_mut().push(Box::new(value));
            }
            return;
        }
        local.depth.set(depth + 1);
        unhandled::discard(value.take());
        if depth == 0 {
            while let Some(next) = pop(local) {
                unhandled::discard(next);
            }
        }
        local.depth.set(depth);
    });
    // A thread whose locals are gone.
    unhandled::discard(value);
}

fn pop(local: &Local) -> Option<Box<dyn Any>> {
    local.waiting.borrow_mut().pop()
}
