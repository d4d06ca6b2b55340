//! The graph of which task and which thread waits for which task. Finds a cycle before the edge
//! that closes it is added.
//!
//! The graph has three kinds of edges. A task waits for its upstreams: the task it follows, the
//! source of a branch, the inputs of a combinator. A task that is driven waits for its driver, the
//! thread that runs its closure or one of its steps; for a wait, also the thread that runs the loop
//! in whose queue its steps are, and the one that has lent the state they are to be called with. A
//! `stopped` task also waits for the threads that a cancel left running, and a task for the next
//! value of a topic for the thread that calls its subscribers. A thread that is blocked in a `wait`
//! without a time limit waits for a task. A thread that is not blocked waits for nothing.
//!
//! Only two events can close a cycle: a task follows another (`adopt`), and a thread that runs a
//! task begins to wait. A new task has no dependents, and a thread that begins to drive a task, or
//! to call subscribers, is not blocked. Both events search for the cycle and add their edge under
//! one lock, `GRAPH`. So the later of two events sees the edge of the earlier one, and exactly one
//! edge of a cycle is rejected. Edges are removed without the lock, which can break cycles but
//! closes none.

// Locks: GRAPH -> one cell's lock, or one group's. No thread holds the locks of two cells, and no
// reference is dropped under GRAPH: any may be the last, and its drop may run user code.

mod edges;
mod graph;
mod liveness;
mod search;
mod turns;

use edges::Tail;
pub(super) use edges::Trail;
pub(crate) use edges::driver;
pub(crate) use graph::visited;
pub(super) use graph::{Graph, lock};
use graph::{Waiting, key};
pub(crate) use turns::Turns;

pub(crate) use super::rank::RunsForOthers;
use super::rank::{self, UNRANKED};
use super::state::State;
use super::{AnyCell, with_state};
use crate::sync::{Arc, AtomicBool, ThreadId, thread_id};
use crate::{dispatch, pool};

/// Returns true if `cell` waits for itself. If not, the ranks allow what it waits for, which may
/// have been added without a search.
pub(crate) fn is_in_a_cycle(cell: &Arc<dyn AnyCell>) -> bool {
    let mut trail = Trail::default();
    let is_stuck = {
        let mut graph = lock();
        let is_stuck = graph.is_stuck(None, cell, &mut trail);
        if !is_stuck {
            graph.lower_to_rank_of(cell, &trail);
        }
        is_stuck
    };
    drop(trail);
    is_stuck
}

/// Returns the cell that a thread waits for which is blocked without a time limit.
pub(crate) fn awaited_by(thread: ThreadId) -> Option<Arc<dyn AnyCell>> {
    lock().awaited_by(thread, |_| false).cloned()
}

impl Graph {
    /// False: nothing waits for `cell`, so it is on no cycle. `state`: its own.
    pub(super) fn is_awaited(&self, cell: &dyn AnyCell, state: &State) -> bool {
        state.has_dependents || state.rank != UNRANKED || self.awaited.contains_key(&key(cell))
    }

    /// Returns true if `outer`, another task for which something [waits](Graph::is_awaited), must
    /// not follow `inner`, because `inner` cannot settle before `outer`.
    ///
    /// The caller adds the edge before it releases the lock.
    pub(super) fn adoption_closes_a_cycle(
        &mut self,
        outer: &Arc<dyn AnyCell>,
        inner: &Arc<dyn AnyCell>,
        trail: &mut Option<Box<Trail>>,
    ) -> bool {
        let rank = with_state(&**outer, |state| state.rank);
        let tail = Tail::AnyCell(key(&**outer), rank);
        self.closes_a_cycle(tail, inner, trail.insert(Box::default()))
    }
}

/// Returns true if something may wait for the calling thread, so that a wait of it may close a
/// cycle: it runs a closure or a step, or the callbacks of a topic.
pub(crate) fn is_awaited_here() -> bool {
    pool::on_worker() || dispatch::is_open() || rank::runs_for_others()
}

/// The calling thread is about to run user code that `cell` waits for, besides its driver.
pub(crate) fn note_runs_for(cell: &dyn AnyCell) {
    with_state(cell, |state| state.note_driven());
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
    /// `None`: `cell` can only settle after the calling thread has returned.
    pub(crate) fn enter(
        cell: &Arc<dyn AnyCell>,
        over: Option<&Arc<AtomicBool>>,
        turns: Turns,
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
