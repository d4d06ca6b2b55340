//! The search from the task to wait for to the task or thread that will wait, and the ranks that
//! keep it short.
//!
//! Many tasks may begin to wait for the same wide task one after the other: N requests for one
//! `all` of N. Each of them searches whether that task waits for it. To visit the N inputs each
//! time would take N * N steps. So a wide search assigns a low rank to all cells that it has
//! visited, and keeps the invariant that no task has a lower rank than what it waits for (the idea
//! of the levels of Bender, Fineman, Gilbert and Tarjan for incremental topological order). The
//! next search, for a task of a higher rank, ends at each of them.
//!
//! - A rank that is lower than necessary is correct, but a search for a task of a low rank takes
//!   longer. So only a wide search assigns ranks. The cells of a narrow search cost little to visit
//!   again.
//! - A wide search assigns the lowest rank that the invariant allows: a new lowest one, or that of
//!   the highest task it ended at.
//! - When the ranks are used up, the lowest one is assigned repeatedly. That keeps the invariant,
//!   and only makes searches longer.

use std::collections::HashSet;

use super::{Graph, UNRANKED, key};
use crate::cell::state::{Phase, State};
use crate::cell::{AnyCell, Upstream, with_state};
use crate::executor::Executor;
use crate::sync::{Arc, ThreadId};

/// A search is wide from this many cells on. Fewer in models and tests.
const WIDE: usize = if cfg!(test) { 2 } else { 32 };

/// The task or thread that will wait, and its rank.
#[derive(Clone, Copy)]
pub(super) enum Tail {
    /// The cell with this key, for another task.
    AnyCell(usize, u32),
    /// A thread, for a task. `turns`: it runs a loop while it waits.
    Thread {
        thread: ThreadId,
        rank: u32,
        turns: bool,
    },
}

impl Tail {
    fn rank(self) -> u32 {
        match self {
            Tail::AnyCell(_, rank) | Tail::Thread { rank, .. } => rank,
        }
    }

    /// Returns true if it is this thread, which runs a closure or a step.
    fn is_thread(self, running: ThreadId) -> bool {
        matches!(self, Tail::Thread { thread, .. } if thread == running)
    }

    fn is_at(self, cell: usize, driver: Option<Driver>) -> bool {
        match self {
            Tail::AnyCell(key, _) => key == cell,
            Tail::Thread { thread, turns, .. } => {
                driver.is_some_and(|driver| driver.thread == thread && !(driver.sent && turns))
            }
        }
    }
}

/// The thread that a task waits for.
#[derive(Clone, Copy)]
struct Driver {
    thread: ThreadId,
    /// The task was sent to a loop that the thread runs.
    sent: bool,
}

/// What a cell waits for.
pub(super) struct Edges {
    rank: u32,
    pub(super) is_tail: bool,
    pub(super) upstream: Option<Arc<dyn Upstream>>,
    /// What the driving thread waits for.
    pub(super) awaited: Option<Arc<dyn AnyCell>>,
}

/// The cells that a search has visited. To be dropped without the lock: any reference may be the
/// last.
#[derive(Default)]
pub(in crate::cell) struct Trail {
    /// Cells whose upstreams have been visited.
    cells: Vec<Arc<dyn AnyCell>>,
    others: Vec<Arc<dyn Upstream>>,
    executors: Vec<Arc<dyn Executor>>,
    /// The threads that a cancel left running and that a `stopped` task waits for.
    left_running: Vec<ThreadId>,
}

impl Trail {
    pub(super) fn keep(&mut self, passed: Arc<dyn Upstream>) {
        self.others.push(passed);
    }
}

/// The thread that drives a cell.
pub(crate) fn driver(state: &State) -> Option<ThreadId> {
    state.driver.filter(|_| state.phase() == Phase::Driving)
}

impl Graph {
    /// Returns true if `head` cannot settle before `tail` proceeds, so that `tail` must not wait
    /// for it. If false, the ranks allow the wait.
    pub(super) fn closes_a_cycle(
        &mut self,
        tail: Tail,
        head: &Arc<dyn AnyCell>,
        trail: &mut Trail,
    ) -> bool {
        let mut pending: Vec<Arc<dyn Upstream>> = vec![head.clone()];
        let mut seen = HashSet::new();
        let mut is_reached = false;
        // The search has visited something that waits for any one of several tasks.
        let mut has_choice = false;
        // The highest rank at which the search ended.
        let mut below = None;
        while let Some(upstream) = pending.pop() {
            let Some(cell) = upstream.clone().cell() else {
                has_choice |= !upstream.needs_all();
                upstream.above(&mut pending);
                is_reached |= self.is_left_to(tail, &*upstream, trail, &mut pending);
                trail.keep(upstream);
                if is_reached && !has_choice {
                    trail.others.append(&mut pending);
                    return true;
                }
                continue;
            };
            trail.keep(upstream);
            if !seen.insert(key(&*cell)) {
                trail.keep(cell);
                continue;
            }
            let edges = self.edges(&cell, Some(tail), trail);
            is_reached |= edges.is_tail;
            if is_reached && !has_choice {
                trail.others.extend(edges.upstream);
                trail.others.append(&mut pending);
                trail.cells.extend(edges.awaited);
                trail.cells.push(cell);
                return true;
            }
            if edges.rank < tail.rank() {
                below = below.max(Some(edges.rank));
                trail.others.extend(edges.upstream);
                trail
                    .others
                    .extend(edges.awaited.map(|awaited| awaited as Arc<dyn Upstream>));
                trail.keep(cell);
                continue;
            }
            trail.cells.push(cell);
            pending.extend(edges.upstream);
            pending.extend(edges.awaited.map(|awaited| awaited as Arc<dyn Upstream>));
        }
        // A task that waits for any one of several is stuck only if all of them are.
        if is_reached && self.is_stuck(Some(tail), head, trail) {
            return true;
        }
        self.rank_all(tail, below, trail, is_reached);
        false
    }

    /// Adds to `above` what the threads wait for that a cancel left running and that `upstream`
    /// waits for. Returns true if `tail` is one of them.
    pub(super) fn is_left_to(
        &self,
        tail: impl Into<Option<Tail>>,
        upstream: &dyn Upstream,
        trail: &mut Trail,
        above: &mut Vec<Arc<dyn Upstream>>,
    ) -> bool {
        let tail = tail.into();
        let from = trail.left_running.len();
        upstream.left_running(&mut trail.left_running);
        let mut is_tail = false;
        for thread in &trail.left_running[from..] {
            is_tail |= tail.is_some_and(|tail| tail.is_thread(*thread));
            let awaited = self.awaited_by(*thread, false).cloned();
            above.extend(awaited.map(|awaited| awaited as Arc<dyn Upstream>));
        }
        is_tail
    }

    /// What `cell` waits for.
    ///
    /// An adoption wakes a thread that runs a loop while it waits. The thread searches again, and
    /// runs what it needs of that loop. So for an adoption a task that was sent to a loop waits for
    /// no thread.
    pub(super) fn edges(
        &mut self,
        cell: &Arc<dyn AnyCell>,
        tail: Option<Tail>,
        trail: &mut Trail,
    ) -> Edges {
        self.visited += 1;
        let (rank, driver, sent_to, upstream) = with_state(&**cell, |state| {
            let upstream = state.upstream().map(|upstream| upstream.to.clone());
            (
                state.rank,
                driver(state),
                state.sent_to().cloned(),
                upstream,
            )
        });
        let mut driver = driver.map(|thread| Driver {
            thread,
            sent: false,
        });
        if let Some(executor) = sent_to {
            if let Some(Tail::Thread { .. }) = tail {
                let turner = executor.turner();
                driver = turner.map(|thread| Driver { thread, sent: true });
            }
            // It is a user value, and this may be the last reference.
            trail.executors.push(executor);
        }
        let awaited = driver.and_then(|driver| self.awaited_by(driver.thread, driver.sent));
        Edges {
            rank,
            is_tail: tail.is_some_and(|tail| tail.is_at(key(&**cell), driver)),
            upstream,
            awaited: awaited.cloned(),
        }
    }

    /// Assigns to the visited cells a rank that allows `tail` to wait for them.
    fn rank_all(&mut self, tail: Tail, below: Option<u32>, trail: &Trail, is_reached: bool) {
        let rank = if trail.cells.len() >= WIDE || is_reached {
            below.unwrap_or_else(|| {
                self.lowest = self.lowest.saturating_sub(1);
                self.lowest
            })
        } else if tail.rank() < UNRANKED {
            tail.rank()
        } else {
            return;
        };
        for cell in &trail.cells {
            let driver = with_state(&**cell, |state| {
                state.rank = state.rank.min(rank);
                driver(state)
            });
            if let Some(driver) = driver {
                self.note_driver(driver, rank);
            }
        }
        for thread in &trail.left_running {
            self.note_driver(*thread, rank);
        }
    }
}
