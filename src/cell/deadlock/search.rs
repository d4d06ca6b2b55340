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

use super::edges::{Tail, Trail, driver};
use super::graph::{Graph, key};
use crate::cell::rank::UNRANKED;
use crate::cell::{AnyCell, Upstream, with_state};
use crate::sync::Arc;

/// A search is wide from this many cells on. Fewer in models and tests.
const WIDE: usize = if cfg!(test) { 2 } else { 32 };

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
        let (mut seen, mut is_reached) = (HashSet::new(), false);
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
                trail.others.extend(edges.above());
                trail.others.append(&mut pending);
                trail.cells.push(cell);
                return true;
            }
            if edges.rank < tail.rank() {
                below = below.max(Some(edges.rank));
                trail.others.extend(edges.above());
                trail.keep(cell);
                continue;
            }
            trail.cells.push(cell);
            pending.extend(edges.above());
        }
        // A task that waits for any one of several is stuck only if all of them are.
        if is_reached && self.is_stuck(Some(tail), head, trail) {
            return true;
        }
        self.rank_all(tail, below, trail, is_reached);
        false
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
        self.lower(&trail.cells, trail, rank);
    }

    /// Gives these cells, and the threads that `trail` has passed, no higher rank than this.
    fn lower(
        &mut self,
        cells: impl IntoIterator<Item: AsRef<dyn AnyCell>>,
        trail: &Trail,
        rank: u32,
    ) {
        for cell in cells {
            let driver = with_state(cell.as_ref(), |state| {
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

    /// `cell` waits for all that `trail` has passed: none of it may keep a higher rank.
    pub(super) fn lower_to_rank_of(&mut self, cell: &Arc<dyn AnyCell>, trail: &Trail) {
        let rank = with_state(&**cell, |state| state.rank);
        if rank == UNRANKED {
            return;
        }
        let passed = trail.others.iter();
        self.lower(
            passed.filter_map(|passed| passed.clone().cell()),
            trail,
            rank,
        );
    }
}
