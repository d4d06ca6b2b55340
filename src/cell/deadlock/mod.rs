//! The graph of which task and which thread waits for which task. Finds a cycle before the edge
//! that closes it is added.
//!
//! The graph has three kinds of edges. A task waits for its upstreams: the task it follows, the
//! source of a branch, the inputs of a combinator. A task that is driven waits for its driver, the
//! thread that runs its closure or one of its steps; for a wait, also the thread that runs the loop
//! in whose queue its steps are. A `stopped` task also waits for the threads that a cancel left
//! running. A thread that is blocked in a `wait` without a time limit waits for a task. A thread
//! that is not blocked waits for nothing.
//!
//! Only two events can close a cycle: a task follows another (`adopt`), and a thread that runs a
//! task begins to wait. A new task has no dependents, and a thread that begins to drive a task is
//! not blocked. Both events search for the cycle and add their edge under one lock, `GRAPH`. So the
//! later of two events sees the edge of the earlier one, and exactly one edge of a cycle is
//! rejected. Edges are removed without the lock, which can break cycles but closes none.

// Locks: GRAPH -> one cell's lock, or one group's. No thread holds the locks of two cells, and no
// reference is dropped under GRAPH: any may be the last, and its drop may run user code.

mod liveness;
mod search;

use std::cell::Cell as Slot;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;

use super::{AnyCell, address, with_state};
use crate::sync::{Arc, AtomicBool, Mutex, MutexGuard, Ordering, ThreadId, thread_id};
use crate::turning;

use search::Tail;
pub(super) use search::Trail;
pub(crate) use search::driver;

/// The rank of a task that no wide search has visited.
///
/// Invariant: a task's rank is never lower than that of anything it waits for. So a search for a
/// task ends at each task of a lower rank. Ranks only fall. See `search`.
pub(super) const UNRANKED: u32 = u32::MAX;

type Map<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// The edges that cells do not store, and what searches record.
pub(crate) struct Graph {
    /// For each thread that runs a task and is blocked without a time limit: what it waits for.
    waits: Map<ThreadId, Waiting>,
    /// The number of `waits` for the cell at this address.
    awaited: Map<usize, usize>,
    /// The lowest rank assigned so far.
    lowest: u32,
    /// For each thread: the lowest rank assigned to a task that it was driving.
    driven: Map<ThreadId, u32>,
    /// The lowest rank in `driven` of threads that it no longer lists.
    driven_by_any: u32,
    /// The number of cells that all searches together have visited.
    visited: u64,
}

struct Waiting {
    cell: Arc<dyn AnyCell>,
    /// True when the wait is over though `cell` is not settled.
    over: Option<Arc<AtomicBool>>,
    /// The thread runs a loop while it waits: tasks that were sent there do not wait for it.
    turns: bool,
}

/// The number of threads with entries of their own. Threads come and go, and the map must not grow.
const THREADS: usize = 1024;

crate::sync::statics! {
    static GRAPH: Mutex<Graph> = Mutex::new(Graph::new());
}

crate::sync::thread_local! {
    /// The lowest rank of the ranked tasks that this thread has begun to drive.
    static LOWEST_DRIVEN: Slot<u32> = const { Slot::new(UNRANKED) };
}

/// Locks the graph: no edge is added, though edges may be removed.
pub(super) fn lock() -> MutexGuard<'static, Graph> {
    GRAPH.lock()
}

/// The calling thread has become the driver of a ranked task.
#[cold]
pub(super) fn note_driven(rank: u32) {
    // A thread without thread-locals is ending, and does not wait for tasks that it drives.
    let _ = LOWEST_DRIVEN.try_with(|lowest| lowest.set(lowest.get().min(rank)));
}

/// The number of cells that all searches together have visited.
pub(crate) fn visited() -> u64 {
    lock().visited
}

/// Returns true if `cell` waits for itself.
pub(crate) fn is_in_a_cycle(cell: &Arc<dyn AnyCell>) -> bool {
    let mut trail = Trail::default();
    let is_stuck = lock().is_stuck(None, cell, &mut trail);
    drop(trail);
    is_stuck
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

    /// Returns true if `outer` must not follow `inner`, because `inner` cannot settle before
    /// `outer`.
    ///
    /// The caller adds the edge before it releases the lock.
    pub(super) fn adoption_closes_a_cycle(
        &mut self,
        outer: &Arc<dyn AnyCell>,
        inner: &Arc<dyn AnyCell>,
        trail: &mut Option<Box<Trail>>,
    ) -> bool {
        if address(&**outer) == address(&**inner) {
            return true;
        }
        let (has_dependents, rank) =
            with_state(&**outer, |state| (state.has_dependents, state.rank));
        if !has_dependents && rank == UNRANKED && !self.awaited.contains_key(&key(&**outer)) {
            return false;
        }
        let tail = Tail::AnyCell(key(&**outer), rank);
        self.closes_a_cycle(tail, inner, trail.insert(Box::default()))
    }

    /// The rank of a thread: no higher than that of any task it drives.
    fn rank_of(&self, thread: ThreadId) -> u32 {
        if turning::is_relied_on() {
            // Tasks of any rank that were sent to its loops wait for it too.
            return 0;
        }
        let own = LOWEST_DRIVEN.try_with(Slot::get).unwrap_or(0);
        let noted = self.driven.get(&thread).copied();
        own.min(noted.unwrap_or(UNRANKED)).min(self.driven_by_any)
    }

    /// Records that `thread` drives a task of this rank.
    fn note_driver(&mut self, thread: ThreadId, rank: u32) {
        if self.driven.len() >= THREADS && !self.driven.contains_key(&thread) {
            let lowest = self.driven.drain().map(|(_, rank)| rank).min();
            self.driven_by_any = self.driven_by_any.min(lowest.unwrap_or(UNRANKED));
        }
        let noted = self.driven.entry(thread).or_insert(rank);
        *noted = rank.min(*noted);
    }

    /// Returns what a blocked thread waits for. The task that it drives, or that was `sent` to its
    /// loop, waits for that too.
    fn awaited_by(&self, thread: ThreadId, sent: bool) -> Option<&Arc<dyn AnyCell>> {
        let waiting = self.waits.get(&thread)?;
        if sent && waiting.turns {
            return None;
        }
        // ORDERING: Acquire, to see what the thread that ended the wait did before.
        let over = |flag: &Arc<AtomicBool>| flag.load(Ordering::Acquire);
        let is_over = waiting.over.as_ref().is_some_and(over);
        (!is_over).then_some(&waiting.cell)
    }

    /// Records what `thread` waits for, or that it waits no longer. Returns the previous entry.
    fn put(&mut self, thread: ThreadId, waiting: Option<Waiting>) -> Option<Waiting> {
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

/// A wait of the calling thread that is entered in the graph.
pub(crate) struct WaitEntry {
    /// The outer wait, restored when this one is over: a callback that the outer wait runs may wait
    /// too.
    before: Option<Waiting>,
}

impl WaitEntry {
    /// Records that the calling thread, which runs a task, waits for `cell` without a time limit,
    /// until that is settled or `over` is true.
    ///
    /// `turns`: the thread runs a loop while it waits, so tasks that were sent to its loops do not
    /// wait for it.
    ///
    /// `None`: `cell` can only settle after the calling thread has returned.
    pub(crate) fn enter(
        cell: &Arc<dyn AnyCell>,
        over: Option<&Arc<AtomicBool>>,
        turns: bool,
    ) -> Option<WaitEntry> {
        let me = thread_id();
        let mut trail = Trail::default();
        let mut graph = lock();
        let tail = Tail::Thread {
            thread: me,
            rank: graph.rank_of(me),
            turns,
        };
        if graph.closes_a_cycle(tail, cell, &mut trail) {
            return None;
        }
        let waiting = Waiting {
            cell: cell.clone(),
            over: over.cloned(),
            turns,
        };
        let before = graph.put(me, Some(waiting));
        Some(WaitEntry { before })
    }
}

impl Drop for WaitEntry {
    fn drop(&mut self) {
        let ended = lock().put(thread_id(), self.before.take());
        drop(ended);
    }
}

/// Returns a key that identifies a cell while a reference to it is held.
fn key(cell: &dyn AnyCell) -> usize {
    address(cell).addr()
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use crate::sync::thread;

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
