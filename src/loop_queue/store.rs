//! The closures that a thread stores for its loops.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use crate::{drop_queue, room, unhandled};

/// The closures of a loop that were not called yet, by their numbers.
#[derive(Default)]
pub(super) struct Store {
    closures: RefCell<HashMap<u64, Box<dyn Any>>>,
    next: Cell<u64>,
}

impl Store {
    /// Stores a closure and returns its number.
    pub(super) fn add(&self, closure: Box<dyn Any>) -> u64 {
        let number = self.next.get();
        self.next.set(number + 1);
        let before = self.closures.borrow_mut().insert(number, closure);
        debug_assert!(before.is_none(), "numbers only rise");
        number
    }

    /// The caller drops the closure after this call: its drop may call the store.
    pub(super) fn take(&self, number: u64) -> Option<Box<dyn Any>> {
        let mut closures = self.closures.borrow_mut();
        let closure = closures.remove(&number);
        room::give_back(&mut *closures);
        closure
    }

    /// Drops all closures. Each may hold the last handle of another loop.
    pub(super) fn clear(&self) {
        let closures = self.closures.take();
        drop_queue::flat(move || {
            for closure in closures.into_values() {
                unhandled::drop_reporting(closure);
            }
        });
    }

    pub(super) fn len(&self) -> usize {
        self.closures.borrow().len()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // A loop that is never dropped leaves its closures to the end of its thread.
        if !self.closures.get_mut().is_empty() {
            self.clear();
        }
    }
}

crate::sync::thread_local! {
    /// The loops of this thread: the address of each queue, and what is stored for it.
    static STORES: RefCell<Vec<(usize, Rc<Store>)>> = const { RefCell::new(Vec::new()) };
}

/// This thread's store for the queue at this address. `None` on any other thread, and after the
/// loop was dropped.
pub(super) fn of(queue: usize) -> Option<Rc<Store>> {
    let find = |stores: &RefCell<Vec<(usize, Rc<Store>)>>| {
        let stores = stores.borrow();
        let found = stores.iter().find(|(known, _)| *known == queue);
        found.map(|(_, store)| store.clone())
    };
    STORES.try_with(find).ok().flatten()
}

pub(super) fn add(queue: usize, store: Rc<Store>) {
    // A thread without thread-locals runs no loop: a step that is registered there is rejected.
    let _ = STORES.try_with(|stores| stores.borrow_mut().push((queue, store)));
}

pub(super) fn remove(queue: usize) {
    let _ = STORES.try_with(|stores| {
        let mut stores = stores.borrow_mut();
        // The latest are dropped first, as a rule.
        let place = stores.iter().rposition(|(known, _)| *known == queue);
        place.map(|place| stores.swap_remove(place))
    });
}
