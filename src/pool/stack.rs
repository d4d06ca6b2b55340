//! How much of a worker's stack is used.
//!
//! A task that runs inside a wait is on top of the waiter's frames. Their size depends on user
//! code, so it is measured: a count of the tasks on a stack says nothing about bytes.

use crate::limits::STACK_SHARE;

/// The stack of the thread that made it.
pub(super) struct Stack {
    /// The address of a local at the thread's start.
    base: usize,
    size: usize,
}

impl Stack {
    pub(super) fn begins_here(size: usize) -> Stack {
        Stack {
            base: address_of_a_local(),
            size,
        }
    }

    /// True when another task may be put on the calling thread's stack, which must be this one.
    pub(super) fn has_room(&self) -> bool {
        // A checker's threads and Miri's locals are not on a contiguous stack of the requested
        // size; their programs nest little.
        cfg!(any(loom, shuttle, miri)) || self.has_room_at(address_of_a_local())
    }

    /// Every platform's stack grows down. An address above the base, or far below it, is on another
    /// stack, such as a coroutine's, whose size is unknown.
    fn has_room_at(&self, address: usize) -> bool {
        let used = self.base.checked_sub(address);
        used.is_some_and(|used| used <= self.size / STACK_SHARE)
    }
}

#[inline(never)]
fn address_of_a_local() -> usize {
    let local = 0_u8;
    std::hint::black_box(std::ptr::from_ref(&local)).addr()
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_stack_is_for_nested_tasks() {
        let stack = Stack {
            base: 1 << 30,
            size: 1 << 20,
        };
        let has_room_below = |bytes: usize| stack.has_room_at(stack.base - bytes);
        assert!(has_room_below(0) && has_room_below(1 << 18));
        assert!(!has_room_below((1 << 18) + 1) && !has_room_below(1 << 20));
        assert!(!has_room_below(1 << 29), "another stack");
        assert!(!stack.has_room_at(stack.base + 1), "another stack");
    }

    #[test]
    #[cfg(not(miri))]
    fn the_stack_is_measured() {
        #[inline(never)]
        fn deeper(stack: &Stack) -> bool {
            let frame = [0_u8; 8 << 10];
            std::hint::black_box(&frame);
            stack.has_room()
        }
        let stack = Stack::begins_here(16 << 10);
        assert!(stack.has_room());
        assert!(!deeper(&stack));
    }
}
