//! What one cell, or one combinator, waits for.

use super::graph::{Graph, key};
use super::turns::Turns;
use crate::cell::state::State;
use crate::cell::{AnyCell, Upstream, with_state};
use crate::executor::Executor;
use crate::sync::{Arc, ThreadId};

/// The task or thread that will wait, and its rank.
#[derive(Clone, Copy)]
pub(super) enum Tail {
    /// The cell with this key, for another task.
    AnyCell(usize, u32),
    /// A thread, for a task.
    Thread {
        thread: ThreadId,
        rank: u32,
        turns: Turns,
    },
}

impl Tail {
    pub(super) fn rank(self) -> u32 {
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
            Tail::Thread { thread, turns, .. } => driver.is_some_and(|driver| {
                driver.thread == thread && !(driver.sent && turns.run_jobs())
            }),
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
    pub(super) rank: u32,
    pub(super) is_tail: bool,
    pub(super) upstream: Option<Arc<dyn Upstream>>,
    /// What the driving thread waits for.
    pub(super) awaited: Option<Arc<dyn AnyCell>>,
}

impl Edges {
    pub(super) fn above(self) -> impl Iterator<Item = Arc<dyn Upstream>> {
        let awaited = self.awaited.map(|awaited| awaited as Arc<dyn Upstream>);
        self.upstream.into_iter().chain(awaited)
    }
}

/// The cells that a search has visited. To be dropped without the lock: any reference may be the
/// last.
#[derive(Default)]
pub(in crate::cell) struct Trail {
    /// Cells whose upstreams have been visited.
    pub(super) cells: Vec<Arc<dyn AnyCell>>,
    pub(super) others: Vec<Arc<dyn Upstream>>,
    executors: Vec<Arc<dyn Executor>>,
    /// The threads that a cancel left running and that a `stopped` task waits for.
    pub(super) left_running: Vec<ThreadId>,
}

impl Trail {
    pub(super) fn keep(&mut self, passed: Arc<dyn Upstream>) {
        self.others.push(passed);
    }
}

/// The thread that drives a cell.
pub(crate) fn driver(state: &State) -> Option<ThreadId> {
    state.driver.filter(|_| state.is_driven())
}

impl Graph {
    /// Adds to `above` what the threads wait for that a cancel left running, or that turn a loop,
    /// and that `upstream` waits for. Returns true if `tail` is one of them.
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
            let awaited = self.awaited_by(*thread, |_| false).cloned();
            above.extend(awaited.map(|awaited| awaited as Arc<dyn Upstream>));
        }
        let Some(Tail::Thread { thread, turns, .. }) = tail else {
            return is_tail;
        };
        let awaited = if let Some((lender, state)) = upstream.lender() {
            is_tail |= lender == thread && !turns.lend(state);
            self.awaited_by(lender, |turns| turns.lend(state))
        } else if let Some(turner) = upstream.turner() {
            is_tail |= turner == thread && !turns.run_jobs();
            self.awaited_by(turner, Turns::run_jobs)
        } else {
            None
        };
        above.extend(awaited.map(|awaited| awaited.clone() as Arc<dyn Upstream>));
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
                let turner = executor.turner().map(|thread| (thread, true));
                let in_the_way = turner.or_else(|| Some((executor.holder()?, false)));
                driver = in_the_way.map(|(thread, sent)| Driver { thread, sent });
            }
            // It is a user value, and this may be the last reference.
            trail.executors.push(executor);
        }
        let awaited = driver.and_then(|driver| {
            self.awaited_by(driver.thread, |turns| driver.sent && turns.run_jobs())
        });
        Edges {
            rank,
            is_tail: tail.is_some_and(|tail| tail.is_at(key(&**cell), driver)),
            upstream,
            awaited: awaited.cloned(),
        }
    }
}
