//! The listeners to all tasks of one pool.

use smallvec::SmallVec;

use super::emitter::Listener;
use crate::sync::{Arc, AtomicBool, Mutex, Ordering};
use crate::{room, unhandled};

/// Those that hear of the tasks which are spawned from now on.
pub(crate) struct Listeners {
    /// There are some. Read by every spawn, and written under the lock.
    // ORDERING: Relaxed. A thread that has to hear of a listener has synchronized with the thread
    // that has added it.
    is_heard: AtomicBool,
    /// No other lock is taken under it, and nothing is dropped.
    list: Mutex<List>,
}

struct List {
    /// In the order of their numbers.
    entries: Vec<(u64, Arc<dyn Listener>)>,
    next: u64,
}

impl Listeners {
    pub(crate) fn new() -> Arc<Listeners> {
        let entries = Vec::new();
        Arc::new(Listeners {
            is_heard: AtomicBool::new(false),
            list: Mutex::new(List { entries, next: 0 }),
        })
    }

    #[inline]
    pub(crate) fn is_heard(&self) -> bool {
        self.is_heard.load(Ordering::Relaxed)
    }

    /// Adds a listener, and returns its number.
    pub(crate) fn add(&self, listener: Arc<dyn Listener>) -> u64 {
        let mut list = self.list.lock();
        let number = list.next;
        list.next += 1;
        list.entries.push((number, listener));
        self.is_heard.store(true, Ordering::Relaxed);
        number
    }

    pub(crate) fn remove(&self, number: u64) {
        let mut list = self.list.lock();
        let place = list.entries.binary_search_by_key(&number, |(it, _)| *it);
        let removed = place.ok().map(|place| list.entries.remove(place));
        room::give_back(&mut list.entries);
        self.is_heard
            .store(!list.entries.is_empty(), Ordering::Relaxed);
        drop(list);
        unhandled::drop_reporting(removed);
    }

    pub(crate) fn all(&self) -> SmallVec<[Arc<dyn Listener>; 2]> {
        let list = self.list.lock();
        let listeners = list.entries.iter().map(|(_, listener)| listener.clone());
        listeners.collect()
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        for (_, listener) in std::mem::take(&mut self.list.get_mut().entries) {
            listener.end_of_pool();
            listener.deliver();
            unhandled::drop_reporting(listener);
        }
    }
}
