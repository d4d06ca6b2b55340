//! Who waits for whom: finds threads whose tasks wait for each other in a cycle, before the last of
//! them goes to sleep for ever.

// Locks: BLOCKED alone. What is found in it is looked at, and let go of, when it is free again.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::owed;
use crate::cell::Cell;
use crate::cell::adopt::any_above;
use crate::cell::state::Phase;
use crate::cell::with;
use crate::sync::{Arc, Mutex, OnceLock, ThreadId, thread_id};

#[derive(Default)]
struct Blocked {
    /// How many waits have been entered, ever.
    entered: u64,
    /// What each thread that runs a task waits for, without a deadline, and the number of that wait.
    waits: HashMap<ThreadId, (u64, Arc<dyn Cell>)>,
}

fn blocked() -> &'static Mutex<Blocked> {
    crate::sync::statics! {
        static BLOCKED: OnceLock<Mutex<Blocked>> = OnceLock::new();
    }
    BLOCKED.get_or_init(|| Mutex::new(Blocked::default()))
}

/// The number of the calling thread's wait; 0 for one with a deadline, which no cycle can hold.
pub(super) struct WaitEntry(u64);

/// Says that the calling thread, which runs a task, will wait for `cell`.
pub(super) fn enter(cell: &Arc<dyn Cell>, has_deadline: bool) -> WaitEntry {
    if has_deadline {
        return WaitEntry(0);
    }
    let mut blocked = blocked().lock();
    blocked.entered += 1;
    let number = blocked.entered;
    blocked.waits.insert(thread_id(), (number, cell.clone()));
    WaitEntry(number)
}

impl Drop for WaitEntry {
    fn drop(&mut self) {
        if self.0 > 0 {
            let entry = blocked().lock().waits.remove(&thread_id());
            drop(entry);
        }
    }
}

impl WaitEntry {
    /// True when `cell` can only settle after the calling thread has returned: it runs the task, or
    /// one above it, or a thread that does waits for the caller in turn.
    ///
    /// Only waits that were entered earlier count. So of the threads of a cycle just one, the last to
    /// come, sees it closed.
    pub(super) fn closes_a_cycle(&self, cell: &Arc<dyn Cell>) -> bool {
        let me = thread_id();
        let mut pending = vec![cell.clone()];
        let mut seen = HashSet::new();
        while let Some(cell) = pending.pop() {
            let drivers = RefCell::new(Vec::new());
            let runs_here = |cell: &dyn Cell| {
                let driver = match self.0 {
                    // What its loop does not run in time is no cycle.
                    0 => running(cell),
                    _ => driver(cell),
                };
                drivers.borrow_mut().extend(driver);
                driver == Some(me)
            };
            if runs_here(&*cell) || any_above(&*cell, runs_here) {
                return true;
            }
            for driver in drivers.into_inner() {
                if seen.insert(driver) {
                    pending.extend(self.awaited_by(driver));
                }
            }
        }
        false
    }

    /// What a thread waits for, if it began before the caller.
    fn awaited_by(&self, thread: ThreadId) -> Option<Arc<dyn Cell>> {
        let blocked = blocked().lock();
        let (number, cell) = blocked.waits.get(&thread)?;
        (*number < self.0).then(|| cell.clone())
    }
}

/// The thread that runs the closure or a continuation of `cell` now, or that has to turn the loop
/// where its continuations wait.
pub(super) fn driver(cell: &dyn Cell) -> Option<ThreadId> {
    running(cell).or_else(|| owed::turner(cell))
}

/// The thread that runs the closure or a continuation of `cell` now.
fn running(cell: &dyn Cell) -> Option<ThreadId> {
    with(cell, |state, _| {
        let driven = state.phase == Phase::Driving;
        state.driver.filter(|_| driven)
    })
}
