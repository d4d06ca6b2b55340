//! The edges of the graph that no cell knows, and the lock that keeps them as they are.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;

use super::turns::Turns;
use crate::cell::rank::{self, UNRANKED};
use crate::cell::{AnyCell, address};
use crate::sync::{Arc, AtomicBool, Mutex, MutexGuard, Ordering, ThreadId};
use crate::turning;

type Map<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// The edges that cells do not store, and what searches record.
pub(crate) struct Graph {
    /// For each thread that runs a task and is blocked without a time limit: what it waits for.
    pub(super) waits: Map<ThreadId, Waiting>,
    /// The number of `waits` for the cell at this address.
    pub(super) awaited: Map<usize, usize>,
    /// The lowest rank assigned so far.
    pub(super) lowest: u32,
    /// For each thread: the lowest rank assigned to a task that it was driving.
    pub(super) driven: Map<ThreadId, u32>,
    /// The lowest rank in `driven` of threads that it no longer lists.
    pub(super) driven_by_any: u32,
    /// The number of cells that all searches together have visited.
    pub(super) visited: u64,
}

/// What a blocked thread waits for.
pub(super) struct Waiting {
    pub(super) cell: Arc<dyn AnyCell>,
    /// True when the wait is over though `cell` is not settled.
    pub(super) over: Option<Arc<AtomicBool>>,
    pub(super) turns: Turns,
}

/// The number of threads with entries of their own. Threads come and go, and the map must not grow.
const THREADS: usize = 1024;

crate::sync::statics! {
    static GRAPH: Mutex<Graph> = Mutex::new(Graph::new());
}

/// Locks the graph: no edge is added, though edges may be removed.
pub(in crate::cell) fn lock() -> MutexGuard<'static, Graph> {
    GRAPH.lock()
}

/// The number of cells that all searches together have visited.
pub(crate) fn visited() -> u64 {
    lock().visited
}

impl Graph {
    const fn new() -> Graph {
        Graph {
            waits: Map::with_hasher(BuildHasherDefault::new()),
            awaited: Map::with_hasher(BuildHasherDefault::new()),
            lowest: UNRANKED,
            driven: Map::with_hasher(BuildHasherDefault::new()),
            driven_by_any: UNRANKED,
            visited: 0,
        }
    }

    /// The rank of a thread: no higher than that of any task it drives.
    pub(super) fn rank_of(&self, thread: ThreadId) -> u32 {
        if turning::is_relied_on() || rank::runs_for_others() {
            // Tasks of any rank wait for it too: those that were sent to its loops, and those for
            // the next value of a topic whose subscribers it calls.
            return 0;
        }
        let own = rank::lowest_driven();
        let noted = self.driven.get(&thread).copied();
        own.min(noted.unwrap_or(UNRANKED)).min(self.driven_by_any)
    }

    /// Records that `thread` drives a task of this rank.
    pub(super) fn note_driver(&mut self, thread: ThreadId, rank: u32) {
        if self.driven.len() >= THREADS && !self.driven.contains_key(&thread) {
            let lowest = self.driven.drain().map(|(_, rank)| rank).min();
            self.driven_by_any = self.driven_by_any.min(lowest.unwrap_or(UNRANKED));
        }
        let noted = self.driven.entry(thread).or_insert(rank);
        *noted = rank.min(*noted);
    }

    /// Returns what a blocked thread waits for. The task that it drives, or that was sent to its
    /// loop, waits for that too, unless the thread `serves` it by what it does while it waits.
    pub(super) fn awaited_by(
        &self,
        thread: ThreadId,
        serves: impl FnOnce(Turns) -> bool,
    ) -> Option<&Arc<dyn AnyCell>> {
        let waiting = self.waits.get(&thread)?;
        if serves(waiting.turns) {
            return None;
        }
        // ORDERING: Acquire, to see what the thread that ended the wait did before.
        let over = |flag: &Arc<AtomicBool>| flag.load(Ordering::Acquire);
        let is_over = waiting.over.as_ref().is_some_and(over);
        (!is_over).then_some(&waiting.cell)
    }

    /// Records what `thread` waits for, or that it waits no longer. Returns the previous entry.
    pub(super) fn put(&mut self, thread: ThreadId, waiting: Option<Waiting>) -> Option<Waiting> {
        if let Some(waiting) = &waiting {
            *self.awaited.entry(key(&*waiting.cell)).or_insert(0) += 1;
        }
        let before = match waiting {
            Some(waiting) => self.waits.insert(thread, waiting),
            None => self.waits.remove(&thread),
        };
        if let Some(before) = &before {
            let key = key(&*before.cell);
            if let Some(count) = self.awaited.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    self.awaited.remove(&key);
                }
            }
        }
        before
    }
}

/// Returns a key that identifies a cell while a reference to it is held.
pub(super) fn key(cell: &dyn AnyCell) -> usize {
    address(cell).addr()
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use crate::sync::{thread, thread_id};

    #[test]
    fn the_memory_of_threads_does_not_grow_and_forgets_no_rank() {
        let mut graph = Graph::new();
        for rank in 5..5 + 2 * THREADS {
            let thread = thread::Builder::new().spawn(thread_id);
            let thread = thread.expect("the system has a thread to give").join();
            let rank = u32::try_from(rank).expect("it is small");
            graph.note_driver(thread.expect("it does not panic"), rank);
        }
        assert!(graph.driven.len() <= THREADS);
        assert_eq!(graph.rank_of(thread_id()), 5);
    }
}
