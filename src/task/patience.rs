//! Waits that only a virtual clock can end, when no thread moves it.

use std::collections::HashSet;

use crate::cell::state::Phase;
use crate::cell::{AnyCell, Upstream, with_state};
use crate::error::{ErrorKind, TaskError};
use crate::sync::{Arc, Duration, Instant};
use crate::timer::Clock;

/// A program may set a patience of zero. The thread does not spin then.
const SHORTEST_NAP: Duration = Duration::from_millis(1);

/// A wait for a task whose pool uses a virtual clock. The wait has no limit.
pub(super) struct Patience<'a> {
    cell: &'a Arc<dyn AnyCell>,
    clock: Clock,
    /// When something was last seen that may end the wait, by the system's time.
    since: Instant,
    /// How often the clock had been moved then.
    moves: Option<u64>,
}

impl<'a> Patience<'a> {
    /// `None`: the task uses the system's time.
    pub(super) fn new(cell: &'a Arc<dyn AnyCell>) -> Option<Patience<'a>> {
        let clock = cell.meta().pool.as_ref()?.clock()?.clone();
        Some(Patience {
            cell,
            since: Instant::now(),
            moves: clock.moves(),
            clock,
        })
    }

    /// How long it may sleep before it looks again. `None`: there is no limit.
    pub(super) fn nap(&self) -> Option<Duration> {
        Some(self.left()?.max(SHORTEST_NAP))
    }

    fn left(&self) -> Option<Duration> {
        let end = self.since.checked_add(self.clock.patience())?;
        Some(end.saturating_duration_since(Instant::now()))
    }

    /// The time is over, and all that could end the wait is the clock, which stands still.
    pub(super) fn is_over(&mut self) -> bool {
        if self.left().is_none_or(|left| !left.is_zero()) {
            return false;
        }
        let moves = self.clock.moves();
        let stands = moves.is_some() && moves == self.moves;
        if stands && self.clock.is_still() && waits_for_time(self.cell) {
            return true;
        }
        self.since = Instant::now();
        self.moves = moves;
        false
    }
}

/// All that `cell` waits for, directly or not, are timers of virtual clocks.
fn waits_for_time(cell: &Arc<dyn AnyCell>) -> bool {
    let mut pending: Vec<Arc<dyn Upstream>> = Vec::new();
    let mut seen = HashSet::new();
    // An address in `seen` must not be used again.
    let mut kept = Vec::new();
    let mut next = Some(cell.clone());
    loop {
        match next.take() {
            Some(cell) => {
                let before = pending.len();
                let phase = with_state(&*cell, |state| state.phase());
                if !matches!(phase, Phase::Open | Phase::Following) {
                    return false;
                }
                cell.above(&mut pending);
                if pending.len() == before {
                    // A resolver settles it.
                    return false;
                }
            }
            None => {
                let Some(upstream) = pending.pop() else {
                    return true;
                };
                if !seen.insert(Arc::as_ptr(&upstream).cast::<()>()) {
                    continue;
                }
                kept.push(upstream.clone());
                next = upstream.clone().cell();
                if next.is_some() || upstream.is_virtual_time() {
                    continue;
                }
                let before = pending.len();
                upstream.above(&mut pending);
                if pending.len() == before {
                    return false;
                }
            }
        }
    }
}

/// The failure of such a wait.
pub(super) fn stopped_clock(cell: &dyn AnyCell) -> TaskError {
    let pool = cell.meta().pool.as_ref();
    let next = pool.and_then(|pool| pool.clock()?.next_timer());
    let due = match next {
        Some(next) => format!("the next timer is due in {next:?}"),
        None => "it has no timer".into(),
    };
    let note = format!("only a virtual clock can settle it: call `Clock::advance`; {due}");
    TaskError::noted(ErrorKind::Abandoned, note, Some(cell.meta().at()))
}
