//! Counts how deep calls that run other work are nested on one stack.

use std::cell::Cell;

use crate::limits::{MAX_NESTED_BYTES, MAX_NESTED_CALLS};

struct Local {
    depth: Cell<u32>,
    /// The address of a local of the outermost call.
    base: Cell<usize>,
}

crate::sync::thread_local! {
    static LOCAL: Local = const { Local {
        depth: Cell::new(0),
        base: Cell::new(0),
    } };
}

/// A call that runs other work is on this thread's stack.
pub(crate) struct Level(());

/// Begins a call that runs other work. `None`: the stack is deep in such calls already.
pub(crate) fn enter() -> Option<Level> {
    let entered = LOCAL.try_with(|local| {
        let here = address_of_a_local();
        let depth = local.depth.get();
        if depth == 0 {
            local.base.set(here);
        }
        let used = local.base.get().abs_diff(here);
        // A checker moves its threads between stacks.
        let has_room = cfg!(any(loom, shuttle, miri)) || used <= MAX_NESTED_BYTES;
        let fits = depth < MAX_NESTED_CALLS && has_room;
        local.depth.set(depth + u32::from(fits));
        fits.then(|| Level(()))
    });
    // A thread without thread-locals does not count.
    entered.unwrap_or_else(|_| Some(Level(())))
}

impl Drop for Level {
    fn drop(&mut self) {
        let _ = LOCAL.try_with(|local| local.depth.set(local.depth.get().saturating_sub(1)));
    }
}

#[inline(never)]
fn address_of_a_local() -> usize {
    let local = 0_u8;
    std::hint::black_box(&raw const local).addr()
}
