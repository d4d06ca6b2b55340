//! How much of a worker's stack is used.
//!
//! A task that is run inside a wait stands on the waiter's frames. Their size is the user's, so it
//! is measured: a count of the tasks on a stack says nothing about the bytes.

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
        // Neither a checker's threads nor Miri's locals lie one below the other on a stack of the
        // size that was asked for; their programs nest but little.
        cfg!(any(loom, shuttle, miri)) || self.has_room_at(address_of_a_local())
    }

    /// Every platform's stack grows down. An address above the base, or far below it, lies on
    /// another stack: a coroutine's, of which nothing is known.
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
