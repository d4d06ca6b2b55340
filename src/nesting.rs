//! Counts how deep calls that run other work are nested on one stack.

use std::cell::Cell;

use crate::limits::{MAX_NESTED_BYTES, MAX_NESTED_CALLS, STACK_SHARE};

struct Local {
    depth: Cell<u32>,
    /// The address of a local of the outermost call.
    base: Cell<usize>,
    /// The bytes of stack that may be used from there.
    room: Cell<usize>,
    /// The address of a local at the thread's start, and the size of its stack, if they are known.
    stack: Cell<Option<(usize, usize)>>,
}

crate::sync::thread_local! {
    static LOCAL: Local = const { Local {
        depth: Cell::new(0),
        base: Cell::new(0),
        room: Cell::new(MAX_NESTED_BYTES),
        stack: Cell::new(None),
    } };
}

/// The calling thread has begun, on a stack of so many bytes.
pub(crate) fn stack_begins_here(size: usize) {
    let _ = LOCAL.try_with(|local| local.stack.set(Some((address_of_a_local(), size))));
}

/// The bytes that nested calls may use of a stack, of which those above `here` are used. As of a
/// whole stack, a share: a job finds the most of what was left.
fn room_below(stack: Option<(usize, usize)>, here: usize) -> usize {
    // Every platform's stack grows down. Other addresses are on another stack, such as a
    // coroutine's, whose size is unknown.
    let left = stack.and_then(|(base, size)| size.checked_sub(base.checked_sub(here)?));
    left.map_or(MAX_NESTED_BYTES, |left| {
        MAX_NESTED_BYTES.min(left / STACK_SHARE)
    })
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
            local.room.set(room_below(local.stack.get(), here));
        }
        let used = local.base.get().abs_diff(here);
        // A checker moves its threads between stacks.
        let has_room = cfg!(any(loom, shuttle, miri)) || used <= local.room.get();
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

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn nested_calls_use_a_share_of_what_is_left_of_a_stack() {
        let base = 1 << 30;
        let room = |size: usize, used: usize| room_below(Some((base, size)), base - used);
        assert_eq!(room(192 << 10, 0), 48 << 10);
        assert_eq!(room(192 << 10, 128 << 10), 16 << 10);
        assert_eq!(room(192 << 10, 192 << 10), 0);
        assert_eq!(room(2 << 20, 0), MAX_NESTED_BYTES);
        assert_eq!(room_below(None, base), MAX_NESTED_BYTES);
        let elsewhere = [
            room(1 << 20, 1 << 29),
            room_below(Some((base, 1)), base + 1),
        ];
        assert_eq!(elsewhere, [MAX_NESTED_BYTES; 2]);
    }
}
